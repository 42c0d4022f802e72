"""A watched run as its watcher sees it: what comes is kept within bounds, and nothing of it ends it."""

import os

import msgspec
import pytest
import trio

from commands.output.event_feed import line_of
from commands.output.events import (
    BeginEvent,
    BooksEvent,
    EndedEvent,
    GaugesEvent,
    LostEvent,
    RunEvent,
    StandingEvent,
)
from commands.watched.told import WatcherBrief
from commands.watched.watched import EVENTS_KEPT, LINE_MAX, Watched
from tests.commands.output.event_samples import sample_lines

BRIEF = WatcherBrief("run-1", 4123, "token", True)


def encoded(event: RunEvent) -> bytes:
    return line_of(event).encode().rstrip(b"\n")


async def test_every_kind_of_event_is_taken_and_told_to_whoever_hears() -> None:
    watched, heard = Watched(BRIEF), list[RunEvent]()
    watched.hearers.append(heard.append)
    for event in sample_lines():
        watched.take(encoded(event))
    assert heard == list(watched.events) == sample_lines()
    assert watched.unread == 0
    assert watched.lost == next(each.count for each in sample_lines() if isinstance(each, LostEvent))
    newest = (watched.begun, watched.standing, watched.books, watched.gauges)
    assert [type(each) for each in newest] == [BeginEvent, StandingEvent, BooksEvent, GaugesEvent]
    assert watched.ended == next(each for each in sample_lines() if isinstance(each, EndedEvent))


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b'{"event":"new","schema":"evenkeel.event/1"}',
        b'{"event":"gauges","schema":"evenkeel.event/1","seq":"x"}',
    ],
)
async def test_a_line_that_cannot_be_read_is_counted_and_skipped(line: bytes) -> None:
    watched = Watched(BRIEF)
    watched.take(line)
    watched.take(encoded(sample_lines()[1]))
    assert (watched.unread, len(watched.events)) == (1, 1)


async def test_who_hears_and_fails_ends_nothing() -> None:
    def fails(_event: RunEvent) -> None:
        raise RuntimeError("a defect")

    watched, heard = Watched(BRIEF), list[RunEvent]()
    watched.hearers += [fails, heard.append]
    watched.take(encoded(sample_lines()[1]))
    assert len(heard) == 1


async def test_only_so_many_events_are_kept() -> None:
    watched = Watched(BRIEF)
    for _ in range(EVENTS_KEPT + 10):
        watched.take(encoded(sample_lines()[1]))
    assert len(watched.events) == EVENTS_KEPT


async def test_lines_come_in_pieces_and_one_without_an_end_is_not_kept(
    autojump_clock: trio.abc.Clock,
) -> None:
    far, near = os.pipe()
    watched, line = Watched(BRIEF), encoded(sample_lines()[1]) + b"\n"
    async with trio.open_nursery() as nursery, trio.lowlevel.FdStream(near) as writer:
        nursery.start_soon(watched.read, trio.lowlevel.FdStream(far), line[:5])
        await writer.send_all(line[5:] + line[:10])
        await writer.send_all(line[10:])
        await writer.send_all(b"x" * (LINE_MAX + 65_537) + b"\n" + line)
        await writer.aclose()
        await watched.gone.wait()
    assert len(watched.events) == 3
    assert watched.unread >= 1


async def test_what_came_with_the_first_piece_is_taken_although_nothing_follows() -> None:
    """A run that was over before its watcher began to read: all of it, and how it ended, came at once."""
    far, near = os.pipe()
    os.close(near)
    watched, ended = Watched(BRIEF), next(each for each in sample_lines() if isinstance(each, EndedEvent))
    await watched.read(
        trio.lowlevel.FdStream(far), encoded(sample_lines()[1]) + b"\n" + encoded(ended) + b"\n"
    )
    assert watched.ended == ended


def test_what_a_run_and_its_watcher_say_fits_on_one_line() -> None:
    assert b"\n" not in msgspec.json.encode(BRIEF)
