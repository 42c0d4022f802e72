"""Funding: what a pair receives, which side is taken for it, what a pair is kept for. Against fractions, and
at each edge.
"""

from fractions import Fraction
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.risk.exits import exit_rule
from actors.risk.funding import (
    HOUR_MS,
    PAID_WITHIN_MS,
    RATE_AGE_MS,
    WAIT_RISK,
    FundingWait,
    best_wait,
    funded_legs,
    funding_exit,
    funding_times,
    kept_for_funding,
    known_rate,
    next_funding_ms,
    pair_funding,
    received,
    side_for_funding,
)
from messages.lifecycle import Directive, Held
from messages.market import FundingRate, PairQuote
from messages.settings import Limits, Settings
from messages.units import ONE, Base, Bps, Ms, Quote, Rate, notional
from tests.actors.fakes import RULES, START_MS, held, quote

CAP = 2 * ONE // 100
HOUR = START_MS // HOUR_MS * HOUR_MS
RATES = st.integers(-CAP, CAP)
AMOUNTS = st.integers(-(10**22), 10**22)
TARGET, TRIP = Quote(1000 * ONE), Quote.of("1.5")
A_DAY = [*range(0, HOUR_MS, 60_000)]


def rated(eth: int | None, sol: int | None, *, age_ms: int = 0, now_ms: int = START_MS) -> PairQuote:
    """A quote with these rates; None: that one was never said."""
    seen = quote(now_ms)
    said = [
        None if rate is None else FundingRate(product, Rate(rate), Ms(now_ms - age_ms))
        for product, rate in ((4, eth), (8, sol))
    ]
    legs = (
        msgspec.structs.replace(leg, funding=each)
        for leg, each in zip((seen.eth, seen.sol), said, strict=True)
    )
    return PairQuote(seen.version, seen.at_ms, *legs, venue_active=True)


def receives(seen: PairQuote, eth: int, sol: int) -> Quote | None:
    return received(*funded_legs(seen, eth, sol), START_MS)


