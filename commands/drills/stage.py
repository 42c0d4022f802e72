"""One drill as real processes: a venue that outlives the run, the run with your configuration, and whatever
strikes it.

    simulate --faults FILE      our child; it is asked for its own order log, by its own timestamps
    run --config FILE --url     our child; it starts a guard of its own, as it does live
    the moment                  watched for in the order log; then faults are injected over HTTP, or the run
                                is killed

State, ledger and logs live in the drill's own folder: nothing of the user's is read or touched. However it
ends, the processes are ended too.
"""

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import httpx
import msgspec
import trio

from actors.instance.state import take_over
from actors.ledger.exposure import Pair
from commands.access.simulated import SUPERVISOR, simulated_nado
from commands.config.effective import ENVIRONMENT_PREFIX, Loaded, printed
from commands.config.keys import KEYS
from commands.drills.exposure import Change, agreed_pairs, changes_of, positions_of
from commands.drills.table import AGAIN_MS, CLOSES_MS, Drill, staging_for
from messages.execution import AccountSnapshot
from messages.execution_settings import Execution
from messages.settings import EnterWhen, Settings, VenueSettings
from messages.units import Ms, Quote
from messages.wire import decode
from runtime.heartbeat import Beat, Heartbeat
from runtime.retry import retried, until
from venue.nado.http import HttpReads
from venue.protocol import Malformed, VenueError, VenueRules
from venue.simulated.engine.events import Liquidated
from venue.simulated.engine.order_log import LoggedOrder
from venue.simulated.faults.order_faults import NO_FAULTS, Faults
from venue.throwaway import THROWAWAY_SENDER

LOOK_S = 0.02
PAUSE_MS = 500
CLOSING_MS = 60_000
"""How long closing is retried: nobody waits `venue_patience` for a practice venue."""
GIVE_UP_MS = 5_000
"""How long an entry tries with quotes at most, where what was to happen to one has happened to another."""
SLACK_S = 60.0
"""What starting, ending and a busy machine may take, beside the times in the configuration."""
ENDS_S = 20.0
"""A run that is asked to end, and the last reading of the account."""
GUARD_S = 10.0
"""How long a guard that has closed everything may take to write that down and end."""


class Played(msgspec.Struct, frozen=True):
    """What is known after a drill. Money by the venue, times by its clock."""

    rules: VenueRules
    changes: tuple[Change, ...]
    entered: bool
    before: Quote
    after: AccountSnapshot | None
    """The last reading of the account; None when there was none."""
    code: int | None
    """Exit code of the run; None: it had to be killed because it did not end."""
    told: dict[str, Any]
    """The run's own JSON object; empty when it was killed."""
    killed: bool
    struck: bool
    """Did the drill's moment come?"""
    rested: bool = False
    """Has any of what an order of the run traded while it rested?"""
    agreed: tuple[Pair, ...] = ()
    """Every pair that counts as hedged."""


def drilled(settings: Settings, drill: Drill, folder: Path) -> Settings:
    """The configuration as it is drilled: yours, at a simulated venue, for a few short cycles, with
    everything it writes in `folder`.
    """
    return msgspec.structs.replace(
        settings,
        cycles=drill.cycles,
        until_volume=None,
        until_cost=None,
        until_utc=None,
        hold=Ms(drill.hold_ms),
        pause=Ms(min(settings.pause, PAUSE_MS)),
        venue_patience=Ms(min(settings.venue_patience, CLOSING_MS)),
        no_entry_utc=(),
        enter_when=EnterWhen(),
        execution=executed(settings.execution, drill),
        guard=msgspec.structs.replace(settings.guard, enabled=settings.guard.enabled and not drill.again),
        venue=VenueSettings(),
        files=msgspec.structs.replace(settings.files, logs=str(folder / "logs")),
    )


