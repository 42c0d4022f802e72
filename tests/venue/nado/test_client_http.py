"""Questions over HTTP, against a transport that answers with the documented JSON."""

import gzip
import json
import ssl
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import h11
import httpx
import pytest
import trio
from trio.testing import MockClock

from messages.units import ONE, Base
from tests.shared_data import shared
from tests.venue.nado.wires import Handler, answering
from venue.nado.counts import TroubleTally
from venue.nado.http import ANSWER_BYTES_MAX, INSTANCE_HEADER, HttpReads
from venue.nado.tls import trusted
from venue.nado.weights import Metering, Weights
from venue.protocol import Busy, Malformed, Reads, Refused, Unreachable, VenueError

BASE = "http://venue:1234"
SENDER = "0x19e7e376e7c213b7e7e7e46cc70a5dd086daff2a64656661756c740000000000"
DIGEST = "0x36188375ab2eb764fa367e014eb3352e438aeb7d32e14d0d71a0d106d6f02fec"
FILES = (
    "01_query_contracts_nonces_status",
    "02_query_all_products",
    "03_query_symbols",
    "04_query_subaccount_info",
    "05_query_market_data",
    "06_query_orders",
    "07_query_max_order_size_fee_rates",
)


def documented() -> dict[str, dict[str, Any]]:
    """Every query of the protocol sheet's examples with its answer."""
    answers: dict[str, dict[str, Any]] = {}
    for name in FILES:
        document = json.loads(shared(f"nado-messages/{name}.json").read_text())
        for case in document.get("cases", [document]):
            answers.setdefault(case["request"]["type"], case["response"])
    return answers


class Gateway:
    """Speaks the documented HTTP: /v1/query, /v1/time, /v1/execute and the archive at /v1 of another host."""

    def __init__(self) -> None:
        self.answers = documented()
        self.archive: dict[str, Any] = {"orders": []}
        self.headers = {"content-type": "application/json"}
        self.asked: list[tuple[str, str, Any]] = []

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content) if request.content else None
        self.asked.append((request.method, str(request.url), body))
        return httpx.Response(200, json=self._answer(request, body), headers=self.headers)

    def _answer(self, request: httpx.Request, body: Any) -> Any:
        if request.url.host == "archive":
            return self.archive
        match request.method, request.url.path:
            case "GET", "/v1/time":
                return 1786360000123
            case "POST", "/v1/query":
                return self.answers[body["type"]]
            case "POST", "/v1/execute":
                document = json.loads(shared("nado-messages/10_execute_cancel_orders.json").read_text())
                return document["response"]
        raise AssertionError(f"nothing at {request.method} {request.url}")


@asynccontextmanager
async def reads_of(handler: Handler) -> AsyncIterator[HttpReads]:
    transport = answering(handler)
    async with HttpReads(
        BASE + "/", SENDER, name="testnet", archive_url="http://archive", transport=transport
    ) as reads:
        yield reads


async def test_every_question_of_the_interface_is_answered_from_the_documented_json() -> None:
    gateway = Gateway()
    async with reads_of(gateway) as reads:
        as_interface: Reads = reads
        assert await as_interface.time_ms() == 1786360000123
        assert await as_interface.status() == "active"
        rules = await as_interface.rules()
        assert (rules.venue, rules.chain_id, rules.eth.product_id, rules.sol.product_id) == (
            "testnet",
            57073,
            4,
            8,
        )
        assert (await as_interface.book(4)).bids[0].price == 27569 * ONE // 10
        account = await as_interface.account()
        assert account.at_ms == 1786360000123
        assert account.position(4).total == 42 * ONE // 1000
        assert account.open_orders == (DIGEST,)
        assert await as_interface.archived([DIGEST]) == ()
    assert ("POST", "http://archive/v1", {"orders": {"digests": [DIGEST]}}) in gateway.asked
    assert ("POST", f"{BASE}/v1/query", {"type": "fee_rates", "sender": SENDER}) in gateway.asked


