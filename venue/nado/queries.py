"""Answers to questions, read into what the rest of the program knows. Pure.

Nothing is filled in: a rule, a product or a health that is missing is `Malformed`, naming it (lessons S4, R2).
"""

from collections.abc import Sequence

import msgspec

from messages.execution import AccountSnapshot, Fill, Position
from messages.market import BookSnapshot, Level, TradingStatus
from messages.units import ONE, Base, Ms, Ns, Price, Quote, Rate
from venue.nado.codec import MOMENT_LIMIT, Moment, Whole, WireLevels, real_levels
from venue.protocol import ArchivedOrder, Malformed, OutOfRange, ProductRules, VenueRules

ETH, SOL = "ETH-PERP", "SOL-PERP"
"""The venue's names of the pair. Their ids and rules are read, never assumed."""


class Contracts(msgspec.Struct, frozen=True):
    """`contracts`: which chain, and the contract that everything but orders is signed for."""

    chain_id: Whole
    endpoint_addr: str


class Symbol(msgspec.Struct, frozen=True):
    """One product of `symbols`."""

    product_id: Whole
    price_increment_x18: Price
    size_increment: Base
    min_size: Quote
    trading_status: TradingStatus
    isolated_only: bool = False


class Symbols(msgspec.Struct, frozen=True):
    """`symbols`, perps only."""

    symbols: dict[str, Symbol]


class _Risk(msgspec.Struct, frozen=True):
    long_weight_initial_x18: Rate
    short_weight_initial_x18: Rate
    long_weight_maintenance_x18: Rate
    short_weight_maintenance_x18: Rate


class _BookInfo(msgspec.Struct, frozen=True):
    size_increment: Base
    price_increment_x18: Price
    min_size: Quote


class _PerpProduct(msgspec.Struct, frozen=True):
    product_id: Whole
    oracle_price_x18: Price
    risk: _Risk
    book_info: _BookInfo


class AllProducts(msgspec.Struct, frozen=True):
    """`all_products`; the spot half is not read."""

    perp_products: tuple[_PerpProduct, ...]


class FeeRates(msgspec.Struct, frozen=True):
    """`fee_rates`: the subaccount's own tier; both lists are indexed by product id."""

    taker_fee_rates_x18: tuple[Rate, ...]
    maker_fee_rates_x18: tuple[Rate, ...]


def rules_of(venue: str, contracts: Contracts, symbols: Symbols, products: AllProducts, fees: FeeRates) -> VenueRules:
    """The rules of the pair. Raises `Malformed` naming what is missing, or where two answers of the venue contradict each other."""
    return VenueRules(
        venue=venue,
        chain_id=int(contracts.chain_id),
        endpoint=contracts.endpoint_addr,
        eth=_product(ETH, symbols, products, fees),
        sol=_product(SOL, symbols, products, fees),
    )


def symbol_of(name: str, symbols: Symbols) -> Symbol:
    """The product called `name`. Raises `Malformed` when the venue does not list it."""
    if name not in symbols.symbols:
        raise Malformed(f"the venue lists no {name}")
    return symbols.symbols[name]


def _product(name: str, symbols: Symbols, products: AllProducts, fees: FeeRates) -> ProductRules:
    symbol = symbol_of(name, symbols)
    product_id = int(symbol.product_id)
    perp = next((perp for perp in products.perp_products if perp.product_id == product_id), None)
    if perp is None:
        raise Malformed(f"all_products has no perp {product_id} ({name})")
    _must_be_tradable(name, symbol, perp)
    return ProductRules(
        symbol=name,
        product_id=product_id,
        price_tick=symbol.price_increment_x18,
        size_step=symbol.size_increment,
        min_notional=symbol.min_size,
        taker_fee=_rate(name, "taker", fees.taker_fee_rates_x18, product_id),
        maker_fee=_rate(name, "maker", fees.maker_fee_rates_x18, product_id),
        long_weight_initial=perp.risk.long_weight_initial_x18,
        short_weight_initial=perp.risk.short_weight_initial_x18,
        long_weight_maintenance=perp.risk.long_weight_maintenance_x18,
        short_weight_maintenance=perp.risk.short_weight_maintenance_x18,
        oracle=perp.oracle_price_x18,
        status=symbol.trading_status,
    )


