"""The one message that orders come from, and the four words of the barrier.

sizing -- SizingPlan --> supervisor -- Sealed (the same object) --> eth_leg, sol_leg, ledger
                         supervisor <-- Ready / Declined x3 -- each of them
                         supervisor -- Place | Abort --> the same three
"""

from typing import Literal

import msgspec

from messages.units import DOLLAR_NEUTRAL, Base, Bps, Ms, Price, Quote, Rate

Leg = Literal["eth", "sol"]
LEGS: tuple[Leg, Leg] = ("eth", "sol")
"""In the order in which they stand everywhere."""
Purpose = Literal["enter", "repair", "exit", "flatten", "top_up", "quote", "hedge"]
"""`top_up` is the first of the two steps that close a remainder which the venue refuses to close for being
too small (`actors/sizing/min_notional.py`). `quote` is one order that rests; `hedge` is the other leg's
answer to what of it has traded.
"""
TimeInForce = Literal["fok", "ioc", "post_only"]
REST_MAX_MS = 15_000
"""An order that rests expires at most so long after its receive window: a second defence against a process
that has died, and never a proof.
"""
TOP_UPS = 3
"""How often a cycle may top up."""
RESTORES = 1
"""How often a cycle may open again what it had closed, because the other leg could not leave."""
Voter = Literal["eth", "sol", "ledger"]


class LegOrder(msgspec.Struct, frozen=True):
    """What one leg is to do. `amount` is signed (+ buy, - sell) and on the size step; 0 = send nothing."""

    product_id: int
    amount: Base
    limit: Price
    """Worst price accepted, on the tick."""
    kind: TimeInForce
    reduce_only: bool
    vwap: Price
    """The average price the plan expects to pay."""
    mid: Price
    """The book's mid at the decision: what spread and slippage are reported against."""

    @property
    def increases(self) -> bool:
        """May this order make a position larger? Only a reduce-only order cannot (the venue clamps it)."""
        return self.amount != 0 and not self.reduce_only


class QuoteTerms(msgspec.Struct, frozen=True):
    """On what a `quote` was decided, frozen: which leg rests, and how its fills are hedged."""

    leg: Leg
    """The leg that rests."""
    opens: bool
    """Does it open the pair, or close one that is held?"""
    eth: Base
    sol: Base
    """The whole pair, signed: what an opening quote leads to, or what a closing one found. By these two, what
    is held of one leg says what the other is to be (`matched`).
    """
    worst: Price
    """Of the other leg: at no worse price is a fill hedged by these terms; beyond it sizing decides anew."""
    rest: Ms
    """How long after its receive window it may trade, `REST_MAX_MS` at most."""
    give_up_ms: Ms
    """Venue time at which it is cancelled, if it still rests then."""
    hedges: bool = False
    """Does it hedge what the other leg's quote has traded, instead of beginning something (`lean`)?"""

    @property
    def other(self) -> Leg:
        """The leg that hedges."""
        return "sol" if self.leg == "eth" else "eth"

    def whole(self, leg: Leg) -> Base:
        """What the pair holds of `leg`, signed."""
        return self.eth if leg == "eth" else self.sol

    def matched(self, held: int, step: int) -> Base:
        """What of the other leg hedges `held` of the leg that rests (both signed, x18), to the nearest
        `step`: in the proportion of the whole pair, of which it is exact.
        """
        whole, other = self.whole(self.leg), self.whole(self.other)
        if held == whole:
            return other
        exact, unit = held * other, whole * step
        lots = (2 * abs(exact) + abs(unit)) // (2 * abs(unit))
        return Base(lots * step if (exact > 0) == (whole > 0) else -lots * step)


