"""Every gate of `enter`: at its limit it passes, beyond it denies, and it says so with figures."""

import random
from datetime import datetime
from typing import Any

import msgspec
import pytest

from actors.market_data.cost_curve import curve_of, depth_within, walk
from actors.risk.gates import closed_window, daily_loss, limit_price
from actors.risk.may_enter import entry_denial
from messages.lifecycle import Denial
from messages.market import Level, PairQuote
from messages.settings import Settings, WeeklyWindow
from messages.units import Base, Bps, Ms, Price, Quote, Rate, notional
from tests.actors.fakes import START_MS, held, quote

SETTINGS = Settings()
NOW = START_MS
ETH, SOL = Base.of("0.357"), Base.of("-8.5")


def denied(
    book: PairQuote, now_ms: int = NOW, settings: Settings = SETTINGS, eth: int = ETH, sol: int = SOL
) -> Denial:
    denial = entry_denial(book, now_ms, settings, eth, sol)
    assert denial is not None
    return denial


def leg(name: str, **changes: Any) -> PairQuote:
    whole = quote(NOW)
    return msgspec.structs.replace(whole, **{name: msgspec.structs.replace(getattr(whole, name), **changes)})


def side(*levels: tuple[str, str]) -> tuple[Level, ...]:
    return tuple(Level(Price.of(price), Base.of(amount)) for price, amount in levels)


def test_a_fresh_deep_tight_book_near_its_oracle_may_be_entered_on_both_ways_round() -> None:
    assert entry_denial(quote(NOW), NOW, SETTINGS, ETH, SOL) is None
    assert entry_denial(quote(NOW), NOW, SETTINGS, -ETH, -SOL) is None


@pytest.mark.parametrize(("name", "product"), [("eth", "ETH-PERP"), ("sol", "SOL-PERP")])
def test_a_book_as_old_as_allowed_passes_and_a_millisecond_more_is_stale(name: str, product: str) -> None:
    lax = msgspec.structs.replace(SETTINGS, max_quote_skew=Ms(10_000))
    book = leg(name, proven_ms=Ms(NOW - 1000))
    assert entry_denial(book, NOW, lax, ETH, SOL) is None
    book = leg(name, proven_ms=Ms(NOW - 1001))
    assert denied(book, settings=lax) == Denial(
        "QUOTE_STALE",
        f"the book of {product} was last confirmed 1001 ms ago, limit 1000 ms",
        f"{product[:3]} 1001 > 1000 ms",
    )


@pytest.mark.parametrize(("name", "product"), [("eth", "ETH-PERP"), ("sol", "SOL-PERP")])
def test_a_feed_as_late_as_a_book_may_be_old_passes_and_a_millisecond_more_is_stale(
    name: str, product: str
) -> None:
    assert entry_denial(leg(name, behind_ms=Ms(1000)), NOW, SETTINGS, ETH, SOL) is None
    assert denied(leg(name, behind_ms=Ms(1001))) == Denial(
        "QUOTE_STALE",
        f"the feed of {product} is 1001 ms behind, limit 1000 ms: more comes than can be read",
        f"{product[:3]} feed 1001 ms behind",
    )


@pytest.mark.parametrize(("name", "product"), [("eth", "ETH-PERP"), ("sol", "SOL-PERP")])
def test_a_book_ahead_of_our_clock_by_more_than_the_clock_may_be_off_is_stale(
    name: str, product: str
) -> None:
    assert entry_denial(leg(name, proven_ms=Ms(NOW + 250)), NOW, SETTINGS, ETH, SOL) is None
    denial = denied(leg(name, proven_ms=Ms(NOW + 251)))
    assert denial == Denial(
        "QUOTE_STALE",
        f"the book of {product} is 251 ms ahead of our clock, limit 250 ms",
        f"{product[:3]} 251 > 250 ms ahead",
    )


@pytest.mark.parametrize("name", ["eth", "sol"])
def test_two_books_as_far_apart_in_age_as_allowed_pass_and_a_millisecond_more_is_skew(name: str) -> None:
    assert entry_denial(leg(name, proven_ms=Ms(NOW - 500)), NOW, SETTINGS, ETH, SOL) is None
    denial = denied(leg(name, proven_ms=Ms(NOW - 501)))
    assert denial == Denial(
        "QUOTE_SKEW", "the books of ETH-PERP and SOL-PERP are 501 ms apart, limit 500 ms", "501 > 500 ms"
    )


