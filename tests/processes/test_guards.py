"""A guard that is stopped, killed or continued, and a run that is stopped with its pair open."""

import os
import re
import signal
import time
from contextlib import suppress

import msgspec
import pytest

from commands.run.guard_keeper import SILENT_S
from runtime.state_file import Saved, taken_epoch
from tests.hostile.bed import CLOSED_WITHIN_S, ENDS_WITHIN_S, Bed
from tests.hostile.judge import disagreements, false_claims, unlawful
from tests.hostile.vandal import VandalScene
from tests.kills.venue import truth_of
from tests.patience import slack
from tests.processes.waiting import LONG_S, WITHIN_S, pair_held, times_of, until

pytestmark = pytest.mark.process
GRACE_NS = 400_000_000
"""What was sealed a moment before may still arrive."""
TOOK_OVER = re.compile(r" epoch \d+")
"""What a guard says as it begins to close."""


def entered(bed: Bed) -> list[int]:
    """When an order that may increase a position arrived at the venue, UTC in ns."""
    return [order.arrived_ns for order in bed.log() if order.increasing]


def standing(bed: Bed, *but: int) -> list[int]:
    """The guards that are there, those of `but` left out."""
    return [pid for pid in bed.guards() if pid not in but]


def test_a_guard_that_is_stopped_or_killed_is_replaced_and_nothing_is_entered_until_the_next_one_stands(
    bed: Bed,
) -> None:
    """K6: a stopped guard was noticed by nobody."""
    run = bed.run(0.3, cycles=1000)
    log, guards_log = bed.logs / "evenkeel.log", bed.logs / "guard.log"
    until(lambda: len(entered(bed)) >= 2)
    (first,) = bed.guards()
    os.kill(first, signal.SIGSTOP)
    (second,) = until(lambda: standing(bed, first))
    assert first not in bed.guards(), "a stopped guard that goes on would act on old news"
    until(lambda: len(times_of(guards_log, "watching")) == 2)
    until(lambda: entered(bed)[-1] > times_of(guards_log, "watching")[1])
    os.kill(second, signal.SIGKILL)
    until(lambda: standing(bed, first, second))
    until(lambda: len(times_of(guards_log, "watching")) == 3)
    until(lambda: entered(bed)[-1] > times_of(guards_log, "watching")[2])
    run.send_signal(signal.SIGTERM)
    assert bed.ended("run", run, ENDS_WITHIN_S * slack()).code == 143
    assert (bed.held(), bed.guards()) == ({}, [])
    down, stands = times_of(log, "GUARD_DOWN: guard"), times_of(guards_log, "watching")[1:]
    assert len(down) == len(stands) == 2
    for from_ns, to_ns in zip(down, stands, strict=True):
        assert [at for at in entered(bed) if from_ns + GRACE_NS < at < to_ns] == []
    assert unlawful(bed.log()) == []


def test_a_guard_that_goes_on_about_when_it_is_replaced_leaves_one_guard_and_that_one_closes(
    bed: Bed,
) -> None:
    """Other moments: `tests/commands/run/test_guarding.py`."""
    run = bed.run(LONG_S)
    until(lambda: pair_held(bed))
    (first,) = bed.guards()
    os.kill(first, signal.SIGSTOP)
    time.sleep(SILENT_S)
    with suppress(ProcessLookupError):
        os.kill(first, signal.SIGCONT)
    time.sleep(3.0 * slack())
    assert len(until(lambda: standing(bed))) == 1
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    until(lambda: not bed.held(), CLOSED_WITHIN_S)
    until(lambda: not bed.guards())
    assert len(TOOK_OVER.findall(bed.guard_words())) == 1
    closings = [order.product_id for order in bed.log() if order.reduce_only and order.fills]
    assert sorted(closings) == [4, 8]
    assert unlawful(bed.log()) == []


def test_a_run_that_is_stopped_keeps_its_locks_its_guard_closes_all_the_same_and_on_waking_it_sends_nothing(
    bed: Bed,
) -> None:
    """K6: no lock may stop the guard. Others hold two more, for good."""
    run, scene = bed.run(LONG_S), VandalScene(bed.folder)
    until(lambda: pair_held(bed))
    (state,) = [path for path in scene.states(".json") if path.with_suffix(".escape").exists()]
    saved = state.read_bytes()
    epoch = msgspec.json.decode(saved, type=Saved).epoch
    try:
        for suffix in (".writing", ".guarding"):
            scene.take_lock(state.with_suffix(suffix))
        run.send_signal(signal.SIGSTOP)
        time.sleep(0.5)
        ledger = ledger_rows(bed)
        until(lambda: not bed.held(), CLOSED_WITHIN_S)
        until(lambda: not bed.guards())
        assert (state.read_bytes(), taken_epoch(state)) == (saved, epoch + 1), (
            "the run may have been stopped in mid-write: its file is left alone"
        )
        assert ledger_rows(bed) == ledger, "the ledger is the run's to write as long as it exists"
        assert list(bed.logs.glob("escape-*.jsonl"))
    finally:
        scene.release()
        continued_ns = time.time_ns()
        run.send_signal(signal.SIGCONT)
    claim = bed.ended("run", run, ENDS_WITHIN_S * slack())
    assert (claim.code, (claim.told["error"] or {})["code"]) == (70, "GUARD_TOOK_OVER")  # type: ignore[index, call-overload]
    assert [order for order in bed.log() if order.arrived_ns > continued_ns] == []
    after = bed.next_start()
    assert after.code == 0, after.words
    assert [
        *unlawful(bed.log()),
        *false_claims(bed.claims, bed.log()),
        *disagreements(truth_of(bed.venue), bed.logs / "ledger.sqlite"),
    ] == []
    assert not list(bed.logs.glob("escape-*.jsonl")), (
        "what the guard wrote beside the ledger has been taken in"
    )


def test_a_guard_apart_is_there_before_the_run_and_after_it_and_closes_what_a_killed_one_left(
    bed: Bed,
) -> None:
    """As two systemd units: the run starts no guard, enters nothing while there is none, and the guard's own
    end ends nothing else.
    """
    apart = ("--set", "guard.apart=true", "--set", "guard.dead_man=4 s")
    where = ("--url", bed.url, "--logs", str(bed.logs))
    log = bed.logs / "evenkeel.log"
    run = bed.started(*bed.run_words(0.3, 1000), *apart, "--json")
    until(lambda: "the guard is not alive" in (log.read_text() if log.exists() else ""))
    assert (entered(bed), bed.guards()) == ([], [])
    unit = bed.started("guard", *where, *apart)
    until(lambda: len(entered(bed)) >= 2)
    assert bed.guards() == [unit.pid]
    run.send_signal(signal.SIGTERM)
    assert bed.ended("run", run, ENDS_WITHIN_S * slack()).code == 143
    assert unit.poll() is None, "it waits for the next run"
    run = bed.started(*bed.run_words(LONG_S), *apart, "--json")
    until(lambda: pair_held(bed))
    run.kill()
    run.wait()
    until(lambda: not bed.held(), CLOSED_WITHIN_S)
    assert unit.wait(WITHIN_S * slack()) == 0
    assert unlawful(bed.log()) == []


def ledger_rows(bed: Bed) -> bytes:
    """The ledger's files, as they are on disk."""
    return b"".join((bed.logs / f"ledger.sqlite{part}").read_bytes() for part in ("", "-wal"))
