"""Judging a run by the simulated engine's own order log, never by our ledger alone.

`faults` needs the log and nothing else. `judged` also asks what the machine said and wrote: every order at
the engine must belong to a sealed plan that three voters agreed on and the ledger had written down, of an
epoch that was alive, and the ledger's sums must be the engine's to the last digit.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import msgspec

from actors.barrier import EpochBumped
from actors.ledger import Fold, Store
from messages.execution import QuoteEnded
from messages.lifecycle import CycleEnded
from messages.sizing import (
    LEGS,
    REST_MAX_MS,
    Leg,
    LegOrder,
    PairSettled,
    Place,
    QuoteTerms,
    Ready,
    Sealed,
    SizingPlan,
)
from messages.units import ONE, notional
from venue.nado.signing import recv_time_of
from venue.protocol import OrderBuilder
from venue.simulated.engine.order_log import LoggedOrder
from venue.simulated.engine.rules import ETH_PERP, SOL_PERP

LONE_S = 12.0
"""The longest time in virtual seconds for which less than a pair may be held: a lost answer (recv_time),
two crashes, a few steps of flattening.
"""
DUST_WAITS = 3
"""Less than the venue's minimum may wait so much longer, for room in its rate limits: topping up leaves a
full unwind's reserve alone.
"""
MINIMUM = int(ETH_PERP.min_size)
"""USD below which the venue need not close (the same for both products)."""
CHUNK = 2 * MINIMUM
"""USD of a quote's fills that may wait for their hedge: no hedge is sent, or left for later, below the
venue's minimum.
"""
STEPS = {"eth": int(ETH_PERP.step), "sol": int(SOL_PERP.step)}
CLOCKS_NS = 50_000_000
"""By how much the venue's clock and the one that the ledger is written by may differ."""
CANCELLED_NS = 1_000_000_000
"""A new epoch cancels what the old one left resting within so long."""
INSTANT_NS = 1_000_000
"""What had been handed to a socket when its leg died may arrive in the same instant."""


def net(log: Iterable[LoggedOrder]) -> dict[int, int]:
    """What is open per product, by the engine's fills."""
    open_now: Counter[int] = Counter()
    for order in log:
        open_now[order.product_id] += order.filled
    return dict(open_now)


def faults(log: list[LoggedOrder], *, largest: dict[int, int]) -> list[str]:
    """What is wrong with how a machine traded, by the engine's log alone. `largest`: product -> the largest
    |position| that one pair may have.

    No order twice; no position larger than one pair (a second increasing order for the same plan would show
    here); no closing order that turned a position round; flat at the end.
    """
    found = [
        f"digest {digest[:10]} arrived {times} times"
        for digest, times in Counter(order.digest for order in log).items()
        if times > 1
    ]
    position: Counter[int] = Counter()
    for at_ns, product_id, amount in sorted(
        (fill.at_ns, order.product_id, fill.amount) for order in log for fill in order.fills
    ):
        before = position[product_id]
        position[product_id] += amount
        if abs(position[product_id]) > largest[product_id]:
            found.append(f"product {product_id} reached {position[product_id]} at {at_ns}")
        if before * position[product_id] < 0:
            found.append(f"product {product_id} was turned round at {at_ns}")
    found += [f"product {product_id} ends with {amount}" for product_id, amount in position.items() if amount]
    return found


@dataclass
class Heard:
    """What the machine said, with the engine's clock: an observer."""

    sealed: list[Sealed] = field(default_factory=list)
    placed: dict[tuple[int, int], tuple[int, set[Ready]]] = field(default_factory=dict)
    """(epoch, seq) -> when, and on which votes."""
    votes: set[Ready] = field(default_factory=set)
    bumps: list[tuple[int, int]] = field(default_factory=list)

    def take(self, said: msgspec.Struct, now_ns: int) -> None:
        """Remember what matters."""
        if isinstance(said, Sealed):
            self.sealed.append(said)
        elif isinstance(said, Ready):
            self.votes.add(said)
        elif isinstance(said, Place):
            self.placed[said.epoch, said.seq] = (
                now_ns,
                {vote for vote in self.votes if (vote.epoch, vote.seq) == (said.epoch, said.seq)},
            )
        elif isinstance(said, EpochBumped):
            self.bumps.append((now_ns, said.epoch))

    def epoch_at(self, at_ns: int) -> int:
        """The epoch in force at the engine's `at_ns`."""
        return max((epoch for bumped_ns, epoch in self.bumps if bumped_ns < at_ns), default=0)


class Half(NamedTuple):
    """One leg of a sealed plan."""

    plan: SizingPlan
    leg: Leg


