"""The page behind the watcher's own server, over real sockets: TLS, and a browser that never reads."""

import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import msgspec
import pytest
import trio
import trustme
from trio_websocket import open_websocket_url

from commands.config.effective import load
from commands.output.words import ConfigError
from commands.page.app import page_app
from commands.page.documents import Documents
from commands.page.gate import PageGate
from commands.page.hub import FLUSH_S, PageHub
from commands.watcher import server
from commands.watcher.server import bound, serve
from runtime.retry import until
from tests.commands.page.asgi import TOKEN
from tests.commands.page.told import Browser, stands_now
from tests.commands.scenes import open_pair

SOON_S = 20.0
LONG = "x" * 60_000


@asynccontextmanager
async def served_page(
    folder: Path, name: str = "", certificate: str = ""
) -> AsyncIterator[tuple[PageHub, int]]:
    """The hub of a page that is served at a port of this machine."""
    hub, listening, stop = PageHub(), bound("127.0.0.1:0"), trio.Event()
    port = listening.getsockname()[1]
    named = f"{name}:{port}" if name else ""
    gate = PageGate.of("127.0.0.1", port, TOKEN, name=named, encrypted=bool(certificate))

    async def act(_do: str, _reason: str) -> str:
        return "asked"

    app = page_app(hub, gate, act, Documents(folder, folder / "supervisor.py"))
    async with trio.open_nursery() as nursery:
        await nursery.start(serve, app, listening, stop, certificate)
        async with trio.open_nursery() as fed:
            fed.start_soon(hub.run)
            yield hub, port
            fed.cancel_scope.cancel()
        stop.set()


async def deaf_browser(port: int, *, early: bool = False) -> trio.SocketStream:
    """It shows the token, and never reads what comes. `early`: before its connection is accepted, which no
    browser does.
    """
    made = trio.socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    await made.connect(("127.0.0.1", port))
    asks = (
        f"GET /live HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: http://127.0.0.1:{port}\r\n"
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    text = msgspec.json.encode({"token": TOKEN})
    frame = bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text  # masked with zeros
    stream = trio.SocketStream(made)
    if early:
        await stream.send_all(asks.encode() + frame)
        return stream
    await stream.send_all(asks.encode())
    while b"\r\n\r\n" not in await stream.receive_some(4_096):
        pass
    await stream.send_all(frame)
    return stream


async def test_what_one_connection_does_wrong_is_its_own_end(tmp_path: Path) -> None:
    with trio.fail_after(SOON_S):
        async with served_page(tmp_path) as (_, port):
            for _ in range(3):
                early = await deaf_browser(port, early=True)
                with suppress(trio.BrokenResourceError):
                    while await early.receive_some(4_096):
                        pass
                await early.aclose()
            async with await trio.open_tcp_stream("127.0.0.1", port) as garbage:
                await garbage.send_all(b"\x00" * 1_000 + b"\r\n\r\n")
            own = [("Origin", f"http://127.0.0.1:{port}")]
            async with open_websocket_url(f"ws://127.0.0.1:{port}/live", extra_headers=own) as reads:
                await reads.send_message(f'{{"token": "{TOKEN}"}}')
                assert '"all":true' in await reads.get_message()


async def test_who_never_reads_is_cut_off_and_the_others_see_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "UNREAD_MS", 1_500)
    monkeypatch.setattr("commands.page.app.SEND_S", 0.5)
    with trio.fail_after(3 * SOON_S):
        async with served_page(tmp_path) as (hub, port):
            deaf = await deaf_browser(port)
            own = [("Origin", f"http://127.0.0.1:{port}")]
            async with open_websocket_url(f"ws://127.0.0.1:{port}/live", extra_headers=own) as reads:
                await reads.send_message(f'{{"token": "{TOKEN}"}}')
                browser = Browser()
                browser.take((await reads.get_message()).encode())
                await until(lambda: hub.looking == 2, 0.01)
                number = 0
                # as much as no buffer of the system takes, until the deaf one is gone
                while hub.looking > 1:
                    number += 1
                    hub.take(stands_now(number, open_pair(), LONG + str(number)))
                    browser.take((await reads.get_message()).encode())
                    await trio.sleep(FLUSH_S / 20)
                assert browser.sections["standing"]["doing"] == LONG + str(number)
            # hypercorn has let go of it: the server ends at once, and the far end is closed
            with suppress(trio.BrokenResourceError):
                while await deaf.receive_some(1 << 20):
                    pass
            await deaf.aclose()
    assert hub.looking == 0


async def test_beyond_this_machine_it_is_encrypted_and_goes_by_its_name(tmp_path: Path) -> None:
    authority, file = trustme.CA(), tmp_path / "page.pem"
    certificate = authority.issue_cert("localhost")
    file.write_bytes(certificate.private_key_and_cert_chain_pem.bytes())
    context = ssl.create_default_context()
    authority.configure_trust(context)
    with trio.fail_after(SOON_S):
        async with served_page(tmp_path, "localhost", str(file)) as (_, port):
            url = f"wss://localhost:{port}/live"
            own = [("Origin", f"https://localhost:{port}")]
            async with open_websocket_url(url, ssl_context=context, extra_headers=own) as reads:
                await reads.send_message(f'{{"token": "{TOKEN}"}}')
                assert '"all":true' in await reads.get_message()
            shown = {"authorization": f"Bearer {TOKEN}"}
            async with httpx.AsyncClient(verify=context, trust_env=False, headers=shown) as client:
                for origin, status in (("https", 200), ("http", 403)):
                    told = {"origin": f"{origin}://localhost:{port}"}
                    address = f"https://localhost:{port}/do/pause"
                    assert (await client.post(address, json={}, headers=told)).status_code == status
                wrong = {"origin": f"https://localhost:{port}", "authorization": "Bearer wrong"}
                assert (await client.post(address, json={}, headers=wrong)).status_code == 403


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"page": "0.0.0.0:8080"}, "page"),
        ({"page": "192.168.1.5:8080", "page_name": "a.example"}, "page"),
        ({"page": "0.0.0.0:8443", "page_certificate": "page.pem"}, "page_name"),
        ({"page": "everywhere"}, "page"),
        ({"page_name": "https://a.example"}, "page_name"),
    ],
)
def test_a_page_that_others_could_listen_to_is_refused(values: dict[str, str], key: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load(None, {}, values)
    assert refused.value.key == key


@pytest.mark.parametrize(
    "values",
    [
        {"page": "127.0.0.1:8080"},
        {"page": "[::1]:8080", "page_name": "trade.example"},
        {"page": "0.0.0.0:8443", "page_name": "a.example:8443", "page_certificate": "page.pem"},
    ],
)
def test_a_page_for_this_machine_a_proxy_or_with_tls_is_not(values: dict[str, str]) -> None:
    assert load(None, {}, values).settings.page == values["page"]
