"""Nado's wire, both directions: numbers, envelopes, executes and control frames. Pure: text in, structs out,
no I/O.

What every reader here keeps to:
- An x18 number is a decimal string within int128, or it is not a number. JSON floats, exponents, blanks and
  underscores are refused, never rounded.
- What the protocol types as "number or string" (ids, counters, timestamps) may be either; money may not be a
  JSON float.
- Unknown *fields* are ignored (the venue adds some), missing ones are `Malformed`, naming the path.

`events` reads streams, `queries` reads answers to questions; both build on this file.
"""

import re
from collections.abc import Hashable, Sequence
from functools import lru_cache
from typing import Any, TypeVar, cast

import msgspec

from messages.units import X18, X18_LIMIT, Base, Price
from venue.protocol import Malformed, OutOfRange, Refused, Reply, SignedOrder

T = TypeVar("T")

DEFINITE_REFUSALS = frozenset(
    {*range(2000, 2013), 2015, 2016, 2028, 2031, 2035, 2056, 2064, 2067, 2069, 2070, 2094, 2095},
)
"""Codes after which the venue certainly does not hold the order (design: the barrier). Every other code
leaves it unknown, 2013 (digest exists: it may have been accepted before), 5000 and the rate limits 1000/1015
included.
"""

NOT_RESTING = 2020
"""The engine's answer for an order that does not rest: it has ended, however it did, or has not arrived."""

RATE_LIMITED = frozenset({1000, 1015})
"""The venue's own limit, and that of the proxy in front of it."""

NO_ASK = X18_LIMIT - 1
"""int128's maximum: what the venue writes as the ask of a product without asks. Its counterpart, the bid
of a product without bids, is "0".
"""

MOMENT_LIMIT = 2**63

_DIGITS = re.compile(r"-?[0-9]{1,40}", re.ASCII)
_TOP = 64
"""Longest piece of a venue's text that is quoted in an error."""


class Whole(int):
    """An integer that the protocol writes as a JSON number in one place and as a string in another."""


class ProductId(Whole):
    """Of a product: an unsigned 32-bit integer, which it must be to be signed for, and never an index from
    the end of a list.
    """


class ChainId(Whole):
    """Of the chain that everything is signed for: above 0 and within an unsigned 256-bit integer."""


class Moment(Whole):
    """Nanoseconds since the epoch, on somebody's clock: above 0 and within a signed 64-bit integer, which
    lasts until the year 2262.

    A moment decides how old a book is, so an impossible one must not become an age.
    """


_BOUNDS = {
    Moment: (1, MOMENT_LIMIT, "moment in nanoseconds"),
    ProductId: (0, 2**32, "product id"),
    ChainId: (1, 2**256, "chain id"),
}
"""Of a kind: its least value, the first one beyond it, and what it is called."""


class _Beyond(ValueError):
    """An integer that its unit cannot hold. `read` makes `OutOfRange` of it."""


def _whole(value: object) -> int:
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise ValueError(f"expected an integer, got {value!r}")


def _decode_number(kind: type[Any], value: object) -> object:
    if issubclass(kind, X18):
        number = _whole(value)
        if not -X18_LIMIT <= number < X18_LIMIT:
            raise _Beyond(f"{number} does not fit a signed 128-bit integer")
        return kind(number)
    if issubclass(kind, Whole):
        number = _whole(value)
        if kind in _BOUNDS:
            least, limit, what = _BOUNDS[kind]
            if not least <= number < limit:
                raise _Beyond(f"{number} is no {what}")
        return kind(number)
    raise ValueError(f"{kind.__name__} cannot be encoded")


@lru_cache(maxsize=64)
def _decoder(kind: Hashable) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(cast(Any, kind), dec_hook=_decode_number)


def read(data: bytes | str, kind: type[T]) -> T:
    """`data` as a `kind`. Raises `Malformed` naming what is missing or wrong, and where; `OutOfRange` for
    a number that its unit cannot hold.
    """
    try:
        decoded: T = _decoder(cast(Hashable, kind)).decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        text = data if isinstance(data, str) else data.decode("utf-8", "replace")
        kind_of_error = OutOfRange if isinstance(error.__cause__, _Beyond) else Malformed
        raise kind_of_error(f"{error}: {text[:_TOP]!r}") from None
    return decoded


