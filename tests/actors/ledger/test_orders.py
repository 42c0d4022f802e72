"""How one order ends, and what it then did. One test per row of the table in `actors/ledger/orders.py`,
and per bot that got it wrong.
"""

import os
import random
from itertools import pairwise

import pytest

from messages.execution import Fill, PlanClosed
from messages.units import ONE, Base, Price, Quote
from tests.actors.ledger.story import Story


def entered() -> Story:
    story = Story()
    story.placed("enter", "0.9", "-20")
    return story


def amounts(story: Story) -> tuple[str, str]:
    return story.held.eth.amount.text(), story.held.sol.amount.text()


def test_an_acknowledgement_closes_nothing() -> None:
    """O1: `success` with nothing filled was logged as closed."""
    story = entered()
    story.outcome("eth", "accepted")
    story.outcome("sol", "accepted")
    assert story.held.phase == "in_flight"
    assert len(story.held.doubts) == 2


def test_an_unknown_order_is_never_filled_and_never_closed() -> None:
    """O2: an order that the API could not find was taken as filled in full."""
    story = entered()
    story.fill("sol")
    story.outcome("eth", "unknown")
    assert amounts(story) == ("0", "-20")
    assert [doubt.leg for doubt in story.held.doubts] == ["eth"]
    assert not story.said_of(PlanClosed)


@pytest.mark.parametrize("kind", ["refused", "none"])
def test_a_definite_refusal_or_nothing_sent_closes_at_zero(kind: str) -> None:
    story = entered()
    story.fill("sol")
    story.outcome("eth", kind, 2031 if kind == "refused" else None)
    assert (story.closed.eth.filled, story.closed.eth.outcome, story.closed.eth.vwap) == (0, kind, 0)
    assert story.held.phase == "uneven"
    assert story.held.last_refusals == 1


def test_a_sale_counts_down() -> None:
    """O3: sells were reported negative, read as 'no fill' and sent again."""
    story = entered()
    story.fill("sol")
    assert story.held.sol.amount == Base.of("-20")


def test_fills_accumulate() -> None:
    """O4: partial 0.5, then 0, and the remaining amount was reset to 0.9: 1.4 traded of 0.9."""
    story = entered()
    story.fill("eth", "0.5", remaining="0.4")
    story.update("eth", "0.4", "filled")
    assert story.held.eth.amount == Base.of("0.5")
    story.fill("eth", "0.4", remaining="0")
    assert story.held.eth.amount == Base.of("0.9")
    assert [doubt.leg for doubt in story.held.doubts] == ["sol"]


def test_every_fill_of_an_order_is_counted_once() -> None:
    """O5: of several fills only the first was de-duplicated: 1.3 tracked for 0.9."""
    story = entered()
    pieces = [
        story.a_fill("eth", "0.4", remaining="0.5"),
        story.a_fill("eth", "0.4", remaining="0.1"),
        story.a_fill("eth", "0.1", remaining="0"),
    ]
    story.tell(*pieces, *pieces, *reversed(pieces))
    assert story.held.eth.amount == Base.of("0.9")


def test_two_fills_of_one_submission_are_two_fills() -> None:
    """O5: the submission index is the archive's cursor and no identity."""
    story = entered()
    story.fill("eth", "0.4", remaining="0.5")
    story.fill("eth", "0.5", remaining="0")
    assert story.held.eth.amount == Base.of("0.9")


def test_a_fill_may_come_before_the_acknowledgement() -> None:
    story = entered()
    story.fill("eth")
    story.fill("sol")
    assert story.held.phase == "open"
    assert {story.closed.eth.outcome, story.closed.sol.outcome} == {"accepted"}
    story.outcome("eth", "accepted")
    assert story.held.phase == "open"
    assert len(story.said_of(PlanClosed)) == 1


