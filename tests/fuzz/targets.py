"""What reads the venue's texts, each with valid messages to begin with and the check of what it made of one.

A target's `run` takes bytes and returns True when they were accepted, False when they were refused as
documented. Anything else it raises is a find.
"""

import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from messages.execution import Fill, OrderUpdate, PositionChange
from messages.market import BookDelta, Level, PublicTrade, Touch
from messages.units import ONE, X18_LIMIT, Base, Ms, Price, Quote
from tests.fuzz import shapes
from tests.fuzz.judge import Json, Wrong, comes_back, document_of, exactly, says
from venue.nado import codec, events, queries
from venue.nado.counts import TroubleTally
from venue.protocol import Malformed, Refused

SENDER = "0x19e7e376e7c213b7e7e7e46cc70a5dd086daff2a64656661756c740000000000"
DIGEST = "0x" + "ab" * 32
GENERATED = 40
"""Messages made per struct, beside the documented ones."""


@dataclass(frozen=True)
class Target:
    """One reader, `seeds` as JSON texts, and what it does with an input."""

    name: str
    seeds: tuple[str, ...]
    run: Callable[[bytes], bool]


def targets(seed: int) -> tuple[Target, ...]:
    """Every reader there is."""
    rng, known = random.Random(seed), shapes.examples()
    return _stream(rng, known), _reply(rng, known), _clock(), *_answers(rng, known), *_archive(rng, known)


def _texts(documents: list[Json]) -> tuple[str, ...]:
    return tuple(json.dumps(document) for document in documents)


# -- /v1/subscribe -------------------------------------------------------------------------------------------

WIRES: dict[str, Any] = {
    "book_depth": events._BookDepth,
    "best_bid_offer": events._BestBidOffer,
    "trade": events._Trade,
    "fill": events._Fill,
    "order_update": events._OrderUpdate,
    "position_change": events._PositionChange,
}


def _stream(rng: random.Random, known: list[Json]) -> Target:
    made = [
        {"type": name, **shapes.sample_of_type(wire, rng), **_ours(wire)}
        for name, wire in WIRES.items()
        for _ in range(GENERATED)
    ]
    controls = [shapes.sample_of_type(codec.ControlFrameReply, rng) for _ in range(GENERATED)]
    documented = [
        document for document in known if document.get("type") in events.DECODERS or "result" in document
    ]
    return Target("stream", _texts([*made, *controls, *documented]), _read_frame)


def _ours(wire: Any) -> Json:
    return {"subaccount": SENDER} if "subaccount" in wire.__struct_fields__ else {}


def _read_frame(data: bytes) -> bool:
    """`events.decode` never raises, and counts every frame exactly once."""
    tally = TroubleTally()
    read = events.decode(data.decode("utf-8", "replace"), events.DECODERS, SENDER, tally)
    counts = tally.counts
    if (
        counts.events
        + counts.unknown
        + counts.troubles
        + (read is not None and isinstance(read, codec.ControlFrameReply))
        != 1
    ):
        raise Wrong(f"counted as {counts}")
    if read is None:
        return False
    document = document_of(data)
    if isinstance(read, codec.ControlFrameReply):
        says(read, document)
    else:
        wire = codec.read(data.decode("utf-8", "replace"), WIRES[document["type"]])
        says(wire, document)
        comes_back(wire, WIRES[document["type"]])
        _EVENTS[type(read)](read, document)
    return True


def _number(read: int, said: int) -> None:
    if read != said:
        raise Wrong(f"read {int(read)}, the text says {said}")


def _levels(read: Sequence[Level | tuple[int, int]], said: Json) -> None:
    pairs = [(exactly(price), exactly(amount)) for price, amount in said]
    real = [pair for pair in pairs if 0 < pair[0] < codec.NO_ASK]
    got = [(each.price, each.amount) if isinstance(each, Level) else each for each in read]
    if got != real or any(amount < 0 for _, amount in real):
        raise Wrong(f"read levels {read}, the text says {said}")


