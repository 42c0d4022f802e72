"""The cheapest way out of an uneven pair, on books made for each case."""

import random
from fractions import Fraction
from typing import Any

import msgspec
import pytest

from actors.sizing.repair import Way, cheapest
from messages.lifecycle import Held
from messages.market import LegQuote, Level, PairQuote
from messages.settings import Settings
from messages.units import DOLLAR_NEUTRAL, ONE, Base, Bps, Price, Quote, Rate, imbalance, notional
from tests.actors.fakes import RULES, START_MS, held, ladder, quote

THOUSAND = Settings()


def uneven(eth: str, sol: str, *, wanted: tuple[str, str] = ("0.357", "-8.5"), **changes: Any) -> Held:
    prices = {"eth_vwap": Price.of("2756.9"), "sol_vwap": Price.of("115.86")}
    amounts = {
        "eth": Base.of(eth),
        "sol": Base.of(sol),
        "eth_wanted": Base.of(wanted[0]),
        "sol_wanted": Base.of(wanted[1]),
    }
    return held(phase="uneven", cycle=1, enters=1, **(prices | amounts | changes))


def way_out(standing: Held, book: PairQuote | None = None, settings: Settings = THOUSAND) -> Way:
    return cheapest(standing, book or quote(), settings, RULES)


def with_sol(**changes: Any) -> PairQuote:
    book = quote()
    return msgspec.structs.replace(book, sol=msgspec.structs.replace(book.sol, **changes))


def test_a_leg_that_never_came_is_completed_with_exactly_what_is_missing() -> None:
    """O3, O11: the other leg is left alone."""
    way = way_out(uneven("0.357", "0"))
    assert (way.name, way.eth, way.sol) == ("complete", 0, Base.of("-8.5"))


def test_the_mirrored_pair_is_completed_on_its_own_side() -> None:
    way = way_out(uneven("-0.357", "0", wanted=("-0.357", "8.5")))
    assert (way.name, way.eth, way.sol) == ("complete", 0, Base.of("8.5"))


def test_a_leg_that_cannot_be_bought_within_the_slippage_is_not_completed_but_the_other_closed() -> None:
    thin = (Level(Price.of("115.86"), Base.of("0.1")), Level(Price.of("110"), Base.of("1000")))
    assert way_out(uneven("0.357", "0"), with_sol(bids=thin)).name == "flatten"


def test_a_pair_that_a_price_move_would_leave_unbalanced_is_adjusted_to_one_that_keeps_the_promise() -> None:
    """SOL fell 0.3 % while it was missing: 8.5 SOL no longer balance 0.357 ETH, other lots do."""
    moved = with_sol(
        bids=ladder("115.51", "0.01", "1000", up=False), asks=ladder("115.52", "0.01", "1000", up=True)
    )
    standing = uneven("0.357", "0")
    way = way_out(standing, moved)
    assert way.name in {"adjust", "flatten"}
    if way.name == "adjust":
        eth = notional(standing.eth.vwap, standing.eth.amount + way.eth)
        assert imbalance(eth, notional(Price.of("115.51"), way.sol), DOLLAR_NEUTRAL) <= THOUSAND.max_imbalance


def test_a_remainder_too_small_to_be_sent_is_met_by_trimming_the_other_leg() -> None:
    """O13: 0.5 SOL (58 USD) are missing, less than the venue takes."""
    standing = uneven("0.357", "-8")
    way = way_out(standing)
    assert way.name == "trim"
    assert way.eth < 0
    assert way.sol == 0
    left = notional(standing.eth.vwap, standing.eth.amount + way.eth)
    assert (
        imbalance(left, notional(standing.sol.vwap, standing.sol.amount), DOLLAR_NEUTRAL)
        <= THOUSAND.max_imbalance
    )


@pytest.mark.parametrize("ratio", ["1", "0.8"])
def test_an_average_price_of_18_decimals_keeps_no_leg_from_being_trimmed(ratio: str) -> None:
    """SOL filled at several prices: what is held costs a fraction of 10**-18 USD more than its rounded
    notional, and a window that ended there left it out, so that a pair was closed instead.
    """
    sol, wanted = ("-7.9", "-8.5") if ratio == "1" else ("-6.3", "-6.8")
    average = Price.of("115.861234567890123457")
    standing = uneven("0.357", sol, wanted=("0.357", wanted), sol_vwap=average, hedge_ratio=Rate.of(ratio))
    way = way_out(standing)
    assert (way.name, way.sol) == ("trim", 0)


