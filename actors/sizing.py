"""sizing: the one place where quantities come from.

The pure step looks at what the market is, what is held and what is allowed, and answers with at most one thing: a plan, a skipped cycle, or
nothing yet. Entering, repairing, leaving and flattening are four purposes of the same plan. An exit never sizes: it closes exactly what the ledger
holds (lesson S8). What sizing remembers between steps is only how long it has waited; everything else is the ledger's, so that a restart loses
nothing.
"""

from collections.abc import Callable
from typing import Any, Literal

import msgspec
import trio

from actors.dust import topping_up
from actors.gates import Denial, closed_window, daily_loss, entry_denial, limit_price
from actors.lattice import Side, size_pair, vwap
from actors.legging import over_budget
from actors.limits import pair_over
from actors.repair import Way, cheapest
from actors.runtime.clock import VenueClock
from actors.runtime.mailbox import Latest
from actors.runtime.observe import Observe
from actors.runtime.pulse import Pulse
from messages.lifecycle import Denied, Directive, Held, Hop, Note
from messages.market import LegQuote, Level, PairQuote
from messages.settings import Settings
from messages.sizing import LegOrder, Purpose, SizingPlan, Skipped, Verdict
from messages.units import ONE, Base, Bps, Ms, Price, Quote, imbalance, notional
from venue.protocol import ProductRules, VenueRules

ENTRY_PATIENCE_MS = 5_000
"""How long an entry waits for the gates to open before the cycle is skipped."""
ENTRY_TRIES = 3
"""Enter plans of one cycle of which neither leg traded, before the cycle is given up."""
ANSWER_MS = 250
"""How long a proposal may stay unanswered before sizing looks again."""
TICK_S = 0.1
"""How long sizing sleeps at most: holds and pauses end between two quotes."""
RETRY_MS = (100, 5_000)
"""First and longest pause before another repair or flatten step; doubles with each."""
PRICE_MS = 1_000
"""How long a repair waits for the price of an order of which RESOLVE knows only the quantity: a pair completed on an estimate, the order's limit, may
be off by all of `max_slippage`. The archive lags by less, and a cycle in doubt may stand on one leg for longer (`legging_unknown`)."""


ENDLESS = Base(10**9 * ONE)
"""More than anybody holds."""
BLIND_AFTER_MS = 3_000
"""How long a book is waited for before something open is left at a limit reckoned from the oracle."""


class Memory(msgspec.Struct, frozen=True):
    """All that sizing remembers. `version` is that of the Held its last proposal was made on."""

    waiting_since_ms: Ms = Ms(0)
    proposed_ms: Ms = Ms(0)
    version: int = -1


class Look(msgspec.Struct, frozen=True):
    """Everything a step looks at."""

    quote: PairQuote | None
    held: Held
    directive: Directive
    now_ms: Ms


Decision = SizingPlan | Skipped | None


