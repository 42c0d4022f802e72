"""What fits an order that rests: it trades until it expires, at its limit, as a maker and at the maker's
rate, which may be a rebate.
"""

import os
import random

import msgspec
import pytest

from messages.execution import Doubt, Fill, Resolved
from messages.units import ONE, Base, Ms, Ns, Price, Quote, Rate, notional
from tests.venue.nado.test_order_builder import RULES, plan_to_build, quote_to_build
from venue.order_consistency import (
    Charges,
    SignedTerms,
    answer_mismatch,
    estimate,
    exact_fee,
    fill_mismatch,
    nearly_equal,
    usual_fee,
)
from venue.protocol import rules_read
from venue.simulated.engine.accounts import fee_on

SEED = int(os.environ.get("SEED", "16"))
PLAN = quote_to_build()
CHARGES = Charges(int(Rate.of("0.00035")), int(Quote.of("100")), int(Rate.of("0.0001")))
TERMS = SignedTerms.of_plan(PLAN, "eth", CHARGES)
FEE = fee_on(-notional(PLAN.eth.limit, PLAN.eth.amount), int(Rate.of("0.0001"))).text()
"""1 bp of 0.042 x 2,756.8 USD as the engine charges a buyer: nothing of it for the minimum of 100 USD."""


def a_fill(at_ms: int = PLAN.last_trade_ms, **changes: object) -> Fill:
    """All of the order, as a maker, at its limit."""
    whole = Base.of("0.042")
    fill = Fill("x", 4, whole, PLAN.eth.limit, Quote.of(FEE), Base(0), whole, False, 0, Ns(at_ms * 1_000_000))
    return msgspec.structs.replace(fill, **changes)


def misfit(fill: Fill, terms: SignedTerms = TERMS) -> str:
    found = fill_mismatch(terms, (), fill)
    return found.name if found else ""


@pytest.mark.parametrize(
    ("at_ms", "name"),
    [
        (PLAN.decided_ms - 2_000, ""),
        (PLAN.decided_ms - 2_001, "time"),
        (PLAN.recv_time_ms + 10_000, ""),
        (PLAN.recv_time_ms + 15_000 + 2_000, ""),
        (PLAN.recv_time_ms + 15_000 + 2_001, "time"),
    ],
)
def test_an_order_that_rests_trades_until_its_last_trade(at_ms: int, name: str) -> None:
    assert misfit(a_fill(at_ms)) == name


def test_an_order_that_takes_still_trades_at_its_arrival_only() -> None:
    plan = plan_to_build()
    terms = SignedTerms.of_plan(plan, "eth")
    taken = a_fill(plan.recv_time_ms + 2_000, is_taker=True, price=plan.eth.limit)
    assert misfit(taken, terms) == ""
    late = msgspec.structs.replace(taken, at_ns=Ns((plan.recv_time_ms + 2_001) * 1_000_000))
    assert misfit(late, terms) == "time"


@pytest.mark.parametrize(("price", "name"), [("2756.8", ""), ("2756.9", "limit"), ("2756.7", "price")])
def test_an_order_that_rests_trades_at_its_limit(price: str, name: str) -> None:
    assert misfit(a_fill(price=Price.of(price))) == name


def test_the_archives_rounding_of_the_price_is_no_other_price() -> None:
    assert misfit(a_fill(price=Price(PLAN.eth.limit - 1))) == ""
    assert misfit(a_fill(price=Price(PLAN.eth.limit + 1))) == ""


def test_what_is_post_only_never_takes_and_what_takes_is_never_a_maker() -> None:
    """The engine's contracts match neither."""
    assert misfit(a_fill(is_taker=True)) == "role"
    taken = a_fill(PLAN.recv_time_ms, is_taker=True, price=Price.of("2759.6"))
    terms = SignedTerms.of_plan(plan_to_build(), "eth")
    assert misfit(taken, terms) == ""
    assert misfit(msgspec.structs.replace(taken, is_taker=False), terms) == "role"


@pytest.mark.parametrize(
    ("fee", "name"),
    [(FEE, ""), ("0.0058", ""), ("0.0231", ""), ("0", "fee"), ("0.0405", "fee"), ("-0.01", "fee")],
)
def test_a_makers_fee_is_judged_by_the_makers_rate(fee: str, name: str) -> None:
    """The taker's 3.5 bp, or none at all, is not what 1 bp comes to."""
    assert misfit(a_fill(fee=Quote.of(fee))) == name
    assert exact_fee(TERMS, notional(PLAN.eth.limit, PLAN.eth.amount), Quote.of(fee)) is (fee == FEE)


