"""Orders of ours that rest: when one may not rest any longer, and its cancellation.

A cancellation is no plan. It can only reduce, so nobody votes on it and it is sent in any phase of the
barrier; it goes over HTTP, so a leg that is down does not keep it. `why_cancel` is the whole rule, asked in
every turn of the supervisor's loop; sizing asks as well, for its own reasons (`CancelAsked`). Once asked for,
an order is cancelled again and again until it has an ending, or cannot trade any more: a reason that has
passed meanwhile does not let it rest again. What the order did is for the ledger to say, which is told of
each cancellation as it leaves and of each answer.
"""

from collections.abc import Callable

import msgspec
import trio

from actors.clock_recovery import ClockRecovery
from actors.risk.gates import Attempt, daily_loss, staleness_denial, venue_denial
from actors.risk.legging import over_budget
from actors.risk.limits import run_over
from actors.tree import Channels, Tree, World
from messages.amounts import fixed
from messages.execution import CancelAnswer, CancelAsked
from messages.lifecycle import Directive, Held, WorkingOrder
from messages.market import PairQuote
from messages.settings import Settings
from messages.sizing import LEGS
from messages.units import Base, Ms
from runtime.observe import Notes
from runtime.outlive import outlive
from venue.closing import liquidation_near
from venue.protocol import VenueRules
from venue.resolve import WINDOW_MARGIN_MS

HEDGED_MS = 250
"""Nothing goes on trading beside an order that has had no ending for so long."""
UNHEDGED_MS = 1_000
UNHEDGED_CHUNKS = 2
"""Nor while what has traded stands unhedged for so long, where that is more than so many of the smallest
orders that could hedge it.
"""
AGAIN_S = 1.0
"""Pause before a cancellation is sent again; doubles with each."""
ANSWER_S = 3.0
"""How long a cancellation may take, whatever the client's own limit is."""


class RestingFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Everything beside an order itself that may speak against letting it rest, at venue time `now_ms`."""

    held: Held
    settings: Settings
    rules: VenueRules
    now_ms: Ms
    epoch: int
    """Of the legs and the ledger that run now."""
    directive: Directive | None
    quote: PairQuote | None
    stream_live: bool
    """Does the account's stream tell of fills?"""
    down: tuple[str, ...]
    """Legs that do not run, or could not send an order now."""
    known_ms: Ms | None
    """Venue time since which all is known again after a jump of the clocks; None while it is not."""
    guard_missing: str
    """Why a guard that is wanted is not alive; "" when it is."""


def why_cancel(order: WorkingOrder, facts: RestingFacts) -> str:
    """Why this order may not rest any longer, in words; "" = let it rest."""
    return next((why for rule in RULES if (why := rule(order, facts))), "")


def _begins(order: WorkingOrder) -> bool:
    """Is it there to open a pair? What hedges or closes one goes on where only entering is barred."""
    return order.terms.opens and not order.terms.hedges


def _over(order: WorkingOrder, facts: RestingFacts) -> str:
    """Is it an order of now, that is known to rest?"""
    if order.doubt.epoch < facts.epoch:
        return f"it is of epoch {order.doubt.epoch}, and this is {facts.epoch}"
    if not order.acknowledged:
        return "the exchange has not said that it rests"
    if facts.known_ms is None or order.decided_ms <= facts.known_ms:
        return "the clocks have jumped since it was decided"
    if facts.now_ms >= order.terms.give_up_ms:
        return "its time is over"
    return ""


def _wanted(order: WorkingOrder, facts: RestingFacts) -> str:
    """Does the run still want it? A pause lets what is open leave as planned."""
    directive = facts.directive
    if directive is not None and directive.leave_now:
        return f"both legs are closed now: {directive.reason}"
    if directive is not None and not directive.enter and _begins(order):
        return f"nothing is entered: {directive.reason}"
    return ""


