"""ESCAPE: the one way to the wire outside of the barrier, for when trading is dead. One function, no actors,
no votes.

It can only close, and only what stands on cross margin, where all our orders go. Every order is reduce-only,
and the venue clamps a reduce-only order to the position, so that even sending twice cannot turn a position
round. What is not ours is not touched: of each leg at most what our intents explain is closed
(`own_position.py`), and what has been closed is deducted.

    cancel ours -> read cross + isolated -> reduce-only IOCs -> read again        round after round, each at a
                                                                                  worse price

An order of ours that rests is cancelled by its digest before anything is read, whether or not open orders
list it. Until the exchange has said what of it had not traded, or that it does not rest although it can
arrive no more, it may trade at any moment until it expires: what it could still come to is ours to close, and
nothing is flat before that. While it can, a reading does not tell how much a closing order beside it has
closed: the archive's record of that one does. Until it is there, or has been waited for, only as much is
closed as is ours if it closed all of itself, and nothing is flat either.

It ends when the exchange reports no Evenkeel positions, read twice, 2 s apart, after the last order that
could still arrive or trade has become impossible there (10 s apart where our own fills say that something is
held and nothing was sent), or when its patience ends. What the venue does not say is never flat. The caller
has proven the legs gone; each round is written down before it leaves.

Nothing that it calls can end it: whatever fails in whatever way (`outlive.py`) is noted and tried again, at
least `PAUSE_S` later. Each leg's connection has a keeper of its own (`escape_wire.py`), so that one which
cannot be had does not keep the other leg open.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import NamedTuple

import msgspec
import trio

from messages.execution import (
    AccountSnapshot,
    CancelAnswer,
    CancelAsked,
    Doubt,
    EscapeRound,
    Outcome,
    Resolved,
)
from messages.lifecycle import Note
from messages.settings import Settings
from messages.sizing import LEGS, Leg, LegOrder, SizingPlan
from messages.units import Base, Bps, Ms, Price
from messages.wire import digest
from runtime.clock import VenueClock
from runtime.outlive import outlive, outlive_call
from runtime.retry import until
from venue.closing import LASTING, Closing, closing, hedged, near_liquidation, on_the_steps
from venue.escape_wire import KeptWire, kept_wires
from venue.order_consistency import APART_MS, QUIET_MS, RepeatedReading
from venue.own_position import ClosingTask, OwnPosition
from venue.protocol import ProductRules, Reply, SignedCancel, SignedOrder, Venue, VenueError, VenueRules
from venue.stored_escape import StoredEscape, closing_order
from venue.venue_time import MISTIMED, measure_clock

PAUSE_S = (0.25, 2.0)
"""First and longest pause between two rounds; doubles while rounds change nothing."""
ROUND_S = 60.0
"""A round that takes longer has met something that waits without a limit of its own: it is given up and
the next one begins.
"""
SLOW_ROUNDS = 3
"""Rounds of one short try after the patience."""
CANCEL_S = 3.0
"""How long a round waits for the answers to its cancellations before it goes on."""
CONNECT_S = 1.0
"""How long a round waits for its connections before it goes on with those that are up."""
ARRIVED_MS = 500
"""After an order's receive window, this much later by the venue's clock, it cannot arrive any more (as in
RESOLVE).
"""
ARCHIVE_S = 3.0
"""How long the archive is asked for prices and fees at the end."""
RULES_EVERY_S = 5.0
"""How often a round reads the venue's rules again; after a refusal that speaks of them it does so at once."""
RULES_S = 1.0
"""How long a round waits for the venue's rules before it goes on with the last it knows."""


class Escaped(msgspec.Struct, frozen=True):
    """Evenkeel's positions after ESCAPE: both 0 = flat, confirmed by the exchange; None = the exchange did
    not answer.
    """

    eth: Base | None
    sol: Base | None
    rounds: int
    at_ms: Ms = Ms(0)
    """Venue time of the reading it says this by."""
    rest: ClosingTask = ClosingTask(OwnPosition(), OwnPosition())
    """What may still be ours, of the task that it was given: what it has closed is deducted."""
    settled: bool = True
    """Is that reading later than every order of ours that could still arrive or trade?"""

    @property
    def flat(self) -> bool:
        """Both 0, by a reading that is final: where the exchange did not answer, nothing is flat."""
        return (self.eth, self.sol) == (0, 0) and self.settled


