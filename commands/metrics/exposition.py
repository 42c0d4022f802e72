"""What `/metrics` says, in Prometheus's text format: how the run stands, and what its events add up to.

No figure is computed here that the run does not tell itself: gauges are those of its events (`standing`,
`books`, `gauges`), counters are the ledger's totals or a count of events, steps of a plan are the report's.
What nobody knows has no sample, and never a 0. Prometheus knows only floats: they are made here, of exact
decimals, and nothing reads them back.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from commands.metrics.events_counted import LABELS, CountedEvents
from commands.output.events import BooksEvent, GaugesEvent, StandingEvent
from commands.watched.watched import Watched
from messages.sizing import LEGS
from runtime.clock import WallClock

F = TypeVar("F", GaugeMetricFamily, CounterMetricFamily)
UP_S = 10.0
"""A run that was heard within this time is up."""
STANDS = ("starting", "flat", "checking", "hedged", "sending", "working", "open", "unknown")


class RunMetrics:
    """The metrics of one watched run, `own` are the values of the two labels; `ledger` is the run's file."""

    def __init__(self, watched: Watched, own: tuple[str, str], ledger: Path) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(_Standing(watched, own, ledger))
        counted = CountedEvents(self._registry, own)
        for event in tuple(watched.events):
            counted.hear(event)
        watched.hearers.append(counted.hear)

    def text(self) -> bytes:
        """The answer to one request: every family in the text format of Prometheus."""
        return generate_latest(self._registry)


