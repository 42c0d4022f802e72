"""Funding: what a pair earns or pays by the hour, which side is taken for it, and whether a pair that could
leave is kept for it. Pure, integers x18.

    rate      of one product, per 24 hours, a share of the index price; > 0: longs pay shorts
    payment   at every full hour, a 24th of the rate on what is held at that moment, since whenever
    a leg     receives -(amount x index price x rate) / 24; < 0 is paid; the pair receives the sum of both

A rate is known while it is at most `RATE_AGE_MS` old. One that is older, or was never said, is unknown and
never 0: nobody receives anything by it, and each rule below says what it does then.

Which side (`direction = "funding"`). The sign of funding is worth a few USD per 1,000,000 USD traded, a round
trip costs about 380, so it only breaks the tie between two sides that cost the same, and a side is changed
for more than a round trip alone:

    FUNDING_MORE     this side receives more: of a first pair; later it already was the side, or the other one
                     would receive less by more than a round trip costs, in 24 hours
    FUNDING_KEPT     the other side receives more, but not by that much: the side of the last pair stays
    FUNDING_EVEN     both receive the same: the side of the last pair, of a first one what `alternate` takes
    FUNDING_UNKNOWN  a rate is unknown: the same

Whether a pair is kept (`hold_for_funding`), once its `hold` is over: while the payments until some funding
time earn more than the pair's value moves until then, by one standard deviation (`WAIT_RISK`).

    FUNDING_WAIT     it is kept: what the screen and the log say
    FUNDING_HELD     it leaves after it was kept over a funding time at least (else the rule is HOLD)
"""

from typing import Literal, NamedTuple

from messages.amounts import usd
from messages.lifecycle import Denial, Held
from messages.market import FundingRate, PairQuote
from messages.settings import Settings, utc_text
from messages.units import ONE, Bps, Ms, Quote, Rate, notional

HOUR_MS = 3_600_000
HOURS = 24
"""That a rate is for; a payment is for one of them."""
RATE_AGE_MS = HOUR_MS
"""A rate is the average of the hour that is running: from a whole hour ago it says nothing of this one."""
PAID_WITHIN_MS = 10_000
"""So long after a full hour a payment has been made, whatever our clock and the venue's differ by."""
WAIT_RISK: tuple[tuple[int, Bps], ...] = (
    (60_000, Bps(9 * ONE)),
    (600_000, Bps(25 * ONE)),
    (HOUR_MS, Bps(56 * ONE)),
    (8 * HOUR_MS, Bps(185 * ONE)),
)
"""One standard deviation of the pair's value in so many milliseconds, of one leg's notional: the upper ends
of 7-9, 19-25, 45-56 and 120-185 bps that were measured. A wait counts as the next longer of these.
"""
SideRule = Literal["", "FUNDING_MORE", "FUNDING_KEPT", "FUNDING_EVEN", "FUNDING_UNKNOWN"]
"""By which a side is taken; "": by another `direction`."""
FUNDING_WAIT = "FUNDING_WAIT"


class PairFunding(NamedTuple):
    """What is known of both rates at one moment, and what the pair comes to by them."""

    eth: Rate | None
    sol: Rate | None
    """Per 24 hours; None: unknown, because it was never said or is too old."""
    eth_age_ms: Ms | None
    sol_age_ms: Ms | None
    """Since the venue reckoned it; None: it was never said."""
    per_hour: Quote | None
    """USD that this pair receives at the next funding time, < 0 = pays; None: nothing is held, or the rate of
    what is held is unknown.
    """
    next_ms: Ms
    """Venue time of the next payment."""
    holds: bool
    """Is anything held?"""


class FundedLeg(NamedTuple):
    """What is held of one product, signed, and what its funding is reckoned on."""

    amount: int
    index_price: int
    """x18, or the mid near it; 0: not known."""
    said: FundingRate | None


class Side(NamedTuple):
    """The side that a cycle takes, by which rule, and why in a sentence."""

    sign: int
    """+1: long ETH, short SOL; -1: the mirror."""
    rule: SideRule
    detail: str


class FundingWait(NamedTuple):
    """A number of payments, what they earn, and what waiting for them risks; USD x18."""

    payments: int
    until_ms: Ms
    """Venue time at which the last of them has been made."""
    earns: Quote
    risks: Quote

    @property
    def worth_it(self) -> bool:
        """Only what earns more than it risks is waited for."""
        return self.earns > self.risks


# -- rates ---------------------------------------------------------------------------------------------------


def known_rate(said: FundingRate | None, now_ms: int) -> Rate | None:
    """The rate, per 24 hours; None where it was never said, or is older than `RATE_AGE_MS` or as far ahead of
    venue time `now_ms`.
    """
    return said.rate if said is not None and abs(now_ms - said.at_ms) <= RATE_AGE_MS else None


