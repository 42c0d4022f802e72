"""docs/goals.md: what ends a session and a pair, with the output of the commands themselves.

python -m tests.commands.replay.goals_page      writes the page; a test fails when it is not what comes of it
"""

import io
import os
import shlex
from contextlib import closing, redirect_stderr, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock

from actors.ledger import Store
from commands import cli
from commands.output.words import COMMAND, seconds
from messages.amounts import usd
from messages.sizing import Sealed
from tests.commands.plan.page import COLUMNS, PlanTerminal

PAGE = Path(__file__).resolve().parents[3] / "docs" / "goals.md"
SUMMARY_LINES = 5
"""Of a run's summary: how it ended, why, balance, orders, money."""
TEXT = """\
# What ends a session, and what ends a pair

A run ends at the first of its goals, flat, with exit code 0, and says which. `python -m tests.commands.replay.goals_page` makes this page; all output
below is the command's, on a market that stands still. `run`, `run --paper` and `replay` go by the same rules.

| key | ends the run when | counted by |
|---|---|---|
| `cycles` | so many pairs were entered and exited | endings of cycles; skipped ones only with `count_skips` |
| `until_volume` | all fills together are worth so much: both legs, in and out | `traded_usd` of `--json` |
| `until_cost` | the run has lost so much, net of everything: fees, spread, what prices did, funding | NET of the summary, with its sign turned |
| `until_utc` | it is so late, by the exchange's clock | |

With a goal but without `cycles` a run goes on until that goal; a run with real money must be told `cycles` anyway (`cycles = "forever"` is one way).

- **All of them are counted over one invocation**, as the ledger has it. A run that is started again after a crash begins at 0. What closing the
  pair of an earlier run trades and costs is traded and lost by the run that closes it.
- **Volume and cost are judged while nothing is open**: a pair is entered and exited whole, so a run passes its goal by less than one cycle. The last
  cycle is only as large as what is left: a quarter of the volume, or that part of what a cycle costs at the books of that moment, but never less than
  can be balanced, nor more than `target`. Its fills decide, so a small one may follow.
- **While the cost is not known nothing is entered** with `until_cost` set: the price of an order that is still asked of the archive is no 0.
- **At `until_utc` an open pair is closed at once**, however long it would have been held. Closing takes its time; a run that has entered nothing
  until then ends with exit code 3, as every run without a pair.
- When several are reached, the first of the table is named, except that `until_utc` is named where it has closed a pair.

A halt, a stop and the limits come first, whatever the goals say.

## `until_volume`

{volume}

## `until_cost`

{cost}

## `until_utc`

{time}

Not begun, because the time is past (`until_utc`, exit code 2):

{past}

## With `cycles`

{cycles}

## Ranges: `hold`, `pause`, `target`

`hold = "3-9 min"`, `pause = "1-5 min"` and `target = "900-1100 USD"` are drawn for each cycle, both ends included. A draw depends on the run's `--seed`, the
key and the cycle's number and on nothing else: a replay of the same seed draws the same, and no draw moves another. What was drawn is in the plan that
enters, so it is in the ledger and in its digest, and **a pair that is adopted after a crash keeps its own**, whatever the configuration says by then.
Whoever asks for the most (the worst-case statement, `doctor`, the limits that grow with `target`, `limits.max_hold`) gets the upper end.

{ranges}

The plans of that run, from its ledger:

{drawn}

A range with its ends swapped starts nothing:

{swapped}

`min_hold` is the least that a pair is to be held: nothing is entered that `until_utc` would close sooner, and the run then ends before that time; and no
profit is taken sooner. It is at most the least of `hold`, or the run is refused. It delays no stop, halt or limit.

## Why a pair is left

By one rule, which is named: `HOLD` here. The others, `take_profit` and `stop_loss` among them, are in docs/exits.md.

## How far it is

The screen's second line and `status` show each goal (`run` in its text, `progress` with `--json`): `cycle 12   until_volume 44,120.5 of 1,000,000 USD`.
At the end `--json` has `ended_code` (`CYCLES`, `UNTIL_VOLUME`, `UNTIL_COST`, `UNTIL_UTC`, or the code of what else ended it) and `goals`: `key`, `now`,
`wanted` and `reached` of each.
"""  # noqa: E501


def replay_shown(line: str) -> str:
    """What is typed and the first lines of what comes of it. Standard error has how long it took, which is
    another figure each time; a refusal is all that there is.
    """
    screen, beside = PlanTerminal(), io.StringIO()
    with mock.patch.dict(os.environ, COLUMNS=str(COLUMNS)), redirect_stdout(screen), redirect_stderr(beside):
        code = cli.main(shlex.split(line))
    told = (screen.getvalue() or beside.getvalue()).splitlines()[:SUMMARY_LINES]
    return "\n".join(["```text", f"$ {COMMAND} {line}", *told, "$ echo $?", str(code), "```"])


def drawn_in(line: str) -> str:
    """What was drawn for each cycle of this replay, and the rule by which its pair was left: a table."""
    rows = ["| cycle | target | hold | pause after it | left by |", "|---|---|---|---|---|"]
    with TemporaryDirectory() as folder:
        logs = Path(folder) / "logs"
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            cli.main([*shlex.split(line), "--logs", str(logs)])
        with closing(Store.reading(logs / "ledger.sqlite")) as store:
            plans = [message.plan for _, _, message in store.events() if isinstance(message, Sealed)]
    for entry, left in zip(plans[::2], plans[1::2], strict=True):
        assert entry.target is not None
        assert entry.hold is not None
        assert entry.pause is not None
        times = f"{seconds(entry.hold)} | {seconds(entry.pause)}"
        rows.append(f"| {entry.cycle} | {usd(entry.target)} USD | {times} | `{left.because}` |")
    return "\n".join(rows)


def goals_page() -> str:
    """The whole page, as Markdown."""
    market = "replay --market flat:2756.9/115.86"
    ranges = f"{market} --cycles 3 --hold '3-9 s' --set pause='1-5 s' --target '900-1100 USD'"
    return TEXT.format(
        volume=replay_shown(f"{market} --hold '1 s' --set until_volume='30000 USD'"),
        cost=replay_shown(f"{market} --hold '1 s' --set until_cost='10 USD'"),
        time=replay_shown(f"{market} --hold '25 s' --set until_utc='2026-01-01 00:01'"),
        past=replay_shown(f"{market} --set until_utc='2025-12-01 18:00'"),
        ranges=replay_shown(ranges),
        drawn=drawn_in(ranges),
        swapped=replay_shown(f"{market} --hold '9-3 min'"),
        cycles=replay_shown(f"{market} --cycles 2 --set until_volume='30000 USD'"),
    )


if __name__ == "__main__":
    PAGE.write_text(goals_page(), encoding="utf-8")
