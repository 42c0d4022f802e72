"""The whole client as one `Venue`: what it signs, where it goes, what it refuses."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import trio
import trio.testing
from trio.testing import MockClock

from messages.units import ONE, Base, Ms, Price, Quote, Rate
from runtime.clock import RunClock, VenueClock
from tests.venue.nado.wires import MemoryDialer, answering
from venue.nado.client import AUTHENTICATION_MS, Addresses, NadoVenue, SigningAccount, Transports
from venue.nado.http import DEADLINE_S
from venue.nado.signing import (
    Signer,
    cancellation_digest,
    cancellation_products_digest,
    recover,
    recv_time_of,
    stream_authentication_digest,
    subaccount_hex,
)
from venue.nado.socket import Socket
from venue.protocol import (
    Busy,
    Malformed,
    Order,
    ProductRules,
    Refused,
    SignedOrder,
    Unreachable,
    Venue,
    VenueError,
    VenueRules,
)

SIGNER = Signer(bytes([0x11]) * 32)
SENDER = subaccount_hex(SIGNER.address, "default")
START_MS = 1_786_360_000_000
ENDPOINT = "0x05ec92d78ed421f3d3ada77ffde167106565974e"


def product(symbol: str, product_id: int, tick: int, step: int) -> ProductRules:
    one = Rate(ONE)
    return ProductRules(
        symbol,
        product_id,
        Price(tick),
        Base(step),
        Quote(100 * ONE),
        one,
        one,
        one,
        one,
        one,
        one,
        Price(ONE),
        "live",
    )


RULES = VenueRules(
    "simulated:a1",
    57073,
    ENDPOINT,
    product("ETH-PERP", 4, ONE // 10, ONE // 1000),
    product("SOL-PERP", 8, ONE // 100, ONE // 10),
)


class Nado:
    """Both sockets of a venue: acknowledges everything on /v1/subscribe, accepts everything on /v1/ws."""

    def __init__(self) -> None:
        self.frames: list[tuple[str, dict[str, Any]]] = []
        self.after: list[str] = []

    async def __call__(self, socket: Socket) -> None:
        while True:
            frame = json.loads(await socket.receive())
            self.frames.append((socket.path, frame))
            if socket.path == "/v1/ws":
                await socket.send(json.dumps({"status": "success", "data": {"digest": "0x07"}}))
                continue
            await socket.send(json.dumps({"result": None, "id": frame["id"]}))
            while self.after and frame["method"] == "subscribe":
                await socket.send(self.after.pop(0))


@asynccontextmanager
async def venue_at(
    nado: Nado, signer: Signer | None = SIGNER, handler: Any = None, notes: list[Any] | None = None
) -> AsyncIterator[NadoVenue]:
    clock = VenueClock(RunClock(START_MS * 1_000_000))
    transport = answering(handler) if handler else None
    async with (
        MemoryDialer(nado) as dialer,
        NadoVenue(
            Addresses("http://venue"),
            RULES,
            SigningAccount(SENDER, signer),
            clock,
            Transports(dialer, transport),
            (notes if notes is not None else []).append,
        ) as venue,
    ):
        yield venue


async def test_it_is_a_venue() -> None:
    async with venue_at(Nado()) as venue:
        as_interface: Venue = venue
        assert as_interface.reads is not None
        assert as_interface.order_builder is not None


async def test_the_account_stream_is_authenticated_by_a_signature_that_recovers_to_us(
    autojump_clock: MockClock,
) -> None:
    nado = Nado()
    async with venue_at(nado) as venue, venue.account_events():
        path, frame = nado.frames[0]
    assert path == "/v1/subscribe"
    expiration = int(frame["tx"]["expiration"])
    assert expiration - START_MS == AUTHENTICATION_MS
    assert frame["tx"]["sender"] == SENDER
    assert (
        recover(stream_authentication_digest(SENDER, expiration, 57073, ENDPOINT), frame["signature"])
        == SIGNER.address
    )
    assert {frame["stream"]["subaccount"] for _, frame in nado.frames[1:]} == {SENDER}


async def test_the_market_stream_needs_no_key(autojump_clock: MockClock) -> None:
    nado = Nado()
    async with venue_at(nado, signer=None) as venue:
        async with venue.market_events([4, 8]):
            assert [frame["stream"]["product_id"] for _, frame in nado.frames] == [4, 8]
        with pytest.raises(ValueError, match="no key"):
            async with venue.account_events():
                raise AssertionError("entered")


async def test_what_could_not_be_read_is_told_at_once_and_every_connection_sums_itself_up(
    autojump_clock: MockClock,
) -> None:
    nado, notes = Nado(), list[Any]()
    nado.after = ["garbage"]
    async with venue_at(nado, notes=notes) as venue:
        async with venue.market_events([4]) as events:
            with trio.move_on_after(0.1):
                await events.batch()
            assert [(note.source, note.level) for note in notes] == [("market stream", "warning")]
            assert "unreadable" in notes[0].text
        async with venue.market_events([4]):
            await trio.sleep(0.1)
        counts = {count.name: count for count in venue.counts}
        assert (counts["market stream"].connections, counts["market stream"].unreadable) == (2, 1)
        assert dict(venue.seen()) == {
            "http": "nothing yet",
            "market stream": "2 attempts, 2 connections, 2 controls, 1 unreadable",
        }


async def test_orders_cancellations_and_connections_are_counted_against_the_venues_limits(
    autojump_clock: MockClock,
) -> None:
    async def handler(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"status": "success", "data": {"cancelled_orders": []}})

    order = Order(
        4, SENDER, Price(2757 * ONE), Base(ONE), START_MS // 1000 + 3, (START_MS + 2000) << 20, 1025
    )
    async with venue_at(Nado(), handler=handler) as venue, venue.order_wire("eth_leg") as eth:
        await trio.sleep(0.1)
        for _ in range(64):
            assert venue.rate_obstacle(2, 5) == ""
            await eth.place(SignedOrder(order, "0x07", "0x", Ms(START_MS + 2000)))
        assert venue.rate_obstacle(2, 5) == ""
        await venue.cancel_all([4])
        assert "69 of 100 in 10 s" in venue.rate_obstacle(2, 5)


async def test_each_leg_has_a_connection_of_its_own(autojump_clock: MockClock) -> None:
    nado = Nado()
    order = Order(
        4, SENDER, Price(2757 * ONE), Base(ONE), START_MS // 1000 + 3, (START_MS + 2000) << 20, 1025
    )
    signed = SignedOrder(order, "0x07", "0x", Ms(START_MS + 2000))
    async with (
        venue_at(nado) as venue,
        venue.order_wire("eth_leg") as eth,
        venue.order_wire("sol_leg") as sol,
    ):
        await trio.sleep(0.1)
        assert eth.connected
        assert sol.connected
        assert [(await wire.place(signed)).kind for wire in (eth, sol)] == ["accepted", "accepted"]
    assert [path for path, _ in nado.frames] == ["/v1/ws", "/v1/ws"]
    assert [frame["place_order"]["id"] for _, frame in nado.frames] == [1, 1]


async def test_cancelling_everything_is_signed_for_exactly_the_products_named(
    autojump_clock: MockClock,
) -> None:
    executed: list[dict[str, Any]] = []

    async def handler(request: httpx.Request) -> httpx.Response:
        assert str(request.url) == "http://venue/v1/execute"
        executed.append(json.loads(request.content)["cancel_product_orders"])
        return httpx.Response(
            200,
            json={
                "status": "success",
                "data": {"cancelled_orders": []},
                "request_type": "execute_cancel_product_orders",
            },
        )

    async with venue_at(Nado(), handler=handler) as venue:
        await venue.cancel_all([4, 8])
        await venue.cancel_all([4])
        with pytest.raises(ValueError, match="at least one product"):
            await venue.cancel_all([])
    assert [cancel["tx"]["productIds"] for cancel in executed] == [[4, 8], [4]]
    for cancel in executed:
        nonce = int(cancel["tx"]["nonce"])
        assert START_MS < recv_time_of(nonce) <= START_MS + 100_000
        digest = cancellation_products_digest(SENDER, cancel["tx"]["productIds"], nonce, 57073, ENDPOINT)
        assert recover(digest, cancel["signature"]) == SIGNER.address
    assert executed[0]["tx"]["nonce"] != executed[1]["tx"]["nonce"]


DIGEST = "0x" + "ab" * 32
OTHER_DIGEST = "0x" + "cd" * 32


def cancelled(digest: str = DIGEST, amount: str = "42", unfilled: str | None = "22", **more: Any) -> Any:
    """The venue's answer to the cancellation of one order, as `nado-messages` has it."""
    order = {"product_id": 4, "sender": SENDER, "amount": amount, "digest": digest, "order_type": "post_only"}
    left = {} if unfilled is None else {"unfilled_amount": unfilled}
    return {"status": "success", "data": {"cancelled_orders": [order | left | more]}}


