"""sizing: the one place where quantities come from.

The pure step looks at what the market is, what is held and what is allowed, and answers with at most one
thing: a plan, a skipped cycle, or nothing yet. Entering, repairing, leaving and flattening are four purposes
of the same plan. An exit never sizes (lesson S8): it closes what the ledger holds, floored to the venue's
step of now (`venue/closing.py`). What sizing remembers between steps is only how long it has waited;
everything else is the ledger's, so that a restart loses nothing.
"""

import msgspec

from actors.risk.drawn_values import hold_of, with_drawn
from actors.risk.exits import exit_rule, exit_waits
from actors.risk.funding import FUNDING_WAIT, Side, kept_for_funding, known_rate, wait_words
from actors.risk.legging import over_budget
from actors.risk.may_enter import (
    ACCOUNT,
    STANDING,
    TRIGGERS,
    TURN,
    AccountFacts,
    Outlook,
    entry_denial,
    may_enter,
)
from actors.risk.triggers import EntryMoment
from actors.sizing.min_notional import topping_up
from actors.sizing.plans import Intended, at_the_oracle, plan_of
from actors.sizing.quote_hedging import Answer, ended, leaving, unsettled, working
from actors.sizing.quoting import (
    PATIENT,
    QUOTE_WAITS,
    QuoteLook,
    Quoting,
    entry_quote,
    exit_quote,
    quotes_wait,
    seen,
)
from actors.sizing.repair import cheapest, settling
from actors.sizing.wanted_sizes import WantedSizes
from messages.lifecycle import Denial, Directive, Held, Waiting
from messages.market import PairQuote
from messages.sizing import RESTORES, TOP_UPS, Leg, PairSettled, Purpose, SizingPlan, Skipped
from messages.units import Base, Bps, Ms, Price, notional
from venue.closing import MINIMUM_PERCENT, Closing, closing, hedged, liquidation_near
from venue.protocol import UNTRADABLE

ENTRY_PATIENCE_MS = 5_000
"""How long an entry waits for the gates to open before the cycle is skipped."""
ENTRY_TRIES = 3
"""Enter plans of one cycle of which neither leg traded, before the cycle is given up."""
ANSWER_MS = 250
"""How long a proposal may stay unanswered before sizing looks again."""
RETRY_MS = (100, 5_000)
"""First and longest pause before another repair or flatten step; doubles with each."""
PRICE_MS = 1_000
"""How long a repair waits for the price of an order of which RESOLVE knows only the quantity: a pair
completed on an estimate, the order's limit, may be off by all of `max_slippage`. The archive lags by less,
and a cycle in doubt may be unhedged for longer (`legging_unknown`).
"""


REFUSED_MS = 30_000
"""How long a hedged pair waits with another try at a leg that was refused for good, unless the venue's
rules change before.
"""
SEALED_MS = 50
"""For so long a plan that was proposed beside an order that rests may be on its way to being sealed, whatever
else is heard of that order meanwhile.
"""
BLIND_AFTER_MS = 3_000
"""How long a book is waited for before something open is left at a limit reckoned from the oracle."""


class Memory(msgspec.Struct, frozen=True):
    """All that sizing remembers. `version` is that of the Held its last proposal was made on."""

    waiting_since_ms: Ms = Ms(0)
    proposed_ms: Ms = Ms(0)
    version: int = -1
    denial: Denial | None = None
    """What keeps it from entering just now; None: nothing, or there is nothing to enter."""
    quoting: Quoting = Quoting()
    behind_seq: int = -1
    """The last sealed plan when a plan was proposed; -1: what was proposed last is none."""


class Look(msgspec.Struct, frozen=True):
    """Everything that one step of sizing looks at, at venue time `now_ms`."""

    quote: PairQuote | None
    held: Held
    directive: Directive
    now_ms: Ms
    doubted_ms: Ms = Ms(0)
    """Venue time of the last refusal that says that the venue's rules are not those we know."""


Decision = Answer | Skipped