def test_a_partial_ioc_closes_when_its_fills_add_up_to_what_traded_before_the_cancel() -> None:
    story = Story()
    story.enter()
    story.placed("exit", "-0.042", "1")
    story.fill("sol")
    story.update("eth", "0.012", "filled")
    story.update("eth", "0", "cancelled")
    assert story.held.phase == "in_flight"
    story.fill("eth", "-0.03", remaining="0.012")
    assert story.closed.eth.filled == Base.of("-0.03")
    assert amounts(story) == ("0.012", "0")


def test_a_cancel_without_any_fill_closes_nothing_not_even_of_a_fok_that_was_accepted() -> None:
    """O7. A venue that leaves a FOK filled in part cancels the rest: taken for nothing, the fill that came
    later made a second pair of it.
    """
    story = entered()
    story.fill("sol")
    story.outcome("eth", "accepted")
    story.update("eth", "0", "cancelled")
    assert story.held.phase == "in_flight"
    assert [doubt.leg for doubt in story.held.doubts] == ["eth"]


def test_a_cancel_and_a_refusal_close_at_zero() -> None:
    story = entered()
    story.fill("sol")
    story.update("eth", "0", "cancelled")
    story.outcome("eth", "refused")
    assert story.closed.eth.filled == 0


def test_a_cancel_that_overtakes_the_news_of_a_partial_ioc_closes_nothing() -> None:
    """O5, O7: stream events come in any order. That the rest of an IOC was cancelled says nothing of how
    much had traded before; RESOLVE asks.
    """
    story = Story()
    story.enter()
    story.placed("exit", "-0.042", "1")
    story.fill("sol")
    story.update("eth", "0", "cancelled")
    assert story.held.phase == "in_flight"
    assert [doubt.leg for doubt in story.held.doubts] == ["eth"]
    story.fill("eth", "-0.03", remaining="0.012")
    assert story.held.phase == "in_flight"
    story.update("eth", "0.012", "filled")
    assert story.closed.eth.filled == Base.of("-0.03")


def test_remaining_zero_because_filled_is_not_a_cancel() -> None:
    story = entered()
    story.fill("sol")
    story.update("eth", "0", "filled")
    assert story.held.phase == "in_flight"


def test_a_cancel_that_lost_the_race_ends_in_the_fill() -> None:
    """O7: cancel failed because the order had just filled; the bot believed 'cancelled'."""
    story = entered()
    story.fill("sol")
    story.update("eth", "0", "cancelled")
    assert story.held.phase == "in_flight"
    story.fill("eth")
    assert amounts(story) == ("0.9", "-20")
    assert story.held.phase == "open"


def test_resolve_takes_the_place_of_pieces_and_adds_nothing() -> None:
    """O6: what became of an order is asked by its digest, and the answer is the whole order."""
    story = entered()
    story.fill("sol")
    story.fill("eth", "0.5", remaining="0.4")
    story.resolved("eth", "0.9", price="2757", fee="0.8")
    assert (story.closed.eth.filled, story.closed.eth.vwap, story.closed.eth.fee) == (
        Base.of("0.9"),
        Price.of("2757"),
        Quote.of("0.8"),
    )
    assert story.held.eth.amount == Base.of("0.9")


def test_late_fills_of_a_resolved_order_change_nothing() -> None:
    story = entered()
    story.fill("sol")
    story.resolved("eth", "0.9")
    story.fill("eth", "0.5", remaining="0.4")
    story.fill("eth", "0.4", remaining="0")
    assert story.held.eth.amount == Base.of("0.9")


def test_an_absent_order_closes_at_zero() -> None:
    story = entered()
    story.fill("sol")
    story.outcome("eth", "unknown")
    story.resolved("eth", "0")
    assert story.closed.eth.filled == 0
    assert story.held.phase == "uneven"


def test_the_archive_replaces_a_provisional_answer() -> None:
    story = entered()
    story.fill("sol")
    story.resolved("eth", "0.9", provisional=True)
    assert story.closed.eth.filled == Base.of("0.9")
    story.resolved("eth", "0.9", price="2700", fee="0.9")
    assert story.held.eth.amount == Base.of("0.9")
    assert story.held.eth.vwap == Price.of("2700")
    assert story.fold.totals().fees == Quote.of("0.94")