def _encode_number(value: object) -> object:
    if isinstance(value, X18):
        return int.__str__(value)
    if isinstance(value, Whole):
        return int(value)
    raise NotImplementedError(f"{type(value).__name__} cannot be encoded")


_encoder = msgspec.json.Encoder(enc_hook=_encode_number)


def write(frame: object) -> str:
    """A frame as the text that goes out: x18 numbers as decimal strings, counters and ids as JSON numbers."""
    return _encoder.encode(frame).decode()


# --- answers to queries and executes ------------------------------------------------------------------------


class Envelope(msgspec.Struct, frozen=True):
    """The envelope of every answer. Absent optionals are omitted by the venue, sometimes null."""

    status: str
    data: msgspec.Raw = msgspec.Raw(b"null")
    error: str | None = None
    error_code: Whole | None = None
    id: Whole | None = None
    request_type: str | None = None


def payload(text: bytes | str, kind: type[T]) -> T:
    """The `data` of a successful answer. Raises `Refused` with the venue's code for a failure, `Malformed`
    for anything unreadable.
    """
    answer = read(text, Envelope)
    if answer.status == "failure":
        raise Refused(answer.error_code, answer.error or "no reason given")
    if answer.status != "success":
        raise Malformed(f"neither success nor failure: {answer.status[:_TOP]!r}")
    return read(bytes(answer.data), kind)


class _OrderId(msgspec.Struct, frozen=True):
    digest: str


def reply_to(text: str, order_id: int, digest: str) -> Reply:
    """What an answer on an order's connection says about that order. Never raises: doubt is `unknown`.

    `unknown` without a code means that the answer is not certainly this order's: the connection is out of
    step and must not be used again. An echoed id is compared when present; whether failures echo it is not
    documented, so answers are matched by their order first.
    """
    try:
        answer = read(text, Envelope)
        # whose answer it is comes first: another request's refusal says nothing about this order
        stray = (
            f"the answer is for request {int(answer.id)}, not {order_id}"
            if answer.id is not None and answer.id != order_id
            else f"the answer is for {str(answer.request_type)[:_TOP]}"
            if answer.request_type not in {None, "execute_place_order"}
            else f"neither success nor failure: {answer.status[:_TOP]!r}"
            if answer.status not in {"success", "failure"}
            else ""
        )
        if stray:
            return Reply("unknown", None, stray)
        if answer.status == "failure":
            code = None if answer.error_code is None else int(answer.error_code)
            refused = code in DEFINITE_REFUSALS
            return Reply("refused" if refused else "unknown", code, answer.error or "no reason given")
        named = read(bytes(answer.data), _OrderId).digest
    except Malformed as error:
        return Reply("unknown", None, f"unreadable answer: {error}")
    if named.lower() != digest.lower():
        return Reply("unknown", None, f"the answer names another order: {named[: _TOP + 2]}")
    return Reply("accepted", None, "")


# --- executes -----------------------------------------------------------------------------------------------


def place_order(signed: SignedOrder, order_id: int) -> str:
    """The execute that places a signed order; `order_id` is echoed in the answer and is no part of the
    order's digest.
    """
    order = signed.order
    wire = {
        "sender": order.sender,
        "priceX18": str(int(order.price)),
        "amount": str(int(order.amount)),
        "expiration": str(order.expiration_s),
        "nonce": str(order.nonce),
        "appendix": str(order.appendix),
    }
    placing = {"product_id": order.product_id, "order": wire, "signature": signed.signature, "id": order_id}
    return write({"place_order": placing})


def cancel_orders(
    sender: str, product_ids: Sequence[int], digests: Sequence[str], nonce: int, signature: str
) -> str:
    """The execute that cancels these orders; one product id per digest."""
    tx = {"sender": sender, "productIds": list(product_ids), "digests": list(digests), "nonce": str(nonce)}
    return write({"cancel_orders": {"tx": tx, "signature": signature}})


