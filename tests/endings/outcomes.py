"""What can become of one leg's order, as the venue's staged accidents or the leg's own connection make it
happen.
"""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import msgspec

from venue.simulated.engine.rules import TAKER_DELAY_S
from venue.simulated.faults.incidents import GatewayMode
from venue.simulated.faults.order_faults import (
    Cut,
    DisturbEvent,
    Faults,
    Forget,
    Late,
    LoseAck,
    Pieces,
    Refuse,
    SlowAck,
)

MATCHED_MS = round(TAKER_DELAY_S * 1000)
SLOW_MS, HELD_MS, AWAY_MS, LATE_MS = 700, 900, 1_500, 1_500


class StruckOrder(NamedTuple):
    """The order that it happens to: its product, its size steps, and the code with which the venue says
    that it did not trade.
    """

    product: str
    lots: int
    not_filled: int


def _half(order: StruckOrder) -> Pieces:
    return Pieces(
        nth=1,
        product=order.product,
        increasing=False,
        lots=(max(1, order.lots // 2),),
        only=True,
        breaks_fok=True,
    )


def _first(order: StruckOrder) -> dict[str, Any]:
    return {"nth": 1, "product": order.product, "increasing": False}


def _partial(order: StruckOrder) -> Faults:
    return Faults(split=(_half(order),))


def _rejected(order: StruckOrder) -> Faults:
    return Faults(refuse=(Refuse(**_first(order), code=order.not_filled),))


def _forgotten(order: StruckOrder) -> Faults:
    return Faults(forget=(Forget(**_first(order)),))


def _fill_first(order: StruckOrder) -> Faults:
    return Faults(slow_ack=(SlowAck(**_first(order), delay_ms=SLOW_MS),))


def _ack_lost(order: StruckOrder) -> Faults:
    return Faults(lose_ack=(LoseAck(**_first(order)),))


def _fill_after_cancel(order: StruckOrder) -> Faults:
    """The cancellation of the rest is told at once, what had traded before it only later."""
    late = (
        DisturbEvent(nth=1, how="delay", stream=stream, product=order.product, delay_ms=HELD_MS)
        for stream in ("fill", "order_update")
    )
    return Faults(split=(_half(order),), event=tuple(late))


def _filled_twice(order: StruckOrder) -> Faults:
    return Faults(event=(DisturbEvent(nth=1, how="duplicate", stream="fill", product=order.product),))


def _cut_after(order: StruckOrder) -> Faults:
    return Faults(cut=(Cut(**_first(order), when="after"),))


def _unavailable(order: StruckOrder) -> Faults:
    """From the next millisecond on nobody else is answered either: what was sent together with it has
    arrived.
    """
    return Faults(
        refuse=(Refuse(**_first(order), code=1004),),
        incident=(GatewayMode(at_ms=1, for_ms=AWAY_MS, answer="unavailable"),),
    )


def _limited(order: StruckOrder) -> Faults:
    return Faults(
        refuse=(Refuse(**_first(order), code=1000),),
        incident=(GatewayMode(at_ms=1, for_ms=AWAY_MS, answer="rate_limited"),),
    )


def _unknown(order: StruckOrder) -> Faults:
    return Faults(late=(Late(**_first(order), delay_ms=LATE_MS),), lose_ack=(LoseAck(**_first(order)),))


def _nothing(_order: StruckOrder) -> Faults:
    return Faults()


class Outcome(NamedTuple):
    """A row and a column of the matrix."""

    name: str
    strikes_ms: int
    """After both legs were told to place."""
    stage: Callable[[StruckOrder], Faults]
    meaning: str
    wire: Literal["", "dead", "breaks"] = ""
    """What becomes of the leg's own connection: it is over before the first byte, or breaks in the middle
    of the order.
    """


OUTCOMES = {
    outcome.name: outcome
    for outcome in (
        Outcome("filled", MATCHED_MS, _nothing, "in full, at once"),
        Outcome(
            "partial", MATCHED_MS, _partial, "half of it; of a FOK too, which a correct venue never does"
        ),
        Outcome("rejected", 0, _rejected, "2031 for a FOK, 2056 for an IOC"),
        Outcome(
            "never filled",
            MATCHED_MS,
            _forgotten,
            "acknowledged, then nothing: no fill, no cancellation, no word",
        ),
        Outcome(
            "fill first",
            MATCHED_MS,
            _fill_first,
            f"the fill is told {SLOW_MS} ms before the acknowledgement comes",
        ),
        Outcome("ack lost", MATCHED_MS, _ack_lost, "accepted and filled, the answer never comes"),
        Outcome(
            "late fill",
            MATCHED_MS,
            _fill_after_cancel,
            f"half is filled, the rest cancelled; the fill is told {HELD_MS} ms after that",
        ),
        Outcome("filled twice", MATCHED_MS, _filled_twice, "the fill is told twice"),
        Outcome("cut before", 0, _nothing, "the connection is lost before the first byte", "dead"),
        Outcome(
            "cut while", 0, _nothing, "the connection is lost with half of the order's bytes sent", "breaks"
        ),
        Outcome(
            "cut after",
            MATCHED_MS,
            _cut_after,
            "the connection is lost after the order was filled, before its answer",
        ),
        Outcome(
            "503", 0, _unavailable, f"answered with 1004, and everything over HTTP with 503 for {AWAY_MS} ms"
        ),
        Outcome(
            "1000", 0, _limited, f"answered with 1000, and everything over HTTP with 429 for {AWAY_MS} ms"
        ),
        Outcome("unknown", LATE_MS, _unknown, f"under way for {LATE_MS} ms, then filled, and never answered"),
    )
}


def together(first: Faults, second: Faults) -> Faults:
    """Both."""
    fields = [name for name in Faults.__struct_fields__ if isinstance(getattr(first, name), tuple)]
    return msgspec.structs.replace(
        first, **{name: getattr(first, name) + getattr(second, name) for name in fields}
    )
