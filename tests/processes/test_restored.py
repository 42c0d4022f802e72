"""A machine is lost over an open pair; on another one a copy of its ledger is restored, and the pair is
closed.
"""

import os
import shutil
import signal
from pathlib import Path

import pytest

from tests.hostile.bed import Bed
from tests.hostile.judge import disagreements, unlawful
from tests.kills.venue import truth_of
from tests.patience import slack
from tests.processes.waiting import LONG_S, pair_held, until

pytestmark = pytest.mark.process
ADOPT_S = 40.0


def machine_lost(bed: Bed) -> None:
    """Another machine: no ledger, no state directory."""
    for name in ("logs", "state", "runtime"):
        shutil.rmtree(bed.folder / name, ignore_errors=True)


def copies_of(bed: Bed) -> Path:
    """A copy of the ledger, made beside the run."""
    process = bed.started("backup", str(bed.folder / "copies"), "--logs", str(bed.logs), "--json")
    done = bed.ended("backup", process, ADOPT_S * slack())
    assert done.code == 0, done.words
    return bed.folder / "copies"


@pytest.mark.parametrize("when", ["before the pair", "during the hold"])
def test_a_copy_of_any_age_ends_flat_with_a_pair_open(bed: Bed, when: str) -> None:
    if when == "before the pair":
        assert bed.next_start().code == 0, "a cycle that has ended"
        copies = copies_of(bed)
    run = bed.run(LONG_S)
    until(lambda: pair_held(bed))
    if when == "during the hold":
        copies = copies_of(bed)
    for pid in (*bed.guards(), run.pid):
        os.kill(pid, signal.SIGKILL)
    run.wait()
    held = bed.held()
    assert len(held) == 2
    machine_lost(bed)
    restored = bed.asked("restore", str(copies))
    assert (restored.code, restored.told["open"] is not None) == (4, True)
    assert "run --adopt" in restored.words
    refused = bed.next_start()
    assert refused.code == 4, "a plain run enters nothing and closes nothing over what nobody knows"
    assert bed.held() == held
    adopting = bed.started(*bed.run_words(0.3), "--adopt", "--json")
    assert bed.ended("run", adopting, ADOPT_S * slack()).code == 0
    assert bed.held() == {}
    assert bed.asked("status").code == 0
    assert unlawful(bed.log()) == []
    wrong = disagreements(truth_of(bed.venue), bed.logs / "ledger.sqlite")
    unknown = [line for line in wrong if line.endswith("arrived without an intent in the ledger")]
    assert (wrong, len(unknown)) == (unknown, 2 if when == "before the pair" else 0), (
        "the orders of that pair are in no copy; what they left is booked as adopted"
    )
