"""A few cells of the matrix in every `pytest`; `.ci/run` runs it whole and holds docs/endings.md to what
comes of it.
"""

from collections import Counter

import pytest

from tests.endings.cells import PHASES, cell_of, cells, resting_cells, sample
from tests.endings.one import one_cell
from tests.endings.outcomes import OUTCOMES
from tests.endings.runs import attempt_cell


def test_every_thirtieth_cell_of_the_tenth_ends_hedged_or_flat_inside_its_legging_class() -> None:
    """O1 to O14 among others, judged by the engine's order log. A failure is printed with the command that
    repeats it.
    """
    failed = [
        f"{cell.command}\n    {fault}" for cell in sample()[::30] for fault in attempt_cell(cell)[1].wrong
    ]
    assert not failed, "\n".join(failed)


def test_cells_of_an_order_that_rests_end_hedged_or_flat_too() -> None:
    """With each outcome of the order and of its hedge once; `.ci/run` has them all."""
    names = list(OUTCOMES)
    chosen = [
        cell for cell in resting_cells() if names.index(cell.sol) == (names.index(cell.eth) + 5) % len(names)
    ]
    assert len(chosen) == 2 * len(names)
    failed = [f"{cell.command}\n    {fault}" for cell in chosen[::4] for fault in attempt_cell(cell)[1].wrong]
    assert not failed, "\n".join(failed)


def test_the_tenth_has_every_outcome_of_either_leg_in_every_phase_with_a_crash_and_without() -> None:
    chosen = sample()
    assert 10 * len(chosen) >= len(list(cells()))
    for leg in ("eth", "sol"):
        seen = Counter((cell.phase, getattr(cell, leg), cell.crash) for cell in chosen)
        assert set(seen) == {
            (phase, name, crash) for phase in PHASES for name in OUTCOMES for crash in (False, True)
        }


def test_a_cell_is_repeated_to_the_letter_by_its_command() -> None:
    cell = sample()[40]
    again = cell_of(cell.command.partition('"')[2].rstrip('"'))
    assert again == cell
    assert one_cell(again, told=True) == one_cell(cell, told=True)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "enter",
        "enter / filled",
        "enter / filled / gone",
        "leave / filled / filled",
        "exit / filled / filled / fire",
    ],
)
def test_a_cell_that_is_none_is_refused_with_what_there_is(name: str) -> None:
    with pytest.raises(ValueError, match="never filled"):
        cell_of(name)
