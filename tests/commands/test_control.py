"""The control socket: a run is reached by its name, says how things stand, and leaves when it is asked to."""

import os
import stat
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
import trio

from actors.run_ending import Leave, Pause
from commands.control import (
    LINE_MAX,
    SCREEN_MAX,
    ControlReply,
    ControlRequest,
    RunControl,
    ask,
    controlled,
    events_of,
    socket_path,
)
from commands.output.event_feed import READERS_MAX, EventFeed
from commands.output.funding_words import FundingFigures
from messages.lifecycle import Held
from messages.settings import Settings
from messages.units import Base
from tests.actors.fakes import held
from tests.commands.output.event_samples import AT, MESSAGES
from tests.commands.output.test_events import begin

NAME = "0123456789abcdef01234567"
SOON_S = 20.0


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))


class Run:
    """What stands behind the socket."""

    def __init__(self) -> None:
        self.posted: list[msgspec.Struct] = []
        self.held: Held | None = held(phase="open", cycle=3, eth=Base.of("0.042"), sol=Base.of("-1"))
        self.notes: list[str] = []
        self.control = RunControl(self.posted.append, lambda: self.held, Settings())

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        async with controlled(self.control, NAME, self.notes.append):
            yield


async def test_status_says_how_things_stand_and_changes_nothing() -> None:
    run = Run()
    async with run.serving():
        answer = await ask(NAME, ControlRequest("status"), 5)
    assert answer == ControlReply(
        os.getpid(), False, "open", 3, "ETH-PERP 0.042, SOL-PERP -1", progress="cycle 1 of 5"
    )
    assert run.posted == []


async def test_status_has_the_rates_that_the_run_knows() -> None:
    run, known = Run(), FundingFigures("0.0024", None, 12_000, None, words="ETH +24.00 SOL unknown bps/day")
    run.control.funding = lambda: known
    async with run.serving():
        answer = await ask(NAME, ControlRequest("status"), 5)
    assert answer is not None
    assert answer.funding == known


@pytest.mark.parametrize(("do", "on"), [("pause", True), ("resume", False)])
async def test_a_run_is_paused_and_resumed_and_answers_once(do: str, on: bool) -> None:
    run = Run()
    async with run.serving():
        with trio.fail_after(SOON_S):
            answer = await ask(NAME, ControlRequest(do, "dinner"), 600)  # type: ignore[arg-type]
    assert answer is not None
    assert not answer.ended
    assert run.posted == [Pause(on, "dinner")]


async def test_whoever_reaches_the_socket_is_told_where_the_page_is() -> None:
    run = Run()
    run.control = RunControl(
        run.posted.append, lambda: run.held, Settings(), page=lambda: "http://x/#token=y"
    )
    async with run.serving():
        answer = await ask(NAME, ControlRequest("status"), 5)
    assert answer is not None
    assert answer.page == "http://x/#token=y"


@pytest.mark.parametrize(
    ("do", "code", "latch"), [("flatten", "FLATTENED", False), ("halt", "HALTED_BY_HAND", True)]
)
async def test_a_run_is_asked_to_leave_and_its_last_word_is_waited_for(
    do: str, code: str, latch: bool
) -> None:
    run, heard = Run(), []
    async with run.serving(), trio.open_nursery() as nursery:

        async def ends() -> None:
            while not run.posted:  # noqa: ASYNC110 - posted to a list
                await trio.sleep(0.005)
            run.control.finished("")

        nursery.start_soon(ends)
        answer = await ask(NAME, ControlRequest(do, "I say so"), 5, heard.append)  # type: ignore[arg-type]
    assert run.posted == [Leave(code, "I say so", latch)]
    assert [each.ended for each in heard] == [False, True]
    assert answer is not None
    assert (answer.ended, answer.open_legs) == (True, "")


async def test_a_screen_is_drawn_for_the_terminal_that_asks_and_for_no_endless_one() -> None:
    run, sizes = Run(), []

    def screen(columns: int, rows: int) -> list[str]:
        sizes.append((columns, rows))
        return ["x" * columns] * rows

    async with run.serving():
        assert await ask(NAME, ControlRequest("screen", columns=80, rows=24), 5) == run.control.answer()
        run.control.screen = screen
        answer = await ask(NAME, ControlRequest("screen", columns=80, rows=24), 5)
        assert answer is not None
        assert answer.screen == ("x" * 80,) * 24
        assert msgspec.structs.replace(answer, screen=()) == run.control.answer()
        huge = await ask(NAME, ControlRequest("screen", columns=10**6, rows=10**6), 5)
        assert huge is not None, "it fits into one line of an answer"
        for columns, rows in ((0, 24), (80, 0), (-1, -1)):
            none = await ask(NAME, ControlRequest("screen", columns=columns, rows=rows), 5)
            assert none is not None
            assert none.screen == ()
    assert sizes == [(80, 24), SCREEN_MAX]
    assert run.posted == []


def test_what_is_not_asked_is_not_sent() -> None:
    """A run that is older than a field refuses it, and an upgrade with a pair open must reach that run."""
    assert msgspec.json.encode(ControlRequest("flatten")) == b'{"do":"flatten"}'


