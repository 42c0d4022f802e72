"""The ledger's vote: what it declines, by what is held."""

from typing import Any

import msgspec
import pytest

from messages.execution import Fill
from messages.lifecycle import AccountStream, Restarted
from messages.sizing import TOP_UPS, Declined, Ready, Sealed, SizingPlan
from messages.units import Base, Ms, Ns, Price, Quote
from messages.wire import digest
from tests.actors.fakes import ORDER_BUILDER
from tests.actors.ledger.story import Story


def code(story: Story, plan: SizingPlan) -> str:
    """The vote on `plan`: READY, or why not."""
    (vote,) = story.seal(plan)
    assert isinstance(vote, Ready | Declined)
    return "READY" if isinstance(vote, Ready) else vote.code


def opened_epoch() -> Story:
    story = Story()
    story.enter()
    return story


def lone_leg() -> Story:
    story = Story()
    story.placed("enter", "0.042", "-1")
    story.fill("eth")
    story.outcome("sol", "refused", 2031)
    return story


def test_a_yes_names_both_orders_as_the_ledger_derives_them_from_the_plan() -> None:
    story = Story()
    plan = story.plan("enter", "0.042", "-1")
    (vote,) = story.seal(plan)
    eth, sol = (
        ORDER_BUILDER.digest_of(ORDER_BUILDER.order_of(plan, digest(plan), leg)) for leg in ("eth", "sol")
    )
    assert vote == Ready("ledger", 1, 1, digest(plan), eth, sol)


def test_a_leg_without_an_amount_has_an_empty_digest() -> None:
    story = lone_leg()
    (vote,) = story.seal(story.plan("repair", sol="-1", closing=False))
    assert isinstance(vote, Ready)
    assert vote.eth_order == ""


def test_one_plan_at_a_time() -> None:
    story = Story()
    story.placed("enter", "0.042", "-1")
    assert code(story, story.plan("enter", "0.042", "-1")) == "PLAN_IN_FLIGHT"


def test_no_entry_on_top_of_a_pair() -> None:
    story = opened_epoch()
    assert code(story, story.plan("enter", "0.042", "-1", cycle=2)) == "NOT_FLAT"


def test_no_entry_before_the_venue_says_that_it_is_flat() -> None:
    story = opened_epoch()
    story.leave()
    assert code(story, story.plan("enter", "0.042", "-1", cycle=2)) == "NOT_FLAT"
    story.snapshot()
    assert code(story, story.plan("enter", "0.042", "-1", cycle=2)) == "READY"


def test_no_entry_beside_something_foreign() -> None:
    """R1: any view that is not flat blocks entering and is named."""
    story = Story()
    story.snapshot(sol="-3")
    (vote,) = story.seal(story.plan("enter", "0.042", "-1"))
    assert isinstance(vote, Declined)
    assert (vote.code, vote.detail) == ("FOREIGN", "product 8: the venue holds -3, our fills say 0")


def test_no_entry_while_the_account_view_is_stale() -> None:
    story = Story()
    story.tell(AccountStream(False, "cut"))
    assert code(story, story.plan("enter", "0.042", "-1")) == "ACCOUNT_STALE"


def test_no_entry_into_a_cycle_that_has_had_its_ending() -> None:
    story = opened_epoch()
    story.leave()
    story.snapshot()
    assert code(story, story.plan("enter", "0.042", "-1", cycle=1)) == "CYCLE_OVER"


def test_closing_is_never_blocked_by_strangers_or_a_stale_view() -> None:
    story = opened_epoch()
    story.tell(AccountStream(False, "cut"))
    story.tell(
        Fill("0xdead", 4, Base.of("1"), Price.of("1"), Quote(0), Base(0), Base.of("1"), True, 0, Ns(1))
    )
    assert code(story, story.plan("exit", "-0.042", "1")) == "READY"


@pytest.mark.parametrize(
    ("eth", "sol"), [("0.042", "1"), ("-0.042", "-1"), ("-0.043", "1"), ("-0.042", "1.1")]
)
def test_a_close_opposes_what_is_held_and_is_no_larger(eth: str, sol: str) -> None:
    """O8: the market fallback of a short leg sold again; the unwind repeated the full size."""
    story = opened_epoch()
    assert code(story, story.plan("exit", eth, sol)) == "NOT_A_CLOSE"


def test_nothing_can_be_closed_when_nothing_is_held() -> None:
    story = Story()
    assert code(story, story.plan("flatten", "-0.042", "1")) == "NOT_A_CLOSE"


@pytest.mark.parametrize(("eth", "sol"), [("0", "-1.1"), ("0", "1"), ("0.042", "-1")])
def test_a_repair_completes_no_more_than_what_is_missing(eth: str, sol: str) -> None:
    """O3, O11: the fallback sent both legs again in full although one had filled."""
    story = lone_leg()
    assert code(story, story.plan("repair", eth, sol, closing=False)) == "NOT_MISSING"


def dusty(*, code: int = 2094) -> Story:
    """An exit that left 0.003 ETH, and a flatten of it that the venue refused."""
    story = opened_epoch()
    story.placed("exit", "-0.042", "1")
    story.fill("eth", "-0.039", remaining="0.003")
    story.update("eth", "0.003", "filled")
    story.update("eth", "0.003", "cancelled")
    story.fill("sol")
    story.placed("flatten", "-0.003", "0")
    story.outcome("eth", "refused", code)
    return story


def top_up(story: Story, eth: str = "0.04", sol: str = "0", **changes: Any) -> str:
    return code(story, story.plan("top_up", eth, sol, closing=False, **changes))