def test_the_smallest_piece_pays_its_share_and_nothing_for_a_minimum() -> None:
    fee = fee_on(-notional(PLAN.eth.limit, Base.of("0.001")), CHARGES.maker or 0)
    piece = a_fill(amount=Base.of("0.001"), remaining=Base.of("0.041"), fee=fee)
    assert misfit(piece) == ""
    assert misfit(msgspec.structs.replace(piece, fee=Quote.of("0.01"))) == "fee"
    assert usual_fee(TERMS, notional(PLAN.eth.limit, Base.of("0.001"))) == pytest.approx(fee, abs=2)


def test_a_rebate_is_a_fee_below_0() -> None:
    rebate = SignedTerms.of_plan(
        PLAN, "eth", Charges(int(Rate.of("0.00015")), int(Quote.of("100")), int(Rate.of("-0.00008")))
    )
    got = fee_on(-notional(PLAN.eth.limit, PLAN.eth.amount), int(Rate.of("-0.00008")))
    assert got < 0
    assert misfit(a_fill(fee=got), rebate) == ""
    assert exact_fee(rebate, notional(PLAN.eth.limit, PLAN.eth.amount), got)
    assert misfit(a_fill(fee=Quote(3 * got)), rebate) == "fee"
    assert usual_fee(rebate, notional(PLAN.eth.limit, PLAN.eth.amount)) == pytest.approx(got, abs=2)


def test_a_makers_charge_is_what_the_venues_contracts_take() -> None:
    """Against the engine's `applyFee`, for rates from a rebate of 5 bp to a fee of 5 bp."""
    chance = random.Random(SEED)
    for case in range(500):
        rate, quote = chance.randint(-5 * ONE // 10_000, 5 * ONE // 10_000), chance.randint(1, 10**24)
        charges = Charges(int(Rate.of("0.00035")), int(Quote.of("100")), rate).of_maker()
        assert charges is not None
        for sale in (True, False):
            fee = fee_on(quote if sale else -quote, rate)
            assert nearly_equal(charges.of(quote, sale=sale), fee), f"SEED={SEED} case {case}"


def test_where_nobody_knows_the_makers_rate_only_the_absurd_does_not_fit() -> None:
    terms = SignedTerms.of_plan(PLAN, "eth", Charges(CHARGES.rate, CHARGES.least))
    assert terms.charges is None
    assert [misfit(a_fill(fee=Quote.of(fee)), terms) for fee in ("0.9", "-0.9", "40")] == ["", "", "fee"]
    assert usual_fee(terms, Quote.of("100")).text() == "0.010001000100010001"


def test_the_rules_tell_the_makers_rate_and_old_rows_have_none() -> None:
    read = rules_read(RULES)
    assert (read.eth.maker_fee, read.sol.maker_fee) == (RULES.eth.maker_fee, RULES.sol.maker_fee)
    older = msgspec.structs.replace(read.eth, maker_fee=None)
    assert b"maker_fee" not in msgspec.json.encode(older, enc_hook=int)


# -- an order in doubt ---------------------------------------------------------------------------------------

DOUBT = Doubt(
    "eth", 1, 7, "x", 4, PLAN.eth.amount, PLAN.eth.limit, PLAN.recv_time_ms, Base(0), v_quote=Quote(0)
)
RESTS = msgspec.structs.replace(DOUBT, rests_until_ms=PLAN.last_trade_ms)


@pytest.mark.parametrize(("doubt", "last_ms"), [(DOUBT, PLAN.recv_time_ms), (RESTS, PLAN.last_trade_ms)])
def test_a_doubt_is_judged_by_its_last_trade(doubt: Doubt, last_ms: Ms) -> None:
    terms = SignedTerms.of_doubt(doubt)
    assert (terms.last_trade_ms, terms.rests) == (last_ms, doubt is RESTS)


def test_what_an_order_that_rests_cost_is_its_limit_however_the_balance_moved() -> None:
    """Funding and fees have moved `v_quote`, too."""
    moved, v_quote = Base.of("0.02"), -Quote.of("54.9")
    assert estimate(DOUBT, moved, v_quote) == Quote.of("54.9")
    assert estimate(RESTS, moved, v_quote) == notional(PLAN.eth.limit, moved)


@pytest.mark.parametrize(("price", "name"), [("2756.8", ""), ("2750", "price"), ("2757", "limit")])
def test_an_archives_record_of_it_has_its_price_too(price: str, name: str) -> None:
    moved = Base.of("0.02")
    said = Resolved("x", 4, moved, notional(Price.of(price), moved), Quote.of("0.005"), False, "archive")
    found = answer_mismatch(SignedTerms.of_doubt(RESTS), said)
    assert (found.name if found else "") == name
