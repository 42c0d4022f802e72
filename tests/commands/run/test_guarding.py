"""The keeper of a guard, on virtual time: a guard that gives no sign of life is replaced, nothing is
entered meanwhile, and never two are alive.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import msgspec
import pytest
import trio

from actors.instance.state import GUARD_BEAT, RunState
from commands.run.guard_keeper import (
    AGAIN_S,
    GONE_S,
    LIVES,
    LIVES_S,
    LOOK_S,
    SILENT_S,
    START_S,
    Guarded,
    Keeper,
    kept_apart,
)
from runtime.heartbeat import APART, BEAT_S, Beat
from runtime.state_file import write_taken

RUN = "run 1"
BEATS = count(1)
"""Modification times of heartbeats: virtual time passes faster than a file system's clock."""


@dataclass
class FakeGuard:
    """A guard's process: it beats, may be stopped and continued, and ends when it is killed, like a real
    one.
    """

    pid: int
    path: Path
    mute: bool = False
    """It never gets as far as its first heartbeat."""
    run: str = RUN
    needed: bool = True
    """It ends by itself when it is not."""
    returncode: int | None = None
    stopped: bool = False
    _ended: trio.Event = field(default_factory=trio.Event)

    async def live(self) -> None:
        if not self.mute:
            self.path.write_bytes(msgspec.json.encode(Beat(self.run, self.pid)))
        while self.returncode is None and self.needed:
            if not self.stopped and not self.mute:
                stamp = next(BEATS)
                os.utime(self.path, ns=(stamp, stamp))
            await trio.sleep(BEAT_S)
        self.end(0)

    def end(self, code: int) -> None:
        if self.returncode is None:
            self.returncode = code
            self._ended.set()

    def kill(self) -> None:
        if self.returncode is not None:
            raise ProcessLookupError
        self.end(-9)

    async def wait(self) -> int | None:
        await self._ended.wait()
        return self.returncode


@dataclass
class KeeperScene:
    """A run's side of its guards."""

    state: RunState
    nursery: trio.Nursery
    guard: Guarded
    guards: list[FakeGuard] = field(default_factory=list)
    began_s: list[float] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    mute: bool = False
    two: bool = False
    """Were two alive at once, ever?"""
    left: list[FakeGuard] = field(default_factory=list)
    """Those that were alive, and not stopped, when the run had ended."""

    async def start(self) -> FakeGuard:
        self.two = self.two or any(each.returncode is None for each in self.guards)
        born = FakeGuard(1000 + len(self.guards), self.state.beside(GUARD_BEAT), self.mute)
        self.guards.append(born)
        self.began_s.append(trio.current_time())
        self.nursery.start_soon(born.live)
        return born

    @property
    def newest(self) -> FakeGuard:
        return self.guards[-1]

    async def until(self, standing: bool, within_s: float) -> float:
        """Seconds until a guard is there, or none is."""
        began_s = trio.current_time()
        with trio.fail_after(within_s):
            while self.guard.is_alive != standing:  # noqa: ASYNC110 - the keeper has no event for it
                await trio.sleep(0.01)
        return trio.current_time() - began_s


class FakeHeartbeat:
    """The run's own: not what is tested here."""

    def beat(self, _now_s: float) -> None:
        return


@asynccontextmanager
async def kept(folder: Path, *, mute: bool = False) -> AsyncIterator[tuple[KeeperScene, Keeper]]:
    """A keeper at work, left as a run leaves it."""
    state = RunState(folder / "state", "a subaccount", str(folder))
    await state.begin()
    async with trio.open_nursery() as outside:
        scene = KeeperScene(state, outside, Guarded(FakeHeartbeat()), mute=mute)  # type: ignore[arg-type]
        keeper = Keeper(state, scene.guard, RUN, scene.start, scene.said.append)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(keeper.keep)
            yield scene, keeper
            nursery.cancel_scope.cancel()
        scene.left = [guard for guard in scene.guards if guard.returncode is None and not guard.stopped]
        for guard in scene.guards:
            guard.end(0)
    state.close()
    assert not scene.two


