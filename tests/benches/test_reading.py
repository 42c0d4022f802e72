"""The bytes of a tap become messages with the time of the call that completed each, and entries. The bytes
are made by wsproto itself, both sides of it.
"""

import json
from collections.abc import Iterator

import pytest
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, Request, TextMessage
from wsproto.extensions import PerMessageDeflate

from benches.hedge.reading import Hedge, hedges
from benches.tick.reading import Gate, entries, messages
from benches.tick.tap import Call

GATE = Gate(4, "2756900000000000000000")


class Conversation:
    """One WebSocket over a tapped descriptor; every call takes a microsecond."""

    def __init__(self, calls: list[Call], descriptor: int, path: str, clock: Iterator[int]) -> None:
        self.calls, self.descriptor, self.clock = calls, descriptor, clock
        self.client, self.server = WSConnection(ConnectionType.CLIENT), WSConnection(ConnectionType.SERVER)
        asked = self.client.send(
            Request(
                host="127.0.0.1:1", target=path, extensions=[PerMessageDeflate(client_max_window_bits=12)]
            )
        )
        self.passed(asked, sent=True)
        self.server.receive_data(asked)
        list(self.server.events())
        answered = self.server.send(AcceptConnection(extensions=[PerMessageDeflate()]))
        self.passed(answered, sent=False)
        self.client.receive_data(answered)
        list(self.client.events())

    def passed(self, data: bytes, *, sent: bool, parts: int = 1) -> None:
        size = -(-len(data) // parts)
        for start in range(0, len(data), size):
            self.calls.append((next(self.clock), self.descriptor, sent, data[start : start + size]))

    def say(self, text: str, *, sent: bool, parts: int = 1) -> int:
        """The time of its last byte."""
        self.passed((self.client if sent else self.server).send(TextMessage(text)), sent=sent, parts=parts)
        return self.calls[-1][0]


@pytest.fixture
def calls() -> list[Call]:
    return []


@pytest.fixture
def clock() -> Iterator[int]:
    return iter(range(1_000, 10_000_000, 1_000))


def book_batch(product_id: int, *, narrow: bool) -> str:
    amount = "1000" if narrow else "0"
    return json.dumps(
        {"type": "book_depth", "product_id": product_id, "bids": [], "asks": [[GATE.narrow_ask, amount]]}
    )


def order_frame(product_id: int, *, reduce_only: bool = False) -> str:
    appendix = 1 | 2 << 9 | reduce_only << 11
    return json.dumps(
        {"place_order": {"product_id": product_id, "order": {"appendix": str(appendix)}}},
        separators=(",", ":"),
    )


def test_a_message_has_the_time_of_the_call_that_completed_it(
    calls: list[Call], clock: Iterator[int]
) -> None:
    talk = Conversation(calls, 7, "/v1/subscribe", clock)
    first = talk.say("from the exchange" * 50, sent=False, parts=3)
    second = talk.say("to the exchange", sent=True)
    assert [tuple(each) for each in messages(calls)] == [
        (first, "/v1/subscribe", False, "from the exchange" * 50),
        (second, "/v1/subscribe", True, "to the exchange"),
    ]


def test_a_descriptor_that_is_used_again_is_another_connection(
    calls: list[Call], clock: Iterator[int]
) -> None:
    Conversation(calls, 7, "/v1/ws", clock).say("old", sent=True)
    calls.append((next(clock), 7, True, b"POST /v1/query HTTP/1.1\r\n\r\n"))
    calls.append((next(clock), 7, False, b"HTTP/1.1 200 OK\r\n\r\n{}"))
    Conversation(calls, 7, "/v1/subscribe", clock).say("new", sent=False)
    assert [(each.path, each.text) for each in messages(calls)] == [
        ("/v1/ws", "old"),
        ("/v1/subscribe", "new"),
    ]


def test_an_entry_reaches_from_the_quotes_last_byte_to_the_second_order(
    calls: list[Call], clock: Iterator[int]
) -> None:
    market = Conversation(calls, 7, "/v1/subscribe", clock)
    eth, sol = (Conversation(calls, descriptor, "/v1/ws", clock) for descriptor in (8, 9))
    market.say(book_batch(4, narrow=False), sent=False)
    quote_ns = market.say(book_batch(4, narrow=True), sent=False, parts=2)
    market.say(book_batch(8, narrow=True), sent=False)  # the other product's, and no other quote
    market.say(book_batch(4, narrow=True), sent=False)  # the same level with another amount: no new opening
    sol_ns, eth_ns = sol.say(order_frame(8), sent=True), eth.say(order_frame(4), sent=True, parts=2)
    for talk, product_id in ((eth, 4), (sol, 8)):
        talk.say(order_frame(product_id, reduce_only=True), sent=True)
    found = entries(calls, GATE)
    assert found.missed == 0
    assert [tuple(each) for each in found.entries] == [(quote_ns, eth_ns, sol_ns)]
    assert found.entries[0].tick_us == (eth_ns - quote_ns) / 1000
    assert found.entries[0].skew_us == (eth_ns - sol_ns) / 1000


def test_an_opening_without_orders_is_missed_only_between_entries(
    calls: list[Call], clock: Iterator[int]
) -> None:
    market = Conversation(calls, 7, "/v1/subscribe", clock)
    eth, sol = (Conversation(calls, descriptor, "/v1/ws", clock) for descriptor in (8, 9))
    for enters in (False, True, False, True, False):
        market.say(book_batch(4, narrow=True), sent=False)
        if enters:
            eth.say(order_frame(4), sent=True)
            sol.say(order_frame(8), sent=True)
        market.say(book_batch(4, narrow=False), sent=False)
    found = entries(calls, GATE)
    assert (len(found.entries), found.missed) == (2, 1)


def test_one_order_alone_is_no_entry(calls: list[Call], clock: Iterator[int]) -> None:
    market = Conversation(calls, 7, "/v1/subscribe", clock)
    eth, sol = (Conversation(calls, descriptor, "/v1/ws", clock) for descriptor in (8, 9))
    market.say(book_batch(4, narrow=True), sent=False)
    eth.say(order_frame(4), sent=True)
    market.say(book_batch(4, narrow=False), sent=False)
    sol.say(order_frame(8), sent=True)
    assert entries(calls, GATE).entries == []


def fill_text(number: int, *, product_id: int = 4, is_taker: bool = False) -> str:
    return json.dumps(
        {"type": "fill", "product_id": product_id, "is_taker": is_taker, "submission_idx": number}
    )


class Wire:
    """One connection with a tap at each of its ends."""

    def __init__(self, path: str, descriptor: int, clock: Iterator[int]) -> None:
        self.run, self.exchange = list[Call](), list[Call]()
        self._talk = Conversation(self.run, descriptor, path, clock)
        self._clock = clock
        self._carried()

    def _carried(self) -> None:
        """The other end has the same bytes, one number further, and the other way round."""
        for _, descriptor, sent, data in self.run[len(self.exchange) :]:
            self.exchange.append((next(self._clock), descriptor, not sent, data))

    def say(self, text: str, *, sent: bool) -> tuple[int, int]:
        """The times of its last byte at the run and at the exchange."""
        at_ns = self._talk.say(text, sent=sent)
        self._carried()
        return at_ns, self.exchange[-1][0]


def test_a_hedge_reaches_from_the_fills_bytes_at_the_exchange_to_the_next_order_of_the_other_leg(
    clock: Iterator[int],
) -> None:
    account, orders = Wire("/v1/subscribe", 7, clock), Wire("/v1/ws", 8, clock)
    account.say(fill_text(1, is_taker=True), sent=False)
    account.say(fill_text(2, product_id=8), sent=False)
    orders.say(order_frame(8), sent=True)  # it hedges nothing: none of ours that rested has traded
    fills = [account.say(fill_text(number), sent=False) for number in (3, 4)]
    orders.say(order_frame(4), sent=True)
    orders.say(order_frame(8, reduce_only=True), sent=True)
    sent_ns, _ = orders.say(order_frame(8), sent=True)
    account.say(fill_text(5), sent=False)
    found = hedges(account.exchange + orders.exchange, sorted(account.run + orders.run), eth_id=4, sol_id=8)
    assert found.hedges == [Hedge(fills[1][1], fills[1][0], sent_ns)]
    assert found.missed == 2
