"""What the cycles of one ledger come to: the figures of the page, of `--json`, and of nothing else.

A cycle counts where it began at or after `since`. A pair that one run entered and a later one closed is one
cycle here, as it is in the ledger; a run's own summary counts it in neither.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from commands.output.ending import median_of
from commands.output.money_lines import CAUSES
from commands.report.block_bootstrap import Estimate, block_length, ratios
from commands.report.cycle_row import CycleRow
from commands.report.history import Happening, History, RunPart
from commands.report.policy_figures import MarketFacts, PolicyFigures, policy_figures
from messages.money import TradingTerm
from messages.units import ONE, Bps, Ms, Quote, Rate

MILLION = 1_000_000
FIRST, ALL_IN = "fees, spread and slippage", "everything"


class Distribution(msgspec.Struct, frozen=True):
    """Some imbalances in basis points, against the promise."""

    values: tuple[Bps, ...]
    above: int
    """How many miss the promise."""

    @property
    def median(self) -> Bps | None:
        """As `median_of` has it; None where there are no values."""
        return median_of(self.values)

    @property
    def most(self) -> Bps | None:
        """The worst of them; None where there are no values."""
        return max(self.values, default=None)

    def quantile(self, percent: int) -> Bps | None:
        """The smallest value that `percent` of 100 do not exceed; None of none."""
        return Bps(found) if (found := nearest_rank(self.values, percent)) is not None else None


class Delay(msgspec.Struct, frozen=True):
    """How long one step took, over many orders; None where nothing is known."""

    count: int
    median: int | None
    p99: int | None
    most: int | None

    @classmethod
    def of(cls, values: Sequence[int]) -> "Delay":
        """Of the delays of some orders, all in the same unit; nearest rank, nothing is interpolated."""
        return cls(len(values), nearest_rank(values, 50), nearest_rank(values, 99), max(values, default=None))


class Figures(msgspec.Struct, frozen=True):
    """One ledger in figures. USD x18; costs > 0 = paid."""

    cycles: tuple[CycleRow, ...]
    runs: tuple[RunPart, ...]
    """Those that began at or after `since`, and the one that was under way."""
    happenings: tuple[Happening, ...]
    limit: Bps
    """The promise that imbalances are held against."""
    completed: int
    failed: int
    skipped: int
    unfinished: int
    entered: int
    together: int
    adopted: int
    traded: Quote
    net: Quote
    costs: Mapping[TradingTerm, Quote]
    trading_cost: Quote
    per_million: Mapping[str, Estimate]
    """By cause, and `FIRST` and `ALL_IN`: USD x18 per 1,000,000 USD traded."""
    block: int
    """Cycles per block of the errors."""
    planned: Distribution
    filled: Distribution
    marked: Distribution
    exited: Distribution
    fill_rate: Rate | None
    """Of the legs of entries: how many were filled in full by their first order."""
    success: Rate | None
    """Of the cycles that sent orders and have ended: how many were completed."""
    unhedged_usd_s: Quote
    unhedged_most_usd_s: Quote
    unhedged_worst: Quote
    unhedged_ms: Ms
    unhedged_cycles: int
    """How many cycles were unhedged at all for a millisecond or more."""
    orders: int
    repairs: int
    skips: Mapping[str, int]
    """By code, the commonest first."""
    happened: Mapping[str, int]
    filling: Delay
    sending: Delay
    answering: Delay
    """Milliseconds, by the ledger."""
    outside: Quote | None
    """Of the runs' trading results, what is in no cycle, > 0 = gained. None where it is not known, or where
    only a part of the ledger is shown.
    """
    policies: tuple[PolicyFigures, ...]


def figures_of(
    history: History,
    since_ns: int,
    limit: Bps,
    market: MarketFacts = MarketFacts(),  # noqa: B008 - frozen
) -> Figures:
    """What `history` comes to from `since_ns` on; 0 = all of it. `market`: what a recording says."""
    rows = tuple(row for row in history.cycles if row.began_ns >= since_ns)
    runs = tuple(part for part in history.runs if part.until_ns >= since_ns)
    happenings = tuple(each for each in history.happenings if each.at_ns >= since_ns)
    ended = [row for row in rows if row.sent and row.ending != "open"]
    legs = sum(row.legs_ordered for row in rows)
    parts: dict[str, list[int]] = {cause: [row.costs[cause] for row in rows] for cause in CAUSES}
    parts[FIRST] = [row.trading_cost for row in rows]
    parts[ALL_IN] = [-row.net for row in rows]
    traded = [int(row.traded) for row in rows]
    # cycles without a trade are no sample of what trading costs
    some = [number for number, volume in enumerate(traded) if volume]
    nets = [part.totals.money.net if part.totals.money else None for part in runs]
    whole = not since_ns and not history.since_row
    known = whole and not any(net is None for net in nets)

    def imbalances(of: Callable[[CycleRow], Bps | None]) -> Distribution:
        values = tuple(value for row in rows if (value := of(row)) is not None)
        return Distribution(values, sum(value > limit for value in values))

    return Figures(
        cycles=rows,
        runs=runs,
        happenings=happenings,
        limit=limit,
        completed=_count(rows, "completed"),
        failed=_count(rows, "failed"),
        skipped=_count(rows, "skipped"),
        unfinished=_count(rows, "open"),
        entered=sum(row.entered for row in rows),
        together=sum(row.together and row.ending != "open" for row in rows),
        adopted=sum(row.adopted for row in rows),
        traded=Quote(sum(traded)),
        net=Quote(sum(row.net for row in rows)),
        costs={cause: Quote(sum(row.costs[cause] for row in rows)) for cause in CAUSES},
        trading_cost=Quote(sum(row.trading_cost for row in rows)),
        per_million=ratios(
            {name: [numbers[number] for number in some] for name, numbers in parts.items()},
            [traded[number] for number in some],
            MILLION * ONE,
        ),
        block=block_length(len(some)) if some else 0,
        planned=imbalances(lambda row: row.planned if row.entered else None),
        filled=imbalances(lambda row: row.filled),
        marked=imbalances(lambda row: row.marked),
        exited=imbalances(lambda row: row.exited),
        fill_rate=Rate(sum(row.legs_filled_first for row in rows) * ONE // legs) if legs else None,
        success=Rate(_count(ended, "completed") * ONE // len(ended)) if ended else None,
        unhedged_usd_s=Quote(sum(row.unhedged_usd_s for row in rows)),
        unhedged_most_usd_s=Quote(max((row.unhedged_usd_s for row in rows), default=0)),
        unhedged_worst=Quote(max((row.unhedged_worst for row in rows), default=0)),
        unhedged_ms=Ms(sum(row.unhedged_ms for row in rows)),
        unhedged_cycles=sum(row.unhedged_ms > 0 for row in rows),
        orders=sum(row.orders for row in rows),
        repairs=sum(row.repairs for row in rows),
        skips=_counted(row.code for row in rows if row.ending == "skipped"),
        happened=_counted(each.kind for each in happenings),
        filling=Delay.of([each for row in rows for each in row.filling_ms]),
        sending=Delay.of([each for row in rows for each in row.sending_ms]),
        answering=Delay.of([each for row in rows for each in row.answering_ms]),
        outside=Quote(sum(net or 0 for net in nets) - sum(row.net for row in rows)) if known else None,
        policies=policy_figures(rows, market),
    )


def nearest_rank(values: Sequence[int], percent: int) -> int | None:
    """The smallest of `values` that `percent` of 100 of them do not exceed; None of none."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)] if ordered else None


def _count(rows: Iterable[CycleRow], ending: str) -> int:
    return sum(row.ending == ending for row in rows)


def _counted(words: Iterable[str]) -> dict[str, int]:
    return dict(Counter(words).most_common())