def test_two_partial_legs_become_a_smaller_pair() -> None:
    standing = uneven("0.3", "-5")
    way = way_out(standing)
    assert way.name == "adjust"
    assert way.eth <= 0
    assert way.sol < 0, "the lagging leg is completed"


def test_nothing_but_closing_is_left_for_what_the_entry_did_not_want() -> None:
    """R4, --adopt: a leg of unknown origin, or larger than the plan, or the wrong way round."""
    for standing in (uneven("0.357", "0", wanted=("0", "0")), uneven("0.4", "0"), uneven("-0.1", "0")):
        assert way_out(standing).name == "flatten"


def test_a_book_40_bps_wide_forbids_completing_because_the_promise_would_not_hold() -> None:
    """Of a pair that is to be opened again, crossing a wide book is paid for either way."""
    wide = with_sol(
        bids=ladder("115.40", "0.01", "1000", up=False), asks=ladder("115.86", "0.01", "1000", up=True)
    )
    standing = uneven("0.357", "0", sol_vwap=Price(0))
    completing, closing = way_out(standing, wide), way_out(uneven("0.357", "0", wanted=("0", "0")), wide)
    assert completing.cost > closing.cost
    assert completing.name != "complete", (
        "8.5 SOL at 115.40 against 0.357 ETH is 0.35 % off: the promise forbids it"
    )


def test_a_leg_paid_at_a_price_that_is_not_known_is_reckoned_at_the_mid() -> None:
    assert way_out(uneven("0.357", "0", eth_vwap=Price(0), wanted=("0.357", "-8.5"))).name in {
        "complete",
        "adjust",
    }