async def cancelling(answer: Any, status: int = 200) -> tuple[Any, list[dict[str, Any]], NadoVenue]:
    """What `cancel` gives or raises where the venue answers so, what it was sent, and the client."""
    executed: list[dict[str, Any]] = []

    async def handler(request: httpx.Request) -> httpx.Response:
        assert str(request.url) == "http://venue/v1/execute"
        executed.append(json.loads(request.content)["cancel_orders"])
        return httpx.Response(status, json=answer)

    async with venue_at(Nado(), handler=handler) as venue:
        try:
            return await venue.cancel(4, DIGEST), executed, venue
        except VenueError as error:
            return error, executed, venue


@pytest.mark.parametrize(
    ("amount", "unfilled", "left"),
    [
        ("42", "22", 22),
        ("42", "42", 42),
        ("42", "0", 0),
        ("-42", "-22", 22),
        ("-42", "0", 0),
        (str(-(2**127)), str(-(2**127)), 2**127),
    ],
)
async def test_a_cancellation_says_what_had_not_traded_unsigned(
    amount: str, unfilled: str, left: int, autojump_clock: MockClock
) -> None:
    answer, _, _ = await cancelling(cancelled(DIGEST.upper().replace("0X", "0x"), amount, unfilled))
    assert (answer, type(answer)) == (left, Base)


