"""docs/exits.md: what ends a pair and what an entry waits for, a worked example for each rule with the output
of the commands themselves.

python -m tests.commands.replay.exits_page      writes the page; a test fails when it is not what comes of it
"""

import io
import shlex
from contextlib import chdir, closing, redirect_stderr, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory

from actors.ledger import Store
from commands import cli
from commands.output.words import seconds
from commands.screen.view_words import plan_words
from messages.sizing import Sealed
from tests.commands.replay.goals_page import replay_shown

PAGE = Path(__file__).resolve().parents[3] / "docs" / "exits.md"
MOVES = {"rise": 40, "fall": -80}
"""Files of staged moves: ETH by so many basis points, 5 s after the start."""
STAGED = '[[incident]]\nkind = "shift"\nat_ms = 5000\nfor_ms = 600000\nproduct = "ETH-PERP"\nby_bps = {}\n'
ORACLE = STAGED.replace("shift", "oracle").format(-2250)
MARKET = "replay --market flat:2756.9/115.86 --cycles 1 --direction long-eth --hold '30 s'"
TEXT = """\
# Exits of the pair, and what an entry waits for

Every exit names one rule, and that rule held at the quote that sizing looked at. `python -m tests.commands.replay.exits_page` makes this page; all
output below is the commands', on a market that stands still but for the moves that are staged. `run`, `run --paper` and `replay` go by the same rules.

| rule | the pair leaves because | waits for |
|---|---|---|
| `SIGINT`, `SIGTERM`, `UNTIL_UTC`, `HALTED`, `FOREIGN`, `FLATTENED`, ... | the run ends; the code is the one with which it does | nothing |
| `MAX_HOLD` | it has been held for `limits.max_hold` | nothing |
| `MARGIN_CALL` | the account has less than its initial margin | nothing |
| `MARKED_IMBALANCE` | the legs have drifted further apart than `limits.max_marked_imbalance` | nothing |
| `STOP_LOSS` | closing it now comes to a loss of `stop_loss` or more | nothing |
| `TAKE_PROFIT` | closing it now comes to a profit of `take_profit` or more | `min_hold`, and books of now that hold the exit |
| `FUNDING_HELD` | its hold is over; it was kept over a funding time, and is not for the next (`hold_for_funding`) | nothing |
| `HOLD` | it has been held for as long as `hold` says, or as was drawn | nothing |

Of several that hold the first of this table is named. It stands in the line of the exit on the screen and in the log (`exit (TAKE_PROFIT)`), in the
ledger's plan and the cycle's certificate (`because`), as `rule` of the event `sealed`, as `exits` of the summary and of `--json`, and as `left_by` of a
report's cycles. An exit that does not fill in full is followed by `flatten` plans of the same cycle, which go on with it.

## What closing now comes to

    what all orders of the cycle have brought in so far, their fees paid
    + what closing brings: each leg through the side that its exit takes, level by level, never at a mid
    - the taker fees of that
    + funding received since the pair was entered

It is in basis points of what both legs together were worth when entered: 2,000 USD for a target of 1,000 USD per leg. A pair that was just entered
stands at minus a round trip, here at -7.6 bps, of which closing is half. All of it is the ledger's, so a pair that is adopted after a crash is judged by
the same figure; one that a person has booked (`run --adopt`) has none, and goes by the other rules. Where the price of an order is still an estimate no
profit is taken; the estimate is the worst price that the order allowed, and a loss is stopped by it.

## `take_profit`

ETH rises by 40 bps 5 s after the start (`rise.toml`, a faults file). That is 20 bps of both legs, less 7.6 bps of costs:

{rise_file}

{profit}

{profit_line}

**A profit is taken by choice, so it alone waits**: for `min_hold`, and while a book is older than `max_quote_age`, both are further apart than
`max_quote_skew`, or one does not hold `min_depth` times the exit within `max_slippage`. Then the screen says so: `HOLDING: exits in 24 s, QUOTE_STALE ETH
1500 > 1000 ms`. A hold that is over, a stop and every limit are acted upon whatever the books are: staying is the larger risk.

The same with `min_hold = "20 s"`:

{min_hold}

## `stop_loss`

ETH falls by 80 bps (`fall.toml`): -40 bps of both legs and 7.6 bps of costs.

{loss}

{loss_line}

`min_hold` does not delay it. Where a book is too thin for the exit, what is beyond its last level is valued at that level: the loss is at least that, and
counts. The stop is a decision at a price that is seen, not a guarantee of that price: the exit is an IOC with `max_slippage`, then `flatten_steps`.

## Limits

`limits.max_hold` ends a pair whatever `hold` says, and may be as long as it:

{max_hold}

The legs of the same fall are 0.8 % apart:

{marked}

The account has less than its initial margin, because ETH's oracle price fell by 22.5 % (`margin.toml`); the account is read every few seconds:

{margin_file}

{margin}

## Refused before anything is traded

A rule that the costs alone decide would fire at once. What they are is known only with the account's fees and with books, so it is asked at the start of
`run`, `replay` and `plan`, of the books of that moment (exit code 2, nothing is started), and by `doctor`:

{profit_refused}

{loss_refused}

{hold_refused}

## `enter_when`: what an entry waits for

| key | nothing is entered | the wait |
|---|---|---|
| `enter_when.hours_utc` | outside of these hours of the day, UTC (`"8-16"`, `["08:00-09:30", "22-4"]`) | uses up nothing of `max_wait` |
| `enter_when.max_spread` | while a spread is wider than this | ends with `max_wait`, as every other wait for the market |
| `enter_when.funding_over` | while its pair would not receive more funding than this | ends with `max_wait` |

No cycle is skipped for it: the patience of 5 s with a gate of the quote begins where this wait ends. The screen names what is waited for:
`WAITING: ENTER_WHEN_SPREAD SOL 0.87 > 0.50 bps`, `WAITING: ENTER_WHEN_HOURS until 08:00 UTC`; so do `status` and the event `waiting`. An open pair is not
concerned: it exits at any hour and at any spread.

The market begins at 00:00 UTC:

{hours}

A spread that a market never has:

{spread}
"""  # noqa: E501


