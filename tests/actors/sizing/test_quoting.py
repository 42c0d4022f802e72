"""Quotes: at which price, when, how long, and what sizing does while they rest."""

import msgspec
import pytest

from actors.risk.limits import plan_denial
from actors.risk.may_enter import LegBallot, leg_notional_denial
from actors.sizing.quoting import (
    FRESH_MS,
    LEAST_REST_MS,
    OWN_MS,
    QUOTE_RESTS,
    QUOTE_WAITS,
    QUOTE_WEIGHT,
    WEIGHT_A_MINUTE,
    Quoting,
)
from actors.sizing.sizer import Decision, Look, Memory, Sizer
from messages.execution import CancelAsked
from messages.lifecycle import Legging
from messages.market import Level, PairQuote
from messages.sizing import REST_MAX_MS, SizingPlan, Skipped
from messages.units import ONE, Base, Ms, Price, Quote, Ticks, imbalance, notional
from tests.actors.fakes import FREE, RULES, held, ladder, quote
from tests.actors.sizing.quoting_looks import (
    DIGEST,
    NOW,
    fresh,
    one_step,
    resting,
    resting_order,
    terms,
    works,
)


def quoted(decision: Decision) -> SizingPlan:
    assert isinstance(decision, SizingPlan), decision
    assert decision.purpose == "quote"
    assert decision.quote is not None
    return decision


def wide(ticks: int) -> PairQuote:
    """ETH's spread is so many ticks."""
    book = quote(NOW)
    bid = Price(book.eth.asks[0].price - ticks * RULES.eth.price_tick).text()
    eth = msgspec.structs.replace(book.eth, bids=ladder(bid, "0.1", "100", up=False))
    return msgspec.structs.replace(book, eth=eth)


def test_a_quote_is_the_whole_pair_with_one_leg_at_rest() -> None:
    memory, decision = one_step(held(), resting(), fresh())
    plan = quoted(decision)
    eth, sol, terms_ = plan.eth, plan.sol, plan.quote
    assert terms_ is not None
    assert (eth.kind, eth.reduce_only, eth.limit) == ("post_only", False, Price.of("2756.8"))
    assert (sol.amount, plan.enters, plan.judged_as) == (0, True, "enter")
    assert (terms_.leg, terms_.opens, terms_.eth) == ("eth", True, eth.amount)
    assert terms_.sol < 0 < terms_.eth
    spent = notional(eth.limit, terms_.eth), notional(quote().sol.bids[0].price, terms_.sol)
    assert plan.planned_imbalance == imbalance(*spent, ONE) <= 7.5 * ONE
    assert terms_.worst == Price.of("115.81"), "five ticks beyond SOL's bid"
    assert (terms_.give_up_ms, terms_.rest) == (NOW + 15_000, REST_MAX_MS)
    assert memory.quoting.until_ms == NOW + 15_000


@pytest.mark.parametrize(("cycle", "buys"), [(0, True), (1, False)])
@pytest.mark.parametrize("leg", ["eth", "sol"])
def test_a_quote_stands_on_its_own_side_in_both_directions_and_legs(cycle: int, buys: bool, leg: str) -> None:
    settings = resting(quote_leg=leg, quote_when="always")
    plan = quoted(one_step(held(cycle=cycle, completed=cycle), settings)[1])
    order = plan.eth if leg == "eth" else plan.sol
    book = quote().eth if leg == "eth" else quote().sol
    bought = buys == (leg == "eth")
    assert (order.amount > 0) == bought
    assert order.limit == (book.bids if bought else book.asks)[0].price
    assert plan.quote is not None
    assert plan.quote.leg == leg


def test_a_quote_waits_until_its_touch_has_just_improved() -> None:
    memory, decision = one_step(held(), resting())
    assert decision is None
    assert memory.denial is not None
    assert memory.denial.code == QUOTE_WAITS
    better = quote(NOW + 1_000, eth_ask="2757.0")
    later, decision = one_step(held(), resting(), memory, look_at=better, now_ms=NOW + 1_000)
    assert quoted(decision).eth.limit == Price.of("2756.9")
    worse = quote(NOW + 1_000, eth_ask="2756.8")
    assert one_step(held(), resting(), memory, look_at=worse, now_ms=NOW + 1_000)[1] is None
    assert later.quoting.sent_ms == (NOW + 1_000,)


