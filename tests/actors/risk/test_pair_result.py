"""What an open pair comes to: all costs are in it, and prices are those of the sides that its exit takes."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.risk.pair_result import PairResult, pair_result, result_at_once
from messages.lifecycle import Held
from messages.market import Level, PairQuote
from messages.units import ONE, Base, Bps, Price, Quote, notional
from tests.actors.fakes import RULES, START_MS, held, quote
from venue.protocol import VenueRules

ETH, SOL = Base.of("0.363"), Base.of("-8.6")
FEE = Decimal("0.00035")


def paid_pair(eth_at: str = "2756.9", sol_at: str = "115.86", **changes: object) -> Held:
    """Long 0.363 ETH, short 8.6 SOL, at these prices and taker fees."""
    facts: dict[str, object] = {"phase": "open", "cycle": 1, "enters": 1, "entered_ms": START_MS}
    for leg, amount, price in (("eth", ETH, eth_at), ("sol", SOL, sol_at)):
        paid = notional(Price.of(price), amount)
        cash = (-paid if amount > 0 else paid) - paid * RULES.product(leg).taker_fee // ONE  # type: ignore[operator,arg-type]
        facts |= {leg: amount, f"{leg}_vwap": Price.of(price), f"{leg}_cash": Quote(cash)}
    return held(**(facts | changes))


def result(pair: Held, seen: PairQuote, rules: VenueRules = RULES) -> PairResult:
    found = pair_result(pair, seen, rules)
    assert found is not None
    return found


def exact(value: Decimal) -> Quote:
    return Quote.of(value)


def test_a_pair_that_was_just_entered_has_lost_four_fees_and_both_spreads() -> None:
    """One tick of 0.1 USD for ETH and of 0.01 USD for SOL."""
    eth, sol = Decimal("0.363"), Decimal("8.6")
    spread = eth * Decimal("0.1") + sol * Decimal("0.01")
    out, back = eth * Decimal("2756.9"), eth * Decimal("2756.8")
    sold, bought = sol * Decimal("115.86"), sol * Decimal("115.87")
    found = result(paid_pair(), quote())
    assert found.net == exact(-spread - FEE * (out + back + sold + bought))
    assert found.closing == exact(spread / 2 + FEE * (back + bought))
    assert found.entered == exact(out + sold)
    assert Bps.of("-7.7") < found.bps(found.net) < Bps.of("-7.1")
    assert found.whole


def test_the_same_is_foretold_before_anything_is_entered() -> None:
    for sign in (1, -1):
        foretold = result_at_once((Quote(1000 * ONE),) * 2, quote(), RULES.terms(), sign)
        assert foretold is not None
        assert Bps.of("-7.7") < foretold.bps(foretold.net) < Bps.of("-7.1")
        assert Bps.of("3.7") < foretold.bps(foretold.closing) < Bps.of("3.9")
    assert result_at_once((Quote(1 * ONE),) * 2, quote(), RULES.terms(), 1) is None


def test_funding_counts() -> None:
    plain, paid = paid_pair(), paid_pair(funding=Quote.of("1.25"))
    assert result(paid, quote()).net - result(plain, quote()).net == Quote.of("1.25")


def test_a_mirrored_pair_is_closed_on_the_other_sides() -> None:
    """Short ETH is bought back at asks, long SOL sold at bids: wider asks of ETH cost, wider bids do not."""
    mirrored = paid_pair()
    legs = {
        name: msgspec.structs.replace(leg, amount=Base(-leg.amount), cash=Quote(-(leg.cash or 0)))
        for name, leg in (("eth", mirrored.eth), ("sol", mirrored.sol))
    }
    mirrored = msgspec.structs.replace(mirrored, **legs)
    before, dearer = result(mirrored, quote()), result(mirrored, with_side("eth", "asks", "2757.9"))
    assert before.net - dearer.net == exact(Decimal("0.363") * (1 + FEE))
    assert result(mirrored, with_side("eth", "bids", "2755.8")).net == before.net
    assert result(paid_pair(), with_side("eth", "asks", "2757.9")).net == result(paid_pair(), quote()).net


def with_side(leg: str, side: str, price: str, amount: str = "100") -> PairQuote:
    book = getattr(quote(), leg)
    levels = (Level(Price.of(price), Base.of(amount)),)
    return msgspec.structs.replace(quote(), **{leg: msgspec.structs.replace(book, **{side: levels})})


def test_in_a_book_that_is_too_thin_the_result_is_the_most_that_closing_can_come_to() -> None:
    thin = with_side("eth", "bids", "2756.8", amount="0.1")
    found = result(paid_pair(), thin)
    assert not found.whole
    assert found.net == result(paid_pair(), quote()).net


def test_what_nobody_knows_is_no_result() -> None:
    booked = paid_pair(eth_vwap=Price(0), eth_cash=None)
    assert pair_result(booked, quote(), RULES) is None
    assert pair_result(paid_pair(sol_cash=None), quote(), RULES) is None
    unsaid = msgspec.structs.replace(RULES, sol=msgspec.structs.replace(RULES.sol, taker_fee=None))
    assert pair_result(paid_pair(), quote(), unsaid) is None


books = st.lists(
    st.tuples(st.integers(1, 40), st.integers(1, 400)), min_size=1, max_size=6, unique_by=lambda each: each[0]
)


@given(books, books, st.integers(1, 300), st.integers(1, 60))
def test_it_equals_a_walk_lot_by_lot(
    bids: list[tuple[int, int]], asks: list[tuple[int, int]], eth_lots: int, sol_lots: int
) -> None:
    """Long ETH is sold into the bids, short SOL bought from the asks; each lot by itself."""
    eth_bids = tuple(
        Level(Price(Price.of("2757") - ticks * Price.of("0.1")), Base(lots * Base.of("0.001")))
        for ticks, lots in sorted(bids)
    )
    sol_asks = tuple(
        Level(Price(Price.of("115") + ticks * Price.of("0.01")), Base(lots * Base.of("0.1")))
        for ticks, lots in sorted(asks)
    )
    seen = quote()
    seen = msgspec.structs.replace(
        seen,
        eth=msgspec.structs.replace(seen.eth, bids=eth_bids, asks=with_side("eth", "asks", "2758").eth.asks),
        sol=msgspec.structs.replace(seen.sol, asks=sol_asks, bids=with_side("sol", "bids", "114").sol.bids),
    )
    pair = paid_pair(eth=Base(eth_lots * Base.of("0.001")), sol=Base(-sol_lots * Base.of("0.1")))
    found = result(pair, seen)
    sold, sold_all = lot_by_lot(eth_bids, Base.of("0.001"), eth_lots)
    bought, bought_all = lot_by_lot(sol_asks, Base.of("0.1"), sol_lots)
    cash = (pair.eth.cash or 0) + (pair.sol.cash or 0)
    fees = sold * 35 // 100_000 + bought * 35 // 100_000
    assert found.net == cash + sold - bought - fees
    assert found.whole == (sold_all and bought_all)


def lot_by_lot(levels: tuple[Level, ...], step: int, lots: int) -> tuple[int, bool]:
    prices = [level.price for level in levels for _ in range(level.amount // step)]
    taken = (prices + [levels[-1].price] * lots)[:lots]
    return sum(price * step for price in taken) // ONE, len(prices) >= lots


@pytest.mark.parametrize("leg", ["eth", "sol"])
def test_a_mid_is_never_what_it_goes_by(leg: str) -> None:
    """A book whose other side runs away moves its mid by half of that, and the result by nothing."""
    far = {"eth": ("asks", "3000"), "sol": ("bids", "100")}[leg]
    assert result(paid_pair(), with_side(leg, *far)).net == result(paid_pair(), quote()).net