class Sizer(msgspec.Struct, frozen=True):
    """The pure step, for one configuration and one venue's rules."""

    settings: Settings
    rules: VenueRules

    def step(self, memory: Memory, look: Look) -> tuple[Memory, Decision]:
        """At most one decision. The memory returned belongs to it."""
        held = look.held
        unanswered = memory.version == held.version and look.now_ms < memory.proposed_ms + ANSWER_MS
        if held.phase == "in_flight" or unanswered:
            return memory, None
        if look.quote is None:
            return self._blind(memory, look)
        if held.phase == "flat":
            return self._flat(memory, look, look.quote)
        return self._proposed(memory, look, self._not_flat(look, look.quote))

    def _not_flat(self, look: Look, quote: PairQuote) -> SizingPlan | None:
        return self._open(look, quote) if look.held.phase == "open" else self._uneven(look, quote)

    def _blind(self, memory: Memory, look: Look) -> tuple[Memory, Decision]:
        """No book has ever come. What is open may still be left: after a while the oracle's prices of the start serve instead."""
        if look.held.phase == "flat":
            return memory, None
        if not memory.waiting_since_ms:
            return msgspec.structs.replace(memory, waiting_since_ms=look.now_ms), None
        if look.now_ms < memory.waiting_since_ms + BLIND_AFTER_MS:
            return memory, None
        decision = self._not_flat(look, at_the_oracle(self.rules))
        return memory if decision is None else Memory(memory.waiting_since_ms, look.now_ms, look.held.version), decision

    def _proposed(self, memory: Memory, look: Look, decision: Decision) -> tuple[Memory, Decision]:
        if decision is None:
            return memory, None
        return Memory(Ms(0), look.now_ms, look.held.version), decision

    # -- flat: enter, or say why not ---------------------------------------------------------------------------------------------------------

    def _flat(self, memory: Memory, look: Look, quote: PairQuote) -> tuple[Memory, Decision]:
        if not self._may_enter(look):
            return msgspec.structs.replace(memory, waiting_since_ms=Ms(0)), None
        if not memory.waiting_since_ms:
            memory = msgspec.structs.replace(memory, waiting_since_ms=look.now_ms)
        patient = look.now_ms < memory.waiting_since_ms + ENTRY_PATIENCE_MS
        attempt = self._attempt(look, quote)
        if not isinstance(attempt, Denial):
            return self._proposed(memory, look, attempt)
        late = None if patient else Skipped(self._cycle(look.held), attempt.code, attempt.detail, None)
        return self._proposed(memory, look, late)

    def _may_enter(self, look: Look) -> bool:
        held, directive = look.held, look.directive
        attempted = held.completed + held.skipped + held.failed
        done = self.settings.cycles is not None and attempted >= self.settings.cycles
        rested = held.last_change_ms == 0 or look.now_ms >= held.last_change_ms + self.settings.pause
        allowed = directive.enter and not directive.leave_now and self.barred(look) is None
        return allowed and not done and rested and held.account_ok and not held.foreign and not held.no_entry and not held.awaiting_proof

    def barred(self, look: Look) -> Denial | None:
        """What keeps us from entering however good the books are. It is waited out: no cycle is skipped for it."""
        return closed_window(look.now_ms, self.settings) or daily_loss(look.held, self.settings)

    def _cycle(self, held: Held) -> int:
        return held.cycle if held.enters else held.cycle + 1

    def _attempt(self, look: Look, quote: PairQuote) -> SizingPlan | Skipped | Denial:
        cycle = self._cycle(look.held)
        if look.held.enters >= ENTRY_TRIES:
            return Skipped(cycle, "NOT_FILLED", f"neither leg traded in {ENTRY_TRIES} attempts", None)
        sign = self.sign(cycle)
        verdict = self.size(quote, sign, self.settings.target)
        denial = entry_denial(quote, look.now_ms, self.settings, sign * verdict.eth, -sign * verdict.sol)
        if denial:
            return denial
        chosen = self._chosen(quote, sign, verdict)
        if chosen is None:
            return Skipped(cycle, "UNBALANCED", verdict.reason, self.size(quote, sign, self.settings.target, advise=True))
        return self._enter(look, quote, cycle, chosen)

    def sign(self, cycle: int) -> int:
        """+1 for a cycle that is long ETH and short SOL, -1 for the mirror."""
        if self.settings.direction == "alternate":
            return 1 if cycle % 2 else -1
        return 1 if self.settings.direction == "long-eth" else -1

    def size(self, quote: PairQuote, sign: int, target: Quote, *, advise: bool = False) -> Verdict:
        """The lattice's verdict for `target` USD per leg on the sides that an entry in this direction takes."""
        eth = Side(_taken(quote.eth, sign), self.rules.eth.size_step, self.rules.eth.min_notional)
        sol = Side(_taken(quote.sol, -sign), self.rules.sol.size_step, self.rules.sol.min_notional)
        settings = self.settings
        return size_pair(
            target,
            eth,
            sol,
            max_imbalance=settings.max_imbalance,
            planning_margin=settings.planning_margin,
            max_deviation=settings.max_deviation,
            advise=advise,
        )

    def _chosen(self, quote: PairQuote, sign: int, verdict: Verdict) -> Verdict | None:
        """The verdict to trade on under `when_unbalanced`; None = skip."""
        unbalanced = self.settings.when_unbalanced
        if verdict.kind == "met":
            return verdict
        if unbalanced.action == "accept" and verdict.kind == "best_effort" and verdict.imbalance <= unbalanced.accept:
            return verdict
        raised = verdict.smallest_target
        if unbalanced.action == "raise" and raised is not None and raised * ONE <= self.settings.target * unbalanced.raise_by:
            larger = self.size(quote, sign, raised)
            return larger if larger.kind == "met" else None
        return None

    def _enter(self, look: Look, quote: PairQuote, cycle: int, verdict: Verdict) -> SizingPlan:
        sign = self.sign(cycle)
        eth = self._order(quote.eth, self.rules.eth, sign * verdict.eth, self.settings.max_slippage, reduce_only=False)
        sol = self._order(quote.sol, self.rules.sol, -sign * verdict.sol, self.settings.max_slippage, reduce_only=False)
        deadline = min(quote.eth.proven_ms, quote.sol.proven_ms) + self.settings.max_quote_age
        return self._plan(look, quote, ("enter", cycle, 0, deadline), eth, sol)

    # -- open: leave when it is time -----------------------------------------------------------------------------------------------------------

    def _open(self, look: Look, quote: PairQuote) -> SizingPlan | None:
        held = look.held
        due = look.directive.leave_now or held.flattens > 0 or look.now_ms >= held.entered_ms + self.settings.hold
        due = due or self.leaves_early(look) is not None
        if not due or not _closable(quote):
            return None
        return self._flatten(look, quote) if held.flattens else self._close(look, quote, "exit", self.settings.max_slippage)

    def leaves_early(self, look: Look) -> Denial | None:
        """The limit that ends an open pair before its time; None while it may stay."""
        if look.held.phase != "open" or look.quote is None:
            return None
        return pair_over(look.held, look.quote, self.settings, look.now_ms)

    def _close(self, look: Look, quote: PairQuote, purpose: Purpose, slippage: Bps) -> SizingPlan:
        held = look.held
        eth = self._order(quote.eth, self.rules.eth, -held.eth, slippage, reduce_only=True)
        sol = self._order(quote.sol, self.rules.sol, -held.sol, slippage, reduce_only=True)
        return self._plan(look, quote, (purpose, held.cycle, held.flattens, 0), eth, sol)

    # -- uneven: the cheapest of completing, adjusting and flattening ---------------------------------------------------------------------------

    def _uneven(self, look: Look, quote: PairQuote) -> SizingPlan | None:
        held = look.held
        step = held.repairs + held.flattens
        if step and not _topped_up(held) and look.now_ms < held.last_change_ms + min(RETRY_MS[0] << min(step, 10), RETRY_MS[1]):
            return None
        if self._repairable(look) and _tradable(quote):
            if held.unpriced and held.legging.doubted and look.now_ms < held.last_change_ms + PRICE_MS:
                return None
            way = cheapest(_at_the_mid(held), quote, self.settings, self.rules)
            if way.name != "flatten":
                return self._repair(look, quote, way)
        return self._flatten(look, quote) if _closable(quote) else None

    def _repairable(self, look: Look) -> bool:
        """May it still become the pair? Not once closing has begun, nor after too many tries or too long on one leg."""
        held, settings = look.held, self.settings
        tries_left = held.flattens == 0 and held.repairs < settings.max_repair_steps
        return tries_left and not look.directive.leave_now and not over_budget(held, settings, look.now_ms)

    def _repair(self, look: Look, quote: PairQuote, way: Way) -> SizingPlan:
        """Orders that make a position larger are FOK, those that trim are reduce-only IOC."""
        held, slippage = look.held, self.settings.max_slippage
        eth = self._order(quote.eth, self.rules.eth, way.eth, slippage, reduce_only=way.eth * held.eth_wanted < 0)
        sol = self._order(quote.sol, self.rules.sol, way.sol, slippage, reduce_only=way.sol * held.sol_wanted < 0)
        return self._plan(look, quote, ("repair", held.cycle, held.repairs + 1, 0), eth, sol)

    def _flatten(self, look: Look, quote: PairQuote) -> SizingPlan | None:
        held = look.held
        if _topped_up(held):
            return self._close(look, quote, "flatten", self._flatten_slippage(held))
        if held.flattens and look.now_ms < held.last_change_ms + min(RETRY_MS[0] << min(held.flattens, 10), RETRY_MS[1]):
            return None
        more = topping_up(held, quote, self.rules) if _tradable(quote) else None
        return self._top_up(look, quote, *more) if more else self._close(look, quote, "flatten", self._flatten_slippage(held))

    def _flatten_slippage(self, held: Held) -> Bps:
        steps = self.settings.flatten_steps
        return steps[min(held.flattens, len(steps) - 1)]

    def _top_up(self, look: Look, quote: PairQuote, eth: Base, sol: Base) -> SizingPlan:
        slippage = self.settings.max_slippage
        orders = (
            self._order(leg, product, amount, slippage, reduce_only=False)
            for leg, product, amount in ((quote.eth, self.rules.eth, eth), (quote.sol, self.rules.sol, sol))
        )
        return self._plan(look, quote, ("top_up", look.held.cycle, look.held.top_ups + 1, 0), *orders)

    # -- orders ----------------------------------------------------------------------------------------------------------------------------------

    def _order(self, leg: LegQuote, product: ProductRules, amount: int, slippage: Bps, *, reduce_only: bool) -> LegOrder:
        kind: Literal["ioc", "fok"] = "ioc" if reduce_only else "fok"
        if amount == 0:
            return LegOrder(product.product_id, Base(0), Price(0), kind, reduce_only, Price(0), leg.mid)
        expected = _expected(_taken(leg, amount), amount)
        limit = limit_price(expected, amount, slippage, product.price_tick)
        return LegOrder(product.product_id, Base(amount), limit, kind, reduce_only, expected, leg.mid)

    def _plan(self, look: Look, quote: PairQuote, what: tuple[Purpose, int, int, int], eth: LegOrder, sol: LegOrder) -> SizingPlan:
        purpose, cycle, step, deadline = what
        eth_age, sol_age = quote.age_ms(look.now_ms)
        planned = imbalance(notional(eth.vwap, eth.amount), notional(sol.vwap, sol.amount)) if eth.amount and sol.amount else Bps(0)
        return SizingPlan(0, 0, cycle, step, purpose, look.now_ms, Ms(0), eth_age, sol_age, Ms(deadline), planned, eth, sol)


