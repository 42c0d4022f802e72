"""docs/report.md: what `report` says, with the output of the command itself.

python -m tests.commands.report.report_page      writes the page; a test fails when it is not what comes of it
"""

import io
import os
import shlex
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest import mock

from commands import cli
from commands.output.words import COMMAND
from commands.report.table import COLUMNS

PAGE = Path(__file__).resolve().parents[3] / "docs" / "report.md"
WIDTH = 96
TEXT = """\
# What the cycles were: `report`

`report` shows what one or several ledgers say, as one HTML page for people and as data for programs. It only looks: it reads no key, takes no lock, asks no
exchange, and a run that is alive is not disturbed.

`python -m tests.commands.report.report_page` makes this page; all output below is the command's. The market of these examples stands still, so
nothing differs between cycles and the errors are 0.

{one}

The page answers first what a person asks first: is it flat, did entries keep the promise, what did it cost. It is one file without scripts that loads
nothing, so it can be mailed, printed or kept; it follows light and dark, fits a phone, and can be used by keyboard and screen reader. Charts need matplotlib:

    pip install -c constraints.txt -e '.[report]'

brings it, and pyarrow for `--parquet`. Without them `--json` and `--csv` work.

| option | what it does |
|---|---|
| `--logs DIR ...` | the folders of the ledgers; several are columns of one page. Without it, the configured folder |
| `--since WHEN` | only cycles that began then or later: `2026-11-29`, `2026-11-29T18:00Z` (UTC unless it names an offset), or `'24 h'` before now |
| `--market PREFIX` | a recording of the ledger's time: the one that was replayed, or one that `record` made while a run traded. From it come the mids after fills |
| `--out FILE` | the page, `report.html`; `--csv` and `--parquet` are named after it. A report that is there is replaced, any other file is refused |
| `--csv`, `--parquet` | a row per cycle; without `--out` then no page is made |
| `--json` | everything as one object, the last line of stdout |
| `--config FILE` | its `max_imbalance` is the line that imbalances are held against, `files.logs` the folder |

Exit code 0: it was made. 2: something was typed wrong. 3: a ledger is missing or cannot be read; or a row of it is not the row that was written, and then
the report is made of the rows that are, says so first, and calls nothing flat.

## Several ledgers

{two}

## What each figure is

Every figure is the ledger's own: the fold that a run trades by is run again over all rows, and what the run's summary counted is not counted another way.

| figure | what it is |
|---|---|
| flat | nothing is held by the fills at the last row; with the time of the last reading of the account that said the same. `status` asks the exchange now, this does not |
| cycles | `completed`: entered and flat again, confirmed by the exchange. `failed`: orders were sent and no pair stood. `skipped`: not entered, with the code. A pair that a later run closed is one cycle |
| cost per 1M | a cause's USD of all cycles, by their volume, times 1,000,000. Fees, spread and slippage are what trading costs in any market; the others are what prices did (docs/money.md). The summary's line is the same figure in whole USD |
| ± | one standard error, by a circular block bootstrap: blocks of neighbouring cycles, as long as the cube root of their number, 2,000 draws. `95 %`: so many draws lie between. With fewer than 8 cycles there is none. It says how far a figure may be off because only so many cycles were seen, and nothing of markets that were not |
| in no cycle | of the runs' results, what is in no cycle: money that came when none was under way. Unknown with `--since` |
| fill rate | of the legs of entries, those filled in full by their first order |
| cycle success | of the cycles that sent orders and have ended, those completed |
| planned, filled | imbalance at the prices of the decision, and at what was paid, repairs included. The promise is about *filled* |
| marked | imbalance of the same amounts at the mids when leaving was decided: the drift while the pair was held. Nothing is promised about it |
| unhedged USD·s | net exposure times seconds while neither flat nor the agreed pair, by the exchange's timestamps; summed, and the most in one cycle |
| runs | each start of the program with the figures of its own summary |

## By policy of execution

The figures stand once more for each policy by which a run traded ([execution](execution.md)): `taker-taker`, `maker-taker` or `lean`, for entering and for
leaving, as its plans say. A run by which no order ever rested counts as `taker-taker`, whatever was configured.

| figure | what it is |
|---|---|
| fees, spread, slippage, unhedged | USD per 1M traded, as above; `unhedged` is what prices did to an exposure until its hedge was decided. `execution` is the sum of the four |
| shortfall | implementation shortfall: what was paid beyond the mids of the decision, fees included, per 1M that was wanted. The decision is a side's first plan; a part of its pair that never traded counts by what the mids had done to it by the side's last plan, so that a pair which was given up counts as one that was taken. A cycle that was skipped before any plan has no decision |
| filled of what was to rest | of the amounts that quotes were to open or to close, how much orders that rested have traded |
| adverse move | how far its leg's mid had gone against a fill since the order's decision: at the fill, 1, 10 and 60 s later, in USD per 1M of these fills. What an order paid against the mid at its decision, and its adverse move, are together what it paid against the later mid |
| until hedged | from each trade that found everything hedged until everything was hedged again, by the exchange's timestamps: flat, an agreed pair, or as much of the other leg as the quote's terms want for what has traded |
| followed in the queue model | the shadow: orders that rested, once more in the simulated exchange's queue model on the recording, each from the moment at which the exchange placed it until it was cancelled, or, where it filled, until it would have expired. How far the model's fills and the adverse moves after them are from the real ones is the model's error, and so that of every comparison on recordings ([replay](replay.md#comparing)) |
| cancellations | each time that one was sent |

Errors are the block bootstrap's, over cycles. The ledger has mids at decisions only and a run keeps no market: without `--market` no adverse move is known. With
it the recording is read once, and only the mids at the moments that are asked about are kept, so memory does not grow with it. A moment before the recording's
first or after its last move is not known, and `fills` says of how many fills each figure is.

To have them of a run with an account, let `record` run beside it: it is a process with connections of its own, and nothing that trades waits for it or knows of
it. Its recording shows your own resting orders, too, so the queue that the model sees ahead of them may be longer than it was. On the recording that was
replayed the shadow agrees to the last lot, because the same model filled them.

**Latency.** By hop it is known only from `evenkeel.log` beside the ledger: from each point that a plan passes to the next, in microseconds by this machine's
clock, as far back as the log goes. A replay writes none. The ledger knows three things in whole milliseconds: decision to last fill (the exchange's clock), decision to
first byte, and first byte to answer; the last two are missing for an order whose answer came after its plan had closed, so they say more of slow fills.

**Simulated and PAPER** ledgers are labelled on top, with what they flatter (docs/running.md has the words for paper).

A report reads a ledger from its first row, also the files in `archive/` that it goes on after; where those are gone it begins at the oldest row there is,
and says so.

## For a program

`--json` prints one object: `{shared}`, then `since`, `files` and `accounts`, a list with one object for each ledger. Money, rates and basis points are exact
decimal strings, counts and times integers or ISO-8601 UTC, unknown is null. Costs are above 0 when paid; `net_usd` is above 0 when gained.

| keys of an account | |
|---|---|
{keys}

`cycles`, `--csv` and `--parquet` have these columns, the files with `logs` before them; Parquet keeps money and basis points as `decimal128(38, 18)`:

`{columns}`
"""  # noqa: E501
KEYS = {
    "logs ledger venue money play_money subaccount": "which ledger, whose, and is it play money",
    "rows since_row bad_row first_at last_at": "what was read; `bad_row`: the first that is not as written",
    "flat open_eth open_sol in_doubt agreed_at halted": "at the last row; `flat` null: not known",
    "completed failed skipped unfinished entered together adopted": "cycles; `adopted`: closed later",
    "orders_sent repairs fill_rate success": "orders",
    "traded_usd net_usd outside_cycles_usd trading_cost_usd costs_usd": "money; `costs_usd` by cause",
    "per_million_usd cycles_per_block": "by cause, `trading_cost`, `all_in`: `value`, `error`, `low`, `high`",
    "promise_bps imbalance": "`planned`, `filled`, `marked`, `exited`, against the promise",
    "unhedged_usd_s unhedged_most_usd_s unhedged_worst_usd unhedged_ms unhedged_cycles": "exposure",
    "policies": "by policy of execution: costs, shortfall, adverse moves, `hedged_ms`, `shadow`, messages",
    "skips happened happenings": "counts by code and by kind; what happened besides cycles",
    "latency_ms latency_us_by_hop": "`count`, `median`, `p99`, `max`; the second is null without a log",
    "runs cycles": "a row for each",
}
TRADED = (
    ("desk/alpha", "--market flat:2756.9/115.86 --cycles 9"),
    ("desk/beta", "--market flat:2756.9/115.86 --cycles 3 --target '500 USD'"),
)