def exits_page() -> str:
    """The whole page, as Markdown."""
    rise, fall = (f"{MARKET} --faults {name}.toml" for name in MOVES)
    profit, loss = f"{rise} --set take_profit='5 bps'", f"{fall} --set stop_loss='30 bps'"
    kept = f"{profit} --set min_hold='20 s'"
    hours = f"{MARKET} --set enter_when.hours_utc='00:01-12:00'"
    with TemporaryDirectory() as folder, chdir(folder):
        for name, by_bps in MOVES.items():
            Path(f"{name}.toml").write_text(STAGED.format(by_bps), encoding="utf-8")
        Path("margin.toml").write_text(ORACLE, encoding="utf-8")
        return TEXT.format(
            rise_file=f"```toml\n{STAGED.format(MOVES['rise'])}```",
            profit=replay_shown(profit),
            profit_line=exits_in(profit),
            min_hold=f"{replay_shown(kept)}\n\n{exits_in(kept)}",
            loss=replay_shown(loss),
            loss_line=exits_in(loss),
            max_hold=replay_shown(f"{MARKET} --set limits.max_hold='30 s'"),
            marked=replay_shown(f"{fall} --set limits.max_marked_imbalance='0.5 %'"),
            margin_file=f"```toml\n{ORACLE}```",
            margin=replay_shown(f"{MARKET} --faults margin.toml --deposit '260 USD'"),
            profit_refused=replay_shown(f"{MARKET} --set take_profit='2 bps'"),
            loss_refused=replay_shown(f"{MARKET} --set stop_loss='7 bps'"),
            hold_refused=replay_shown(f"{MARKET} --set min_hold='25 h'"),
            hours=f"{replay_shown(hours)}\n\n{exits_in(hours)}",
            spread=replay_shown(f"{MARKET} --set enter_when.max_spread='0.5 bps' --max-wait '1 min'"),
        )


def exits_in(line: str) -> str:
    """When each pair of this replay was entered and left, and the line of its exit as the log has it."""
    rows = ["| cycle | entered after | held for | the line of its exit |", "|---|---|---|---|"]
    with TemporaryDirectory() as folder:
        logs = Path(folder) / "logs"
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            cli.main([*shlex.split(line), "--logs", str(logs)])
        with closing(Store.reading(logs / "ledger.sqlite")) as store:
            rows_of = [(at_ns, message) for _, at_ns, message in store.events()]
        began_ms = rows_of[0][0] // 1_000_000
        sealed = [message for _, message in rows_of if isinstance(message, Sealed)]
    for entry, left in zip(sealed[::2], sealed[1::2], strict=True):
        after, held = entry.plan.decided_ms - began_ms, left.plan.decided_ms - entry.plan.decided_ms
        words = plan_words(left)
        rows.append(f"| {entry.plan.cycle} | {seconds(after)} | {seconds(held)} | `{words}` |")
    return "\n".join(rows)


if __name__ == "__main__":
    PAGE.write_text(exits_page(), encoding="utf-8")
