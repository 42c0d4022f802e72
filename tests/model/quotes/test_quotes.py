"""Orders that rest in every interleaving of a small bound, and the model's shortcuts checked against the long
way. `tests/model/test_model.py` asks that every broken variant is caught.

python -m tests.model --quotes 2 --crashes 1 --losses 0
"""

from itertools import permutations

import pytest

from tests.model.quotes import books
from tests.model.quotes.moves import RESTING, search_resting
from tests.model.quotes.rules import SOUND, QuoteRules
from tests.model.quotes.state import PAIR, QuotePlan, Resting, Terms, resting_start
from tests.model.search import Search
from tests.model.state import Message

LEAN, SOL = SOUND._replace(lean=True), SOUND._replace(quote_leg="sol")


@pytest.mark.parametrize(
    ("rules", "quotes", "crashes", "losses"),
    [
        (SOUND, 2, 0, 0),
        (SOL, 1, 0, 0),
        pytest.param(LEAN, 2, 0, 0, marks=pytest.mark.long),
        pytest.param(SOUND, 1, 0, 1, marks=pytest.mark.long),
        pytest.param(SOUND, 1, 1, 0, marks=pytest.mark.long),
    ],
)
def test_no_interleaving_of_orders_that_rest_breaks_an_invariant(
    rules: QuoteRules, quotes: int, crashes: int, losses: int
) -> None:
    found = search_resting(rules, quotes=quotes, crashes=crashes, losses=losses)
    assert not found.name, f"{found.summary}\n{found.story()}"
    assert found.endings > 1, "flat, and as a pair"


def states_of(rules: QuoteRules, quotes: int) -> list[Resting]:
    whole = Search(rules, resting_start(quotes, 0, 0), RESTING)
    assert not whole.run().name
    return whole.order


@pytest.mark.long
def test_acting_at_once_when_nothing_is_left_to_go_wrong_comes_to_the_same() -> None:
    def endings(rules: QuoteRules) -> set[tuple[str, int, int]]:
        seen = [books.view(state.book) for state in states_of(rules, 2) if state.bar.phase == "idle"]
        return {(view.phase, view.eth, view.sol) for view in seen}

    assert endings(SOUND) == endings(SOUND._replace(prompt=False))


def test_an_order_that_rests_is_let_rest_and_one_of_an_earlier_epoch_is_not() -> None:
    """Else the rule that the model asks would say the same whatever it is asked."""
    resting = next(
        (state, work)
        for state in states_of(SOUND._replace(prompt=False), 1)
        for work in books.view(state.book).working
        if work.acknowledged
    )
    state, work = resting
    assert books.why_cancelled(state.book, work.plan, "rest", 1) == ""
    assert "epoch" in books.why_cancelled(state.book, work.plan, "rest", 2)


QUOTE = QuotePlan(1, 1, "quote", PAIR["eth"], 0, False, Terms("eth", True, PAIR["eth"], PAIR["sol"]))
KEY: tuple[QuotePlan, str] = (QUOTE, "eth")
PIECE, REST = ("fill", *KEY, 1, 1), ("fill", *KEY, 0, 1)
PLACED, FILLED, CANCELLED = (
    ("update", *KEY, *told) for told in (("placed", 2), ("filled", 1), ("cancelled", 0))
)
STORIES: list[tuple[int, tuple[Message, ...]]] = [
    (2, (("outcome", *KEY, "accepted"), PLACED, PIECE, REST)),
    (1, (("outcome", *KEY, "accepted"), PIECE, CANCELLED, FILLED, ("answer", *KEY, 1, False, "rest"))),
    (1, (("outcome", *KEY, "unknown"), PIECE, CANCELLED, ("answer", *KEY, 1, False, "window"))),
    (0, (("outcome", *KEY, "accepted"), PLACED, CANCELLED, ("answer", *KEY, 2, False, "rest"))),
    (1, (("answer", *KEY, None, True, "past"), CANCELLED, PIECE, ("resolved", *KEY, 1, True, "past"))),
]


@pytest.mark.parametrize(("truth", "news"), STORIES)
def test_an_order_that_rests_ends_with_what_it_did_whatever_the_order_of_the_news(
    truth: int, news: tuple[Message, ...]
) -> None:
    begun, _ = books.told(books.EMPTY, ("sealed", QUOTE))
    begun, _ = books.told(begun, ("place", QUOTE))
    for story in permutations(news):
        book = begun
        for row in story:
            book, _ = books.told(book, row)
            ended = dict(books.view(book).ended)
            assert KEY not in ended or ended[KEY] == truth, story
        assert KEY in dict(books.view(book).ended), story
        assert not books.view(book).working, story
