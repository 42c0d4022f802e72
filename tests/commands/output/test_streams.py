"""What is printed never holds who prints it: terminals and pipes that nobody reads, files that hang,
streams that are closed.
"""

import errno
import io
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from commands.output.spool import Spool
from commands.output.streams import Queued, stalled
from commands.output.words import say
from commands.run.logfile import log_observer
from commands.screen.terminal import run_screen
from messages.lifecycle import Note
from messages.units import Ns
from tests.actors.fakes import START_MS, quote
from tests.commands.scenes import Clock, view_of

SOON_S = 5.0


@pytest.fixture
def unread() -> Iterator[tuple[int, int]]:
    """Both ends of a terminal that nobody reads: far end, near end."""
    far, near = os.openpty()
    yield far, near
    os.close(far)  # frees the thread that is held in `write`


def read_all(descriptor: int, until: bytes) -> bytes:
    read = b""
    while until not in read:
        read += os.read(descriptor, 65_536)
    return read


def until_stalled(stream: Queued) -> None:
    """More than any pipe or terminal takes by itself."""
    for _ in range(200):
        stream.write("x" * 1000 + "\n")
    time.sleep(0.05)
    assert stalled(stream)


def test_a_terminal_that_nobody_reads_holds_nobody_and_what_was_dropped_is_counted_and_said(
    unread: tuple[int, int],
) -> None:
    """K6: the loop blocked in `write`, deaf to signals, with a pair open."""
    far, near = unread
    stream = Queued(near)
    began = time.monotonic()
    for number in range(3_000):
        say(stream, f"{number:06d} " + "x" * 200)
    say(stream, "the last words")
    assert time.monotonic() - began < SOON_S
    assert not stream.spool.finish(0.05)
    assert stream.spool.lost > 1_000
    told = read_all(far, b"the last words")
    assert (
        sum(int(count) for count in re.findall(rb"\((\d+) lines were not shown", told)) == stream.spool.lost
    )
    assert stream.spool.finish(SOON_S)


def test_a_pipe_that_nobody_reads_holds_nobody() -> None:
    far, near = os.pipe()
    stream = Queued(near)
    until_stalled(stream)
    assert not stream.spool.finish(0.05)
    os.close(far)
    assert stream.spool.finish(SOON_S), "nobody will ever read it: that ends the wait"
    os.close(near)


def test_a_non_blocking_pipe_gets_every_line() -> None:
    """Whoever shares it may have made it so: a full pipe is then an error and no wait."""
    far, near = os.pipe()
    os.set_blocking(near, False)
    stream = Queued(near)
    for number in range(1_000):
        say(stream, f"{number:06d}" + "x" * 100)
    say(stream, "the end")
    told = read_all(far, b"the end").decode()
    assert [int(line[:6]) for line in told.splitlines()[:-1]] == list(range(1_000))
    os.close(far)
    os.close(near)


def test_a_full_disk_loses_the_words_and_nothing_else() -> None:
    with open("/dev/full", "wb", buffering=0) as full:
        stream = Queued(full.fileno())
        say(stream, "words")
        assert stream.spool.finish(SOON_S)
        assert stream.spool.lost == 1


def test_a_character_that_the_terminal_lacks_is_a_question_mark() -> None:
    far, near = os.pipe()
    stream = Queued(near, "ascii")
    say(stream, "a · b \udc80")
    assert stream.spool.finish(SOON_S)
    assert os.read(far, 100) == b"a ? b ?\n"
    os.close(far)
    os.close(near)


class Broken(io.StringIO):
    """A stream that fails in a way of its own."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def write(self, _text: str) -> int:
        raise self.error


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "full"),
        BrokenPipeError(),
        ValueError("closed"),
        UnicodeError("x"),
        AttributeError("None"),
        MemoryError(),
    ],
)
def test_saying_something_never_raises(error: Exception) -> None:
    """Exit 1 "nothing is open" was what a full disk made of a pair that was open."""
    assert say(Broken(error), "words") is False
    assert say(None, "words") is False


def test_where_there_is_no_thread_to_be_had_everything_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(_self: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("threading.Thread.start", none)
    spool = Spool("none", print, lambda count: f"{count} lost\n")
    spool.put("words")
    assert (spool.busy, spool.lost) == (False, 1)


def test_what_is_gathered_is_written_together_as_far_as_it_may_be() -> None:
    written: list[str] = []
    spool = Spool("gathers", written.append, lambda count: f"{count} lost\n", gather_s=1_000.0, join_max=9)
    for text in ("one\n", "two\n", "three\n", "four\n"):
        spool.put(text)
    assert written == []
    assert spool.finish(SOON_S)
    assert written == ["one\ntwo\n", "three\n", "four\n"]


def test_of_what_is_gathered_the_oldest_is_dropped_when_it_is_too_much_and_each_text_counts() -> None:
    written: list[str] = []
    spool = Spool("gathers", written.append, lambda count: f"{count} lost\n", 12, gather_s=1e3, join_max=99)
    for number in range(10):
        spool.put(f"{number:03}\n")
    assert spool.finish(SOON_S)
    assert written == ["7 lost\n007\n008\n009\n"]
    assert spool.lost == 7


def test_of_texts_that_fail_together_each_counts() -> None:
    def fails(_text: str) -> None:
        raise OSError("full")

    spool = Spool("fails", fails, lambda count: f"{count} lost\n", gather_s=1e3, join_max=99)
    for number in range(10):
        spool.put(f"{number}\n")
    assert spool.finish(SOON_S)
    assert spool.lost == 10


@pytest.mark.parametrize("live", [True, False], ids=["in place", "lines"])
async def test_the_screen_of_a_terminal_that_nobody_reads_leaves_the_loop_alone(
    unread: tuple[int, int], live: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("commands.screen.terminal.REDRAW_S", 0.01)
    stream = Queued(unread[1])
    until_stalled(stream)
    view = view_of([quote()])
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lambda: run_screen(view, stream, lambda: START_MS, live=live))  # type: ignore[arg-type]
            for turn in range(50):
                view.observe(Note(Ns(START_MS * 10**6), "info", "x", f"line {turn}"))
                await trio.sleep(0.01)
            nursery.cancel_scope.cancel()


def test_a_log_on_a_disk_that_hangs_holds_nobody_not_even_when_it_is_opened_or_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pipe that nobody opens is the hanging disk that a test can have."""
    monkeypatch.setattr("commands.run.logfile.OPEN_S", 0.05)
    monkeypatch.setattr("commands.run.logfile.CLOSE_S", 0.05)
    os.mkfifo(tmp_path / "evenkeel.log")
    began = time.monotonic()
    log = log_observer(tmp_path / "evenkeel.log", Clock())
    for number in range(10_000):
        log(Note(Ns(START_MS * 10**6), "info", "x", f"line {number} " + "x" * 100))
    log.close()
    assert time.monotonic() - began < SOON_S
    assert log.lost > 1_000
    freed = os.open(tmp_path / "evenkeel.log", os.O_RDONLY)
    read_all(freed, b"line 9999")
    os.close(freed)


def test_a_log_that_cannot_be_made_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        log_observer(tmp_path / "file" / "evenkeel.log", Clock())
