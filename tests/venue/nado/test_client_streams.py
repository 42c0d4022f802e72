"""Market and account streams against a server that speaks /v1/subscribe, on virtual time."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from messages.execution import Fill, OrderUpdate, PositionChange
from messages.market import BookDelta
from tests.shared_data import shared
from tests.venue.nado.wires import MemoryDialer
from venue.nado import codec
from venue.nado.counts import TroubleTally
from venue.nado.socket import BATCH_MESSAGES, QUEUE_BATCHES, Socket
from venue.nado.streams import ACK_S, BUFFER_SIZE, subscribed
from venue.protocol import Refused, Unreachable

URL = "ws://venue/v1/subscribe"
SENDER = "0x19e7e376e7c213b7e7e7e46cc70a5dd086daff2a64656661756c740000000000"
BOOKS = [codec.book_depth(4), codec.book_depth(8)]


def events_of(name: str) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = json.loads(shared(f"nado-messages/{name}.json").read_text())["events"]
    return events


def delta_frame(max_ns: int) -> str:
    return json.dumps(
        {
            "type": "book_depth",
            "product_id": 4,
            "min_timestamp": "1",
            "max_timestamp": str(max_ns),
            "last_max_timestamp": "0",
            "bids": [],
            "asks": [],
        }
    )


class StreamServer:
    """Acknowledges control frames by `ack`, then sends `after`; remembers what was asked."""

    def __init__(
        self, after: list[str], ack: Callable[[dict[str, Any]], str | None] | None = None, streams: int = 2
    ) -> None:
        self.after = after
        self.ack = ack or (lambda frame: json.dumps({"result": None, "id": frame["id"]}))
        self.streams = streams
        self.asked: list[dict[str, Any]] = []

    async def __call__(self, socket: Socket) -> None:
        while sum(frame["method"] == "subscribe" for frame in self.asked) < self.streams:
            frame = json.loads(await socket.receive())
            self.asked.append(frame)
            answer = self.ack(frame)
            if answer is not None:
                await socket.send(answer)
        for text in self.after:
            await socket.send(text)
        await socket.receive()


async def test_entered_means_that_every_subscription_is_acknowledged(autojump_clock: MockClock) -> None:
    server = StreamServer([delta_frame(7)])
    async with MemoryDialer(server) as dialer, subscribed(URL, dialer, BOOKS, TroubleTally()) as events:
        assert [frame["stream"] for frame in server.asked] == BOOKS
        event = await anext(events)
        assert isinstance(event, BookDelta)
        assert event.max_ns == 7


async def test_events_before_an_acknowledgement_are_kept_in_order(autojump_clock: MockClock) -> None:
    async def session(socket: Socket) -> None:
        first = json.loads(await socket.receive())
        await socket.send(delta_frame(1))
        await socket.send(json.dumps({"result": None, "id": first["id"]}))
        second = json.loads(await socket.receive())
        await socket.send(delta_frame(2))
        await trio.sleep(0.2)
        await socket.send(json.dumps({"result": None, "id": second["id"]}))
        await socket.send(delta_frame(3))
        await trio.sleep_forever()

    async with MemoryDialer(session) as dialer, subscribed(URL, dialer, BOOKS, TroubleTally()) as events:
        seen = [await anext(events) for _ in range(3)]
        assert [event.max_ns for event in seen if isinstance(event, BookDelta)] == [1, 2, 3]


async def test_the_account_stream_authenticates_before_it_subscribes(autojump_clock: MockClock) -> None:
    server = StreamServer(
        [json.dumps(event) for event in events_of("17_events_private_lifecycle")], streams=3
    )
    async with (
        MemoryDialer(server) as dialer,
        subscribed(
            URL, dialer, codec.account_streams(SENDER), TroubleTally(), SENDER, (1786360060123, "0xsigned")
        ) as events,
    ):
        assert [frame["method"] for frame in server.asked] == [
            "authenticate",
            "subscribe",
            "subscribe",
            "subscribe",
        ]
        assert server.asked[0]["tx"] == {"sender": SENDER, "expiration": "1786360060123"}
        assert {frame["stream"]["type"] for frame in server.asked[1:]} == {
            "fill",
            "order_update",
            "position_change",
        }
        seen = [type(await anext(events)) for _ in range(7)]
        assert seen == [OrderUpdate, Fill, OrderUpdate, PositionChange, Fill, OrderUpdate, PositionChange]


@pytest.mark.parametrize(
    "refusal",
    [
        lambda frame: json.dumps({"id": frame["id"], "error": "no such stream", "error_code": 2060}),
        lambda _frame: json.dumps({"error": "no such stream", "error_code": "2060"}),
        lambda frame: json.dumps(
            {"id": frame["id"], "status": "failure", "error": "no such stream", "error_code": 2060}
        ),
    ],
)
async def test_a_refused_subscription_is_refused(
    refusal: Callable[[dict[str, Any]], str], autojump_clock: MockClock
) -> None:
    async with MemoryDialer(StreamServer([], refusal)) as dialer:
        with pytest.raises(Refused, match="no such stream") as caught:
            async with subscribed(URL, dialer, BOOKS, TroubleTally()):
                raise AssertionError("entered")
        assert caught.value.code == 2060


async def test_a_refusal_that_ends_the_connection_is_refused_and_not_merely_unreachable(
    autojump_clock: MockClock,
) -> None:
    async def session(socket: Socket) -> None:
        frame = json.loads(await socket.receive())
        await socket.send(json.dumps({"id": frame["id"], "error": "too many", "error_code": 1000}))
        await dialer.cut()

    async with MemoryDialer(session) as dialer:
        with pytest.raises(Refused, match="too many"):
            async with subscribed(URL, dialer, BOOKS, TroubleTally()):
                raise AssertionError("entered")


async def test_a_refused_authentication_subscribes_to_nothing(autojump_clock: MockClock) -> None:
    server = StreamServer(
        [], lambda frame: json.dumps({"id": frame["id"], "error": "Invalid signature", "error_code": 2028})
    )
    async with MemoryDialer(server) as dialer:
        with pytest.raises(Refused) as caught:
            async with subscribed(
                URL, dialer, codec.account_streams(SENDER), TroubleTally(), SENDER, (1, "0x")
            ):
                raise AssertionError("entered")
        assert caught.value.code == 2028
    assert [frame["method"] for frame in server.asked] == ["authenticate"]


async def test_a_missing_acknowledgement_is_unreachable_in_time(autojump_clock: MockClock) -> None:
    async with MemoryDialer(StreamServer([], lambda _frame: None)) as dialer:
        with pytest.raises(Unreachable, match="no acknowledgement"):
            async with subscribed(URL, dialer, BOOKS, TroubleTally()):
                raise AssertionError("entered")
        assert trio.current_time() == pytest.approx(ACK_S, abs=1.1)


async def test_a_connection_lost_while_subscribing_is_unreachable_at_once(autojump_clock: MockClock) -> None:
    async def session(socket: Socket) -> None:
        await socket.receive()
        await dialer.cut()

    async with MemoryDialer(session) as dialer:
        with pytest.raises(Unreachable):
            async with subscribed(URL, dialer, BOOKS, TroubleTally()):
                raise AssertionError("entered")
        assert trio.current_time() < 1


async def test_a_cut_stream_yields_what_had_arrived_and_then_says_so(autojump_clock: MockClock) -> None:
    """Lesson R7: a lost stream is an error, never a quiet one."""
    async with (
        MemoryDialer(StreamServer([delta_frame(1), delta_frame(2)])) as dialer,
        subscribed(URL, dialer, BOOKS, TroubleTally()) as events,
    ):
        await dialer.cut()
        seen = [await anext(events), await anext(events)]
        assert len(seen) == 2
        with pytest.raises(Unreachable):
            await anext(events)


async def test_frames_that_cannot_be_read_are_counted_and_survived(autojump_clock: MockClock) -> None:
    noise = [
        "",
        "not json",
        "[1,2]",
        '{"type":"book_depth"}',
        delta_frame(1).replace('"1"', '"1e9"'),
        '{"type":"trade","price":"1"}',
        '{"type":7}',
    ]
    tally = TroubleTally()
    async with (
        MemoryDialer(StreamServer([*noise, delta_frame(9)])) as dialer,
        subscribed(URL, dialer, BOOKS, tally) as events,
    ):
        event = await anext(events)
        assert isinstance(event, BookDelta)
        assert event.max_ns == 9
        assert (tally.counts.unreadable, tally.counts.unknown, tally.counts.events) == (6, 1, 1)


async def test_account_events_on_a_market_stream_are_not_passed_on(autojump_clock: MockClock) -> None:
    stray = json.dumps(events_of("17_events_private_lifecycle")[1])
    async with (
        MemoryDialer(StreamServer([stray, delta_frame(9)])) as dialer,
        subscribed(URL, dialer, BOOKS, TroubleTally()) as events,
    ):
        assert isinstance(await anext(events), BookDelta)


def flood(events: int) -> list[str]:
    return [delta_frame(number) for number in range(1, events + 1)]


async def test_a_reader_that_takes_nothing_for_a_while_keeps_the_connection_and_misses_nothing(
    autojump_clock: MockClock,
) -> None:
    """It reads a snapshot, in the middle of a flood. Lesson R16: what waits meanwhile is bounded, the rest
    stays on the wire.
    """
    async with (
        MemoryDialer(StreamServer(flood(10_000))) as dialer,
        subscribed(URL, dialer, BOOKS, TroubleTally()) as events,
    ):
        await trio.sleep(20)
        assert BATCH_MESSAGES <= events.backlog <= BATCH_MESSAGES * (QUEUE_BATCHES + 2)
        seen = [await anext(events) for _ in range(10_000)]
        assert [event.max_ns for event in seen if isinstance(event, BookDelta)] == [*range(1, 10_001)]


async def test_a_reader_that_takes_nothing_for_good_loses_the_connection(autojump_clock: MockClock) -> None:
    async with (
        MemoryDialer(StreamServer(flood(10_000))) as dialer,
        subscribed(URL, dialer, BOOKS, TroubleTally()) as events,
    ):
        await trio.sleep(100)
        with pytest.raises(Unreachable, match="nothing received for 60 s"):
            async for _ in events:
                pass


async def test_a_flood_before_the_acknowledgement_is_kept_up_to_a_number_of_events(
    autojump_clock: MockClock,
) -> None:
    """Lesson R16: every queue is bounded."""

    async def session(socket: Socket) -> None:
        await socket.receive()
        for text in flood(3 * BUFFER_SIZE):
            await socket.send(text)
        await trio.sleep_forever()

    async with MemoryDialer(session) as dialer:
        with pytest.raises(Unreachable, match=r"fell behind: \d+ events"):
            async with subscribed(URL, dialer, BOOKS, TroubleTally()):
                raise AssertionError("entered")


async def test_what_arrives_together_is_taken_together_in_order_and_never_too_much_of_it(
    autojump_clock: MockClock,
) -> None:
    async with (
        MemoryDialer(StreamServer(flood(200))) as dialer,
        subscribed(URL, dialer, BOOKS, TroubleTally()) as events,
    ):
        await trio.sleep(1)
        batches: list[list[int]] = []
        while sum(map(len, batches)) < 200:
            batch = await events.batch()
            batches.append([event.max_ns for event in batch if isinstance(event, BookDelta)])
        assert [number for batch in batches for number in batch] == [*range(1, 201)]
        assert max(map(len, batches)) <= BATCH_MESSAGES
        assert len(batches) < 20


async def test_a_silent_stream_is_unreachable_after_a_minute(autojump_clock: MockClock) -> None:
    async with (
        MemoryDialer(StreamServer([])) as dialer,
        subscribed(URL, dialer, BOOKS, TroubleTally()) as events,
    ):
        dialer.mute = True
        with pytest.raises(Unreachable, match="nothing received"):
            await anext(events)
        assert trio.current_time() == pytest.approx(60, abs=1.1)


async def test_a_quiet_market_on_a_live_connection_stays_open(autojump_clock: MockClock) -> None:
    async with (
        MemoryDialer(StreamServer([])) as dialer,
        subscribed(URL, dialer, BOOKS, TroubleTally()) as events,
    ):
        with trio.move_on_after(600) as scope:
            await anext(events)
        assert scope.cancelled_caught


async def test_answers_to_questions_that_nobody_asked_are_counted_and_not_kept(
    autojump_clock: MockClock,
) -> None:
    """Lesson R16."""
    stray = [json.dumps({"result": None, "id": number}) for number in range(100, 2_100)]
    tally = TroubleTally()
    async with (
        MemoryDialer(StreamServer([*stray, delta_frame(9)])) as dialer,
        subscribed(URL, dialer, BOOKS, tally) as events,
    ):
        await anext(events)
        assert tally.counts.controls == 2_002
        assert not events._asked


async def test_a_refusal_that_comes_after_the_subscription_is_told_and_ends_nothing(
    autojump_clock: MockClock,
) -> None:
    told: list[str] = []
    tally = TroubleTally("market stream", told.append)
    late = json.dumps({"error": "too many messages", "error_code": 1000})
    async with (
        MemoryDialer(StreamServer([late, delta_frame(9)])) as dialer,
        subscribed(URL, dialer, BOOKS, tally) as events,
    ):
        await anext(events)
        assert told == ['an error answer from the exchange: "too many messages"']


async def test_an_oversized_message_ends_the_connection_is_counted_and_the_next_connection_works(
    autojump_clock: MockClock,
) -> None:
    tally = TroubleTally()
    huge = StreamServer([json.dumps({"type": "book_depth", "pad": "0" * (4 * 2**20)})])
    async with MemoryDialer(huge) as dialer:
        async with subscribed(URL, dialer, BOOKS, tally) as events:
            with pytest.raises(Unreachable, match="1009"):
                await anext(events)
        huge.after, huge.asked = [delta_frame(9)], []
        async with subscribed(URL, dialer, BOOKS, tally) as events:
            await anext(events)
    assert (tally.counts.oversized, tally.counts.lost, tally.counts.connections) == (1, 1, 2)