def _random_case(chance: random.Random, ratio: Rate = DOLLAR_NEUTRAL) -> tuple[Held, PairQuote]:
    sign = chance.choice((1, -1))
    eth_price, sol_price = (
        Price(chance.randint(15_000, 50_000) * ONE // 10),
        Price(chance.randint(6_000, 30_000) * ONE // 100),
    )
    eth_lots = chance.randint(10, 2_000)
    equal = max(1, round(eth_lots * eth_price * ratio / ONE / sol_price / 100))
    wanted = eth_lots, chance.choice((equal, chance.randint(5, 1_000)))
    got = (
        chance.choice((wanted[0], chance.randint(0, wanted[0]))),
        chance.choice((0, wanted[1], chance.randint(0, wanted[1]))),
    )
    eth_step, sol_step = RULES.eth.size_step, RULES.sol.size_step
    amounts = {
        "eth": got[0] * eth_step,
        "sol": -got[1] * sol_step,
        "eth_wanted": wanted[0] * eth_step,
        "sol_wanted": -wanted[1] * sol_step,
    }
    standing = held(
        phase="uneven",
        cycle=1,
        enters=1,
        eth_vwap=eth_price,
        sol_vwap=sol_price,
        hedge_ratio=ratio,
        **{name: Base(sign * amount) for name, amount in amounts.items()},
    )
    return standing, PairQuote(
        1,
        START_MS,
        _book(chance, 4, eth_price, "0.1"),
        _book(chance, 8, sol_price, "0.01"),
        venue_active=True,
    )  # type: ignore[arg-type]


def _book(chance: random.Random, product: int, price: Price, tick: str) -> LegQuote:
    step, moved = Price.of(tick), Price(price + chance.randint(-20, 20) * Price.of(tick))
    sizes = [Base(chance.randint(1, 400) * ONE) for _ in range(10)]
    bids = tuple(Level(Price(moved - i * step), size) for i, size in enumerate(sizes))
    asks = tuple(Level(Price(moved + (i + 1) * step), size) for i, size in enumerate(sizes))
    return LegQuote(product, bids, asks, START_MS, moved, "live")  # type: ignore[arg-type]


@pytest.mark.parametrize("ratio", ["1", "0.8", "1.25"])
@pytest.mark.parametrize("seed", range(200))
def test_whatever_is_chosen_lowers_the_exposure_stays_within_the_entry_and_keeps_the_promise(
    seed: int, ratio: str
) -> None:
    """O9, O14, I2. Repeat one with: pytest tests/actors/sizing/test_repair.py -k 'promise and [SEED'."""
    hedged, share = Rate.of(ratio), Fraction(ratio)
    standing, book = _random_case(random.Random(seed), hedged)
    way = cheapest(standing, book, THOUSAND, RULES)
    eth, sol = standing.eth.amount + way.eth, standing.sol.amount + way.sol
    if way.name == "flatten":
        assert (eth, sol) == (0, 0)
        return
    before = abs(standing.eth.amount * book.eth.mid + standing.sol.amount * book.sol.mid / share)
    assert abs(eth * book.eth.mid + sol * book.sol.mid / share) < before
    assert 0 < abs(eth) <= abs(standing.eth.wanted)
    assert 0 < abs(sol) <= abs(standing.sol.wanted)
    assert (way.eth % RULES.eth.size_step, way.sol % RULES.sol.size_step) == (0, 0)
    paid = [
        _paid(standing.eth.amount, way.eth, standing.eth.vwap, book.eth),
        _paid(standing.sol.amount, way.sol, standing.sol.vwap, book.sol),
    ]
    assert imbalance(*paid, hedged) <= THOUSAND.max_imbalance
    for amount, wanted, leg in (
        (way.eth, standing.eth.wanted, book.eth),
        (way.sol, standing.sol.wanted, book.sol),
    ):
        if amount * wanted > 0:
            assert _walked(amount, leg) >= RULES.eth.min_notional


def _paid(kept: int, order: int, vwap: Price, leg: LegQuote) -> Quote:
    """What the pair that is left has cost: a trim takes from what was paid, a completion adds what the
    book asks.
    """
    if order * kept < 0:
        return notional(vwap, abs(kept + order))
    return Quote(notional(vwap, kept) + _walked(order, leg))


def _walked(order: int, leg: LegQuote) -> int:
    cost, left = 0, abs(order)
    for level in leg.asks if order > 0 else leg.bids:
        cost += notional(level.price, min(left, level.amount))
        left -= min(left, level.amount)
    return cost


@pytest.mark.parametrize("ratio", ["1", "0.8", "1.25"])
def test_of_the_random_cases_every_way_is_taken_by_some(ratio: str) -> None:
    cases = (_random_case(random.Random(seed), Rate.of(ratio)) for seed in range(300))
    assert {cheapest(*case, THOUSAND, RULES).name for case in cases} == {
        "complete",
        "trim",
        "adjust",
        "flatten",
    }


def test_a_pair_at_a_hedge_ratio_is_completed_and_trimmed_to_that_ratio() -> None:
    """0.357 ETH are 984 USD; with 0.8, 6.8 SOL hedge them, and 8.5 do not."""
    lone = uneven("0.357", "0", wanted=("0.357", "-6.8"), hedge_ratio=Rate.of("0.8"))
    assert (way_out(lone).name, way_out(lone).sol) == ("complete", Base.of("-6.8"))
    dollars = uneven("0.357", "0", wanted=("0.357", "-8.5"), hedge_ratio=Rate.of("0.8"))
    assert way_out(dollars).name != "complete"
    short = uneven("0.357", "-6.4", wanted=("0.357", "-6.8"), hedge_ratio=Rate.of("0.8"))
    way = way_out(short)
    assert way.name == "trim"
    left = notional(short.eth.vwap, short.eth.amount + way.eth)
    held_sol = notional(short.sol.vwap, short.sol.amount)
    assert imbalance(left, held_sol, Rate.of("0.8")) <= THOUSAND.max_imbalance


def test_with_no_tolerance_at_all_a_pair_that_cannot_be_exact_is_closed() -> None:
    assert way_out(uneven("0.357", "0"), settings=Settings(max_imbalance=Bps(0))).name == "flatten"


def test_what_would_raise_the_exposure_at_the_mids_of_now_is_not_done_however_balanced_it_was_paid_for() -> (
    None
):
    """SOL rose while ETH led by what was paid: trimming ETH would even out the prices paid and leave more
    alone than before.
    """
    risen = with_sol(
        bids=ladder("160.00", "0.01", "1000", up=False), asks=ladder("160.01", "0.01", "1000", up=True)
    )
    assert way_out(uneven("0.357", "-7"), risen).name == "flatten"