@dataclass
class Written:
    """What the ledger's file says: when each order was intended (venue ns), the fold of everything, the pairs
    that were settled on, and when orders that rested, and cycles, were over.
    """

    intents: dict[str, int]
    fold: Fold
    settled: list[tuple[int, int]] = field(default_factory=list)
    ended: dict[str, int] = field(default_factory=dict)
    over_ns: list[int] = field(default_factory=list)

    @classmethod
    def read(cls, ledger: Path) -> "Written":
        """Read it all. Raises `BrokenChain` when a row is not what was written."""
        written = cls({}, Fold())
        with closing(Store.reading(ledger)) as store:
            store.verify()
            for _, at_ns, message in store.events():
                written.fold.apply(message, at_ns)
                written._note(message, at_ns)
        return written

    def _note(self, message: msgspec.Struct, at_ns: int) -> None:
        if isinstance(message, Ready) and message.who == "ledger":
            self.intents |= dict.fromkeys((message.eth_order or "", message.sol_order or ""), at_ns)
        elif isinstance(message, PairSettled):
            self.settled.append((int(message.eth), int(message.sol)))
        elif isinstance(message, QuoteEnded):
            self.ended[message.fill.order_digest] = at_ns
        elif isinstance(message, CycleEnded):
            self.over_ns.append(at_ns)


def outlived(log: Iterable[LoggedOrder], written: Written) -> Iterator[str]:
    """Orders that traded after the ledger had called them, or the cycle that they belonged to, ended; and
    orders that rest for longer than one may.
    """
    for order in log:
        name, last_ns = f"order {order.digest[:10]}", max((fill.at_ns for fill in order.fills), default=0)
        if last_ns > written.ended.get(order.digest, last_ns) + CLOCKS_NS:
            yield f"{name} traded after the ledger had called it ended"
        if any(order.arrived_ns < over_ns < last_ns - CLOCKS_NS for over_ns in written.over_ns):
            yield f"{name} traded after its cycle had been called over"
        longest_s = (recv_time_of(order.nonce) + REST_MAX_MS) // 1_000
        if order.kind == "post_only" and order.expiration_s > longest_s:
            yield f"{name} rests for {order.expiration_s - longest_s} s longer than one may"


def judged(
    log: list[LoggedOrder],
    heard: Heard,
    written: Written,
    order_builder: OrderBuilder,
    *,
    late_ms: int = 0,
    lone_s: float = LONE_S,
) -> list[str]:
    """Everything wrong with a run; empty = nothing. `late_ms`: the longest time that an order was under
    way by the venue's doing.
    """
    halves = {
        order_builder.digest_of(order_builder.order_of(sealed.plan, sealed.digest, leg)): Half(
            sealed.plan, leg
        )
        for sealed, leg in _asked(heard.sealed)
    }
    largest = largest_pair(heard.sealed)
    found = faults(log, largest=largest)
    for order in log:
        half = halves.get(order.digest)
        if half is None:
            found.append(f"no sealed plan has the order {order.digest[:10]}")
        else:
            found += _unlawful(order, half, heard, written, late_ms * 1_000_000)
    found += _lone(log, halves, written, lone_s)
    found += _unequal(log, written.fold)
    found += outlived(log, written)
    return found


def _asked(sealed: Iterable[Sealed]) -> Iterator[tuple[Sealed, Leg]]:
    return ((one, leg) for one in sealed for leg in LEGS if one.plan.leg(leg).amount)


def largest_pair(sealed: Iterable[Sealed]) -> dict[int, int]:
    """Product -> the largest amount that one entry asked for, or that a quote would lead to."""
    largest: Counter[int] = Counter()
    for one in sealed:
        for leg in LEGS:
            order = one.plan.leg(leg)
            largest[order.product_id] = max(largest[order.product_id], _may_reach(one.plan, leg, order))
    return largest


def _may_reach(plan: SizingPlan, leg: Leg, order: LegOrder) -> int:
    """The |position| that an order may lead to: an entry its amount, a quote that opens its whole pair, a
    top-up its amount and a remainder below the venue's minimum.
    """
    if plan.purpose == "top_up" and order.amount:
        return abs(order.amount) + MINIMUM * ONE // order.mid
    if not plan.enters:
        return 0
    return abs(order.amount if plan.quote is None else plan.quote.whole(leg))


def _unlawful(order: LoggedOrder, half: Half, heard: Heard, written: Written, late_ns: int) -> list[str]:
    plan, name = half.plan, f"{half.leg} order {order.digest[:10]} of plan {half.plan.epoch}.{half.plan.seq}"
    placed_ns, votes = heard.placed.get((plan.epoch, plan.seq), (order.arrived_ns + 1, set()))
    found = []
    if {vote.who for vote in votes} != {"eth", "sol", "ledger"} or len(
        {vote.plan_digest for vote in votes}
    ) != 1:
        found.append(f"{name} arrived, but three equal votes there were not")
    if placed_ns > order.arrived_ns:
        found.append(f"{name} arrived before any Place")
    if written.intents.get(order.digest, order.arrived_ns + 1) > order.arrived_ns:
        found.append(f"{name} arrived without a written intent")
    if heard.epoch_at(order.arrived_ns - late_ns - INSTANT_NS) > plan.epoch:
        found.append(f"{name} arrived in epoch {heard.epoch_at(order.arrived_ns)}")
    last_ns = max((fill.at_ns for fill in order.fills), default=0)
    if heard.epoch_at(last_ns - late_ns - CANCELLED_NS) > plan.epoch:
        found.append(f"{name} still traded long after epoch {heard.epoch_at(last_ns)} had begun")
    return found


