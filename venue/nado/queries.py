"""Answers to questions, read into what the rest of the program knows. Pure.

Only our two products are decoded, each field where it is needed. What closing needs (id, tick, step,
position) is `Malformed` when it cannot be read; what only entering needs is then None, and named by whoever
wanted to enter. Nothing is filled in (lessons S4, R2).
"""

import math
import re
from collections.abc import Sequence
from typing import TypeVar, get_args

import msgspec

from messages.execution import AccountSnapshot, Fill, Position
from messages.market import BookSnapshot, Level, TradingStatus
from messages.money import MoneyEvent, MoneyKind
from messages.units import ONE, X18, Base, Ms, Ns, Price, Quote, Rate
from venue.nado.codec import MOMENT_LIMIT, ChainId, Moment, ProductId, Whole, WireLevels, read, real_levels
from venue.protocol import ArchivedOrder, Malformed, OutOfRange, ProductRules, VenueRules

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}", re.ASCII)
T = TypeVar("T")
X = TypeVar("X", bound=X18)
ETH, SOL = "ETH-PERP", "SOL-PERP"
"""The venue's names of the pair. Their ids and rules are read, never assumed."""


class Contracts(msgspec.Struct, frozen=True):
    """`contracts`: which chain, and the contract that everything but orders is signed for."""

    chain_id: ChainId
    endpoint_addr: str


class Symbols(msgspec.Struct, frozen=True):
    """`symbols`, perps only. What other products say of themselves is not read at all."""

    symbols: dict[str, msgspec.Raw]


class AllProducts(msgspec.Struct, frozen=True):
    """`all_products`; the spot half is not read, and of the perps only ours."""

    perp_products: tuple[msgspec.Raw, ...] = ()


class FeeRates(msgspec.Struct, frozen=True):
    """`fee_rates`: the subaccount's own tier; both lists are indexed by product id."""

    taker_fee_rates_x18: tuple[msgspec.Raw, ...] = ()
    maker_fee_rates_x18: tuple[msgspec.Raw, ...] = ()


class _Id(msgspec.Struct, frozen=True):
    product_id: ProductId


class _Said:
    """One product's entries in the answers, asked field by field: what cannot be read is not said."""

    def __init__(self, *entries: bytes | None) -> None:
        self._entries = [
            (_readable(entry, dict[str, msgspec.Raw]) if entry else None) or {} for entry in entries
        ]

    def part(self, name: str) -> "_Said":
        """What stands under `name`, in every entry that has it."""
        return _Said(*(bytes(fields[name]) if name in fields else None for fields in self._entries))

    def all(self, name: str, kind: type[T]) -> list[T]:
        """Every readable word on `name`, in the order of the answers."""
        return [
            value
            for fields in self._entries
            if name in fields
            for value in [_readable(bytes(fields[name]), kind)]
            if value is not None
        ]

    def one(self, name: str, kind: type[T]) -> T | None:
        """The first readable word on `name`; None when nobody says."""
        return next(iter(self.all(name, kind)), None)


def _readable(text: bytes, kind: type[T]) -> T | None:
    try:
        return read(text, kind)
    except Malformed:
        return None


def rules_of(
    venue: str,
    contracts: Contracts,
    symbols: Symbols | None,
    products: AllProducts | None,
    fees: FeeRates | None,
    known: tuple[int, int] | None = None,
) -> VenueRules:
    """The rules of the pair. Raises `Malformed` naming what is missing, where not even closing could do
    without it.

    None: that question had no answer, or none that can be read. `known`: the ids (ETH, SOL) by which a
    product is still found that `symbols` does not name, or not any more.
    """
    if not _ADDRESS.fullmatch(contracts.endpoint_addr):
        raise Malformed(f"the endpoint {contracts.endpoint_addr[:66]!r} is no address of 20 bytes")
    ids = known or (None, None)
    answers = symbols, products or AllProducts(), fees or FeeRates()
    eth, sol = (_product(name, known_id, *answers) for name, known_id in ((ETH, ids[0]), (SOL, ids[1])))
    return VenueRules(venue, int(contracts.chain_id), contracts.endpoint_addr, eth, sol)


def id_of(name: str, symbols: Symbols) -> int:
    """The id of the product called `name`. Raises `Malformed` when the venue does not list it."""
    if name not in symbols.symbols:
        raise Malformed(f"the venue lists no {name}")
    return int(read(bytes(symbols.symbols[name]), _Id).product_id)


