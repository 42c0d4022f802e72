"""docs/plan.md: what `plan` answers, with the output of the command itself.

python -m tests.commands.plan.page      writes the page; a test fails when it is not what comes of the command
"""

import io
import os
import shlex
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest import mock

from commands import cli
from commands.output.json_keys import PLAN, SHARED
from commands.output.words import COMMAND

PAGE = Path(__file__).resolve().parents[3] / "docs" / "plan.md"
COLUMNS = 96
TEXT = """\
# Know before you trade: `plan`

`plan` answers what a run would do at these prices, before anything is traded: which quantities, how far apart they are, what a cycle costs and why,
how much margin it takes, how near liquidation is, which targets can be balanced at all. It reads no key and sends no order. It takes the options and the
configuration of `run`: a line that you are about to run can be planned by changing one word.

`python -m tests.commands.plan.page` makes this page; all output below is the command's. **Nothing here was asked of the real exchange.**

## At prices that you give

{given}

Without an exchange its documented rules, the fees of a new account and a balance stand in for what nobody was asked, and each is named as *assumed*;
`--deposit` says what the account has. `--market WHICH` takes the first books of a market as `run` does, a recording's too, instead of two
prices; with neither, and no exchange configured, it is the market of the demo.

| line | what it says |
|---|---|
| `answer` | `yes`: a run would enter now, in every direction that it will trade. `no`: the first reason why not, by its code, and what to type instead |
| `ETH`, `SOL` | the order of each leg: amount, the average price it is planned to pay in these books, its worth, and the limit beyond which it does not fill |
| `imbalance` | of the plan, and how far ETH's price may move against SOL's until the same quantities are further apart than `max_imbalance` |
| `cost` | of entering and exiting at these books: taker fees by the account's own tier, the spread, and *slippage*, which is what a book pays less beyond its best price; each in USD and in basis points of what the four orders trade |
| `funding` | what the pair would receive or pay at each full hour by the rates of now (`docs/funding.md`); *unknown* where no exchange was asked |
| `margin` | initial margin that both legs take at their limits with four fees and `limits.margin_buffer`, and what the account has |
| `liquidation` | how far one leg's price may move against it, the other standing still, until the maintenance margin is used up |
| `smallest`, `always` | the smallest target that both directions meet, and the one from which on they meet all up to 100 times yours; why a cent less is not met |

What is not in it: what prices do while a pair is held, what funding comes to until it exits, and fills that are worse than planned (at most `max_slippage`, beyond which nothing
fills). A run reports those as `market`, `funding` and `slippage against the plan`.

## A target that cannot be balanced

{refused}

Exit code 0: a run would enter now. 3: it would not, or the exchange does not answer. 2: something was typed wrong.

## Which targets at which prices

`--sweep` moves both books over a grid of 441 pairs of prices, by default up to 10 % away, and counts at how many of them each target is met in every
direction. `--sweep "3 %"` looks nearer. `median` and `worst` are imbalances of the best quantities there are.

{swept}

## At the exchange

    python supervisor.py plan --venue mainnet --set venue.owner=0x... --target "1000 USD"

asks for the books of this moment, the rules, the fee tier and the free margin of that subaccount; everybody may ask that, so no key is read. Without
`venue.owner` the fees are those of a new account, and what depends on the account's margin is *not known*. The gates of an entry (spread, depth, oracle
price, `no_entry_utc`) are asked as a run asks them.

## For a program

With `--json` the last line of standard output is one object with these keys, on every exit code: {keys}. Money, sizes, shares and basis points are
decimal strings; what is not known is null. `directions` has one object for each direction, long ETH first:

{direction}
"""  # noqa: E501


class PlanTerminal(io.StringIO):
    """Standard output of so many columns."""

    def isatty(self) -> bool:
        return True


def plan_shown(line: str) -> str:
    """What is typed and what comes of it, as a terminal shows it."""
    screen = PlanTerminal()
    with mock.patch.dict(os.environ, COLUMNS=str(COLUMNS)), redirect_stdout(screen), redirect_stderr(screen):
        code = cli.main(shlex.split(line))
    return f"```text\n$ {COMMAND} {line}\n{screen.getvalue().rstrip()}\n$ echo $?\n{code}\n```"


def page() -> str:
    """The whole page, as Markdown."""
    prices = "plan --eth-price 4300.2 --sol-price 203"
    told = io.StringIO()
    with redirect_stdout(told), redirect_stderr(io.StringIO()):
        cli.main([*shlex.split(prices), "--target", "1000 USD", "--json"])
    first = told.getvalue().partition('"directions":[')[2].partition("}")[0].replace(",", ",\n ")
    return TEXT.format(
        given=plan_shown(f"{prices} --target '1000 USD' --deposit '300 USD'"),
        refused=plan_shown(f"{prices} --target '100 USD'"),
        swept=plan_shown(f"{prices} --target '500 USD' --direction long-eth --sweep"),
        keys=", ".join(f"`{key}`" for key in (*SHARED, *PLAN)),
        direction=f"```text\n{first}}}\n```",
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