def _lone(log: list[LoggedOrder], halves: dict[str, Half], written: Written, lone_s: float) -> Iterator[str]:
    """Less than a pair was held for too long, or nothing written down did anything about it."""
    held, pairs = dict.fromkeys(LEGS, 0), list(written.settled)
    mids, terms = dict(held), None
    longest_s = {"hedged": float("inf"), "lone": lone_s, "dust": DUST_WAITS * lone_s}
    state, since_ns, open_ns = "hedged", 0, 0
    moves = sorted((fill.at_ns, order.digest, int(fill.amount)) for order in log for fill in order.fills)
    for at_ns, digest, amount in moves:
        half = halves.get(digest)
        if half is None:
            return
        plan, quote = half.plan, half.plan.quote
        if at_ns - since_ns > longest_s[state] * 10**9:
            yield f"{held} was held for {(at_ns - since_ns) / 10**9:.1f} s"
        if plan.enters and open_ns and written.intents.get(digest, 0) > open_ns:
            yield f"{held} was held, and another enter was the answer"
        held[half.leg] += amount
        open_ns = (open_ns or at_ns) if any(held.values()) else 0
        mids = {leg: int(plan.leg(leg).mid) or mids[leg] for leg in LEGS}
        if plan.enters:
            pairs.append(
                (int(plan.eth.amount), int(plan.sol.amount)) if quote is None else (quote.eth, quote.sol)
            )
        if quote is not None and not quote.hedges:
            terms = quote
        if terms is not None and _overhedged(half, held, terms):
            yield f"{held} was held after a hedge, of {terms.eth} and {terms.sol}"
        before, state = state, _state(held, pairs, mids, terms)
        since_ns = since_ns if state == before else at_ns


def _uneven(held: dict[Leg, int], terms: QuoteTerms) -> int:
    """What is held of the leg that hedges beyond its share of the pair, signed, rounded towards 0. Not asked
    of the terms: they are what is judged.
    """
    whole, other = terms.whole(terms.leg), terms.whole(terms.other)
    exact = Fraction(held[terms.leg] * other, whole)
    return int(held[terms.other] - exact)


def _overhedged(half: Half, held: dict[Leg, int], terms: QuoteTerms) -> bool:
    """Has a hedge gone further than what had traded, and half a lot?"""
    hedges = half.plan.purpose == "hedge" or (half.plan.quote is not None and half.plan.quote.hedges)
    direction = 1 if (terms.whole(terms.other) > 0) == terms.opens else -1
    return hedges and 2 * _uneven(held, terms) * direction > STEPS[terms.other]


def _state(
    held: dict[Leg, int],
    pairs: Iterable[tuple[int, int]],
    mids: dict[Leg, int],
    terms: QuoteTerms | None,
) -> str:
    """`hedged`, `lone`, or `dust` where the venue takes no order so small. What a quote has traded is hedged
    by what is matched of the other leg.
    """
    if (held["eth"], held["sol"]) in pairs or not any(held.values()):
        return "hedged"
    if terms is not None:
        uneven = _uneven(held, terms)
        if abs(uneven) * mids[terms.other] // ONE < CHUNK:
            return "dust" if 2 * abs(uneven) > STEPS[terms.other] else "hedged"
    return "dust" if max(abs(held[leg]) * mids[leg] // ONE for leg in LEGS) < MINIMUM else "lone"


def sums_of(order: LoggedOrder) -> tuple[int, int, int]:
    """Amount (signed), notional and fee of an order's fills, by the engine."""
    return (
        int(order.filled),
        sum(int(notional(fill.price, fill.amount)) for fill in order.fills),
        sum(int(fill.fee) for fill in order.fills),
    )


def _unequal(log: list[LoggedOrder], fold: Fold) -> Iterator[str]:
    """Lost or doubled fills: the ledger's amount, notional and fee of every order against the engine's."""
    traded = {order.digest: order for order in log if order.fills}
    for digest in sorted(
        {*traded, *(digest for digest in fold.orders if (order := fold.order(digest)) and order.total.filled)}
    ):
        engine, ours = traded.get(digest), fold.order(digest)
        theirs = sums_of(engine) if engine else (0, 0, 0)
        booked = (ours.total.filled, ours.total.quote, ours.total.fee) if ours else (0, 0, 0)
        if theirs != booked:
            shown = " instead of ".join(
                str(tuple(value / ONE for value in each)) for each in (booked, theirs)
            )
            yield f"the ledger has {shown} for {digest[:10]} ({ours.source if ours else 'unknown'})"