class EscapeContext(NamedTuple):
    """What ESCAPE works with: the exchange, how to trade there, and where it is written down."""

    venue: Venue
    rules: VenueRules
    clock: VenueClock
    settings: Settings
    """`venue_patience` bounds the quick rounds."""
    write: Callable[..., None]
    """The journal's: takes each round before it leaves and what came of it. Closing goes on when it fails."""
    observe: Callable[[msgspec.Struct], None]
    epoch: int = 0


async def escape(
    context: EscapeContext,
    task: ClosingTask,
    *,
    stored: StoredEscape | None = None,
    signs: bool = True,
    then_every_s: float | None = None,
) -> Escaped:
    """Close Evenkeel's part of both legs, until flat or until `settings.venue_patience` has passed. Raises
    nothing but a cancellation.

    `stored`: the exit orders signed when the pair was entered; the first round uses
    it where it closes exactly what is left. `signs`: False for a caller without the key, which then has no
    other order than those. `then_every_s`: do not end with the patience, but go on with a short try every so
    many seconds until flat, for whoever must never give up.
    """
    at_work = _Escape(context, task, stored, signs, context.rules)
    await at_work.until_flat(context.settings.venue_patience / 1000, then_every_s)
    with trio.move_on_after(ARCHIVE_S):
        await at_work.look_up()
    if at_work.snapshot is not None:
        at_work.put_down(at_work.snapshot)
    return at_work.result()


@dataclass
class _Beside:
    """A closing order beside which an order of ours could open more. Amounts are signed as the position was
    that it was to close.
    """

    leg: Leg
    digest: str
    sent: int
    closed: int = 0
    """By the reading after it, and deducted: at least so much."""
    waits_until_s: float = 0.0
    """Until when the archive is waited for before that is believed."""

    @property
    def waits(self) -> bool:
        return self.closed != self.sent and trio.current_time() < self.waits_until_s


