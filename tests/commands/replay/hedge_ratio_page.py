"""docs/hedge-ratio.md: pairs of other dollars than the same on both sides, with the output of the commands
themselves.

python -m tests.commands.replay.hedge_ratio_page    writes the page; a test fails when it is another one
"""

import io
import shlex
from contextlib import closing, redirect_stderr, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory

from actors.ledger import Fold, Store
from commands import cli
from messages.amounts import percent, usd
from messages.lifecycle import CycleEnded
from messages.sizing import LEGS
from messages.units import DOLLAR_NEUTRAL, Quote, imbalance
from tests.commands.plan.page import plan_shown
from tests.commands.replay.goals_page import replay_shown

PAGE = Path(__file__).resolve().parents[3] / "docs" / "hedge-ratio.md"
TEXT = """\
# Another hedge than dollar for dollar: `hedge_ratio`

`hedge_ratio = "0.8"` makes a pair of 1 USD of ETH to 0.80 USD of SOL, long and short or the other way round: ETH is worth `target`, SOL `hedge_ratio`
times as much. Who wants it has found that SOL moves more than ETH and wants both legs to move alike. `1` is the default, the same dollars on both
sides. `python -m tests.commands.replay.hedge_ratio_page` makes this page; all output below is the command's. `run`, `run --paper` and `replay` go by the
same rules.

## What is measured by it

With a ratio of r everything that says how far two legs are apart is about **E and S / r** instead of E and S: the imbalance is \\|E - S / r\\| / max(E, S / r).
There is one function for it (`imbalance` in `messages/units.py`); `verify` has one of its own. No ratio is ever divided by before something is decided:
E and S / r are compared as p E and q S, where r = p / q in lowest terms, so the search for quantities stays exact and `1` asks what it always asked.

| by the ratio | in each leg's own dollars |
|---|---|
| the search for quantities, the goal and the promise (`max_imbalance`), `max_deviation`, every advice of a target | the exchange's minimum notional of each leg |
| `planned`, `FILLED`, `marked` and exit imbalances, on every screen, in `--json`, report, certificates and `verify` | `limits.max_leg_notional`, `limits.max_gross`, margin, distance to liquidation |
| which leg leads, whether a repair keeps the promise and lowers the exposure | fees, spread, slippage, volume, PnL, `take_profit` and `stop_loss` |
| what is unhedged, in USD of ETH (\\|E + S / r\\|, signed), and its budget in USD x seconds | the worst case: the larger leg is the one that may be lost |
| `limits.max_marked_imbalance` | |

`limits.max_leg_notional` and `limits.max_gross` grow with the larger leg and with both, where nobody has written them.

- The ratio is **in the plan** (`hedge_ratio`) and so in its digest; a plan at 1 does not name it and has the digest it always had. Ledgers and
  certificates from before there was a ratio are read and verified as they were; a certificate names its ratio where it is not 1.
- Both legs vote against an entry at another ratio than their configuration has, and the ledger against an order that makes a leg of an open pair
  larger at another ratio than that pair's (`HEDGE_RATIO`). Nothing that closes is refused for it.
- **A pair keeps its ratio** until it is closed: repairs, marks and reports go by the plan that entered it, also after a crash and under another
  configuration. What a person adopts (`run --adopt`) has the ratio of that run's configuration.

## A plan at 0.8

{plan}

## A run at 0.8

{replay}

Its pairs, by its ledger: what was paid for both legs, how far they are apart in dollars, and by the ratio, which is what the promise is about.

{pairs}

## What may be written

A number from 0.2 to 5 with at most 4 decimals. Beyond these bounds the smaller leg hedges less than a fifth of the larger one, which is a position and no
pair. No estimate of how SOL moves with ETH is good to more than 4 decimals, and with each of them the search for quantities has more to look at.

{least}

{fine}

## Do both legs move alike?

`doctor`, `plan` where an exchange is asked, and every start with real money or on paper read the exchange's candlesticks of the last day (5 minutes
each) and say how much each product has moved: the square root of the sum of its squared returns. Where the dollars of one leg, the ratio counted,
have moved **more than 1.5 times** as much as those of the other, it is a warning (`LEGS_UNLIKE`) with the ratio at which both would have moved alike.
A product that has traded in fewer than 144 of the day's 288 spans, or in none of its first or last hour, has no such figure, and neither has one whose
exchange does not answer: it is then said that it is *not known*. It keeps nobody from trading. A replay asks no exchange and says nothing.

To move alike is not the same as to cost least in risk: two legs that are correlated by c need c times that ratio for the smallest standard deviation.

## What holding costs in risk

A pair earns nothing by being held; its value moves. One standard deviation, in basis points of the ETH leg, at a ratio of 1: **7 to 9 in a minute, 19 to 25
in 10 minutes, 45 to 56 in an hour, 120 to 185 in 8 hours**. What a ratio changes of that is little beside how long a pair is held. Measured on two recordings
of ETH and SOL perpetuals of spring 2025, log returns, windows that overlap by three quarters:

| recording | ratio | 1 min | 10 min | 1 h | 8 h |
|---|---|---|---|---|---|
| Binance, 1 minute, 4 May to 3 June | 1 | 7.1 | 21.3 | 52.1 | 142.8 |
| | 0.9 | 6.9 | 20.6 | 50.5 | 141.8 |
| | 0.8 | 6.8 | 20.3 | 50.0 | 143.6 |
| | 0.7 | 6.9 | 20.5 | 50.9 | 148.2 |
| Hyperliquid, 5 minutes, 14 March to 3 June | 1 | | 21.8 | 51.1 | 142.9 |
| | 0.9 | | 20.4 | 48.1 | 135.6 |
| | 0.8 | | 19.6 | 46.4 | 132.1 |
| | 0.7 | | 19.3 | 46.3 | 132.9 |

So 0.8 took 4 to 9 % off the standard deviation of an hour, and over 8 hours of the first recording nothing. These figures are of the past; nothing here
says what a ratio will do.
"""  # noqa: E501


