"""The narrow interface: everything that actors know of a venue.

Siblings behind it: `venue/nado` (the real wire, used live and against the simulated venue alike). Tests put
small fakes here.

Errors, and what the caller does:

    VenueError
    |-- Unreachable   nothing is known: try again, and never read it as zero (lesson R2)
    |   `-- Busy      the same, from a venue that is there: asked too much, or down for a moment
    |-- Malformed     the answer cannot be read: the same as unknown
    |   |-- OutOfRange    it can be read, and holds an invalid number: the same
    |   `-- Incomplete    the rules are enough to close by, not to enter by: enter nothing
    `-- Refused       the venue said no, with a code: a definite answer to a *query*; for orders see `Reply`
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from functools import cached_property
from typing import Literal, Protocol, TypeVar

import msgspec

from messages.execution import AccountSnapshot, Fill, OrderUpdate, PositionChange
from messages.market import BookDelta, BookSnapshot, FundingRate, ProductRead, RulesRead
from messages.money import MoneyRead
from messages.sizing import Leg, SizingPlan
from messages.units import Base, Ms, Price, Quote, Rate


class VenueError(Exception):
    """The venue did not give a usable answer."""


class Unreachable(VenueError):
    """No answer: refused connection, lost socket, deadline, HTTP 5xx/429. Nothing is known."""


class Busy(Unreachable):
    """The venue is there and does not answer now: HTTP 429 or 5xx. Nothing is known, and it will pass."""


class Malformed(VenueError):
    """An answer that cannot be read. Nothing is known."""


class OutOfRange(Malformed):
    """An answer with an invalid number: beyond int128, a negative price, a moment outside of any clock.
    Nothing is known.
    """


class Refused(VenueError):
    """The venue answered a request with a failure."""

    def __init__(self, code: int | None, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text


class OffLattice(ValueError):
    """An order's price is not on the tick or its amount not on the step. Refused before signing; nobody
    rounds (lesson S2).
    """


class Incomplete(Malformed):
    """The rules can be read as far as closing needs them, and not as far as entering does. Nothing is
    entered; what is open can be closed.
    """


UNTRADABLE = frozenset({"post_only", "not_tradable", "delisted"})
"""Trading statuses under which certainly no reduce-only IOC trades. `delisted` is ours: the venue does not
name the product any more. A status that nobody has heard of is none of these: whether it lets us close is for
the venue's answer to say.
"""


class ProductTerms(msgspec.Struct, frozen=True):
    """Everything that entering one product needs, and nothing of it missing: made by `ProductRules.terms`
    alone.
    """

    symbol: str
    product_id: int
    price_tick: Price
    size_step: Base
    min_notional: Quote
    taker_fee: Rate
    maker_fee: Rate
    long_weight_initial: Rate
    short_weight_initial: Rate
    long_weight_maintenance: Rate
    short_weight_maintenance: Rate
    oracle: Price
    status: str


class PairTerms(msgspec.Struct, frozen=True):
    """What entering the pair needs of both products; made by `VenueRules.terms`."""

    eth: ProductTerms
    sol: ProductTerms

    def product(self, leg: Leg) -> ProductTerms:
        """The terms of the product that `leg` trades."""
        return self.eth if leg == "eth" else self.sol


class ProductRules(msgspec.Struct, frozen=True):
    """One perp's rules as the venue says them. Id, tick and step are what closing needs; whatever else it
    does not say, or says so that nobody can read it, is None and keeps us from entering (`terms`). Nothing is
    filled in (lesson S4).
    """

    symbol: str
    product_id: int
    price_tick: Price
    size_step: Base
    min_notional: Quote | None
    taker_fee: Rate | None
    maker_fee: Rate | None
    long_weight_initial: Rate | None
    short_weight_initial: Rate | None
    long_weight_maintenance: Rate | None
    short_weight_maintenance: Rate | None
    oracle: Price | None
    status: str
    """A word of the venue's (`messages.market.TradingStatus` has those it documents), or one of ours:
    `delisted`, `unsaid`.
    """
    objections: tuple[str, ...] = ()
    """Why nothing may be entered here although every figure is there: two answers that contradict each
    other, isolated margin only.
    """
    unsure: bool = False
    """May the venue refuse to close, by what it says? Of a pair, this leg then goes first and alone
    (`venue/closing.py`).
    """

    @property
    def untradable(self) -> bool:
        """Does the exchange state explicitly that nothing of this product can be closed now?"""
        return self.status in UNTRADABLE

    def terms(self) -> ProductTerms:
        """All that entering needs. Raises `Incomplete` naming what is missing or contradictory."""
        said = {name: getattr(self, name) for name in ProductTerms.__struct_fields__}
        missing = [name for name, value in said.items() if value is None]
        problems = [*([f"{self.symbol} has no {', '.join(missing)}"] if missing else []), *self.objections]
        if problems:
            raise Incomplete("; ".join(problems))
        return ProductTerms(**said)


class VenueRules(msgspec.Struct, frozen=True, dict=True):
    """What the venue says of itself and of our two products: a message with a version and an age, read
    again and again while a run lives. `dict` is for `terms`, which are asked for with every quote.
    """

    venue: str
    """Identity of this venue instance: name and, for a simulated one, its instance id."""
    chain_id: int
    endpoint: str
    eth: ProductRules
    sol: ProductRules
    version: int = 0
    """Rises whenever anything but an oracle price has changed; 0 = nobody counts."""
    read_ms: Ms = Ms(0)
    """Venue time at which they were asked for; 0 = not known."""

    def product(self, leg: Leg) -> ProductRules:
        """The rules of the product that `leg` trades."""
        return self.eth if leg == "eth" else self.sol

    def terms(self) -> PairTerms:
        """All that entering the pair needs. Raises `Incomplete` naming what is missing."""
        return self._terms

    @cached_property
    def _terms(self) -> PairTerms:
        return PairTerms(self.eth.terms(), self.sol.terms())

    def incomplete(self) -> str:
        """Why nothing can be entered by these rules; "" when it can."""
        try:
            self.terms()
        except Incomplete as error:
            return str(error)
        return ""


def rules_read(rules: VenueRules) -> RulesRead:
    """The row that says what the rules are now."""
    eth, sol = (
        ProductRead(
            each.symbol,
            each.price_tick,
            each.size_step,
            each.min_notional,
            each.status,
            each.taker_fee,
            each.maker_fee,
        )
        for each in (rules.eth, rules.sol)
    )
    return RulesRead(rules.version, rules.read_ms, eth, sol, rules.incomplete())


ASKED_S = 0.3
"""How long an exit waits for the venue to say whether both legs can be traded. Longer would keep a pair
that its owner wants to leave.
"""


class Tradable(msgspec.Struct, frozen=True):
    """The venue's answer to "can both products be traded now?", asked right before an exit is sealed."""

    venue: str
    """`active` or why not."""
    eth: str
    sol: str
    """Trading statuses."""

    @property
    def obstacle(self) -> str:
        """What the venue says explicitly against closing both legs now; "" when nothing."""
        if self.venue != "active":
            return f"the venue is {self.venue}"
        legs = (("ETH-PERP", self.eth), ("SOL-PERP", self.sol))
        return ", ".join(f"{name} is {status}" for name, status in legs if status in UNTRADABLE)


