"""Every mutant of the real code is caught by the sweep's own judge, in a run in which the code as it is
does nothing wrong.
"""

import pytest

from tests.mutants.patches import MUTANTS, Mutant
from tests.sweep.one import Blow, one_run

pytestmark = pytest.mark.long


def found(mutant: Mutant, seed: int, blows: tuple[Blow, ...]) -> tuple[str, ...]:
    """What is wrong with the mutant in this run; a machine that breaks down under it is a finding too."""
    with pytest.MonkeyPatch.context() as patch:
        mutant.apply(patch)
        try:
            return one_run(seed, blows, mutant.faults, resting=mutant.resting).wrong
        except Exception as error:  # noqa: BLE001
            return (f"{type(error).__name__}: {error}",)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_is_caught_where_the_code_as_it_is_does_nothing_wrong(mutant: Mutant) -> None:
    for seed, blows in mutant.runs():
        if found(mutant, seed, blows):
            assert one_run(seed, blows, mutant.faults, resting=mutant.resting).wrong == ()
            return
    pytest.fail(f"{mutant.name}: nobody noticed that {mutant.breaks} no longer holds")


def test_there_are_mutants_of_every_part() -> None:
    assert len(MUTANTS) >= 8
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