def at_the_oracle(rules: VenueRules) -> PairQuote:
    """Both books as one level at the oracle's price: what a closing order's limit is reckoned from when there is no book. Never proven, never to
    enter or complete on: what is live counts as reduce-only.
    """
    eth, sol = (
        LegQuote(product.product_id, level, level, Ms(0), product.oracle, "reduce_only" if product.status == "live" else product.status)
        for product in (rules.eth, rules.sol)
        for level in ((Level(product.oracle, ENDLESS),),)
    )
    return PairQuote(0, Ms(0), eth, sol, venue_active=True)


def _at_the_mid(held: Held) -> Held:
    """With no price where the price is an estimate: a repair then reckons with the mid, which is nearer to what was paid than the order's limit."""
    return msgspec.structs.replace(held, **{f"{doubt.leg}_vwap": Price(0) for doubt in held.unpriced})


def _taken(leg: LegQuote, amount: int) -> tuple[Level, ...]:
    """The side of the book that an order of this sign takes from."""
    return leg.asks if amount > 0 else leg.bids


def _expected(ladder: tuple[Level, ...], amount: int) -> Price:
    """The VWAP of taking `amount`; the last visible price when the book is thinner than that (closing is never refused for depth)."""
    try:
        return vwap(ladder, abs(amount))
    except ValueError:
        return ladder[-1].price