def status_of(name: str, symbols: Symbols | None) -> str:
    """The trading status of the product called `name`: the venue's own, `delisted` when it lists no
    such product, `unsaid` when it names none.
    """
    if symbols is None:
        return "unsaid"
    if name not in symbols.symbols:
        return "delisted"
    return _Said(bytes(symbols.symbols[name])).one("trading_status", str) or "unsaid"


def _product(
    name: str, known_id: int | None, symbols: Symbols | None, products: AllProducts, fees: FeeRates
) -> ProductRules:
    try:
        product_id = id_of(name, symbols or Symbols({}))
    except Malformed:
        if known_id is None:
            raise
        product_id = known_id
    listed = symbols.symbols.get(name) if symbols else None
    entry = next(
        (
            bytes(perp)
            for perp in products.perp_products
            # an entry without a readable id is another product's
            if (found := _readable(bytes(perp), _Id)) is not None and found.product_id == product_id
        ),
        None,
    )
    symbol, whole = _Said(bytes(listed) if listed is not None else None), _Said(entry)
    book, risk = whole.part("book_info"), whole.part("risk")
    ticks = [*symbol.all("price_increment_x18", Price), *book.all("price_increment_x18", Price)]
    steps = [*symbol.all("size_increment", Base), *book.all("size_increment", Base)]
    # A tick whose prices are good whichever of two answers is right, unless that would be far coarser.
    tick, both = _usable(name, "price tick", ticks), math.lcm(*(int(each) for each in ticks if each > 0))
    minima = [*symbol.all("min_size", Quote), *book.all("min_size", Quote)]
    oracle, status = whole.one("oracle_price_x18", Price), status_of(name, symbols)
    isolated_only = symbol.one("isolated_only", bool) is True
    disagree = any(len(set(said)) > 1 for said in (ticks, steps, minima))
    objections = (
        (disagree, f"symbols and all_products disagree on the tick, step or minimum of {name}"),
        (isolated_only, f"{name} can only be traded with isolated margin, which is not supported"),
        (listed is None, f"symbols does not name {name}"),
    )
    return ProductRules(
        symbol=name,
        product_id=product_id,
        price_tick=Price(both) if both <= COARSER_MAX * max(ticks) else tick,
        size_step=_usable(name, "size step", steps),
        min_notional=minima[0] if minima else None,
        taker_fee=_rate(fees.taker_fee_rates_x18, product_id),
        maker_fee=_rate(fees.maker_fee_rates_x18, product_id),
        long_weight_initial=risk.one("long_weight_initial_x18", Rate),
        short_weight_initial=risk.one("short_weight_initial_x18", Rate),
        long_weight_maintenance=risk.one("long_weight_maintenance_x18", Rate),
        short_weight_maintenance=risk.one("short_weight_maintenance_x18", Rate),
        oracle=oracle if oracle is not None and oracle > 0 else None,
        status=status,
        objections=tuple(text for holds, text in objections if holds),
        unsure=disagree or isolated_only or status not in _STATUSES,
    )


_STATUSES = frozenset(get_args(TradingStatus))


COARSER_MAX = 100
"""How much coarser than the coarser of two ticks the one may be that suits both."""


def _usable(name: str, what: str, said: list[X]) -> X:
    """What closing cannot do without: the first usable word. Raises `Malformed` when there is none."""
    for value in said:
        if value > 0:
            return value
    raise Malformed(f"{name} has no {what}")


def _rate(rates: tuple[msgspec.Raw, ...], product_id: int) -> Rate | None:
    return _readable(bytes(rates[product_id]), Rate) if product_id < len(rates) else None


class Liquidity(msgspec.Struct, frozen=True):
    """`market_liquidity`: one product's book, sentinels on empty sides included."""

    product_id: ProductId
    timestamp: Moment
    bids: WireLevels
    asks: WireLevels


def book_of(liquidity: Liquidity, product_id: int) -> BookSnapshot:
    """A snapshot, best level first; empty levels and sentinels are left out. Raises `Malformed` when it is
    another product's.
    """
    if liquidity.product_id != product_id:
        raise Malformed(f"asked for the book of {product_id}, got that of {int(liquidity.product_id)}")
    bids = sorted(real_levels(liquidity.bids), reverse=True)
    asks = sorted(real_levels(liquidity.asks))
    return BookSnapshot(product_id, Ns(int(liquidity.timestamp)), _standing(bids), _standing(asks))


