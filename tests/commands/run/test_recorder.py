"""What is only for people never stops trading (lesson R11): a watcher or a screen that fails is left out,
and that is said.
"""

import msgspec
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from commands.run import recorder as module
from commands.run.logfile import GATHER_S
from commands.run.recorder import REPORT_S, Recorder
from messages.lifecycle import Halted, Note, Staged
from messages.units import Ns

SAID = Staged(1, "an accident")


def notes(heard: list[msgspec.Struct]) -> list[str]:
    return [said.text for said in heard if isinstance(said, Note)]


def test_a_watcher_that_raises_reaches_nobody_who_speaks_and_the_others_hear_of_it() -> None:
    recorder = Recorder()
    heard: list[msgspec.Struct] = []
    calls: list[msgspec.Struct] = []

    def draws(message: msgspec.Struct) -> None:
        calls.append(message)
        raise ZeroDivisionError("no columns")

    recorder.watchers += [draws, heard.append]
    recorder.observe(SAID)
    recorder.observe(SAID)
    assert calls == [SAID]
    assert heard.count(SAID) == 2
    assert len(notes(heard)) == 1
    assert "draws failed and is left out from here on: ZeroDivisionError: no columns" in notes(heard)[0]


def test_when_every_watcher_fails_speaking_still_works() -> None:
    recorder = Recorder()

    def fails(message: msgspec.Struct) -> None:
        raise OSError("no space left on device")

    recorder.watchers += [fails, fails]
    recorder.observe(SAID)
    assert (recorder.watchers, recorder.staged) == ([], [SAID])


async def test_a_terminal_that_has_gone_away_ends_the_screen_and_nothing_else(
    autojump_clock: MockClock,
) -> None:
    recorder = Recorder()
    heard: list[msgspec.Struct] = []
    recorder.watchers.append(heard.append)

    async def screen(width: int) -> None:
        await trio.sleep(width)
        raise BrokenPipeError("nobody reads")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(recorder.show, "the screen", screen, 80)
        await trio.sleep(100)
    assert notes(heard) == ["the screen failed and is left out from here on: BrokenPipeError: nobody reads"]


def note(number: int) -> Note:
    return Note(Ns(0), "info", "x", f"line {number}")


class Watched(list[msgspec.Struct]):
    """What one listener heard, and the moments by which it would date it."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self.at_ns: list[int] = []
        self._recorder = recorder

    def hear(self, message: msgspec.Struct) -> None:
        self.append(message)
        self.at_ns.append(self._recorder.clock.utc_ns())


async def test_while_a_machine_trades_people_hear_of_it_a_moment_later_and_whoever_acts_at_once(
    autojump_clock: MockClock,
) -> None:
    recorder = Recorder()
    acts, people = Watched(recorder), Watched(recorder)
    recorder.watchers.append(acts.hear)
    recorder.people.append(people.hear)
    recorder.observe(note(0))
    assert acts == people == [note(0)]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(recorder.report_later)
        await wait_all_tasks_blocked()
        for number in (1, 2, 3):
            recorder.observe(note(number))
        assert acts == [note(number) for number in range(4)]
        assert people == [note(0)]
        await trio.sleep(2 * REPORT_S)
        assert people == acts
        # dated by when it was said, and the clock goes on afterwards
        assert people.at_ns == sorted(people.at_ns)
        assert max(people.at_ns) <= recorder.clock.utc_ns()
        recorder.observe(note(4))
        nursery.cancel_scope.cancel()
    assert people[-1] == note(4)
    recorder.observe(note(5))
    assert people[-1] == note(5)


async def test_what_is_reported_later_is_dated_by_when_it_was_said(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder, now = Recorder(), [1_000]
    monkeypatch.setattr(module.WallClock, "utc_ns", lambda _clock: Ns(now[0]))
    people = Watched(recorder)
    recorder.people.append(people.hear)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(recorder.report_later)
        await wait_all_tasks_blocked()
        for now[0] in (2_000, 3_000):
            recorder.observe(note(1))
        now[0] = 9_000
        await trio.sleep(2 * REPORT_S)
        assert people.at_ns == [2_000, 3_000]
        assert recorder.clock.utc_ns() == 9_000
        nursery.cancel_scope.cancel()


async def test_a_halt_is_reported_at_once_and_all_before_it(autojump_clock: MockClock) -> None:
    recorder = Recorder()
    people = Watched(recorder)
    recorder.people.append(people.hear)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(recorder.report_later)
        await wait_all_tasks_blocked()
        recorder.observe(note(1))
        assert people == []
        recorder.observe(Halted("GAVE_UP", "legs"))
        assert people == [note(1), Halted("GAVE_UP", "legs")]
        nursery.cancel_scope.cancel()


async def test_what_there_was_no_time_to_report_is_counted_and_said_and_whoever_acts_misses_nothing(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R16: bounded. A loop that is held up says more than it can report; a person needs the newest."""
    monkeypatch.setattr(module, "UNREPORTED_MAX", 5)
    recorder = Recorder()
    acts, people = Watched(recorder), Watched(recorder)
    recorder.watchers.append(acts.hear)
    recorder.people.append(people.hear)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(recorder.report_later)
        await wait_all_tasks_blocked()
        recorder.observe(SAID)
        for number in range(11):
            recorder.observe(note(number))
        await trio.sleep(2 * REPORT_S)
        nursery.cancel_scope.cancel()
    assert acts == [SAID, *[note(number) for number in range(11)]]
    assert recorder.staged == [SAID]
    assert notes(people[:1])[0].startswith("7 messages before this one were dropped")
    assert people[1:] == [note(number) for number in range(6, 11)]


async def test_other_tasks_run_between_two_reports(autojump_clock: MockClock) -> None:
    recorder = Recorder()
    people = Watched(recorder)
    recorder.people.append(people.hear)
    told_at_turn: list[int] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(recorder.report_later)
        await wait_all_tasks_blocked()
        for number in range(20):
            recorder.observe(note(number))
        await trio.sleep(REPORT_S)
        while len(people) < 20:
            told_at_turn.append(len(people))
            await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    assert len(told_at_turn) >= 19


def test_a_kill_loses_a_quarter_of_a_second_of_the_log() -> None:
    assert REPORT_S + GATHER_S <= 0.25
