"""What of a quote has traded is hedged while it works; what its end leaves is hedged, settled or repaired."""

import random

import msgspec
import pytest

from actors.sizing.quote_hedging import Need, chunk, need_of
from actors.sizing.quoting import Quoting
from actors.sizing.sizer import Decision, Look, Memory, Sizer
from messages.execution import CancelAsked, Doubt
from messages.lifecycle import Directive, Held, Legging
from messages.market import Level, PairQuote
from messages.sizing import Leg, PairSettled, QuoteTerms, SizingPlan
from messages.units import ONE, Base, Bps, Ms, Price, Quote
from tests.actors.fakes import FREE, RULES, held, quote
from tests.actors.sizing.quoting_looks import (
    ETH,
    NOW,
    SOL,
    fresh,
    one_step,
    resting,
    resting_order,
    terms,
    works,
)

MINIMUM = 100 * ONE


def plan_in(decision: Decision, purpose: str) -> SizingPlan:
    assert isinstance(decision, SizingPlan), decision
    assert decision.purpose == purpose
    return decision


def ended_of(of: QuoteTerms, **changes: object) -> Memory:
    """Sizing has seen the quote of these terms work, and it has ended."""
    memory = Quoting(cycle=1, opens=of.opens, until_ms=of.give_up_ms, terms=of)
    return Memory(quoting=msgspec.structs.replace(memory, **changes))


def sol_bid(price: str) -> PairQuote:
    return quote(NOW, sol_bid=price)


