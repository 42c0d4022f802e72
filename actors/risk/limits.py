"""Risk limits: what may not be entered, and what ends a run. Pure comparisons; each limit passes when it is
met exactly.

Three kinds, by what follows:

    denial of one plan       it is not sealed, the run is refused with the cure: MAX_GROSS, MARGIN,
                             LIQUIDATION_NEAR
    end of the run           closed, halted, latched: MAX_DRAWDOWN, FAILED_CYCLES, FILL_RATE, CYCLE_SUCCESS
                             (and MAX_DAILY_LOSS, `gates.py`)
    end of the pair          exits early: MARKED_IMBALANCE, MAX_HOLD, MARGIN_CALL

Margin: on Nado a perp's share of the health is amount x price x weight plus its quote balance, long weights
below 1, short ones above; products do not net. So entering takes from the health, per leg, its notional x |1
- weight| and the fees, and what both legs take together is more than either alone takes.
"""

import msgspec

from messages.amounts import rate_percent, usd
from messages.lifecycle import Denial, Held
from messages.market import PairQuote
from messages.settings import Settings
from messages.sizing import SizingPlan
from messages.units import ONE, Bps, Quote, Rate, imbalance, notional
from venue.protocol import PairTerms

FEES = 4
"""Taker fees of a cycle: two in, two out."""
JUDGED_FROM = 10
"""Cycles before a rate is judged."""


def plan_denial(plan: SizingPlan, held: Held, rules: PairTerms, settings: Settings) -> Denial | None:
    """Why this entry is too large, for the limits or for the account; None when it is not. Of a quote the
    whole pair counts that its fills may lead to.
    """
    plan = with_hedge(plan)
    gross = Quote(notional(plan.eth.limit, plan.eth.amount) + notional(plan.sol.limit, plan.sol.amount))
    if gross > settings.limits.max_gross:
        return Denial(
            "MAX_GROSS",
            f"both legs at their limits are {usd(gross)} USD, limits.max_gross ="
            f" {usd(settings.limits.max_gross)} USD",
        )
    needs, has = margin_needed(plan, rules, settings), held.initial_health
    if has is None or held.maintenance_health is None:
        return Denial("MARGIN", "the exchange does not report how much margin the account has")
    if has < needs:
        return Denial("MARGIN", ": ".join(short_of_margin(needs, has, settings)))
    move, least = liquidation_move(plan, held, rules), settings.limits.min_liquidation_move
    if move >= least:
        return None
    return Denial(
        "LIQUIDATION_NEAR",
        f"a move of {rate_percent(move)} % of one leg would liquidate, limits.min_liquidation_move ="
        f" {rate_percent(least)} %: deposit more, or use a smaller --target",
    )


def with_hedge(plan: SizingPlan) -> SizingPlan:
    """A quote that enters with the order, at its worst price, that hedges all of it; any other plan as it
    is.
    """
    quote = plan.quote
    if quote is None or not plan.enters:
        return plan
    order = plan.leg(quote.other)
    order = msgspec.structs.replace(order, amount=quote.whole(quote.other), limit=quote.worst)
    return msgspec.structs.replace(plan, **{quote.other: order})


