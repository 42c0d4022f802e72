"""What there is to see of a run: a fold over the messages that the actors let be observed. No terminal, no
clock of its own, no I/O.

The screen draws this; plain-line mode prints its `events`; the summary takes its skips and staged faults.
Whatever it does not know it ignores, so that a new message never breaks a screen.
"""

from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from actors.risk.drawn_values import hold_of
from actors.risk.funding import PairFunding, funded_legs, pair_funding
from commands.output.doing import Seen, doing
from commands.output.said import About, SaidLine
from commands.output.sentences import skip_sentence
from commands.output.standing import Shown
from commands.output.words import PLAY_MONEY, span
from commands.screen.view_parts import Row
from commands.screen.view_words import (
    closed_words,
    doubt_words,
    fill_words,
    outcome_words,
    plan_words,
    quote_ended_words,
    restarted_words,
    resting_fill,
)
from messages.amounts import fixed, percent
from messages.execution import CancelAsked, Fill, LegFill, Outcome, PlanClosed, QuoteEnded
from messages.lifecycle import (
    LEG_SENDS,
    Alarm,
    CycleEnded,
    Denied,
    Halted,
    Held,
    Hop,
    Note,
    Restarted,
    Staged,
    Stopping,
    Waiting,
)
from messages.market import PairQuote
from messages.settings import Settings
from messages.sizing import Abort, Declined, Leg, LegOrder, Place, Ready, Sealed, SizingPlan, Skipped
from messages.units import Base, Bps, Ms
from runtime import specs

EVENTS_KEPT = 512
SKIPS_KEPT = 1_000
DIGESTS_KEPT = 10_000
RESTING_KEPT = 8
"""Orders that rest: one a leg at most, and some whose ending was never heard of."""
REPAIRS_SHOWN = 2
"""Below the two legs of the plan."""
ACTORS = ("market_data", "account", "sizing", "eth_leg", "sol_leg", "ledger")