@pytest.mark.parametrize(("name", "product"), [("eth", "ETH-PERP"), ("sol", "SOL-PERP")])
def test_a_spread_of_exactly_the_limit_passes_and_one_tick_more_is_wide(name: str, product: str) -> None:
    """19995 .. 20005 is 10 on a mid of 20000: 5 bps."""
    bids = side(("19995", "100"))
    at_limit = leg(name, bids=bids, asks=side(("20005", "100")), oracle=Price.of("20000"))
    assert entry_denial(at_limit, NOW, SETTINGS, ETH, SOL) is None
    denial = denied(leg(name, bids=bids, asks=side(("20005.1", "100")), oracle=Price.of("20000")))
    assert denial == Denial(
        "SPREAD_WIDE", f"the spread of {product} is 5.05 bps, limit 5 bps", f"{product[:3]} 5.05 > 5.00 bps"
    )


def one_leg(name: str, *levels: tuple[str, str]) -> tuple[PairQuote, dict[str, int]]:
    """A book of one leg around 2000 whose taken side is `levels`, and an order for 1 of it; the other leg
    takes nothing.
    """
    taken = "asks" if name == "eth" else "bids"
    sides: dict[str, Any] = {"bids": side(("2000", "1")), "asks": side(("2000", "1"))}
    amounts: dict[str, int] = (
        {"eth": Base.of("1"), "sol": 0} if name == "eth" else {"eth": 0, "sol": Base.of("-1")}
    )
    return leg(name, **(sides | {taken: side(*levels), "oracle": Price.of("2000")})), amounts


@pytest.mark.parametrize(("name", "product"), [("eth", "ETH-PERP"), ("sol", "SOL-PERP")])
def test_exactly_five_times_our_size_passes_and_a_lot_less_is_thin(name: str, product: str) -> None:
    enough, amounts = one_leg(name, ("2000", "5"))
    assert entry_denial(enough, NOW, SETTINGS, *amounts.values()) is None
    short, amounts = one_leg(name, ("2000", "4.999"))
    denial = denied(short, NOW, SETTINGS, *amounts.values())
    expected = f"9998.00 USD of {product} are within 10 bps of the touch, limit 5 x the order of 2000.00 USD"
    assert denial == Denial("DEPTH_THIN", expected, f"{product[:3]} 9998.00 < 10000.00 USD")


@pytest.mark.parametrize(("name", "near", "beyond"), [("eth", "2002", "2002.1"), ("sol", "1998", "1997.9")])
def test_depth_counts_to_max_slippage_from_the_touch_and_no_further(
    name: str, near: str, beyond: str
) -> None:
    inside, amounts = one_leg(name, ("2000", "1"), (near, "5"))
    assert entry_denial(inside, NOW, SETTINGS, *amounts.values()) is None
    outside, amounts = one_leg(name, ("2000", "1"), (beyond, "5"))
    assert denied(outside, NOW, SETTINGS, *amounts.values()).code == "DEPTH_THIN"


def test_a_side_thinner_than_our_size_is_thin() -> None:
    book, amounts = one_leg("eth", ("2000", "0.999"))
    expected = (
        "1998.00 USD of ETH-PERP are within 10 bps of the touch, and all visible levels together are smaller"
        " than the order"
    )
    assert denied(book, NOW, SETTINGS, *amounts.values()) == Denial(
        "DEPTH_THIN", expected, "ETH 1998.00 USD < the order"
    )


def test_an_amount_of_zero_asks_nothing_of_the_depth() -> None:
    assert entry_denial(leg("eth", asks=side(("2756.9", "0.001"))), NOW, SETTINGS, 0, 0) is None


def test_walking_fifty_bps_with_a_limit_of_twenty_is_thin() -> None:
    """The recorded case `slippage mock 50 bps > 20`."""
    settings = msgspec.structs.replace(SETTINGS, max_slippage=Bps.of(20), min_depth=Rate.of(1))
    book, amounts = one_leg("eth", ("2000", "0.001"), ("2010", "100"))
    assert denied(book, NOW, settings, *amounts.values()).code == "DEPTH_THIN"
    book, amounts = one_leg("eth", ("2000", "0.001"), ("2001", "100"))
    assert entry_denial(book, NOW, settings, *amounts.values()) is None