def executed(execution: Execution, drill: Drill) -> Execution:
    """How pairs are entered and exited in this drill: by an order that rests as soon as one may, where it is
    about that, or else by taking. Nobody waits for a market that stands still to trade with an exit.
    """
    if not drill.rests:
        return msgspec.structs.replace(execution, entry="taker-taker", exit="taker-taker")
    entry = "maker-taker" if execution.entry == "taker-taker" else execution.entry
    return msgspec.structs.replace(
        execution,
        entry=entry,
        exit="taker-taker",
        quote_when="always",
        give_up=Ms(min(execution.give_up, GIVE_UP_MS)),
        after_give_up="take",
    )


async def play(drill: Drill, settings: Settings, seed: int, funds: Quote, folder: Path) -> Played:
    """Play it to its end. Raises `ChildFailed`, `OSError`, `VenueError`."""
    folder.mkdir(parents=True)
    settings, staging = drilled(settings, drill, folder), staging_for(drill, settings)
    faults = folder / "faults.json"
    faults.write_bytes(msgspec.json.encode(staging.first))
    money = ("--deposit", f"{(staging.funds or funds).text()} USD")
    async with (
        simulated_nado(seed, drill.market, str(faults), folder / "venue.log", *money) as url,
        HttpReads(url, THROWAWAY_SENDER, name="drill") as reads,
        httpx.AsyncClient(base_url=url, trust_env=False) as venue,
    ):
        scene = Scene(drill, settings, folder, url, venue, reads)
        rules, before = await reads.rules(), (await reads.account()).value
        if before is None:
            raise Malformed("the venue does not say what the account is worth")
        try:
            code, struck = await scene.run(seed, staging.then)
            if drill.kill and struck and not drill.again:
                await scene.guard_closes()
        finally:
            scene.dismiss_guard()
        orders, takeovers, after = await scene.last_word()
        entered = any(order.increasing and order.result == "accepted" for order in orders)
        changes = tuple(changes_of(orders, takeovers))
        agreed = agreed_pairs(Path(settings.files.logs) / "ledger.sqlite")
        return Played(
            rules,
            changes,
            entered,
            before,
            after,
            code,
            _told(folder / "run.out"),
            drill.kill and struck and not drill.again,
            struck,
            any(not fill.is_taker for order in orders for fill in order.fills),
            agreed,
        )


def has_come(
    moment: Literal["resting", "one leg", "held"], orders: list[LoggedOrder], takeovers: list[Liquidated]
) -> bool:
    """Has the moment of a drill come, by the venue's own logs?"""
    if moment == "resting":
        ours = (order for order in orders if order.sender == THROWAWAY_SENDER)
        return any(order.kind == "post_only" and order.result == "accepted" for order in ours)
    held = positions_of(changes_of(orders, takeovers))
    return sum(amount != 0 for amount in held.values()) == {"one leg": 1, "held": 2}[moment]