# -- matched lots --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(40))
def test_matched_lots_are_monotone_exact_at_the_whole_and_within_half_a_lot(seed: int) -> None:
    """Again: pytest tests/actors/sizing/test_quote_hedging.py -k 'matched_lots and SEED'."""
    rng = random.Random(seed)
    leg: Leg = rng.choice(("eth", "sol"))
    sign, opens = rng.choice((1, -1)), rng.choice((True, False))
    eth_step, sol_step = 10**15, 10**17
    eth, sol = sign * rng.randint(1, 5_000) * eth_step, -sign * rng.randint(1, 2_000) * sol_step
    of = QuoteTerms(leg, opens, Base(eth), Base(sol), Price(ONE), Ms(1), Ms(1))
    step, other_step = (eth_step, sol_step) if leg == "eth" else (sol_step, eth_step)
    whole, other = of.whole(of.leg), of.whole(of.other)
    parts = sorted({0, abs(whole), *(rng.randint(0, abs(whole) // step) * step for _ in range(50))})
    found = [of.matched(part if whole > 0 else -part, other_step) for part in parts]
    assert (found[0], found[-1]) == (0, other), seed
    assert [abs(each) for each in found] == sorted(abs(each) for each in found), seed
    for part, each in zip(parts, found, strict=True):
        assert each % other_step == 0
        assert each * other >= 0
        assert 2 * abs(abs(each) * abs(whole) - part * abs(other)) <= other_step * abs(whole), seed


@pytest.mark.parametrize("seed", range(40))
def test_the_hedges_of_a_quote_that_fills_in_pieces_are_sendable_and_come_to_the_whole(seed: int) -> None:
    """Whatever the pieces: each hedge is worth the minimum, the rest never less, nothing is hedged that has
    not traded, and at its end all is. Again: pytest ... -k 'in_pieces and SEED'.
    """
    rng = random.Random(seed)
    opens, sign, step, price = rng.choice((True, False)), rng.choice((1, -1)), 10**17, 116 * ONE
    eth, sol = sign * rng.randint(90, 3_000) * 10**15, -sign * rng.randint(25, 900) * step
    of = QuoteTerms("eth", opens, Base(eth), Base(sol), Price(price), Ms(1), Ms(1))
    held_eth, held_sol = (0, 0) if opens else (eth, sol)
    target_eth, target_sol = (eth, sol) if opens else (0, 0)
    while held_eth != target_eth:
        left = abs(target_eth - held_eth) // 10**15
        piece = rng.randint(1, rng.choice((left, max(1, left // 9)))) * 10**15
        held_eth += piece if target_eth > held_eth else -piece
        holding = held(eth=Base(held_eth), sol=Base(held_sol))
        ended = held_eth == target_eth
        need = need_of(of, holding, step, ended=ended)
        amount = chunk(need, price, step, MINIMUM)
        assert abs(amount) <= abs(need.amount)
        assert amount * (target_sol - held_sol) >= 0
        if amount:
            assert abs(amount) * price // ONE >= MINIMUM, seed
            held_sol += amount
            rest = abs(target_sol - held_sol) * price // ONE
            assert ended or rest == 0 or rest >= MINIMUM, seed
    assert held_sol == target_sol, seed


@pytest.mark.parametrize("leg", ["eth", "sol"])
@pytest.mark.parametrize("sign", [1, -1])
def test_more_than_is_matched_is_never_taken_back(leg: Leg, sign: int) -> None:
    of = QuoteTerms(leg, True, Base(sign * ETH), Base(sign * SOL), Price(ONE), Ms(1), Ms(1))
    half = {"eth": Base(sign * ETH // 2), "sol": Base(sign * SOL // 2)}
    over = held(**(half | {of.other: Base(sign * of.whole(of.other) * sign // 4 * 3)}))
    assert need_of(of, over, 10**15, ended=False).amount == 0
    under = held(**(half | {of.other: Base(of.whole(of.other) // 4)}))
    assert need_of(of, under, 10**15, ended=False).amount == of.whole(of.other) // 4


@pytest.mark.parametrize(
    ("amount", "left", "ordered"),
    [
        ("0.8", "10", "0"),
        ("0.9", "10", "0.9"),
        ("9.5", "10", "9"),
        ("1.4", "2", "1"),
        ("1.4", "1.8", "0"),
        ("2", "2", "2"),
    ],
)
def test_nothing_is_ordered_or_left_that_the_exchange_would_not_take(
    amount: str, left: str, ordered: str
) -> None:
    """At 116 USD the minimum is 0.9 SOL, and 1 SOL with five percent to spare."""
    for sign in (1, -1):
        need = Need("sol", sign * Base.of(amount), sign * Base.of(left))
        assert chunk(need, 116 * ONE, 10**17, MINIMUM) == sign * Base.of(ordered)


# -- while it works ------------------------------------------------------------------------------------------


def test_what_has_traded_is_hedged_at_once_and_at_no_worse_price_than_the_terms_say() -> None:
    plan = plan_in(one_step(works(resting_order(terms(), filled="0.1"), eth="0.1"), resting())[1], "hedge")
    assert (plan.cycle, plan.eth.amount, plan.sol.amount) == (1, 0, Base.of("-2.4"))
    assert (plan.sol.kind, plan.sol.reduce_only) == ("ioc", False)
    assert plan.sol.limit == Price.of("115.81")
    assert not plan.enters


def test_what_is_hedged_already_is_not_hedged_again() -> None:
    order = resting_order(terms(), filled="0.1")
    assert one_step(works(order, eth="0.1", sol="-2.4"), resting())[1] is None
    plan = plan_in(one_step(works(order, eth="0.2", sol="-2.4"), resting())[1], "hedge")
    assert plan.sol.amount == Base.of("-2.4")


def test_a_quote_that_closes_is_hedged_by_closing_the_other_leg() -> None:
    order = resting_order(terms(opens=False, worst="115.92"), filled="-0.1", limit="2756.9")
    holding = works(order, eth="0.32", sol="-10", filled_imbalance=Bps(ONE))
    plan = plan_in(one_step(holding, resting())[1], "hedge")
    assert (plan.sol.amount, plan.sol.kind, plan.sol.reduce_only) == (Base.of("2.4"), "ioc", True)
    assert plan.sol.limit == Price.of("115.92")


def test_a_quote_of_sol_is_hedged_by_eth() -> None:
    of = terms(leg="sol", worst="2757.4")
    plan = plan_in(
        one_step(works(resting_order(of, filled="-5"), sol="-5"), resting(quote_leg="sol"))[1], "hedge"
    )
    assert (plan.eth.amount, plan.sol.amount) == (Base.of("0.21"), 0)
    assert plan.eth.limit == Price.of("2757.4")


def test_under_the_minimum_it_is_waited_for_more() -> None:
    assert one_step(works(resting_order(terms(), filled="0.03"), eth="0.03"), resting())[1] is None


def test_an_old_book_is_hedged_in_by_the_terms_price_and_without_any_book_nothing_is() -> None:
    holding = works(resting_order(terms(), filled="0.1"), eth="0.1")
    old = quote(NOW, age_ms=5_000)
    assert plan_in(one_step(holding, resting(), look_at=old)[1], "hedge").sol.limit == Price.of("115.81")
    memory = Memory(waiting_since_ms=Ms(NOW - 60_000))
    assert Sizer(resting(), RULES).step(memory, Look(None, holding, FREE, Ms(NOW)))[1] is None


def test_after_a_refusal_it_pauses() -> None:
    order = resting_order(terms(), filled="0.1")
    for ago_ms, again in ((249, False), (250, True)):
        changes = {"last_purpose": "hedge", "last_refusals": 1, "last_change_ms": Ms(NOW - ago_ms)}
        decision = one_step(works(order, eth="0.1", **changes), resting())[1]
        assert isinstance(decision, SizingPlan) == again
    changes = {"last_purpose": "hedge", "last_change_ms": Ms(NOW)}
    assert one_step(works(order, eth="0.1", **changes), resting())[1] is not None, "nothing was refused"


def test_while_a_plan_is_in_flight_or_a_proposal_unanswered_nothing_is_decided() -> None:
    order = resting_order(terms(), filled="0.1")
    holding = works(order, eth="0.1", phase="in_flight")
    assert one_step(holding, resting())[1] is None
    memory, decision = one_step(works(order, eth="0.1"), resting())
    assert decision is not None
    assert one_step(works(order, eth="0.1"), resting(), memory)[1] is None
    assert one_step(works(order, eth="0.1", rows=2, seq=1), resting(), memory)[1] is not None


def test_a_fill_beside_a_hedge_that_is_being_sealed_waits_for_it_and_one_beside_a_cancellation_does_not() -> (
    None
):
    """Every fill is a row, so rows alone do not say that the proposal was answered."""
    order = resting_order(terms(), filled="0.1")
    memory, decision = one_step(works(order, eth="0.1"), resting())
    plan_in(decision, "hedge")
    more = works(resting_order(terms(), filled="0.2"), eth="0.2", rows=2)
    assert one_step(more, resting(), memory, now_ms=NOW + 49)[1] is None
    assert one_step(more, resting(), memory, now_ms=NOW + 50)[1] is not None
    sealed = msgspec.structs.replace(more, seq=1)
    assert one_step(sealed, resting(), memory, now_ms=NOW + 1)[1] is not None
    away = quote(NOW, eth_ask="2757.3")
    memory, decision = one_step(works(resting_order(terms())), resting(), look_at=away)
    assert isinstance(decision, CancelAsked)
    plan_in(one_step(more, resting(), memory, look_at=away, now_ms=NOW + 1)[1], "hedge")


# -- beyond the worst price ----------------------------------------------------------------------------------


def test_beyond_the_worst_price_the_quote_is_cancelled_and_its_fills_are_hedged_at_once() -> None:
    order = resting_order(terms(), filled="0.1")
    asked = one_step(works(order, eth="0.1"), resting(), look_at=sol_bid("115.78"))[1]
    assert isinstance(asked, CancelAsked)
    order = msgspec.structs.replace(order, cancel_asked_ms=Ms(NOW))
    plan = plan_in(one_step(works(order, eth="0.1"), resting(), look_at=sol_bid("115.78"))[1], "repair")
    assert (plan.eth.amount, plan.sol.amount, plan.sol.kind) == (0, Base.of("-2.4"), "fok")
    assert plan.sol.limit <= Price.of("115.78")


def test_beyond_the_worst_price_and_max_slippage_it_waits_for_the_quotes_end_and_is_closed() -> None:
    """Within 10 bps of SOL's bid are 58 USD."""
    thin = (Level(Price.of("115.70"), Base.of("0.5")), Level(Price.of("115.50"), Base.of("10")))
    at = sol_bid("115.70")
    at = msgspec.structs.replace(at, sol=msgspec.structs.replace(at.sol, bids=thin))
    order = resting_order(terms(), filled="0.1", cancel_asked_ms=Ms(NOW))
    assert one_step(works(order, eth="0.1"), resting(), look_at=at)[1] is None
    plan = plan_in(one_step(works(eth="0.1"), resting(), ended_of(terms()), look_at=at)[1], "flatten")
    assert (plan.eth.amount, plan.sol.amount) == (Base.of("-0.1"), 0)


def test_beyond_the_worst_price_a_quote_that_closes_goes_on_closing() -> None:
    of = terms(opens=False, worst="115.88")
    order = resting_order(of, filled="-0.1", limit="2756.9", cancel_asked_ms=Ms(NOW))
    holding = works(order, eth="0.32", sol="-10", filled_imbalance=Bps(ONE))
    plan = plan_in(one_step(holding, resting(), look_at=sol_bid("115.95"))[1], "flatten")
    assert (plan.eth.amount, plan.sol.amount, plan.sol.reduce_only) == (0, Base.of("2.4"), True)


# -- after its end -------------------------------------------------------------------------------------------


def test_all_that_is_left_is_hedged_once_and_repaired_then() -> None:
    whole = works(eth="0.42", sol="-4")
    memory, decision = one_step(whole, resting(), ended_of(terms()))
    assert plan_in(decision, "hedge").sol.amount == Base.of("-6")
    part = works(eth="0.42", sol="-7", last_purpose="hedge", rows=2, seq=1)
    plan = plan_in(one_step(part, resting(), memory)[1], "repair")
    assert (plan.eth.amount, plan.sol.amount, plan.sol.kind) == (0, Base.of("-3"), "fok")


def test_a_quote_that_trades_before_anybody_sees_it_work_is_hedged_by_its_terms() -> None:
    memory, proposed = one_step(held(), resting(), fresh())
    assert isinstance(proposed, SizingPlan)
    assert proposed.quote is not None
    whole = proposed.quote
    traded = works(eth=whole.eth.text(), eth_wanted=whole.eth, sol_wanted=whole.sol, rows=2, seq=1)
    plan = plan_in(one_step(traded, resting(), memory)[1], "hedge")
    assert (plan.sol.amount, plan.sol.limit) == (whole.sol, whole.worst)


def test_at_its_end_nothing_is_kept_back() -> None:
    """0.4 of 0.42 ETH are 9.5 of 10 SOL."""
    assert (
        plan_in(one_step(works(eth="0.4"), resting(), ended_of(terms()))[1], "hedge").sol.amount
        == -95 * 10**17
    )


def test_what_an_entry_left_uneven_is_not_hedged_by_an_old_quotes_terms() -> None:
    entered = works(eth="0.42", sol="-4", last_purpose="enter")
    plan_in(one_step(entered, resting(), ended_of(terms()))[1], "repair")


def test_without_a_memory_of_it_what_is_left_is_repaired() -> None:
    assert plan_in(one_step(works(eth="0.42", sol="-4"), resting())[1], "repair").sol.amount == Base.of("-6")


@pytest.mark.parametrize(
    ("eth", "sol", "settled"),
    [("0.21", "-5", True), ("0.042", "-1", True), ("0.21", "-4.9", False), ("0.021", "-0.5", False)],
)
def test_what_is_hedged_within_the_promise_and_can_be_closed_alone_is_settled(
    eth: str, sol: str, settled: bool
) -> None:
    """0.21 ETH against 5 SOL are 6 bps apart; half a lot of SOL more are 2 %; 0.5 SOL are 58 USD."""
    holding = works(eth=eth, sol=sol, last_purpose="hedge")
    memory, decision = one_step(holding, resting(), ended_of(terms(), hedged_last=True))
    assert isinstance(decision, PairSettled) == settled
    if isinstance(decision, PairSettled):
        assert (decision.cycle, decision.eth, decision.sol) == (1, Base.of(eth), Base.of(sol))
        again = msgspec.structs.replace(holding, rows=2)
        assert not isinstance(one_step(again, resting(), memory)[1], PairSettled), "said once"


def test_prices_that_are_estimates_are_waited_for() -> None:
    doubt = Doubt("sol", 1, 1, "0x1", 8, Base(0), Price(0), Ms(0), Base(0))
    for ago_ms, settled in ((999, False), (1_000, True)):
        changes = {"last_purpose": "hedge", "last_change_ms": Ms(NOW - ago_ms), "unpriced": (doubt,)}
        holding = works(eth="0.21", sol="-5", **changes)
        decision = one_step(holding, resting(), ended_of(terms(), hedged_last=True))[1]
        assert isinstance(decision, PairSettled) == settled


@pytest.mark.parametrize("why", ["leave", "budget", "closing"])
def test_who_must_leave_hedges_and_settles_nothing(why: str) -> None:
    legging = (
        Legging(Quote.of(69_481), leg=Quote.of(1158)) if why == "budget" else Legging(leg=Quote.of(1158))
    )
    holding = works(eth="0.21", sol="-5", legging=legging, flattens=int(why == "closing"))
    leave = Directive(enter=False, leave_now=why == "leave", reason="stop")
    plan = plan_in(one_step(holding, resting(), ended_of(terms()), directive=leave)[1], "flatten")
    assert (plan.eth.amount, plan.sol.amount) == (Base.of("-0.21"), Base.of("5"))


def uneven_by_exit(eth: str, sol: str, **changes: object) -> Held:
    return works(eth=eth, sol=sol, filled_imbalance=Bps(ONE), entered_ms=Ms(NOW - 5_000), **changes)


def test_what_a_quote_that_closed_has_left_is_hedged_and_leaves() -> None:
    memory = ended_of(terms(opens=False, worst="115.92"))
    memory, decision = one_step(uneven_by_exit("0", "-10"), resting(), memory)
    assert plan_in(decision, "hedge").sol.amount == Base.of("10")
    memory = ended_of(terms(opens=False, worst="115.92"))
    plan = plan_in(one_step(uneven_by_exit("0.21", "-5"), resting(), memory)[1], "exit")
    assert (plan.eth.amount, plan.sol.amount, plan.because) == (Base.of("-0.21"), Base.of("5"), "HOLD")
    plan = plan_in(one_step(uneven_by_exit("0.21", "-5"), resting())[1], "exit")
    assert plan.because == "HOLD", "also after a restart"


def test_the_rest_leaves_by_the_rule_that_the_quote_left_by() -> None:
    """What is left is uneven, and no rule about a whole pair has a word in it."""
    memory = ended_of(terms(opens=False, worst="115.92"), because="FUNDING_HELD", hedged_last=True)
    lone = uneven_by_exit("0", "-10", last_purpose="hedge")
    assert plan_in(one_step(lone, resting(), memory)[1], "exit").because == "FUNDING_HELD"
    leave = Directive(enter=False, leave_now=True, reason="stop")
    assert plan_in(one_step(lone, resting(), memory, directive=leave)[1], "exit").because == "stop"
