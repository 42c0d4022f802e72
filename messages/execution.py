"""What became of orders. Fills are facts, acknowledgements are not: only the ledger reads fills, only a
leg reads acknowledgements.
"""

from typing import Literal

import msgspec

from messages.sizing import Leg, SizingPlan
from messages.units import Base, Ms, Ns, Price, Quote


class Outcome(msgspec.Struct, frozen=True):
    """leg -> supervisor -> ledger: what the venue answered to one order. `none` = no byte was sent.
    `accepted` does not mean filled.
    """

    leg: Leg
    epoch: int
    seq: int
    order_digest: str
    kind: Literal["accepted", "refused", "unknown", "none"]
    code: int | None
    """The venue's error code when refused."""
    detail: str
    sent_ms: Ms
    answered_ms: Ms
    """Venue time before the first byte and at the answer; equal when nothing was sent."""


class Fill(msgspec.Struct, frozen=True, omit_defaults=True):
    """account -> ledger: a piece of an order traded. `amount` is signed. (order_digest, remaining)
    identifies it: duplicates are dropped.
    """

    order_digest: str
    product_id: int
    amount: Base
    price: Price
    fee: Quote
    """> 0 = paid."""
    remaining: Base
    original: Base
    """What was left after this fill, and the order's full size; both unsigned."""
    is_taker: bool
    submission_idx: int
    """Cursor into the archive, not an identity."""
    at_ns: Ns
    isolated: bool = False
    """On isolated margin: never ours, and no balance of the cross account moves."""


class OrderUpdate(msgspec.Struct, frozen=True):
    """account -> ledger: an order changed. Remaining 0 is ambiguous (filled or cancelled): `reason`
    decides.
    """

    order_digest: str
    product_id: int
    remaining: Base
    reason: Literal["placed", "filled", "cancelled"]
    at_ns: Ns


class PositionChange(msgspec.Struct, frozen=True):
    """account -> ledger: the venue's absolute position after a change; a check on the fold of fills, never
    a source of it.
    """

    product_id: int
    isolated: bool
    amount: Base
    v_quote: Quote
    reason: str
    at_ns: Ns


class Position(msgspec.Struct, frozen=True, omit_defaults=True):
    """One product's position at the venue, cross margin and isolated margin apart. Both must be read
    (lesson R1).
    """

    product_id: int
    cross: Base
    isolated: Base
    v_quote: Quote
    """Cross margin's quote balance of the perp: -(entry cost) - fees - funding. Settled results are taken
    out of it.
    """
    oracle: Price | None = None
    """The venue's oracle price in the same answer; None when it did not say."""
    funding_index: int | None = None
    """Funding paid per unit since the beginning, up to which `v_quote` has it, x18; None when the venue
    did not say.
    """
    quote_unread: bool = False
    """`v_quote` could not be read: it is not known, and 0 here."""

    @property
    def total(self) -> Base:
        """Cross and isolated together, signed: what the venue would have to close."""
        return Base(self.cross + self.isolated)


class AccountSnapshot(msgspec.Struct, frozen=True, omit_defaults=True):
    """venue client -> supervisor -> ledger: the venue's own word about the subaccount, read at or after venue
    time `at_ms`.

    Balance and healths are None when the venue did not say them so that they can be read: closing goes by the
    positions alone.
    """

    at_ms: Ms
    exists: bool
    usdt0: Quote | None
    initial_health: Quote | None
    maintenance_health: Quote | None
    value: Quote | None
    """Account value: the unweighted health."""
    positions: tuple[Position, ...]
    open_orders: tuple[str, ...]
    """Digests of orders resting on the two products."""
    unread: tuple[str, ...] = ()
    """What could not be read of isolated positions and orders: while there is anything, nobody can say
    that nothing is open.
    """

    def position(self, product_id: int) -> Position:
        """The position in `product_id`; zero when the venue lists none."""
        for position in self.positions:
            if position.product_id == product_id:
                return position
        return Position(product_id, Base(0), Base(0), Quote(0))