class RunView:
    """The fold. `now_ms` gives venue time: some messages carry none."""

    def __init__(
        self,
        settings: Settings,
        seed: int,
        now_ms: Callable[[], int],
        *,
        whose: str = PLAY_MONEY,
    ) -> None:
        self.settings = settings
        self.seed = seed
        self.whose = whose
        self.guard: Callable[[], str] = lambda: "guard off"
        """What is known of this run's guard, in two words."""
        self.heard: Callable[[SaidLine], None] = lambda _said: None
        """Hears each line as it is said."""
        self.page = ""
        """The page's address with its token, once it is served."""
        self._now_ms = now_ms
        self._about: About = "run"
        """What is said now is about."""
        self.events: deque[SaidLine] = deque(maxlen=EVENTS_KEPT)
        self.quote: PairQuote | None = None
        self.held: Held | None = None
        self.sealed: Sealed | None = None
        self.votes: dict[str, str] = {}
        """Voter -> "READY" or the code of its no."""
        self.fate = ""
        """Of the plan: "", "placed", "aborted" or "closed"."""
        self.planned: Bps | None = None
        """Imbalance of the last entry as planned."""
        self.rows: list[Row] = []
        self.restarts: dict[str, int] = {}
        self.down: set[str] = set()
        """Actors that have died and are not back; one that was told to stop has not."""
        self.halted: Halted | None = None
        self.waiting = Waiting()
        self._given_up: Skipped | None = None
        """The last attempt to enter, where it was given up and nothing has been entered since."""
        self.stopping: Stopping | None = None
        self._stopped_by_ms = 0
        self.staged: list[Staged] = []
        self.skips: deque[Skipped] = deque(maxlen=SKIPS_KEPT)
        self.orders_twice = 0
        """Orders that left a leg more than once, by the legs' own hops. Must stay 0."""
        self._sent: dict[str, None] = {}
        self._gone_ms: dict[str, int] = {}
        self._plans: dict[tuple[int, int], SizingPlan] = {}
        self._resting: dict[tuple[int, int], tuple[SizingPlan, Row | None]] = {}
        """Quotes whose orders have no ending, each with its row."""
        self._balanced: tuple[int, Base, Base] | None = None
        """Cycle and amounts of the pair that was last said to be balanced."""
        self._cancelled: dict[str, str] = {}
        """Order -> why its cancellation was asked for, "" where that is not known."""

    def observe(self, message: msgspec.Struct) -> None:
        """Take one message that an actor said. Returns at once; whatever it does not know it ignores."""
        self._about = _ABOUT.get(type(message), "run")
        try:
            self._observe(message)
        finally:
            self._about = "run"

    def _observe(self, message: msgspec.Struct) -> None:
        fold = _FOLDS.get(type(message))
        if fold is not None:
            fold(self, message)
        match message:  # the run itself: what is said of it stands by itself
            case Stopping():
                self.stopping, self._stopped_by_ms = message, self._now_ms() + message.within_ms
            case Waiting():
                self.waiting = message
            case Halted():
                self.halted = message
                self.say(f"HALTED {message.code}: {message.detail}", notable=True)
            case Staged():
                self.staged.append(message)
                self.say(f"STAGED {message.text}", notable=True, cycle=message.cycle)
            case Restarted():
                for actor in message.actor.split(", "):
                    self.restarts[actor] = self.restarts.get(actor, 0) + 1
                self.say(restarted_words(message), notable=True)
            case Note() if message.level != "debug":
                self.say(message.text, notable=message.level != "info", at_ms=message.at_ns // 1_000_000)

    def count(self, message: msgspec.Struct) -> None:
        """Take no more of a message than the report of a run that nobody watches wants: `orders_twice`."""
        if isinstance(message, Hop):
            self._hop(message)

    def say(
        self, text: str, *, notable: bool = False, cycle: int | None = None, at_ms: int | None = None
    ) -> None:
        """Add an event. Anybody may: the run's first lines come this way too."""
        number = self.events[-1].number + 1 if self.events else 1
        when = Ms(self._now_ms() if at_ms is None else at_ms)
        said = SaidLine(number, when, self.cycle if cycle is None else cycle, text, notable, self._about)
        self.events.append(said)
        self.heard(said)

    @property
    def cycle(self) -> int:
        """The cycle that is spoken of: the plan's, else the last one held; 0 before the first."""
        of_plan = self.sealed.plan.cycle if self.sealed else 0
        return max(of_plan, self.held.cycle if self.held else 0)

    @property
    def epoch(self) -> int:
        """The epoch in force, as far as seen."""
        of_plan = self.sealed.plan.epoch if self.sealed else 0
        return max(of_plan, self.held.epoch if self.held else 0)

    def doing(self, now_ms: int) -> str:
        """What the run is doing, in one line."""
        seen = Seen(
            self.settings,
            self.held,
            self.quote is not None,
            self.sealed.plan if self.sealed else None,
            self.fate,
            self.waiting,
            self._given_up,
            self.halted,
            self.stopping,
            self._stopped_by_ms,
            self.seed,
        )
        return doing(seen, now_ms)

    def shown(self, now_ms: int) -> Shown:
        """What is shown of the run beside its books and its plan."""
        return Shown(self.settings, self.held, self.doing(now_ms), self.epoch, self.cycle, self.guard())

    def stopping_s(self, now_ms: int) -> int | None:
        """Whole seconds that a stop may still take; None while nobody has asked for one."""
        return None if self.stopping is None else max(0, -((now_ms - self._stopped_by_ms) // 1000))

    # -- market and holdings ---------------------------------------------------------------------------------

    def funding(self, now_ms: int) -> PairFunding | None:
        """The rates of now and what is held; None while there is no book."""
        if self.quote is None:
            return None
        amounts = (self.held.eth.amount, self.held.sol.amount) if self.held else (Base(0), Base(0))
        return pair_funding(*funded_legs(self.quote, *amounts), now_ms)

    def _quoted(self, quote: PairQuote) -> None:
        if self.quote is None:
            self.say("both books live", cycle=0)
        self.quote = quote

    def _holds(self, held: Held) -> None:
        before, self.held = self.held, held
        for order in held.working:
            if order.cancel_asked_ms:
                self._cancels(order.doubt.order_digest)
        pair = held.cycle, held.eth.amount, held.sol.amount
        evened = before is None or before.phase == "uneven" or pair != self._balanced
        if (
            held.phase == "open"
            and (before is None or before.phase != "open")
            and held.filled_imbalance is not None
            and evened
        ):
            self._balanced = pair
            left = span(max(0, held.entered_ms + hold_of(self.settings, held) - self._now_ms()))
            self.say(
                f"balanced: filled imbalance {percent(held.filled_imbalance)}, exits in {left}",
                cycle=held.cycle,
            )
        if held.foreign and (before is None or before.foreign != held.foreign):
            self.say(f"not ours: {held.foreign}; entering is blocked", notable=True)

    # -- the barrier -----------------------------------------------------------------------------------------

    def _sealed(self, sealed: Sealed) -> None:
        plan = sealed.plan
        self.sealed, self.votes, self.fate = sealed, {}, ""
        self._plans = dict([*self._plans.items(), ((plan.epoch, plan.seq), plan)][-8:])
        new = [
            Row(leg.upper() if plan.purpose != "repair" else "repair", leg, plan.leg(leg))
            for leg in _LEGS
            if plan.leg(leg).amount
        ]
        keep = self.rows if plan.purpose == "repair" else []
        self.rows = [*keep[:2], *(keep[2:] + new)[-REPAIRS_SHOWN:]] if keep else new
        if plan.enters:
            self.planned, self._given_up = plan.planned_imbalance, None
        self.say(plan_words(sealed), cycle=plan.cycle)

    def _concerns(self, epoch: int, seq: int) -> bool:
        return self.sealed is not None and (self.sealed.plan.epoch, self.sealed.plan.seq) == (epoch, seq)

    def _voted(self, vote: Ready | Declined) -> None:
        if self.sealed is None or not self._concerns(vote.epoch, vote.seq):
            return
        if isinstance(vote, Ready):
            self.votes[vote.who] = "READY" if vote.plan_digest == self.sealed.digest else "OTHER DIGEST"
            return
        self.votes[vote.who] = vote.code
        voter = vote.who if vote.who == "ledger" else f"{vote.who}_leg"
        self.say(f"{voter} declined, {vote.code}: {vote.detail}", notable=True)

    def _placed(self, place: Place) -> None:
        if not self._concerns(place.epoch, place.seq):
            return
        self.fate = "placed"
        for row in self._own_rows():
            row.digest = place.eth_order if row.leg == "eth" else place.sol_order
        self.say(f"eth_leg READY, sol_leg READY, ledger READY: plan {place.epoch}.{place.seq} placed")

    def _aborted(self, abort: Abort) -> None:
        if self._concerns(abort.epoch, abort.seq) and self.fate == "":
            self.fate = "aborted"
            self.say(f"plan {abort.epoch}.{abort.seq} aborted, {abort.code}: 0 orders sent", notable=True)

    def _own_rows(self) -> list[Row]:
        """The rows of the plan in flight: those whose order is one of its own."""
        plan = self.sealed.plan if self.sealed else None
        return [row for row in self.rows if plan is not None and row.order is plan.leg(row.leg)]

    # -- orders ----------------------------------------------------------------------------------------------

    def _outcome(self, outcome: Outcome) -> None:
        if not self._concerns(outcome.epoch, outcome.seq):
            return
        for row in self._own_rows():
            if row.leg == outcome.leg:
                row.after_ms = outcome.answered_ms - outcome.sent_ms
                row.digest = outcome.order_digest or row.digest
                row.state = (
                    f"refused {outcome.code}"
                    if outcome.kind == "refused"
                    else "not sent"
                    if outcome.kind == "none"
                    else outcome.kind
                )
                row.state = "filled" if row.full else row.state
                doubtful = outcome.kind == "unknown"
                order = self.sealed.plan.leg(outcome.leg) if self.sealed else None
                words = (
                    doubt_words(outcome, order, self.sealed)
                    if doubtful and order is not None
                    else outcome_words(outcome)
                )
                self.say(words, notable=outcome.kind not in {"accepted", "none"})

    def _filled(self, fill: Fill) -> None:
        rows = [*self.rows, *(row for _, row in self._resting.values() if row is not None)]
        row = next((row for row in rows if row.digest and row.digest == fill.order_digest), None)
        if row is None or fill.remaining in row.seen or row.settled:
            return
        row.seen.add(fill.remaining)
        row.filled += abs(fill.amount)
        row.cost += abs(fill.amount) * fill.price
        row.state = "filled" if row.full else "partly"
        self.say(fill_words(row.leg, fill), at_ms=fill.at_ns // 1_000_000)

    def _closed(self, closed: PlanClosed) -> None:
        plan = self._plans.pop((closed.epoch, closed.seq), None)
        if plan is None:
            return
        resting = resting_fill(plan, closed)
        if resting is not None and plan.quote is not None:
            self._rests(plan, plan.leg(plan.quote.leg))
        else:
            self._settle(plan.eth, closed.eth)
            self._settle(plan.sol, closed.sol)
        if closed.aborted:
            return
        if self._concerns(closed.epoch, closed.seq):
            self.fate = "closed"
        self.say(closed_words(plan, closed), cycle=plan.cycle)

    def _rests(self, plan: SizingPlan, order: LegOrder) -> None:
        """Its plan is closed, and it goes on: its row and its terms are kept until its own ending."""
        row = next((row for row in self.rows if row.order is order), None)
        if row is not None and not row.filled:
            row.state = "rests"
        known = [*self._resting.items(), ((plan.epoch, plan.seq), (plan, row))]
        self._resting = dict(known[-RESTING_KEPT:])

    def _cancels(self, order: str, why: str = "") -> None:
        known = [*self._cancelled.items(), (order, why or self._cancelled.get(order, ""))]
        self._cancelled = dict(known[-RESTING_KEPT:])

    def _quote_ended(self, ended: QuoteEnded) -> None:
        plan, row = self._resting.pop((ended.epoch, ended.seq), (None, None))
        if plan is not None:
            self._settle(plan.leg(ended.leg), ended.fill, row)
        why = self._cancelled.pop(ended.fill.order_digest, None)
        self.say(quote_ended_words(ended, why), cycle=plan.cycle if plan else None)

    def _settle(self, order: LegOrder, done: LegFill, kept: Row | None = None) -> None:
        """The ledger's word about one order replaces what was pieced together from its fills. `kept`: a row
        that is not shown.
        """
        size = abs(done.filled)
        for row in [*self.rows, *([kept] if kept is not None else [])]:
            if row.order is order and order.amount:
                if row.state == "rests":
                    row.state = ""
                row.filled, row.cost, row.settled = size, done.vwap * size, True
                row.state = "filled" if row.full else row.state or ("part filled" if size else "not filled")

    # -- the run ---------------------------------------------------------------------------------------------

    def _ended(self, ended: CycleEnded) -> None:
        if ended.ending != "skipped":
            alone = f", unhedged for {fixed(ended.unhedged_usd_s, 1)} USD·s" if ended.unhedged_usd_s else ""
            detail = f": {ended.detail}" if ended.detail else ""
            self.say(f"{ended.ending}{detail}{alone}", cycle=ended.cycle, notable=ended.ending == "failed")

    def _skipped(self, skipped: Skipped) -> None:
        """Attempts given up one after the other for one reason are one event: the line of what the run is
        doing says that it goes on.
        """
        before, self._given_up = self._given_up, skipped
        self.skips.append(skipped)
        if before is None or before.code != skipped.code:
            self.say(f"skipped: {skip_sentence(self.settings, skipped)}", notable=True, cycle=skipped.cycle)

    def _child_gone(self, exited: specs.Exited) -> None:
        self._gone_ms[exited.child] = self._now_ms()
        if exited.why and exited.child in ACTORS:
            self.down.add(exited.child)
            self.say(f"{exited.child} died: {exited.why}", notable=True)

    def _child_up(self, started: specs.ChildStarted) -> None:
        self.down.discard(started.child)
        if started.incarnation > 1 and started.child in ACTORS:
            self.restarts[started.child] = max(self.restarts.get(started.child, 0), started.incarnation - 1)
            after = span(max(0, self._now_ms() - self._gone_ms.get(started.child, self._now_ms())))
            self.say(f"{started.child} back after {after}", notable=True)

    def _hop(self, hop: Hop) -> None:
        """Only to count what left twice: a leg names its order when it sends it."""
        if hop.hop in LEG_SENDS.values():
            self.orders_twice += hop.note in self._sent
            self._sent[hop.note] = None
            if len(self._sent) > DIGESTS_KEPT:
                del self._sent[next(iter(self._sent))]


_LEGS: tuple[Leg, Leg] = ("eth", "sol")


_FOLDS: dict[type, Callable[[RunView, Any], None]] = {
    PairQuote: RunView._quoted,
    Held: RunView._holds,
    Sealed: RunView._sealed,
    Ready: RunView._voted,
    Declined: RunView._voted,
    Place: RunView._placed,
    Abort: RunView._aborted,
    Outcome: RunView._outcome,
    Fill: RunView._filled,
    PlanClosed: RunView._closed,
    QuoteEnded: RunView._quote_ended,
    CancelAsked: lambda view, m: view._cancels(m.order_digest, m.why),
    CycleEnded: RunView._ended,
    Skipped: RunView._skipped,
    specs.Exited: RunView._child_gone,
    specs.ChildStarted: RunView._child_up,
    Denied: lambda view, m: view.say(f"entering denied, {m.code}: {m.detail}", notable=True),
    Alarm: lambda view, m: view.say(f"ALARM {m.code}: {m.detail}", notable=True),
    Hop: RunView._hop,
}
_ABOUT: dict[type, About] = {
    PairQuote: "market",
    Held: "cycle",
    Sealed: "plan",
    Ready: "plan",
    Declined: "plan",
    Place: "plan",
    Abort: "plan",
    Outcome: "order",
    Fill: "order",
    PlanClosed: "order",
    QuoteEnded: "order",
    CancelAsked: "order",
    CycleEnded: "cycle",
    Skipped: "cycle",
    specs.Exited: "actor",
    specs.ChildStarted: "actor",
    Restarted: "actor",
    Denied: "limit",
    Alarm: "limit",
    Halted: "limit",
    Staged: "fault",
    Note: "note",
}