@dataclass
class _Escape:
    context: EscapeContext
    task: ClosingTask
    stored: StoredEscape | None
    signs: bool
    rules: VenueRules
    rounds: int = 0
    snapshot: AccountSnapshot | None = None
    """The last reading; None while the venue has not answered since something was sent."""
    ours: dict[Leg, OwnPosition] = field(default_factory=dict)
    products: dict[str, int] = field(default_factory=dict)
    """Digest -> product, of every order of ours that may have traded and whose prices the ledger may not
    know.
    """
    before: dict[Leg, int] = field(default_factory=dict)
    """Position of each leg when its last order left; absent when that has been accounted for."""
    sent: dict[Leg, _Beside] = field(default_factory=dict)
    """That order, where one of ours could open more beside it."""
    mistimed: bool = False
    """Was an order refused for its receive time? Then the venue's time is asked for before the next round."""
    closable: bool = True
    """Could both legs be traded when that was last asked? Until it has been, the orders' own answers will
    tell.
    """
    kept: str = ""
    """Why something was not to be closed when that was last asked."""
    reread: bool = False
    """Have the rules been read in here?"""
    rules_due_s: float = 0.0
    """When they are to be read again."""
    used: set[Leg] = field(default_factory=set)
    """Legs whose stored order has been sent."""
    refused: set[Leg] = field(default_factory=set)
    """Legs whose last close the venue refused for a reason that does not pass: of a pair they go first and
    alone.
    """
    unknown_until_ms: dict[Leg, int] = field(default_factory=dict)
    """Venue time until which an order of this leg that nobody answered for may still arrive."""
    resting: dict[str, Doubt] = field(default_factory=dict)
    """Orders of ours that may rest, by digest: until they are cancelled for certain, or cannot trade."""
    cancelled_ms: int = 0
    """Venue time at which the last of them was."""
    untraded: dict[Leg, int] = field(default_factory=dict)
    """What of them is known never to have traded (signed), of what was counted as ours at the beginning."""
    beside: list[_Beside] = field(default_factory=list)
    """Closing orders of which a reading cannot tell how much they closed, until the archive has: one a leg
    and round.
    """
    _flat_twice: RepeatedReading = field(default_factory=RepeatedReading)
    _deducted: dict[Leg, tuple[int, OwnPosition]] = field(default_factory=dict)
    """The position before one of our orders closed it, and our part of it then: for a reading that shows
    it again, untouched.
    """

    def __post_init__(self) -> None:
        self.ours = {"eth": self.task.eth, "sol": self.task.sol}
        self.refused = set(self.task.refused)
        self.products = {doubt.order_digest: doubt.product_id for doubt in self.task.doubts}
        self.resting = {doubt.order_digest: doubt for doubt in self.task.doubts if doubt.rests_until_ms}

    # -- rounds ----------------------------------------------------------------------------------------------

    async def until_flat(self, patience_s: float, then_every_s: float | None) -> None:
        """Rounds until flat or until the patience ends; then, where asked for, a few every `then_every_s`."""
        with trio.move_on_after(patience_s):
            if await self._rounds():
                return
        while then_every_s is not None:
            await trio.sleep(then_every_s)
            if await self._rounds(SLOW_ROUNDS):
                return

    async def _rounds(self, most: int | None = None) -> bool:
        """Round after round, whatever happens in one; True when flat for certain. The pause doubles while
        rounds change nothing.
        """
        pause = PAUSE_S[0]
        async with kept_wires(self.context.venue, LEGS, self._note) as wires:
            for tried in count(1):
                left = self._left()
                if await outlive(lambda: self._round(wires), self._round_failed):
                    return True
                if tried == most:
                    break
                pause = PAUSE_S[0] if self._left() != left else min(pause * 2, PAUSE_S[1])
                wait = pause
                if self._flat_twice.since_ms is not None and self.snapshot is not None:
                    # a reading says flat: the next one is made as soon as it can confirm that
                    due_ms = self._flat_twice.since_ms + self._apart_ms() - self.snapshot.at_ms
                    wait = min(max(due_ms, 50), APART_MS) / 1000
                await trio.sleep(wait)
        return False

    async def _round(self, wires: dict[Leg, KeptWire]) -> bool:
        """One round; True when flat for certain. Raises whatever what it calls raises."""
        with trio.move_on_after(ROUND_S) as limit:
            await outlive(self._cancel_resting, lambda why: self._note(f"cancelling: {why}"))
            await self._read()
            if self.mistimed:
                await outlive(self._ask_time, lambda why: self._note(f"the venue's clock: {why}"))
            if self._done():
                return True
            if self.beside:
                await outlive(self._ask_beside, lambda why: self._note(f"the archive: {why}"))
            left = self._left()
            if left is not None and self.reread and self._settled():
                fits = on_the_steps(*left, self.rules)
                # all that is left is under the venue's steps, by rules read here, and no order of ours is
                # under way: another round is no help
                if not (fits.eth or fits.sol):
                    return True
            # before anything is closed: an order of ours that rests could trade beside the closing one
            await outlive(self._cancel_ours, lambda why: self._note(f"cancelling: {why}"))
            may = await outlive(self._may_close, lambda why: self._note(f"can the legs be traded? {why}"))
            if may or (may is None and self.closable):  # nobody has said that they cannot: silence sends
                await self._close(wires)
                await self._read()
        if limit.cancelled_caught:
            self._round_failed(f"did not end within {ROUND_S:g} s")
        return self._done()

    def _round_failed(self, why: str) -> None:
        self._note(f"round {self.rounds}: {why}")

    async def _ask_time(self) -> None:
        await measure_clock(self.context.venue, self.context.clock)
        self.mistimed = False  # only once it is measured: else the next round asks again

    def _settled(self) -> bool:
        """Is the reading later than every order of ours that could still arrive or trade, and does none
        rest? Only then can it end anything.
        """
        sent = [
            doubt.last_trade_ms + ARRIVED_MS
            for doubt in self.task.doubts
            if not doubt.rests_until_ms or doubt.order_digest in self.resting
        ]
        last_trade_ms = max([*sent, *self.unknown_until_ms.values(), self.cancelled_ms])
        read = self.snapshot is not None and self.snapshot.at_ms > last_trade_ms
        return read and not self._cancellable() and not any(close.waits for close in self.beside)

    def _done(self) -> bool:
        """Flat for certain: by two readings, each later than every order of ours."""
        # Our own fills hold something: that the subaccount does not exist is no answer.
        vanished = self._held() and self.snapshot is not None and not self.snapshot.exists
        if vanished or self._left() != (0, 0) or not self._settled():
            self._flat_twice.forget()
            return False
        return self._flat_twice.confirms(int(self._known().at_ms), 0, self._apart_ms())

    def _apart_ms(self) -> int:
        """How far apart two readings must be that say flat. A reading has no time of its own: one that
        contradicts our own fills needs longer.
        """
        return QUIET_MS if self._held() and not self.rounds else APART_MS

    def _held(self) -> bool:
        """Do our own fills say, beyond doubt, that something is held?"""
        return any(ours.low == ours.high != 0 for ours in (self.task.eth, self.task.sol))

    def _left(self) -> tuple[Base, Base] | None:
        """What may be closed of our positions (ETH, SOL), signed; None when the venue has not said."""
        if self.snapshot is None:
            return None
        eth, sol = (self._surely_ours(leg).part_of(self._position(leg, self.snapshot)) for leg in LEGS)
        return eth, sol

    def _ours(self, leg: Leg) -> OwnPosition:
        return self.ours[leg].without(self.untraded.get(leg, 0))

    def _surely_ours(self, leg: Leg) -> OwnPosition:
        """The same, if what was closed beside an order that rests was closed in full."""
        ours = self._ours(leg)
        for close in self.beside:
            if close.leg == leg and close.waits:
                ours = ours.without(close.sent - close.closed)
        return ours

    def _position(self, leg: Leg, snapshot: AccountSnapshot) -> int:
        return int(snapshot.position(self.rules.product(leg).product_id).cross)

    async def _read(self) -> None:
        """Read cross and isolated positions, and deduct what our last orders have closed."""
        self.snapshot = None
        snapshot = await self.context.venue.reads.account()
        for leg, (stood, ours) in list(self._deducted.items()):
            if self._position(leg, snapshot) == stood:  # it never went: the reading that said so was wrong
                self.ours[leg] = ours
                del self._deducted[leg]
                for close in self.beside:
                    close.closed = 0 if close.leg == leg else close.closed
        for leg, before in list(self.before.items()):
            if snapshot.at_ms <= self.unknown_until_ms.get(leg, 0) and self._partly_foreign(leg, before):
                continue
            closed = _closed(before, self._position(leg, snapshot))
            if closed:
                self._deducted[leg] = before, self.ours[leg]
            self.ours[leg] = self.ours[leg].without(closed)
            del self.before[leg]
            if leg in self.sent:
                close = self.sent.pop(leg)
                close.closed = min(closed, close.sent, key=abs)
                close.waits_until_s = trio.current_time() + ARCHIVE_S
                self.beside.append(close)
        self.snapshot = snapshot

    def _partly_foreign(self, leg: Leg, position: int) -> bool:
        """Is a part of this position a third party's, which must not be closed?"""
        return self._surely_ours(leg).part_of(position) != position

    async def _ask_beside(self) -> None:
        """Deduct what the archive says that closing orders beside one that rested have closed. Raises
        `VenueError`.
        """
        with trio.move_on_after(RULES_S):
            for known in await self.context.venue.reads.archived([close.digest for close in self.beside]):
                close = next(close for close in self.beside if close.digest == known.digest)
                closed = -int(known.filled)
                if min(0, close.sent) <= closed <= max(0, close.sent):
                    more = closed - close.closed
                    self.ours[close.leg] = self.ours[close.leg].without(more)
                    self._deducted.pop(close.leg, None)
                self.beside.remove(close)

    def _grows(self, leg: Leg, position: int) -> bool:
        """May an order of ours that rests open more of this position?"""
        return not self.task.everything and any(
            doubt.leg == leg and (doubt.amount > 0) == (position > 0) for doubt in self.resting.values()
        )

    # -- cancelling ------------------------------------------------------------------------------------------

    def _cancellable(self) -> list[str]:
        if self.snapshot is None:
            return []
        return [
            order for order in self.snapshot.open_orders if self.task.everything or order in self.products
        ]

    async def _cancel_resting(self) -> None:
        """Cancel every order that may rest, before the positions are read: they have all of what it did, once
        it is known to have ended.
        """
        with trio.move_on_after(CANCEL_S):
            async with trio.open_nursery() as nursery:
                for doubt in list(self.resting.values()):
                    stored = self._stored_cancel(doubt)
                    can_trade = self.context.clock.now_ms() <= doubt.last_trade_ms + ARRIVED_MS
                    if can_trade and (self.signs or stored is not None):
                        nursery.start_soon(self._cancel, doubt, stored)

    def _stored_cancel(self, doubt: Doubt) -> SignedCancel | None:
        """Its cancellation that was signed in advance, for who has no key; None where there is none."""
        if self.signs or self.stored is None:
            return None
        return self.stored.cancel(doubt.order_digest, self.context.clock.now_ms())

    async def _cancel(self, doubt: Doubt, stored: SignedCancel | None) -> None:
        """One cancellation, written down as it leaves, and its answer. Raises nothing but a cancellation."""
        venue = self.context.venue
        now_ms, order, product_id = self.context.clock.now_ms, doubt.order_digest, doubt.product_id
        why, said = "what is open is closed", list[Base | None]()
        failed: list[str] = []

        async def ask() -> None:
            said.append(await (venue.cancel_signed(stored) if stored else venue.cancel(product_id, order)))

        self.put_down(CancelAsked(order, product_id, why, now_ms()))
        await outlive(ask, failed.append)
        unfilled, gone = (said[0], said[0] is None) if said else (None, False)
        at_ms, words = (
            now_ms(),
            failed[-1] if failed else "cancelled" if unfilled is not None else "none rests",
        )
        self.put_down(CancelAnswer(order, product_id, unfilled, gone, words, at_ms))
        if failed:
            self._note(f"cancelling {doubt.leg} order {order[:10]}: {words}")
        # one that does not rest may still arrive until its receive window is over
        if unfilled is not None or (gone and at_ms > doubt.recv_time_ms + ARRIVED_MS):
            self.resting.pop(order, None)
            self.cancelled_ms = max(self.cancelled_ms, int(at_ms))
        if unfilled is not None:
            never = int(unfilled) if doubt.amount > 0 else -int(unfilled)
            self.untraded[doubt.leg] = self.untraded.get(doubt.leg, 0) + never

    async def _cancel_ours(self) -> None:
        """An order of ours that is said to rest is cancelled by its digest, whatever is known of it."""
        resting = self._cancellable()
        if resting and self.task.everything:
            await self.context.venue.cancel_all((self.rules.eth.product_id, self.rules.sol.product_id))
        for order in () if self.task.everything else resting:
            await self.context.venue.cancel(self.products[order], order)

    # -- closing ---------------------------------------------------------------------------------------------

    async def _may_close(self) -> bool:
        """Is there anything to close now? The rules are read again first: steps, ticks and statuses are
        those of this moment, or the last known.
        """
        left = self._left()
        if left is None or left == (0, 0):
            return False
        if trio.current_time() >= self.rules_due_s:
            await outlive(self._read_rules, lambda why: self._note(f"the venue's rules: {why}"))
        part = self._part(left)
        self.closable = bool(part.eth or part.sol)
        if part.kept and part.kept != self.kept:
            self._note(part.kept)
        self.kept = part.kept
        if (
            not self.closable
            or not hedged(*left)
            or near_liquidation(self._known(), self.rules, self.context.settings.limits.min_liquidation_move)
        ):
            return self.closable
        said = await self.context.venue.reads.tradable()
        if said.obstacle:
            self._note(f"hedged, and kept: {said.obstacle}")
        self.closable = not said.obstacle
        return self.closable

    async def _read_rules(self) -> None:
        """The rules of now, for what is decided here and for the order_builder; none but those of the
        products we know.
        """
        with trio.move_on_after(RULES_S):
            rules = await self.context.venue.reads.rules_now()
            self.context.venue.order_builder.use(rules)
            self.rules = rules
            self.reread, self.rules_due_s = True, trio.current_time() + RULES_EVERY_S

    def _known(self) -> AccountSnapshot:
        assert self.snapshot is not None  # noqa: S101 - `_left` has said so
        return self.snapshot

    def _part(self, left: tuple[Base, Base]) -> Closing:
        """What of `left` to close now, by the rules read last."""
        urgent = near_liquidation(
            self._known(), self.rules, self.context.settings.limits.min_liquidation_move
        )
        return closing(*left, self.rules, refused=self.refused, urgent=urgent)

    async def _close(self, wires: dict[Leg, KeptWire]) -> None:
        part = self._part(self._left() or (Base(0), Base(0)))
        stored = self._usable(part)
        if stored is not None:
            self.rounds += 1
            orders_signed = stored.asked_until(self.context.clock.now_ms() + self.context.settings.recv_time)
            return await self._send_all(
                wires, stored.plan, {leg: order for leg, order in orders_signed.items() if part.part(leg)}
            )
        if not self.signs:
            return self._note(
                f"no presigned order is left for ETH {part.eth.text()}, SOL {part.sol.text()}, and no key to"
                " sign one"
            )
        orders: dict[Leg, LegOrder] = {}
        for leg in LEGS:
            # a leg without an order, for whatever reason, must not keep the other one open: its turn is next
            order = await outlive(
                lambda: self._order(leg, part.part(leg)),  # noqa: B023 - called at once
                lambda why: self._note(f"{leg} has no order: {why}"),  # noqa: B023
            )
            orders[leg] = order or _no_order(self.rules.product(leg))
        if not any(order.amount for order in orders.values()):
            return None
        self.rounds += 1
        now_ms = self.context.clock.now_ms()
        recv_ms = Ms(now_ms + self.context.settings.recv_time)
        plan = SizingPlan(
            self.context.epoch,
            self.rounds,
            0,
            self.rounds,
            "flatten",
            now_ms,
            recv_ms,
            Ms(0),
            Ms(0),
            Ms(0),
            Bps(0),
            orders["eth"],
            orders["sol"],
        )
        signed: dict[Leg, SignedOrder] = {}
        build = self.context.venue.order_builder
        for leg in (leg for leg in LEGS if orders[leg].amount):
            one = outlive_call(
                lambda: build.sign(build.order_of(plan, digest(plan), leg)),  # noqa: B023
                lambda why: self._note(f"{leg} cannot be signed: {why}"),  # noqa: B023
            )
            if one is not None:
                signed[leg] = one
        return await self._send_all(wires, plan, signed)

    def _usable(self, part: Closing) -> StoredEscape | None:
        """The generation signed in advance, each order once, if it closes exactly `part` and nothing of a
        third party's position.
        """
        stored, wanted = self.stored, {leg for leg in LEGS if part.part(leg)}
        if (
            stored is None
            or self.before
            or self.snapshot is None
            or self.used & wanted
            or not stored.closes(part, self.rules, self.context.clock.now_ms())
            or any(self._partly_foreign(leg, self._position(leg, self.snapshot)) for leg in LEGS)
        ):
            return None
        self.used |= wanted
        return stored

    async def _send_all(
        self, wires: dict[Leg, KeptWire], plan: SizingPlan, signed: dict[Leg, SignedOrder]
    ) -> None:
        with trio.move_on_after(CONNECT_S):  # then with those that are up
            await until(lambda: all(wires[leg].connected for leg in signed), PAUSE_S[0] / 10)
        self.put_down(EscapeRound(plan, *(signed[leg].digest if leg in signed else "" for leg in LEGS)))
        async with trio.open_nursery() as nursery:
            for leg, order in signed.items():
                nursery.start_soon(self._send, leg, order, wires[leg])

    async def _send(self, leg: Leg, order: SignedOrder, wire: KeptWire) -> None:
        """Send one order. Raises nothing but a cancellation: the other leg's is under way beside it."""
        position = self._position(leg, self.snapshot) if self.snapshot else 0
        self.before[leg] = position
        if self._grows(leg, position):
            self.sent[leg] = _Beside(leg, order.digest, -int(order.order.amount))
        sent_ms = outlive_call(self.context.clock.now_ms) or 0
        reply = await wire.place(order)
        self._answered(leg, order, reply)
        kind = "none" if reply.kind == "not_sent" else reply.kind
        answered_ms = outlive_call(self.context.clock.now_ms) or sent_ms
        self.put_down(
            Outcome(
                leg,
                self.context.epoch,
                self.rounds,
                order.digest,
                kind,
                reply.code,
                reply.text,
                Ms(sent_ms),
                Ms(answered_ms),
            )
        )

    def _answered(self, leg: Leg, order: SignedOrder, reply: Reply) -> None:
        if reply.code in LASTING:  # it says something about the rules: read again before the next round
            self.refused.add(leg)
            self.rules_due_s = 0.0
        if reply.kind != "accepted":
            self._note(f"{leg} order {order.digest[:10]} {reply.kind}: {reply.text}")
        if reply.kind in {"not_sent", "refused"}:
            self.before.pop(leg, None)
            self.sent.pop(leg, None)
            self.mistimed = self.mistimed or reply.code in MISTIMED
            return
        self.products[order.digest] = order.order.product_id
        if reply.kind == "accepted":
            self.refused.discard(leg)
        else:
            self.unknown_until_ms[leg] = order.recv_time_ms + ARRIVED_MS

    async def _order(self, leg: Leg, position: Base) -> LegOrder:
        """The reduce-only order that closes `position`; of nothing while an unanswered order could still
        close part of a third party's.
        """
        product = self.rules.product(leg)
        if position == 0 or leg in self.before:
            return _no_order(product)
        price = product.oracle
        try:
            book = await self.context.venue.reads.book(product.product_id)
            side = book.bids if position > 0 else book.asks
            price = side[0].price if side else price
        except VenueError as error:
            self._note(f"no book of {product.symbol}: {error}")
        if price is None:
            self._note(f"{leg} has no price: no oracle price of {product.symbol} either")
            return _no_order(product)
        steps = self.context.settings.flatten_steps
        return closing_order(product, position, price, steps[min(self.rounds, len(steps) - 1)])

    # -- afterwards ------------------------------------------------------------------------------------------

    async def look_up(self) -> None:
        """Ask the archive what our orders did, those in doubt from before included, and write it down."""
        wanted = [order for order in self.products if order not in self.resting]  # of those it is no ending
        while wanted:
            await outlive(lambda: self._ask_archive(wanted), lambda why: self._note(f"the archive: {why}"))
            if wanted:
                await trio.sleep(PAUSE_S[0])

    async def _ask_archive(self, wanted: list[str]) -> None:
        """Write down what the archive knows of `wanted`, and take it from there. Raises `VenueError`."""
        for known in await self.context.venue.reads.archived(wanted):
            self.put_down(
                Resolved(
                    known.digest,
                    known.product_id,
                    known.filled,
                    known.quote,
                    known.fee,
                    provisional=False,
                    source="archive",
                )
            )
            wanted.remove(known.digest)

    def result(self) -> Escaped:
        """What is left of Evenkeel's positions, by the last reading."""
        eth, sol = (
            self._ours(leg).part_of(self._position(leg, self.snapshot)) if self.snapshot else None
            for leg in LEGS
        )
        rest = msgspec.structs.replace(self.task, eth=self._ours("eth"), sol=self._ours("sol"))
        at_ms = self.snapshot.at_ms if self.snapshot else Ms(0)
        return Escaped(eth, sol, self.rounds, at_ms, rest, self._settled())

    def put_down(self, message: msgspec.Struct) -> None:
        """Write `message` down. Closing does not wait for paper."""
        outlive_call(
            lambda: self.context.write(message),
            lambda why: self._note(f"{type(message).__name__} could not be recorded: {why}"),
        )

    def _note(self, text: str) -> None:
        outlive_call(lambda: self.context.observe(Note(self.context.clock.utc_ns(), "error", "escape", text)))


def _closed(before: int, after: int) -> int:
    """How much of `before` is gone (signed as it was); what grew or turned round was not our doing."""
    return max(0, before - max(after, 0)) if before > 0 else min(0, before - min(after, 0))


def _no_order(product: ProductRules) -> LegOrder:
    return closing_order(product, Base(0), Price(0), Bps(0))
