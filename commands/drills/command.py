"""`python supervisor.py drill`: your configuration through named failures at a simulated venue. Play money;
nothing of yours is traded or touched.

Per drill: the worst unhedged exposure, its USD x time, what it cost, how it ended. Exit code 3 when a limit
of the configuration was exceeded; the logs of such a drill are kept. Two drills run at a time, each with a
venue, a run and a guard of its own.
"""

import shutil
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import trio

from commands.access.simulated import ChildFailed
from commands.config.effective import Loaded
from commands.drills.judge import Result, judged
from commands.drills.stage import Played, play
from commands.drills.table import BY_NAME, DRILLS, NAMES, Drill
from commands.output.run_json import json_line
from commands.output.words import (
    COMMAND,
    DONE,
    REFUSED,
    ConfigError,
    Problem,
    Refusal,
    did_you_mean,
    say,
)
from commands.setup.drill_results import Measured, remember
from commands.stopping import Stopped, Stops
from messages.amounts import fixed, usd
from messages.units import Ms, Quote, text_of
from runtime.clock import WallClock
from venue.protocol import VenueError
from venue.throwaway import THROWAWAY_ADDRESS

SCHEMA = "evenkeel.drill/1"
AT_A_TIME = 2
WIDTH = max(len(name) for name in NAMES)


class DrillOptions(msgspec.Struct, frozen=True):
    """Which drills, with whose configuration, seed and simulated funds (USD x18)."""

    loaded: Loaded
    drills: tuple[Drill, ...]
    seed: int
    funds: Quote
    json: bool
    keep: bool = False
    """Keep the logs of every drill."""


def chosen(names: Sequence[str], *, everything: bool) -> tuple[Drill, ...]:
    """The drills that were asked for, in the order of the table. Raises `ConfigError` for none, and for a
    name that is none.
    """
    for name in names:
        if name not in BY_NAME:
            raise ConfigError(
                "UNKNOWN_DRILL",
                None,
                f"{name}: unknown drill",
                did_you_mean(name, NAMES, f"{COMMAND} drill --list"),
            )
    if not names and not everything:
        raise ConfigError(
            "WHICH_DRILL",
            None,
            "which drill?",
            f"type {COMMAND} drill --all, or names from {COMMAND} drill --list",
        )
    return tuple(drill for drill in DRILLS if everything or drill.name in names)


def listed() -> list[str]:
    """The table of drills for a person: name and what goes wrong, aligned."""
    return [f"{drill.name:<{WIDTH}}  {drill.text}" for drill in DRILLS]


def main(options: DrillOptions) -> int:
    """Drill, tell, and return the exit code. Raises `Problem` for what cannot be drilled."""
    out = sys.stderr if options.json else sys.stdout
    say(out, headline(options))
    with Stops() as stops:
        results = trio.run(_drill, options, stops)
    where = remember(options.loaded.settings, NAMES, measured(results, _now_ms()))
    say(out, [verdict(results), f"written to {where}: the worst case that a live run states counts them in"])
    if options.json:
        say(sys.stdout, json_line(as_object(options, results)))
    return code_of(results)


def measured(results: Sequence[Result], now_ms: Ms) -> list[Measured]:
    """What is worth keeping: everything whose cost is known, which it is not while something is open."""
    return [
        Measured(each.name, now_ms, each.worst, each.usd_s, each.cost)
        for each in results
        if each.flat and each.cost is not None
    ]


def headline(options: DrillOptions) -> str:
    """Venue, subaccount, address, signer; then whose configuration it is."""
    name = options.loaded.settings.venue.name
    whose = "" if name == "simulated" else f" · the configuration is for {name}, which is not contacted"
    return f"simulated · default · {THROWAWAY_ADDRESS} · the published key · play money{whose}"


async def _drill(options: DrillOptions, stops: Stops) -> list[Result]:
    folder = (
        Path(options.loaded.settings.files.logs).resolve()
        / "drills"
        / datetime.fromtimestamp(_now_ms() / 1000, UTC).strftime("%Y%m%dT%H%M%S%fZ")
    )
    folder.mkdir(parents=True)
    results: dict[str, Result] = {}
    refusals: list[Problem] = []
    slots = trio.Semaphore(AT_A_TIME)
    async with trio.open_nursery() as drills:
        stops.hear(lambda _number, _count: drills.cancel_scope.cancel())
        for drill in options.drills:
            await slots.acquire()
            drills.start_soon(_one, drill, options, folder, slots, results, refusals, drills.cancel_scope)
    stops.hear(None)
    if stops.first is not None:
        shutil.rmtree(folder, ignore_errors=True)
        # by then every process of every drill has been ended
        raise Stopped(
            stops.first,
            "stopped while drilling",
            "play money only, nothing is left running",
            f"{COMMAND} drill --all starts again",
        )
    for result in results.values():
        if not result.logs:  # nobody asks for the logs of a drill that went well
            shutil.rmtree(folder / result.name, ignore_errors=True)
    if not any(folder.iterdir()):
        folder.rmdir()
    if refusals:
        raise refusals[0]
    return [results[drill.name] for drill in options.drills]