async def test_an_order_that_does_not_rest_is_none_and_not_0(autojump_clock: MockClock) -> None:
    answer, _, _ = await cancelling({"status": "failure", "error": "not found", "error_code": 2020})
    assert answer is None


@pytest.mark.parametrize(
    "answer",
    [
        cancelled(OTHER_DIGEST),
        {"status": "success", "data": {"cancelled_orders": []}},
        {"status": "success", "data": {"cancelled_orders": cancelled()["data"]["cancelled_orders"] * 2}},
        {
            "status": "success",
            "data": {
                "cancelled_orders": [
                    each["data"]["cancelled_orders"][0] for each in (cancelled(), cancelled(OTHER_DIGEST))
                ]
            },
        },
        {"status": "success"},
        cancelled(unfilled=None),
        cancelled(unfilled="43"),
        cancelled(unfilled="-22"),
        cancelled(amount="-42"),
        cancelled(amount="-42", unfilled="-43"),
        cancelled(amount="0", unfilled="1"),
        cancelled(unfilled="2.2"),
        cancelled(unfilled=str(2**127)),
        cancelled(unfilled_amount=22.0),
        {"status": "success", "data": {"cancelled_orders": [{"digest": DIGEST, "unfilled_amount": "22"}]}},
    ],
)
async def test_an_answer_that_cannot_be_this_orders_is_malformed_and_counted(
    answer: Any, autojump_clock: MockClock
) -> None:
    """Whoever took it for an ending would have lost what trades on, or what had traded."""
    error, _, venue = await cancelling(answer)
    assert isinstance(error, Malformed)
    (http,) = [count for count in venue.counts if count.name == "http"]
    assert http.unreadable + http.out_of_range == 1


async def test_a_cancellation_is_signed_for_this_order_alone_and_outlives_the_wait_for_its_answer(
    autojump_clock: MockClock,
) -> None:
    _, (sent,), _ = await cancelling(cancelled())
    tx, nonce = sent["tx"], int(sent["tx"]["nonce"])
    assert (tx["productIds"], tx["digests"], tx["sender"]) == ([4], [DIGEST], SENDER)
    assert START_MS + DEADLINE_S * 1000 < recv_time_of(nonce) < START_MS + 100_000
    digest = cancellation_digest(SENDER, [4], [DIGEST], nonce, 57073, ENDPOINT)
    assert recover(digest, sent["signature"]) == SIGNER.address


async def test_a_cancellation_weighs_1_whatever_comes_of_it(autojump_clock: MockClock) -> None:
    for answer in (cancelled(), {"status": "failure", "error_code": 2020}, cancelled(OTHER_DIGEST)):
        _, _, venue = await cancelling(answer)
        assert venue.budgets()[0] == ("executes", 10_000, 1, 100)


@pytest.mark.parametrize(
    ("status", "answer"), [(429, {}), (200, {"status": "failure", "error": "too many", "error_code": 1000})]
)
async def test_a_cancellation_that_is_over_the_limit_spends_the_limit_for_executes(
    status: int, answer: Any, autojump_clock: MockClock
) -> None:
    """An HTTP status of 429 counted against the questions, whatever had been sent."""
    error, _, venue = await cancelling(answer, status)
    assert isinstance(error, Busy | Refused)
    spent = {(name, length): weight for name, length, weight, _ in venue.budgets()}
    assert (spent["executes", 10_000], spent["queries", 10_000]) == (100, 0)


async def test_a_cancellation_without_an_answer_is_unreachable(autojump_clock: MockClock) -> None:
    error, executed, _ = await cancelling({}, 502)
    assert isinstance(error, Unreachable)
    assert len(executed) == 1


async def test_a_refused_cancellation_is_refused() -> None:
    async def handler(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(
            200, json={"status": "failure", "error": "Invalid signature", "error_code": 2028}
        )

    async with venue_at(Nado(), handler=handler) as venue:
        with pytest.raises(Refused) as caught:
            await venue.cancel_all([4, 8])
    assert caught.value.code == 2028


def test_importing_the_client_does_not_import_the_web_packages() -> None:
    code = (
        "import sys, venue.nado.client; sys.exit(any(name in sys.modules for name in ('httpx',"
        " 'nado_protocol', 'starlette', 'hypercorn')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
