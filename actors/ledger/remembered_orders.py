"""An order that has long ended, shrunk to what a late event about it could still need; about 300 bytes
instead of 2,000.

Thousands of ended orders are remembered so that a late fill is recognised as Evenkeel's. Almost none of them
is ever heard of again, so they are kept as bytes and made into an order again only when one is.
"""

from functools import cache
from typing import Any, Literal

import msgspec

from actors.ledger.orders import OurOrder, Shrunk
from messages.execution import Fill, Outcome, Resolved
from messages.sizing import Leg, LegOrder, Purpose, QuoteTerms, SizingPlan, TimeInForce
from messages.units import X18, Base, Bps, Ms, Ns, Price, Quote


def plain(value: Any) -> int:
    """`enc_hook` of everything inside a snapshot: an x18 integer is a JSON number there, whatever the type
    of the field that holds it.
    """
    if isinstance(value, X18):
        return int(value)
    raise NotImplementedError(f"{type(value).__name__} cannot be stored in a snapshot")


def unit(kind: type[Any], value: Any) -> Any:
    """`dec_hook`: an x18 integer out of a JSON number. Raises `ValueError` for anything else."""
    if issubclass(kind, X18) and isinstance(value, int):
        return kind.checked(value)
    raise ValueError(f"expected {kind.__name__} as a number, got {value!r}")


class _Piece(msgspec.Struct, array_like=True, frozen=True):
    remaining: Base
    amount: Base
    price: Price
    fee: Quote
    at_ns: Ns


class _Answer(msgspec.Struct, array_like=True, frozen=True):
    filled: Base
    quote: Quote
    fee: Quote
    provisional: bool
    source: str
    at_ns: int
    by_absence: bool = False


class _Ended(msgspec.Struct, array_like=True, frozen=True):
    leg: Leg
    epoch: int
    seq: int
    cycle: int
    purpose: Purpose
    decided_ms: Ms
    recv_time_ms: Ms
    before: int
    product_id: int
    amount: Base
    limit: Price
    kind: TimeInForce
    reduce_only: bool
    vwap: Price
    mid: Price
    pieces: tuple[_Piece, ...]
    left: int | None
    cancelled: bool
    answer: Literal["accepted", "refused", "unknown", "none"] | None
    code: int | None
    resolved: _Answer | None
    more: dict[str, msgspec.Raw]
    """Whatever else an order knows that is not its default, by the field's name; of one that rested its
    terms, as `quote`.
    """


_SHRUNK = frozenset(
    {
        "leg",
        "plan",
        "digest",
        "before",
        "pieces",
        "left",
        "cancelled",
        "outcome",
        "resolved",
        "resolved_at_ns",
        "ended",
    }
)
_encode = msgspec.json.Encoder(enc_hook=plain).encode
NOTHING = LegOrder(0, Base(0), Price(0), "ioc", True, Price(0), Price(0))


@cache
def _others() -> dict[str, tuple[msgspec.structs.FieldInfo, Any]]:
    """The fields of an order that `_Ended` does not name, with their defaults. Not at import: types are
    looked at when they are needed.
    """
    found = {}
    for field in msgspec.structs.fields(OurOrder):
        if field.name not in _SHRUNK:
            made = field.default_factory
            found[field.name] = field, made() if callable(made) else field.default
    return found


@cache
def _decoder() -> msgspec.json.Decoder[_Ended]:
    return msgspec.json.Decoder(_Ended, dec_hook=unit)


def shrunk(order: OurOrder) -> Shrunk:
    """An order that has ended as JSON bytes, about 300; `revived` makes it whole again."""
    plan, asked, outcome, resolved = order.plan, order.order, order.outcome, order.resolved
    pieces = tuple(
        _Piece(Base(left), fill.amount, fill.price, fill.fee, fill.at_ns)
        for left, fill in order.pieces.items()
    )
    answer = _answer(resolved, order.resolved_at_ns) if resolved else None
    return msgspec.Raw(
        _encode(
            _Ended(
                order.leg,
                plan.epoch,
                plan.seq,
                plan.cycle,
                plan.purpose,
                plan.decided_ms,
                plan.recv_time_ms,
                order.before,
                asked.product_id,
                asked.amount,
                asked.limit,
                asked.kind,
                asked.reduce_only,
                asked.vwap,
                asked.mid,
                pieces,
                order.left,
                order.cancelled,
                outcome.kind if outcome else None,
                outcome.code if outcome else None,
                answer,
                ({} if plan.quote is None else {"quote": msgspec.Raw(_encode(plan.quote))})
                | {
                    name: msgspec.Raw(_encode(value))
                    for name, (_, default) in _others().items()
                    if (value := getattr(order, name)) != default
                },
            )
        )
    )


def _answer(said: Resolved, at_ns: int) -> _Answer:
    return _Answer(said.filled, said.quote, said.fee, said.provisional, said.source, at_ns, said.by_absence)


def revived(digest: str, stored: Shrunk) -> OurOrder:
    """The order again. Of the other leg's order in its plan nothing is known any more. Raises
    `msgspec.DecodeError`.
    """
    known = _decoder().decode(stored)
    quote = known.more.pop("quote", None)
    asked = LegOrder(
        known.product_id, known.amount, known.limit, known.kind, known.reduce_only, known.vwap, known.mid
    )
    order = OurOrder(known.leg, _plan(known, asked, quote), digest, known.before)
    whole = Base(abs(known.amount))
    for piece in known.pieces:
        fill = Fill(
            digest,
            known.product_id,
            piece.amount,
            piece.price,
            piece.fee,
            piece.remaining,
            whole,
            known.kind != "post_only",
            0,
            piece.at_ns,
        )
        order.pieces[int(piece.remaining)] = fill
    order.left, order.cancelled, order.ended = known.left, known.cancelled, True
    if known.answer is not None:
        order.outcome = Outcome(
            known.leg, known.epoch, known.seq, digest, known.answer, known.code, "", Ms(0), Ms(0)
        )
    if known.resolved is not None:
        said = known.resolved
        order.resolved = Resolved(
            digest,
            known.product_id,
            said.filled,
            said.quote,
            said.fee,
            said.provisional,
            said.source,
            said.by_absence,
        )
        order.resolved_at_ns = said.at_ns
    for name, raw in known.more.items():
        setattr(order, name, msgspec.json.decode(raw, type=_others()[name][0].type, dec_hook=unit))
    return order


def _plan(known: _Ended, asked: LegOrder, quote: msgspec.Raw | None) -> SizingPlan:
    eth, sol = (asked, NOTHING) if known.leg == "eth" else (NOTHING, asked)
    none, when = Ms(0), (known.decided_ms, known.recv_time_ms)
    return SizingPlan(
        known.epoch,
        known.seq,
        known.cycle,
        0,
        known.purpose,
        *when,
        none,
        none,
        none,
        Bps(0),
        eth,
        sol,
        quote=msgspec.json.decode(quote, type=QuoteTerms, dec_hook=unit) if quote is not None else None,
    )
