"""The barrier in every interleaving of a small bound, every broken variant caught, and the model's shortcuts
checked against the long way.

python -m tests.model --crashes 2 --losses 1 --plans 2    the full bound
python -m tests.model --mutants                           every broken variant; --mutant NAME prints its trace
"""

from itertools import permutations

import pytest

from actors.ledger.orders import OurOrder
from messages.units import DOLLAR_NEUTRAL, Rate
from tests.model import real
from tests.model.mutants import MUTANTS
from tests.model.rules import SOUND, Rules
from tests.model.search import Search, search
from tests.model.state import LOTS, NOTHING_TOLD, Message, Plan, State, start
from tests.model.symmetry import mirrored
from tests.model.transitions import successors


@pytest.mark.parametrize(
    ("crashes", "losses", "plans"),
    [(1, 0, 2), (0, 1, 2), pytest.param(1, 1, 1, marks=pytest.mark.long), (2, 0, 1)],
)
def test_no_interleaving_breaks_an_invariant(crashes: int, losses: int, plans: int) -> None:
    found = search(SOUND._replace(plans=plans), crashes=crashes, losses=losses)
    assert not found.name, f"{found.summary}\n{found.story()}"
    assert found.endings, "something must come to its end"


def test_at_a_hedge_ratio_the_same_states_are_reached_and_nothing_is_broken() -> None:
    """Every voter takes plans of its own ratio: one that did not would leave states unreached."""
    plain = search(SOUND._replace(plans=1), crashes=1, losses=0)
    try:
        real.hedge_at(Rate.of("0.8"))
        weighted = search(SOUND._replace(plans=1), crashes=1, losses=0)
    finally:
        real.hedge_at(DOLLAR_NEUTRAL)
    assert not weighted.name, f"{weighted.summary}\n{weighted.story()}"
    assert (weighted.states, weighted.transitions) == (plain.states, plain.transitions)


@pytest.mark.parametrize("name", MUTANTS)
def test_a_broken_variant_is_caught_by_the_invariant_it_breaks(name: str) -> None:
    mutant = MUTANTS[name]
    found = mutant.search()
    assert found.name == mutant.caught_by, f"{found.summary}\n{found.story()}"
    assert found.trace


def test_every_invariant_has_a_variant_that_breaks_it() -> None:
    """An invariant that nothing can break says nothing."""
    caught = {mutant.caught_by.partition("_")[0] for mutant in MUTANTS.values()}
    barrier = {"i1", "i2", "i3", "i4", "i5", "i6", "i7", "i8", "i9", "l1", "l2"}
    assert caught == barrier | {"r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8"}


# -- the shortcuts -------------------------------------------------------------------------------------------


def states_of(rules: Rules, crashes: int, losses: int) -> list[State]:
    whole = Search(rules, start(crashes, losses))
    assert not whole.run().name
    return whole.order


def test_a_mirrored_state_has_the_mirrored_moves() -> None:
    rules = SOUND._replace(plans=1, prompt=False)
    for state in states_of(rules, 1, 0) + states_of(rules, 0, 1):
        here = {mirrored(after) for _, after in successors(state, rules)}
        assert here == {after for _, after in successors(mirrored(state), rules)}, state


@pytest.mark.parametrize(
    ("crashes", "losses"), [(0, 0), (1, 0), (0, 1), pytest.param(1, 1, marks=pytest.mark.long)]
)
def test_acting_at_once_when_nothing_is_left_to_go_wrong_comes_to_the_same(crashes: int, losses: int) -> None:
    def calm(rules: Rules) -> set[frozenset[State]]:
        found = states_of(rules, crashes, losses)
        quiet = (
            state
            for state in found
            if state == start(state.crashes, state.losses, state.past)._replace(again=state.again)
        )
        return {frozenset({state, mirrored(state)}) for state in quiet}

    rules = SOUND._replace(plans=1)
    assert calm(rules) == calm(rules._replace(prompt=False))


ENTER, EXIT = Plan(1, 1, "enter", LOTS, LOTS), Plan(1, 1, "exit", LOTS, LOTS)
ABSENT, DONE, HALF = ("resolved", 0, True), ("resolved", LOTS, True), ("resolved", 1, False)
STORIES: list[tuple[Plan, int, tuple[Message, ...]]] = [
    (ENTER, 0, (("outcome", "refused"), ("cancelled", 0), ABSENT)),
    (ENTER, 0, (("outcome", "unknown"), ("cancelled", 0), ABSENT)),
    (ENTER, LOTS, (("outcome", "accepted"), ("fill", LOTS), ("fill", LOTS), ("filled", 0), DONE)),
    (ENTER, LOTS, (("outcome", "unknown"), ("fill", LOTS), ("resolved", LOTS, False), DONE)),
    (EXIT, 0, (("outcome", "refused"), ("cancelled", 0), ABSENT)),
    (
        EXIT,
        1,
        (
            ("outcome", "accepted"),
            ("fill", 1),
            ("fill", 1),
            ("filled", 1),
            ("cancelled", 0),
            ("resolved", 1, True),
        ),
    ),
    (EXIT, 1, (("outcome", "unknown"), ("fill", 1), ("filled", 1), ("cancelled", 0), HALF)),
]


@pytest.mark.parametrize(("plan", "truth", "news"), STORIES)
def test_an_order_ends_with_what_it_did_whatever_the_order_of_the_news_and_then_is_deaf(
    plan: Plan, truth: int, news: tuple[Message, ...]
) -> None:
    for story in permutations(news):
        order = OurOrder("eth", real.sizing_plan(plan), "x", 0)
        for piece in story:
            real.tell(order, piece)
            assert not order.ended or abs(order.total.filled) == truth, story
        assert order.ended, story


@pytest.mark.parametrize("plan", [ENTER, EXIT], ids=["enter", "exit"])
@pytest.mark.parametrize("kind", ["accepted", "unknown"])
def test_an_outcome_that_is_no_refusal_tells_the_ledger_nothing(plan: Plan, kind: str) -> None:
    reachable = [
        NOTHING_TOLD,
        NOTHING_TOLD._replace(traded=1),
        NOTHING_TOLD._replace(left=1),
        NOTHING_TOLD._replace(cancelled=plan is EXIT),
    ]
    for before in reachable:
        if not before.cancelled or plan is EXIT:
            assert real.told(plan, "eth", before, ("outcome", kind)) == before