def test_a_wait_for_the_touch_uses_up_no_patience() -> None:
    memory = one_step(held(), resting())[0]
    memory, decision = one_step(held(), resting(), memory, now_ms=NOW + 6_000)
    assert decision is None
    assert memory.denial is not None


def test_its_quantities_are_balanced_at_its_own_price() -> None:
    """At ETH's ask 0.042 ETH and 1 SOL are a pair, twelve ticks lower they are not."""
    assert isinstance(quoted(one_step(held(), resting("100"), fresh())[1]), SizingPlan)
    skipped = one_step(held(), resting("100"), look_at=wide(13))[1]
    assert isinstance(skipped, Skipped)
    assert skipped.code == "UNBALANCED"


@pytest.mark.parametrize(("late_ms", "placed"), [(FRESH_MS, True), (FRESH_MS + 1, False)])
def test_fresh_is_for_three_tenths_of_a_second(late_ms: int, placed: bool) -> None:
    memory = fresh()
    bid = memory.quoting.bid._replace(improved_ms=NOW - late_ms)
    memory = msgspec.structs.replace(memory, quoting=msgspec.structs.replace(memory.quoting, bid=bid))
    assert isinstance(one_step(held(), resting(), memory)[1], SizingPlan) == placed


@pytest.mark.parametrize(("ticks", "price"), [(1, None), (2, "2756.8"), (5, "2756.5")])
def test_in_a_spread_of_two_or_more_ticks_it_stands_inside_and_never_crosses(
    ticks: int, price: str | None
) -> None:
    decision = one_step(held(), resting(), look_at=wide(ticks))[1]
    if price is None:
        assert decision is None
        return
    plan = quoted(decision)
    assert plan.eth.limit == Price.of(price)
    assert plan.eth.limit < wide(ticks).eth.asks[0].price


def test_the_gates_of_an_entry_are_asked() -> None:
    old = quote(NOW, age_ms=1_001)
    memory, decision = one_step(held(), resting(quote_when="always"), look_at=old)
    assert decision is None
    assert memory.denial is not None
    assert memory.denial.code == "QUOTE_STALE"
    assert one_step(held(foreign="SOL"), resting(quote_when="always"))[1] is None


@pytest.mark.parametrize("after", ["skip", "take"])
def test_after_its_time_the_cycle_is_skipped_or_both_legs_take(after: str) -> None:
    settings = resting(after_give_up=after, quote_when="always")
    memory = Memory(quoting=Quoting(cycle=1, until_ms=Ms(NOW + LEAST_REST_MS)))
    again = held(cycle=1, enters=4, last_purpose="quote", last_change_ms=Ms(NOW - 10))
    assert quoted(one_step(again, settings, memory)[1]).cycle == 1, "requoted without the pause"
    memory = Memory(quoting=Quoting(cycle=1, until_ms=Ms(NOW + LEAST_REST_MS - 1)))
    memory, decision = one_step(again, settings, memory)
    if after == "skip":
        assert isinstance(decision, Skipped)
        assert (decision.cycle, decision.code) == (1, "NOT_FILLED")
        return
    assert isinstance(decision, SizingPlan)
    assert (decision.purpose, decision.cycle) == ("enter", 1)
    for tries, purpose in ((6, "enter"), (7, None)):
        tried = held(cycle=1, enters=tries, last_purpose="enter")
        decision = one_step(tried, settings, memory, now_ms=NOW + 1_000)[1]
        assert (decision.purpose if isinstance(decision, SizingPlan) else None) == purpose


@pytest.mark.parametrize(("ago_ms", "placed"), [(249, False), (250, True)])
def test_after_a_refusal_the_next_quote_pauses(ago_ms: int, placed: bool) -> None:
    """It would mostly cross the same newer book."""
    changes = {"last_purpose": "quote", "last_refusals": 1, "last_change_ms": Ms(NOW - ago_ms)}
    decision = one_step(held(cycle=1, enters=1, **changes), resting(quote_when="always"))[1]
    assert isinstance(decision, SizingPlan) == placed