UNSAID = Tradable("active", "unsaid", "unsaid")
"""No answer: nothing speaks against closing."""


class Order(msgspec.Struct, frozen=True):
    """An order as it will be signed. All integers as the venue wants them; `amount` is signed."""

    product_id: int
    sender: str
    """bytes32 hex: owner address and subaccount name."""
    price: Price
    amount: Base
    expiration_s: int
    nonce: int
    appendix: int


class SignedOrder(msgspec.Struct, frozen=True):
    """An order, its digest (the venue's id for it, known before the first byte leaves) and its signature."""

    order: Order
    digest: str
    signature: str
    recv_time_ms: Ms


class SignedCancel(msgspec.Struct, frozen=True):
    """The cancellation of one order, signed. It may arrive until `recv_time_ms`, a part of its nonce."""

    product_id: int
    digest: str
    nonce: int
    signature: str
    recv_time_ms: Ms


class Reply(msgspec.Struct, frozen=True):
    """What came back for one order. Only `refused` (a written list of codes) and `not_sent` say that it
    cannot trade.
    """

    kind: Literal["accepted", "refused", "unknown", "not_sent"]
    code: int | None
    text: str


class ArchivedOrder(msgspec.Struct, frozen=True):
    """The archive's record of one order. The archive lags: absence from it proves nothing."""

    digest: str
    product_id: int
    filled: Base
    """Signed total."""
    quote: Quote
    """Unsigned notional of the fills, before fees."""
    fee: Quote
    last_submission_idx: int


