"""Epoch and halt on disk: they survive what files go through, and one subaccount has one Evenkeel."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
import trio.testing

from actors.instance.state import (
    BEAT,
    ESCAPE,
    GUARD_GONE_S,
    LOCK_S,
    UNREADABLE,
    AlreadyRunning,
    LockHeld,
    NoState,
    RunState,
    StateLocked,
    Superseded,
    closing_alone,
    holder_of_file,
    read_state,
    reassert,
    state_file,
    take_over,
)
from actors.instance.venues import canonical, known_venue, remember_venue
from runtime.heartbeat import Heartbeat, HeartbeatMonitor
from runtime.locks import writing
from runtime.state_file import ANCHOR, Anchor, read_anchor, write_anchor

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


def test_a_second_bot_is_refused_whatever_its_logs_naming_pid_and_logs_of_the_first(
    state: RunState, tmp_path: Path
) -> None:
    with pytest.raises(AlreadyRunning) as refused:
        RunState(tmp_path, IDENTITY, "/logs/two")
    assert (refused.value.pid, refused.value.logs) == (os.getpid(), "/logs/one")
    RunState(tmp_path, "http://127.0.0.1:8645 other", "/logs/two").close()


def test_whoever_only_asks_learns_who_runs_it_and_takes_nothing(state: RunState, tmp_path: Path) -> None:
    held = holder_of_file(state_file(tmp_path, IDENTITY))
    assert held is not None
    assert (held.pid, held.logs) == (os.getpid(), "/logs/one")
    state.close()
    assert holder_of_file(state_file(tmp_path, IDENTITY)) is None
    assert holder_of_file(state_file(tmp_path, "never seen")) is None


@pytest.mark.parametrize("garbage", [b"", b"{", b"\xff\xfe", b'{"epoch": "seven"}', b"[]"])
def test_a_state_file_that_cannot_be_read_is_a_halt(
    states: Reopening, state: RunState, tmp_path: Path, garbage: bytes
) -> None:
    state.bump()
    state_file(tmp_path, IDENTITY).write_bytes(garbage)
    again = states.again()
    assert again.halted is not None
    assert again.halted[0] == UNREADABLE
    assert str(state_file(tmp_path, IDENTITY)) in again.halted[1]
    assert state_file(tmp_path, IDENTITY).with_suffix(".bad").read_bytes() == garbage


def test_an_unreadable_state_stays_a_halt_for_the_venue_it_then_meets(
    states: Reopening, state: RunState, tmp_path: Path
) -> None:
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


async def test_a_start_takes_the_heartbeat_of_the_run_before_away_so_that_its_guard_cannot_take_over(
    tmp_path: Path,
) -> None:
    """Found by kills in a row: the guard of a dead run started an epoch between the start of the next one
    and its first heartbeat.
    """
    state = RunState(tmp_path, "venue sub", "logs")
    Heartbeat(state.beside(BEAT), "run 1").begin()
    pulse = HeartbeatMonitor(state.beside(BEAT), 0.0)
    seen = pulse.look(0.0)
    assert seen is not None
    await state.begin()
    assert take_over(state_file(tmp_path, "venue sub"), lambda: pulse.look(9.0) == seen) is None
    assert not state.beaten
    state.bump()
    state.close()


async def test_a_guard_that_took_over_is_seen_by_the_run_it_thought_dead_and_outranked_by_the_next(
    tmp_path: Path,
) -> None:
    state = RunState(tmp_path, "venue sub", "logs")
    await state.begin()
    epoch = take_over(state_file(tmp_path, "venue sub"), lambda: True)
    assert epoch == state.epoch + 1
    assert state.beaten
    with pytest.raises(Superseded):
        state.bump()
    state.halt("CODE", "a halt of the beaten run does not take the epoch back")
    state.close()
    following = RunState(tmp_path, "venue sub", "logs")
    await following.begin()
    assert following.epoch == epoch + 1
    assert not following.beaten
    following.close()


async def test_a_start_waits_for_a_guard_that_is_closing(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
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


# -- locks, modes and names ----------------------------------------------------------------------------------


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
async def test_files_are_their_owners_alone_whatever_the_umask(umask: int, tmp_path: Path) -> None:
    before = os.umask(umask)
    try:
        state = RunState(tmp_path / "state", IDENTITY, "/logs/one")
        await state.begin()
        state.halt("CODE", "detail")
        state.remember("7:ab", may_be_open=True, at_ms=1)
        take_over(state_file(tmp_path / "state", IDENTITY), lambda: True)
        state.close()
    finally:
        os.umask(before)
    assert mode(tmp_path / "state") == 0o700
    modes = {path.suffix: mode(path) for path in (tmp_path / "state").iterdir()}
    assert modes == dict.fromkeys((".json", ".lock", ".writing", ".anchor", ".taken"), 0o600)


def test_a_lock_that_others_could_open_is_closed_to_them(tmp_path: Path) -> None:
    """An earlier version made them 0644: whoever could open one could hold it, and stop guard and start
    for ever.
    """
    lock = state_file(tmp_path, IDENTITY).with_suffix(".lock")
    lock.write_text("")
    lock.chmod(0o644)
    RunState(tmp_path, IDENTITY, "/logs").close()
    assert mode(lock) == 0o600


async def test_a_state_file_that_somebody_keeps_locked_is_refused_in_time_and_names_who(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    state = RunState(tmp_path, IDENTITY, "/logs")
    with writing(state_file(tmp_path, IDENTITY)):
        began = trio.current_time()
        with pytest.raises(StateLocked, match=f"held by process {os.getpid()}, and does not release it"):
            await state.begin()
        assert trio.current_time() - began == pytest.approx(LOCK_S, abs=0.1)
    state.close()


async def test_no_lock_stops_a_guard_and_the_run_that_held_it_sees_the_newer_epoch(tmp_path: Path) -> None:
    """A run that was stopped in mid-write goes on and writes its own epoch: the guard's stands all the
    same.
    """
    state = RunState(tmp_path, IDENTITY, "/logs")
    await state.begin()
    path = state_file(tmp_path, IDENTITY)
    stale = path.read_bytes()
    with writing(path):
        with pytest.raises(LockHeld):
            take_over(path, lambda: True)
        epoch = take_over(path, lambda: True, lockless=True)
    path.write_bytes(stale)
    assert (epoch, read_state(path).epoch, state.beaten) == (2, 2, True)
    with pytest.raises(Superseded):
        state.bump()
    state.close()


async def test_of_two_epochs_with_one_number_the_guards_counts(tmp_path: Path) -> None:
    state = RunState(tmp_path, IDENTITY, "/logs")
    await state.begin()
    path = state_file(tmp_path, IDENTITY)
    stale = path.read_bytes()
    state.bump()
    fresh = path.read_bytes()
    path.write_bytes(stale)
    assert take_over(path, lambda: True) == 2
    path.write_bytes(fresh)  # both read epoch 1, and wrote 2
    assert (state.epoch, state.beaten) == (2, True)
    state.close()


async def test_a_lost_state_file_does_not_take_a_guards_epoch_back(tmp_path: Path) -> None:
    path = state_file(tmp_path, IDENTITY)
    assert take_over(path, lambda: True, seen=41) == 42
    path.with_suffix(".taken").unlink()
    assert reassert(path, 42) == 42
    assert read_state(path).epoch == 42


@pytest.mark.parametrize("reset", ["zeroed", "deleted"])
def test_epoch_and_halt_come_back_from_the_ledger(
    reset: str, states: Reopening, state: RunState, tmp_path: Path
) -> None:
    state.at_least(40)
    if reset == "zeroed":
        state_file(tmp_path, IDENTITY).write_bytes(b"\0" * 100)
    else:
        state_file(tmp_path, IDENTITY).unlink()
    again = states.again()
    again.recover(40, ("GAVE_UP", "eth_leg"))
    assert again.epoch == 40
    assert again.halted is not None
    assert again.halted[0] == ("STATE_UNREADABLE" if reset == "zeroed" else "GAVE_UP")


def test_a_state_kept_under_an_earlier_name_is_moved_under_both_locks_and_never_read_again(
    tmp_path: Path,
) -> None:
    old = RunState(tmp_path, "old", "/logs")
    old.halt("GAVE_UP", "eth_leg")
    old.at_least(9)
    old.beside(ESCAPE).write_bytes(b"signed")
    with pytest.raises(AlreadyRunning):
        RunState(tmp_path, "new", "/logs", ["old"])
    old.close()
    new = RunState(tmp_path, "new", "/logs", ["old"])
    assert (new.epoch, new.halted, new.beside(ESCAPE).read_bytes()) == (9, ("GAVE_UP", "eth_leg"), b"signed")
    with pytest.raises(AlreadyRunning):
        RunState(tmp_path, "old", "/logs")
    new.clear_halt()
    new.close()
    again = RunState(tmp_path, "new", "/logs", ["old"])
    assert (again.epoch, again.halted) == (9, None)
    again.close()


async def test_one_venue_at_two_addresses_is_one_lock_and_one_state(tmp_path: Path) -> None:
    one, other = (
        RunState(tmp_path, "address one", "/logs/one"),
        RunState(tmp_path, "address two", "/logs/two"),
    )
    await one.begin()
    await other.begin()
    await one.move_to("chain 1 contract 0xa", "venue")
    one.halt("GAVE_UP", "")
    with pytest.raises(AlreadyRunning, match="/logs/one"):
        await other.move_to("chain 1 contract 0xa", "venue")
    one.close()
    other.close()
    third = RunState(tmp_path, "address three", "/logs/three")
    await third.begin()
    await third.move_to("chain 1 contract 0xa", "venue")
    assert (third.halted, third.epoch) == (("GAVE_UP", ""), one.epoch + 1)
    third.close()


@pytest.mark.parametrize(
    "spelled",
    [
        "http://localhost:8645",
        "http://127.0.0.1:8645/",
        "HTTP://LOCALHOST:8645",
        "http://[::1]:8645",
        "http://127.0.0.1:8645",
    ],
)
def test_every_spelling_of_one_address_is_one_name(spelled: str) -> None:
    assert canonical(spelled) == "http://loopback:8645"
    assert (
        canonical("https://Gateway.prod.nado.xyz/")
        == canonical("https://gateway.prod.nado.xyz:443")
        != canonical("https://gateway.test.nado.xyz")
    )


def test_what_a_venue_said_it_is_is_kept_by_its_address(tmp_path: Path) -> None:
    url = canonical("http://localhost:8645")
    assert known_venue(tmp_path, url) == ""
    remember_venue(tmp_path, url, "chain 1")
    assert known_venue(tmp_path, url) == "chain 1"
    (tmp_path / "venues").write_bytes(b"\0")
    assert known_venue(tmp_path, url) == ""


def anchored(may_be_open: bool, row: str = "7:ab") -> Anchor:
    return Anchor("/logs/one", row, may_be_open, 5, 6).checked()


def test_a_later_word_on_the_ledger_is_written_over_the_last_one(tmp_path: Path) -> None:
    """A rename over a file takes a journalling file system milliseconds, and the vote waits for this."""
    path = tmp_path / "KEY.json"
    write_anchor(path, anchored(may_be_open=False))
    before = path.with_suffix(ANCHOR).stat()
    write_anchor(path, anchored(may_be_open=True, row="1234567:" + "ab" * 16))
    after = path.with_suffix(ANCHOR).stat()
    assert read_anchor(path) == anchored(may_be_open=True, row="1234567:" + "ab" * 16)
    assert (after.st_ino, after.st_size) == (before.st_ino, before.st_size)
    assert [each.name for each in tmp_path.iterdir()] == ["KEY.anchor"]


def test_a_word_that_is_longer_than_the_last_one_replaces_it(tmp_path: Path) -> None:
    path = tmp_path / "KEY.json"
    write_anchor(path, anchored(may_be_open=False))
    longer = Anchor("/" + "x" * 5_000, "8:cd", True)
    write_anchor(path, longer)
    assert read_anchor(path) == longer.checked()
    write_anchor(path, anchored(may_be_open=True))
    assert read_anchor(path) == anchored(may_be_open=True)


def test_a_word_of_which_half_is_an_older_one_counts_as_none(tmp_path: Path) -> None:
    """What a power cut may leave of a file that is written in place: never less than was said."""
    path = tmp_path / "KEY.json"
    write_anchor(path, anchored(may_be_open=True))
    file = path.with_suffix(ANCHOR)
    newer = file.read_bytes()
    write_anchor(path, anchored(may_be_open=False, row="9:ef"))
    older, halves = file.read_bytes(), 0
    for cut in range(len(newer)):
        mixed = newer[:cut] + older[cut:]
        if mixed not in {newer, older}:
            file.write_bytes(mixed)
            halves += 1
            assert read_anchor(path) is None
    assert halves > 20


def test_the_word_of_an_earlier_version_is_believed(tmp_path: Path) -> None:
    path = tmp_path / "KEY.json"
    path.with_suffix(ANCHOR).write_bytes(
        b'{"logs":"/logs/one","last_hash":"7:ab","may_be_open":true,"at_ms":5,"until_ms":6}'
    )
    assert read_anchor(path) == Anchor("/logs/one", "7:ab", True, 5, 6)
