"""A fold to bytes and back, for the snapshot rows of the ledger.

Orders are shared: the same order may stand in the plan in flight, in the cycle and among those remembered,
and an event must move it once. So every order that is still whole stands once in a pool, and all else names
it by its place there. Every other field is kept as it is, by name: a new field of the fold, of a flight, a
cycle or an order is kept without a change here. What it *means* is not known here, so:

**Whoever changes what the fold makes of a row, or adds a field that older rows should have set, raises
`FOLD_VERSION`.** A snapshot of another version is not used; the rows are folded again. A test holds the
fields of everything in a snapshot against the fingerprint that belongs to the version.
"""

from collections.abc import Iterable
from functools import cache
from typing import Any, TypeVar

import msgspec

from actors.ledger.cycles import Cycle
from actors.ledger.flight import Flight
from actors.ledger.fold import Fold
from actors.ledger.orders import OurOrder, Shrunk
from actors.ledger.remembered_orders import plain, unit
from messages.lifecycle import FoldSnapshot
from messages.sizing import Leg, Sealed

FOLD_VERSION = 11
"""Raise it whenever the same rows give another fold than before."""

Fields = dict[str, msgspec.Raw]
S = TypeVar("S", bound=msgspec.Struct)


class NoSnapshot(Exception):
    """These bytes are no fold that this version can go on from: the rows are folded again."""


class _Flight(msgspec.Struct):
    fields: Fields
    eth: int
    sol: int


class _Frozen(msgspec.Struct):
    fields: Fields
    cycle: Fields
    cycle_orders: list[int]
    flight: _Flight | None
    last_flight: _Flight | None
    working: dict[Leg, _Flight]
    strays: list[int]
    unpriced: list[int]
    pool: list[OurOrder]
    orders: dict[str, msgspec.Raw]
    """By digest, in their order: a place in the pool, or the bytes of one that is shrunk."""


_APART = {
    Fold: ("cycle", "flight", "last_flight", "working", "strays", "unpriced", "orders"),
    Cycle: ("orders",),
    Flight: ("orders",),
}
"""The fields that hold orders."""
_encode = msgspec.json.Encoder(enc_hook=plain).encode


def snapshot_of(fold: Fold, csvs: tuple[int, int]) -> FoldSnapshot:
    """The row that says what `fold` is, to be appended and folded next. Ended orders that nothing points
    to are shrunk.
    """
    fold.shrink()
    pool = _Pool()
    frozen = _Frozen(
        fields=_fields(fold),
        cycle=_fields(fold.cycle),
        cycle_orders=pool.places(fold.cycle.orders),
        flight=_flight(fold.flight, pool) if fold.flight is not None else None,
        last_flight=_flight(fold.last_flight, pool) if fold.last_flight is not None else None,
        working={leg: _flight(flight, pool) for leg, flight in fold.working.items()},
        strays=pool.places(fold.strays),
        unpriced=pool.places(fold.unpriced.values()),
        orders={
            digest: msgspec.Raw(_encode(pool.place(order))) if isinstance(order, OurOrder) else order
            for digest, order in fold.orders.items()
        },
        pool=pool.orders,
    )
    return FoldSnapshot(FOLD_VERSION, *csvs, msgspec.Raw(_encode(frozen)))


def fold_in(snapshot: FoldSnapshot) -> Fold:
    """The fold as it was when `snapshot` was made, its own row not yet taken. Raises `NoSnapshot`."""
    if snapshot.version != FOLD_VERSION:
        raise NoSnapshot(f"a snapshot of fold version {snapshot.version}, this is {FOLD_VERSION}")
    try:
        frozen = _decoder().decode(snapshot.state)
        pool = frozen.pool
        fold = _with_fields(Fold(), frozen.fields)
        fold.cycle = _with_fields(Cycle(orders=[pool[place] for place in frozen.cycle_orders]), frozen.cycle)
        fold.flight = _flown(frozen.flight, pool) if frozen.flight is not None else None
        fold.last_flight = _flown(frozen.last_flight, pool) if frozen.last_flight is not None else None
        fold.working = {leg: _flown(flight, pool) for leg, flight in frozen.working.items()}
        fold.strays = [pool[place] for place in frozen.strays]
        fold.unpriced = {pool[place].digest: pool[place] for place in frozen.unpriced}
        fold.orders = {digest: _whole(raw, pool) for digest, raw in frozen.orders.items()}
    except (msgspec.DecodeError, ValueError, TypeError, LookupError) as error:
        raise NoSnapshot(f"a snapshot that cannot be read: {error}") from error
    return fold


@cache
def _decoder() -> msgspec.json.Decoder[_Frozen]:
    return msgspec.json.Decoder(_Frozen, dec_hook=unit)


class _Pool:
    def __init__(self) -> None:
        self.orders: list[OurOrder] = []
        self._place: dict[int, int] = {}

    def place(self, order: OurOrder) -> int:
        if id(order) not in self._place:
            self._place[id(order)] = len(self.orders)
            self.orders.append(order)
        return self._place[id(order)]

    def places(self, orders: Iterable[OurOrder]) -> list[int]:
        return [self.place(order) for order in orders]


def _fields(struct: msgspec.Struct) -> Fields:
    names = (name for name in struct.__struct_fields__ if name not in _APART[type(struct)])
    return {name: msgspec.Raw(_encode(getattr(struct, name))) for name in names}


def _flight(flight: Flight, pool: _Pool) -> _Flight:
    return _Flight(_fields(flight), *pool.places(flight.orders))


def _flown(flight: _Flight, pool: list[OurOrder]) -> Flight:
    sealed = msgspec.json.decode(flight.fields["sealed"], type=Sealed, dec_hook=unit)
    return _with_fields(Flight(sealed, (pool[flight.eth], pool[flight.sol])), flight.fields)


def _whole(raw: msgspec.Raw, pool: list[OurOrder]) -> OurOrder | Shrunk:
    content = bytes(raw)
    return pool[int(content)] if content.isdigit() else msgspec.Raw(content)


def _with_fields(struct: S, known: Fields) -> S:
    types: dict[str, Any] = {field.name: field.type for field in msgspec.structs.fields(type(struct))}
    for name, raw in known.items():
        setattr(struct, name, msgspec.json.decode(raw, type=types[name], dec_hook=unit))
    return struct