def margin_needed(plan: SizingPlan, rules: PairTerms, settings: Settings) -> Quote:
    """USDT0 (x18) of initial health that both legs take at their limits, with four taker fees and
    `margin_buffer`.
    """
    return Quote(initial_taken(plan, rules) * (ONE + settings.limits.margin_buffer) // ONE)


def initial_taken(plan: SizingPlan, rules: PairTerms) -> Quote:
    """USDT0 (x18) of initial health that the plan's orders take at their limits, with the fees of each and of
    closing it again.
    """
    total = 0
    for order, product in ((plan.eth, rules.eth), (plan.sol, rules.sol)):
        weight = product.long_weight_initial if order.amount > 0 else product.short_weight_initial
        total += (
            notional(order.limit, order.amount) * (abs(ONE - weight) + FEES // 2 * product.taker_fee) // ONE
        )
    return Quote(total)


def liquidation_move(plan: SizingPlan, held: Held, rules: PairTerms) -> Rate:
    """How far the nearer leg's price may move against us, the other standing still, until the maintenance
    health is used up (x18, 0.2 = 20 %).
    """
    health, slopes = int(held.maintenance_health or 0), []
    for order, product in ((plan.eth, rules.eth), (plan.sol, rules.sol)):
        weight = product.long_weight_maintenance if order.amount > 0 else product.short_weight_maintenance
        size = notional(order.limit, order.amount)
        health -= size * (abs(ONE - weight) + product.taker_fee) // ONE
        slopes.append(size * weight // ONE)
    return Rate(max(0, health) * ONE // max(*slopes, 1))


def short_of_margin(needs: Quote, has: Quote, settings: Settings) -> tuple[str, str]:
    """How much margin is missing, and the cure: a deposit, or a smaller target where one can be typed."""
    affordable = Quote(max(0, settings.target * has // needs))
    deposit = -(-(needs - has) // ONE)
    found, cure = f"needs {usd(needs)} USDT0 free, has {usd(has)}", f"deposit {deposit}"
    # Rounded down, and only where something is left to trade with: nobody can type '0 USD'.
    whole = affordable // ONE
    return found, f"{cure} or use --target '{whole} USD'" if whole else cure


def run_over(held: Held, settings: Settings) -> Denial | None:
    """Why nothing more may be entered until a person has looked; None when all is well."""
    record, limits = held.record, settings.limits
    if record.drawdown > limits.max_drawdown:
        return Denial(
            "MAX_DRAWDOWN",
            f"{usd(record.drawdown)} USD below the account's peak, limits.max_drawdown ="
            f" {usd(limits.max_drawdown)} USD",
        )
    if record.failed_in_row >= limits.max_failed_cycles:
        return Denial(
            "FAILED_CYCLES",
            f"{record.failed_in_row} cycles in a row failed, limits.max_failed_cycles ="
            f" {limits.max_failed_cycles}",
        )
    rates = (
        ("FILL_RATE", "legs filled by their first order", record.fill_rate, limits.min_fill_rate),
        ("CYCLE_SUCCESS", "cycles completed", record.success, limits.min_cycle_success),
    )
    for code, what, rate, least in rates:
        # A rate of few cycles is chance.
        if record.cycles >= JUDGED_FROM and rate is not None and rate < least:
            found = f"{rate_percent(rate)} % of {what} over the last {record.cycles} cycles"
            return Denial(code, f"{found}, at least {rate_percent(least)} % wanted")
    return None


def pair_over(held: Held, quote: PairQuote, settings: Settings, now_ms: int) -> Denial | None:
    """Why an open pair must exit early; None when it may stay."""
    limits = settings.limits
    if now_ms >= held.entered_ms + limits.max_hold:
        return Denial(
            "MAX_HOLD",
            f"held for {(now_ms - held.entered_ms) // 1000} s, limits.max_hold = {limits.max_hold // 1000} s",
        )
    if held.initial_health is not None and held.initial_health < 0:
        words = f"the account has {usd(Quote(-held.initial_health))} USDT0 less than initial margin"
        return Denial("MARGIN_CALL", f"{words}: exiting before the exchange liquidates one leg")
    drift = marked(held, quote)
    if drift > limits.max_marked_imbalance:
        words = f"the pair has drifted {rate_percent(Rate(drift // 10_000))} % apart at the mids"
        return Denial(
            "MARKED_IMBALANCE",
            f"{words}, limits.max_marked_imbalance ="
            f" {rate_percent(Rate(limits.max_marked_imbalance // 10_000))} %",
        )
    return None


def marked(held: Held, quote: PairQuote) -> Bps:
    """How far apart the legs of what is held are at the mids of now, by the pair's own hedge ratio."""
    eth, sol = notional(quote.eth.mid, held.eth.amount), notional(quote.sol.mid, held.sol.amount)
    return imbalance(eth, sol, held.hedge_ratio)