def _is_delta(read: BookDelta, said: Json) -> None:
    for number, name in (
        (read.product_id, "product_id"),
        (read.min_ns, "min_timestamp"),
        (read.max_ns, "max_timestamp"),
    ):
        _number(number, exactly(said[name]))
    _number(read.last_max_ns, exactly(said["last_max_timestamp"]))
    _levels(read.bids, said["bids"])
    _levels(read.asks, said["asks"])


def _is_touch(read: Touch, said: Json) -> None:
    _number(read.at_ns, exactly(said["timestamp"]))
    _levels((read.bid,) if read.bid else (), [[said["bid_price"], said["bid_qty"]]])
    _levels((read.ask,) if read.ask else (), [[said["ask_price"], said["ask_qty"]]])


def _is_trade(read: PublicTrade, said: Json) -> None:
    for number, name in (
        (read.price, "price"),
        (read.amount, "taker_qty"),
        (read.at_ns, "timestamp"),
        (read.taker_buys, "is_taker_buyer"),
    ):
        _number(number, said[name] if isinstance(said[name], bool) else exactly(said[name]))


def _is_fill(read: Fill, said: Json) -> None:
    filled, remaining, original = (
        exactly(said[name]) for name in ("filled_qty", "remaining_qty", "original_qty")
    )
    _number(read.amount, filled if said["is_bid"] else -filled)
    for number, name in (
        (read.price, "price"),
        (read.fee, "fee"),
        (read.at_ns, "timestamp"),
        (read.submission_idx, "submission_idx"),
    ):
        _number(number, exactly(said[name]))
    _number(read.remaining, remaining)
    _number(read.original, original)
    if (
        not (0 < filled <= filled + remaining <= original)
        or read.price <= 0
        or read.order_digest != said["order_digest"]
    ):
        raise Wrong(f"a fill that cannot be: {read}")


def _is_update(read: OrderUpdate, said: Json) -> None:
    _number(read.remaining, abs(exactly(said["amount"])))
    _number(read.at_ns, exactly(said["timestamp"]))
    if (read.reason, read.order_digest) != (said["reason"], said["digest"]):
        raise Wrong(f"read {read}, the text says {said}")


def _is_position(read: PositionChange, said: Json) -> None:
    _number(read.amount, exactly(said["amount"]))
    _number(read.v_quote, exactly(said["v_quote_amount"]))
    _number(read.at_ns, exactly(said["timestamp"]))


_EVENTS: dict[type, Callable[[Any, Json], None]] = {
    BookDelta: _is_delta,
    Touch: _is_touch,
    PublicTrade: _is_trade,
    Fill: _is_fill,
    OrderUpdate: _is_update,
    PositionChange: _is_position,
}


# -- answers to orders ---------------------------------------------------------------------------------------


def _reply(rng: random.Random, known: list[Json]) -> Target:
    envelope = {"id": 7, "request_type": "execute_place_order"}
    accepted = {**envelope, "status": "success", "data": {"digest": DIGEST}}
    refused = [
        {**envelope, "status": "failure", "error": "no", "error_code": code}
        for code in (2000, 2013, 2056, 5000)
    ]
    made = [shapes.sample_of_type(codec.Envelope, rng) for _ in range(GENERATED)]
    return Target(
        "reply",
        _texts([accepted, *refused, *made, *(document for document in known if "status" in document)]),
        _read_reply,
    )


def _read_reply(data: bytes) -> bool:
    """`reply_to` never raises. Accepted needs this order's digest; refused needs a code of the list, from
    an answer to this request.
    """
    reply = codec.reply_to(data.decode("utf-8", "replace"), 7, DIGEST)
    if reply.kind == "unknown":
        return False
    said = document_of(data)
    if said.get("id") is not None:
        _number(7, exactly(said["id"]))
    if reply.kind == "accepted" and (said["status"], said["data"]["digest"].lower()) != ("success", DIGEST):
        raise Wrong(f"accepted by {said}")
    if reply.kind == "refused" and (
        said["status"] != "failure" or exactly(said["error_code"]) not in codec.DEFINITE_REFUSALS
    ):
        raise Wrong(f"refused by {said}")
    return True


