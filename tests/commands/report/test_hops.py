"""Delays from hop to hop, of lines that the log itself has made."""

from pathlib import Path

from commands.report.figures import Delay
from commands.report.hops import STEPS, delays_of, log_files
from commands.run.logfile import line_of
from messages.lifecycle import Hop, HopWord
from messages.units import Base, Ns
from runtime.clock import WallClock

AT = 1_795_976_000 * 10**9


def hops_logged(path: Path, *hops: tuple[HopWord, int], seq: int = 1) -> None:
    """Lines as the log has them; microseconds after `AT`."""
    with path.open("a") as file:
        for hop, after_us in hops:
            digest = "" if hop == "sizing proposes" else "ab" * 16
            message = Hop(Ns(AT + after_us * 1000), hop, 2, seq, digest, Base(1), Base(-1), "enter")
            line = line_of(message, WallClock())
            assert line is not None
            file.write(line[1] + "\n")
        file.write("2026-11-29T18:13:29.845689Z info    fill of product 4: order 0x12 0.1 at 2756.9\n")


ONE_PLAN: tuple[tuple[HopWord, int], ...] = (
    ("sizing proposes", 0),
    ("supervisor seals", 500),
    ("sol_leg votes", 1_100),
    ("eth_leg votes", 1_200),
    ("eth_leg sends", 1_400),
    ("sol_leg sends", 1_450),
    ("ledger intent", 1_000),
    ("sol_leg answered", 41_450),
    ("ledger fill", 45_000),
    ("eth_leg answered", 46_400),
)


def test_each_step_is_from_hop_to_hop_in_microseconds(tmp_path: Path) -> None:
    hops_logged(tmp_path / "evenkeel.log", *ONE_PLAN)
    found = delays_of(tmp_path, AT, AT + 10**9)
    assert [found[step].most for step in STEPS] == [500, 700, 200, 50, 45_000, 44_500]
    assert found["order sent, order answered"] == Delay(2, 40_000, 45_000, 45_000)


def test_a_plan_that_was_aborted_has_the_steps_that_it_took(tmp_path: Path) -> None:
    hops_logged(tmp_path / "evenkeel.log", *ONE_PLAN[:3])
    found = delays_of(tmp_path, AT, AT + 10**9)
    assert [found[step].count for step in STEPS] == [1, 0, 0, 0, 0, 0]


def test_what_was_rotated_away_counts_the_oldest_first(tmp_path: Path) -> None:
    for name in ("evenkeel.log", "evenkeel.log.1", "evenkeel.log.10", "evenkeel.log.2", "evenkeel.log.old"):
        (tmp_path / name).touch()
    assert [path.name for path in log_files(tmp_path)] == [
        "evenkeel.log.10",
        "evenkeel.log.2",
        "evenkeel.log.1",
        "evenkeel.log",
    ]
    hops_logged(tmp_path / "evenkeel.log.1", *ONE_PLAN[:4])
    hops_logged(tmp_path / "evenkeel.log", *ONE_PLAN[4:])
    assert delays_of(tmp_path, AT, AT + 10**9)["sealed, last of three votes"].count == 1


def test_lines_of_another_time_are_another_ledgers(tmp_path: Path) -> None:
    hops_logged(tmp_path / "evenkeel.log", *ONE_PLAN)
    assert delays_of(tmp_path, AT + 10**9, AT + 2 * 10**9) == {}


def test_without_a_log_nothing_is_known(tmp_path: Path) -> None:
    assert delays_of(tmp_path, 0, AT) == {}