def _hedged(order: WorkingOrder, facts: RestingFacts) -> str:
    """Does what of it has traded get hedged?"""
    held = facts.held
    for doubt in held.doubts:
        sent_ms = doubt.recv_time_ms - facts.settings.recv_time
        if facts.now_ms > sent_ms + HEDGED_MS:
            return f"the {doubt.leg.upper()} order beside it has had no ending for {HEDGED_MS} ms"
    if held.last_purpose == "hedge" and held.last_refusals:
        return "its hedge was refused or not sent"
    legging, smallest = held.legging, facts.rules.product(order.terms.other).min_notional
    answered = any(other.terms.hedges for other in held.working)
    if (
        not answered
        and smallest is not None
        and legging.naked > UNHEDGED_CHUNKS * smallest
        and facts.now_ms > legging.since_ms + UNHEDGED_MS
    ):
        return f"{fixed(legging.naked, 0)} USD have been unhedged for {UNHEDGED_MS} ms"
    return ""


def _in_touch(_order: WorkingOrder, facts: RestingFacts) -> str:
    """Would a fill be heard of, could it be hedged, and would somebody close it if this process died?"""
    if facts.down:
        return f"{' and '.join(facts.down)} could not send an order now"
    if not facts.stream_live:
        return "the account's stream is lost"
    if facts.guard_missing:
        return facts.guard_missing
    if facts.quote is None:
        return "there are no books"
    look = Attempt(facts.quote, facts.now_ms, facts.settings, 0, 0)
    denial = venue_denial(look) or staleness_denial(look)
    return denial.detail if denial else ""


def _account_allows(_order: WorkingOrder, facts: RestingFacts) -> str:
    """Is the account as our fills say, within its margin, and the cycle within its budget?"""
    held, settings = facts.held, facts.settings
    if held.unexplained:
        return "the exchange tells of a position that our orders do not explain"
    if held.foreign or held.unfit:
        return held.foreign or held.unfit
    if held.initial_health is not None and held.initial_health < 0:
        return "the account has less than initial margin"
    near = settings.limits.min_liquidation_move
    if liquidation_near(held.eth.amount, held.sol.amount, held.maintenance_health, facts.rules, near):
        return "one leg is near its liquidation"
    if over_budget(held, settings, facts.now_ms):
        return f"cycle {held.cycle} has been unhedged for longer than its budget allows"
    return ""


def _may_enter(order: WorkingOrder, facts: RestingFacts) -> str:
    """May a pair still be entered? Asked of what opens one alone."""
    held, settings = facts.held, facts.settings
    denial = held.no_entry or daily_loss(held, settings) or run_over(held, settings)
    return denial.text if denial and _begins(order) else ""


RULES = (_over, _wanted, _in_touch, _hedged, _account_allows, _may_enter)
"""Asked in this order: what is certain to end it first."""


class _Asking(msgspec.Struct):
    """One order's cancellation. Times are Trio's, in seconds."""

    why: str
    due_s: float
    pause_s: float = AGAIN_S
    under_way: bool = False
    over: bool = False
    """Has the venue said what had not traded, or that it does not rest any more?"""


