"""`lean`: the hedge of what has traded rests first, for a while and while its price does not run away."""

import msgspec
import pytest

from actors.sizing.quoting import Quoting
from actors.sizing.sizer import Memory
from messages.execution import CancelAsked
from messages.lifecycle import Held
from messages.sizing import SizingPlan
from messages.units import Base, Ms, Price
from tests.actors.fakes import RULES, quote
from tests.actors.sizing.quoting_looks import DIGEST, NOW, one_step, resting, resting_order, terms, works

LEAN = resting(entry="lean", exit="lean")


def seen(lean_until_ms: int = 0) -> Memory:
    of = terms()
    return Memory(quoting=Quoting(cycle=1, until_ms=of.give_up_ms, terms=of, lean_until_ms=Ms(lean_until_ms)))


def hedging(limit: str = "115.87") -> Held:
    """All of ETH has traded, and SOL rests at its ask."""
    of = msgspec.structs.replace(terms(), leg="sol", hedges=True, worst=Price.of("2756.8"))
    return works(resting_order(of, limit=limit), eth="0.42")


def test_a_fill_is_answered_by_an_order_at_the_other_legs_own_touch() -> None:
    memory, plan = one_step(works(resting_order(terms(), filled="0.1"), eth="0.1"), LEAN)
    assert isinstance(plan, SizingPlan)
    assert plan.quote is not None
    assert (plan.purpose, plan.judged_as, plan.enters) == ("quote", "hedge", False)
    assert (plan.sol.amount, plan.sol.kind, plan.sol.reduce_only) == (Base.of("-2.4"), "post_only", False)
    assert plan.sol.limit == Price.of("115.87"), "its ask"
    assert plan.eth.amount == 0
    of = plan.quote
    assert (of.leg, of.hedges, of.opens, of.eth, of.sol) == ("sol", True, True, terms().eth, terms().sol)
    assert (of.rest, of.give_up_ms) == (15_000, NOW + 30_000)
    assert memory.quoting.lean_until_ms == NOW + 30_000


def test_a_quote_that_filled_at_once_is_hedged_in_the_same_way() -> None:
    plan = one_step(works(eth="0.42"), LEAN, seen())[1]
    assert isinstance(plan, SizingPlan)
    assert (plan.purpose, plan.sol.kind, plan.sol.amount) == ("quote", "post_only", Base.of("-10"))


def test_a_second_order_of_a_leg_is_never_proposed() -> None:
    of = msgspec.structs.replace(terms(), leg="sol", hedges=True, worst=Price.of("2756.8"))
    both = works(resting_order(terms(), filled="0.2"), resting_order(of, limit="115.87"), eth="0.2")
    assert one_step(both, LEAN)[1] is None


@pytest.mark.parametrize(
    ("ask", "bid", "cancelled"), [("115.86", "115.85", False), ("115.85", "115.84", True)]
)
def test_it_takes_once_its_price_has_run_by_one_basis_point(ask: str, bid: str, cancelled: bool) -> None:
    """It rests at 115.87; two ticks lower are 1.7 bps."""
    decision = one_step(hedging(), LEAN, seen(NOW + 20_000), look_at=quote(NOW, sol_bid=bid))[1]
    assert isinstance(decision, CancelAsked) == cancelled
    if isinstance(decision, CancelAsked):
        assert (decision.order_digest, decision.product_id) == (DIGEST, RULES.sol.product_id)


def test_what_was_stopped_takes_when_it_has_ended() -> None:
    at = quote(NOW, sol_bid="115.84")
    memory = one_step(hedging(), LEAN, seen(NOW + 20_000), look_at=at)[0]
    plan = one_step(works(eth="0.42", rows=2), LEAN, memory, look_at=at)[1]
    assert isinstance(plan, SizingPlan)
    assert (plan.purpose, plan.sol.kind, plan.sol.amount) == ("hedge", "ioc", Base.of("-10"))


@pytest.mark.parametrize(("left_ms", "kind"), [(1_000, "post_only"), (999, "ioc")])
def test_its_time_is_of_all_that_is_unhedged(left_ms: int, kind: str) -> None:
    """One that has expired is followed by another, for what is left of `lean_wait`."""
    plan = one_step(works(eth="0.42", sol="-4"), LEAN, seen(NOW + left_ms))[1]
    assert isinstance(plan, SizingPlan)
    assert (plan.sol.kind, plan.sol.amount) == (kind, Base.of("-6"))


def test_when_all_is_hedged_the_next_fill_has_its_own_time() -> None:
    done = works(resting_order(terms(), filled="0.1"), eth="0.1", sol="-2.4")
    memory, decision = one_step(done, LEAN, seen(NOW - 1))
    assert decision is None
    assert memory.quoting.lean_until_ms == 0


def test_beyond_the_worst_price_nothing_rests_any_more() -> None:
    decision = one_step(
        works(resting_order(terms(), filled="0.1"), eth="0.1"), LEAN, look_at=quote(NOW, sol_bid="115.80")
    )[1]
    assert isinstance(decision, CancelAsked)