def test_what_the_venue_would_not_close_for_being_too_small_may_be_topped_up() -> None:
    """O13."""
    story = dusty()
    assert story.held.too_small == ("eth",)
    assert story.reread().too_small == ("eth",), "and a restart knows it"
    assert top_up(story) == "READY"


@pytest.mark.parametrize(
    ("eth", "sol", "why"),
    [
        ("-0.04", "0", "NOT_A_TOP_UP"),
        ("0.085", "0", "NOT_A_TOP_UP"),
        ("0.04", "-1", "NOT_A_TOP_UP"),
        ("0", "-1", "NOT_A_TOP_UP"),
        ("0", "0", "EMPTY"),
    ],
)
def test_a_top_up_adds_to_what_is_held_no_more_than_twice_the_entry_and_nothing_else(
    eth: str, sol: str, why: str
) -> None:
    """O9: the way of an order that makes a position larger is as narrow as its reason."""
    assert top_up(dusty(), eth, sol) == why


@pytest.mark.parametrize("other", [2056, 2031, 2006])
def test_another_refusal_is_no_reason_to_top_up(other: int) -> None:
    assert top_up(dusty(code=other)) == "NOT_TOO_SMALL"


def test_nothing_is_topped_up_that_was_not_refused_so() -> None:
    assert top_up(opened_epoch()) == "NOT_TOO_SMALL"
    assert top_up(lone_leg()) == "NOT_TOO_SMALL"
    assert top_up(Story()) == "NOT_A_TOP_UP"


def test_a_leg_that_is_too_small_is_not_topped_up_while_the_other_can_be_closed() -> None:
    story = opened_epoch()
    story.placed("exit", "-0.042", "1")
    story.outcome("eth", "refused", 2094)
    story.outcome("sol", "refused", 2056)
    assert story.held.too_small == ("eth",)
    assert top_up(story) == "NOT_TOO_SMALL"


def test_a_top_up_is_reduce_only_never_and_a_close_always() -> None:
    story = dusty()
    assert code(story, story.plan("top_up", "0.04", "0", closing=True)) == "NOT_A_TOP_UP"
    assert code(story, story.plan("flatten", "0.04", "0", closing=False)) == "CLOSE_INCREASES"


def test_a_top_up_that_filled_is_closed_as_a_whole_and_not_topped_up_again() -> None:
    story = dusty()
    story.placed("top_up", "0.04", "0", closing=False)
    story.fill("eth")
    assert (story.held.eth.amount, story.held.too_small, story.held.top_ups) == (Base.of("0.043"), (), 1)
    assert top_up(story) == "NOT_TOO_SMALL"
    assert code(story, story.plan("flatten", "-0.043", "0")) == "READY"


def test_topping_up_has_an_end() -> None:
    """O14."""
    story = dusty()
    for _ in range(TOP_UPS):
        story.placed("top_up", "0.04", "0", closing=False)
        story.outcome("eth", "refused", 2031)
    assert story.held.top_ups == TOP_UPS
    assert top_up(story) == "TOO_MANY_TOP_UPS"


def test_nothing_is_topped_up_beside_a_stranger() -> None:
    story = dusty()
    story.tell(
        Fill("0xdead", 4, Base.of("1"), Price.of("1"), Quote(0), Base(0), Base.of("1"), True, 0, Ns(1))
    )
    assert top_up(story) == "FOREIGN"


def test_off_the_lattice_is_declined_naming_step_and_value() -> None:
    """S2."""
    story = Story()
    (vote,) = story.seal(story.plan("enter", "0.0425", "-1"))
    assert isinstance(vote, Declined)
    assert vote.code == "OFF_LATTICE"
    assert "0.0425" in vote.detail


def test_a_changed_plan_with_the_old_digest_is_declined() -> None:
    story = Story()
    plan = story.plan("enter", "0.042", "-1")
    changed = msgspec.structs.replace(plan, sol=msgspec.structs.replace(plan.sol, amount=Base.of("-2")))
    (vote,) = story.tell(Sealed(changed, digest(plan)))
    assert isinstance(vote, Declined)
    assert vote.code == "DIGEST_MISMATCH"


def test_plans_of_a_dead_epoch_are_declined_once_the_legs_were_renewed() -> None:
    """I5. The ledger outlives its legs; it learns of the new epoch from the supervisor."""
    story = Story()
    plan = story.plan("enter", "0.042", "-1")
    story.tell(Restarted("eth_leg", "crashed", Ms(0), 2))
    assert story.held.epoch == 2
    assert code(story, plan) == "DEAD_EPOCH"
    assert code(story, story.plan("enter", "0.042", "-1")) == "READY"


def test_a_sequence_number_is_never_used_twice() -> None:
    """I8."""
    story = Story()
    story.seal(story.plan("enter", "0.042", "-1"))
    story.abort()
    story.seq = 0
    assert code(story, story.plan("enter", "0.042", "-1")) == "STALE_SEQ"


def test_a_declined_plan_is_one_row_and_leaves_nothing_in_flight() -> None:
    """A crash right after the no leaves no doubt: without the ledger's yes there was no intent."""
    story = Story()
    rows = len(story.rows)
    assert code(story, story.plan("enter", "0.0425", "-1")) == "OFF_LATTICE"
    assert [type(message) for _, message in story.rows[rows:]] == [Declined]
    story.abort()
    assert story.reread().phase == "flat"
    assert story.reread().doubts == ()
