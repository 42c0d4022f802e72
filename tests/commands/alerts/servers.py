"""A server on loopback that takes alerts, or hangs, fails and answers nonsense: real sockets, raw bytes."""

import json
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def http_answer(status: int, body: bytes | dict[str, Any] = b"", *headers: str) -> bytes:
    content = json.dumps(body).encode() if isinstance(body, dict) else body
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(content)}", "Connection: close", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


@dataclass
class Request:
    method: str
    path: str
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.body)
        return content


Behave = Callable[["AlertServer", Any, Request], bytes]
"""What is sent back; it may also write to the socket itself, or take its time."""


def hangs(server: "AlertServer", _wire: Any, _request: Request) -> bytes:
    server.over.wait(60)
    return b""


def drips(server: "AlertServer", wire: Any, _request: Request) -> bytes:
    """An answer that goes on for ever, a byte at a time."""
    wire.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while not server.over.is_set():
        wire.sendall(b"x")
        time.sleep(0.05)
    return b""


def endless(server: "AlertServer", wire: Any, _request: Request) -> bytes:
    """An answer that goes on for ever, as fast as it can."""
    wire.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while not server.over.is_set():
        wire.sendall(b"10000\r\n" + b"x" * 65_536 + b"\r\n")
    return b""


def answers_with(content: bytes) -> Behave:
    return lambda _server, _wire, _request: content


NONSENSE: dict[str, Behave] = {
    "hangs": hangs,
    "drips": drips,
    "endless": endless,
    "closes": answers_with(b""),
    "bytes": answers_with(b"\x00\xff\x00 no HTTP at all\r\n\r\n"),
    "half a status": answers_with(b"HTTP/1.1 2"),
    "a redirect": answers_with(http_answer(302, b"", "Location: http://127.0.0.1:1/elsewhere")),
    "another protocol": answers_with(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "500": answers_with(http_answer(500, b"oops")),
    "404": answers_with(http_answer(404)),
    "401": answers_with(http_answer(401, {"ok": False, "description": "Unauthorized"})),
    "429": answers_with(http_answer(429, {"ok": False, "parameters": {"retry_after": 1}}, "Retry-After: 1")),
    "a short body": answers_with(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nok"),
    "huge headers": answers_with(b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 500_000 + b"\r\n\r\n"),
}
"""What a server may do instead of taking an alert."""


class _Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        owner: AlertServer = self.server.owner  # type: ignore[attr-defined]
        with suppress(OSError, ValueError):
            method, path, _ = self.rfile.readline().decode().split(" ")
            length = 0
            while line := self.rfile.readline().strip():
                name, _, value = line.decode().partition(":")
                length = int(value) if name.lower() == "content-length" else length
            request = Request(method, path, self.rfile.read(length))
            owner.requests.append(request)
            self.wfile.write(owner.behave(owner, self.connection, request))


class _Tcp(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
    block_on_close = False


@dataclass
class AlertServer:
    """One server. `behave` may be replaced at any time."""

    behave: Behave = field(default=answers_with(OK))
    requests: list[Request] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    url: str = ""

    def texts(self) -> list[str]:
        """What was written to it, by any channel."""
        return [request.json["text"] for request in list(self.requests) if request.method == "POST"]


@contextmanager
def alert_server(behave: Behave | None = None) -> Iterator[AlertServer]:
    served = AlertServer(behave or answers_with(OK))
    with _Tcp(("127.0.0.1", 0), _Handler) as tcp:
        tcp.owner = served  # type: ignore[attr-defined]
        served.url = f"http://127.0.0.1:{tcp.server_address[1]}"
        thread = threading.Thread(target=tcp.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield served
        finally:
            served.over.set()
            tcp.shutdown()
            thread.join()