# -- answers to questions ------------------------------------------------------------------------------------


def _clock() -> Target:
    return Target(
        "time",
        ("1786360000123", '"1786360000123"', "0"),
        _reader(lambda data: (codec.read(data, codec.Whole), codec.Whole, document_of)),
    )


Reading = tuple[Any, Any, Callable[[bytes], Json]]
"""What was read, as which type, and the part of the text that it stands for."""


def _reader(
    read: Callable[[bytes], Reading], further: Callable[[Any], None] = lambda _read: None
) -> Callable[[bytes], bool]:
    """Bytes to a verdict: `read`, compare with the text, write and read again, then hand it to whoever
    uses it.
    """

    def run(data: bytes) -> bool:
        try:
            found, kind, said = read(data)
        except (Malformed, Refused):
            return False
        says(found, said(data))
        if kind not in IN_PARTS:
            comes_back(found, kind)
        try:
            further(found)
        except Malformed:
            return False
        return True

    return run


def _answers(rng: random.Random, known: list[Json]) -> Iterator[Target]:
    kinds: dict[str, tuple[Any, Callable[[Any], None]]] = {
        "status": (str, _nothing),
        "contracts": (queries.Contracts, _nothing),
        "symbols": (queries.Symbols, _symbols),
        "all_products": (queries.AllProducts, _perps),
        "fee_rates": (queries.FeeRates, _rates),
        "market_liquidity": (queries.Liquidity, _book),
        "subaccount_info": (queries.SubaccountInfo, _account),
        "isolated_positions": (queries.IsolatedPositions, _isolated),
        "orders": (queries.Orders, _nothing),
        "cancel_orders": (codec.CancelledOrders, _cancelled),
    }
    for name, (kind, further) in kinds.items():
        plausible = _PLAUSIBLE.get(name, lambda rng, kind=kind: shapes.sample_of_type(kind, rng))
        data = [
            make(rng)
            for _ in range(GENERATED)
            for make in (plausible, lambda rng, kind=kind: shapes.sample_of_type(kind, rng))
        ]
        made = [{"status": "success", "data": each, "request_type": f"query_{name}"} for each in data]
        documented = [
            document for document in known if str(document.get("request_type")).partition("_")[2] == name
        ]
        yield Target(
            name,
            _texts([*made, *documented]),
            _reader(lambda data, kind=kind: (codec.payload(data, kind), kind, _data_of), further),
        )


def _plausible_book(rng: random.Random) -> Json:
    mid = rng.randrange(10**18, 10**22)
    bids = [[str(mid - step * 10**16), str(rng.randrange(10**21))] for step in range(1, 6)]
    asks = [[str(mid + step * 10**16), str(rng.randrange(10**21))] for step in range(1, 6)]
    return {"product_id": 4, "timestamp": "1786360000123456789", "bids": bids, "asks": asks}


def _plausible_cancellation(rng: random.Random) -> Json:
    """Of one order; in half of them what is left cannot be."""
    amount = rng.choice((1, -1)) * rng.randrange(1, 10**20)
    left = amount if rng.random() < 0.5 else rng.randrange(-(10**20), 10**20)
    order = {"digest": "0x" + rng.randbytes(32).hex(), "amount": str(amount), "unfilled_amount": str(left)}
    return {"cancelled_orders": [order]}


def _plausible_account(rng: random.Random) -> Json:
    numbers = iter(str(rng.randrange(-(10**24), 10**24)) for _ in range(100))
    perps = [
        {"product_id": product, "balance": {"amount": next(numbers), "v_quote_balance": next(numbers)}}
        for product in (4, 8, 2)
    ]
    spots = [{"product_id": 0, "balance": {"amount": next(numbers)}}]
    healths = [{"health": next(numbers)} for _ in range(3)]
    return {
        "subaccount": SENDER,
        "exists": True,
        "healths": healths,
        "spot_balances": spots,
        "perp_balances": perps,
    }


def _x18s(rng: random.Random, count: int) -> list[Json]:
    return [
        str(rng.choice((1, -1)) * rng.choice((0, 1, 10**18, rng.randrange(2**64), rng.randrange(2**127))))
        for _ in range(count)
    ]