class _Standing(Collector):
    """What the newest events say; nothing but `evenkeel_up` before there are any."""

    def __init__(self, watched: Watched, own: tuple[str, str], ledger: Path) -> None:
        self._watched, self._own, self._ledger = watched, own, ledger

    def collect(self) -> Iterable[Metric]:
        """Every family, made at each request."""
        watched = self._watched
        up = not watched.gone.is_set() and watched.silent_s < UP_S
        yield self._gauge("up", "1 while the run tells how it stands.", int(up))
        yield self._gauge("silent_seconds", "Since anything was last heard of the run.", watched.silent_s)
        yield self._counter("events_lost", "Events that were dropped before they were read.", watched.lost)
        if watched.begun is not None:
            begun = watched.begun
            info = self._family(GaugeMetricFamily, "run_info", "Whose run it is; always 1.", "venue", "money")
            info.add_metric((*self._own, begun.venue, begun.money), 1)
            yield info
            yield self._gauge("promise_bps", "Imbalance that is promised.", float(begun.max_imbalance_bps))
        if watched.standing is not None:
            yield from self._stands(watched.standing)
            yield from self._money(watched.standing)
        if watched.gauges is not None:
            yield from self._gauges(watched.gauges)
        if watched.books is not None:
            yield from self._books(watched.books)
        size = sum(_size(self._ledger.with_name(self._ledger.name + part)) for part in ("", "-wal"))
        if size:
            yield self._gauge("ledger_bytes", "Size of the ledger's files.", size)

    def _stands(self, standing: StandingEvent) -> Iterator[Metric]:
        each = [(word, int(word == standing.stands)) for word in STANDS]
        yield self._each("stands", "1 for the word that says how the run stands.", "stands", each)
        guarded = standing.guard.split(" ")[-1].isdigit()
        yield self._gauge("guard_up", "1 while a guard is alive.", int(guarded))
        yield self._gauge(
            "venue_agrees", "1 while exchange and ledger agree.", int(standing.venue == "agree")
        )
        yield self._gauge("epoch", "The epoch in force.", standing.epoch)
        yield self._gauge("ledger_rows", "Rows of the ledger.", standing.rows)
        cycles = [
            ("completed", standing.completed),
            ("skipped", standing.skipped),
            ("failed", standing.failed),
        ]
        family = self._family(CounterMetricFamily, "cycles", "Cycles that have ended.", "ending")
        for ending, count in cycles:
            family.add_metric((*self._own, ending), count)
        yield family
        held = _known(("eth", standing.eth), ("sol", standing.sol))
        yield self._each("position", "Held by fills, in the base coin, signed.", "leg", held)
        yield from self._maybe(
            "filled_imbalance_bps", "Of the pair, as filled.", standing.filled_imbalance_bps
        )
        yield from self._working(standing)
        unhedged = standing.unhedged
        if unhedged is not None:
            yield from self._maybe("unhedged_usd", "Unhedged now.", unhedged.now_usd)
            yield from self._maybe("unhedged_worst_usd", "The most of any cycle.", unhedged.worst_usd)
            text = "Of the cycle that was unhedged for most USD x seconds."
            yield from self._maybe("unhedged_usd_seconds", text, unhedged.longest_usd_s)
            yield from self._maybe("unhedged_limit_usd_seconds", "What it may use up.", unhedged.limit_usd_s)

    def _working(self, standing: StandingEvent) -> Iterator[Metric]:
        """Orders that rest: none is 0, and not known is no sample."""
        if standing.working is None:
            return
        now_s, resting = WallClock().utc_ns() / 1e9, standing.working
        counts = [(leg, float(sum(order.leg == leg for order in resting))) for leg in LEGS]
        yield self._each("resting_orders", "Orders that rest, or may.", "leg", counts)
        late = [
            (order.leg, max(0.0, now_s - datetime.fromisoformat(order.expires_at).timestamp()))
            for order in resting
        ]
        text = "For how long an order has had no ending since it expired."
        yield self._each("resting_overdue_seconds", text, "leg", late)

    def _money(self, standing: StandingEvent) -> Iterator[Metric]:
        costs = [(line.cause, float(line.paid_usd)) for line in standing.costs]
        yield self._each("cost_usd", "What the run has cost, by cause; > 0 = paid.", "cause", costs)
        yield self._counter("traded_usd", "Notional of all fills of the run.", float(standing.traded_usd))
        yield from self._maybe("net_usd", "The run's trading result.", standing.net_usd)
        per_million = standing.cost_per_million_usd
        yield from self._maybe("cost_per_million_usd", "Fees and spread per 1,000,000 USD.", per_million)

    def _gauges(self, gauges: GaugesEvent) -> Iterator[Metric]:
        yield from self._maybe("exposure_usd", "Net, signed, at current mids.", gauges.exposure_usd)
        text = "Of the pair, at current mids."
        yield from self._maybe("marked_imbalance_bps", text, gauges.marked_imbalance_bps)
        text = "Of the last entry, as planned."
        yield from self._maybe("planned_imbalance_bps", text, gauges.planned_imbalance_bps)
        yield from self._maybe("account_value_usd", "At the last reading.", gauges.account_value_usd)
        yield from self._maybe("day_loss_usd", "What this UTC day has cost.", gauges.day_loss_usd)
        yield from self._maybe("residual_usd", "Money that nothing explains: 0.", gauges.residual_usd)
        yield self._counter("orders_sent", "Orders that were sent.", gauges.orders_sent)
        yield self._counter("orders_resolved", "Orders that have their ending.", gauges.orders_resolved)
        yield self._counter("orders_twice", "Orders that left more than once: 0.", gauges.orders_twice)
        depths = [(each.name, each.waiting) for each in gauges.queues]
        yield self._each("queue_depth", "Messages that wait in a mailbox.", "queue", depths)
        sizes = [(each.name, each.size) for each in gauges.queues]
        yield self._each("queue_size", "Messages that a mailbox holds at most.", "queue", sizes)
        lag = next((waiting for name, waiting in depths if name == "ledger"), None)
        if lag is not None:
            yield self._gauge("ledger_lag_messages", "Messages that the ledger has not taken yet.", lag)
        spent = self._family(GaugeMetricFamily, "weight_spent", "Of a rate limit.", "limit", "window")
        allowed = self._family(GaugeMetricFamily, "weight_allowed", "A rate limit.", "limit", "window")
        for budget in gauges.budgets:
            labels = (*self._own, budget.name, f"{budget.window_ms // 1000}s")
            spent.add_metric(labels, budget.spent)
            allowed.add_metric(labels, budget.allowed)
        yield from (spent, allowed)

    def _books(self, books: BooksEvent) -> Iterator[Metric]:
        now_s, legs = WallClock().utc_ns() / 1e9, (("eth", books.eth), ("sol", books.sol))
        ages = [(leg, now_s - datetime.fromisoformat(book.proven_at).timestamp()) for leg, book in legs]
        yield self._each("quote_age_seconds", "Since a book was last proven right.", "leg", ages)
        spreads = [(leg, float(book.spread_bps)) for leg, book in legs]
        yield self._each("spread_bps", "Of the top of a book.", "leg", spreads)

    # -- families --------------------------------------------------------------------------------------------

    def _family(self, kind: type[F], name: str, text: str, *labels: str) -> F:
        return kind(f"evenkeel_{name}", text, labels=(*LABELS, *labels))

    def _gauge(self, name: str, text: str, value: float) -> Metric:
        family = self._family(GaugeMetricFamily, name, text)
        family.add_metric(self._own, value)
        return family

    def _counter(self, name: str, text: str, value: float) -> Metric:
        family = self._family(CounterMetricFamily, name, text)
        family.add_metric(self._own, value)
        return family

    def _maybe(self, name: str, text: str, value: str | None) -> Iterator[Metric]:
        """A figure that may be unknown."""
        if value is not None:
            yield self._gauge(name, text, float(value))

    def _each(self, name: str, text: str, label: str, values: Iterable[tuple[str, float]]) -> Metric:
        family = self._family(GaugeMetricFamily, name, text, label)
        for word, value in values:
            family.add_metric((*self._own, word), value)
        return family


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0


def _known(*values: tuple[str, str | None]) -> list[tuple[str, float]]:
    return [(word, float(value)) for word, value in values if value is not None]
