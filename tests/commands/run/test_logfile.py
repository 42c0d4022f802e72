"""evenkeel.log: what happened, in words."""

import time
from pathlib import Path

import msgspec
import pytest

from commands.run.logfile import line_of, log_observer
from messages.execution import Resolved
from messages.lifecycle import CycleEnded, Halted, Note, Restarted, Staged
from messages.sizing import Abort, Declined
from messages.units import Base, Ms, Ns, Quote
from runtime import specs
from tests.actors.fakes import START_MS, held, quote
from tests.commands.scenes import ETH_ORDER, SKIPPED, Clock, calm_entry, fill, hop, outcome, plan

LATER = Ns(START_MS * 10**6 + 123_456_789)


def words(message: msgspec.Struct) -> str:
    told = line_of(message, Clock())
    assert told is not None
    return told[1]


def test_a_hop_names_plan_digest_and_both_quantities_in_decimal() -> None:
    """S1: two paths to the wire cannot differ unseen."""
    assert (
        words(hop("eth_leg votes", "READY"))
        == "2026-09-21T14:13:20.000000Z info    eth_leg votes: plan 2.7 9f3c41d09f3c41d09f3c41d09f3c41d0 ETH"
        " -0.357 SOL 8.5 READY"
    )


@pytest.mark.parametrize(
    ("message", "part"),
    [
        (
            Note(Ns(START_MS * 10**6 + 123_456_789), "warning", "market_data", "stream lost:\n reset"),
            "13:20.123456Z warning market_data: stream lost: reset",
        ),
        (outcome(plan(), "sol", "refused", 2031), "warning sol_leg outcome: plan 2.7 order 0x88d0"),
        (fill(ETH_ORDER, 4, "-0.357", "2757.9"), "-0.357 at 2757.9, fee 0.34, 0 left"),
        (
            calm_entry(plan())[-1],
            "plan closed: plan 2.7 ETH -0.357 of -0.357 at 2757.9, SOL 8.5 of 8.5 at 115.86",
        ),
        (
            Resolved("0x1", 4, Base(0), Quote(0), Quote(0), True, "archive"),
            "resolved: order 0x1 filled 0 for 0 USD, by archive, provisional",
        ),
        (Declined("sol", 2, 7, "OFF_LATTICE", "step 0.1"), "sol declined: plan 2.7 OFF_LATTICE: step 0.1"),
        (Abort(2, 7, "DECLINED", "sol"), "aborted: plan 2.7 DECLINED: sol, 0 orders sent"),
        (SKIPPED, "skipped: cycle 1 UNBALANCED"),
        (CycleEnded(3, "completed", ""), "cycle ended: cycle 3 completed"),
        (Restarted("eth_leg", "Killed", Ms(31), 2), "restarted: eth_leg after 31 ms, epoch 2: Killed"),
        (Halted("GAVE_UP", "legs"), "error   HALTED: GAVE_UP: legs"),
        (Staged(3, "eth_leg killed"), "STAGED: cycle 3 eth_leg killed"),
        (
            specs.Exited("legs", "eth_leg", 1, "Killed: x", "Traceback\n  line"),
            "warning supervision: eth_leg 1 ended Killed: x Traceback line",
        ),
        (specs.ChildStarted("legs", "eth_leg", 2), "supervision: eth_leg 2 started"),
        (specs.GivingUp("legs", "6 in 60 s"), "error   supervision: legs gives up: 6 in 60 s"),
    ],
)
def test_every_message_worth_reading_is_one_line(message: msgspec.Struct, part: str) -> None:
    line = words(message)
    assert part in line
    assert "\n" not in line


@pytest.mark.parametrize("message", [quote(), held(), plan()])
def test_what_comes_too_often_is_not_logged(message: msgspec.Struct) -> None:
    assert line_of(message, Clock()) is None


def test_the_file_is_rotated_and_never_more_than_it_may_be(tmp_path: Path) -> None:
    observe = log_observer(tmp_path / "evenkeel.log", Clock(), log_size=10_000, log_keep=3)
    for each in range(1000):
        observe(Note(Ns(START_MS * 10**6), "info", "x", f"line {each}"))
    observe.close()
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == ["evenkeel.log", "evenkeel.log.1", "evenkeel.log.2"]
    assert all(path.stat().st_size <= 10_000 for path in tmp_path.iterdir())
    assert (tmp_path / "evenkeel.log").read_text(encoding="utf-8").endswith("line 999\n")


def test_lines_are_gathered_and_an_error_is_written_at_once_with_all_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("commands.run.logfile.GATHER_S", 1_000.0)
    path = tmp_path / "evenkeel.log"
    observe = log_observer(path, Clock())
    for each in range(3):
        observe(Note(Ns(START_MS * 10**6), "info", "x", f"line {each}"))
    assert path.read_bytes() == b""
    observe(Halted("GAVE_UP", "legs"))
    deadline = time.monotonic() + 30
    while not path.read_bytes().endswith(b"GAVE_UP: legs\n") and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [line.rpartition(": ")[2] for line in path.read_text(encoding="utf-8").splitlines()] == [
        "line 0",
        "line 1",
        "line 2",
        "legs",
    ]
    observe(Note(Ns(START_MS * 10**6), "info", "x", "the last one"))
    observe.close()
    assert path.read_text(encoding="utf-8").endswith("the last one\n")


def test_every_line_that_cannot_be_written_is_counted(tmp_path: Path) -> None:
    """Several are written at once: what fails then is all of them."""
    folder = tmp_path / "logs"
    folder.mkdir()
    observe = log_observer(folder / "evenkeel.log", Clock(), log_size=2_000, log_keep=1)
    (folder / "evenkeel.log").unlink()
    folder.rmdir()
    folder.touch()
    observe(Note(Ns(START_MS * 10**6), "info", "x", "y" * 3_000))
    for each in range(20):
        observe(Note(Ns(START_MS * 10**6), "info", "x", f"line {each}"))
    observe.close()
    assert observe.lost == 21


def test_a_log_that_cannot_be_written_stops_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """R11: bookkeeping for people never stops trading."""
    folder = tmp_path / "logs"
    folder.mkdir()
    observe = log_observer(folder / "evenkeel.log", Clock(), log_size=200, log_keep=2)
    (folder / "evenkeel.log").unlink()
    folder.rmdir()
    folder.touch()
    for each in range(20):
        observe(Note(Ns(START_MS * 10**6), "info", "x", f"line {each}"))
    observe.close()
    assert capsys.readouterr() == ("", "")
    assert observe.lost > 0