def _standing(levels: Sequence[tuple[Price, Base]]) -> tuple[Level, ...]:
    return tuple(Level(price, amount) for price, amount in levels if amount)


class _Health(msgspec.Struct, frozen=True):
    health: Quote


class _SpotBalance(msgspec.Struct, frozen=True):
    amount: Quote


class _Spot(msgspec.Struct, frozen=True):
    product_id: ProductId
    balance: _SpotBalance


class _PerpBalance(msgspec.Struct, frozen=True):
    amount: Base
    v_quote_balance: msgspec.Raw = msgspec.Raw(b"null")
    last_cumulative_funding_x18: msgspec.Raw = msgspec.Raw(b"null")


class _Perp(msgspec.Struct, frozen=True):
    product_id: ProductId
    balance: _PerpBalance


class SubaccountInfo(msgspec.Struct, frozen=True):
    """`subaccount_info`: cross margin. Healths in the order initial, maintenance, unweighted."""

    subaccount: str
    perp_balances: tuple[msgspec.Raw, ...] = ()
    exists: msgspec.Raw = msgspec.Raw(b"null")
    healths: msgspec.Raw = msgspec.Raw(b"null")
    spot_balances: msgspec.Raw = msgspec.Raw(b"null")
    perp_products: msgspec.Raw = msgspec.Raw(b"null")


class _Isolated(msgspec.Struct, frozen=True):
    base_balance: _Perp


class IsolatedPositions(msgspec.Struct, frozen=True):
    """`isolated_positions`: what `subaccount_info` does not show (lesson R1)."""

    isolated_positions: tuple[msgspec.Raw, ...]


class _IsolatedId(msgspec.Struct, frozen=True):
    base_balance: _Id


class _Resting(msgspec.Struct, frozen=True):
    digest: str


class _ProductOrders(msgspec.Struct, frozen=True):
    product_id: ProductId
    orders: tuple[_Resting, ...]


class Orders(msgspec.Struct, frozen=True):
    """`orders`: what rests on the products asked for."""

    product_orders: tuple[_ProductOrders, ...]


def account_of(
    at_ms: Ms,
    info: SubaccountInfo,
    isolated: IsolatedPositions | None,
    orders: Orders | None,
    subaccount: str,
    ours: tuple[int, int] | None = None,
) -> AccountSnapshot:
    """The account at or after engine time `at_ms`. Raises `Malformed` where a position in one of our products
    (`ours`; None = in any) cannot be read.

    What closing does not need may be missing: healths and balance are None then, and isolated positions or
    orders that could not be read (None: that question had no answer) are named in `unread`, because without
    them nobody can say that nothing is open.
    """
    if info.subaccount.lower() != subaccount.lower():
        raise Malformed(f"asked for subaccount {subaccount}, got {info.subaccount[:66]}")
    exists = _readable(bytes(info.exists), bool)
    # Only of a subaccount that certainly does not exist is a balance that is not said known to be 0.
    unsaid = Quote(0) if exists is False else None
    healths = _readable(bytes(info.healths), tuple[_Health, ...])
    initial, maintenance, unweighted = (
        [entry.health for entry in healths]
        if healths is not None and len(healths) == 3
        else [None if healths else unsaid] * 3
    )
    spots = [
        _readable(bytes(entry), _Spot)
        for entry in _readable(bytes(info.spot_balances), tuple[msgspec.Raw, ...]) or ()
    ]
    usdt0 = next((spot.balance.amount for spot in spots if spot is not None and spot.product_id == 0), unsaid)
    oracles = {
        int(named.product_id): price
        for entry in _readable(bytes(info.perp_products), tuple[msgspec.Raw, ...]) or ()
        if (named := _readable(bytes(entry), _Id)) is not None
        and (price := _Said(bytes(entry)).one("oracle_price_x18", Price)) is not None
        and price > 0
    }
    cross = _cross(info, ours)
    apart, unread = _apart(isolated)
    if _hides_positions(info, spots, cross, initial, unweighted):
        unread = (*unread, "cross positions: none is listed, and the healths say that there are some")
    return AccountSnapshot(
        at_ms=at_ms,
        exists=bool(info.perp_balances) if exists is None else exists,
        usdt0=usdt0,
        initial_health=initial,
        maintenance_health=maintenance,
        value=unweighted,
        positions=tuple(
            _position(product_id, cross.get(product_id), apart.get(product_id, 0), oracles.get(product_id))
            for product_id in sorted({*cross, *apart})
        ),
        open_orders=tuple(order.digest for product in orders.product_orders for order in product.orders)
        if orders
        else (),
        unread=unread if orders else (*unread, "orders"),
    )


