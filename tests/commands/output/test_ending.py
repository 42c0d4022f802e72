"""Exit codes and the problem behind each."""

import itertools
import re
from pathlib import Path

import msgspec
import pytest

from commands.output.ending import ENTRY_CURES, EndedBy, Report, code_of, exit_code, median_of, problem_of
from messages.settings import Settings
from messages.sizing import Skipped, Verdict
from messages.units import Base, Bps, Quote
from tests.actors.fakes import held
from tests.commands.scenes import SKIPPED, totals

REPORT = Report(Settings(), 7, "done", 17_800, totals(), held(), "")


@pytest.mark.parametrize(
    ("ended_by", "open_legs", "traded", "signal", "code"),
    [
        ("done", "", True, 0, 0),
        ("done", "", False, 0, 3),
        ("refused", "", True, 0, 3),
        ("refused", "", False, 0, 3),
        ("error", "", True, 0, 1),
        ("halt", "", True, 0, 70),
        ("signal", "", True, 2, 130),
        ("signal", "", False, 2, 130),
        ("signal", "", True, 15, 143),
        ("signal", "", True, 1, 143),
    ],
)
def test_every_ending_has_its_code(
    ended_by: EndedBy, open_legs: str, traded: bool, signal: int, code: int
) -> None:
    assert exit_code(ended_by, open_legs=open_legs, traded=traded, signal=signal) == code


def test_something_open_or_unknown_beats_every_other_code() -> None:
    endings: tuple[EndedBy, ...] = ("done", "signal", "halt", "refused", "error")
    for ended_by, traded, signal, halted in itertools.product(
        endings, (True, False), (0, 1, 2, 15), (True, False)
    ):
        assert exit_code(ended_by, open_legs="SOL-PERP 8.5", traded=traded, signal=signal, halted=halted) == 4


def test_a_halt_is_told_whatever_ended_the_run() -> None:
    assert code_of(msgspec.structs.replace(REPORT, totals=totals(halted="LEGGING_BUDGET"))) == 70


def test_a_good_run_has_no_problem() -> None:
    assert (code_of(REPORT), problem_of(REPORT)) == (0, None)


def test_a_cycle_that_failed_and_ended_flat_was_traded() -> None:
    assert code_of(msgspec.structs.replace(REPORT, totals=totals(completed=0, failed=5))) == 0


def test_nothing_traded_is_a_problem_with_the_verdict_and_a_cure() -> None:
    report = msgspec.structs.replace(REPORT, totals=totals(completed=0, skipped=5), skips=(SKIPPED,))
    problem = problem_of(report)
    assert problem is not None
    assert (code_of(report), problem.code, problem.key) == (3, "UNBALANCED", "target")
    assert "best 1.31 %" in problem.message
    assert problem.cure.startswith("Try --target '813 USD'")


def test_nothing_traded_for_a_gate_names_the_gate() -> None:
    report = msgspec.structs.replace(
        REPORT,
        totals=totals(completed=0, skipped=5),
        skips=(Skipped(5, "SPREAD_WIDE", "ETH 9 bps wide", None),),
    )
    problem = problem_of(report)
    assert problem is not None
    assert (
        problem.sentence
        == "no pair was entered: ETH 9 bps wide · no Evenkeel positions are open · read logs/evenkeel.log,"
        " and SPREAD_WIDE in docs/running.md#codes"
    )


def test_a_wait_that_was_given_up_names_the_reason_and_what_helps_against_it() -> None:
    detail = (
        "nothing could be entered for 20 s (max_wait), mostly SPREAD_WIDE: the spread of SOL-PERP is 0.49"
        " bps, limit 0.4 bps"
    )
    report = msgspec.structs.replace(
        REPORT, totals=totals(completed=0, skipped=4), ended_by="refused", code="SPREAD_WIDE", detail=detail
    )
    assert code_of(report) == 3
    problem = problem_of(report)
    assert problem is not None
    assert (
        problem.sentence
        == f"{detail} · no Evenkeel positions are open · wait for a calmer market, allow a wider one"
        " (max_spread) or a longer wait (--max-wait)"
    )


def test_a_target_that_cannot_be_entered_is_given_up_with_one_that_can() -> None:
    verdict = Verdict(
        "impossible",
        False,
        Base(0),
        Base(0),
        Quote(0),
        Quote(0),
        Bps(0),
        "too small.",
        Quote.of(105),
        Quote.of(305),
    )
    detail = "not at any price within 1 % of this one: too small."
    report = msgspec.structs.replace(
        REPORT,
        totals=totals(completed=0, skipped=1),
        skips=(Skipped(1, "UNBALANCED", "too small.", verdict),),
    )
    problem = problem_of(
        msgspec.structs.replace(report, ended_by="refused", code="UNBALANCED", detail=detail)
    )
    assert problem is not None
    assert (problem.code, problem.key, problem.cure) == ("UNBALANCED", "target", "Try --target '305 USD'.")


def test_every_reason_that_a_gate_gives_has_a_cure() -> None:
    """As the sources write them; halts and windows end a run otherwise, or not at all."""
    gates = Path(__file__).resolve().parents[3] / "actors" / "risk" / "gates.py"
    found = set(re.findall(r'Denial\("([A-Z_]+)"', gates.read_text(encoding="utf-8")))
    assert found - {"NO_ENTRY_WINDOW", "MAX_DAILY_LOSS"} <= set(ENTRY_CURES)


def test_what_is_open_is_said_with_a_command_that_exists() -> None:
    report = msgspec.structs.replace(REPORT, open_legs="SOL-PERP -8.5", url="http://127.0.0.1:4000")
    problem = problem_of(report)
    assert problem is not None
    assert (
        problem.sentence
        == "NOT FLAT: SOL-PERP -8.5 at simulated/default · exposure is open now · python supervisor.py"
        " flatten --logs logs"
    )


def test_what_nobody_knows_is_not_said_to_be_open() -> None:
    problem = problem_of(msgspec.structs.replace(REPORT, open_legs="unknown: no answer in 2 s", unknown=True))
    assert problem is not None
    assert (problem.code, problem.meaning) == ("NOT_FLAT", "exposure may be open now")


def test_a_halt_says_that_it_is_flat_and_where_to_read() -> None:
    problem = problem_of(
        msgspec.structs.replace(
            REPORT, ended_by="halt", code="GAVE_UP", detail="trading gave up", checked_ms=1_790_000_000_000
        )
    )
    assert problem is not None
    assert (
        problem.sentence == "HALTED GAVE_UP: trading gave up · flat at the venue, checked 14:13:20Z · "
        'read docs/running.md#gave_up, then python supervisor.py clear-halt --reason "..." --logs logs'
    )


def test_a_halt_by_hand_is_named_once() -> None:
    halted = msgspec.structs.replace(REPORT, ended_by="halt", code="HALTED_BY_HAND", detail="lunch")
    problem = problem_of(halted)
    assert problem is not None
    assert problem.message == "HALTED_BY_HAND: lunch"


def test_a_run_whose_ledger_could_not_be_asked_traded_nothing_that_is_known() -> None:
    assert code_of(msgspec.structs.replace(REPORT, totals=None)) == 3


def test_a_median_is_exact() -> None:
    assert median_of([]) is None
    assert median_of([Bps(3), Bps(1), Bps(2)]) == Bps(2)
    assert median_of([Bps(10**30), Bps(10**30 + 2)]) == Bps(10**30 + 1)
