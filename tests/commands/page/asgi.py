"""A request and a WebSocket as a server hands them to the application."""

from collections.abc import Mapping
from typing import Any

import msgspec
import trio
from starlette.types import ASGIApp, Message

OWN = {"host": "127.0.0.1:8080", "origin": "http://127.0.0.1:8080"}
TOKEN = "t0ken" * 8


class Answered:
    """What came back."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""

    async def take(self, message: Message) -> None:
        if message["type"].endswith("response.start"):
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            self.body += message.get("body", b"")


def _pairs(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in headers.items()]


async def requested(
    app: ASGIApp, path: str, headers: Mapping[str, str], *, body: object = None, method: str = ""
) -> Answered:
    """One HTTP request."""
    content = msgspec.json.encode(body) if body is not None else b""
    scope = {
        "type": "http",
        "method": method or ("POST" if body is not None else "GET"),
        "path": path,
        "query_string": b"",
        "headers": _pairs(headers),
    }
    answered = Answered()

    async def receive() -> Message:
        return {"type": "http.request", "body": content, "more_body": False}

    await app(scope, receive, answered.take)
    return answered


class Socket:
    """A browser's end of one WebSocket. It reads only what `reads` lets it."""

    def __init__(self, *, reads: bool = True) -> None:
        self.taken: list[Any] = []
        self.closed: int | None = None
        self.denied = 0
        self.accepted = False
        self._reads = reads
        self._says, self._said = trio.open_memory_channel[Message](8)
        self.changed = trio.Event()
        self._says.send_nowait({"type": "websocket.connect"})

    def say(self, content: object) -> None:
        text = msgspec.json.encode(content).decode()
        self._says.send_nowait({"type": "websocket.receive", "text": text})

    def leave(self) -> None:
        self._says.send_nowait({"type": "websocket.disconnect", "code": 1001})

    async def run(self, app: ASGIApp, headers: Mapping[str, str]) -> None:
        scope = {
            "type": "websocket",
            "path": "/live",
            "query_string": b"",
            "headers": _pairs(headers),
            "subprotocols": [],
            "extensions": {"websocket.http.response": {}},
        }
        await app(scope, self._said.receive, self._take)

    async def _take(self, message: Message) -> None:
        if message["type"] == "websocket.accept":
            self.accepted = True
        elif message["type"] == "websocket.send":
            if not self._reads:
                await trio.sleep_forever()
            self.taken.append(message["text"].encode())
        elif message["type"] == "websocket.close":
            self.closed = message["code"]
        elif message["type"] == "websocket.http.response.start":
            self.denied = message["status"]
        self.changed.set()
        self.changed = trio.Event()

    async def until(self, count: int) -> None:
        """Wait for so many messages."""
        while len(self.taken) < count:
            await self.changed.wait()
