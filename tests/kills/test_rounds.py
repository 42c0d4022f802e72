"""Two of the harness's rounds, for every `pytest`; `.ci/run` strikes twenty times, `python -m tests.kills --minutes 40` as long as you like."""

from pathlib import Path

import pytest

from tests.kills.rounds import Bed, How, play
from tests.kills.venue import simulated


@pytest.mark.parametrize(("how", "number"), [("signal", 0), ("stop", 4)])
def test_struck_at_a_row_of_the_ledger_it_ends_as_it_should_by_the_venues_word(tmp_path: Path, how: How, number: int) -> None:
    """R5, and design: the barrier (nothing sealed before a stop is accepted after it)."""
    seed = 7
    with simulated(tmp_path, "flat:2756.9/115.86", seed) as url:
        result = play(Bed(tmp_path, url, cycles=1), number, seed, how, "100 USD")
    assert result.faults == (), f"repeat: python -m tests.kills --how {how} --seed {seed} --only {number}"
    assert len(result.strikes) == 1