def test_a_new_cycle_has_its_own_time() -> None:
    memory = fresh(cycle=1, until_ms=Ms(NOW - 1))
    memory, decision = one_step(held(cycle=1, completed=1), resting(), memory)
    assert quoted(decision).cycle == 2
    assert memory.quoting.until_ms == NOW + 15_000


def test_quotes_weigh_at_most_120_in_a_minute() -> None:
    most = WEIGHT_A_MINUTE // QUOTE_WEIGHT
    for count, placed in ((most - 1, True), (most, False)):
        sent = tuple(Ms(NOW - 59_999 + i) for i in range(count))
        memory, decision = one_step(held(), resting(), fresh(sent_ms=sent))
        assert isinstance(decision, SizingPlan) == placed
        assert len(memory.quoting.sent_ms) <= most
    memory, later = one_step(held(), resting(), fresh(sent_ms=tuple(Ms(NOW - 60_000) for _ in range(most))))
    assert isinstance(later, SizingPlan)
    assert memory.quoting.sent_ms == (NOW,), "what is long ago is forgotten"


def test_a_proposal_that_was_not_sealed_counts_once() -> None:
    memory = fresh()
    for i in range(3):
        memory, decision = one_step(held(), resting(quote_when="always"), memory, now_ms=NOW + 300 * i)
        assert isinstance(decision, SizingPlan)
    assert len(memory.quoting.sent_ms) == 1


# -- while one rests -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("eth_ask", "cancelled"), [("2757.2", False), ("2757.3", True), ("2756.5", True)])
def test_it_is_cancelled_only_beyond_its_slop(eth_ask: str, cancelled: bool) -> None:
    """It rests at 2756.8; the touch is 2757.1, 2757.2 and, crossed by others meanwhile, 2756.4."""
    at = quote(NOW, eth_ask=eth_ask)
    decision = one_step(works(resting_order(terms())), resting(), look_at=at)[1]
    assert isinstance(decision, CancelAsked) == cancelled
    if isinstance(decision, CancelAsked):
        assert (decision.order_digest, decision.product_id) == (DIGEST, RULES.eth.product_id)


def test_our_own_order_is_no_touch_of_anybody() -> None:
    """Alone at 2756.8 it would seem to be the best bid; the next one stands four ticks lower."""
    book = quote(NOW)
    alone = (Level(Price.of("2756.8"), Base.of("0.42")), *ladder("2756.4", "0.1", "100", up=False))
    at = msgspec.structs.replace(book, eth=msgspec.structs.replace(book.eth, bids=alone))
    always = resting(quote_when="always")
    assert isinstance(one_step(works(resting_order(terms())), always, look_at=at)[1], CancelAsked)
    beside = (Level(Price.of("2756.8"), Base.of("0.43")), *alone[1:])
    at = msgspec.structs.replace(book, eth=msgspec.structs.replace(book.eth, bids=beside))
    assert one_step(works(resting_order(terms())), always, look_at=at)[1] is None


def test_an_order_that_was_replaced_and_still_stands_in_the_book_is_no_touch_of_anybody_either() -> None:
    """It stood at 2756.8, alone; the one in its place stands at 2756.1, and others at 2756.0. A book that
    comes a little later still shows both: each of them was cancelled for the other's sake.
    """
    book, always = quote(NOW), resting(quote_when="always")
    ours, others = Base.of("0.42"), ladder("2756.0", "0.1", "100", up=False)
    bids = (Level(Price.of("2756.8"), ours), Level(Price.of("2756.1"), ours), *others)
    at = msgspec.structs.replace(book, eth=msgspec.structs.replace(book.eth, bids=bids))
    memory, _ = one_step(works(resting_order(terms())), always, look_at=at)
    replaced = msgspec.structs.replace(works(resting_order(terms(), limit="2756.1")), rows=1_000)
    memory, decision = one_step(replaced, always, memory, look_at=at, now_ms=NOW + 40)
    assert decision is None
    later_ms = NOW + 40 + OWN_MS + 1
    later = msgspec.structs.replace(
        quote(later_ms), eth=msgspec.structs.replace(at.eth, proven_ms=Ms(later_ms))
    )
    assert isinstance(one_step(replaced, always, memory, look_at=later, now_ms=later_ms)[1], CancelAsked)