class WorkingOrders:
    """Sends the cancellations, in the supervisor's nursery. Never waits, and nothing that a cancellation does
    is raised.
    """

    def __init__(
        self,
        world: World,
        channels: Channels,
        tree: Tree,
        clock_recovery: ClockRecovery,
        missing_guard: Callable[[], tuple[str, float]],
    ) -> None:
        self._world, self._channels, self._tree = world, channels, tree
        self._clock_recovery, self._missing_guard = clock_recovery, missing_guard
        self._note = Notes(world.observe, world.clock, "supervisor")
        self._asking: dict[str, _Asking] = {}
        """By digest: an order that works, or of which an answer is still awaited."""

    @property
    def any(self) -> bool:
        """Does an order of ours rest, so that the supervisor has to look around often?"""
        held = self._channels.held.value
        return held is not None and bool(held.working)

    def wish(self, asked: CancelAsked) -> None:
        """Sizing's: cancel this order. Nothing comes of it where that does not work any more."""
        self._ask(asked.order_digest, asked.why)

    def look(self, nursery: trio.Nursery, epoch: int, *, stream_live: bool) -> None:
        """Ask the rule about every order that works, and send what cancellations are due in `nursery`."""
        held = self._channels.held.value
        if held is None or not (held.working or self._asking):
            return
        working = {order.doubt.order_digest: order for order in held.working}
        self._asking = {
            digest: asking for digest, asking in self._asking.items() if digest in working or asking.under_way
        }
        facts = self._facts(held, epoch, stream_live=stream_live)
        for digest, order in working.items():
            if digest not in self._asking and (why := why_cancel(order, facts)):
                self._ask(digest, why)
            asking = self._asking.get(digest)
            if asking is not None and self._due(order, asking):
                asking.under_way = True
                nursery.start_soon(self._cancel, order, asking)

    def _ask(self, digest: str, why: str) -> None:
        self._asking.setdefault(digest, _Asking(why, trio.current_time()))

    def _due(self, order: WorkingOrder, asking: _Asking) -> bool:
        """One at a time, and none of an order that cannot trade any more: RESOLVE finds out what it did."""
        can_trade = self._world.clock.now_ms() <= order.doubt.last_trade_ms + WINDOW_MARGIN_MS
        return can_trade and not asking.under_way and not asking.over and trio.current_time() >= asking.due_s

    def _facts(self, held: Held, epoch: int, *, stream_live: bool) -> RestingFacts:
        world, channels = self._world, self._channels
        gone, up = world.venue.unconnected(), self._tree.legs_up()
        return RestingFacts(
            held=held,
            settings=world.settings,
            rules=channels.rules.value or world.rules,
            now_ms=world.clock.now_ms(),
            epoch=epoch,
            directive=channels.directive.value,
            quote=channels.quotes.value,
            stream_live=stream_live,
            down=tuple(f"{leg}_leg" for leg in LEGS if not up or f"{leg}_leg" in gone),
            known_ms=self._clock_recovery.known_ms,
            guard_missing=self._missing_guard()[0],
        )

    async def _cancel(self, order: WorkingOrder, asking: _Asking) -> None:
        """One cancellation, written down as it leaves, and its answer."""
        doubt, now_ms = order.doubt, self._world.clock.now_ms
        name = f"{doubt.leg.upper()} order {doubt.order_digest[:10]}"
        self._note("info", f"cancelling {name}: {asking.why}")
        self._channels.to_ledger.post(CancelAsked(doubt.order_digest, doubt.product_id, asking.why, now_ms()))
        unfilled, gone, detail = await self._answer(order)
        asking.under_way = False
        # 2020 of an order that nobody has acknowledged: it may still arrive
        asking.over = unfilled is not None or (gone and order.acknowledged)
        asking.due_s, asking.pause_s = trio.current_time() + asking.pause_s, 2 * asking.pause_s
        self._channels.to_ledger.post(
            CancelAnswer(doubt.order_digest, doubt.product_id, unfilled, gone, detail, now_ms())
        )
        self._note("info" if asking.over else "warning", f"cancelling {name}: {detail}")

    async def _answer(self, order: WorkingOrder) -> tuple[Base | None, bool, str]:
        """What had not traded; or that it does not rest; or neither, and in which words that failed."""
        answers: list[Base | None] = []
        failed = [f"no answer within {ANSWER_S:g} s"]

        async def ask() -> None:
            answers.append(await self._world.venue.cancel(order.doubt.product_id, order.doubt.order_digest))

        with trio.move_on_after(ANSWER_S):
            await outlive(ask, failed.append)
        if not answers:
            return None, False, failed[-1]
        unfilled = answers[0]
        if unfilled is None:
            return None, True, "the exchange has no such order resting"
        return unfilled, False, f"{unfilled.text()} had not traded"
