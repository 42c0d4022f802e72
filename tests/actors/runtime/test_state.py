"""Epoch and halt on disk: they survive what files go through, and one subaccount has one Evenkeel."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
import trio.testing

from actors.runtime.heartbeat import Heartbeat, Pulse
from actors.runtime.state import (
    BEAT,
    GUARD_GONE_S,
    UNREADABLE,
    AlreadyRunning,
    Beaten,
    NoState,
    RunState,
    closing_alone,
    holder_of,
    state_file,
    take_over,
)

IDENTITY = "http://127.0.0.1:8645 default"


class Reopening:
    """Opens the state again and again, as one process after the other does; closes the last."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = RunState(folder, IDENTITY, "/logs/one")

    def again(self) -> RunState:
        self.now.close()
        self.now = RunState(self.folder, IDENTITY, "/logs/one")
        return self.now


@pytest.fixture
def states(tmp_path: Path) -> Iterator[Reopening]:
    known = Reopening(tmp_path)
    yield known
    known.now.close()


@pytest.fixture
def state(states: Reopening) -> RunState:
    return states.now


def test_an_epoch_is_on_disk_before_anybody_acts_in_it(states: Reopening, state: RunState) -> None:
    assert [state.bump(), state.bump()] == [1, 2]
    assert states.again().epoch == 2


def test_the_first_cause_of_a_halt_stays_until_a_person_clears_it(states: Reopening, state: RunState) -> None:
    state.halt("GAVE_UP", "eth_leg")
    state.halt("CLOSE_OVERDUE", "later")
    again = states.again()
    assert again.halted == ("GAVE_UP", "eth_leg")
    again.clear_halt()
    assert states.again().halted is None


def test_a_second_bot_is_refused_whatever_its_logs_naming_pid_and_logs_of_the_first(state: RunState, tmp_path: Path) -> None:
    with pytest.raises(AlreadyRunning) as refused:
        RunState(tmp_path, IDENTITY, "/logs/two")
    assert (refused.value.pid, refused.value.logs) == (os.getpid(), "/logs/one")
    RunState(tmp_path, "http://127.0.0.1:8645 other", "/logs/two").close()


def test_whoever_only_asks_learns_who_runs_it_and_takes_nothing(state: RunState, tmp_path: Path) -> None:
    held = holder_of(tmp_path, IDENTITY)
    assert held is not None
    assert (held.pid, held.logs) == (os.getpid(), "/logs/one")
    state.close()
    assert holder_of(tmp_path, IDENTITY) is None
    assert holder_of(tmp_path, "never seen") is None


@pytest.mark.parametrize("garbage", [b"", b"{", b"\xff\xfe", b'{"epoch": "seven"}', b"[]"])
def test_a_state_file_that_cannot_be_read_is_a_halt(states: Reopening, state: RunState, tmp_path: Path, garbage: bytes) -> None:
    state.bump()
    state_file(tmp_path, IDENTITY).write_bytes(garbage)
    again = states.again()
    assert again.halted is not None
    assert again.halted[0] == UNREADABLE
    assert str(state_file(tmp_path, IDENTITY)) in again.halted[1]
    assert state_file(tmp_path, IDENTITY).with_suffix(".bad").read_bytes() == garbage


def test_an_unreadable_state_stays_a_halt_for_the_venue_it_then_meets(states: Reopening, state: RunState, tmp_path: Path) -> None:
    state_file(tmp_path, IDENTITY).write_bytes(b"{")
    again = states.again()
    again.belongs_to("Nado-simulated:1")
    third = states.again()
    assert third.halted is not None
    assert third.halted[0] == UNREADABLE


def test_the_epoch_never_falls_behind_the_ledger(state: RunState, tmp_path: Path) -> None:
    """I5, I8: plans of an epoch that is already in the ledger would be taken for dead ones, or worse."""
    state.at_least(41)
    state.at_least(7)
    assert state.bump() == 42


def test_a_simulated_venue_that_is_new_starts_without_the_halt_of_the_one_before(state: RunState) -> None:
    state.belongs_to("simulated-1")
    state.halt("GAVE_UP", "")
    state.belongs_to("simulated-1")
    assert state.halted is not None
    state.belongs_to("simulated-2")
    assert state.halted is None


def test_a_state_directory_that_cannot_be_used_is_one_named_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NoState, match="file"):
        RunState(tmp_path / "file" / "state", IDENTITY, "/logs")


async def test_a_start_takes_the_heartbeat_of_the_run_before_away_so_that_its_guard_cannot_take_over(tmp_path: Path) -> None:
    """Found by kills in a row: the guard of a dead run started an epoch between the start of the next one and its first heartbeat."""
    state = RunState(tmp_path, "venue sub", "logs")
    Heartbeat(state.beside(BEAT), "run 1").begin()
    pulse = Pulse(state.beside(BEAT), 0.0)
    seen = pulse.look(0.0)
    assert seen is not None
    await state.begin()
    assert take_over(state_file(tmp_path, "venue sub"), lambda: pulse.look(9.0) == seen) is None
    assert not state.beaten
    state.bump()
    state.close()


async def test_a_guard_that_took_over_is_seen_by_the_run_it_thought_dead_and_outranked_by_the_next(tmp_path: Path) -> None:
    state = RunState(tmp_path, "venue sub", "logs")
    await state.begin()
    epoch = take_over(state_file(tmp_path, "venue sub"), lambda: True)
    assert epoch == state.epoch + 1
    assert state.beaten
    with pytest.raises(Beaten):
        state.bump()
    state.halt("CODE", "a halt of the beaten run does not take the epoch back")
    state.close()
    following = RunState(tmp_path, "venue sub", "logs")
    await following.begin()
    assert following.epoch == epoch + 1
    assert not following.beaten
    following.close()


async def test_a_start_waits_for_a_guard_that_is_closing(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    state = RunState(tmp_path, "venue sub", "logs")
    with closing_alone(state_file(tmp_path, "venue sub")):
        assert state.guard_closes
        began = trio.current_time()
        await state.begin()
        assert trio.current_time() - began == pytest.approx(GUARD_GONE_S, abs=0.2)
    assert not state.guard_closes
    began = trio.current_time()
    await state.begin()
    assert trio.current_time() - began < 0.1
    state.close()
