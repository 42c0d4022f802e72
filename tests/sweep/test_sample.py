"""A sample of the sweep: for every seed a blow in each phase that its cycle has. `python -m tests.sweep`
has the rest.
"""

from collections import Counter

import pytest

from tests.sweep.one import Result, one_run
from tests.sweep.phases import PHASES, RESTING_PHASES
from tests.sweep.runs import attempt, blow_of, command, sample_of

SEEDS = (1, 2, 3, 5)
"""Between them they have a blow in each phase."""


@pytest.mark.long
def test_a_sample_of_the_sweep_finds_nothing_and_strikes_in_every_phase() -> None:
    """I1 to I8, L1, L2, judged by the engine's order log. A failure is printed with the command that
    repeats it.
    """
    failed, struck = [], Counter[str]()
    for run in (run for seed in SEEDS for run in sample_of(seed)):
        _, result = attempt(run)
        wrong = result.wrong if isinstance(result, Result) else (result,)
        struck.update(result.phases if isinstance(result, Result) else ())
        failed += [f"{command(run)}\n    {fault}" for fault in wrong]
    assert not failed, "\n".join(failed)
    assert [phase for phase in PHASES if not struck[phase]] == []


RESTING_SEEDS = (1, 4, 14)
"""Between them they have a blow in each phase that there is where orders rest."""


@pytest.mark.long
def test_a_sample_of_the_sweep_with_orders_that_rest_finds_nothing_and_strikes_in_every_phase() -> None:
    failed, struck = [], Counter[str]()
    for run in (run for seed in RESTING_SEEDS for run in sample_of(seed, resting=True)):
        _, result = attempt(run, resting=True)
        wrong = result.wrong if isinstance(result, Result) else (result,)
        struck.update(result.phases if isinstance(result, Result) else ())
        failed += [f"{command(run, resting=True)}\n    {fault}" for fault in wrong]
    assert not failed, "\n".join(failed)
    assert [phase for phase in RESTING_PHASES if not struck[phase]] == []


@pytest.mark.parametrize("seed", [1, 4])
def test_a_cycle_with_orders_that_rest_and_other_traders_is_hedged_and_ends_flat(seed: int) -> None:
    result = one_run(seed, (), resting=True)
    assert result.wrong == (), command((seed, ()), resting=True)
    assert {"quote", "at rest", "hedge"} <= {phase for _, phase in result.points}


ONCE_FOUND = {
    "the archive's last word died with the ledger": (1001, "ledger:23 ledger:18 account:93 account:29"),
    "a remainder was waited for beside a leg that could be closed": (3009, ""),
    "one of an order's pieces died with the ledger, after its cancellation had been told": (11, "ledger:21"),
    "the same piece died in a transaction": (11, "before_commit:21"),
    "the same, with sizing restarted before": (11, "sizing:351 before_commit:21"),
    "the same, with a leg restarted before": (11, "sol_leg:16 before_commit:30"),
}
"""Runs of long sweeps that found something: what it was, seed and blows."""


@pytest.mark.parametrize("what", ONCE_FOUND)
def test_a_run_that_once_found_something_finds_nothing_any_more(what: str) -> None:
    seed, blows = ONCE_FOUND[what]
    run = seed, tuple(blow_of(word) for word in blows.split())
    result = one_run(*run)
    assert result.wrong == (), command(run)


def test_a_run_is_repeated_to_the_letter_by_its_command() -> None:
    run = list(sample_of(2))[3]
    words = command(run).split()
    assert words[:4] == ["python", "-m", "tests.sweep", "--seed"]
    again = int(words[4]), tuple(blow_of(word) for word in words[5:] if ":" in word)
    assert again == run
    assert one_run(*again) == one_run(*run)
