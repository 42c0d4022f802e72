"""Typed memory channels, in the two shapes Evenkeel uses.

`Mailbox`: bounded, in order, never waited for. Whoever posts uses `post`, which raises when the box is full:
a full mailbox means that a reader is stuck, which is a broken invariant to be noticed and not a reason to
slow the writer down. The supervisor owns the box for the life of the process and hands clones to
incarnations, because closing the last receive end would throw the backlog away.

`Latest`: one slot, the newest value wins. A slow reader misses versions and never sees an old one; a fast one
waits for a newer version, of one slot or of the first of several (`any_newer`), in its own task.
"""

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import trio

T = TypeVar("T")


class MailboxFull(Exception):
    """A bounded mailbox overflowed: its reader is stuck. Escalates; never retried."""


class Mailbox(Generic[T]):
    """A bounded channel of which one owner keeps both ends."""

    def __init__(self, name: str, size: int) -> None:
        self.name = name
        self.size = size
        """How many messages it holds at most."""
        self._send, self._receive = trio.open_memory_channel[T](size)

    def post(self, message: T) -> None:
        """Put `message` in without waiting. Raises `MailboxFull`: its reader is stuck."""
        try:
            self._send.send_nowait(message)
        except trio.WouldBlock:
            raise MailboxFull(f"mailbox {self.name} is full: its reader is stuck") from None

    def reader(self) -> trio.MemoryReceiveChannel[T]:
        """A receive end for one incarnation. Use it in `with`, so that it is closed when the incarnation
        ends.
        """
        return self._receive.clone()

    @property
    def backlog(self) -> int:
        """How many messages were posted and not yet taken."""
        return self._receive.statistics().current_buffer_used

    def drain(self) -> list[T]:
        """Take and return everything that waits, without waiting."""
        taken: list[T] = []
        while True:
            try:
                taken.append(self._receive.receive_nowait())
            except trio.WouldBlock:
                return taken


class Latest(Generic[T]):
    """A conflating slot: writers replace, readers wait for something newer than what they have seen."""

    def __init__(self, first: T | None = None) -> None:
        self._value = first
        self.version = 0 if first is None else 1
        self._waiters: list[trio.Event] = []

    def put(self, value: T) -> None:
        """Replace the value and wake every waiter; a value that nobody read is gone."""
        self._value = value
        self.version += 1
        for waiter in self._waiters:
            waiter.set()

    def clear(self) -> None:
        """Forget the value: until the next `put` there is none."""
        self._value = None

    @property
    def value(self) -> T | None:
        """The newest value; None before the first, and after `clear`."""
        return self._value

    async def newer_than(self, version: int) -> T:
        """The newest value, as soon as `self.version > version`."""
        while self.version <= version or self._value is None:
            await any_newer((self,), (version,))
        return self._value


async def any_newer(slots: Sequence[Latest[Any]], seen: Sequence[int]) -> None:
    """Return as soon as one of `slots` has a value that is newer than its version in `seen`; at once, and
    without a checkpoint, where one has it already.
    """
    while not any(
        slot.version > version and slot._value is not None for slot, version in zip(slots, seen, strict=True)
    ):
        # One event for all of them: a task for each slot is started and cancelled on the way of every tick.
        changed = trio.Event()
        for slot in slots:
            slot._waiters.append(changed)
        try:
            await changed.wait()
        finally:
            for slot in slots:
                slot._waiters.remove(changed)
