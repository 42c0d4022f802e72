"""Sentences with numbers in them: what a cycle will cost, why a target is not traded, and what to type
instead.
"""

from actors.risk.goals import GoalKey, goals_set
from actors.sizing.last_cycle import cycle_price
from actors.sizing.min_notional import least_order, worst_top_up
from messages.amounts import grouped, legs_words, plain_usd, short_percent, to_cents, usd, usd_up
from messages.market import LegQuote, PairQuote
from messages.settings import Settings, utc_text
from messages.sizing import Skipped, Verdict
from messages.units import ONE, Bps, Quote
from venue.protocol import PairTerms


def expected_cost(settings: Settings, rules: PairTerms, quote: PairQuote) -> str:
    """What a cycle will cost at the taker fees and the spreads of now: four fees, and each leg's spread once
    (in at one side, out at the other).

    The first line of every run: `expected cost 1.50 USD a cycle (fees 1.38 + spread 0.12), 5 cycles ≈ 7.50
    USD`.
    """
    price = cycle_price(settings.target, settings.hedge_ratio, rules, quote)
    fees, spread = to_cents(price.fees), to_cents(price.spread)
    cycle = Quote(fees + spread)
    text = f"expected cost {usd(cycle)} USD a cycle (fees {usd(fees)} + spread {usd(spread)})"
    until = [f"{key} = {_goal_text(settings, key)}" for key in goals_set(settings) if key != "cycles"]
    if settings.cycles is None:
        return f"{text}, {' or '.join(until) or 'until stopped'}"
    plural = "cycle" if settings.cycles == 1 else "cycles"
    return f"{text}, {settings.cycles} {plural} ≈ {usd(Quote(cycle * settings.cycles))} USD"


def _goal_text(settings: Settings, key: GoalKey) -> str:
    if key == "until_utc":
        return f"{utc_text(settings.until_utc or 0)} UTC"
    return plain_usd(getattr(settings, key))


def expected_dust(rules: PairTerms) -> str:
    """What may be left of a leg, and what is then done about it: said before anything is entered."""
    minimum = max(product.min_notional for product in (rules.eth, rules.sol))
    least = max(least_order(product) for product in (rules.eth, rules.sol))
    cost = usd_up(worst_top_up(rules))
    return (
        f"a remainder under {grouped(minimum)} USD of a leg is closed reduce-only; if the venue refuses that"
        f" (2094), topped up by {grouped(least)} USD and closed, fees at most {cost} USD"
    )


def spread_bps(leg: LegQuote) -> Bps:
    """The spread of one book in basis points of its mid."""
    return Bps((leg.asks[0].price - leg.bids[0].price) * 10_000 * ONE // leg.mid)


def slippage_bps(amount: int, expected: int, paid: int) -> Bps:
    """Paid beyond the VWAP that was planned for an order of this signed amount, in basis points; negative =
    better.
    """
    worse = (paid - expected) * (1 if amount > 0 else -1)
    return Bps(worse * 10_000 * ONE // expected) if expected else Bps(0)


def cannot(settings: Settings, verdict: Verdict) -> str:
    """Why this target is not traded, with the numbers: the verdict's own reason, and for which target."""
    if verdict.kind == "impossible":
        wanted = legs_words(settings.target, settings.hedge_ratio)
        return f"{wanted} cannot be traded here: {verdict.reason}"
    return verdict.reason


def advice(settings: Settings, verdict: Verdict) -> str:
    """What to type instead. "" when no target up to 100 times this one is known to work within the limits,
    and nothing could be accepted.
    """
    limits, ways = settings.limits, []
    # A target that can be balanced, and that the limits on a pair let be typed: better one from which on
    # every target can, in whole USD, because people type round numbers.
    sure = None if verdict.always_from is None else Quote(-(-verdict.always_from // ONE) * ONE)
    ratio = settings.hedge_ratio
    most = min(limits.max_leg_notional * ONE // max(ONE, ratio), limits.max_gross * ONE // (ONE + ratio))
    fitting = [each for each in (sure, verdict.smallest_target) if each is not None and each <= most]
    larger = fitting[0] if fitting else None
    if larger is not None:
        ways.append(f"--target '{plain_usd(larger)}'")
    if verdict.kind == "best_effort":
        ways.append(f"--when-unbalanced 'accept {short_percent(acceptable(verdict.imbalance))}'")
    if ways:
        return f"Try {' or '.join(ways)}."
    allowed = (
        f"limits.max_leg_notional = {plain_usd(limits.max_leg_notional)} and limits.max_gross ="
        f" {plain_usd(limits.max_gross)}"
    )
    return "" if verdict.smallest_target is None else f"No such target is within {allowed}."


def acceptable(found: Bps) -> Bps:
    """The next round share at or above `found`: steps of 0.1 % below 0.5 %, of 0.5 % from there."""
    step = 10 * ONE if found <= 50 * ONE else 50 * ONE
    return Bps(-(-found // step) * step)


def skip_sentence(settings: Settings, skipped: Skipped) -> str:
    """Why a cycle was not entered and what to type, e.g. `100 USD per leg cannot be balanced to 0.1 %
    here: best 1.31 % (...). ... Try ...`.
    """
    if skipped.verdict is None:
        return f"{skipped.code}: {skipped.detail}"
    return f"{cannot(settings, skipped.verdict)} {advice(settings, skipped.verdict)}".strip()