def _hides_positions(
    info: SubaccountInfo,
    spots: list[_Spot | None],
    cross: dict[int, _PerpBalance],
    initial: Quote | None,
    unweighted: Quote | None,
) -> bool:
    """Do the healths count a position that is not listed? USDT0 weighs 1, an open position never does: an
    account that holds nothing else has three equal healths. Not known where anything else could weigh.
    """
    only_usdt0 = all(
        spot is not None and (spot.product_id == 0 or spot.balance.amount == 0) for spot in spots
    )
    all_read = len(cross) == len(info.perp_balances)
    flat = not any(perp.amount for perp in cross.values())
    return only_usdt0 and all_read and flat and None not in {initial, unweighted} and initial != unweighted


def _cross(info: SubaccountInfo, ours: tuple[int, int] | None) -> dict[int, _PerpBalance]:
    """Cross positions. An entry of ours that cannot be read is an error; so is one of nobody knows which
    product, while ours is not there.
    """
    found: dict[int, _PerpBalance] = {}
    nameless = False
    for entry in info.perp_balances:
        named = _readable(bytes(entry), _Id)
        product_id = int(named.product_id) if named is not None else None
        nameless = nameless or product_id is None
        strict = product_id is not None and (ours is None or product_id in ours)
        perp = read(bytes(entry), _Perp) if strict else _readable(bytes(entry), _Perp)
        if perp is not None and product_id is not None:
            if product_id in found and found[product_id].amount != perp.balance.amount:
                raise Malformed(f"subaccount_info names product {product_id} twice, with two amounts")
            found[product_id] = perp.balance
    if nameless and not set(ours or ()) <= set(found):
        raise Malformed(
            "subaccount_info has a position without a product id, and none of one of our products"
        )
    return found


def _apart(isolated: IsolatedPositions | None) -> tuple[dict[int, int], tuple[str, ...]]:
    """Isolated positions by product, and what of them could not be read."""
    apart: dict[int, int] = {}
    if isolated is None:
        return apart, ("isolated_positions",)
    unread: list[str] = []
    for entry in isolated.isolated_positions:
        one, named = _readable(bytes(entry), _Isolated), _readable(bytes(entry), _IsolatedId)
        if one is not None:
            product_id = int(one.base_balance.product_id)
            apart[product_id] = apart.get(product_id, 0) + one.base_balance.balance.amount
        else:
            unread.append(
                f"isolated position of product {int(named.base_balance.product_id)}"
                if named
                else "isolated position"
            )
    return apart, tuple(unread)


def _position(product_id: int, cross: _PerpBalance | None, apart: int, oracle: Price | None) -> Position:
    balance = cross or _PerpBalance(Base(0), msgspec.Raw(b'"0"'))
    quote = _readable(bytes(balance.v_quote_balance), Quote)
    index = _readable(bytes(balance.last_cumulative_funding_x18), Whole)
    return Position(
        product_id,
        balance.amount,
        Base(apart),
        quote or Quote(0),
        oracle,
        None if index is None else int(index),
        quote_unread=quote is None,
    )


class HistoricalOrder(msgspec.Struct, frozen=True):
    """One order as the archive's `orders` writes it; `quote_filled` has the fee taken out."""

    digest: str
    subaccount: str
    product_id: ProductId
    amount: Base
    base_filled: Base
    quote_filled: Quote
    fee: Quote
    submission_idx: Whole


class HistoricalOrders(msgspec.Struct, frozen=True):
    """The archive's answer to `orders`, which comes without a status envelope."""

    orders: tuple[HistoricalOrder, ...]


def archived_of(
    found: HistoricalOrders, digests: Sequence[str], subaccount: str
) -> tuple[ArchivedOrder, ...]:
    """Those of `digests` that were found. Raises `Malformed` when an entry contradicts itself or belongs
    to someone else.
    """
    wanted = {digest.lower() for digest in digests}
    mine = [order for order in found.orders if order.digest.lower() in wanted]
    return tuple(_archived(order, subaccount) for order in mine)