class OrderBuilder(Protocol):
    """Turns one leg of a plan into an order. Pure and deterministic: legs and ledger call it apart and
    must agree.
    """

    def order_of(self, plan: SizingPlan, plan_digest: str, leg: Leg) -> Order:
        """The order of `leg`; raises `OffLattice` naming step and value, `ValueError` when the leg's
        amount is 0.
        """
        ...

    def digest_of(self, order: Order) -> str:
        """The venue's id of `order`, 32 bytes as 0x-hex: known before the first byte leaves."""
        ...

    def sign(self, order: Order) -> SignedOrder:
        """`order` with its digest and signature. Raises `ValueError` where there is no key."""
        ...

    def use(self, rules: VenueRules) -> None:
        """From now on ticks and steps are these. Raises `ValueError` for another chain or other products,
        and keeps the old ones.
        """
        ...


ANSWER_AFTER_RECV_MS = 500
"""How long after its receive window an order's answer is waited for."""


class OrderWire(Protocol):
    """One leg's own connection for orders. Keeps itself connected."""

    @property
    def connected(self) -> bool:
        """Is the connection up, so that an order can be sent now? Legs vote by it."""
        ...

    async def place(self, signed: SignedOrder) -> Reply:
        """Send one order and wait for its reply or for recv_time + 500 ms of venue time. Never raises
        `VenueError`: doubt is `unknown`.

        Right before the first byte it compares venue time with recv_time - 200 ms; too late is `not_sent`.
        """
        ...


class Reads(Protocol):
    """Questions to the venue. Each is bounded by a deadline and raises `VenueError`; an error is never
    zero.
    """

    async def time_ms(self) -> Ms:
        """The venue's clock, ms since the epoch; `measure_clock` compares ours with it."""
        ...

    async def status(self) -> str:
        """`active`, or why nobody can trade now. A routine question: left out near the rate limit."""
        ...

    async def rules(self) -> VenueRules:
        """Chain, endpoint and both products' rules, as far as they can be read; raises `Malformed` when
        not even closing could go by them.
        """
        ...

    async def rules_now(self) -> VenueRules:
        """The same, and never left out for the rate limit: closing depends on it."""
        ...

    async def tradable(self, within_s: float = ASKED_S) -> Tradable:
        """Can both products be traded now? Two cheap questions at once; what is not answered in time is
        not said. Never raises `VenueError`.
        """
        ...

    async def book(self, product_id: int, depth: int = 100) -> BookSnapshot:
        """A snapshot; its timestamp is the engine's clock."""
        ...

    async def funding_rates(self) -> tuple[FundingRate, ...]:
        """The current rates of the pair's products, as far as the archive says them: one that is missing is
        unknown.
        """
        ...

    async def account(self) -> AccountSnapshot:
        """Cross and isolated positions, health, open orders: read *after* the engine's timestamp that the
        snapshot carries.
        """
        ...

    async def archived(self, digests: Sequence[str]) -> tuple[ArchivedOrder, ...]:
        """Those of `digests` that the archive knows, which lags: absence proves nothing."""
        ...

    async def money_since(self, events_after: int | None, payments_after: int | None) -> MoneyRead:
        """What moved the account's money otherwise than by a trade of the pair, after these submission
        indices, oldest first.

        From the archive, which lags; its times are whole seconds. With None only the newest entries: they
        tell where history stands.
        """
        ...

    async def fills_since(self, after: int | None) -> tuple[Fill, ...]:
        """What the subaccount traded in the pair after submission index `after`, oldest first; with None only
        the newest fill, if there is one.

        From the archive, which lags; its times are whole seconds.
        """
        ...


