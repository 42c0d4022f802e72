"""One state for all who look: whoever comes is given all of it, then what changes, numbered.

A delta is made and encoded once, a few times a second and only while somebody looks. A client has room for
`WAITING_MAX` of them; one that does not read them, or reads them too slowly, is dropped: it comes back and
is given all of it again. So nobody's slowness costs more than its own connection.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec
import trio

from commands.output.events import RunEvent
from commands.page.state import PageState
from runtime.clock import WallClock

FLUSH_S = 0.25
CLIENTS_MAX = 64
WAITING_MAX = 32
"""Deltas that may wait for one client: eight seconds of them."""


class TooMany(Exception):
    """`CLIENTS_MAX` browsers look already; one that is refused may try again later."""


class PageClient:
    """One who looks: `deltas` in order, until `dropped`."""

    def __init__(self) -> None:
        self._send, self.deltas = trio.open_memory_channel[bytes](WAITING_MAX)
        self.dropped = trio.CancelScope()

    def give(self, delta: bytes) -> None:
        """Put it into the queue, or drop a client whose queue is full. Never waits."""
        try:
            self._send.send_nowait(delta)
        except trio.WouldBlock:
            self.dropped.cancel()


class PageHub:
    """The page's state, and who looks at it."""

    def __init__(self, utc_ns: Callable[[], int] | None = None) -> None:
        """`utc_ns`: this machine's clock, by which a browser tells how old things are; its own may be
        wrong.
        """
        self._utc_ns = utc_ns or WallClock().utc_ns
        self._state = PageState()
        self._clients: set[PageClient] = set()
        self._changed = trio.Event()
        self.seq = 0
        """Of the last delta."""

    def take(self, event: RunEvent) -> None:
        """Fold one of the run's events; browsers are sent what it changed, together with what else did."""
        self._state.take(event)
        self._changed.set()

    def gone(self, words: str) -> None:
        """No more events come, and `words` say why: shown unless the last event has said how it ended."""
        self._state.gone(words)
        self._changed.set()

    @property
    def looking(self) -> int:
        """How many browsers are connected, at most `CLIENTS_MAX`."""
        return len(self._clients)

    @contextmanager
    def client(self) -> Iterator[tuple[PageClient, bytes]]:
        """One more who looks, and what it is given first. Raises `TooMany`."""
        if len(self._clients) >= CLIENTS_MAX:
            raise TooMany
        self.flush()
        client, snapshot = PageClient(), self._snapshot()
        self._clients.add(client)
        try:
            yield client, snapshot
        finally:
            self._clients.discard(client)

    async def run(self) -> None:
        """Until cancelled tell whoever looks what has changed."""
        while True:
            await self._changed.wait()
            self._changed = trio.Event()
            self.flush()
            await trio.sleep(FLUSH_S)

    def flush(self) -> None:
        """Tell it now. Without anybody who looks nothing is made."""
        state = self._state
        if not self._clients:
            return
        state.refresh()
        rows = {kind: list(each.items()) for kind, each in state.changed_rows.items() if each}
        if not (state.changed or rows):
            return
        self.seq += 1
        delta = msgspec.json.encode(
            {
                "seq": self.seq,
                "now": self._now_ms,
                "set": {name: state.sections[name] for name in sorted(state.changed)},
                "rows": rows,
            }
        )
        state.seen()
        for client in self._clients:
            client.give(delta)

    @property
    def _now_ms(self) -> int:
        return self._utc_ns() // 1_000_000

    def _snapshot(self) -> bytes:
        state = self._state
        state.refresh()
        state.seen()
        return msgspec.json.encode(
            {
                "seq": self.seq,
                "all": True,
                "now": self._now_ms,
                "set": state.sections,
                "rows": {kind: sorted(each.items()) for kind, each in state.rows.items()},
            }
        )