def _ran(words: list[str]) -> str:
    out = io.StringIO()
    with redirect_stdout(out), redirect_stderr(io.StringIO()):
        cli.main(words)
    return out.getvalue()


def _shown(line: str) -> str:
    return f"```text\n$ {COMMAND} {line}\n{_ran(shlex.split(line))}```"


def report_document() -> str:
    """The page, of ledgers that replays have just traded in a folder of its own."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder, mock.patch.dict(os.environ, {"COLUMNS": str(WIDTH)}):
        os.chdir(folder)
        try:
            for logs, words in TRADED:
                _ran(["replay", "--quiet", "--logs", logs, *shlex.split(words)])
            one = _shown("report --logs desk/alpha")
            two = _shown("report --logs desk/alpha desk/beta --out desk.html --csv")
        finally:
            os.chdir(before)
    keys = "\n".join(
        f"| {', '.join(f'`{name}`' for name in names.split())} | {words} |" for names, words in KEYS.items()
    )
    shared = "`, `".join(("schema", "ok", "exit_code", "ended_by", "error", "venue", "subaccount", "seed"))
    return TEXT.format(one=one, two=two, keys=keys, shared=shared, columns="`, `".join(COLUMNS[1:]))


if __name__ == "__main__":
    PAGE.write_text(report_document(), encoding="utf-8")
