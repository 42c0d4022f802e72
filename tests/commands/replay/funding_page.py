"""docs/funding.md: what funding decides, with the output of the commands themselves.

python -m tests.commands.replay.funding_page    writes the page; a test fails when it is not what comes of it
"""

import os
import shlex
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

from actors.ledger import Store
from commands import cli
from commands.output.words import clock_time
from messages.amounts import fixed
from messages.sizing import Sealed, SizingPlan
from messages.units import Bps, Rate
from tests.commands.replay.goals_page import replay_shown

PAGE = Path(__file__).resolve().parents[3] / "docs" / "funding.md"
NEW_YEAR_S = 1_767_225_600
"""2026-01-01 00:00 UTC."""
HOUR_S = 3_600
PRICES = (("ETH-PERP", "2756.9"), ("SOL-PERP", "115.86"))
Staged = Sequence[tuple[int, int, str, str]]
"""From when and for how long, in seconds; the rates of ETH and SOL, "" where nobody says one."""
CAP: Staged = ((0, 1_200, "0.02", "-0.02"),)
USUAL: Staged = ((0, 1_200, "0.0001", "0.0004"),)
ABSENT: Staged = ((0, 1_200, "0.02", ""),)
TURNS: Staged = ((0, 250, "-0.0001", "0"), (250, 340, "0.0007", "0"), (590, 900, "0.0009", "0"))
EVENING = "replay --bars evening.csv --faults rates.toml"
KEPT = f"{EVENING} --cycles 1 --direction funding --hold '70 s' --set hold_for_funding='8 h'"
TURNING = f"{EVENING} --cycles 3 --direction funding --hold '60 s' --set pause='6 min'"
WAITING = f"{EVENING} --cycles 1 --set enter_when.funding_over='5 bps' --set max_wait='2 min'"
TOO_LONG = "replay --market flat:2756.9/115.86 --cycles 1 --hold '20 h' --set hold_for_funding='8 h'"
TEXT = """\
# Funding

Each leg pays or receives funding every full hour (UTC): a 24th of its rate, which is for 24 hours and at most 2 % either way, of the index price of what
is held at that moment, since whenever. Above 0 longs pay shorts. `python -m tests.commands.replay.funding_page` makes this page; all output below is the
command's. `run`, `run --paper` and `replay` go by the same rules (`actors/risk/funding.py`); **nothing here was asked of the real exchange.**

## What it is worth

| | |
|---|---|
| following the sign of funding, pairs held for 1 h | 2 to 4 USD per 1,000,000 USD traded |
| the same, pairs held for 8 h | 4 to 22 USD per 1,000,000 USD traded |
| a round trip at the entry fee tier | about 380 USD per 1,000,000 USD traded |
| 90 days of always taking the side that had received last, changing with every sign | lost 371 bps of both legs |
| the same 90 days, one side kept | made 46 bps of both legs |

So funding pays a hundredth of what trading costs, and a pair that is turned round for it loses. It may break the tie between two sides that cost the
same; it is no reason to trade. `tests/actors/risk/test_funding_history.py` reckons these figures again from 519 days of hourly rates and 88 days of
8-hourly ones of two other exchanges: 2.3 and 3.9 USD at 1 h, 9.4, 13.5 and 20.8 USD at 8 h, 46 bps for the side that was kept. With a round trip of
15.2 bps of a leg, turning round with every sign lost 642 bps there, not 371: those came of a cheaper one.

## The rates, and what the pair comes to

| where | what it says |
|---|---|
| screen | ` funding    ETH +1.20 SOL -0.40 bps/day, pair earns 0.07 USD/h, next 14:00Z` |
| `status` | the same line, of a run by its own word, else by the exchange's rates of now; `funding` with `--json`: both rates, their ages, `per_hour_usd`, `next_at` |
| `plan` | `funding`: what either side would receive at a full hour, and with `direction = "funding"` which one a run takes first, and why |
| report | per cycle: the rates when entering was decided, what the pair was to receive an hour, the rule of its side and of its exit, and what it did receive |
| ledger | the plan that enters has `eth_funding`, `sol_funding` and, in `because`, the rule of its side; the one that exits has the rule in `because` |

The rates are read once a minute from the exchange's archive (`funding_rates`). **A rate that was never said, or that the exchange reckoned more than an
hour ago, is unknown, and unknown is never 0**: the screen says `unknown` or `old (65 min)`, `--json` says null, and each rule below says what it does then.

- **On paper** the account is charged, every full hour, the rate that the real exchange last said.
- **A recording and bars have no rates.** The exchange of a `replay` reckons its own, from its mid against its index price. Both are the same in a
  recording and in bars, so its rate is 0, and 0 is what it charges. A faults file says other ones, as here, and charges them:

```toml
{cap_file}
```

## `direction = "funding"`

The side that receives more, as a tie-breaker. It is changed only where the other side would receive more than a round trip costs **within 24 hours**,
the time that a rate is for: fees and both spreads of one cycle at the books of the moment. What was held last counts, also over a restart.

| rule | the side is |
|---|---|
| `FUNDING_MORE` | the one that receives more: of a first pair, of one that was on it already, and after a change by more than a round trip |
| `FUNDING_KEPT` | that of the last pair, although the other one receives more: not by more than a round trip |
| `FUNDING_EVEN` | that of the last pair, of a first one what `alternate` takes: both receive the same |
| `FUNDING_UNKNOWN` | the same, because a rate is unknown |

Three pairs. A round trip costs 1.50 USD; between the second and the third the difference of both sides rises from 1.40 to 1.80 USD a day.

{turning}

{turned}

Where nobody says SOL's rate:

{absent_turned}

## `hold_for_funding`

`hold_for_funding = "8 h"`: a pair whose `hold` is over is kept for up to so much longer, **only while what the funding times until then pay is more than
what waiting for them risks**. The risk is one standard deviation of the pair's value, measured, in parts of one leg; a wait counts as the next longer one:

| wait, up to | 1 min | 10 min | 1 h | 8 h |
|---|---|---|---|---|
| measured, bps of a leg | 7 to 9 | 19 to 25 | 45 to 56 | 120 to 185 |
| what counts | 9 | 25 | 56 | 185 |

At the cap on both legs a pair receives 16.7 bps of a leg an hour: enough for the last minute before a full hour, and never for more. At usual rates it
is not even enough for that; then the key changes nothing, which is what these numbers say of holding a pair for its funding. A wait ends 10 s after the
hour, when the payment has been made. Whatever ends a risk (`STOP_LOSS`, `MAX_HOLD`, `MARGIN_CALL`, a stop, a halt) does not wait, nor does `TAKE_PROFIT`.

| what is said | when |
|---|---|
| `FUNDING_WAIT` | the pair is kept: on the screen (`HOLDING: FUNDING_WAIT, exits in 40 s at the earliest, ...`), in `status`, in the log |
| `FUNDING_HELD` | the rule of its exit, after it was kept over a funding time |
| `HOLD` | the rule of its exit otherwise; the log says what the payment would have earned and what waiting would have risked |

At the cap: the hold is over 50 s before the hour, a payment earns 1.64 USD, waiting risks 0.89 USD.

{kept}

At usual rates the same pair leaves when its hold is over:

{usual}

A wait that the limits would cut short starts nothing:

{too_long}

## `enter_when.funding_over`

`enter_when.funding_over = "5 bps"`: nothing is entered until the side that is next would receive more than that in 24 hours, in parts of its ETH leg. It
is waited for without a skip, `WAITING: ENTER_WHEN_FUNDING long ETH 3.00 <= 5.00 bps/day` says so, and `max_wait` ends the wait. An unknown rate is waited
for as well.

{waiting}
"""  # noqa: E501