def _topped_up(held: Held) -> bool:
    """Has the first of two steps just been done? The second waits for nothing."""
    return held.last_purpose == "top_up" and not held.last_refusals


def _closable(quote: PairQuote) -> bool:
    """May a reduce-only order trade on both legs? An exit sends both legs or neither."""
    return quote.venue_active and all(leg.status in {"live", "reduce_only", "soft_reduce_only"} for leg in (quote.eth, quote.sol))


def _tradable(quote: PairQuote) -> bool:
    return quote.venue_active and quote.eth.status == quote.sol.status == "live"


async def run(
    quotes: Latest[PairQuote],
    held: Latest[Held],
    directives: Latest[Directive],
    post: Callable[[msgspec.Struct], None],
    sizer: Sizer,
    clock: VenueClock,
    observe: Observe,
    *,
    pulse: Pulse | None = None,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Look whenever quotes, holdings or the directive change, and at least every `TICK_S`; post each decision to the supervisor."""
    memory = Memory()
    barred: Denial | None = None
    seen = (-1, -1, -1)
    pulse = pulse or Pulse()
    task_status.started()
    while True:
        pulse.expect("its next look", TICK_S)
        with trio.move_on_after(TICK_S):
            await _any_newer((quotes, held, directives), seen)
        seen = (quotes.version, held.version, directives.version)
        if held.value is None or directives.value is None:
            continue
        look = Look(quotes.value, held.value, directives.value, clock.now_ms())
        memory, decision = sizer.step(memory, look)
        before, barred = barred, sizer.barred(look)
        if barred and (before is None or before.code != barred.code):
            post(Denied(barred.code, barred.detail))
        elif before and not barred:
            observe(Note(clock.utc_ns(), "info", "sizing", "entering is possible again"))
        if isinstance(decision, SizingPlan):
            early = sizer.leaves_early(look)
            note = f"{decision.purpose}, {early.code}: {early.detail}" if early else decision.purpose
            observe(Hop(clock.utc_ns(), "sizing proposes", 0, 0, "", decision.eth.amount, decision.sol.amount, note))
        if decision is not None:
            post(decision)


async def _any_newer(slots: tuple[Latest[Any], ...], seen: tuple[int, ...]) -> None:
    """Return as soon as one slot has a newer version than the one seen."""
    async with trio.open_nursery() as nursery:

        async def watch(slot: Latest[Any], version: int) -> None:
            await slot.newer_than(version)
            nursery.cancel_scope.cancel()

        for slot, version in zip(slots, seen, strict=True):
            nursery.start_soon(watch, slot, version)