def cancel_product_orders(sender: str, product_ids: Sequence[int], nonce: int, signature: str) -> str:
    """The execute that cancels every order of `sender` on these products. An empty list would mean *all*
    products (weight 50): `ValueError`.
    """
    if not product_ids:
        raise ValueError(
            "cancel_product_orders needs at least one product: the venue reads an empty list as all of them"
        )
    tx = {"sender": sender, "productIds": list(product_ids), "nonce": str(nonce)}
    return write({"cancel_product_orders": {"tx": tx, "signature": signature}})


class CancelledOrder(msgspec.Struct, frozen=True):
    """An order that a cancellation has ended, as far as anybody here asks."""

    digest: str
    amount: Base | None = None
    unfilled_amount: Base | None = None
    """Both signed: < 0 of a sale."""


class CancelledOrders(msgspec.Struct, frozen=True):
    """What a cancellation answers: the orders that were still resting."""

    cancelled_orders: tuple[CancelledOrder, ...]


def unfilled_of(cancelled: Sequence[CancelledOrder], digest: str) -> Base:
    """What of the order `digest`, which alone was to be cancelled, had not traded, x18 and unsigned. Raises
    `Malformed` for an answer that names another order, more than one or none, and for an amount that cannot
    be left of it.
    """
    if [order.digest.lower() for order in cancelled] != [digest.lower()]:
        named = ", ".join(order.digest[: _TOP + 2] for order in cancelled[:2]) or "no order"
        raise Malformed(f"the answer to the cancellation of {digest} names {named}")
    amount, unfilled = cancelled[0].amount, cancelled[0].unfilled_amount
    if amount is None or unfilled is None:
        raise Malformed(f"the answer to the cancellation of {digest} does not say what had not traded")
    left = -unfilled if amount < 0 else unfilled
    if not 0 <= left <= abs(amount):
        raise OutOfRange(f"{unfilled.text()} cannot be left of an order of {amount.text()}")
    return Base(left)


# --- control frames of /subscribe ---------------------------------------------------------------------------


def authenticate(request_id: int, sender: str, expiration_ms: int, signature: str) -> str:
    """Prove that the connection speaks for the wallet of `sender`; `expiration_ms` must be within 100 s of
    the venue's clock.
    """
    tx = {"sender": sender, "expiration": str(expiration_ms)}
    return write({"method": "authenticate", "id": request_id, "tx": tx, "signature": signature})


def subscribe(request_id: int, stream: dict[str, object]) -> str:
    """Ask for one stream. The venue rejects unknown extra fields in `stream`."""
    return write({"method": "subscribe", "stream": stream, "id": request_id})


def book_depth(product_id: int) -> dict[str, object]:
    """The stream of book batches of one product."""
    return {"type": "book_depth", "product_id": product_id}


def public_streams(product_id: int) -> tuple[dict[str, object], ...]:
    """Everything that a product's market shows: book batches, the best bid and ask, trades."""
    return tuple(
        {"type": kind, "product_id": product_id} for kind in ("book_depth", "best_bid_offer", "trade")
    )


def account_streams(subaccount: str) -> tuple[dict[str, object], ...]:
    """The three streams of one subaccount, on all products (product_id null)."""
    return tuple(
        {"type": kind, "product_id": None, "subaccount": subaccount}
        for kind in ("fill", "position_change", "order_update")
    )


class ControlFrameReply(msgspec.Struct, frozen=True):
    """An answer to a control frame. The failure's shape is undocumented: an `error` key, or status
    "failure".
    """

    id: Whole | None = None
    status: str | None = None
    error: msgspec.Raw = msgspec.Raw(b"null")
    error_code: Whole | None = None

    @property
    def refusal(self) -> str | None:
        """Why the request failed; None when it did not."""
        text = bytes(self.error).decode("utf-8", "replace")
        if text not in {"null", '""', "false"}:
            return text[: 4 * _TOP]
        return "no reason given" if self.status == "failure" else None


# --- books, as both streams and queries write them ----------------------------------------------------------

WireLevels = tuple[tuple[Price, Base], ...]
"""[[price, amount], ...]"""


def real_levels(levels: WireLevels) -> WireLevels:
    """Without the empty-side sentinels. Raises `OutOfRange` for a negative number: there is no such level."""
    for price, amount in levels:
        if price < 0 or amount < 0:
            raise OutOfRange(f"a book level of {int(amount)} at {int(price)}")
    return tuple(level for level in levels if 0 < level[0] < NO_ASK)