def test_what_is_being_cancelled_is_not_asked_for_again() -> None:
    asked = resting_order(terms(), cancel_asked_ms=Ms(NOW - 10))
    assert one_step(works(asked), resting(), look_at=quote(NOW, eth_ask="2760"))[1] is None


def test_nothing_rests_whose_fills_could_not_be_hedged() -> None:
    """Its fills would be hedged at 115.81 at worst."""
    for bid, cancelled in (("115.81", False), ("115.80", True)):
        decision = one_step(works(resting_order(terms())), resting(), look_at=quote(NOW, sol_bid=bid))[1]
        assert isinstance(decision, CancelAsked) == cancelled


def test_no_quote_that_closes_rests_either_whose_fills_could_not_be_hedged() -> None:
    """SOL is bought back: its ask is one tick above its bid."""
    order = resting_order(terms(opens=False, worst="115.88"), limit="2756.9")
    holding = works(order, eth="0.42", sol="-10")
    for bid, cancelled in (("115.87", False), ("115.88", True)):
        decision = one_step(holding, resting(), look_at=quote(NOW, sol_bid=bid))[1]
        assert isinstance(decision, CancelAsked) == cancelled


def test_a_rest_that_is_too_small_to_be_hedged_waits_for_half_of_the_budget() -> None:
    """0.02 ETH, 55 USD, are under the exchange's minimum. The budget is 60 s x 1,158 USD."""
    order = resting_order(terms(), filled="0.02")
    for used, cancelled in ((34_740, False), (34_741, True)):
        legging = Legging(Quote.of(used), leg=Quote.of(1158), since_ms=Ms(NOW))
        decision = one_step(works(order, eth="0.02", legging=legging), resting())[1]
        assert isinstance(decision, CancelAsked) == cancelled


def test_what_rests_is_shown_with_its_time() -> None:
    holding = works(resting_order(terms(), filled="0.02"), eth="0.02")
    memory, _ = one_step(holding, resting())
    waiting = Sizer(resting(), RULES).waiting(memory, Look(quote(NOW), holding, FREE, Ms(NOW)))
    assert (waiting.purpose, waiting.code) == ("enter", QUOTE_RESTS)
    assert waiting.brief == "ETH rests at 2756.8, 0.02 of 0.42 traded, 3 of 15 s"


# -- limits --------------------------------------------------------------------------------------------------


def test_the_limits_count_the_whole_pair_of_a_quote() -> None:
    settings = resting()
    plan = quoted(one_step(held(), settings, fresh())[1])
    assert plan.quote is not None
    both = notional(plan.eth.limit, plan.eth.amount) + notional(plan.quote.worst, plan.quote.sol)
    for spare, code in ((0, None), (-1, "MAX_GROSS")):
        limits = msgspec.structs.replace(settings.limits, max_gross=Quote(both + spare))
        denial = plan_denial(plan, held(), RULES.terms(), msgspec.structs.replace(settings, limits=limits))
        assert (denial.code if denial else None) == code
    limits = msgspec.structs.replace(settings.limits, max_leg_notional=Quote(ONE))
    tight = msgspec.structs.replace(settings, limits=limits)
    for leg in ("eth", "sol"):
        assert leg_notional_denial(LegBallot(leg, plan, tight, connected=True)) is not None  # type: ignore[arg-type]
        closing = msgspec.structs.replace(plan, quote=msgspec.structs.replace(plan.quote, opens=False))
        assert leg_notional_denial(LegBallot(leg, closing, tight, connected=True)) is None  # type: ignore[arg-type]


def test_slop_is_counted_in_ticks_of_the_leg_that_rests() -> None:
    order = resting_order(terms(leg="sol", worst="2757.5"), limit="115.87")
    settings = resting(quote_leg="sol", quote_when="always", slop=Ticks(1))
    for bid, cancelled in (("115.87", False), ("115.88", True)):
        decision = one_step(works(order), settings, look_at=quote(NOW, sol_bid=bid))[1]
        assert isinstance(decision, CancelAsked) == cancelled