def _plausible_rates(rng: random.Random) -> Json:
    return {"taker_fee_rates_x18": _x18s(rng, 9), "maker_fee_rates_x18": _x18s(rng, 9)}


def _plausible_isolated(rng: random.Random) -> Json:
    balances = [{"amount": amount, "v_quote_balance": "0"} for amount in _x18s(rng, 3)]
    return {
        "isolated_positions": [
            {"base_balance": {"product_id": each, "balance": balances[index]}}
            for index, each in enumerate((4, 8, 4))
        ]
    }


_PLAUSIBLE: dict[str, Callable[[random.Random], Json]] = {
    "market_liquidity": _plausible_book,
    "subaccount_info": _plausible_account,
    "fee_rates": _plausible_rates,
    "isolated_positions": _plausible_isolated,
    "cancel_orders": _plausible_cancellation,
}
IN_PARTS = (
    queries.Symbols,
    queries.AllProducts,
    queries.FeeRates,
    queries.SubaccountInfo,
    queries.IsolatedPositions,
)
"""Answers of which only the parts that are about us are read, and each by itself."""


def _data_of(data: bytes) -> Json:
    return document_of(data)["data"]


def _nothing(_read: Any) -> None:
    return None


def _cancelled(read: codec.CancelledOrders) -> None:
    """What had not traded is what the text says, unsigned, and no more than the order."""
    for order in read.cancelled_orders[:1]:
        left = codec.unfilled_of(read.cancelled_orders, order.digest)
        if order.unfilled_amount is None or order.amount is None or not 0 <= left <= abs(order.amount):
            raise Wrong(f"{left} left of {order}")
        says(left, str(abs(order.unfilled_amount)))


def _book(read: queries.Liquidity) -> None:
    """Best level first, none of them empty."""
    book = queries.book_of(read, int(read.product_id))
    for levels, best in ((book.bids, max), (book.asks, min)):
        if any(level.amount <= 0 for level in levels) or (
            levels and levels[0].price != best(level.price for level in levels)
        ):
            raise Wrong(f"a book with {levels}")


def _symbols(read: queries.Symbols) -> None:
    for name, raw in read.symbols.items():
        said, document = queries._Said(bytes(raw)), document_of(bytes(raw))
        for field, kind in (("size_increment", Base), ("price_increment_x18", Price), ("min_size", Quote)):
            _as_said(said.one(field, kind), document, field)
        if queries.status_of(name, read) not in {
            "unsaid",
            *([document.get("trading_status")] if isinstance(document, dict) else []),
        }:
            raise Wrong(f"a status that {name} does not have")


def _perps(read: queries.AllProducts) -> None:
    for raw in read.perp_products:
        document = document_of(bytes(raw))
        _as_said(queries._Said(bytes(raw)).one("oracle_price_x18", Price), document, "oracle_price_x18")
        part = document.get("book_info") if isinstance(document, dict) else None
        _as_said(
            queries._Said(bytes(raw)).part("book_info").one("size_increment", Base), part, "size_increment"
        )


def _rates(read: queries.FeeRates) -> None:
    for rates in (read.taker_fee_rates_x18, read.maker_fee_rates_x18):
        for index, raw in enumerate(rates):
            rate = queries._rate(rates, index)
            if rate is not None:
                says(rate, document_of(bytes(raw)))


def _as_said(read: object, document: Json, field: str) -> None:
    """What was read of a field, if anything, is what the text says."""
    if read is not None:
        says(read, document[field], field)


def _isolated(read: queries.IsolatedPositions) -> None:
    """An isolated position is the sum of the readable entries of its product; an entry is read or named as
    unread.
    """
    apart, unread = queries._apart(read)
    sums: dict[int, int] = {}
    skipped = 0
    for raw in read.isolated_positions:
        try:
            balance = document_of(bytes(raw))["base_balance"]
            product_id, amount = exactly(balance["product_id"]), exactly(balance["balance"]["amount"])
        except (TypeError, LookupError, Wrong):
            skipped += 1
            continue
        if not -X18_LIMIT <= amount < X18_LIMIT:
            skipped += 1
            continue
        sums[product_id] = sums.get(product_id, 0) + amount
    if len(unread) >= skipped and len(unread) == 0 and apart != sums:
        raise Wrong(f"isolated positions {apart}, the text says {sums}")


