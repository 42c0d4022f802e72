"""One of the harness's rounds, for every `pytest -m process`; `python -m tests.kills --minutes 40` strikes
as long as you like.
"""

from pathlib import Path

import pytest

from tests.kills.rounds import KillBed, play_round
from tests.kills.venue import simulated

pytestmark = pytest.mark.process


def test_stopped_for_longer_than_recv_time_and_continued_nothing_sealed_before_is_accepted_and_it_ends_flat(
    tmp_path: Path,
) -> None:
    """Design: the barrier. By the venue's own order log."""
    seed, number = 7, 4
    with simulated(tmp_path, "flat:2756.9/115.86", seed) as url:
        result = play_round(KillBed(tmp_path, url, cycles=1), number, seed, "stop", "100 USD")
    assert result.faults == (), f"repeat: python -m tests.kills --how stop --seed {seed} --only {number}"
    assert len(result.strikes) == 1


def test_a_pair_whose_run_is_killed_for_good_is_closed_by_its_guard(tmp_path: Path) -> None:
    """R5: nobody starts it again; what the ledger explains is closed, once, by another process."""
    seed, number = 7, 4
    with simulated(tmp_path, "flat:2756.9/115.86", seed) as url:
        result = play_round(KillBed(tmp_path, url, cycles=1), number, seed, "guard", "100 USD")
    assert result.faults == (), f"repeat: python -m tests.kills --how guard --seed {seed} --only {number}"
    (strike,) = result.strikes
    assert (strike.signal, strike.moment.rpartition(", ")[2]) == ("SIGKILL", "killed")
