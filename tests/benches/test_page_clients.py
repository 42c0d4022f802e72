"""The bench of the page: what its interval says, what is left of one that was stopped, and where it runs."""

import os
import random
import signal
import sys
from collections.abc import Callable

import pytest

from benches.figures import Taken
from benches.page_clients import ROUNDS_TELL, SMALL, Round, browsers, p99_ratio, rounds_taken
from benches.tick.bench import TICK
from benches.tick.block import BlockFailed
from tests.leftovers import left
from tests.processes.waiting import until

Factor = Callable[[int], float]


def rounds(
    seed: int,
    *,
    machine: Callable[[int], float] = lambda _: 1.0,
    page: Callable[[int], float] = lambda _: 1.0,
) -> list[Round]:
    """25 rounds of 80 ticks with a tail, always the same of one seed. `machine` makes both blocks of a round
    slower, `page` one of them.
    """
    chance = random.Random(seed)

    def block(factor: float) -> list[float]:
        return [factor * (2_000 + chance.expovariate(1 / 300)) for _ in range(80)]

    return [
        Round(block(machine(number)), block(machine(number) * page(number)), SMALL) for number in range(25)
    ]


def width(made: list[Round]) -> float:
    low, _, high = p99_ratio(made)
    return high - low


def test_where_both_are_alike_the_interval_has_one_and_where_one_is_slower_it_is_above() -> None:
    low, ratio, high = p99_ratio(rounds(1))
    assert low <= ratio <= high
    assert 0.8 < low < 1 < high < 1.25
    assert p99_ratio(rounds(1, page=lambda _: 1.4))[0] > 1.1


def test_a_machine_that_gets_slower_is_taken_for_no_page() -> None:
    """Both blocks of a round are drawn together: the slow rounds weigh the same in both."""
    apart = [
        Round(ours.without, other.looked_at, SMALL)
        for ours, other in zip(
            rounds(2, machine=lambda number: 1 + number / 10),
            reversed(rounds(2, machine=lambda number: 1 + number / 10)),
            strict=True,
        )
    ]
    together = rounds(2, machine=lambda number: 1 + number / 10)
    assert width(together) < width(apart) / 1.5


def test_what_is_particular_to_one_process_is_no_more_certain_for_its_many_entries() -> None:
    """One process of 25 has its memory where it is slow: its 80 entries say that once, not 80 times."""
    made = rounds(3, page=lambda number: 1.5 if number == 3 else 1.0)
    assert p99_ratio(made)[0] < 1
    assert width(made) > 2 * width(rounds(3))


def taken_of(*made: Round | Exception | signal.Signals) -> Taken:
    """The figures of these rounds: one that is an error fails, at a signal it comes while a round goes on."""

    def one(number: int) -> Round:
        found = made[number]
        if isinstance(found, Exception):
            raise found
        if isinstance(found, signal.Signals):
            os.kill(os.getpid(), found)
            return Round([1.0], [1.0], SMALL)
        return found

    return rounds_taken(len(made), one)


ROUND = Round([2.0, 2.0], [2.0, 3.0], SMALL)


@pytest.mark.parametrize(
    ("then", "n", "why"),
    [
        (BlockFailed("exit code 4, completed 3 of 9: in /home/me"), 4, "exit code 4, completed 3 of 9"),
        (signal.SIGTERM, 5, "SIGTERM"),
        (signal.SIGINT, 5, "SIGINT"),
    ],
)
def test_what_was_measured_before_it_was_stopped_is_kept(
    then: Exception | signal.Signals, n: int, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    taken = taken_of(ROUND, ROUND, then, ROUND)
    assert {figure.n for figure in taken.figures if figure.quantity == TICK} == {n}
    assert taken.notes[-1] == f"stopped after {(n + 1) // 2} rounds of 4: {why}"
    assert "round 2 of 4" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_first_block_that_fails_is_no_figure() -> None:
    with pytest.raises(BlockFailed):
        taken_of(BlockFailed("exit code 1"))


def test_entries_that_never_came_are_said() -> None:
    """A run that is held up so long that it enters nothing has no slow tick to show for it."""
    notes = taken_of(ROUND, ROUND._replace(missed=(0, 2)), ROUND._replace(missed=(0, 1))).notes
    assert [note for note in notes if "nothing was sent" in note] == [
        "50 browsers look, one never reads: 3 times nothing was sent while an entry was possible"
    ]


def test_few_rounds_give_no_verdict() -> None:
    assert "too few rounds for a verdict" in taken_of(*[ROUND] * (ROUNDS_TELL - 1)).notes[0]
    assert taken_of(*[ROUND] * ROUNDS_TELL).notes[0].endswith(": NOT below 1.10")
    alike = Round([2.0, 2.0], [2.0, 2.0], SMALL)
    assert taken_of(*[alike] * ROUNDS_TELL).notes[0].endswith(": below 1.10")


@pytest.mark.process
@pytest.mark.skipif(
    sys.platform != "linux" or len(os.sched_getaffinity(0)) < 2, reason="one core, or no way to ask"
)
def test_the_browsers_are_where_the_exchange_is_and_let_it_come_first() -> None:
    """Else the core of whoever trades is theirs too: the browsers of a trader have machines of their own."""
    with browsers() as folder:
        [pid] = until(lambda: left(str(folder), "benches.page_clients"))
        until(lambda: os.sched_getscheduler(pid) == os.SCHED_IDLE)
        assert os.sched_getaffinity(pid) == {max(os.sched_getaffinity(0))}
