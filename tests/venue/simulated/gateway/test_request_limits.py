"""Who may speak to the simulated venue: no web page, and nobody at length."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.live.served import served
from venue.simulated.gateway.request_limits import BODY_MAX

HEADERS = {"accept-encoding": "gzip"}
SOCKET = {
    "upgrade": "websocket",
    "connection": "Upgrade",
    "sec-websocket-version": "13",
    "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
}
DEFLATE = {"sec-websocket-extensions": "permessage-deflate"}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with served() as there:
        yield there.url


def ask(url: str, method: str, path: str, **known: Any) -> int:
    known["headers"] = HEADERS | known.get("headers", {})
    with httpx.Client(trust_env=False) as http, http.stream(method, url + path, **known) as reply:
        return reply.status_code


STRANGERS = [
    {"origin": "http://evil.example"},
    {"origin": "null"},
    {"origin": "http://localhost:3000"},
    {"origin": "https://127.0.0.1"},
    {"host": "evil.example"},
    {"host": "evil.example:8645"},
    {"host": "127.0.0.1.evil.example"},
    {"host": "[::1"},
    {"host": ""},
]


@pytest.mark.parametrize("headers", STRANGERS, ids=str)
def test_a_web_page_can_neither_stage_accidents_nor_ask_nor_open_a_socket(
    url: str, headers: dict[str, str]
) -> None:
    """DNS rebinding names another host, a page of its own another origin."""
    assert ask(url, "POST", "/simulated/faults", content=b"{}", headers=headers) == 403
    assert ask(url, "GET", "/simulated/order_log", headers=headers) == 403
    assert ask(url, "POST", "/v1/execute", content=b"{}", headers=headers) == 403
    for path in ("/v1/ws", "/ws/v2", "/v1/subscribe"):
        assert ask(url, "GET", path, headers=SOCKET | DEFLATE | headers) == 403


def test_programs_on_this_machine_are_answered_by_any_of_its_names(url: str) -> None:
    port = url.rpartition(":")[2]
    for host in (f"127.0.0.1:{port}", f"localhost:{port}", "LOCALHOST", f"[::1]:{port}"):
        assert ask(url, "GET", "/v1/time", headers={"host": host}) == 200
    assert (
        ask(
            url,
            "GET",
            "/v1/time",
            headers={"host": f"localhost:{port}", "origin": f"http://localhost:{port}"},
        )
        == 200
    )
    assert ask(url, "GET", "/v1/ws", headers=SOCKET | DEFLATE) == 101


@pytest.mark.parametrize(
    "path", ["/simulated/faults", "/v1/query", "/v1/execute", "/v1/edge/query", "/v1", "/archive/v1"]
)
def test_a_body_that_is_too_large_is_413_announced_or_not(url: str, path: str) -> None:
    assert ask(url, "POST", path, content=b" " * (BODY_MAX + 1)) == 413
    assert ask(url, "POST", path, content=(b" " * 8192 for _ in range(BODY_MAX // 8192 + 1))) == 413
    assert ask(url, "POST", path, content=b" " * BODY_MAX) in {200, 400}