class SizingPlan(msgspec.Struct, frozen=True, omit_defaults=True):
    """sizing -> supervisor (epoch and seq still 0), then sealed by the supervisor and given to both legs and
    the ledger.

    The only source of order quantities in the program: entering, repairing, leaving, flattening and topping
    up are purposes of it.
    """

    epoch: int
    seq: int
    cycle: int
    step: int
    """How often this cycle has tried to repair or flatten; 0 for enter and exit."""
    purpose: Purpose
    decided_ms: Ms
    """Venue time of the decision."""
    recv_time_ms: Ms
    """Venue time until which the orders may arrive; set when sealed. It is also part of both order nonces."""
    eth_age_ms: Ms
    sol_age_ms: Ms
    """Ages of the two books at the decision."""
    quote_deadline_ms: Ms
    """Venue time after which the quotes behind this plan are too old to place it; 0 = the purpose has no
    such limit.
    """
    planned_imbalance: Bps
    eth: LegOrder
    sol: LegOrder
    rules_version: int = 0
    """Of the venue's rules that it was made by: a voter that knows others refuses it. 0 = made outside of the
    barrier. It is left out of the bytes then, so that digests of plans from before there were versions stay
    what they were.
    """
    eth_spread: Bps = Bps(0)
    sol_spread: Bps = Bps(0)
    """Of the books at the decision; 0 = there was no book. For people's files: nothing is decided by these
    figures again.
    """
    eth_depth: Quote = Quote(0)
    sol_depth: Quote = Quote(0)
    """USD within `max_slippage` of the touch on the side that this plan takes, at the decision; 0 = not
    known, or nothing is ordered of it.
    """
    max_spread: Bps = Bps(0)
    """The limit that both spreads had to meet; 0 for a purpose that asks for none."""
    hold: Ms | None = None
    pause: Ms | None = None
    target: Quote | None = None
    """Of an `enter`: how long its pair is held, how long is paused after it, and what each leg was to be
    worth, where they were drawn from a range of the configuration; None: they are the configuration's.
    """
    because: str = ""
    """Of an `exit`: the name of the rule by which the pair leaves (`actors/risk/exits.py`). Of an `enter`:
    that of the rule which chose its side, with `direction = "funding"` (`actors/risk/funding.py`).
    """
    hedge_ratio: Rate | None = None
    """How many dollars of SOL hedge one of ETH in the pair that this plan is about; None: 1, the same dollars
    on both sides. It is left out of the bytes then, so that such a plan has the digest it always had.
    """
    eth_funding: Rate | None = None
    sol_funding: Rate | None = None
    """Of an `enter`: the funding rates per 24 hours at the decision; None: unknown. For people's files."""

    quote: QuoteTerms | None = None
    """Of a `quote`: what it was decided on. It is left out of the bytes of every other plan."""

    @property
    def enters(self) -> bool:
        """Does it open a pair, at once or by an order that rests?"""
        quote = self.quote
        return self.purpose == "enter" or (quote is not None and quote.opens and not quote.hedges)

    @property
    def judged_as(self) -> Purpose:
        """The purpose by whose conditions it is judged (`actors/risk/may_enter.py`)."""
        hedges = self.quote is not None and self.quote.hedges
        return "enter" if self.enters else "hedge" if hedges else self.purpose

    @property
    def last_trade_ms(self) -> Ms:
        """Venue time after which none of its orders can trade: taken ones at their arrival, one that rests
        until it expires.
        """
        return Ms(self.recv_time_ms + (self.quote.rest if self.quote is not None else 0))

    @property
    def ratio(self) -> Rate:
        """`hedge_ratio`, 1 where it is None."""
        return self.hedge_ratio or DOLLAR_NEUTRAL

    def leg(self, name: Leg) -> LegOrder:
        """The order of one leg; its amount is 0 where this plan does nothing there."""
        return self.eth if name == "eth" else self.sol

    @property
    def increases(self) -> bool:
        """May any order of this plan make a position larger?"""
        return self.eth.increases or self.sol.increases


class Verdict(msgspec.Struct, frozen=True):
    """Can this target be balanced at these books? Answered by the lattice search, shown to people, written
    with every skip.

    `met`: the best pair is within the promise (`thin` when it misses the planning goal). `best_effort`: the
    least imbalance there is. `impossible`: no pair of quantities satisfies minimum notional and deviation at
    all; quantities are 0.
    """

    kind: Literal["met", "best_effort", "impossible"]
    thin: bool
    eth: Base
    sol: Base
    eth_notional: Quote
    sol_notional: Quote
    imbalance: Bps
    reason: str
    smallest_target: Quote | None
    """Smallest T' in [T, 100 T] whose verdict is met; T itself when met; None when there is none."""
    always_from: Quote | None
    """From this target on, up to 100 T, every verdict is met; None when not known or not asked."""


class Skipped(msgspec.Struct, frozen=True):
    """sizing -> supervisor -> ledger: this cycle was not entered, and why. Counts as an attempted cycle."""

    cycle: int
    code: str
    detail: str
    verdict: Verdict | None


class PairSettled(msgspec.Struct, frozen=True):
    """sizing -> supervisor -> ledger: what is held of this cycle counts as its pair from now on. Said of a
    quote that has ended before all of it had traded, where what is held is hedged and nothing more is wanted;
    and of a whole pair that misses the promise at the prices paid, and that no order brings within it.
    """

    cycle: int
    eth: Base
    sol: Base
    """What is held, signed; the ledger takes no notice where it holds anything else."""
    detail: str


class Sealed(msgspec.Struct, frozen=True):
    """supervisor -> eth_leg, sol_leg, ledger: one object, posted three times in one scheduler slice.
    `digest` is taken over `plan`.
    """

    plan: SizingPlan
    digest: str


class Ready(msgspec.Struct, frozen=True):
    """A voter's yes. A leg names the digest of the order it built and signed ("" when its amount is 0); the
    ledger names both, derived from the plan itself, after committing the intent.
    """

    who: Voter
    epoch: int
    seq: int
    plan_digest: str
    eth_order: str | None
    sol_order: str | None


class Declined(msgspec.Struct, frozen=True):
    """A voter's no, with its reason. One no aborts the plan; nothing was sent."""

    who: Voter
    epoch: int
    seq: int
    code: str
    detail: str


class Place(msgspec.Struct, frozen=True):
    """supervisor -> all three, after three equal votes: send now."""

    epoch: int
    seq: int
    plan_digest: str
    eth_order: str
    sol_order: str


class Abort(msgspec.Struct, frozen=True):
    """supervisor -> all three: forget this plan. Nothing was sent."""

    epoch: int
    seq: int
    code: str
    detail: str