def _must_be_tradable(name: str, symbol: Symbol, perp: _PerpProduct) -> None:
    if symbol.price_increment_x18 <= 0 or symbol.size_increment <= 0 or perp.oracle_price_x18 <= 0:
        raise Malformed(f"{name} has no price tick, no size step or no oracle price")
    said = (symbol.price_increment_x18, symbol.size_increment, symbol.min_size)
    if said != (perp.book_info.price_increment_x18, perp.book_info.size_increment, perp.book_info.min_size):
        raise Malformed(f"symbols and all_products disagree on the tick, step or minimum of {name}")
    if symbol.isolated_only:
        raise Malformed(f"{name} can only be traded with isolated margin, which is not supported")


def _rate(name: str, side: str, rates: tuple[Rate, ...], product_id: int) -> Rate:
    if product_id >= len(rates):
        raise Malformed(f"fee_rates has no {side} rate for {name} ({product_id})")
    return rates[product_id]


class Liquidity(msgspec.Struct, frozen=True):
    """`market_liquidity`."""

    product_id: Whole
    timestamp: Moment
    bids: WireLevels
    asks: WireLevels


def book_of(liquidity: Liquidity, product_id: int) -> BookSnapshot:
    """A snapshot, best level first; empty levels and sentinels are left out. Raises `Malformed` when it is another product's."""
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
    product_id: Whole
    balance: _SpotBalance


class _PerpBalance(msgspec.Struct, frozen=True):
    amount: Base
    v_quote_balance: Quote


class _Perp(msgspec.Struct, frozen=True):
    product_id: Whole
    balance: _PerpBalance


class SubaccountInfo(msgspec.Struct, frozen=True):
    """`subaccount_info`: cross margin. Healths in the order initial, maintenance, unweighted."""

    subaccount: str
    exists: bool
    healths: tuple[_Health, ...] = ()
    spot_balances: tuple[_Spot, ...] = ()
    perp_balances: tuple[_Perp, ...] = ()


class _Isolated(msgspec.Struct, frozen=True):
    base_balance: _Perp


class IsolatedPositions(msgspec.Struct, frozen=True):
    """`isolated_positions`: what `subaccount_info` does not show (lesson R1)."""

    isolated_positions: tuple[_Isolated, ...]


class _Resting(msgspec.Struct, frozen=True):
    digest: str


class _ProductOrders(msgspec.Struct, frozen=True):
    product_id: Whole
    orders: tuple[_Resting, ...]


class Orders(msgspec.Struct, frozen=True):
    """`orders`: what rests on the products asked for."""

    product_orders: tuple[_ProductOrders, ...]


def account_of(at_ms: Ms, info: SubaccountInfo, isolated: IsolatedPositions, orders: Orders, subaccount: str) -> AccountSnapshot:
    """The account at or after engine time `at_ms`. Raises `Malformed` when healths or the USDT0 balance of an existing account are missing."""
    if info.subaccount.lower() != subaccount.lower():
        raise Malformed(f"asked for subaccount {subaccount}, got {info.subaccount[:66]}")
    initial, maintenance, unweighted = _healths(info)
    return AccountSnapshot(
        at_ms=at_ms,
        exists=info.exists,
        usdt0=_usdt0(info),
        initial_health=initial,
        maintenance_health=maintenance,
        value=unweighted,
        positions=_positions(info, isolated),
        open_orders=tuple(order.digest for product in orders.product_orders for order in product.orders),
    )


def _healths(info: SubaccountInfo) -> tuple[Quote, Quote, Quote]:
    if len(info.healths) == 3:
        initial, maintenance, unweighted = (entry.health for entry in info.healths)
        return initial, maintenance, unweighted
    if info.exists or info.healths:
        raise Malformed(f"subaccount_info has {len(info.healths)} healths instead of 3")
    return Quote(0), Quote(0), Quote(0)


def _usdt0(info: SubaccountInfo) -> Quote:
    for spot in info.spot_balances:
        if spot.product_id == 0:
            return spot.balance.amount
    if info.exists:
        raise Malformed("subaccount_info has no USDT0 balance (product 0)")
    return Quote(0)