def next_funding_ms(now_ms: int) -> Ms:
    """Venue time of the first full hour after `now_ms`."""
    return Ms((now_ms // HOUR_MS + 1) * HOUR_MS)


def funded_legs(quote: PairQuote, eth: int, sol: int) -> tuple[FundedLeg, FundedLeg]:
    """These signed amounts at a quote. Funding is reckoned on the index price; where the venue does not say
    one the mid is near it.
    """
    return (
        FundedLeg(eth, quote.eth.oracle or quote.eth.mid, quote.eth.funding),
        FundedLeg(sol, quote.sol.oracle or quote.sol.mid, quote.sol.funding),
    )


def pair_funding(eth: FundedLeg, sol: FundedLeg, now_ms: int) -> PairFunding:
    """Rates of now, and what the pair receives by them."""
    return PairFunding(
        known_rate(eth.said, now_ms),
        known_rate(sol.said, now_ms),
        _age_ms(eth, now_ms),
        _age_ms(sol, now_ms),
        received(eth, sol, now_ms),
        next_funding_ms(now_ms),
        bool(eth.amount or sol.amount),
    )


def _age_ms(leg: FundedLeg, now_ms: int) -> Ms | None:
    return None if leg.said is None else Ms(max(0, now_ms - leg.said.at_ms))


def received(eth: FundedLeg, sol: FundedLeg, now_ms: int) -> Quote | None:
    """USD (x18) that the pair receives at one funding time, < 0 = pays; None where nothing is held, or a rate
    or price that it takes is unknown. The mirrored pair receives exactly the opposite.
    """
    total, held = 0, [leg for leg in (eth, sol) if leg.amount]
    for leg in held:
        rate = known_rate(leg.said, now_ms)
        if rate is None or not leg.index_price:
            return None
        total -= leg.amount * leg.index_price * rate
    # x54; toward zero, so that no side gains by rounding
    return Quote(_toward_zero(total, HOURS * ONE * ONE)) if held else None


def _toward_zero(number: int, divisor: int) -> int:
    return abs(number) // divisor * (1 if number >= 0 else -1)


# -- which side ----------------------------------------------------------------------------------------------


def side_for_funding(
    quote: PairQuote, last: str, otherwise: int, legs: tuple[Quote, Quote], round_trip: Quote, now_ms: int
) -> Side:
    """The side of the next pair. `last`: `Held.direction`, the side of the last pair; `otherwise`: what
    `alternate` would take; `legs`: what ETH and SOL are to be worth; `round_trip`: what entering and leaving
    costs; USD x18.
    """
    kept = {"long-eth": 1, "long-sol": -1}.get(last)
    stays = otherwise if kept is None else kept
    because = (
        f"as alternate takes it: {side_name(stays)}"
        if kept is None
        else f"{side_name(stays)} as the last pair"
    )
    missing = unknown_rate(quote, now_ms)
    if missing:
        return Side(stays, "FUNDING_UNKNOWN", f"{missing}: {because}")
    eth, sol = known_rate(quote.eth.funding, now_ms) or 0, known_rate(quote.sol.funding, now_ms) or 0
    # what long ETH receives in 24 hours more than the mirror does
    ahead = _toward_zero(2 * (legs[1] * sol - legs[0] * eth), ONE)
    if not ahead:
        return Side(stays, "FUNDING_EVEN", f"both sides receive the same: {because}")
    better, by = (1 if ahead > 0 else -1), Quote(abs(ahead))
    more = f"{side_name(better)} receives {usd(by)} USD a day more than {side_name(-better)}"
    if stays == better or kept is None or by > round_trip:
        return Side(better, "FUNDING_MORE", more)
    return Side(
        stays, "FUNDING_KEPT", f"{more}, not more than a round trip costs, {usd(round_trip)} USD: {because}"
    )


def side_name(sign: int) -> str:
    """The side by the leg that it buys."""
    return "long ETH" if sign > 0 else "long SOL"


def unknown_rate(quote: PairQuote, now_ms: int) -> str:
    """Which rate is unknown, and why; "" when both are known."""
    for coin, leg in (("ETH", quote.eth), ("SOL", quote.sol)):
        if leg.funding is None:
            return f"the exchange has not said {coin}'s funding rate"
        if known_rate(leg.funding, now_ms) is None:
            minutes = abs(now_ms - leg.funding.at_ms) // 60_000
            which = "old" if leg.funding.at_ms < now_ms else "ahead of our clock"
            return f"{coin}'s funding rate is {minutes} min {which}"
    return ""


def daily_bps(quote: PairQuote, sign: int, hedge_ratio: Rate, now_ms: int) -> Bps:
    """What a pair on this side receives in 24 hours, < 0 = pays, in parts of its ETH leg. Both rates must be
    known (`unknown_rate`).
    """
    eth, sol = known_rate(quote.eth.funding, now_ms) or 0, known_rate(quote.sol.funding, now_ms) or 0
    return Bps(_toward_zero(sign * (sol * hedge_ratio - eth * ONE) * 10_000, ONE))


# -- whether a pair is kept ----------------------------------------------------------------------------------


def wait_risk(wait_ms: int) -> Bps | None:
    """One standard deviation of the pair's value over a wait, of one leg's notional; None beyond what was
    measured.
    """
    return next((risk for longest_ms, risk in WAIT_RISK if wait_ms <= longest_ms), None)


def best_wait(hourly: int, leg: int, now_ms: int, latest_ms: int) -> FundingWait | None:
    """The wait for funding times until `latest_ms` whose payments come nearest to what it risks, or exceed it
    by most; None when there is none in time. `hourly`: USD received at each, `leg`: the larger leg, x18.
    """
    found: FundingWait | None = None
    first_ms = next_funding_ms(now_ms - PAID_WITHIN_MS)
    for payments in range(1, 2 + max(0, latest_ms - first_ms) // HOUR_MS):
        until_ms = Ms(first_ms + (payments - 1) * HOUR_MS + PAID_WITHIN_MS)
        risk = wait_risk(until_ms - now_ms)
        if until_ms > latest_ms or risk is None:
            return found
        wait = FundingWait(payments, until_ms, Quote(hourly * payments), Quote(leg * risk // (10_000 * ONE)))
        if found is None or wait.earns - wait.risks > found.earns - found.risks:
            found = wait
    return found


def kept_for_funding(
    held: Held, quote: PairQuote, settings: Settings, hold_ms: int, now_ms: int
) -> FundingWait | None:
    """What a pair whose hold is over is kept for at venue time `now_ms`; None: nothing keeps it."""
    wait = funding_wait(held, quote, settings, hold_ms, now_ms)
    return wait if wait is not None and wait.worth_it else None


def funding_wait(
    held: Held, quote: PairQuote, settings: Settings, hold_ms: int, now_ms: int
) -> FundingWait | None:
    """The best wait that `hold_for_funding` allows, worth it or not; None where there is none, or a rate is
    unknown: for what nobody knows nothing is waited for.
    """
    over_ms = held.entered_ms + hold_ms
    if not settings.hold_for_funding or now_ms < over_ms:
        return None
    hourly = received(*funded_legs(quote, held.eth.amount, held.sol.amount), now_ms)
    if hourly is None:
        return None
    leg = max(notional(quote.eth.mid, held.eth.amount), notional(quote.sol.mid, held.sol.amount))
    return best_wait(hourly, leg, now_ms, over_ms + settings.hold_for_funding)


def funding_exit(held: Held, quote: PairQuote, settings: Settings, hold_ms: int, now_ms: int) -> Denial:
    """The rule by which a pair leaves whose hold is over and which nothing keeps."""
    for_ms = now_ms - held.entered_ms
    detail = f"held for {for_ms} ms, hold = {hold_ms} ms"
    if not settings.hold_for_funding:
        return Denial("HOLD", detail)
    wait = funding_wait(held, quote, settings, hold_ms, now_ms)
    missing = unknown_rate(quote, now_ms)
    if wait is not None:
        detail = f"{detail}; not kept for funding: {wait_words(wait)}"
    else:
        detail = f"{detail}; not kept for funding: {missing or 'no payment is due within hold_for_funding'}"
    over = funding_times(held.entered_ms + hold_ms, now_ms - PAID_WITHIN_MS)
    if not over:
        return Denial("HOLD", detail)
    return Denial(
        "FUNDING_HELD", f"kept over {over} funding time{'s' if over > 1 else ''} after its hold; {detail}"
    )


def funding_times(after_ms: int, until_ms: int) -> int:
    """How many full hours lie after `after_ms`, up to and including `until_ms`."""
    return max(0, until_ms // HOUR_MS - after_ms // HOUR_MS)


def wait_words(wait: FundingWait) -> str:
    """`1 payment until 2026-12-01 18:00:10 UTC earns 2.10 USD, waiting for it risks 0.90 USD`."""
    many = wait.payments > 1
    return (
        f"{wait.payments} payment{'s' if many else ''} until {utc_text(wait.until_ms)} UTC"
        f" {'earn' if many else 'earns'} {usd(wait.earns)} USD, waiting for {'them' if many else 'it'} risks"
        f" {usd(wait.risks)} USD"
    )
