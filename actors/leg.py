"""A leg: turns its half of a sealed plan into one order, votes, and sends it when all three votes agree.

One implementation, two instances (eth_leg, sol_leg), each with its own connection, because Nado's `/v1/ws`
answers strictly in order and a taker waits 30 ms there: two legs on one connection would trade one after the
other.

A leg never decides, never rounds, never reads fills and never sends twice. What it knows of the past is one
plan.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Literal

import msgspec
import trio

from actors.risk.may_enter import LEG, VOTE, LegBallot, may_enter
from actors.risk.objections import Ballot
from messages.execution import Outcome
from messages.lifecycle import LEG_ANSWERED, LEG_SENDS, LEG_VOTES, Denial, Hop, HopWord
from messages.settings import Settings
from messages.sizing import Abort, Declined, Leg, Place, Ready, Sealed
from messages.units import Ms
from messages.wire import digest
from runtime.clock import VenueClock
from runtime.observe import Observe
from runtime.pulse import MAIL, Pulse
from venue.protocol import ANSWER_AFTER_RECV_MS, OffLattice, OrderBuilder, OrderWire, Reply, SignedOrder

LegMessage = Sealed | Place | Abort


class LegState(msgspec.Struct, frozen=True):
    """All that a leg remembers: who it is, the last plan it saw, and the order it has built for it (None
    when its amount is 0).
    """

    leg: Leg
    epoch: int
    last_seq: int = 0
    sealed: Sealed | None = None
    signed: SignedOrder | None = None


def on_sealed(
    state: LegState, sealed: Sealed, order_builder: OrderBuilder, settings: Settings, *, connected: bool
) -> tuple[LegState, Ready | Declined]:
    """Check the plan on the object held, build and sign this leg's order, and vote. Sends nothing."""
    plan = sealed.plan
    ballot = Ballot(sealed, state.epoch, state.last_seq)
    denial = may_enter(VOTE, ballot, plan.judged_as) or may_enter(
        LEG, LegBallot(state.leg, plan, settings, connected), plan.judged_as
    )
    if denial is not None:
        return state, Declined(state.leg, plan.epoch, plan.seq, denial.code, denial.detail)
    try:
        signed = (
            order_builder.sign(order_builder.order_of(plan, sealed.digest, state.leg))
            if plan.leg(state.leg).amount
            else None
        )
    except ValueError as error:
        code = "OFF_LATTICE" if isinstance(error, OffLattice) else "BAD_ORDER"
        return state, Declined(state.leg, plan.epoch, plan.seq, code, str(error))
    built = signed.digest if signed else ""
    eth_order, sol_order = (built, None) if state.leg == "eth" else (None, built)
    # The ballot has taken the digest again, from this very object.
    vote = Ready(state.leg, plan.epoch, plan.seq, sealed.digest, eth_order, sol_order)
    return LegState(state.leg, state.epoch, plan.seq, sealed, signed), vote


def on_place(state: LegState, place: Place, order_builder: OrderBuilder) -> SignedOrder | Denial | None:
    """What to send now: the order built for exactly this plan; None when this leg sends nothing; or why it
    must not be sent.

    Everything is checked once more on what is held *now*: the plan's digest, and that the order is the one
    the plan says and the ledger wrote down. It is built again; it is signed once, at the vote, and the ledger
    has derived its digest from the plan by itself.
    """
    sealed = state.sealed
    if (
        sealed is None
        or (place.epoch, place.seq) != (sealed.plan.epoch, sealed.plan.seq)
        or place.epoch != state.epoch
    ):
        return Denial("NOT_HELD", f"plan {place.epoch}.{place.seq} is not the one held")
    if digest(sealed.plan) != place.plan_digest or sealed.digest != place.plan_digest:
        return Denial("DIGEST_MISMATCH", "the plan changed after the vote")
    if sealed.plan.leg(state.leg).amount == 0:
        return None
    wanted = place.eth_order if state.leg == "eth" else place.sol_order
    signed, order = state.signed, order_builder.order_of(sealed.plan, sealed.digest, state.leg)
    if (
        signed is None
        or signed.order != order
        or signed.recv_time_ms != sealed.plan.recv_time_ms
        or signed.digest != wanted
    ):
        return Denial("ORDER_CHANGED", "the order is not the one the plan says and the ledger wrote down")
    return signed


def outcome_of(state: LegState, signed: SignedOrder, reply: Reply, sent_ms: Ms, answered_ms: Ms) -> Outcome:
    """The venue's reply as a message; a late or missing answer stays `unknown`."""
    kind: Literal["accepted", "refused", "unknown", "none"] = (
        "none" if reply.kind == "not_sent" else reply.kind
    )
    return Outcome(
        state.leg,
        state.epoch,
        state.last_seq,
        signed.digest,
        kind,
        reply.code,
        reply.text,
        sent_ms,
        answered_ms,
    )