async def test_until_its_first_heartbeat_nothing_may_be_entered_and_then_it_may(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    async with kept(tmp_path) as (it, _):
        assert it.guard.missing()[0] == "the guard is not alive: it is starting"
        await it.until(True, 1)
        assert it.guard.missing() == ("", 0.0)
        assert it.guard.words == "guard 1000"
        await trio.sleep(3600)
        assert (len(it.guards), it.said) == (1, [])


async def test_one_that_is_stopped_is_killed_after_its_silence_and_replaced(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    """K6: it was noticed by nobody."""
    async with kept(tmp_path) as (it, _):
        await it.until(True, 1)
        it.newest.stopped = True
        assert SILENT_S <= await it.until(False, 60) + BEAT_S <= SILENT_S + BEAT_S + LOOK_S + 0.01
        assert it.guard.missing()[0] == "the guard is not alive: guard 1000 has had no heartbeat for 3 s"
        await trio.lowlevel.checkpoint()
        assert it.guards[0].returncode == -9, (
            "a stopped process ends by nothing else, and would act on old news when it goes on"
        )
        assert it.said == [
            "GUARD_DOWN: guard 1000 has had no heartbeat for 3 s: it is started again in 1 s, nothing is"
            " entered until then"
        ]
        assert await it.until(True, 60) <= AGAIN_S + LOOK_S + 0.01
        assert [guard.returncode for guard in it.guards] == [-9, None]
        assert it.guard.missing() == ("", 0.0)


async def test_one_that_was_killed_is_replaced_at_once(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    async with kept(tmp_path) as (it, _):
        await it.until(True, 1)
        it.newest.kill()
        assert await it.until(False, 60) <= LOOK_S + 0.01
        assert it.guard.missing()[0] == "the guard is not alive: guard 1000 ended with code -9"
        await it.until(True, 60)
        assert [guard.returncode for guard in it.guards] == [-9, None]


@pytest.mark.parametrize(
    "stopped_s",
    [
        0.5,
        SILENT_S - LOOK_S,
        SILENT_S - 0.05,
        SILENT_S,
        SILENT_S + 0.05,
        SILENT_S + LOOK_S,
        SILENT_S + AGAIN_S,
    ],
)
async def test_one_that_goes_on_after_being_stopped_is_alone_or_dead(
    autojump_clock: trio.testing.MockClock, tmp_path: Path, stopped_s: float
) -> None:
    """Whenever it goes on: never two that would close."""
    async with kept(tmp_path) as (it, _):
        await it.until(True, 1)
        it.newest.stopped = True
        await trio.sleep(stopped_s)
        it.guards[0].stopped = False
        await trio.sleep(30)
        alive = [guard.pid for guard in it.guards if guard.returncode is None]
        assert len(alive) == 1
        assert it.guard.words == f"guard {alive[0]}"
        assert stopped_s < SILENT_S - LOOK_S or len(it.guards) == (
            1 if it.guards[0].returncode is None else 2
        )


async def test_the_heartbeat_of_another_process_is_no_sign_of_life_of_this_one(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    """An older guard that beats on must not pass for the newer one, and a guard of another run neither."""
    async with kept(tmp_path, mute=True) as (it, _):
        other = FakeGuard(7, it.state.beside(GUARD_BEAT))
        it.nursery.start_soon(other.live)
        await trio.sleep(START_S - 1)
        assert not it.guard.is_alive
        await trio.sleep(1 + LOOK_S + 0.01)
        assert it.guards[0].returncode == -9
        other.end(0)


async def test_one_that_never_comes_up_is_given_its_time_and_started_a_few_times_a_minute_for_ever(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    async with kept(tmp_path, mute=True) as (it, _):
        for _ in range(1200):
            await trio.sleep(1)
            if it.newest.returncode is None:
                it.newest.kill()
        assert all(
            later - before >= LIVES_S - 0.01
            for before, later in zip(it.began_s, it.began_s[LIVES:], strict=False)
        )
        assert len(it.guards) > 1200 / LIVES_S * LIVES - LIVES
        assert it.guard.missing()[1] == pytest.approx(trio.current_time(), abs=1), (
            "the run ends by it, so it must not begin anew with each start"
        )


async def test_one_that_closes_for_us_is_left_alone_however_silent_it_is(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    """It has taken over: reading a long ledger takes its time, and a second one would close beside it."""
    async with kept(tmp_path) as (it, _):
        await it.until(True, 1)
        write_taken(it.state.beside(".json"), it.state.epoch + 1)
        it.newest.stopped = True
        await trio.sleep(60)
        assert (len(it.guards), it.newest.returncode) == (1, None)


async def test_one_that_has_closed_for_us_and_ended_is_not_replaced_unless_something_is_open_at_the_end(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    """A run that stands down once had another guard started, which said that it was watching it."""
    for needless in (True, False):
        async with kept(tmp_path / str(needless)) as (it, _):
            await it.until(True, 1)
            write_taken(it.state.beside(".json"), it.state.epoch + 1)
            await trio.sleep(2)
            it.newest.needed = False
            await trio.sleep(60)
            assert (len(it.guards), it.guard.words, it.said) == (1, "guard DOWN", [])
            it.guard.needless = needless
        assert len(it.left) == (0 if needless else 1)


async def test_one_that_closes_for_us_is_not_killed_by_a_run_that_believes_to_be_flat(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    async with kept(tmp_path) as (it, _):
        await it.until(True, 1)
        write_taken(it.state.beside(".json"), it.state.epoch + 1)
        it.guard.needless = True
    assert it.left == it.guards


async def test_a_run_that_ends_flat_leaves_none_behind(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    for obeys in (True, False):
        async with kept(tmp_path / str(obeys)) as (it, _):
            await it.until(True, 1)
            it.guard.needless = True
            it.newest.needed = not obeys
            began_s = trio.current_time()
        assert it.newest.returncode == (0 if obeys else -9)
        assert trio.current_time() - began_s <= GONE_S + 1


async def test_a_run_that_ends_with_something_open_leaves_one_that_lives(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    """Also where the guard had been stopped only a moment before: nobody would be left to replace it."""
    for stopped_s in (None, 0.1, 1.0, SILENT_S - LOOK_S, SILENT_S + LOOK_S):
        async with kept(tmp_path / str(stopped_s)) as (it, _):
            await it.until(True, 1)
            if stopped_s is not None:
                it.newest.stopped = True
                await trio.sleep(stopped_s)
        assert len(it.left) == 1, stopped_s
        assert it.left == [guard for guard in it.guards if guard.returncode == 0], stopped_s


@asynccontextmanager
async def watched(folder: Path) -> AsyncIterator[tuple[Guarded, FakeGuard, trio.Nursery, list[str]]]:
    """A run whose guard is a unit of its own, and that guard, not started yet."""
    state = RunState(folder / "state", "a subaccount", str(folder))
    await state.begin()
    guard, said = Guarded(FakeHeartbeat()), list[str]()  # type: ignore[arg-type]
    unit = FakeGuard(1000, state.beside(GUARD_BEAT), run=APART)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(kept_apart, state, guard, said.append)
        yield guard, unit, nursery, said
        nursery.cancel_scope.cancel()
    state.close()


async def test_a_guard_apart_is_waited_for_and_neither_started_nor_killed(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    async with watched(tmp_path) as (guard, unit, nursery, said):
        await trio.sleep(10)
        assert guard.missing() == ("the guard is not alive: it is starting", pytest.approx(10, abs=0.1))
        nursery.start_soon(unit.live)
        await trio.sleep(1)
        assert (guard.words, guard.missing(), said) == ("guard 1000", ("", 0.0), [])
        unit.stopped = True
        await trio.sleep(SILENT_S + 2 * LOOK_S)
        assert (guard.words, unit.returncode) == ("guard DOWN", None)
        assert said == [
            "GUARD_DOWN: the guard is not alive: guard 1000 has had no heartbeat for 3 s: nothing is entered"
            " until it is; start its unit"
        ]
        unit.stopped = False
        await trio.sleep(1)
        assert (guard.missing(), len(said)) == (("", 0.0), 1)


@pytest.mark.parametrize("run", [APART, RUN])
async def test_a_heartbeat_that_a_dead_guard_left_or_another_runs_guard_sends_is_no_guard_apart(
    autojump_clock: trio.testing.MockClock, tmp_path: Path, run: str
) -> None:
    async with watched(tmp_path) as (guard, unit, nursery, said):
        unit.run = run
        if run == APART:
            unit.path.write_bytes(msgspec.json.encode(Beat(run, unit.pid)))
        else:
            nursery.start_soon(unit.live)
        for _ in range(200):
            await trio.sleep(0.1)
            assert not guard.is_alive
        assert said == []
