"""A run's side of its watcher, on virtual time: one that dies, hangs, floods or cannot be started is replaced
within bounds, and whoever trades does not wait for it.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import msgspec
import pytest
import trio

from commands.output.event_feed import READERS_MAX, EventFeed
from commands.run.guard_keeper import AGAIN_S, LIVES, LIVES_S
from commands.run.watcher_keeper import (
    SILENT_S,
    START_S,
    TEXTS_MAX,
    Monitor,
    environment_of,
)
from commands.watched.told import SAYS_MAX, WatcherSays
from messages.lifecycle import Note
from messages.settings import Settings, VenueSettings
from runtime.clock import WallClock
from runtime.observe import Notes
from runtime.retry import until
from tests.commands.output.event_samples import AT, MESSAGES
from tests.commands.output.test_events import begin


class FakeStdout(trio.abc.ReceiveStream):
    """What a fake watcher says; `floods`: without end."""

    def __init__(self) -> None:
        self.said = bytearray()
        self.floods = False
        self.reads = 0
        self.came = trio.Event()

    def say(self, said: WatcherSays) -> None:
        self.said += msgspec.json.encode(said) + b"\n"
        self.came.set()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        self.reads += 1
        if self.floods:
            await trio.lowlevel.checkpoint()
            return b'{"text":"x"}\n' * (SAYS_MAX // 13)
        while not self.said:
            await self.came.wait()
            self.came = trio.Event()
        piece = bytes(self.said[:max_bytes])
        del self.said[:max_bytes]
        return piece

    async def aclose(self) -> None:
        return


@dataclass
class FakeWatcher:
    """A watcher's process: it reads, beats, and ends when it is killed."""

    pid: int
    reading: int
    stdout: FakeStdout = field(default_factory=FakeStdout)
    returncode: int | None = None
    mute: bool = False

    async def live(self) -> None:
        while self.returncode is None:
            if not self.mute:
                self.stdout.say(WatcherSays())
            await trio.sleep(1)

    def kill(self) -> None:
        if self.returncode is not None:
            raise ProcessLookupError
        self.returncode = -9

    async def wait(self) -> object:
        await until(lambda: self.returncode is not None, 0.1)
        return self.returncode


@dataclass
class MonitorScene:
    """A monitor with fake watchers."""

    nursery: trio.Nursery
    said: list[Note] = field(default_factory=list)
    watchers: list[FakeWatcher] = field(default_factory=list)
    began_s: list[float] = field(default_factory=list)
    mute: bool = False
    missing: bool = False
    feed: EventFeed = field(default_factory=lambda: EventFeed(begin, lambda: AT, remembers=True))

    def observe(self, message: msgspec.Struct) -> None:
        assert isinstance(message, Note)
        self.said.append(message)

    async def start(self, number: int) -> tuple[FakeWatcher, int]:
        assert number == len(self.began_s) + 1
        self.began_s.append(trio.current_time())
        if self.missing:
            raise FileNotFoundError("no interpreter")
        far, near = os.pipe()
        born = FakeWatcher(1000 + len(self.watchers), far, mute=self.mute)
        self.watchers.append(born)
        self.nursery.start_soon(born.live)
        return born, near

    @property
    def newest(self) -> FakeWatcher:
        return self.watchers[-1]


@asynccontextmanager
async def keeping(**known: bool) -> AsyncIterator[MonitorScene]:
    async with trio.open_nursery() as nursery:
        scene = MonitorScene(nursery, **known)  # type: ignore[arg-type]
        notes = Notes(scene.observe, WallClock(), "run")
        monitor = Monitor(scene.start, scene.feed, notes)
        nursery.start_soon(monitor.keep)
        await trio.sleep(0.1)
        try:
            yield scene
        finally:
            nursery.cancel_scope.cancel()
            for watcher in scene.watchers:
                with suppress(OSError):
                    os.close(watcher.reading)


async def test_it_is_told_first_how_things_have_come_to_stand(autojump_clock: trio.abc.Clock) -> None:
    """Also the one that replaces another."""
    async with trio.open_nursery() as nursery:
        scene = MonitorScene(nursery)
        for message in MESSAGES:
            scene.feed(message)
        monitor = Monitor(scene.start, scene.feed, Notes(scene.observe, WallClock(), "run"))
        nursery.start_soon(monitor.keep)
        await trio.sleep(0.1)
        assert await trio.to_thread.run_sync(scene.feed._readers[0].finish, 5.0)
        scene.newest.kill()
        await trio.sleep(AGAIN_S + 1)
        assert await trio.to_thread.run_sync(scene.feed._readers[0].finish, 5.0)
        nursery.cancel_scope.cancel()
    for watcher in scene.watchers:
        told = [msgspec.json.decode(line)["event"] for line in os.read(watcher.reading, 1 << 18).splitlines()]
        os.close(watcher.reading)
        assert told[0] == "begin"
        assert {"books", "gauges", "sealed", "said"} <= set(told)
    assert len(scene.watchers) == 2


