"""The account's money in words: every line about it, on screen and in the summary, comes from the ledger's
one `Statement`.
"""

from collections.abc import Sequence
from decimal import Decimal

from messages.amounts import signed, usd
from messages.money import Statement, TradingTerm
from messages.units import ONE, Quote

CAUSES: tuple[TradingTerm, ...] = (
    "fees",
    "spread",
    "slippage",
    "adverse",
    "hedge",
    "lots",
    "funding",
    "liquidation",
)
"""What a cycle's result is made of, what costs most first."""
CAUSE_WORDS: dict[TradingTerm, str] = {
    "fees": "fees",
    "spread": "spread, as planned",
    "slippage": "slippage against the plan",
    "adverse": "market, while unhedged",
    "hedge": "market, on the hedged pair",
    "lots": "market, on lots left over",
    "funding": "funding",
    "liquidation": "liquidation",
}

MILLION = 1_000_000
FLOWS = (
    ("deposits", "deposits"),
    ("withdrawals", "withdrawals"),
    ("transfers", "transfers"),
    ("isolated", "isolated margin"),
    ("settlements", "other products' settlements"),
    ("third_party", "third-party trades"),
    ("interest", "interest"),
    ("other", "other"),
)
"""Field of the statement, and what a person calls it."""


def market_of(money: Statement) -> Quote:
    """What prices did to positions: hedged, unhedged, and what whole lots leave over."""
    return Quote(money.adverse + money.hedge + money.lots)


def paid_for(money: Statement, cause: TradingTerm) -> Quote:
    """What one cause has cost: > 0 = paid, the other way round than in the statement."""
    return Quote(-getattr(money, cause))


def per_million(amount: int, traded: int) -> Quote | None:
    """`amount` for every 1,000,000 USD of volume, rounded down; None where nothing was traded."""
    return Quote(amount * MILLION * ONE // traded) if traded else None


def result(money: Statement, net: Quote | None) -> str:
    """`fees … spread … market … funding … = NET …`: the trading result on one line."""
    paid = f"fees {usd(money.fees)}  spread {usd(Quote(money.spread + money.slippage))}"
    if net is None:
        return f"{paid}  NET unknown"
    taken = f"  liquidation {usd(money.liquidation)}" if money.liquidation else ""
    funding = "unknown" if money.state == "unread" else usd(money.funding)
    return f"{paid}  market {signed(market_of(money))}  funding {funding}{taken} = NET {usd(net)} USD"


def parts(money: Statement) -> list[str]:
    """What spread and market are made of, in USD: two lines of the summary."""
    return [
        f"spread: planned {usd(money.spread)}, slippage against the plan {usd(money.slippage)}",
        (
            f"market: hedge {signed(money.hedge)}, unhedged {signed(money.adverse)}, lots left over"
            f" {signed(money.lots)}"
        ),
    ]


def flows(money: Statement) -> list[str]:
    """What moved money and is no trading result; [] when nothing did."""
    moved: Sequence[tuple[str, Quote]] = [(name, getattr(money, field)) for field, name in FLOWS]
    told = [f"{name} {signed(amount)}" for name, amount in moved if amount]
    settled = [f"settled into USDT0 {signed(money.settled)}"] if money.settled else []
    return ["  ".join([*told, *settled]) + " USD, not in NET"] if told or settled else []


def residual(money: Statement) -> list[str]:
    """Whether everything is explained, and if not, what is missing."""
    if money.residual is None:
        return [f"residual unknown: {money.words}"]
    if money.state == "exact":
        return [f"residual 0.00 USD: {_explained(money)}"]
    first, *more = money.words.split("; ")
    return [
        f"residual {money.residual.text()} USD, {money.state}: {first.removeprefix(f'{money.state}: ')}",
        *more,
    ]


def _explained(money: Statement) -> str:
    """The change of the balances, as NET and what is not in it; they differ by what positions were worth when
    the run began, and are worth now.

    To the cent the figures add up as they are shown: what nothing else shows, the value of positions, or else
    the flows' sum, takes the rounding.
    """
    change, flows = money.balance_change or Quote(0), Quote(sum(getattr(money, field) for field, _ in FLOWS))
    if money.net is None or money.net == change:
        return f"balances {signed(change)} USD, all explained"
    left, net = Decimal(usd(change)), Decimal(usd(money.net))
    moved = Decimal(usd(flows)) if money.value_change else left - net
    value = f", value of positions {net + moved - left:+}" if money.value_change else ""
    return (
        f"balances {signed(change)}{value} = NET"
        f" {usd(money.net)}{f', not in NET {moved:+}' if flows else ''} USD"
    )