async def _one(
    drill: Drill,
    options: DrillOptions,
    folder: Path,
    slots: trio.Semaphore,
    results: dict[str, Result],
    refusals: list[Problem],
    scope: trio.CancelScope,
) -> None:
    settings = options.loaded.settings
    try:
        played = await play(drill, settings, options.seed, options.funds, folder / drill.name)
        if not played.entered:
            raise cannot(drill, played, options.funds)
        result = judged(drill, settings, played)
    except (ChildFailed, VenueError, OSError) as error:
        message = f"{drill.name}: {error}"
        cure, meaning = f"read {folder / drill.name}", "play money only, the drill did not run"
        refusals.append(Refusal("DRILL_FAILED", None, message, cure, meaning))
        scope.cancel()
    except Problem as problem:
        refusals.append(problem)
        scope.cancel()
    else:
        if options.keep or result.exceeded:
            result = msgspec.structs.replace(result, logs=str(folder / drill.name))
        results[drill.name] = result
        say(sys.stderr if options.json else sys.stdout, lines(result))
    finally:
        slots.release()


def cannot(drill: Drill, played: Played, funds: Quote) -> Refusal:
    """Nothing was entered, so that nothing could go wrong: the run's own reason, and the cure."""
    error = played.told.get("error") or {}
    reason = error.get("message") or f"the run ended with exit code {played.code}"
    cure = error.get("cure") or ""
    if error.get("code") in {"MARGIN", "LIQUIDATION_NEAR"}:
        cure = (
            f"add --deposit 'N USD' with the balance of your account (now {funds.text()} USD), or use a"
            " smaller --target"
        )
    return Refusal(
        "CANNOT_DRILL",
        None,
        f"{drill.name}: no pair could be entered: {reason}",
        cure,
        "no drill ran, play money only",
    )


def lines(result: Result) -> list[str]:
    """One drill; a line more for each limit that was exceeded."""
    state = "OVER" if result.exceeded else "ok"
    cost = "unknown" if result.cost is None else usd(result.cost)
    worst, usd_s, allowed = (fixed(each, 0) for each in (result.worst, result.usd_s, result.usd_s_allowed))
    alone = f"unhedged {worst} USD, {usd_s} USD·s of {allowed}"
    told = [
        f"{state:<4}  {result.name:<{WIDTH}}  {alone} · cost {cost} USD of {usd(result.cost_allowed)} ·"
        f" {result.ending}"
    ]
    told += [f"      {each.limit}: {each.text}" for each in result.exceeded]
    return told + ([f"      logs {result.logs}"] if result.logs else [])


def verdict(results: Sequence[Result]) -> str:
    """The last line but one: PASSED, or OVER with the names of the drills."""
    over = [result.name for result in results if result.exceeded]
    if not over:
        return (
            f"PASSED: {len(results)} of {len(results)} drills stayed within every limit of this configuration"
        )
    return problem_of(over, len(results)).sentence


def problem_of(over: Sequence[str], count: int) -> Refusal:
    """What it means that `over`, of `count` drills, exceeded a limit."""
    message = f"OVER: {len(over)} of {count} drills exceeded a limit of this configuration: {', '.join(over)}"
    return Refusal(
        "LIMIT_EXCEEDED",
        None,
        message,
        "read their logs, then change the limit or what it limits",
        "play money only",
    )


def code_of(results: Sequence[Result]) -> int:
    """Exit code 0, or 3 when a limit of the configuration was exceeded."""
    return REFUSED if any(result.exceeded for result in results) else DONE


def as_object(options: DrillOptions, results: Sequence[Result]) -> dict[str, Any]:
    """The object of `--json`, with one entry for each drill; amounts are exact decimals."""
    over = [result.name for result in results if result.exceeded]
    return {
        "schema": SCHEMA,
        "ok": not over,
        "exit_code": code_of(results),
        "ended_by": "refused" if over else "done",
        "error": problem_of(over, len(results)).as_json() if over else None,
        "venue": "simulated",
        "subaccount": "default",
        "seed": options.seed,
        "target_usd": options.loaded.settings.target.text(),
        "drills": [_entry(result) for result in results],
    }


def _entry(result: Result) -> dict[str, Any]:
    return {
        "name": result.name,
        "ok": not result.exceeded,
        "unhedged_worst_usd": result.worst.text(),
        "unhedged_usd_s": result.usd_s.text(),
        "unhedged_allowed_usd_s": result.usd_s_allowed.text(),
        "legging": result.legging,
        "cost_usd": text_of(result.cost),
        "cost_allowed_usd": result.cost_allowed.text(),
        "ending": result.ending,
        "run_exit_code": result.exit_code,
        "halt_code": result.halt_code,
        "exceeded": [{"limit": each.limit, "text": each.text} for each in result.exceeded],
        "logs": result.logs or None,
    }


def _now_ms() -> Ms:
    return Ms(WallClock().utc_ns() // 1_000_000)