async def test_the_engines_timestamp_is_asked_before_the_positions() -> None:
    gateway = Gateway()
    async with reads_of(gateway) as reads:
        await reads.account()
    kinds = [body["type"] for _, _, body in gateway.asked]
    assert kinds == ["symbols", "market_liquidity", "orders", "subaccount_info", "isolated_positions"]
    assert gateway.asked[1][2] == {"type": "market_liquidity", "product_id": 4, "depth": 1}
    assert gateway.asked[2][2] == {"type": "orders", "sender": SENDER, "product_ids": [4, 8]}


@pytest.mark.parametrize(
    "fills_after", ["market_liquidity", "orders", "subaccount_info", "isolated_positions"]
)
async def test_an_order_that_fills_between_two_questions_is_never_missed_by_both(fills_after: str) -> None:
    gateway = Gateway()
    held = gateway.answers["subaccount_info"]["data"]["perp_balances"]
    resting = gateway.answers["orders"]["data"]["product_orders"]
    gateway.answers = json.loads(json.dumps(gateway.answers))
    before = gateway.answers["subaccount_info"]["data"]
    before["perp_balances"] = [one for one in before["perp_balances"] if one["product_id"] != 4]
    assert any(one["product_id"] == 4 for one in held)
    assert resting

    async def filling(request: httpx.Request) -> httpx.Response:
        answer = await gateway(request)
        if json.loads(request.content or b"{}").get("type") == fills_after:
            gateway.answers["subaccount_info"]["data"]["perp_balances"] = held
            gateway.answers["orders"]["data"]["product_orders"] = []
        return answer

    async with reads_of(filling) as reads:
        account = await reads.account()
    assert account.open_orders or account.position(4).total


async def test_a_simulated_venue_is_known_by_its_instance() -> None:
    gateway = Gateway()
    gateway.headers[INSTANCE_HEADER] = "a1b2"
    async with reads_of(gateway) as reads:
        assert (await reads.rules()).venue == "testnet:a1b2"


async def test_the_archive_tells_quantity_notional_and_fee() -> None:
    gateway = Gateway()
    order = {
        "digest": DIGEST,
        "subaccount": SENDER,
        "product_id": 4,
        "amount": str(42 * ONE // 1000),
        "submission_idx": "563019",
        "isolated": False,
    }
    gateway.archive = {
        "orders": [
            {
                **order,
                "base_filled": str(42 * ONE // 1000),
                "quote_filled": str(-116 * ONE),
                "fee": str(ONE // 5),
            }
        ]
    }
    async with reads_of(gateway) as reads:
        (found,) = await reads.archived([DIGEST, "0x00"])
        assert (found.filled, found.quote, found.fee, found.last_submission_idx) == (
            42 * ONE // 1000,
            1158 * ONE // 10,
            ONE // 5,
            563019,
        )
        assert await reads.archived([]) == ()
        gateway.archive = {"error": "busy"}
        with pytest.raises(Malformed, match="orders"):
            await reads.archived([DIGEST])


@pytest.mark.parametrize("status", [403, 404, 429, 500, 502, 503])
async def test_any_status_but_200_is_unreachable_and_never_flat(status: int) -> None:
    """Lesson R2: HTTP 503 on the position query was read as flat."""

    async def failing(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, json={"reason": "ip_query_only", "blocked": True})

    async with reads_of(failing) as reads:
        with pytest.raises(Unreachable, match=rf"HTTP {status} .*ip_query_only"):
            await reads.account()


async def test_a_refused_question_names_the_code() -> None:
    gateway = Gateway()
    gateway.answers["subaccount_info"] = {
        "status": "failure",
        "error": "no such product",
        "error_code": 2016,
        "request_type": "query_subaccount_info",
    }
    async with reads_of(gateway) as reads:
        with pytest.raises(Refused) as caught:
            await reads.account()
    assert caught.value.code == 2016


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"{}",
        b"[]",
        b'{"status":"success"}',
        b'{"status":"success","data":{}}',
        b'{"status":"maybe","data":1}',
    ],
)
async def test_garbage_is_malformed_and_names_the_question(body: bytes) -> None:
    async def answer(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=body)

    async with reads_of(answer) as reads:
        with pytest.raises(Malformed, match="market_liquidity"):
            await reads.book(4)
        with pytest.raises(Malformed):
            await reads.time_ms()


async def test_no_answer_is_unreachable_at_the_deadline(autojump_clock: MockClock) -> None:
    async def hanging(_request: httpx.Request) -> httpx.Response:
        await trio.sleep_forever()
        raise AssertionError

    async with reads_of(hanging) as reads:
        with pytest.raises(Unreachable, match="no answer in 2 s"):
            await reads.status()
        assert trio.current_time() == pytest.approx(2, abs=0.01)


async def test_a_refused_connection_is_unreachable() -> None:
    async with HttpReads("http://127.0.0.1:1", SENDER, name="simulated") as reads:
        with pytest.raises(Unreachable, match=r"127\.0\.0\.1:1"):
            await reads.time_ms()


async def test_over_real_tcp_the_same_questions_are_answered() -> None:
    async def serve(stream: trio.SocketStream) -> None:
        async with stream:
            while await stream.receive_some():
                await stream.send_all(b"HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\n1786360000123")

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, serve, 0)
        port = listeners[0].socket.getsockname()[1]
        async with HttpReads(f"http://127.0.0.1:{port}", SENDER, name="simulated") as reads:
            assert await reads.time_ms() == await reads.time_ms() == 1786360000123
        nursery.cancel_scope.cancel()


