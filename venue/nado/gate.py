"""The last question before the first byte: may this still be sent?

A WebSocket has one line and several that write on it (orders, pings, pongs, the closing), so a sender may
have to wait for it, for as long as the network holds up the one before. What was checked before that wait is
not what is true after it. So the question stands here, below the WebSocket, as the statement before
`send_all`.
"""

from collections.abc import Callable

import trio

from venue.protocol import Unreachable


class Withheld(Unreachable):
    """Not a byte has left, because the last question was answered with no. The connection is over: its
    compression has seen the message.
    """


class Gate(trio.abc.Stream):
    """A byte stream that one task at a time may put a question in front of."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self._task: trio.lowlevel.Task | None = None
        self._may: Callable[[], bool] = lambda: True
        self.withheld = False

    def ask(self, may: Callable[[], bool] | None) -> None:
        """Before this task's next bytes, ask `may`; None takes the question back."""
        self._task = None if may is None else trio.lowlevel.current_task()
        self._may = may or (lambda: True)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """As the stream's. Raises `trio.BrokenResourceError` when the answer is no."""
        if self._task is trio.lowlevel.current_task() and not self._may():
            self.withheld = True
            raise trio.BrokenResourceError("not sent: too late")
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """Until bytes could be sent without waiting; nothing is asked."""
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Bytes of the peer, at most `max_bytes`; b"" at the end. Nothing is asked."""
        return await self._stream.receive_some(max_bytes)

    async def aclose(self) -> None:
        """Close the stream below. Raises what that raises."""
        await self._stream.aclose()