def _archived(order: HistoricalOrder, subaccount: str) -> ArchivedOrder:
    """`quote_filled` is the change of the quote balance, fee taken out: a buy's is -(notional + fee), a
    sell's notional - fee.
    """
    side = 1 if order.amount > 0 else -1
    filled = side * abs(order.base_filled)
    notional = abs(order.quote_filled) - side * order.fee
    if (
        order.subaccount.lower() != subaccount.lower()
        or abs(filled) > abs(order.amount)
        or (notional <= 0) != (filled == 0)
    ):
        raise Malformed(f"the archive's order {order.digest[:66]} contradicts itself")
    return ArchivedOrder(
        order.digest.lower(),
        int(order.product_id),
        Base(filled),
        Quote(notional),
        order.fee,
        int(order.submission_idx),
    )


class _MatchedOrder(msgspec.Struct, frozen=True):
    sender: str
    amount: Base


class _Match(msgspec.Struct, frozen=True):
    digest: str
    order: _MatchedOrder
    base_filled: Base
    quote_filled: Quote
    fee: Quote
    cumulative_base_filled: Base
    submission_idx: Whole
    is_taker: bool
    timestamp: Whole | None = None


class _Tx(msgspec.Struct, frozen=True):
    submission_idx: Whole
    timestamp: Whole


class Matches(msgspec.Struct, frozen=True):
    """The archive's `matches`, newest first. The time of a match stands in it or in its transaction, in
    seconds.
    """

    matches: tuple[_Match, ...]
    txs: tuple[_Tx, ...] = ()


def fills_of(found: Matches, product_id: int, subaccount: str) -> tuple[Fill, ...]:
    """The matches of one product as fills, as they came: newest first.

    Raises `Malformed` for another subaccount's and for one without a time, `OutOfRange` when an entry
    contradicts itself.
    """
    times = {int(tx.submission_idx): tx.timestamp for tx in found.txs}
    return tuple(
        _fill(match, product_id, _entry_ns("match", match, match.order.sender, subaccount, times))
        for match in found.matches
    )


def _entry_ns(
    what: str, entry: "_Match | _Event", owner: str, subaccount: str, times: dict[int, Whole]
) -> Ns:
    """When an entry of the archive happened: by its own time or its transaction's, both in seconds. Raises
    `Malformed` for another subaccount's and where neither is there.
    """
    if owner.lower() != subaccount.lower():
        raise Malformed(f"{what} of another subaccount: {owner[:66]}")
    seconds = entry.timestamp if entry.timestamp is not None else times.get(int(entry.submission_idx))
    if seconds is None:
        raise Malformed(f"the archive names no time for {what} {int(entry.submission_idx)}")
    return _seconds_ns(int(seconds))