async def test_a_cancellation_answers_what_it_cancelled() -> None:
    async with reads_of(Gateway()) as reads:
        (cancelled,) = await reads.execute('{"cancel_product_orders":{}}')
    assert (cancelled.digest, cancelled.amount, cancelled.unfilled_amount) == (
        DIGEST,
        Base.of("0.042"),
        Base.of("0.022"),
    )


@pytest.mark.parametrize(
    "limited",
    [
        httpx.Response(429, json={"status": "failure", "error": "Too Many Requests!", "error_code": 1000}),
        httpx.Response(200, json={"status": "failure", "error": "Too Many Requests!", "error_code": 1015}),
    ],
    ids=["429", "200"],
)
async def test_rules_that_the_venue_is_too_busy_to_tell_are_not_missing(limited: httpx.Response) -> None:
    gateway = Gateway()

    async def busy(request: httpx.Request) -> httpx.Response:
        answer = await gateway(request)
        return limited if json.loads(request.content)["type"] in ("symbols", "all_products") else answer

    async with reads_of(busy) as reads:
        reads.known((4, 8))
        with pytest.raises(Busy, match="Too Many Requests"):
            await reads.rules_now()


async def test_a_tick_that_no_answer_names_is_missing() -> None:
    gateway = Gateway()
    gateway.answers = json.loads(json.dumps(gateway.answers))
    for name in ("symbols", "all_products"):
        gateway.answers[name]["data"] = {"symbols": {}} if name == "symbols" else {"perp_products": []}
    async with reads_of(gateway) as reads:
        reads.known((4, 8))
        with pytest.raises(Malformed, match="ETH-PERP has no price tick"):
            await reads.rules_now()


class Endless(httpx.AsyncByteStream):
    """A body that never ends."""

    def __init__(self) -> None:
        self.sent = 0

    def __aiter__(self) -> "Endless":
        return self

    async def __anext__(self) -> bytes:
        await trio.lowlevel.checkpoint()
        self.sent += 1
        return b"0" * 2**16


async def test_an_answer_without_end_is_read_no_further_than_its_limit() -> None:
    body, tally = Endless(), TroubleTally("http")

    async def handler(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, stream=body)

    async with HttpReads(
        BASE, SENDER, name="testnet", transport=answering(handler), metering=Metering(tally, Weights())
    ) as reads:
        with pytest.raises(Unreachable, match="more than 4194304 bytes"):
            await reads.status()
    assert body.sent == ANSWER_BYTES_MAX // 2**16 + 1
    assert tally.counts.oversized == 1