def _positions(info: SubaccountInfo, isolated: IsolatedPositions) -> tuple[Position, ...]:
    cross = {int(perp.product_id): perp.balance for perp in info.perp_balances}
    apart: dict[int, int] = {}
    for entry in isolated.isolated_positions:
        product_id = int(entry.base_balance.product_id)
        apart[product_id] = apart.get(product_id, 0) + entry.base_balance.balance.amount
    nothing = _PerpBalance(Base(0), Quote(0))
    return tuple(
        Position(product_id, cross.get(product_id, nothing).amount, Base(apart.get(product_id, 0)), cross.get(product_id, nothing).v_quote_balance)
        for product_id in sorted({*cross, *apart})
    )


class HistoricalOrder(msgspec.Struct, frozen=True):
    """One entry of the archive's `orders`."""

    digest: str
    subaccount: str
    product_id: Whole
    amount: Base
    base_filled: Base
    quote_filled: Quote
    fee: Quote
    submission_idx: Whole


class HistoricalOrders(msgspec.Struct, frozen=True):
    """The archive's `orders`. No status envelope."""

    orders: tuple[HistoricalOrder, ...]


def archived_of(found: HistoricalOrders, digests: Sequence[str], subaccount: str) -> tuple[ArchivedOrder, ...]:
    """Those of `digests` that were found. Raises `Malformed` when an entry contradicts itself or belongs to someone else."""
    wanted = {digest.lower() for digest in digests}
    mine = [order for order in found.orders if order.digest.lower() in wanted]
    return tuple(_archived(order, subaccount) for order in mine)


def _archived(order: HistoricalOrder, subaccount: str) -> ArchivedOrder:
    """`quote_filled` is the change of the quote balance, fee taken out: a buy's is -(notional + fee), a sell's notional - fee."""
    side = 1 if order.amount > 0 else -1
    filled = side * abs(order.base_filled)
    notional = abs(order.quote_filled) - side * order.fee
    if order.subaccount.lower() != subaccount.lower() or abs(filled) > abs(order.amount) or (notional <= 0) != (filled == 0):
        raise Malformed(f"the archive's order {order.digest[:66]} contradicts itself")
    return ArchivedOrder(order.digest.lower(), int(order.product_id), Base(filled), Quote(notional), order.fee, int(order.submission_idx))


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
    """The archive's `matches`, newest first. The time of a match stands in it or in its transaction, in seconds."""

    matches: tuple[_Match, ...]
    txs: tuple[_Tx, ...] = ()


def fills_of(found: Matches, product_id: int, subaccount: str) -> tuple[Fill, ...]:
    """The matches of one product as fills, as they came: newest first.

    Raises `Malformed` for another subaccount's and for one without a time, `OutOfRange` when an entry contradicts itself.
    """
    times = {int(tx.submission_idx): int(tx.timestamp) for tx in found.txs}
    return tuple(_fill(match, product_id, subaccount, times) for match in found.matches)


def _fill(match: _Match, product_id: int, subaccount: str, times: dict[int, int]) -> Fill:
    idx, side = int(match.submission_idx), 1 if match.order.amount > 0 else -1
    seconds = int(match.timestamp) if match.timestamp is not None else times.get(idx)
    if match.order.sender.lower() != subaccount.lower():
        raise Malformed(f"a match of another subaccount: {match.order.sender[:66]}")
    if seconds is None:
        raise Malformed(f"the archive names no time for match {idx}")
    original, remaining = abs(match.order.amount), abs(match.order.amount) - abs(match.cumulative_base_filled)
    notional = abs(match.quote_filled) - side * match.fee
    if match.base_filled * side <= 0 or remaining < 0 or abs(match.base_filled) + remaining > original or notional <= 0 or idx < 0:
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
        at_ns=_seconds_ns(seconds),
    )


def _seconds_ns(seconds: int) -> Ns:
    if not 0 < seconds < MOMENT_LIMIT // 10**9:
        raise OutOfRange(f"{seconds} is no moment in seconds")
    return Ns(seconds * 10**9)