def pairs_of(line: str) -> str:
    """What both legs of each pair of this replay cost, by its ledger: a table."""
    rows = ["| cycle | ETH | SOL | apart in dollars | apart by the ratio |", "|---|---|---|---|---|"]
    with TemporaryDirectory() as folder:
        logs, fold = Path(folder) / "logs", Fold()
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            cli.main([*shlex.split(line), "--logs", str(logs)])
        with closing(Store.reading(logs / "ledger.sqlite")) as store:
            for _, at_ns, message in store.events():
                fold.apply(message, at_ns)
                if isinstance(message, CycleEnded):
                    eth, sol = (fold.cycle.opened(leg).quote for leg in LEGS)
                    assert fold.cycle.filled_imbalance is not None
                    apart = percent(imbalance(eth, sol, DOLLAR_NEUTRAL)), percent(fold.cycle.filled_imbalance)
                    paid = " | ".join(f"{usd(Quote(each))} USD" for each in (eth, sol))
                    rows.append(f"| {message.cycle} | {paid} | {apart[0]} | **{apart[1]}** |")
    return "\n".join(rows)


def hedge_ratio_page() -> str:
    """The whole page, as Markdown."""
    at = "--set hedge_ratio=0.8"
    replay = f"replay --market flat:2756.9/115.86 --cycles 3 --hold '1 s' {at}"
    prices = "plan --eth-price 4300.2 --sol-price 203 --target '1000 USD' --deposit '300 USD'"
    return TEXT.format(
        plan=plan_shown(f"{prices} --direction long-eth {at}"),
        replay=replay_shown(replay),
        pairs=pairs_of(replay),
        least=replay_shown("replay --market flat:2756.9/115.86 --set hedge_ratio=0.1"),
        fine=replay_shown("replay --market flat:2756.9/115.86 --set hedge_ratio=0.81234"),
    )


if __name__ == "__main__":
    PAGE.write_text(hedge_ratio_page(), encoding="utf-8")