@pytest.mark.parametrize(
    ("encoding", "content", "saying"),
    [
        ("gzip", gzip.compress(b"0" * 100 * 2**20), "more than"),
        ("gzip", b"not gzip", "compression is broken"),
        ("br", b"\x00", "not offered"),
    ],
)
async def test_an_answer_that_inflates_beyond_its_limit_or_not_at_all_is_unreachable(
    encoding: str, content: bytes, saying: str
) -> None:
    async def handler(request: httpx.Request) -> httpx.Response:
        assert request.headers["accept-encoding"] == "gzip"
        return httpx.Response(200, stream=httpx.ByteStream(content), headers={"content-encoding": encoding})

    async with reads_of(handler) as reads:
        with pytest.raises(Unreachable, match=saying):
            await reads.status()


GZIPPED = gzip.compress(json.dumps({"status": "success", "data": "active"}).encode())


@pytest.mark.parametrize(
    "body",
    [GZIPPED[:-1], GZIPPED[:-8], GZIPPED + b"more", GZIPPED + GZIPPED],
    ids=["short", "no sum", "more", "twice"],
)
async def test_a_compressed_answer_that_lacks_its_end_or_goes_on_behind_it_is_unreachable(
    body: bytes,
) -> None:
    async def handler(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, stream=httpx.ByteStream(body), headers={"content-encoding": "gzip"})

    async with reads_of(handler) as reads:
        with pytest.raises(Unreachable, match="compression is broken"):
            await reads.status()