def test_fills_that_complete_a_provisional_answer_exactly_give_it_its_price() -> None:
    story = entered()
    story.fill("sol")
    story.resolved("eth", "0.9", price="3000", provisional=True)
    story.fill("eth", "0.5", price="2756", remaining="0.4")
    assert story.held.eth.vwap == Price.of("3000")
    story.fill("eth", "0.4", price="2756", remaining="0")
    assert story.held.eth.vwap == Price.of("2756")
    assert story.held.eth.amount == Base.of("0.9")


def test_an_absence_never_takes_back_a_presence() -> None:
    """The answer is derived from a position, which the next plan may have moved before the answer came."""
    story = entered()
    story.fill("sol")
    story.resolved("eth", "0.9", provisional=True)
    story.resolved("eth", "0")
    assert story.held.eth.amount == Base.of("0.9")


def test_an_answer_cannot_undo_an_ending_that_fills_have_proven() -> None:
    story = entered()
    story.fill("sol")
    story.fill("eth")
    story.resolved("eth", "0")
    story.resolved("eth", "0.5")
    assert amounts(story) == ("0.9", "-20")


def test_an_impossible_answer_is_not_believed() -> None:
    story = entered()
    story.resolved("eth", "-0.9")
    story.resolved("eth", "1.8")
    assert story.held.phase == "in_flight"
    assert story.held.eth.amount == 0


def test_fills_we_know_of_outweigh_a_smaller_answer() -> None:
    story = entered()
    story.fill("sol")
    story.fill("eth", "0.5", remaining="0.4")
    story.resolved("eth", "0.1", provisional=True)
    assert story.held.phase == "in_flight"
    story.resolved("eth", "0")
    assert story.closed.eth.filled == Base.of("0.5")


def pieces_of(story: Story, rng: random.Random) -> list[Fill]:
    """The ETH order's 0.9 cut at random lots, in the order in which they traded."""
    cuts = sorted(rng.sample(range(1, 900), rng.randrange(1, 12)))
    edges = [0, *cuts, 900]
    fills = []
    for start, end in pairwise(edges):
        amount, left = Base((end - start) * ONE // 1000), Base((900 - end) * ONE // 1000)
        price = Price.of(str(2700 + rng.randrange(100)))
        fills.append(story.a_fill("eth", amount.text(), price.text(), remaining=left.text(), fee="0.01"))
    return fills


@pytest.mark.parametrize("seed", range(200))
def test_any_split_any_order_and_any_duplicates_leave_the_ledger_exact(seed: int) -> None:
    """O4, O5: random splits, duplicates, reordering, updates in between, acknowledgements before or after."""
    seed = int(os.environ.get("SEED", seed))
    rng = random.Random(seed)
    again = f"repeat with SEED={seed} pytest {__file__} -k any_split"
    story = entered()
    fills = pieces_of(story, rng)
    quote = sum(fill.amount * fill.price // ONE for fill in fills)
    events = [partial_fill for partial_fill in fills for _ in range(rng.randrange(1, 4))]
    rng.shuffle(events)
    acknowledged = rng.randrange(len(events) + 1)
    for i, event in enumerate(events):
        if i == acknowledged:
            story.outcome("eth", rng.choice(["accepted", "unknown"]))
        story.tell(event)
        if rng.random() < 0.3:
            story.update("eth", event.remaining.text(), "filled")
    story.fill("sol")
    assert story.held.eth.amount == Base.of("0.9"), again
    assert story.held.phase == "open", again
    assert story.closed.eth.vwap == quote * ONE // Base.of("0.9"), again
    assert story.closed.eth.fee == len(fills) * Quote.of("0.01"), again
    assert story.reread() == story.held, again