class Sizer(WantedSizes, frozen=True, dict=True):
    """The pure step, for one configuration and one venue's rules."""

    def step(self, memory: Memory, look: Look) -> tuple[Memory, Decision]:
        """At most one decision. The memory returned belongs to it."""
        held = look.held
        unanswered = memory.version == held.rows and look.now_ms < memory.proposed_ms + ANSWER_MS
        # One decision at a time: what is in flight, or on its way to the supervisor, may change all below.
        if held.phase == "in_flight" or unanswered:
            return memory, None
        if look.quote is None:
            return self._blind(memory, look)
        if self.settings.execution.rests or held.working:
            return self._quoting(memory, look, look.quote)
        if held.phase == "flat":
            return self._flat(memory, look, look.quote)
        return self._proposed(memory, look, self._not_flat(look, look.quote))

    def _quoting(self, memory: Memory, look: Look, quote: PairQuote) -> tuple[Memory, Decision]:
        """The same where orders rest, or may."""
        held, at = look.held, self._quote_look(look, quote)
        if memory.behind_seq == held.seq and look.now_ms < memory.proposed_ms + SEALED_MS:
            return memory, None
        quoting, decision = seen(memory.quoting, at), None
        if held.phase == "flat":
            return self._flat(msgspec.structs.replace(memory, quoting=quoting), look, quote)
        if held.phase == "working":
            quoting, decision = working(quoting, at)
        elif held.phase == "open":
            quoting, decision = self._settled(quoting, look, quote)
            leaves = self._open(look, quote)
            if leaves is not None and (decision is None or leaves.because not in PATIENT):
                quoting, decision = exit_quote(quoting, at, leaves)
        else:
            quoting, decision = ended(quoting, at, leave=look.directive.leave_now)
            if decision is None:
                decision = (
                    self._leave_on(look, quote, quoting.because)
                    if leaving(held)
                    else self._uneven(look, quote)
                )
        return self._proposed(msgspec.structs.replace(memory, quoting=quoting), look, decision)

    def _settled(
        self, quoting: Quoting, look: Look, quote: PairQuote
    ) -> tuple[Quoting, SizingPlan | PairSettled | None]:
        """The settle step: a pair whose hedge rested while its price moved is brought within the promise at
        the prices paid. Where no order can do that, it is said once.
        """
        held, settings = look.held, self.settings
        missed = held.filled_imbalance
        estimated = held.unpriced and look.now_ms < held.last_change_ms + PRICE_MS
        if missed is None or missed <= settings.max_imbalance or held.flattens or estimated:
            return quoting, None
        gone = look.directive.leave_now or over_budget(held, settings, look.now_ms)
        if gone or not _tradable(quote) or self.rules.incomplete():
            return quoting, None
        why = f"{settings.max_repair_steps} repairs were tried"
        if held.repairs < settings.max_repair_steps:
            if _too_soon(look, held.repairs):
                return quoting, None
            way = settling(held, quote, settings, self.rules.terms())
            if way is not None:
                slippage, amounts = settings.max_slippage, (way.eth, way.sol)
                step, closes = held.repairs + 1, (True, True)
                return quoting, self._plan(
                    look, quote, Intended("repair", held.cycle, step, amounts, slippage, closes)
                )
            why = "no orders that the exchange takes would balance what is left"
        return unsettled(quoting, held, missed, why)

    def _leave_on(self, look: Look, quote: PairQuote, because: str) -> SizingPlan | None:
        """What a quote that closed has left leaves like any pair, at once, by the rule of the quote."""
        if not quote.venue_active:
            return None
        plan = self._close(look, quote, "exit", self.settings.max_slippage)
        because = look.directive.reason or "LEAVE" if look.directive.leave_now else because or "HOLD"
        return msgspec.structs.replace(plan, because=because) if plan else None

    def _quote_look(self, look: Look, quote: PairQuote) -> QuoteLook:
        return QuoteLook(self.settings, self.rules, look.held, quote, look.now_ms)

    def _not_flat(self, look: Look, quote: PairQuote) -> SizingPlan | None:
        return self._open(look, quote) if look.held.phase == "open" else self._uneven(look, quote)

    def _blind(self, memory: Memory, look: Look) -> tuple[Memory, Decision]:
        """No book has ever come. What is open may still be left: after a while the oracle's prices of the
        start serve instead.
        """
        if look.held.phase in {"flat", "working"}:
            return memory, None
        if not memory.waiting_since_ms:
            return msgspec.structs.replace(memory, waiting_since_ms=look.now_ms), None
        if look.now_ms < memory.waiting_since_ms + BLIND_AFTER_MS:
            return memory, None
        quote = at_the_oracle(self.rules)
        decision = self._not_flat(look, quote) if quote is not None else None
        if decision is None:
            return memory, None
        told = msgspec.structs.replace(memory, proposed_ms=look.now_ms, version=look.held.rows, denial=None)
        return told, decision

    def _proposed(self, memory: Memory, look: Look, decision: Decision) -> tuple[Memory, Decision]:
        if decision is None:
            return memory, None
        seq = look.held.seq if isinstance(decision, SizingPlan) else -1
        return Memory(Ms(0), look.now_ms, look.held.rows, None, memory.quoting, seq), decision

    # -- flat: enter, or say why not -------------------------------------------------------------------------

    def _flat(self, memory: Memory, look: Look, quote: PairQuote) -> tuple[Memory, Decision]:
        outlook, held = self._outlook(look), look.held
        barred = may_enter(STANDING, outlook)
        known = AccountFacts(
            no_entry=held.no_entry,
            foreign=held.foreign,
            unfit=held.unfit,
            flat=not held.awaiting_proof,
            ok=held.account_ok,
        )
        if barred or may_enter(TURN, outlook) or may_enter(ACCOUNT, known):
            return msgspec.structs.replace(memory, waiting_since_ms=Ms(0), denial=barred), None
        awaited = self._awaited(look, quote)
        if awaited:
            return msgspec.structs.replace(memory, waiting_since_ms=Ms(0), denial=awaited), None
        memory, attempt = self._attempted(memory, look, quote)
        if not isinstance(attempt, Denial):
            return self._proposed(memory, look, attempt)
        if attempt.code == QUOTE_WAITS:
            return msgspec.structs.replace(memory, waiting_since_ms=Ms(0), denial=attempt), None
        since_ms = memory.waiting_since_ms or look.now_ms
        patient = look.now_ms < since_ms + ENTRY_PATIENCE_MS
        late = None if patient else Skipped(self._cycle(look.held), attempt.code, attempt.detail, None)
        waits = msgspec.structs.replace(memory, waiting_since_ms=since_ms, denial=attempt)
        return self._proposed(waits, look, late)

    def _awaited(self, look: Look, quote: PairQuote) -> Denial | None:
        """What of `enter_when` does not hold. The side is reckoned only where something asks for it, and by
        rules that are complete: by others nothing is entered either.
        """
        sign = 1
        if self.settings.enter_when.funding_over is not None:
            sign = self.side(look.held, quote, self._cycle(look.held), look.now_ms).sign
        return may_enter(TRIGGERS, EntryMoment(self.settings, quote, look.now_ms, sign))

    def barred(self, look: Look) -> Denial | None:
        """What keeps us from entering however good the books are. It is waited out: no cycle is skipped
        for it.
        """
        return may_enter(STANDING, self._outlook(look))

    def _outlook(self, look: Look) -> Outlook:
        return Outlook(
            settings=self.settings,
            rules=self.rules,
            held=look.held,
            directive=look.directive,
            now_ms=look.now_ms,
            doubted_ms=look.doubted_ms,
            seed=self.seed,
        )

    def _cycle(self, held: Held) -> int:
        return held.cycle if held.enters else held.cycle + 1

    def _attempted(
        self, memory: Memory, look: Look, quote: PairQuote
    ) -> tuple[Memory, SizingPlan | Skipped | Denial]:
        """An entry by which both legs take, or by a quote, as the configuration says."""
        held, cycle, quoting = look.held, self._cycle(look.held), memory.quoting
        if self.settings.execution.entry != "taker-taker":
            side = self.side(held, quote, cycle, look.now_ms)
            at, taking = (
                self._quote_look(look, quote),
                lambda priced: self._attempt(look, quote, side, priced),
            )
            quoting, attempt = entry_quote(quoting, at, cycle, side.sign, taking)
            memory = msgspec.structs.replace(memory, quoting=quoting)
            if attempt is not None:
                return memory, attempt
        if held.enters - (quoting.taking_from or 0) >= ENTRY_TRIES:
            words = f"neither leg traded in {ENTRY_TRIES} attempts"
            return memory, Skipped(cycle, "NOT_FILLED", words, None)
        side = self.side(held, quote, cycle, look.now_ms)
        return memory, self._attempt(look, quote, side, quote)

    def _attempt(
        self, look: Look, quote: PairQuote, side: Side, priced: PairQuote
    ) -> SizingPlan | Skipped | Denial:
        """The entry whose quantities are those that `priced`, the books as they are paid, come to."""
        cycle, sign = self._cycle(look.held), side.sign
        search = self.search(look.held, priced, cycle, sign)
        judged = search.judged()
        eth, sol = search.amounts(judged)
        # The gates before the verdict: a target that cannot be balanced in a book that is old or thin says
        # nothing about the target, and only the amounts found here tell how much depth is needed.
        denial = entry_denial(quote, look.now_ms, self.settings, sign * eth, -sign * sol)
        if denial:
            return denial
        if not judged.met:
            chosen = self.chosen(priced, sign, search.answer(judged))
            if chosen is None:
                advised = self.attainable(priced, self.signs(cycle)).verdict
                return Skipped(cycle, "UNBALANCED", advised.reason, advised)
            eth, sol = chosen.eth, chosen.sol
        return self.entry(look, quote, cycle, (eth, sol), side)

    def entry(
        self, look: Look, quote: PairQuote, cycle: int, sizes: tuple[Base, Base], side: Side
    ) -> SizingPlan:
        """The plan that enters the pair of this cycle on this side with these quantities of ETH and SOL
        (unsigned), whatever the gates say of it. The command `plan` shows the same one.
        """
        sign = side.sign
        deadline_ms = min(quote.eth.proven_ms, quote.sol.proven_ms) + self.settings.max_quote_age
        amounts = (sign * sizes[0], -sign * sizes[1])
        slippage = self.settings.max_slippage
        plan = self._plan(
            look, quote, Intended("enter", cycle, 0, amounts, slippage, deadline_ms=deadline_ms)
        )
        eth_funding, sol_funding = (known_rate(leg.funding, look.now_ms) for leg in (quote.eth, quote.sol))
        told = msgspec.structs.replace(
            plan, because=side.rule, eth_funding=eth_funding, sol_funding=sol_funding
        )
        return with_drawn(told, self.settings, self.seed)

    def waiting(self, memory: Memory, look: Look) -> Waiting:
        """What is shown of the wait that `memory` is in, of a profit that waits for better books, or of what
        a pair is kept for.
        """
        resting = quotes_wait(memory.quoting, look.held, look.now_ms)
        if resting is not None:
            return resting
        if look.held.phase == "open" and look.quote is not None:
            kept = exit_waits(look.held, look.quote, self.settings, self.rules, look.now_ms)
            if kept is not None:
                return Waiting("exit", kept.code, kept.detail, kept.brief)
            return self._kept(look, look.quote)
        if memory.denial is None or look.held.phase != "flat":
            return Waiting()
        until_ms = Ms(memory.waiting_since_ms + ENTRY_PATIENCE_MS) if memory.waiting_since_ms else Ms(0)
        return Waiting("enter", memory.denial.code, memory.denial.detail, memory.denial.brief, until_ms)

    def _kept(self, look: Look, quote: PairQuote) -> Waiting:
        held, hold_ms = look.held, hold_of(self.settings, look.held)
        wait = kept_for_funding(held, quote, self.settings, hold_ms, look.now_ms)
        if wait is None:
            return Waiting()
        return Waiting("exit", FUNDING_WAIT, wait_words(wait), until_ms=wait.until_ms)

    # -- open: leave when it is time -------------------------------------------------------------------------

    def _open(self, look: Look, quote: PairQuote) -> SizingPlan | None:
        if not quote.venue_active:
            return None
        # Once one close has not taken all, the next goes on with a worse price.
        if look.held.flattens:
            return self._flatten(look, quote)
        rule = self.exit_rule(look, quote)
        plan = self._close(look, quote, "exit", self.settings.max_slippage) if rule else None
        return msgspec.structs.replace(plan, because=rule.code) if plan and rule else None

    def exit_rule(self, look: Look, quote: PairQuote) -> Denial | None:
        """The rule by which the open pair leaves at this look; None while it stays."""
        return exit_rule(look.held, quote, self.settings, self.rules, look.directive, look.now_ms)

    def _close(self, look: Look, quote: PairQuote, purpose: Purpose, slippage: Bps) -> SizingPlan | None:
        """The ledger's amount, as far as the venue lets it go now; None when nothing of it can or should
        leave.
        """
        held, part = look.held, self.closing(look.held)
        blocked = (
            hedged(held.eth.amount, held.sol.amount)
            and {quote.eth.status, quote.sol.status} & UNTRADABLE
            and not self.urgent(held)
        )
        if blocked or not (part.eth or part.sol):
            return None
        amounts, closes = (-part.eth, -part.sol), (True, True)
        return self._plan(
            look, quote, Intended(purpose, held.cycle, held.flattens, amounts, slippage, closes)
        )

    def closing(self, held: Held) -> Closing:
        """What of it the venue lets go now, by the rules of now."""
        rules = self.rules
        refused = self.lasting_refusals(held)
        return closing(
            held.eth.amount,
            held.sol.amount,
            rules,
            refused=refused,
            urgent=self.urgent(held),
            tops_up=self._tops_up(held),
        )

    def _tops_up(self, held: Held) -> int:
        """USD (x18) up to which a leg under the minimum may be made larger: twice what the entry wanted of
        the smaller leg.
        """
        pairs = ((self.rules.eth, held.eth.wanted), (self.rules.sol, held.sol.wanted))
        return 2 * min(notional(product.oracle or 0, wanted) for product, wanted in pairs)

    def lasting_refusals(self, held: Held) -> tuple[Leg, ...]:
        """Legs that the venue has refused to close for a reason that lasts.

        A remainder beside an uneven leg is none of them while it can be topped up: the other leg is closed,
        then it is topped up and closed alone.
        """
        if held.phase != "uneven" or len(held.too_small) != 1 or held.top_ups >= TOP_UPS:
            return held.refused
        minimum = self.rules.product(held.too_small[0]).min_notional
        if minimum is None or minimum * MINIMUM_PERCENT > self._tops_up(held) * 100:
            return held.refused
        return tuple(leg for leg in held.refused if leg not in held.too_small)

    def urgent(self, held: Held) -> bool:
        """Is liquidation so near that one leg is better closed alone than both kept?"""
        return liquidation_near(
            held.eth.amount,
            held.sol.amount,
            held.maintenance_health,
            self.rules,
            self.settings.limits.min_liquidation_move,
        )

    def _plan(self, look: Look, quote: PairQuote, intended: Intended) -> SizingPlan:
        return plan_of(intended, look.held, quote, self.rules, self.settings, look.now_ms)

    # -- uneven: the cheapest of completing, adjusting and flattening ----------------------------------------

    def _uneven(self, look: Look, quote: PairQuote) -> SizingPlan | None:
        held, settings = look.held, self.settings
        if _too_soon(look, held.repairs + held.flattens):
            return None
        # It may become the pair until closing has begun, after so many tries, and not too long on one leg.
        tries_left = held.flattens == 0 and held.repairs < settings.max_repair_steps
        in_time = not look.directive.leave_now and not over_budget(held, settings, look.now_ms)
        if tries_left and in_time and _tradable(quote) and not self.rules.incomplete():
            if held.unpriced and held.legging.doubted and look.now_ms < held.last_change_ms + PRICE_MS:
                return None
            # Where the price paid is an estimate, the mid is nearer to it than the order's limit.
            unpriced = {
                doubt.leg: msgspec.structs.replace(held.leg(doubt.leg), vwap=Price(0))
                for doubt in held.unpriced
            }
            priced = msgspec.structs.replace(held, **unpriced)
            way = cheapest(priced, quote, settings, self.rules.terms())
            if way.name != "flatten":
                # What makes a position larger is FOK, what trims it a reduce-only IOC.
                trims = (way.eth * held.eth.wanted < 0, way.sol * held.sol.wanted < 0)
                step, slippage, amounts = held.repairs + 1, settings.max_slippage, (way.eth, way.sol)
                intended = Intended("repair", held.cycle, step, amounts, slippage, trims)
                return self._plan(look, quote, intended)
        # A pair that can be hedged again is, before anything of it is closed.
        restoring = self._restore(look, quote)
        if restoring is not None:
            return restoring
        unhedged = 0 in (held.eth.amount, held.sol.amount)
        return self._flatten(look, quote) if quote.venue_active or unhedged else None

    def _restore(self, look: Look, quote: PairQuote) -> SizingPlan | None:
        """Open again what has left, because the other leg was refused for a reason that lasts: a pair stays
        hedged. Once a cycle, by a run that may enter, and only where everything that entering asks for holds;
        else None, and what can be closed goes on being closed.
        """
        from actors.sizing.restore import missing_counterpart, restore_denial  # noqa: PLC0415 - rare, and the supervisor must stay cheap to import

        held, directive = look.held, look.directive
        if (
            not held.flattens
            or held.restores >= RESTORES
            or len(held.refused) != 1
            or not directive.enter
            or directive.leave_now
            or held.foreign
        ):
            return None
        stays, left = ("eth", "sol") if held.refused[0] == "eth" else ("sol", "eth")
        missing = missing_counterpart(held, stays, self.rules.product(left))  # type: ignore[arg-type]
        if not missing or self.urgent(held):
            return None
        amounts, step = (missing, 0) if left == "eth" else (0, missing), held.repairs + 1
        deadline_ms = (quote.eth if left == "eth" else quote.sol).proven_ms + self.settings.max_quote_age
        slippage = self.settings.max_slippage
        intended = Intended("repair", held.cycle, step, amounts, slippage, deadline_ms=deadline_ms)
        plan = self._plan(look, quote, intended)
        denial = restore_denial(plan, quote, self._outlook(look))
        return None if denial else plan

    def _flatten(self, look: Look, quote: PairQuote) -> SizingPlan | None:
        held, steps = look.held, self.settings.flatten_steps
        slippage = steps[min(held.flattens, len(steps) - 1)]
        if _topped_up(held):
            return self._close(look, quote, "flatten", slippage)
        opens = _tradable(quote) and not self.rules.incomplete()
        more = topping_up(held, quote, self.rules.terms()) if opens else None
        # A leg that was refused for its size alone is topped up and closed; only where nothing helps but
        # other rules does a hedged pair wait.
        kept = (
            not more
            and self.lasting_refusals(held)
            and hedged(held.eth.amount, held.sol.amount)
            and held.last_rules == self.rules.version
        )
        waits = kept and look.now_ms < held.last_change_ms + REFUSED_MS
        if waits or _too_soon(look, held.flattens):
            return None
        if more is None:
            return self._close(look, quote, "flatten", slippage)
        intended = Intended("top_up", held.cycle, held.top_ups + 1, more, self.settings.max_slippage)
        return self._plan(look, quote, intended)


def _topped_up(held: Held) -> bool:
    """Has the first of two steps just been done? The second waits for nothing."""
    return held.last_purpose == "top_up" and not held.last_refusals


def _too_soon(look: Look, steps: int) -> bool:
    """Is the pause after the last of `steps` steps not over? The second of two that belong together waits for
    nothing.
    """
    held, pause_ms = look.held, min(RETRY_MS[0] << min(steps, 10), RETRY_MS[1])
    at_once = not steps or held.led or _topped_up(held)
    return not at_once and look.now_ms < held.last_change_ms + pause_ms


def _tradable(quote: PairQuote) -> bool:
    return quote.venue_active and quote.eth.status == quote.sol.status == "live"