def bars() -> str:
    """Twenty minutes from 00:58 on in which the books stand still."""
    rows = ["ts_ns,symbol,open,high,low,close,volume"]
    for minute in range(20):
        at_ns = (NEW_YEAR_S + HOUR_S - 120 + 60 * minute) * 10**9
        rows += [f"{at_ns},{symbol},{price},{price},{price},{price},1" for symbol, price in PRICES]
    return "\n".join(rows) + "\n"


def staged_rates(staged: Staged) -> str:
    """A faults file that stages these funding rates."""
    parts = [
        f'[[incident]]\nkind = "funding_rate"\nat_ms = {at_s * 1000}\nfor_ms = {for_s * 1000 - 1}\n'
        f'product = "{product}"\nrate = "{rate}"'
        for at_s, for_s, *rates in staged
        for (product, _), rate in zip(PRICES, rates, strict=True)
    ]
    return "\n\n".join(parts) + "\n"


@contextmanager
def in_evening(staged: Staged) -> Iterator[Path]:
    """A folder with `evening.csv` and `rates.toml`, in which a command is typed."""
    before = Path.cwd()
    with TemporaryDirectory() as folder:
        here = Path(folder)
        (here / "evening.csv").write_text(bars(), encoding="ascii")
        (here / "rates.toml").write_text(staged_rates(staged), encoding="ascii")
        os.chdir(here)
        try:
            yield here
        finally:
            os.chdir(before)


def example_of(line: str, staged: Staged) -> str:
    with in_evening(staged):
        return replay_shown(line)


def plans_of_evening(line: str, staged: Staged) -> list[SizingPlan]:
    """Every plan of this replay, from its ledger."""
    with in_evening(staged) as here:
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            cli.main([*shlex.split(line), "--logs", "logs"])
        with closing(Store.reading(here / "logs" / "ledger.sqlite")) as store:
            return [message.plan for _, _, message in store.events() if isinstance(message, Sealed)]


def sides_of(line: str, staged: Staged) -> str:
    """The side of each pair of this replay and why it was taken: a table, from the ledger."""
    rows = [
        "| entered | ETH, bps a day | SOL, bps a day | side | rule | left by |",
        "|---|---|---|---|---|---|",
    ]
    plans = plans_of_evening(line, staged)
    for entry, left in zip(plans[::2], plans[1::2], strict=True):
        side = "long ETH" if entry.eth.amount > 0 else "long SOL"
        rates = f"{_daily(entry.eth_funding)} | {_daily(entry.sol_funding)}"
        at = clock_time(entry.decided_ms)
        rows.append(f"| {at} | {rates} | {side} | `{entry.because}` | `{left.because}` |")
    return "\n".join(rows)


def _daily(rate: Rate | None) -> str:
    return "unknown" if rate is None else fixed(Bps(rate * 10_000), 2)


def funding_page() -> str:
    """The whole page, as Markdown."""
    return TEXT.format(
        cap_file=staged_rates(CAP).rstrip(),
        turning=example_of(TURNING, TURNS),
        turned=sides_of(TURNING, TURNS),
        absent_turned=sides_of(TURNING.replace("--cycles 3", "--cycles 1"), ABSENT),
        kept=example_of(KEPT, CAP),
        usual=example_of(KEPT, USUAL),
        too_long=replay_shown(TOO_LONG),
        waiting=example_of(WAITING, USUAL),
    )


if __name__ == "__main__":
    PAGE.write_text(funding_page(), encoding="utf-8")
