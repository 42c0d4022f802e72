"""Signals of a run: heard from its first statement to its last, by whoever has to act on them then."""

import signal
import threading
from collections.abc import Callable

import pytest
import trio
from trio.testing import MockClock

from commands.screen.drawing import draw
from commands.signals import Signals
from commands.stopping import SIGNALS, Stopped, StoppedAtStart, Stops, until_stopped
from messages.lifecycle import Stopping
from messages.units import Ms
from tests.actors.fakes import START_MS
from tests.commands.scenes import Clock, view_of

Heard = list[tuple[str, int]]


def into(heard: Heard) -> Callable[[signal.Signals, int], None]:
    return lambda number, count: heard.append((number.name, count))


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_before_trio_runs_is_heard_when_somebody_can_act_on_it(number: signal.Signals) -> None:
    """R5: what came while the venue was being connected killed the process, with a pair open."""
    heard: Heard = []

    async def run(stops: Stops) -> None:
        stops.hear(into(heard))

    with Stops() as stops:
        signal.raise_signal(number)
        trio.run(run, stops)
    assert heard == [(number.name, 1)]


async def test_each_signal_reaches_who_acts_now_with_its_number_in_the_row() -> None:
    first: Heard = []
    second: Heard = []
    with Stops() as stops:
        stops.hear(into(first))
        signal.raise_signal(signal.SIGTERM)
        await trio.testing.wait_all_tasks_blocked()
        stops.hear(into(second))
        signal.raise_signal(signal.SIGINT)
        await trio.testing.wait_all_tasks_blocked()
    assert first == [("SIGTERM", 1)]
    assert second == [("SIGTERM", 1), ("SIGINT", 2)], "who takes over hears first what has come already"
    assert stops.first is signal.SIGTERM


async def test_signals_while_nobody_acts_do_nothing_and_are_counted() -> None:
    with Stops() as stops:
        stops.hear(None)
        for number in SIGNALS * 50:
            signal.raise_signal(number)
        await trio.testing.wait_all_tasks_blocked()
    assert stops.count == 150


def test_a_signal_while_the_summary_is_printed_is_no_traceback() -> None:
    """Trio is over then: the exit code that says what is open must still come out."""

    async def run(stops: Stops) -> None:
        stops.hear(None)

    with Stops() as stops:
        trio.run(run, stops)
        signal.raise_signal(signal.SIGINT)
    assert stops.count == 1


def test_afterwards_the_handlers_are_those_of_before() -> None:
    """In a process of ours that is `signals.SO_FAR`, which only counts: nothing takes the exit code away
    (tests/refusals).
    """
    before = [signal.getsignal(number) for number in SIGNALS]
    with Stops():
        assert signal.getsignal(signal.SIGINT) not in before
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_what_came_while_python_was_importing_is_heard_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first Ctrl-C in the first second was a traceback."""
    so_far = Signals()
    so_far.came(signal.SIGTERM, None)
    monkeypatch.setattr("commands.stopping.SO_FAR", so_far)
    heard: Heard = []

    async def run(stops: Stops) -> None:
        stops.hear(into(heard))

    with Stops() as stops:
        trio.run(run, stops)
    assert heard == [("SIGTERM", 1)]


def test_a_signal_ends_what_waits_for_a_person_to_type_also_one_that_came_before() -> None:
    so_far = Signals()
    so_far.came(signal.SIGHUP, None)
    with pytest.raises(KeyboardInterrupt), so_far:
        pass
    waiting = Signals()
    with pytest.raises(KeyboardInterrupt), waiting:
        waiting.came(signal.SIGINT, None)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)]
)
def test_a_command_that_only_asks_is_ended_by_the_first_signal(number: signal.Signals, code: int) -> None:
    async def asks() -> None:
        signal.raise_signal(number)
        await trio.sleep_forever()

    with pytest.raises(Stopped) as stopped:
        until_stopped(asks)
    assert stopped.value.exit_code == code


def test_a_command_that_was_not_stopped_gives_what_it_found() -> None:
    async def answers() -> str:
        return "flat"

    assert until_stopped(answers) == "flat"


@pytest.mark.parametrize(
    ("first", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143), (None, 130)]
)
def test_a_start_that_was_stopped_has_the_first_signals_code(first: signal.Signals | None, code: int) -> None:
    stopped = StoppedAtStart(first)
    assert (stopped.exit_code, stopped.ended_by, stopped.code) == (code, "signal", "STOPPED")


async def test_the_screen_counts_down_while_it_stops(autojump_clock: MockClock) -> None:
    clock = Clock()
    view = view_of(clock=clock)
    assert view.stopping_s(clock.ms) is None
    assert draw(view, clock.ms)[-1].startswith(" Ctrl-C: close both legs and stop")
    view.observe(Stopping("SIGINT", Ms(15_000)))
    lines = []
    for passed_ms in (0, 1, 14_001, 15_000, 99_000):
        clock.ms = START_MS + passed_ms
        lines.append(draw(view, clock.ms)[-1])
    assert [line.split(", ")[1].split(" s left")[0] for line in lines] == ["15", "15", "1", "0", "0"]
    assert lines[0] == " STOPPING (SIGINT): closing both legs, 15 s left   Ctrl-C: stop waiting"


def test_outside_of_the_main_thread_no_signal_is_heard_and_none_is_taken_away() -> None:
    """A replay in a worker of somebody's pool: Python refuses a handler there, and that ended it."""
    before, ended = signal.getsignal(signal.SIGTERM), list[bool]()

    def work() -> None:
        with Stops():
            ended.append(signal.getsignal(signal.SIGTERM) is before)

    worker = threading.Thread(target=work)
    worker.start()
    worker.join()
    assert ended == [True]