def _fill(match: _Match, product_id: int, at_ns: Ns) -> Fill:
    idx, side = int(match.submission_idx), 1 if match.order.amount > 0 else -1
    original, remaining = abs(match.order.amount), abs(match.order.amount) - abs(match.cumulative_base_filled)
    notional = abs(match.quote_filled) - side * match.fee
    if (
        match.base_filled * side <= 0
        or remaining < 0
        or abs(match.base_filled) + remaining > original
        or notional <= 0
        or idx < 0
    ):
        raise OutOfRange(f"the archive's match {idx} of {match.digest[:66]} contradicts itself")
    return Fill(
        order_digest=match.digest,
        product_id=product_id,
        amount=match.base_filled,
        price=Price(notional * ONE // abs(match.base_filled)),
        fee=match.fee,
        remaining=Base(remaining),
        original=Base(original),
        is_taker=match.is_taker,
        submission_idx=idx,
        at_ns=at_ns,
    )


class _SpotState(msgspec.Struct, frozen=True):
    spot: _Spot


class _MovedPerp(msgspec.Struct, frozen=True):
    amount: Base
    v_quote_balance: Quote
    last_cumulative_funding_x18: Whole = Whole(0)


class _MovedPerpOf(msgspec.Struct, frozen=True):
    balance: _MovedPerp


class _PerpState(msgspec.Struct, frozen=True):
    perp: _MovedPerpOf


class _Event(msgspec.Struct, frozen=True):
    subaccount: str
    product_id: ProductId
    submission_idx: Whole
    event_type: str
    pre_balance: msgspec.Raw
    post_balance: msgspec.Raw
    isolated: bool = False
    timestamp: Whole | None = None


class ArchiveEvents(msgspec.Struct, frozen=True):
    """The archive's `events`, newest first. The time of an event stands in it or in its transaction, in
    seconds.
    """

    events: tuple[_Event, ...]
    txs: tuple[_Tx, ...] = ()


class _Payment(msgspec.Struct, frozen=True):
    product_id: ProductId
    idx: Whole
    timestamp: Whole
    amount: Quote


class Payments(msgspec.Struct, frozen=True):
    """The archive's `interest_and_funding`, newest first. `next_idx` is where the next page begins, "" on
    the last.
    """

    funding_payments: tuple[_Payment, ...]
    interest_payments: tuple[_Payment, ...] = ()
    next_idx: str | int | None = None

    @property
    def newest(self) -> int:
        """The newest index of both; -1 for none."""
        return max((int(one.idx) for one in (*self.funding_payments, *self.interest_payments)), default=-1)

    def following(self) -> int | None:
        """Where the next page begins; None where there is none. Raises `Malformed`."""
        if self.next_idx in {None, ""}:
            return None
        try:
            return int(str(self.next_idx))
        except ValueError:
            raise Malformed(f"no index of a page: {str(self.next_idx)[:66]}") from None


EVENT_KINDS: dict[str, MoneyKind] = {
    "deposit_collateral": "deposit",
    "withdraw_collateral": "withdrawal",
    "transfer_quote": "transfer",
    "settle_pnl": "settlement",
    "liquidate_subaccount": "liquidation",
    "create_isolated_subaccount": "isolated",
    "close_isolated_subaccount": "isolated",
    "mint_nlp": "other",
    "burn_nlp": "other",
    "claim_builder_fee": "other",
    "manual_assert": "other",
}
"""Every event type that moves a balance, but for `match_orders`: those are reported as fills."""


def moved_of(found: ArchiveEvents, subaccount: str) -> tuple[MoneyEvent, ...]:
    """The events as changes of balances on cross margin, as they came: newest first. Raises `Malformed`
    for what is another subaccount's.
    """
    times = {int(tx.submission_idx): tx.timestamp for tx in found.txs}
    return tuple(
        _moved(event, _entry_ns("event", event, event.subaccount, subaccount, times))
        for event in found.events
        if not event.isolated and event.event_type in EVENT_KINDS
    )


def _moved(event: _Event, at_ns: Ns) -> MoneyEvent:
    idx, product_id, kind = int(event.submission_idx), int(event.product_id), EVENT_KINDS[event.event_type]
    if product_id == 0:
        before, after = (
            read(bytes(each), _SpotState).spot.balance.amount
            for each in (event.pre_balance, event.post_balance)
        )
        return MoneyEvent(kind, product_id, Quote(after - before), idx, at_ns, Base(0), after)
    was, now = (
        read(bytes(each), _PerpState).perp.balance for each in (event.pre_balance, event.post_balance)
    )
    # The balance before may not have paid its funding yet; funding is reported by its own payments.
    paid = was.amount * (now.last_cumulative_funding_x18 - was.last_cumulative_funding_x18)
    owed = abs(paid) // ONE if paid >= 0 else -(abs(paid) // ONE)
    quote = Quote(now.v_quote_balance - was.v_quote_balance + owed)
    return MoneyEvent(kind, product_id, quote, idx, at_ns, Base(now.amount - was.amount), now.v_quote_balance)


def paid_of(found: Payments) -> tuple[MoneyEvent, ...]:
    """Funding and interest payments, as they came: newest first."""
    lists: tuple[tuple[MoneyKind, tuple[_Payment, ...]], ...] = (
        ("funding", found.funding_payments),
        ("interest", found.interest_payments),
    )
    return tuple(
        MoneyEvent(kind, int(one.product_id), one.amount, int(one.idx), _seconds_ns(int(one.timestamp)))
        for kind, payments in lists
        for one in payments
    )


def _seconds_ns(seconds: int) -> Ns:
    if not 0 < seconds < MOMENT_LIMIT // 10**9:
        raise OutOfRange(f"{seconds} is no moment in seconds")
    return Ns(seconds * 10**9)