async def test_one_that_is_killed_is_replaced(autojump_clock: trio.abc.Clock) -> None:
    async with keeping() as scene:
        scene.newest.kill()
        await trio.sleep(AGAIN_S + 1)
        assert len(scene.watchers) == 2
    assert [note.level for note in scene.said] == ["warning"]
    assert "pid 1000, is gone" in scene.said[0].text
    assert "trading is not affected" in scene.said[0].text


async def test_one_that_goes_silent_is_killed_and_replaced(autojump_clock: trio.abc.Clock) -> None:
    """A stopped process would be the end of every alert."""
    async with keeping() as scene:
        await trio.sleep(3)
        scene.newest.mute = True
        await trio.sleep(SILENT_S + AGAIN_S + 2)
        assert len(scene.watchers) == 2
        assert scene.watchers[0].returncode == -9


async def test_one_that_never_says_anything_is_given_its_start_and_no_more(
    autojump_clock: trio.abc.Clock,
) -> None:
    async with keeping(mute=True) as scene:
        await trio.sleep(START_S - 1)
        assert len(scene.watchers) == 1
        await trio.sleep(AGAIN_S + 3)
        assert len(scene.watchers) == 2


async def test_it_is_started_only_so_often(autojump_clock: trio.abc.Clock) -> None:
    async with keeping(missing=True) as scene:
        await trio.sleep(2 * LIVES_S)
        last = scene.began_s
        assert all(late - early >= LIVES_S for early, late in zip(last, last[LIVES:], strict=False))
        assert len(last) >= LIVES + 1
    assert "no interpreter" in scene.said[0].text


async def test_one_that_floods_its_run_is_read_slowly_and_told_rarely(autojump_clock: trio.abc.Clock) -> None:
    async with keeping() as scene:
        scene.newest.stdout.floods = True
        reads = scene.newest.stdout.reads
        await trio.sleep(10)
        assert scene.newest.stdout.reads - reads <= 10 / 0.05 + 2
        assert len(scene.said) <= TEXTS_MAX
        assert len(scene.watchers) == 1


async def test_what_it_says_reaches_the_log(autojump_clock: trio.abc.Clock) -> None:
    async with keeping() as scene:
        scene.newest.stdout.say(WatcherSays(url="http://127.0.0.1:8080"))
        scene.newest.stdout.said += b"no json\n\xff\n"
        scene.newest.stdout.say(WatcherSays(text="no page: the port is taken", level="warning"))
        await trio.sleep(2)
        told = [(note.level, note.text) for note in scene.said]
    assert told == [
        ("info", "page and metrics: http://127.0.0.1:8080"),
        ("warning", "no page: the port is taken"),
    ]


async def test_without_a_place_for_a_reader_it_is_tried_again(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        scene = MonitorScene(nursery)
        ends = [os.pipe() for _ in range(READERS_MAX)]
        readers = [scene.feed.attach(near) for _, near in ends]
        monitor = Monitor(scene.start, scene.feed, Notes(scene.observe, WallClock(), "run"))
        nursery.start_soon(monitor.keep)
        await trio.sleep(0.5)
        assert scene.newest.returncode == -9
        assert "too many readers" in scene.said[0].text
        nursery.cancel_scope.cancel()
        for reader in readers:
            if reader is not None:
                reader.close()
        for far, _ in ends:
            os.close(far)
        os.close(scene.newest.reading)


@pytest.mark.parametrize("key", ["env:NADO_PRIVATE_KEY", "file:/k", "env:MY_KEY"])
def test_a_watcher_has_no_signing_key_and_no_configuration_of_its_own(key: str) -> None:
    settings = Settings(venue=VenueSettings(key=key))
    found = {"NADO_PRIVATE_KEY": "1", "MY_KEY": "2", "EVENKEEL_TARGET": "5 USD", "PATH": "/bin", "BOT": "3"}
    left = environment_of(settings, found)
    assert "EVENKEEL_TARGET" not in left
    assert key.removeprefix("env:") not in left
    assert (left["PATH"], left["BOT"]) == ("/bin", "3")