def _account(read: queries.SubaccountInfo) -> None:
    """Every cross position is the one that the text names for its product; health and value are the first
    and third number.
    """
    account = queries.account_of(
        Ms(1), read, queries.IsolatedPositions(()), queries.Orders(()), read.subaccount
    )
    entries = [document_of(bytes(raw)) for raw in read.perp_balances]
    named = {
        exactly(entry["product_id"]): entry
        for entry in entries
        if isinstance(entry, dict) and "product_id" in entry and _is_exact(entry)
    }
    for position in account.positions:
        says(position.cross, named[position.product_id]["balance"]["amount"])
    if account.initial_health is not None and account.exists:
        healths = document_of(bytes(read.healths))
        says(account.initial_health, healths[0]["health"])
        says(account.value, healths[2]["health"])


def _is_exact(entry: Json) -> bool:
    try:
        exactly(entry["product_id"])
    except Wrong:
        return False
    return True


def _archive(rng: random.Random, known: list[Json]) -> Iterator[Target]:
    documented = [document for document in known if "matches" in document and "txs" in document]
    for name, kind, consistent, further in (
        ("archive orders", queries.HistoricalOrders, _consistent_order, _orders),
        ("archive matches", queries.Matches, _consistent_match, _fills),
    ):
        made = [
            each for _ in range(GENERATED) for each in (shapes.sample_of_type(kind, rng), consistent(rng))
        ]
        yield Target(
            name,
            _texts(made + (documented if kind is queries.Matches else [])),
            _reader(_whole(kind), further),
        )


def _whole(kind: Any) -> Callable[[bytes], Reading]:
    return lambda data: (codec.read(data, kind), kind, document_of)


def _consistent_order(rng: random.Random) -> Json:
    side, base, price = rng.choice((1, -1)), rng.randrange(1, 10**20), rng.randrange(1, 10**22)
    notional = base * price // ONE + 1
    fee = notional // 2_857
    amounts = {
        "amount": side * base,
        "base_filled": side * base,
        "quote_filled": -side * (notional + side * fee),
        "fee": fee,
    }
    entry = {"digest": DIGEST, "subaccount": SENDER, "product_id": 4, "submission_idx": "7"}
    return {"orders": [entry | {name: str(value) for name, value in amounts.items()}]}


def _consistent_match(rng: random.Random) -> Json:
    (order,) = _consistent_order(rng)["orders"]
    match = {name: order[name] for name in ("digest", "base_filled", "quote_filled", "fee", "submission_idx")}
    match |= {
        "order": {"sender": SENDER, "amount": order["amount"]},
        "cumulative_base_filled": order["base_filled"],
        "is_taker": True,
    }
    return {"matches": [match | {"timestamp": "1786360000"}], "txs": []}


def _orders(read: queries.HistoricalOrders) -> None:
    """What the archive says of an order: no more than it asked for, in its direction, for what was paid."""
    for found in queries.archived_of(read, [order.digest for order in read.orders], SENDER):
        orders = [order for order in read.orders if order.digest.lower() == found.digest]
        if not any(
            abs(found.filled) == abs(order.base_filled) <= abs(order.amount) and found.fee == order.fee
            for order in orders
        ):
            raise Wrong(f"{found} of {orders}")


def _fills(read: queries.Matches) -> None:
    for fill, match in zip(queries.fills_of(read, 4, SENDER), read.matches, strict=True):
        _number(fill.amount, int(match.base_filled))
        _number(fill.remaining, abs(match.order.amount) - abs(match.cumulative_base_filled))
        if not 0 < abs(fill.amount) <= fill.original or fill.price < 0:
            raise Wrong(f"a fill that cannot be: {fill}")
