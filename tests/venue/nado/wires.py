"""In-memory wires for tests: a dialer whose other end is a session function, with the accidents that real
wires have.
"""

from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

import httpx
import trio
import trio.testing

from venue.nado.socket import Socket, accept_socket, background
from venue.protocol import Unreachable

Session = Callable[[Socket], Awaitable[None]]
Raw = Callable[[trio.abc.Stream], Awaitable[None]]
Handler = Callable[[httpx.Request], Coroutine[None, None, httpx.Response]]


def answering(handler: Handler) -> httpx.MockTransport:
    """HTTP answered by `handler`, whose answers arrive as a body to be read, as on a wire, and not read
    already as httpx makes them.
    """

    async def streamed(request: httpx.Request) -> httpx.Response:
        answer = await handler(request)
        if not answer.is_stream_consumed:
            return answer
        return httpx.Response(
            answer.status_code, headers=answer.headers, stream=httpx.ByteStream(answer.content)
        )

    return httpx.MockTransport(streamed)


class _Counted(trio.abc.Stream):
    """The client's end. Counts what it sends; can be made deaf, or break in the middle of a send."""

    def __init__(self, stream: trio.abc.Stream, owner: "MemoryDialer") -> None:
        self._stream = stream
        self._owner = owner

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        whole = bytes(data)
        held_s, self._owner.hold_s = self._owner.hold_s, 0.0
        if held_s:
            await trio.sleep(held_s)
        if self._owner.break_after is not None:
            part, self._owner.break_after = whole[: self._owner.break_after], None
            self._owner.sent += len(part)
            await self._stream.send_all(part)
            await self._stream.aclose()
            raise trio.BrokenResourceError("cut while sending")
        self._owner.sent += len(whole)
        await self._stream.send_all(whole)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        while True:
            data = await self._stream.receive_some(max_bytes)
            if not self._owner.mute or not data:
                return data

    async def aclose(self) -> None:
        await self._stream.aclose()


class MemoryDialer:
    """Every dial makes a fresh in-memory pair and runs `session` on the server's end (or `raw`, below the
    WebSocket).

    `refuse` makes dials fail. `sent` counts the clients' bytes. `mute` swallows everything from the server.
    `break_after` lets that many bytes of the next send out and then breaks the stream. `hold_s` keeps the
    next send waiting, as a full TCP window would.
    """

    def __init__(self, session: Session | None = None, *, raw: Raw | None = None) -> None:
        self._session = session
        self._raw = raw
        self._stack = AsyncExitStack()
        self.dials: list[float] = []
        self.refuse = False
        self.sent = 0
        self.mute = False
        self.break_after: int | None = None
        self.hold_s = 0.0
        self._ends: list[trio.abc.Stream] = []

    async def __aenter__(self) -> Self:
        self._nursery = await self._stack.enter_async_context(background())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return await self._stack.__aexit__(kind, value, trace)

    async def dial(self, host: str, port: int, *, tls: bool) -> trio.abc.Stream:
        self.dials.append(trio.current_time())
        if self.refuse:
            raise OSError("connection refused")
        client, server = trio.testing.memory_stream_pair()
        self._ends.append(server)
        self._nursery.start_soon(self._serve, server)
        return _Counted(client, self)

    async def _serve(self, stream: trio.abc.Stream) -> None:
        if self._raw is not None:
            await self._raw(stream)
            return
        assert self._session is not None
        try:
            async with accept_socket(stream) as socket:
                await self._session(socket)
        except Unreachable:
            pass

    async def inject(self, data: bytes) -> None:
        """Put raw bytes onto the wire, from the server's side of the newest connection."""
        await self._ends[-1].send_all(data)

    async def cut(self) -> None:
        """Break the newest connection, as a lost network would, once everything sent has arrived."""
        await trio.testing.wait_all_tasks_blocked()
        await trio.aclose_forcefully(self._ends[-1])