class Scene:
    """A venue that answers, and one run at it."""

    def __init__(
        self,
        drill: Drill,
        settings: Settings,
        folder: Path,
        url: str,
        venue: httpx.AsyncClient,
        reads: HttpReads,
    ) -> None:
        self.drill, self.settings, self.folder, self.url = drill, settings, folder, url
        self._venue, self._reads = venue, reads

    @property
    def patience_s(self) -> float:
        """Seconds that the whole run may take, every doubt of every cycle included."""
        settings = self.settings
        doubt_ms = self.drill.cycles * (
            settings.legging_unknown + 2 * settings.recv_time + self.drill.hold_ms
        )
        return doubt_ms / 1000 + SLACK_S

    async def run(self, seed: int, then: Faults) -> tuple[int | None, bool]:
        """Start the run and strike it at its moment. Its exit code, and whether the moment came."""
        struck = False
        async with self._started(seed) as process:
            with trio.move_on_after(self.patience_s):
                while self.drill.moment and not struck and process.poll() is None:
                    struck = has_come(self.drill.moment, *await self._log())
                    if not struck:
                        await trio.sleep(LOOK_S)
                if struck and self.drill.kill:
                    process.kill()
                if struck and then != NO_FAULTS:
                    staged = msgspec.json.encode(then)
                    (await self._venue.post("/simulated/faults", content=staged)).raise_for_status()
                await process.wait()
        if not (struck and self.drill.again):
            return process.returncode, struck
        await trio.sleep(AGAIN_MS / 1000)
        async with self._started(seed) as process:
            with trio.move_on_after(self.patience_s):
                await process.wait()
            return process.returncode, struck

    @asynccontextmanager
    async def _started(self, seed: int) -> AsyncIterator[trio.Process]:
        """The run's process. It does not outlive us, and neither does its guard."""
        config = self.folder / "drilled.toml"
        config.write_text(
            "\n".join(printed(Loaded(self.settings, dict.fromkeys(KEYS, "drill")))) + "\n", encoding="utf-8"
        )
        # ours without the configuration in it, which the file says; locks, epoch and halt are the drill's own
        ours = {name: value for name, value in os.environ.items() if not name.startswith(ENVIRONMENT_PREFIX)}
        faults = ("--faults", "crashes") if self.drill.crashes else ()
        command = [
            sys.executable,
            str(SUPERVISOR),
            "run",
            "--config",
            str(config),
            "--url",
            self.url,
            "--seed",
            str(seed),
            "--json",
            "--quiet",
            *faults,
        ]
        with (self.folder / "run.out").open("wb") as out, (self.folder / "run.err").open("wb") as err:
            process = await trio.lowlevel.open_process(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=ours | {"XDG_STATE_HOME": str(self.folder / "state")},
                start_new_session=True,
            )
        try:
            yield process
        finally:
            with trio.CancelScope(shield=True):
                if process.returncode is None:
                    process.kill()
                    await process.wait()

    async def guard_closes(self) -> None:
        """The run is dead: its guard has `dead_man`, and what closing takes, until nothing is open and it
        has ended. No guard has no longer.
        """
        slack_s = SLACK_S if self.settings.guard.enabled else CLOSES_MS / 1000
        with trio.move_on_after((self.settings.guard.dead_man + self.settings.recv_time) / 1000 + slack_s):
            while any(positions_of(changes_of(*await self._log())).values()):  # noqa: ASYNC110 - another process closes
                await trio.sleep(LOOK_S)
            words = self.folder / "logs" / "guard.log"
            with trio.move_on_after(GUARD_S):
                await until(lambda: "FLAT" in words.read_text(errors="replace"), LOOK_S)

    def dismiss_guard(self) -> None:
        """A guard that still watches ends when the heartbeat has ended, one that closes when somebody
        starts a newer epoch.
        """
        states = self.folder / "state" / "evenkeel"
        for beat in states.glob("*.beat"):
            with suppress(msgspec.DecodeError):
                Heartbeat(beat, msgspec.json.decode(beat.read_bytes(), type=Beat).run).end()
        for state in states.glob("*.json"):
            take_over(state, lambda: True)

    async def last_word(self) -> tuple[list[LoggedOrder], list[Liquidated], AccountSnapshot | None]:
        """Order log, takeovers and account, once the venue answers again."""
        after = None
        with trio.move_on_after(ENDS_S):
            after = await retried(self._reads.account, VenueError, 0.2)
        return *(await self._log()), after

    async def _log(self) -> tuple[list[LoggedOrder], list[Liquidated]]:
        """Both, as soon as the host is there."""

        async def read() -> tuple[list[LoggedOrder], list[Liquidated]]:
            orders = (await self._venue.get("/simulated/order_log")).raise_for_status()
            takeovers = (await self._venue.get("/simulated/takeovers")).raise_for_status()
            return decode(orders.content, list[LoggedOrder]), decode(takeovers.content, list[Liquidated])

        return await retried(read, httpx.HTTPError, LOOK_S)


def _told(output: Path) -> dict[str, Any]:
    lines = output.read_text(encoding="utf-8").splitlines()
    with suppress(ValueError):
        found = json.loads(lines[-1]) if lines else {}
        return found if isinstance(found, dict) else {}
    return {}