def funded_pair(entered_ms: int = START_MS, *, long_eth: bool = True) -> Held:
    sign = 1 if long_eth else -1
    return held(
        phase="open",
        cycle=1,
        enters=1,
        direction="long-eth" if long_eth else "long-sol",
        eth=Base(sign * 363 * ONE // 1000),
        sol=Base(-sign * 86 * ONE // 10),
        entered_ms=Ms(entered_ms),
    )


# -- what a pair receives ------------------------------------------------------------------------------------


@given(AMOUNTS, AMOUNTS, RATES, RATES)
def test_a_pair_receives_a_24th_of_its_rates_and_the_mirror_the_opposite(
    eth: int, sol: int, eth_rate: int, sol_rate: int
) -> None:
    seen = rated(eth_rate, sol_rate)
    got, mirrored = receives(seen, eth, sol), receives(seen, -eth, -sol)
    if not (eth or sol):
        assert (got, mirrored) == (None, None)
        return
    prices = (int(seen.eth.oracle or 0), int(seen.sol.oracle or 0))
    exact = -sum(
        Fraction(amount * price * rate, 24 * ONE**2)
        for amount, price, rate in zip((eth, sol), prices, (eth_rate, sol_rate), strict=True)
    )
    assert got is not None
    assert mirrored == -got
    assert abs(got) <= abs(exact) < abs(got) + 1
    assert got * exact >= 0


def test_longs_pay_a_rate_above_0() -> None:
    seen = rated(CAP // 2, 0)
    assert (receives(seen, ONE, 0) or 0) < 0 < (receives(seen, -ONE, 0) or 0)


@pytest.mark.parametrize(
    ("seen", "eth", "sol"),
    [
        (rated(None, 5), 1, 0),
        (rated(5, None), 1, -1),
        (rated(5, 5, age_ms=RATE_AGE_MS + 1), 1, -1),
        (rated(5, 5, age_ms=-RATE_AGE_MS - 1), 1, -1),
        (rated(5, 5), 0, 0),
    ],
)
def test_what_is_unknown_is_none_and_never_0(seen: PairQuote, eth: int, sol: int) -> None:
    assert receives(seen, eth * ONE, sol * ONE) is None


def test_a_rate_counts_for_an_hour_and_one_of_the_other_leg_is_not_needed() -> None:
    old = rated(ONE // 1000, None, age_ms=RATE_AGE_MS)
    assert known_rate(old.eth.funding, START_MS) == ONE // 1000
    assert receives(old, -24 * ONE, 0) == (old.eth.oracle or 0) // 1000
    known = pair_funding(*funded_legs(old, 0, 0), START_MS)
    assert (known.eth, known.sol, known.per_hour) == (ONE // 1000, None, None)
    assert (known.eth_age_ms, known.sol_age_ms) == (RATE_AGE_MS, None)


def test_the_next_payment_is_at_the_next_full_hour() -> None:
    assert next_funding_ms(HOUR) == HOUR + HOUR_MS
    assert next_funding_ms(HOUR + HOUR_MS - 1) == HOUR + HOUR_MS


# -- which side ----------------------------------------------------------------------------------------------


@given(
    st.none() | RATES,
    st.none() | RATES,
    st.sampled_from(("", "long-eth", "long-sol")),
    st.sampled_from((1, -1)),
    st.integers(0, 50 * ONE),
)
def test_a_side_is_changed_for_more_than_a_round_trip_and_every_choice_has_one_rule(
    eth: int | None, sol: int | None, last: str, otherwise: int, trip: int
) -> None:
    side = side_for_funding(rated(eth, sol), last, otherwise, (TARGET, TARGET), Quote(trip), START_MS)
    stays = {"long-eth": 1, "long-sol": -1}.get(last, otherwise)
    if eth is None or sol is None:
        assert (side.sign, side.rule) == (stays, "FUNDING_UNKNOWN")
        return
    # in 24 hours, of long ETH / short SOL
    receives = Fraction(TARGET) * (sol - eth) / ONE
    gains = 2 * abs(receives)
    if abs(receives) * 2 < 1:
        assert (side.sign, side.rule) == (stays, "FUNDING_EVEN")
    elif side.rule == "FUNDING_MORE":
        assert side.sign * receives > 0
        assert last == "" or side.sign == stays or gains > trip
    else:
        assert (side.sign, side.rule) == (stays, "FUNDING_KEPT")
        assert side.sign * receives < 0
        assert gains < trip + 1


@given(st.lists(st.tuples(RATES, RATES), min_size=2, max_size=40))
def test_over_any_rates_no_two_changes_of_side_come_from_noise(rates: list[tuple[int, int]]) -> None:
    """Between a change and the next one the difference of the rates has moved by a round trip at least."""
    last, changed = "", list[int]()
    for eth, sol in rates:
        side = side_for_funding(rated(eth, sol), last, 1, (TARGET, TARGET), TRIP, START_MS)
        name = "long-eth" if side.sign > 0 else "long-sol"
        if last not in {"", name}:
            changed.append(sol - eth)
        last = name
    for one, other in pairwise(changed):
        assert one * other < 0
        assert abs(one - other) * 2 * TARGET // ONE > 2 * TRIP - 2


def test_the_round_trip_itself_is_not_enough() -> None:
    """1.50 USD of 1,000 USD a leg: 7.5 bps a day on either leg are exactly a round trip for both sides."""
    exactly = 75 * ONE // 100_000
    kept = side_for_funding(rated(exactly, 0), "long-eth", 1, (TARGET, TARGET), TRIP, START_MS)
    changes = side_for_funding(rated(exactly + 10**4, 0), "long-eth", 1, (TARGET, TARGET), TRIP, START_MS)
    assert (kept.sign, kept.rule) == (1, "FUNDING_KEPT")
    assert kept.detail == (
        "long SOL receives 1.50 USD a day more than long ETH, not more than a round trip costs, 1.50 USD:"
        " long ETH as the last pair"
    )
    assert (changes.sign, changes.rule) == (-1, "FUNDING_MORE")


def test_an_old_rate_is_said_to_be_old() -> None:
    seen = rated(0, 0, age_ms=75 * 60_000)
    side = side_for_funding(seen, "", -1, (TARGET, TARGET), TRIP, START_MS)
    assert (side.sign, side.rule) == (-1, "FUNDING_UNKNOWN")
    assert side.detail == "ETH's funding rate is 75 min old: as alternate takes it: long SOL"


# -- whether a pair is kept ----------------------------------------------------------------------------------


def every_wait(hourly: int, leg: int, now_ms: int, latest_ms: int) -> list[FundingWait]:
    """Every wait there is, one after the other."""
    found = []
    for hour in range(now_ms // HOUR_MS, latest_ms // HOUR_MS + 2):
        until_ms = hour * HOUR_MS + PAID_WITHIN_MS
        risk = next((risk for longest, risk in WAIT_RISK if until_ms - now_ms <= longest), None)
        if now_ms < until_ms <= latest_ms and risk is not None:
            number = len(found) + 1
            risks = Quote(leg * risk // (10_000 * ONE))
            found.append(FundingWait(number, Ms(until_ms), Quote(number * hourly), risks))
    return found


@given(
    st.integers(-20 * ONE, 20 * ONE),
    st.integers(0, 2000 * ONE),
    st.integers(0, HOUR_MS),
    st.integers(0, 12 * HOUR_MS),
)
def test_the_best_wait_is_the_best_of_all_and_none_is_beyond_its_limit(
    hourly: int, leg: int, into_ms: int, for_ms: int
) -> None:
    now_ms = HOUR + into_ms
    best, each = (
        best_wait(hourly, leg, now_ms, now_ms + for_ms),
        every_wait(hourly, leg, now_ms, now_ms + for_ms),
    )
    assert (best is None) == (not each)
    if best is not None:
        assert best in each
        assert best.earns - best.risks == max(wait.earns - wait.risks for wait in each)
        assert best.worth_it == any(wait.earns > wait.risks for wait in each)
        assert not (best.worth_it and hourly <= 0)


def test_what_waiting_risks_are_the_upper_ends_of_what_was_measured() -> None:
    assert [(longest // 1000, int(risk) // ONE) for longest, risk in WAIT_RISK] == [
        (60, 9),
        (600, 25),
        (3_600, 56),
        (28_800, 185),
    ]


KEEPS = Settings(hold=Ms(60_000), hold_for_funding=Ms(8 * HOUR_MS))
"""The hold is over before each moment that is asked about here."""


@pytest.mark.parametrize(
    ("before_s", "eth", "sol", "kept"),
    [
        (40, CAP, -CAP, True),
        (40, CAP, 0, False),
        (40, -CAP, CAP, False),
        (50, CAP, -CAP, True),
        (51, CAP, -CAP, False),
        (40, CAP, None, False),
    ],
)
def test_a_short_pair_is_kept_for_one_payment_at_the_cap_in_the_last_minute_before_it(
    before_s: int, eth: int | None, sol: int | None, kept: bool
) -> None:
    """Long SOL, short ETH at 2 % a day on either leg earn 16.7 bps an hour; a minute risks 9, ten 25."""
    now_ms = HOUR + HOUR_MS - before_s * 1000
    pair = funded_pair(now_ms - 300_000, long_eth=False)
    wait = kept_for_funding(pair, rated(eth, sol, now_ms=now_ms), KEEPS, 60_000, now_ms)
    assert (wait is not None) == kept
    if wait is not None:
        assert (wait.payments, wait.until_ms) == (1, HOUR + HOUR_MS + PAID_WITHIN_MS)


def test_nothing_is_kept_before_its_hold_is_over_beyond_the_limit_or_without_the_key() -> None:
    now_ms = HOUR + HOUR_MS - 30_000
    seen, pair = rated(CAP, -CAP, now_ms=now_ms), funded_pair(now_ms - 300_000, long_eth=False)
    assert kept_for_funding(pair, seen, KEEPS, 60_000, now_ms)
    assert kept_for_funding(pair, seen, KEEPS, 300_001, now_ms) is None
    assert kept_for_funding(pair, seen, Settings(), 60_000, now_ms) is None
    short = Settings(hold=Ms(60_000), hold_for_funding=Ms(240_000 + 30_000 + PAID_WITHIN_MS - 1))
    assert kept_for_funding(pair, seen, short, 60_000, now_ms) is None
    enough = Settings(hold=Ms(60_000), hold_for_funding=Ms(240_000 + 30_000 + PAID_WITHIN_MS))
    assert kept_for_funding(pair, seen, enough, 60_000, now_ms)


@given(st.integers(0, 4 * HOUR_MS), st.integers(0, 4 * HOUR_MS))
def test_a_pair_that_leaves_late_names_how_many_payments_it_stayed_for(into_ms: int, for_ms: int) -> None:
    entered_ms, now_ms = HOUR + into_ms, HOUR + into_ms + 60_000 + for_ms
    rule = funding_exit(funded_pair(entered_ms), rated(0, 0, now_ms=now_ms), KEEPS, 60_000, now_ms)
    hours = [
        hour
        for hour in range(HOUR, now_ms + HOUR_MS, HOUR_MS)
        if entered_ms + 60_000 < hour and hour + PAID_WITHIN_MS <= now_ms
    ]
    assert funding_times(entered_ms + 60_000, now_ms - PAID_WITHIN_MS) == len(hours)
    assert rule.code == ("FUNDING_HELD" if hours else "HOLD")


def test_why_a_pair_is_not_kept_is_said() -> None:
    now_ms = HOUR + HOUR_MS - 600_000 + PAID_WITHIN_MS
    pair = funded_pair(now_ms - 60_000)
    rule = funding_exit(pair, rated(-ONE // 1000, 0, now_ms=now_ms), KEEPS, 60_000, now_ms)
    assert (rule.code, rule.detail) == (
        "HOLD",
        "held for 60000 ms, hold = 60000 ms; not kept for funding: 1 payment until 2026-09-21 15:00:10 UTC"
        " earns 0.04 USD, waiting for it risks 2.50 USD",
    )
    rule = funding_exit(pair, rated(None, 0, now_ms=now_ms), KEEPS, 60_000, now_ms)
    assert rule.detail.endswith("not kept for funding: the exchange has not said ETH's funding rate")
    rule = funding_exit(pair, rated(None, 0, now_ms=now_ms), Settings(), 60_000, now_ms)
    assert rule.detail == "held for 60000 ms, hold = 60000 ms"


def test_an_hour_that_earns_exactly_what_it_risks_is_not_waited_for() -> None:
    leg = Quote(1000 * ONE)
    risk = Quote(leg * Bps(56 * ONE) // (10_000 * ONE))
    even = best_wait(risk, leg, HOUR + PAID_WITHIN_MS, HOUR + HOUR_MS + PAID_WITHIN_MS)
    more = best_wait(risk + 1, leg, HOUR + PAID_WITHIN_MS, HOUR + HOUR_MS + PAID_WITHIN_MS)
    assert (even is not None and even.worth_it, more is not None and more.worth_it) == (False, True)


LIMITED = msgspec.structs.replace(KEEPS, limits=Limits(max_hold=Ms(3 * HOUR_MS)))


@given(
    st.integers(0, 80_000) | st.integers(0, HOUR_MS),
    st.integers(0, 200_000) | st.integers(0, 4 * HOUR_MS),
    st.just((CAP, -CAP)) | st.tuples(st.none() | RATES, st.none() | RATES),
    st.booleans(),
    st.booleans(),
)
def test_every_exit_of_a_pair_that_may_be_kept_names_one_rule_that_holds_and_none_is_missed(
    before_ms: int, for_ms: int, rates: tuple[int | None, int | None], poor: bool, leave: bool
) -> None:
    """Half of the moments are shortly before a full hour, half of the rates at the cap."""
    now_ms = HOUR + 5 * HOUR_MS - before_ms
    entered_ms = now_ms - for_ms
    pair = msgspec.structs.replace(
        funded_pair(entered_ms, long_eth=False), initial_health=Quote(-1 if poor else ONE)
    )
    seen = rated(*rates, now_ms=now_ms)
    directive = Directive(enter=not leave, leave_now=leave, reason="SIGINT" if leave else "")
    rule = exit_rule(pair, seen, LIMITED, RULES, directive, now_ms)
    over_ms = entered_ms + 60_000
    leg = max(notional(seen.eth.mid, pair.eth.amount), notional(seen.sol.mid, pair.sol.amount))
    hourly = received(*funded_legs(seen, pair.eth.amount, pair.sol.amount), now_ms)
    until_ms = over_ms + LIMITED.hold_for_funding
    kept = hourly is not None and any(wait.worth_it for wait in every_wait(hourly, leg, now_ms, until_ms))
    stood = funding_times(over_ms, now_ms - PAID_WITHIN_MS) > 0
    holds = {
        "SIGINT": leave,
        "MAX_HOLD": now_ms >= entered_ms + 3 * HOUR_MS,
        "MARGIN_CALL": poor,
        "FUNDING_HELD": now_ms >= over_ms and not kept and stood,
        "HOLD": now_ms >= over_ms and not kept and not stood,
    }
    assert (rule is None) == (not any(holds.values()))
    if rule is not None:
        assert holds[rule.code]