@pytest.mark.parametrize(("name", "product"), [("eth", "ETH-PERP"), ("sol", "SOL-PERP")])
@pytest.mark.parametrize(("bid", "ask"), [("20099", "20101"), ("19899", "19901")])
def test_a_mid_exactly_the_limit_off_its_oracle_passes_and_half_a_tick_more_does_not(
    name: str, product: str, bid: str, ask: str
) -> None:
    """The mids 20100 and 19900 are 50 bps off 20000."""
    book = {"bids": side((bid, "100")), "asks": side((ask, "100"))}
    assert entry_denial(leg(name, **book, oracle=Price.of("20000")), NOW, SETTINGS, ETH, SOL) is None
    farther = "asks" if bid > "20000" else "bids"
    moved = Price.of(ask) + Price.of("0.1") if farther == "asks" else Price.of(bid) - Price.of("0.1")
    book[farther] = (Level(Price(moved), Base.of("100")),)
    denial = denied(leg(name, **book, oracle=Price.of("20000")))
    assert denial == Denial(
        "ORACLE_GAP",
        f"the mid of {product} is 50.03 bps off its oracle price, limit 50 bps",
        f"{product[:3]} 50.03 > 50.00 bps",
    )


def test_a_missing_oracle_price_denies() -> None:
    assert denied(leg("sol", oracle=Price(0))) == Denial("ORACLE_GAP", "SOL-PERP has no oracle price")


def test_a_venue_that_is_not_active_denies() -> None:
    assert denied(quote(NOW, venue_active=False)) == Denial(
        "VENUE_NOT_ACTIVE", "the venue's status is not active"
    )


@pytest.mark.parametrize(("name", "product"), [("eth", "ETH-PERP"), ("sol", "SOL-PERP")])
@pytest.mark.parametrize("status", ["post_only", "not_tradable", "reduce_only", "soft_reduce_only"])
def test_a_leg_that_is_not_live_denies(name: str, product: str, status: str) -> None:
    assert denied(leg(name, status=status)) == Denial(
        "NOT_TRADABLE", f"{product} is {status}, not live", f"{product[:3]} is {status}"
    )


# -- limit prices --------------------------------------------------------------------------------------------

TICK = Price.of("0.1")


@pytest.mark.parametrize(
    ("price", "amount", "slippage", "limit"),
    [
        ("2756.9", 1, "10", "2759.6"),  # 2759.6569 floors
        ("2756.9", -1, "10", "2754.2"),  # 2754.1431 ceils
        ("2000", 1, "10", "2002"),  # on the tick: stays
        ("2000", -1, "10", "1998"),
        ("2756.9", 1, "0.1", "2756.9"),  # less than a tick of slippage: the price itself
        ("2756.9", -1, "0.1", "2756.9"),
        ("2756.95", 1, "0", "2757"),  # off the tick: outward, never better than the price
        ("2756.95", -1, "0", "2756.9"),
        ("0.15", -1, "10000", "0.1"),  # never below one tick
    ],
)
def test_a_limit_is_on_the_less_aggressive_tick_and_never_better_than_the_price(
    price: str, amount: int, slippage: str, limit: str
) -> None:
    assert limit_price(Price.of(price), amount, Bps.of(slippage), TICK) == Price.of(limit)


def test_an_amount_of_zero_has_no_limit_price() -> None:
    with pytest.raises(ValueError, match="amount of 0"):
        limit_price(Price.of("100"), 0, Bps.of(10), TICK)


