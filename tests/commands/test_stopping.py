"""Signals of a run: heard from its first statement to its last, by whoever has to act on them then."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from actors.ledger import Store
from commands.drawing import draw
from commands.stopping import SIGNALS, StoppedAtStart, Stops, open_by_ledger
from messages.lifecycle import Opened, Stopping
from messages.units import Ms
from tests.actors.fakes import START_MS
from tests.commands.scenes import Clock, view_of

Heard = list[tuple[str, int]]


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """A run takes them for the rest of its process; this process goes on."""
    before = [signal.getsignal(number) for number in SIGNALS]
    yield
    for number, handler in zip(SIGNALS, before, strict=True):
        signal.signal(number, handler)


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


def test_afterwards_no_signal_takes_the_exit_code_away() -> None:
    """SIGHUP while Python went down: a run that had said what is open ended with another code than 4."""
    with Stops():
        pass
    for number in SIGNALS:
        signal.raise_signal(number)
    assert {signal.getsignal(number) for number in SIGNALS} == {signal.SIG_IGN}


@pytest.mark.parametrize(("first", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143), (None, 130)])
def test_two_signals_at_the_start_end_it_with_the_first_ones_code_or_4_when_something_is_open(first: signal.Signals | None, code: int) -> None:
    flat = StoppedAtStart(first, "", "python supervisor.py run")
    assert (flat.exit_code, flat.ended_by) == (code, "signal")
    open_ = StoppedAtStart(first, "SOL-PERP -8.5", "python supervisor.py run")
    assert open_.exit_code == 4
    assert "SOL-PERP -8.5" in open_.sentence
    assert open_.sentence.endswith("python supervisor.py run")


def test_without_a_ledger_and_with_one_that_traded_nothing_nothing_is_open(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.sqlite"
    assert open_by_ledger(ledger) == ""
    Store.open(ledger, Opened("evenkeel.ledger/1", "test", 1, "0x" + "0" * 64), "normal").close()
    assert open_by_ledger(ledger) == ""


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
