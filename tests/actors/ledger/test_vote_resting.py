"""The vote on orders that rest and on what hedges them: shapes, kinds, and what fits what is held."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from messages.sizing import Declined, LegOrder, QuoteTerms, SizingPlan
from messages.units import Base, Ms, Price, Rate
from tests.actors.ledger.story import Story
from tests.actors.ledger.test_working_orders import entry_quoted, exit_quoted, started

WHOLE = ("0.042", "-1")


def said_to(story: Story, plan: SizingPlan) -> str:
    """The vote on `plan`, which is not placed."""
    (vote,) = story.seal(plan)
    if isinstance(vote, Declined):
        return vote.code
    story.abort()
    return "READY"


def leg_changed(plan: SizingPlan, leg: str, **changes: Any) -> SizingPlan:
    order: LegOrder = getattr(plan, leg)
    return msgspec.structs.replace(plan, **{leg: msgspec.structs.replace(order, **changes)})


def terms_changed(plan: SizingPlan, **changes: Any) -> SizingPlan:
    assert plan.quote is not None
    return msgspec.structs.replace(plan, quote=msgspec.structs.replace(plan.quote, **changes))


def hedging(story: Story, amount: str, leg: str = "sol", *, closing: bool = False) -> SizingPlan:
    plan = story.plan("hedge", **{leg: amount}, closing=closing)  # type: ignore[arg-type]
    return leg_changed(plan, leg, kind="ioc")


def test_a_quote_that_opens_is_voted_for_while_flat_and_its_digest_is_its_own() -> None:
    story = started()
    assert said_to(story, story.quote_plan(*WHOLE)) == "READY"
    story = started()
    assert said_to(story, story.quote_plan(*WHOLE, leg="sol")) == "READY"
    story = started()
    assert said_to(story, story.quote_plan(*WHOLE, amount="0.03")) == "READY"


Change = Callable[[SizingPlan], SizingPlan]
SHAPES: list[tuple[str, Change, str]] = [
    ("no terms", lambda plan: msgspec.structs.replace(plan, quote=None), "NOT_A_QUOTE"),
    (
        "both legs",
        lambda plan: leg_changed(plan, "sol", amount=Base.of("-1"), kind="post_only"),
        "NOT_A_QUOTE",
    ),
    ("the other leg", lambda plan: terms_changed(plan, leg="sol"), "NOT_A_QUOTE"),
    ("reduce-only", lambda plan: leg_changed(plan, "eth", reduce_only=True), "NOT_A_QUOTE"),
    ("takes", lambda plan: leg_changed(plan, "eth", kind="fok"), "ORDER_KIND"),
    ("takes in part", lambda plan: leg_changed(plan, "eth", kind="ioc"), "ORDER_KIND"),
    ("rests for ever", lambda plan: terms_changed(plan, rest=Ms(15_001)), "NOT_A_QUOTE"),
    ("does not rest", lambda plan: terms_changed(plan, rest=Ms(0)), "NOT_A_QUOTE"),
    ("away from its pair", lambda plan: leg_changed(plan, "eth", amount=Base.of("-0.042")), "NOT_A_QUOTE"),
    ("more than its pair", lambda plan: leg_changed(plan, "eth", amount=Base.of("0.043")), "NOT_A_QUOTE"),
    ("no pair", lambda plan: terms_changed(plan, sol=Base.of("1")), "NOT_A_PAIR"),
    ("half a pair", lambda plan: terms_changed(plan, sol=Base(0)), "NOT_A_PAIR"),
    ("nothing", lambda plan: leg_changed(plan, "eth", amount=Base(0)), "EMPTY"),
]


@pytest.mark.parametrize(("change", "why"), [each[1:] for each in SHAPES], ids=[each[0] for each in SHAPES])
def test_a_quote_of_another_shape_is_declined(change: Change, why: str) -> None:
    story = started()
    assert said_to(story, change(story.quote_plan(*WHOLE))) == why


def test_no_other_plan_has_the_terms_of_a_quote() -> None:
    story = started()
    terms = story.quote_plan(*WHOLE).quote
    assert said_to(story, story.plan("enter", *WHOLE, quote=terms)) == "NOT_A_QUOTE"


def test_a_quote_that_opens_is_judged_as_an_entry() -> None:
    story = Story(ready=False)
    assert said_to(story, story.quote_plan(*WHOLE)) not in {"READY", "NOT_A_QUOTE"}
    story = started()
    story.enter()
    assert said_to(story, story.quote_plan(*WHOLE, cycle=2)) not in {"READY", "NOT_A_QUOTE"}, (
        "something is held"
    )


def test_in_the_product_of_a_working_order_nothing_else_is_sealed() -> None:
    story = entry_quoted()
    story.fill("eth", "0.02", remaining="0.022")
    assert said_to(story, story.plan("flatten", "-0.02", "0")) == "ORDER_WORKING"
    assert said_to(story, story.plan("repair", "0.022", "-1", closing=False)) == "ORDER_WORKING"
    assert said_to(story, story.quote_plan(*WHOLE, hedges=True)) == "ORDER_WORKING"
    assert said_to(story, story.quote_plan(*WHOLE, leg="sol")) != "READY", "a second quote that opens"
    assert said_to(story, story.plan("enter", *WHOLE)) == "ORDER_WORKING"
    assert said_to(story, hedging(story, "-0.4")) == "READY"
    assert said_to(exit_quoted(), exit_quoted().quote_plan(opens=False, leg="sol")) == "ORDER_WORKING"


def test_in_the_other_product_closing_and_completing_go_on() -> None:
    story = entry_quoted()
    story.fill("eth", "0.02", remaining="0.022")
    story.hedge("sol", "-0.4")
    story.fill("sol")
    assert said_to(story, story.plan("repair", "0", "-0.6", closing=False)) == "READY"
    assert said_to(story, story.plan("flatten", "0", "0.4")) == "READY"


@pytest.mark.parametrize(
    ("amount", "why"),
    [("-0.5", "READY"), ("-0.4", "READY"), ("-0.6", "NOT_A_HEDGE"), ("0.5", "NOT_A_HEDGE")],
)
def test_a_hedge_is_no_more_than_what_has_traded_to_the_nearest_lot(amount: str, why: str) -> None:
    story = entry_quoted()
    story.fill("eth", "0.02", remaining="0.022")
    assert said_to(story, hedging(story, amount)) == why  # 0.02 of 0.042 is 0.476 SOL, and the step 0.1


def test_what_is_hedged_already_is_taken_off_and_nothing_is_hedged_twice() -> None:
    story = entry_quoted()
    story.fill("eth", "0.02", remaining="0.022")
    story.hedge("sol", "-0.3")
    story.fill("sol")
    assert said_to(story, hedging(story, "-0.3")) == "NOT_A_HEDGE"
    assert said_to(story, hedging(story, "-0.2")) == "READY"


def test_a_hedge_never_goes_back() -> None:
    story = entry_quoted()
    story.fill("eth", "0.02", remaining="0.022")
    own = story.order_digest("eth")
    back = leg_changed(hedging(story, "0.4"), "sol", limit=Price.of("101.96"))
    assert said_to(story, back) == "NOT_A_HEDGE"
    story.hedge("sol", "-0.4")
    story.fill("sol")
    story.cancel_answer("eth", "0.022", digest=own)
    story.placed("flatten", "-0.01", "0")
    story.fill("eth")
    back = leg_changed(hedging(story, "0.2"), "sol", limit=Price.of("101.96"))
    assert said_to(story, back) == "NOT_A_HEDGE", "less is held than is hedged: that is for a flatten"


def test_only_what_has_traded_of_this_cycles_quote_is_hedged_and_by_the_other_leg() -> None:
    story = entry_quoted()
    part = story.a_fill("eth", "0.02", remaining="0.022")
    assert said_to(story, hedging(story, "-0.1")) == "NOT_A_HEDGE", "nothing has traded"
    story.tell(part)
    other = msgspec.structs.replace(hedging(story, "-0.4"), cycle=2)
    assert said_to(story, other) == "NOT_A_HEDGE"
    story.cancel_answer("eth", "0.022", digest=story.held.working[0].doubt.order_digest)
    (vote,) = story.seal(hedging(story, "0.01", "eth"))
    assert isinstance(vote, Declined)
    assert vote.detail == "eth is the leg that rests, sol hedges it"
    assert said_to(story, hedging(story, "-0.4")) == "READY", "just ended"


def test_a_hedge_is_one_order_that_takes_at_no_worse_price_than_the_terms() -> None:
    story = entry_quoted()
    story.fill("eth", "0.02", remaining="0.022")
    plan = hedging(story, "-0.4")
    worst = story.held.working[0].terms.worst
    assert plan.sol.limit == worst
    assert said_to(story, leg_changed(plan, "sol", limit=Price(worst - 10**16))) == "NOT_A_HEDGE"
    assert said_to(story, leg_changed(plan, "sol", kind="fok")) == "ORDER_KIND"
    assert said_to(story, leg_changed(plan, "sol", reduce_only=True)) == "NOT_A_HEDGE"
    both = leg_changed(
        leg_changed(plan, "eth", amount=Base.of("0.01"), kind="ioc"), "eth", limit=Price.of("2756.9")
    )
    assert said_to(story, both) == "NOT_A_HEDGE"
    assert said_to(story, msgspec.structs.replace(plan, hedge_ratio=Rate.of("1.1"))) == "HEDGE_RATIO"
    assert said_to(story, plan) == "READY"


def test_a_quote_hedges_as_a_hedge_does_with_the_terms_of_what_it_hedges() -> None:
    story = entry_quoted()
    story.fill("eth", "0.021", remaining="0.021")
    lean = story.quote_plan(*WHOLE, leg="sol", amount="-0.5", hedges=True)
    assert said_to(story, leg_changed(lean, "sol", amount=Base.of("-0.6"))) == "NOT_A_HEDGE"
    assert said_to(story, terms_changed(lean, eth=Base.of("0.041"))) == "NOT_A_HEDGE"
    story.tell_quote(lean)
    story.outcome("sol", "accepted")
    assert [order.doubt.leg for order in story.held.working] == ["eth", "sol"]
    assert said_to(story, hedging(story, "-0.1")) == "ORDER_WORKING"
    assert story.held.enters == 1


def test_an_exit_quote_closes_the_pair_that_is_held() -> None:
    story = started()
    story.enter()
    story.snapshot()
    plan = story.quote_plan(opens=False)
    assert said_to(story, leg_changed(plan, "eth", amount=Base.of("0.042"))) == "NOT_A_QUOTE"
    assert said_to(story, terms_changed(plan, sol=Base.of("-1.1"))) == "NOT_A_CLOSE"
    assert said_to(story, msgspec.structs.replace(plan, hedge_ratio=Rate.of("1.1"))) == "READY", "it closes"
    story.quote(opens=False)
    story.outcome("eth", "accepted")
    assert said_to(story, hedging(story, "0.1", closing=True)) == "NOT_A_HEDGE", "nothing has traded"
    quote = story.held.working[0].doubt.order_digest
    story.cancel_answer("eth", "0.042", digest=quote)
    assert said_to(story, story.quote_plan("0.05", "-1", opens=False)) == "NOT_A_CLOSE", "more than is held"


def test_hedges_of_an_exit_quote_are_reduce_only_and_never_turn_a_leg_round() -> None:
    story = exit_quoted()
    story.fill("eth", "-0.021", remaining="0.021")
    assert said_to(story, hedging(story, "0.5")) == "NOT_A_HEDGE"
    assert said_to(story, hedging(story, "0.6", closing=True)) == "NOT_A_HEDGE"
    assert said_to(story, hedging(story, "0.5", closing=True)) == "READY"
    story.fold.position["eth"] = -(10**16)  # turned round by somebody else
    assert said_to(story, hedging(story, "1.1", closing=True)) == "NOT_A_HEDGE"
    assert said_to(story, hedging(story, "1", closing=True)) == "READY"


def test_a_declined_quote_leaves_no_trace() -> None:
    story = started()
    (vote,) = story.seal(terms_changed(story.quote_plan(*WHOLE), rest=Ms(15_001)))
    assert isinstance(vote, Declined)
    assert (story.held.phase, story.held.working, story.held.cycle) == ("flat", (), 0)
    assert isinstance(story.quote_plan(*WHOLE).quote, QuoteTerms)