def nothing_sent(leg: Leg, place: Place, detail: str, now_ms: Ms) -> Outcome:
    """The outcome of a leg that did not send."""
    own = place.eth_order if leg == "eth" else place.sol_order
    return Outcome(leg, place.epoch, place.seq, own, "none", None, detail, now_ms, now_ms)


class Tools(msgspec.Struct, frozen=True):
    """What a leg works with. `post` reaches the supervisor."""

    post: Callable[[msgspec.Struct], None]
    order_builder: OrderBuilder
    clock: VenueClock
    settings: Settings
    observe: Observe
    pulse: Pulse = msgspec.field(default_factory=Pulse)

    def hop(self, name: HopWord, sealed: Sealed, note: str) -> None:
        """Tell the log where this plan is, with its digest and both quantities."""
        plan = sealed.plan
        self.observe(
            Hop(
                self.clock.utc_ns(),
                name,
                plan.epoch,
                plan.seq,
                sealed.digest,
                plan.eth.amount,
                plan.sol.amount,
                note,
            )
        )


async def run(
    leg: Leg,
    epoch: int,
    inbox: trio.MemoryReceiveChannel[LegMessage],
    open_wire: Callable[[], AbstractAsyncContextManager[OrderWire]],
    tools: Tools,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Take sealed plans, vote, place. Ends only by an exception or when told to stop.

    Told to stop while a Place for the plan it holds waits in the mailbox, it sends first: else the other leg
    would be unhedged.
    """
    state = LegState(leg, epoch)
    async with open_wire() as wire:
        task_status.started()
        with inbox:
            while True:
                try:
                    message = await inbox.receive()
                except trio.Cancelled:
                    await _send_what_was_promised(state, inbox, wire, tools)
                    raise
                tools.pulse.expect()
                state = await handle(state, message, wire, tools)
                tools.pulse.done()


async def handle(state: LegState, message: LegMessage, wire: OrderWire, tools: Tools) -> LegState:
    """One message: vote on a sealed plan, place the one held, or forget it."""
    if isinstance(message, Sealed):
        state, vote = on_sealed(state, message, tools.order_builder, tools.settings, connected=wire.connected)
        tools.hop(
            LEG_VOTES[state.leg],
            message,
            "READY" if isinstance(vote, Ready) else f"{vote.code}: {vote.detail}",
        )
        tools.post(vote)
        return state
    if not _holds(state, message):
        # left over from another incarnation, or carried out already: whoever doubts it asks the venue
        return state
    if isinstance(message, Place):
        tools.post(await place_one(state, message, wire, tools))
    return msgspec.structs.replace(state, sealed=None, signed=None)


def _holds(state: LegState, message: Place | Abort) -> bool:
    return state.sealed is not None and (message.epoch, message.seq) == (
        state.sealed.plan.epoch,
        state.sealed.plan.seq,
    )


async def place_one(state: LegState, place: Place, wire: OrderWire, tools: Tools) -> Outcome:
    """Carry out one Place: send the order held for it, or say that nothing was sent."""
    order = on_place(state, place, tools.order_builder)
    if order is None or isinstance(order, Denial):
        return nothing_sent(state.leg, place, order.text if order else "", tools.clock.now_ms())
    assert state.sealed is not None  # noqa: S101 - on_place returned an order of it
    sent_ms = tools.clock.now_ms()
    tools.hop(LEG_SENDS[state.leg], state.sealed, order.digest)
    tools.pulse.expect(MAIL, max(0, order.recv_time_ms + ANSWER_AFTER_RECV_MS - sent_ms) / 1000)
    reply = await wire.place(order)
    tools.hop(
        LEG_ANSWERED[state.leg],
        state.sealed,
        f"{order.digest} {reply.kind} {reply.code or ''} {reply.text}".strip(),
    )
    return outcome_of(state, order, reply, sent_ms, tools.clock.now_ms())


async def _send_what_was_promised(
    state: LegState, inbox: trio.MemoryReceiveChannel[LegMessage], wire: OrderWire, tools: Tools
) -> None:
    try:
        message = inbox.receive_nowait()
    except (trio.WouldBlock, trio.EndOfChannel, trio.ClosedResourceError):
        return
    if isinstance(message, Place) and _holds(state, message):
        with trio.CancelScope(shield=True):
            tools.post(await place_one(state, message, wire, tools))
