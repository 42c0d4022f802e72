"""Every byte stream of one client, so that all can be given up at once: after the machine has slept none
of them can be trusted.
"""

from weakref import WeakSet

import trio

from venue.nado.socket import Dialer, drop


class TrackedStreams:
    """A `Dialer` that remembers what it has dialled for as long as somebody uses it."""

    def __init__(self, dialer: Dialer) -> None:
        self._dialer = dialer
        self._open: WeakSet[trio.abc.Stream] = WeakSet()

    async def dial(self, host: str, port: int, *, tls: bool) -> trio.abc.Stream:
        """A connected stream, remembered while somebody uses it. Raises what the dialer raises."""
        stream = await self._dialer.dial(host, port, tls=tls)
        self._open.add(stream)
        return stream

    async def cut(self) -> None:
        """Close all of them without a closing handshake: reads and writes under way end as lost."""
        for stream in tuple(self._open):
            await drop(stream)