E_co = TypeVar("E_co", covariant=True)


class EventStream(Protocol[E_co]):
    """The events of one connection, in the order of their arrival."""

    @property
    def backlog(self) -> int:
        """Events that have arrived and were not taken yet."""
        ...

    def __aiter__(self) -> AsyncIterator[E_co]:
        """Ends by `Unreachable`, once the connection is lost and all that had arrived is taken."""
        ...

    async def batch(self) -> Sequence[E_co]:
        """All that arrived together with the next event, which nobody has taken yet: at least that one, and
        some tens at most, oldest first. Raises `Unreachable` where the iteration ends.
        """
        ...


MarketEvent = BookDelta
"""What a market stream yields."""
AccountEvent = Fill | OrderUpdate | PositionChange


class Venue(Protocol):
    """A venue, seen from the actors: questions, orders, streams, and closing by cancellation."""

    @property
    def reads(self) -> Reads:
        """Questions over HTTP about this subaccount and the pair."""
        ...

    @property
    def order_builder(self) -> OrderBuilder:
        """Order building for this subaccount, and signing if there is a key."""
        ...

    def order_wire(self, name: str) -> AbstractAsyncContextManager[OrderWire]:
        """A leg's connection, kept up in the background while the context is open."""
        ...

    def market_events(
        self, product_ids: Sequence[int]
    ) -> AbstractAsyncContextManager[EventStream[MarketEvent]]:
        """Book batches of the products, for one connection's life. Entered = subscribed. Raises
        `Unreachable` when it is lost.
        """
        ...

    def account_events(self) -> AbstractAsyncContextManager[EventStream[AccountEvent]]:
        """Fills, order updates and position changes of the subaccount, authenticated, in order, for one
        connection's life.
        """
        ...

    async def disconnect(self) -> None:
        """Give up every connection there is, now. Whoever needs one makes a new one; what was under way
        ends as lost.
        """
        ...

    def seen(self) -> tuple[tuple[str, str], ...]:
        """Each connection's name and what it has seen so far, in one line: messages, losses, and what
        could not be read.
        """
        ...

    def budgets(self) -> tuple[tuple[str, int, int, int], ...]:
        """What was spent of the exchange's rate limits, as this client counts it: name, length of the window
        in ms, weight spent within it, weight allowed.
        """
        ...

    def unconnected(self) -> frozenset[str]:
        """The names of the order wires that somebody has open and that could not send an order now."""
        ...

    def rate_obstacle(self, orders: int, flatten_steps: int, legs: int = 2, rests: int = 0) -> str:
        """Why `orders` more orders and then closing everything may not fit into the venue's rate limits now;
        "" when they do.

        `legs`: how many of the orders sent may come to be in doubt, each of which costs readings of the
        account. `rests`: how many of `orders` rest, the others being their hedges: then their cancellations
        are counted too, and what orders that rest may use of a minute.
        """
        ...

    async def cancel(self, product_id: int, digest: str) -> Base | None:
        """Cancel one order; what of it had not traded, unsigned: it has ended, with what had. None: no such
        order rests, so it has ended before, however it did, or has not arrived. Raises `VenueError`: nothing
        is known of it then, and `Malformed` after an answer that does not say what had not traded.
        """
        ...

    def sign_cancel(self, product_id: int, digest: str, recv_time_ms: Ms) -> SignedCancel:
        """The cancellation of one order, to be sent by whoever has it. Raises `ValueError` without a key."""
        ...

    async def cancel_signed(self, signed: SignedCancel) -> Base | None:
        """`cancel`, with what was signed in advance: no key is needed."""
        ...

    async def cancel_all(self, product_ids: Sequence[int]) -> None:
        """Cancel every order of the subaccount on these products. Never called with an empty list. Raises
        `VenueError`.
        """
        ...
