"""What is kept of the exchange's own words: by order, bounded in every way, and given away once."""

import pytest

from messages.execution import Fill, OrderUpdate, PositionChange
from messages.units import Base, Ns, Price, Quote
from venue import raw_messages
from venue.raw_messages import MESSAGES_KEPT, ORDERS_KEPT, RawMessages

FILL = Fill("0x01", 4, Base(1), Price(1), Quote(0), Base(0), Base(1), True, 0, Ns(1))


def test_texts_are_kept_by_order_and_given_away_once() -> None:
    raw = RawMessages()
    raw.keep("0x01", "order", "sent")
    raw.heard(FILL, "filled")
    raw.heard(OrderUpdate("0x02", 4, Base(0), "placed", Ns(1)), "placed")
    raw.heard(PositionChange(4, False, Base(1), Quote(0), "match_orders", Ns(1)), "moved")
    assert raw.take(["0x01", "0x09"]) == {"0x01": [("order", "sent"), ("fill", "filled")]}
    assert raw.take(["0x01", "0x02"]) == {"0x02": [("order_update", "placed")]}


def test_beyond_the_limits_the_oldest_order_goes_and_what_was_dropped_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    raw = RawMessages()
    for number in range(ORDERS_KEPT + 3):
        raw.keep(str(number), "order", "x")
    assert raw.dropped == 3
    assert raw.take(["0", "2", "3"]) == {"3": [("order", "x")]}
    for _ in range(MESSAGES_KEPT + 5):
        raw.keep("one", "fill", "x")
    assert raw.dropped == 8

    monkeypatch.setattr(raw_messages, "TEXT_KEPT_MAX", 100)
    small = RawMessages()
    small.keep("a", "fill", "x" * 60)
    small.keep("b", "fill", "x" * 60)
    small.keep("b", "fill", "x" * 101)
    assert small.dropped == 2
    assert list(small.take(["a", "b"])) == ["b"]
    small.keep("c", "fill", "x" * 100)
    assert small.dropped == 2
