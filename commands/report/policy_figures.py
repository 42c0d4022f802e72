"""What each policy of execution came to: the cycles of the runs that traded by it, as figures.

A ledger does not say what was configured; its plans say what was done. A run entered, or left, by `lean`
where an order that rested hedged another one's fills, by `maker-taker` where any order rested, and else by
`taker-taker`.
"""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from actors.ledger.tally import worth
from commands.report.adverse_moves import MILLION, AdverseMoves, Mids, adverse_moves
from commands.report.block_bootstrap import Estimate, ratios
from commands.report.cycle_row import CycleRow
from commands.report.shadow import ShadowOrder
from messages.money import TradingTerm
from messages.units import ONE, Quote, Rate

EXECUTION_COST: tuple[TradingTerm, ...] = ("fees", "spread", "slippage", "adverse")
"""What trading costs, and what prices did while something waited for its hedge: a policy that rests pays
less of the first three and more of the last.
"""


class MarketFacts(msgspec.Struct, frozen=True):
    """What a recording of a ledger's time says of its orders."""

    mids: Mids = {}
    shadows: Mapping[str, ShadowOrder] = {}
    """By digest."""


class ShadowFigures(msgspec.Struct, frozen=True):
    """Orders that rested, and what the queue model makes of them. Rates are of their amounts in USD."""

    orders: int
    refused: int
    """Those that the model would have refused."""
    fill_rate: Rate | None
    """The real one, of these orders; None where there are none."""
    modelled: Rate | None
    adverse: AdverseMoves
    """After the model's fills."""


class PolicyFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One policy. USD x18; costs > 0 = paid. Errors are over blocks of neighbouring cycles
    (`block_bootstrap.py`).
    """

    entry: str
    exit: str
    cycles: int
    """Skipped ones, and one under way, included."""
    entered: int
    skipped: int
    traded: Quote
    per_million: Mapping[str, Estimate]
    """Of each of `EXECUTION_COST`, and `execution` for all four, per 1M USD traded."""
    shortfall: Estimate
    """Per 1M USD that was wanted, traded or not."""
    fill_rate: Rate | None
    """Of what was to trade by an order that rests: how much did. None: no order rested."""
    rested: AdverseMoves
    taken: AdverseMoves
    """After fills of orders that rested, and of those that took."""
    unhedged_usd_s: Estimate
    """USD x seconds for each cycle that traded."""
    orders: int
    cancels: int
    hedged_ms: tuple[int, ...]
    """See `CycleExecution`."""
    shadow: ShadowFigures

    @property
    def name(self) -> str:
        """One word where it enters and leaves alike."""
        return self.entry if self.entry == self.exit else f"{self.entry} in, {self.exit} out"


def policy_figures(rows: Sequence[CycleRow], market: MarketFacts) -> tuple[PolicyFigures, ...]:
    """Of every policy by which any run traded, in the order of their first cycles."""
    runs: dict[int, list[CycleRow]] = {}
    for row in rows:
        runs.setdefault(row.run, []).append(row)
    policies: dict[tuple[str, str], list[CycleRow]] = {}
    for each in runs.values():
        done = [row.execution for row in each]
        policy = (
            _word(any(one.entry_quotes for one in done), any(one.entry_leans for one in done)),
            _word(any(one.exit_quotes for one in done), any(one.exit_leans for one in done)),
        )
        policies.setdefault(policy, []).extend(each)
    return tuple(_figures(entry, leaving, each, market) for (entry, leaving), each in policies.items())


def _word(quotes: bool, leans: bool) -> str:
    return "lean" if leans else "maker-taker" if quotes else "taker-taker"


def execution_cost(row: CycleRow) -> Quote:
    """`EXECUTION_COST` of one cycle."""
    return Quote(sum(row.costs[cause] for cause in EXECUTION_COST))


def _figures(entry: str, leaving: str, rows: Sequence[CycleRow], market: MarketFacts) -> PolicyFigures:
    traded = [row for row in rows if row.traded]
    wanted = [row.execution for row in rows if row.execution.wanted]
    parts: dict[str, list[int]] = {cause: [row.costs[cause] for row in traded] for cause in EXECUTION_COST}
    parts["execution"] = [execution_cost(row) for row in traded]
    to_rest = sum(each.rest_wanted for each in wanted)
    rested = sum(each.rest_filled for each in wanted)

    def moves(kept: Callable[[bool], bool]) -> AdverseMoves:
        fills = [[fill for fill in row.execution.fills if kept(fill.rested)] for row in rows]
        return adverse_moves(fills, market.mids)

    return PolicyFigures(
        entry=entry,
        exit=leaving,
        cycles=len(rows),
        entered=sum(row.entered for row in rows),
        skipped=sum(row.ending == "skipped" for row in rows),
        traded=Quote(sum(row.traded for row in traded)),
        per_million=ratios(parts, [row.traded for row in traded], MILLION * ONE),
        shortfall=ratios(
            {"": [each.shortfall for each in wanted]}, [each.wanted for each in wanted], MILLION * ONE
        )[""],
        fill_rate=Rate(rested * ONE // to_rest) if to_rest else None,
        rested=moves(lambda rested: rested),
        taken=moves(lambda rested: not rested),
        unhedged_usd_s=ratios({"": [row.unhedged_usd_s for row in traded]}, [1] * len(traded), 1)[""],
        orders=sum(row.orders for row in rows),
        cancels=sum(row.execution.cancels for row in rows),
        hedged_ms=tuple(took for row in rows for took in row.execution.hedged_ms),
        shadow=_shadow(rows, market),
    )


def _shadow(rows: Sequence[CycleRow], market: MarketFacts) -> ShadowFigures:
    found = [
        [shadow for order in row.execution.rested if (shadow := market.shadows.get(order.digest))]
        for row in rows
    ]
    every = [shadow for each in found for shadow in each]
    wanted, real, modelled = (
        sum(worth(amount, shadow.order.price) for amount, shadow in zip(amounts, every, strict=True))
        for amounts in (
            [abs(shadow.order.amount) for shadow in every],
            [shadow.order.filled for shadow in every],
            [shadow.filled for shadow in every],
        )
    )
    return ShadowFigures(
        orders=len(every),
        refused=sum(shadow.refused for shadow in every),
        fill_rate=Rate(real * ONE // wanted) if wanted else None,
        modelled=Rate(modelled * ONE // wanted) if wanted else None,
        adverse=adverse_moves([[f for shadow in each for f in shadow.fills] for each in found], market.mids),
    )
