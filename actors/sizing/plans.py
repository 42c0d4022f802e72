"""A plan: the orders of both legs, and what is known of the books that they are to be judged by later.

Pure: what is to be done is decided before (`sizer.py`); here it gets its limits.
"""

from typing import Literal, NamedTuple

from actors.market_data.cost_curve import BASIS, curve_of
from actors.risk.gates import limit_price
from messages.lifecycle import Held
from messages.market import LegQuote, Level, PairQuote
from messages.settings import Settings
from messages.sizing import LegOrder, Purpose, SizingPlan
from messages.units import DOLLAR_NEUTRAL, ONE, Base, Bps, Ms, Price, Quote, imbalance, notional
from venue.protocol import ProductRules, VenueRules

ENDLESS = Base(10**9 * ONE)
"""More than anybody holds."""


class Intended(NamedTuple):
    """What a plan is to do: an order of `amounts` (ETH and SOL, signed, x18; 0 = none) within `slippage`."""

    purpose: Purpose
    cycle: int
    step: int
    amounts: tuple[int, int]
    slippage: Bps
    closes: tuple[bool, bool] = (False, False)
    """Per leg: does its order only make the position smaller?"""
    deadline_ms: int = 0
    """Venue time at which its quotes are too old to place by; 0 = they never are."""


def _order(
    leg: LegQuote, product: ProductRules, amount: int, slippage: Bps, within: Bps, *, reduce_only: bool
) -> tuple[LegOrder, Bps, Quote]:
    """One leg's order; the spread of its book; and what stands within `within` on the side that it
    takes, 0 where nothing is ordered or there is no book.
    """
    kind: Literal["ioc", "fok"] = "ioc" if reduce_only else "fok"
    mid = leg.mid
    spread = Bps((leg.asks[0].price - leg.bids[0].price) * BASIS // mid)
    if amount == 0:
        none = LegOrder(product.product_id, Base(0), Price(0), kind, reduce_only, Price(0), mid)
        return none, spread, Quote(0)
    levels = leg.side(amount)
    curve = curve_of(levels)
    try:
        expected = curve.vwap(abs(amount))
    except ValueError:  # the book is thinner than that, and closing is never refused for depth
        expected = levels[-1].price
    limit = limit_price(expected, amount, slippage, product.price_tick)
    order = LegOrder(product.product_id, Base(amount), limit, kind, reduce_only, expected, mid)
    return order, spread, curve.depth(within) if leg.proven_ms > 0 else Quote(0)


def plan_of(
    intended: Intended, held: Held, quote: PairQuote, rules: VenueRules, settings: Settings, now_ms: int
) -> SizingPlan:
    """Both orders, and what is known of the books that they are to be judged by later."""
    purpose, cycle, step, amounts, slippage, closes, deadline_ms = intended
    within = settings.max_slippage
    eth, eth_spread, eth_depth = _order(
        quote.eth, rules.eth, amounts[0], slippage, within, reduce_only=closes[0]
    )
    sol, sol_spread, sol_depth = _order(
        quote.sol, rules.sol, amounts[1], slippage, within, reduce_only=closes[1]
    )
    ratio = settings.hedge_ratio if purpose == "enter" else held.hedge_ratio
    # A plan of one leg has no imbalance of its own.
    planned = Bps(0)
    if eth.amount and sol.amount:
        planned = imbalance(notional(eth.vwap, eth.amount), notional(sol.vwap, sol.amount), ratio)
    return SizingPlan(
        0,
        0,
        cycle,
        step,
        purpose,
        Ms(now_ms),
        Ms(0),
        *quote.age_ms(now_ms),
        Ms(deadline_ms),
        planned,
        eth,
        sol,
        rules.version,
        eth_spread,
        sol_spread,
        eth_depth,
        sol_depth,
        settings.max_spread if purpose == "enter" else Bps(0),
        hedge_ratio=None if ratio == DOLLAR_NEUTRAL else ratio,
    )


def at_the_oracle(rules: VenueRules) -> PairQuote | None:
    """Both books as one level at the oracle's price: what a closing order's limit is reckoned from when there
    is no book. Never proven, never to enter or complete on: what is live counts as reduce-only. None while a
    product has no oracle price either.
    """
    if rules.eth.oracle is None or rules.sol.oracle is None:
        return None
    eth, sol = (
        LegQuote(
            product.product_id,
            level,
            level,
            Ms(0),
            oracle,
            "reduce_only" if product.status == "live" else product.status,
        )
        for product, oracle in ((rules.eth, rules.eth.oracle), (rules.sol, rules.sol.oracle))
        for level in ((Level(oracle, ENDLESS),),)
    )
    return PairQuote(0, Ms(0), eth, sol, venue_active=True)
