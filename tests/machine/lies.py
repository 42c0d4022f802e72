"""A venue whose private words are not true: what its streams, its archive and its account say is changed
before the machine hears of it.

It stands between the client and the machine, behind the decoder: what reaches the machine is well formed, and
wrong. The engine behind it is right.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx
import msgspec
import trio

from messages.execution import AccountSnapshot, Fill, OrderUpdate, PositionChange
from tests.machine.bench import URL, Bench
from venue.nado.http import HttpReads
from venue.protocol import ArchivedOrder
from venue.simulated.gateway.asgi import application
from venue.throwaway import THROWAWAY_SENDER

Lie = Callable[[Any], Any]
"""Takes an event or an answer and returns what is told instead; None = nothing is."""


class LyingVenue:
    """`lies`: by what they are about. `late_s`: how old the account's readings are. `archive_after_s`:
    until when the archive knows nothing.
    """

    def __init__(self, real: Any) -> None:
        self._real = real
        self.reads = self
        self.lies: dict[type, Lie] = {}
        self.late_s = 0.0
        self.archive_after_s = 0.0
        self._seen: list[tuple[float, AccountSnapshot]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real if hasattr(self._real, name) else self._real.reads, name)

    def told(self, message: Any) -> Any:
        """What the machine hears of it."""
        lie = self.lies.get(type(message))
        return message if lie is None else lie(message)

    @asynccontextmanager
    async def account_events(self) -> AsyncIterator["_Stream"]:
        """The account's stream, with lies."""
        async with self._real.account_events() as events:
            yield _Stream(events, self)

    async def account(self) -> AccountSnapshot:
        """What the account was `late_s` ago, with the time of now: that is all that the wire says of its
        age.
        """
        now: AccountSnapshot = await self._real.reads.account()
        if self.late_s:
            old = [seen for at_s, seen in self._seen if at_s <= trio.current_time() - self.late_s]
            now = msgspec.structs.replace(old[-1] if old else self._seen[0][1], at_ms=now.at_ms)
        told: AccountSnapshot = self.told(now)
        return told

    async def remember_for_ever(
        self, ready: Bench, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Look at the engine ten times a second, for readings that are late; with a client of its own, so
        that nobody's weight is spent.
        """
        transport = httpx.ASGITransport(app=application(ready.venue))
        async with HttpReads(URL, THROWAWAY_SENDER, name="test", transport=transport) as reads:
            while True:
                self._seen.append((trio.current_time(), await reads.account()))
                task_status.started()
                task_status = trio.TASK_STATUS_IGNORED
                await trio.sleep(0.1)

    async def archived(self, digests: Sequence[str]) -> tuple[ArchivedOrder, ...]:
        """The archive's word, once it has one."""
        found = await self._real.reads.archived(digests)
        if trio.current_time() < self.archive_after_s:
            return ()
        return tuple(told for one in found if (told := self.told(one)) is not None)


class _Stream:
    def __init__(self, events: Any, venue: LyingVenue) -> None:
        self._events, self._venue = aiter(events), venue
        self._all = events

    @property
    def backlog(self) -> int:
        waiting: int = self._all.backlog
        return waiting

    def __aiter__(self) -> "_Stream":
        return self

    async def __anext__(self) -> Any:
        while True:
            told = self._venue.told(await anext(self._events))
            if told is not None:
                return told

    async def batch(self) -> list[Any]:
        """What arrived together, as it is told; nothing of it may be left."""
        while True:
            told = [
                said for event in await self._all.batch() if (said := self._venue.told(event)) is not None
            ]
            if told:
                return told


def lying(ready: Bench) -> LyingVenue:
    """Put a liar between this machine and its venue; to be called before it runs."""
    venue = LyingVenue(ready.world.venue)
    object.__setattr__(ready.world, "venue", venue)
    return venue


def silent_streams(venue: LyingVenue) -> None:
    """Nobody hears of fills, updates or positions."""
    venue.lies |= dict.fromkeys((Fill, OrderUpdate, PositionChange), lambda _message: None)