async def test_only_its_owner_can_reach_it_and_it_is_gone_with_the_run() -> None:
    run, path = Run(), socket_path(NAME)
    assert path is not None
    async with run.serving():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert not path.exists()
    assert await ask(NAME, ControlRequest("status"), 1) is None


async def test_the_socket_of_a_dead_run_is_replaced() -> None:
    path = socket_path(NAME)
    assert path is not None
    path.touch()
    async with Run().serving():
        assert await ask(NAME, ControlRequest("status"), 5) is not None


@pytest.mark.parametrize(
    "garbage", [b"", b"\n", b"nonsense\n", b'{"do": "sell everything"}\n', b"x" * (LINE_MAX + 10)]
)
async def test_whatever_else_is_sent_ends_that_connection_and_nothing_else(garbage: bytes) -> None:
    run, path = Run(), socket_path(NAME)
    assert path is not None
    async with run.serving():
        async with await trio.open_unix_socket(path) as stream:
            await stream.send_all(garbage)
            await stream.aclose()
        assert await ask(NAME, ControlRequest("status"), 5) is not None
    assert run.posted == []


async def test_a_run_that_does_not_answer_is_given_up_after_5_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The run's process is stopped: its socket takes what is sent and says nothing."""
    monkeypatch.setattr("commands.control.ANSWER_S", 0.05)
    path = socket_path(NAME)
    assert path is not None
    silent = trio.socket.socket(trio.socket.AF_UNIX)
    with silent:
        await silent.bind(str(path))
        silent.listen(1)
        assert await ask(NAME, ControlRequest("flatten"), 5) is None


def test_a_runtime_directory_whose_path_is_too_long_for_a_socket_is_not_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / ("deep" * 25)))
    path = socket_path(NAME)
    assert path is None or not path.is_relative_to(tmp_path)


def test_a_runtime_directory_that_others_may_enter_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "evenkeel").mkdir(mode=0o755)
    (tmp_path / "evenkeel").chmod(0o755)
    path = socket_path(NAME)
    assert path is None or not path.is_relative_to(tmp_path)


# -- events --------------------------------------------------------------------------------------------------


class Talkative(Run):
    """A run whose events can be followed."""

    def __init__(self) -> None:
        super().__init__()
        self.events = EventFeed(begin, lambda: AT)
        self.control = RunControl(self.posted.append, lambda: self.held, Settings(), events=self.events)


def writers() -> set[threading.Thread]:
    """The threads that write events; another test's may still be held by a pipe that nobody reads."""
    return {each for each in threading.enumerate() if each.name.startswith("writes events")}


async def test_events_are_followed_from_where_the_run_is_until_it_has_ended() -> None:
    run, heard = Talkative(), []
    run.events(MESSAGES[0])
    async with run.serving(), trio.open_nursery() as nursery:
        nursery.start_soon(events_of, NAME, heard.append)
        with trio.fail_after(SOON_S):
            while not heard:  # noqa: ASYNC110 - a list
                await trio.sleep(0.005)
        for message in MESSAGES:
            run.events(message)
        run.control.finished("")
    lines = [msgspec.json.decode(line) for line in heard]
    assert [line["event"] for line in lines[:2]] == ["begin", "note"]
    assert [line["seq"] for line in lines] == list(range(1, len(MESSAGES) + 2))
    assert run.posted == []


async def test_a_reader_of_events_that_does_not_read_holds_nobody_and_one_that_goes_is_forgotten() -> None:
    before, run, path = writers(), Talkative(), socket_path(NAME)
    assert path is not None
    async with run.serving():
        for _ in range(2 * READERS_MAX):
            async with await trio.open_unix_socket(path) as deaf:
                await deaf.send_all(b'{"do":"events"}\n')
                with trio.fail_after(SOON_S):
                    assert b'"begin"' in await deaf.receive_some(100_000)
                for _ in range(2_000):
                    run.events(MESSAGES[0])
                # somebody else is answered meanwhile
                with trio.fail_after(SOON_S):
                    assert await ask(NAME, ControlRequest("status"), 5)
        with trio.fail_after(SOON_S):
            while writers() - before:  # noqa: ASYNC110 - threads
                await trio.sleep(0.01)


async def test_a_run_ends_although_a_reader_of_its_events_stays_and_does_not_read() -> None:
    before, run, path = writers(), Talkative(), socket_path(NAME)
    assert path is not None
    with trio.fail_after(SOON_S):
        async with trio.open_nursery() as nursery:
            served = trio.Event()

            async def until_over() -> None:
                async with run.serving():
                    served.set()
                    await run.control._over.wait()

            nursery.start_soon(until_over)
            await served.wait()
            deaf = await trio.open_unix_socket(path)
            await deaf.send_all(b'{"do":"events"}\n')
            assert b'"begin"' in await deaf.receive_some(100_000)
            for _ in range(10_000):
                run.events(MESSAGES[0])
            run.control.finished("")
        while writers() - before:  # noqa: ASYNC110 - threads
            await trio.sleep(0.01)
        await deaf.aclose()


async def test_a_run_without_events_says_none() -> None:
    run, heard = Run(), []
    async with run.serving():
        await events_of(NAME, heard.append)
    await events_of(NAME, heard.append)
    assert heard == []
