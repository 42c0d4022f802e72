"""What a run's events add up to: answers, refusals, fills, restarts, and how long plans took."""

from collections import OrderedDict
from datetime import datetime
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from commands.output.events import (
    ActorEndedEvent,
    ActorStartedEvent,
    AnswerEvent,
    EndedEvent,
    FillEvent,
    HopEvent,
    PlacedEvent,
    RunEvent,
    SealedEvent,
    StandingEvent,
    WorkingLine,
)
from commands.report.hops import steps_between

LABELS = ("subaccount", "host")
PLANS_KEPT = 64
ORDERS_KEPT = 10_000
"""Orders, and pieces of them, that are remembered, to tell their leg and a repetition."""
BUCKETS_S = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
K = TypeVar("K")
V = TypeVar("V")


class CountedEvents:
    """Counters of one run in `registry`; `own` are the values of `LABELS`."""

    def __init__(self, registry: CollectorRegistry, own: tuple[str, str]) -> None:
        self._own = own

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(name, text, (*LABELS, *labels), registry=registry)

        self._answers = counter(
            "evenkeel_order_answers", "The exchange's answers to orders, by leg and kind.", "leg", "kind"
        )
        self._rejects = counter(
            "evenkeel_rejects", "Orders that the exchange refused, by leg and its code.", "leg", "code"
        )
        self._fills = counter("evenkeel_fills", "Pieces of orders that traded, by leg.", "leg")
        self._quotes = counter("evenkeel_quotes_placed", "Orders that were placed to rest, by leg.", "leg")
        self._cancels = counter(
            "evenkeel_cancels", "Cancellations of orders that rest, by leg; asked again counts again.", "leg"
        )
        self._maker = counter(
            "evenkeel_maker_fills", "Pieces of orders that traded as they rested, by leg.", "leg"
        )
        self._restarts = counter("evenkeel_actor_restarts", "How often an actor was started again.", "actor")
        self._up = Gauge("evenkeel_actor_up", "1 while an actor runs.", (*LABELS, "actor"), registry=registry)
        self._steps = Histogram(
            "evenkeel_step_seconds",
            "How long a plan took from one point of its way to the next.",
            (*LABELS, "step"),
            registry=registry,
            buckets=BUCKETS_S,
        )
        self._legs: OrderedDict[str, str] = OrderedDict()
        self._quoted: OrderedDict[str, str] = OrderedDict()
        """Plan -> the leg that is to rest."""
        self._asked: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._seen: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._plans: OrderedDict[str, dict[str, int]] = OrderedDict()
        self._incarnations: OrderedDict[str, int] = OrderedDict()
        self._proposed = 0

    def hear(self, event: RunEvent) -> None:
        """Count one event of the run; of most kinds nothing is counted."""
        match event:
            case PlacedEvent():
                self._placed(event)
            case AnswerEvent():
                self._answered(event)
            case FillEvent():
                self._filled(event)
            case HopEvent():
                self._passed(event)
            case SealedEvent():
                self._sealed(event)
            case StandingEvent():
                self._cancelled(event.working or ())
            case EndedEvent():
                self._settle()
            case ActorStartedEvent() | ActorEndedEvent():
                self._came_or_went(event)

    def _sealed(self, event: SealedEvent) -> None:
        self._settle(but=event.plan)
        if event.quote is not None:
            _keep(self._quoted, event.plan, event.quote.leg, PLANS_KEPT)

    def _placed(self, event: PlacedEvent) -> None:
        for leg, order in (("eth", event.eth_order), ("sol", event.sol_order)):
            if order is not None:
                _keep(self._legs, order, leg, ORDERS_KEPT)
        if event.plan in self._quoted:
            self._quotes.labels(*self._own, self._quoted.pop(event.plan)).inc()

    def _filled(self, event: FillEvent) -> None:
        """A piece traded, of which the exchange may tell twice."""
        if (event.order, event.remaining) in self._seen:
            return
        _keep(self._seen, (event.order, event.remaining), None, ORDERS_KEPT)
        leg = self._legs.get(event.order, "unknown")
        self._fills.labels(*self._own, leg).inc()
        if event.maker:
            self._maker.labels(*self._own, leg).inc()

    def _answered(self, event: AnswerEvent) -> None:
        if event.kind != "none":  # a leg that had nothing to order
            self._answers.labels(*self._own, event.leg, event.kind).inc()
        if event.kind == "refused":
            self._rejects.labels(*self._own, event.leg, str(event.code)).inc()

    def _cancelled(self, working: tuple[WorkingLine, ...]) -> None:
        """Each time at which an order's cancellation was sent counts once, however often it is told."""
        for order in working:
            asked = order.order, order.cancel_asked_at or ""
            if order.cancel_asked_at is not None and asked not in self._asked:
                _keep(self._asked, asked, None, ORDERS_KEPT)
                self._cancels.labels(*self._own, order.leg).inc()

    def _came_or_went(self, event: ActorStartedEvent | ActorEndedEvent) -> None:
        started = isinstance(event, ActorStartedEvent)
        self._up.labels(*self._own, event.actor).set(int(started))
        if started:
            # by its own count: a watcher that began later has not seen the others
            more = event.incarnation - 1 - self._incarnations.get(event.actor, 0)
            self._restarts.labels(*self._own, event.actor).inc(max(0, more))
            _keep(self._incarnations, event.actor, event.incarnation - 1, PLANS_KEPT)

    def _passed(self, hop: HopEvent) -> None:
        """A plan has passed a point of its way."""
        at_us = _micros(hop.at)
        if hop.plan is None:
            self._proposed = at_us
            return
        known = self._plans.get(hop.plan)
        if known is None:
            known = {}
            _keep(self._plans, hop.plan, known, PLANS_KEPT)
        known.setdefault(hop.hop, at_us)
        if hop.hop == "supervisor seals" and self._proposed:
            known["sizing proposes"], self._proposed = self._proposed, 0

    def _settle(self, but: str = "") -> None:
        """Another plan is sealed, so that no point of those before it is still to come: their steps count."""
        for plan in [plan for plan in self._plans if plan != but]:
            for step, took_us in steps_between(self._plans.pop(plan)):
                self._steps.labels(*self._own, step).observe(took_us / 1e6)


def _micros(text: str) -> int:
    moment = datetime.fromisoformat(text)
    return int(moment.replace(microsecond=0).timestamp()) * 1_000_000 + moment.microsecond


def _keep(into: "OrderedDict[K, V]", key: K, value: V, most: int) -> None:
    into[key] = value
    while len(into) > most:
        into.popitem(last=False)
