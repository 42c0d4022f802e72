"""What happens to events and answers on their way, over the real wire, on virtual time. The engine knows
nothing of it.
"""

from typing import Any

import msgspec
import pytest
import trio
from trio.testing import MockClock

from messages.units import Base
from tests.venue.simulated.desk import ETH, ME, Floor, Line, floor, levels, order
from venue.simulated.faults.order_faults import (
    DisturbEvent,
    DisturbReply,
    Faults,
    Forget,
    Late,
    Pieces,
    RecurrenceCounter,
    Recurring,
    SlowAck,
    Thin,
)
from venue.simulated.gateway.answers import REQUESTS
from venue.simulated.markets import BookChange

MS = 1_000_000
FILLS: dict[str, Any] = {"type": "fill", "subaccount": ME, "product_id": None}
BOOK: dict[str, Any] = {"type": "book_depth", "product_id": ETH}


def event(how: Any, stream: Any = "fill", **when: int) -> Faults:
    return Faults(event=(DisturbEvent(how=how, stream=stream, **when),))


async def buy(place: Floor, line: Line, *amounts: str) -> list[str]:
    """Buy these amounts one after the other, and what the line tells of it, in thousandths, until half a
    second after the last.
    """
    for amount in amounts:
        await place.post("/v1/execute", place.frame(order(amount, "2757.0")))
    heard: list[str] = []
    with trio.move_on_after(0.6):
        while True:
            told = await line.read()
            heard.append(str(int(told["filled_qty"]) // 10**15))
    return heard


@pytest.mark.parametrize(
    ("faults", "heard"),
    [
        (Faults(), ["1", "2", "3"]),
        (event("drop", nth=2), ["1", "3"]),
        (event("duplicate", nth=2), ["1", "2", "2", "3"]),
        (event("delay", nth=1, delay_ms=40), ["2", "1", "3"]),
        (event("delay", nth=1, delay_ms=90), ["2", "3", "1"]),
        (event("reorder", nth=2), ["1", "3", "2"]),
        (event("reorder", nth=3), ["1", "2", "3"]),
        (event("drop", stream="", one_in=1), []),
        (event("drop", stream="order_update", one_in=1), ["1", "2", "3"]),
        (Faults(event=(DisturbEvent(how="drop", product="SOL-PERP", one_in=1),)), ["1", "2", "3"]),
        (Faults(event=(DisturbEvent(how="drop", product="ETH-PERP", one_in=1),)), []),
    ],
    ids=str,
)
async def test_an_event_is_dropped_doubled_late_or_overtaken(
    autojump_clock: MockClock, faults: Faults, heard: list[str]
) -> None:
    async with floor(faults=faults) as place, place.socket("/v1/subscribe") as line:
        await line.subscribe(FILLS)
        assert await buy(place, line, "0.001", "0.002", "0.003") == heard
        assert place.venue.exchange.accounts[ME].position(ETH).amount == Base.of("0.006")


async def test_only_events_that_somebody_hears_are_counted(autojump_clock: MockClock) -> None:
    async with floor(faults=event("drop", nth=1)) as place, place.socket("/v1/subscribe") as line:
        await place.post("/v1/execute", place.frame(order("0.009", "2757.0")))
        await line.subscribe(FILLS)
        assert await buy(place, line, "0.001", "0.002") == ["2"]


async def test_a_lost_batch_leaves_a_gap_in_the_chain(autojump_clock: MockClock) -> None:
    moves = [
        BookChange(
            number * 100 * MS,
            "eth",
            levels((f"275{number}.0", "1")),
            levels((f"276{number}.0", "1")),
            None,
            (),
        )
        for number in (1, 2, 3)
    ]
    async with (
        floor(*moves, faults=event("drop", stream="book_depth", nth=2)) as place,
        place.socket("/v1/subscribe") as line,
    ):
        await line.subscribe(BOOK)
        first, third = await line.read(), await line.read()
        assert int(third["last_max_timestamp"]) > int(first["max_timestamp"])


def test_one_in_so_many_is_drawn_by_the_seed() -> None:
    def drawn(seed: int) -> list[bool]:
        turns = RecurrenceCounter([Recurring(one_in=4)], seed)
        return [turns.due(lambda _: True) is not None for _ in range(400)]

    assert drawn(1) == drawn(1) != drawn(2)
    assert 60 < sum(drawn(1)) < 140


async def test_an_answer_is_lost_or_late_on_the_socket_and_over_http(autojump_clock: MockClock) -> None:
    faults = Faults(
        reply=(
            DisturbReply(request="status", nth=1, how="lose"),
            DisturbReply(request="status", nth=2, how="delay", delay_ms=700),
        )
    )
    async with floor(faults=faults) as place, place.socket("/v1/ws") as line:
        await line.send({"type": "status"})
        asked = trio.current_time()
        assert (await line.ask({"type": "status"}))["data"] == "active"
        assert trio.current_time() - asked == pytest.approx(0.7)
        place.venue.faults = faults
        lost = await place.http.post("http://venue/v1/query", json={"type": "status"})
        assert lost.status_code == 504
        assert await place.query(type="status") == "active"
        assert trio.current_time() - asked == pytest.approx(1.4)


@pytest.mark.parametrize("request_name", ["time", "archive_orders", "symbols", "place_order", "authenticate"])
async def test_every_kind_of_request_can_lose_its_answer(
    autojump_clock: MockClock, request_name: str
) -> None:
    assert request_name in REQUESTS
    async with floor(faults=Faults(reply=(DisturbReply(request=request_name, nth=1, how="lose"),))) as place:
        if request_name == "time":
            assert (await place.http.get("http://venue/v1/time")).status_code == 504
        elif request_name == "archive_orders":
            assert (
                await place.http.post("http://venue/v1", json={"orders": {"digests": []}})
            ).status_code == 504
        elif request_name == "symbols":
            assert (await place.http.get("http://venue/v1/symbols")).status_code == 504
        elif request_name == "place_order":
            assert (
                await place.http.post(
                    "http://venue/v1/execute", content=place.frame(order("0.001", "2757.0"))
                )
            ).status_code == 504
            assert place.venue.exchange.accounts[ME].position(ETH).amount == Base.of("0.001")
        else:
            async with place.socket("/v1/subscribe") as line:
                await line.send({"method": "authenticate", "id": 1})
                assert (await line.ask({"method": "list", "id": 2}))["id"] == 2


async def test_an_order_that_finds_a_thin_book_is_filled_in_part_or_refused(
    autojump_clock: MockClock,
) -> None:
    faults = Faults(thin=(Thin(nth=1, lots=3), Thin(nth=2, lots=3)))
    async with floor(faults=faults) as place:
        await place.post("/v1/execute", place.frame(order("0.010", "2757.0")))
        refused = await place.post("/v1/execute", place.frame(order("0.010", "2757.0", "fok")))
        assert place.venue.exchange.accounts[ME].position(ETH).amount == Base.of("0.003")
        assert refused["error_code"] == 2031


async def test_an_order_that_is_late_arrives_although_its_connection_is_gone(
    autojump_clock: MockClock,
) -> None:
    async with floor(faults=Faults(late=(Late(nth=1, delay_ms=1_500),))) as place:
        async with place.socket("/v1/ws") as line:
            await line.send(place.frame(order("0.001", "2757.0")))
            await trio.sleep(0.01)
        await trio.sleep(1.3)
        assert list(place.venue.exchange.order_log) == []
        await trio.sleep(0.3)
        assert place.venue.exchange.accounts[ME].position(ETH).amount == Base.of("0.001")


async def test_a_venue_that_breaks_its_rule_leaves_a_fok_filled_in_part(autojump_clock: MockClock) -> None:
    split = Pieces(nth=1, lots=(3,), only=True, breaks_fok=True)
    async with floor(faults=Faults(split=(split,))) as place:
        answer = await place.post("/v1/execute", place.frame(order("0.010", "2757.0", "fok")))
        assert (answer["status"], place.venue.exchange.accounts[ME].position(ETH).amount) == (
            "success",
            Base.of("0.003"),
        )


async def test_an_order_can_be_acknowledged_and_forgotten(autojump_clock: MockClock) -> None:
    async with floor(faults=Faults(forget=(Forget(nth=1),))) as place:
        answer = await place.post("/v1/execute", place.frame(order("0.010", "2757.0")))
        await trio.sleep(60)
        assert (answer["status"], place.venue.exchange.accounts[ME].position(ETH).amount) == ("success", 0)


async def test_an_answer_can_come_long_after_the_order_has_traded(autojump_clock: MockClock) -> None:
    async with (
        floor(faults=Faults(slow_ack=(SlowAck(nth=1, delay_ms=700),))) as place,
        place.socket("/v1/ws") as line,
    ):
        began = trio.current_time()
        await line.send(place.frame(order("0.010", "2757.0")))
        await trio.sleep(0.1)
        assert place.venue.exchange.accounts[ME].position(ETH).amount == Base.of("0.010")
        assert (await line.read())["status"] == "success"
        assert trio.current_time() - began > 0.7


@pytest.mark.parametrize(
    "text", ["nth = 0", "nth = 1\none_in = 2", "one_in = -1", "nth = 1\ndelay_ms = 200000"]
)
def test_a_fault_that_recurs_says_when_in_exactly_one_way(text: str) -> None:
    fields = dict(line.split(" = ") for line in text.splitlines())
    with pytest.raises(msgspec.ValidationError, match=r"nth|delay_ms"):
        msgspec.convert({name: int(value) for name, value in fields.items()}, Recurring)


def test_a_request_that_nobody_answers_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="plaice_order"):
        Faults(reply=(DisturbReply(request="plaice_order", nth=1, how="lose"),)).with_known(
            frozenset(), REQUESTS
        )