@pytest.mark.parametrize(
    "error",
    [
        httpx.InvalidURL("port"),
        httpx.CookieConflict("two"),
        httpx.StreamClosed(),
        UnicodeDecodeError("ascii", b"\xff", 0, 1, "no"),
        h11.LocalProtocolError("no"),
        h11.RemoteProtocolError("no"),
        zlib.error("no"),
        ssl.SSLError("no"),
        anyio.BrokenResourceError(),
        RecursionError("deep"),
        ExceptionGroup("two", [OSError("4"), OSError("6")]),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_whatever_a_library_raises_over_an_answer_is_unreachable_and_the_next_question_is_answered(
    error: Exception,
) -> None:
    broken = True

    async def handler(request: httpx.Request) -> httpx.Response:
        if broken:
            raise error
        return await Gateway()(request)

    async with reads_of(handler) as reads:
        with pytest.raises(Unreachable):
            await reads.status()
        broken = False
        assert await reads.status() == "active"


@pytest.mark.parametrize(
    "location",
    ["http://[::1/", "http://venue:99999999/", "//\u0660\u0660:80", "javascript:1", "http://" + "a" * 70_000],
)
async def test_a_redirect_is_not_followed_wherever_it_leads(location: str) -> None:
    async def handler(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(302, headers={"location": location})

    async with reads_of(handler) as reads:
        with pytest.raises(Unreachable):
            await reads.status()


async def test_the_venue_sets_no_cookies() -> None:
    """A jar has no bound, and what is in it is sent with every question."""
    sent: list[str | None] = []

    async def handler(request: httpx.Request) -> httpx.Response:
        sent.append(request.headers.get("cookie"))
        return httpx.Response(
            200, json={"status": "success", "data": "active"}, headers={"set-cookie": f"c{len(sent)}=1"}
        )

    async with reads_of(handler) as reads:
        assert [await reads.status() for _ in range(3)] == ["active"] * 3
    assert sent == [None] * 3


@pytest.mark.parametrize("name", ["x" * 81, "a b", "a/b", "a\tb"])
async def test_a_name_that_no_instance_of_a_venue_has_is_malformed(name: str) -> None:
    """It becomes part of the name under which the state is kept."""
    gateway = Gateway()
    gateway.headers[INSTANCE_HEADER] = name
    async with reads_of(gateway) as reads:
        with pytest.raises(Malformed, match="does not call itself"):
            await reads.rules()


@pytest.mark.parametrize(
    "bomb",
    [
        "[" * 100_000,
        '{"data":' * 100_000,
        '{"status":"success","data":' + "[" * 100_000 + "]" * 100_000 + "}",
    ],
)
async def test_an_answer_nested_without_end_is_malformed(bomb: str) -> None:
    async def handler(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=bomb.encode())

    async with reads_of(handler) as reads:
        with pytest.raises(Malformed):
            await reads.book(4)


async def test_clients_of_a_plain_address_read_the_certificate_authorities_not_even_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A guard whose venue is gone makes a client for each try; reading the authorities each time was 7 to
    12 % of a core.
    """
    loaded: list[object] = []
    monkeypatch.setattr(httpx, "create_ssl_context", lambda *_given, **_named: loaded.append(1))
    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", lambda *_given, **_named: loaded.append(2))
    for _ in range(3):
        async with HttpReads("http://127.0.0.1:1", SENDER, name="testnet") as reads:
            with pytest.raises(Unreachable):
                await reads.time_ms()
    assert loaded == []


async def test_clients_of_a_secure_address_read_the_certificate_authorities_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loaded: list[object] = []
    load = ssl.SSLContext.load_verify_locations
    monkeypatch.setattr(
        ssl.SSLContext,
        "load_verify_locations",
        lambda self, *given, **named: (loaded.append(1), load(self, *given, **named)),
    )
    trusted.cache_clear()
    for _ in range(3):
        async with HttpReads("https://127.0.0.1:1", SENDER, name="testnet") as reads:
            with pytest.raises(Unreachable):
                await reads.time_ms()
    assert loaded == [1]


async def test_a_compressed_answer_is_read() -> None:
    async def handler(_request: httpx.Request) -> httpx.Response:
        body = gzip.compress(json.dumps({"status": "success", "data": "active"}).encode())
        return httpx.Response(200, stream=httpx.ByteStream(body), headers={"content-encoding": "gzip"})

    async with reads_of(handler) as reads:
        assert await reads.status() == "active"


@pytest.mark.parametrize("now", ["0", "-1", "1786360000123456789012", "1.5", '"soon"', "null"])
async def test_a_venue_time_that_cannot_be_is_malformed_and_counted(now: str) -> None:
    async def handler(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=now.encode())

    tally = TroubleTally("http")
    async with HttpReads(
        BASE, SENDER, name="testnet", transport=answering(handler), metering=Metering(tally, Weights())
    ) as reads:
        with pytest.raises(Malformed):
            await reads.time_ms()
    assert tally.counts.troubles == 1


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (429, {}),
        (200, {"status": "failure", "error": "Too many requests", "error_code": 1000}),
        (200, {"status": "failure", "error_code": 1015}),
    ],
)
async def test_when_the_venue_limits_us_routine_questions_wait_and_those_that_close_do_not(
    status: int, body: dict[str, Any], autojump_clock: MockClock
) -> None:
    gateway = Gateway()
    limited = True

    async def handler(request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, json=body) if limited else await gateway(request)

    tally = TroubleTally("http")
    async with HttpReads(
        BASE, SENDER, name="testnet", transport=answering(handler), metering=Metering(tally, Weights())
    ) as reads:
        reads.known((4, 8))
        with pytest.raises(VenueError):
            await reads.book(4)
        limited = False
        with pytest.raises(Unreachable, match="kept for closing"):
            await reads.rules()
        assert gateway.asked == []
        assert (await reads.account()).exists
        await trio.sleep(10.1)
        await reads.rules()
    assert tally.counts.limited == 1


def match(idx: int, base: str, cumulative: str, **changes: Any) -> dict[str, Any]:
    entry = json.loads(shared("nado-messages/19_indexer_requests.json").read_text())["cases"][3]["response"][
        "matches"
    ][0]
    return {
        **entry,
        "submission_idx": str(idx),
        "base_filled": base,
        "cumulative_base_filled": cumulative,
        **changes,
    }


async def test_what_traded_since_an_index_comes_from_the_archive_oldest_first_with_what_is_left_of_each_order() -> (  # noqa: E501
    None
):
    asked: list[Any] = []

    async def handler(request: httpx.Request) -> httpx.Response:
        question = json.loads(request.content)["matches"]
        asked.append(question)
        entries = [
            match(563013, "22000000000000000", "42000000000000000"),
            match(563012, "20000000000000000", "20000000000000000"),
        ]
        entries[0]["quote_filled"], entries[0]["fee"] = "-60657865786578657865", "6065786578657865"
        txs = [
            {"submission_idx": "563012", "timestamp": "1786360001"},
            {"submission_idx": "563013", "timestamp": "1786360002"},
        ]
        return httpx.Response(
            200, json={"matches": entries if question["product_ids"] == [4] else [], "txs": txs}
        )

    async with HttpReads(BASE, SENDER, name="testnet", transport=answering(handler)) as reads:
        reads.known((4, 8))
        first, second = await reads.fills_since(563000)
        assert (first.submission_idx, first.amount, first.remaining, first.original) == (
            563012,
            ONE // 50,
            22 * ONE // 1000,
            42 * ONE // 1000,
        )
        assert (first.price, first.fee, first.at_ns) == (
            27569 * ONE // 10,
            5514351435143514,
            1786360001 * 10**9,
        )
        assert (second.submission_idx, second.remaining) == (563013, 0)
        assert [fill.submission_idx for fill in await reads.fills_since(563012)] == [563013]
        assert [fill.submission_idx for fill in await reads.fills_since(None)] == [563013]
    assert asked[0] == {"subaccounts": [SENDER], "product_ids": [4], "limit": 100}
    assert asked[-1]["limit"] == 1


@pytest.mark.parametrize(
    "change",
    [
        {"base_filled": "-20000000000000000"},
        {"base_filled": "43000000000000000"},
        {"cumulative_base_filled": "43000000000000000"},
        {"quote_filled": "0"},
        {"submission_idx": "-1"},
        {"timestamp": "0"},
        {"timestamp": None},
        {"order": {"sender": "0x" + "22" * 32, "amount": "42000000000000000"}},
    ],
)
async def test_a_match_that_cannot_be_right_is_malformed(change: dict[str, Any]) -> None:
    async def handler(_request: httpx.Request) -> httpx.Response:
        entry = match(563012, "20000000000000000", "20000000000000000", timestamp="1786360001")
        return httpx.Response(200, json={"matches": [{**entry, **change}]})

    async with HttpReads(BASE, SENDER, name="testnet", transport=answering(handler)) as reads:
        reads.known((4, 8))
        with pytest.raises(Malformed):
            await reads.fills_since(0)


async def test_more_than_a_page_of_fills_is_read_page_by_page_and_not_for_ever() -> None:
    total = 250

    async def handler(request: httpx.Request) -> httpx.Response:
        question = json.loads(request.content)["matches"]
        newest = min(question.get("idx", total), total)
        indices = (
            range(newest, max(0, newest - question["limit"]), -1) if question["product_ids"] == [4] else ()
        )
        entries = [
            match(
                idx, "20000000000000000", "20000000000000000", digest=f"0x{idx:064x}", timestamp="1786360001"
            )
            for idx in indices
        ]
        return httpx.Response(200, json={"matches": entries})

    async with HttpReads(BASE, SENDER, name="testnet", transport=answering(handler)) as reads:
        reads.known((4, 8))
        assert [fill.submission_idx for fill in await reads.fills_since(0)] == list(range(1, 251))
        total = 5_000
        with pytest.raises(Malformed, match="more than 1000 fills"):
            await reads.fills_since(0)


async def test_a_question_under_way_ends_as_lost_when_its_connection_is_given_up_and_the_next_one_is_asked_on_a_new_one(  # noqa: E501
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After the machine has slept: over TCP, because only there is a connection that is kept."""
    monkeypatch.setattr("venue.nado.http.DEADLINE_S", 60)
    asked = trio.Event()
    answered: list[bytes] = []

    async def serve(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        if not asked.is_set():
            asked.set()
            await trio.sleep_forever()
        answered.append(b"1790000000000")
        await stream.send_all(b"HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\n" + answered[0])

    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, serve, [listener])
        port = listener.socket.getsockname()[1]
        async with HttpReads(f"http://127.0.0.1:{port}", SENDER, name="Nado") as reads:

            async def give_up() -> None:
                await asked.wait()
                await reads.aclose()

            nursery.start_soon(give_up)
            with trio.fail_after(30), pytest.raises(Unreachable):
                await reads.time_ms()
            assert await reads.time_ms() == 1_790_000_000_000
        nursery.cancel_scope.cancel()
    assert len(answered) == 1