@pytest.mark.parametrize("sign", [1, -1])
def test_where_the_depth_gate_passes_the_limit_beyond_the_vwap_reaches_every_level_walked(sign: int) -> None:
    random_ = random.Random(5)
    for _ in range(500):
        touch = random_.randint(1000, 40_000)
        steps = sorted(random_.sample(range(1, 60), 5))
        prices = [touch] + [touch + sign * step for step in steps]
        ladder = tuple(
            Level(Price(price * TICK), Base(random_.randint(1, 900) * Base.of("0.001"))) for price in prices
        )
        amount = Base(
            random_.randint(1, sum(level.amount for level in ladder) // Base.of("0.001")) * Base.of("0.001")
        )
        slippage = Bps.of(random_.randint(0, 300))
        cost = walk(ladder, amount)
        assert cost is not None
        if depth_within(ladder, slippage) < cost:
            continue
        limit = limit_price(curve_of(ladder).vwap(amount), sign, slippage, TICK)
        reachable = sum(level.amount for level in ladder if (limit - level.price) * sign >= 0)
        assert reachable >= amount
        assert limit % TICK == 0


# -- walking -------------------------------------------------------------------------------------------------

ASKS = side(("100", "1"), ("101", "2"), ("103", "4"))


def test_a_walk_costs_each_level_at_its_own_price_whatever_the_sign_of_the_amount() -> None:
    assert walk(ASKS, Base.of("0.5")) == Quote.of("50")
    assert walk(ASKS, Base.of("-2")) == Quote.of("201")
    assert walk(ASKS, Base.of("7")) == Quote.of("714")
    assert walk(ASKS, 0) == 0


def test_a_ladder_that_ends_too_early_has_no_cost_and_no_average() -> None:
    assert walk(ASKS, Base.of("7.001")) is None
    with pytest.raises(ValueError, match=r"7\.001.*holds 7"):
        curve_of(ASKS).vwap(Base.of("7.001"))
    with pytest.raises(ValueError, match="average price of 0"):
        curve_of(ASKS).vwap(0)


def test_the_average_price_is_rounded_down_at_the_eighteenth_decimal() -> None:
    assert curve_of(ASKS).vwap(Base.of("3")) == Price.of("100.666666666666666666")
    assert notional(curve_of(ASKS).vwap(Base.of("2")), Base.of("2")) == Quote.of("201")


def test_depth_within_a_slippage_includes_the_level_on_its_edge() -> None:
    assert depth_within(ASKS, Bps.of(0)) == Quote.of("100")
    assert depth_within(ASKS, Bps.of(100)) == Quote.of("302")
    assert depth_within(ASKS, Bps.of("299.999")) == Quote.of("302")
    assert depth_within(ASKS, Bps.of(300)) == Quote.of("714")
    assert depth_within(tuple(reversed(ASKS)), Bps.of(500)) == Quote.of("714")
    assert depth_within((), Bps.of(500)) == 0


# -- what bars entering however good the books are -----------------------------------------------------------


def at(day: str, time: str) -> int:
    """Venue time: 2026-11-23 is a Monday."""
    date = {"Sun": "22", "Mon": "23", "Tue": "24", "Thu": "26"}[day]
    return int(datetime.fromisoformat(f"2026-11-{date}T{time}+00:00").timestamp() * 1000)


@pytest.mark.parametrize(
    ("day", "time", "closed"),
    [
        ("Mon", "13:49:59.999", False),
        ("Mon", "13:50:00", True),
        ("Mon", "14:19:59.999", True),
        ("Mon", "14:20:00", False),
        ("Thu", "14:00:00", True),
        ("Tue", "14:00:00", False),
        ("Sun", "14:00:00", False),
    ],
)
def test_a_window_is_closed_from_its_first_minute_up_to_and_without_its_last(
    day: str, time: str, closed: bool
) -> None:
    settings = msgspec.structs.replace(
        SETTINGS, no_entry_utc=(WeeklyWindow(0, 830, 860), WeeklyWindow(3, 830, 860))
    )
    denial = closed_window(at(day, time), settings)
    assert (denial is not None) == closed
    if denial:
        assert (denial.code, f"{day} 13:50-14:20 UTC" in denial.detail) == ("NO_ENTRY_WINDOW", True)


def test_a_day_that_has_cost_its_limit_is_over_and_a_cent_less_is_not() -> None:
    assert daily_loss(held(day_loss=Quote.of("49.99")), SETTINGS) is None
    denial = daily_loss(held(day_loss=Quote.of("50")), SETTINGS)
    assert denial == Denial(
        "MAX_DAILY_LOSS", "this UTC day has cost 50.00 USD, limit 50.00 USD; nothing more is entered"
    )