class Resolved(msgspec.Struct, frozen=True):
    """RESOLVE -> ledger: what an order of ours really did, in total. Replaces what was pieced together
    from fills; it never adds to it.
    """

    order_digest: str
    product_id: int
    filled: Base
    """Signed total; 0 = the venue never took it, or took it and filled nothing."""
    quote: Quote
    """Unsigned notional of the total, before fees."""
    fee: Quote
    provisional: bool
    """Quantity certain, price and fee derived from balances because the archive is late; a second Resolved
    replaces it.
    """
    source: str
    by_absence: bool = False
    """0 only because two readings of the account showed nothing: what comes to light later still counts."""


class Doubt(msgspec.Struct, frozen=True):
    """An intent without an ending, as the ledger reports it: who must RESOLVE needs no more than this."""

    leg: Leg
    epoch: int
    seq: int
    order_digest: str
    product_id: int
    amount: Base
    limit: Price
    recv_time_ms: Ms
    before: Base
    """What the ledger held in this product before the order."""
    alone: bool = True
    """Is it the only order of ours in this product that is in doubt? If not, a change of the position does
    not tell whose it is.
    """
    v_quote: Quote | None = None
    """The product's `v_quote` at the venue before the order; None where no reading of the account had just
    agreed with the ledger.
    """
    rests_until_ms: Ms = Ms(0)
    """Of an order that rests: venue time after which it cannot trade. 0: it trades at its arrival or
    never.
    """

    @property
    def last_trade_ms(self) -> Ms:
        """Venue time after which this order cannot trade any more."""
        return max(self.recv_time_ms, self.rests_until_ms)


class CancelAsked(msgspec.Struct, frozen=True):
    """sizing -> supervisor: cancel this order. supervisor -> ledger: its cancellation leaves now. It is no
    plan: it can only reduce, so nobody votes on it, and it is written down as it leaves.
    """

    order_digest: str
    product_id: int
    why: str
    at_ms: Ms


class CancelAnswer(msgspec.Struct, frozen=True):
    """supervisor -> ledger: what the venue said to a cancellation of one order."""

    order_digest: str
    product_id: int
    unfilled: Base | None
    """What of the order had not traded when it was cancelled, unsigned: the order ends with what had. None:
    it was not cancelled by this, and nothing is known of it.
    """
    gone: bool
    """Did the venue say that no such order rests (2020)? It has then ended, or has not arrived: what it did
    is not known.
    """
    detail: str
    at_ms: Ms
    """Venue time at the answer."""


class LegFill(msgspec.Struct, frozen=True):
    """One leg's order of a closed plan, summed over its fills."""

    product_id: int
    order_digest: str
    ordered: Base
    filled: Base
    vwap: Price
    """0 when nothing was filled."""
    fee: Quote
    outcome: Literal["accepted", "refused", "unknown", "none"]
    code: int | None


class EscapeRound(msgspec.Struct, frozen=True):
    """ESCAPE -> ledger: the reduce-only orders of one round, written down before they leave; so their
    fills are ours at the next start.
    """

    plan: SizingPlan
    """Purpose `flatten`; sealed by nobody, voted on by nobody."""
    eth_order: str
    sol_order: str
    """Digests; "" where nothing is sent."""


class PlanClosed(msgspec.Struct, frozen=True):
    """ledger -> supervisor: both orders of a plan have endings (design: OUTCOME and RESOLVE are done). Of a
    `quote`: its order is answered for, and rests or may rest if it has no ending (`QuoteEnded` follows).
    """

    epoch: int
    seq: int
    aborted: bool
    eth: LegFill
    sol: LegFill


class QuoteEnded(msgspec.Struct, frozen=True):
    """ledger -> supervisor: an order that rested, or may have, has its ending. Its plan was closed before."""

    epoch: int
    seq: int
    leg: Leg
    fill: LegFill
    """All that it did."""
