"""Do both legs move alike? By the exchange's own candlesticks of the last day.

A pair of the same dollars is as good a hedge as its legs are alike. Where one leg's dollars move 1.5 times as
much as the other's, or more, a third of its movement is hedged by nothing, however well both are correlated.
Nobody is kept from trading for that: it is said, with the `hedge_ratio` at which both would move alike.
"""

from collections.abc import Mapping
from decimal import Decimal, localcontext
from itertools import pairwise
from typing import NamedTuple

import trio

from commands.checks.answered_venue import AnsweredVenue
from commands.checks.finding import Finding, ok, warn
from messages.settings import GREATEST_RATIO, LEAST_RATIO, Settings
from messages.units import ONE, Price, Rate
from venue.protocol import VenueError

SPAN_S, AN_HOUR_S, DAY_S, SPANS_MAX = 300, 3_600, 86_400, 500
"""Candlesticks of five minutes; as many as the archive gives at once, a day has 288."""
LEAST_SPANS = 144
"""Of a day, in which a product must have traded: of fewer nobody knows how it moves."""
UNLIKE = "LEGS_UNLIKE"
"""Code of the warning."""
ASK_S = 10.0
"""How long the exchange is asked: a start does not wait for what only warns."""
APART_MOST = Decimal("1.5")
"""How many times as much one leg may move as the other before it is said."""
RISK = (
    "a held pair's standard deviation is 7 to 9 bps of a leg in a minute, 19 to 25 in 10, 45 to 56 in an hour"
    " and 120 to 185 in 8 hours"
)
"""With a ratio of 1. docs/hedge-ratio.md says what another one changes of it."""


class DayMoves(NamedTuple):
    """How much each product has moved over a day: the square root of the sum of its squared returns, a
    share of the price.
    """

    eth: Decimal
    sol: Decimal


def moved(closes: Mapping[int, Price], now_s: int) -> Decimal | None:
    """How much a product has moved over the day before `now_s`, by its last prices per span, oldest first.
    None: it has not traded in enough of them, or in none of the first or the last hour.
    """
    day = [(start_s, price) for start_s, price in closes.items() if start_s > now_s - DAY_S - SPAN_S]
    if len(day) < LEAST_SPANS:
        return None
    if day[0][0] > now_s - DAY_S + AN_HOUR_S or day[-1][0] < now_s - AN_HOUR_S:
        return None
    with localcontext() as wide:
        wide.prec = 40
        logs = [price.decimal().ln() for _, price in day]
        return sum(((b - a) ** 2 for a, b in pairwise(logs)), Decimal(0)).sqrt()


def judged(moves: DayMoves | None, settings: Settings, why: str = "") -> Finding:
    """The finding. `why` nobody knows how both moved, where nobody does."""
    if moves is None or not moves.eth or not moves.sol:
        found = f"not known how much ETH and SOL moved over the last day: {why or 'one of them did not move'}"
        return warn("volatility", found, "compare them elsewhere before you choose a hedge_ratio", "UNKNOWN")
    ratio = settings.hedge_ratio.decimal()
    apart = ratio * moves.sol / moves.eth
    more, less, times = ("SOL", "ETH", apart) if apart >= 1 else ("ETH", "SOL", 1 / apart)
    found = (
        f"over the last day ETH moved {moves.eth:.2%} and SOL {moves.sol:.2%}: with hedge_ratio ="
        f" {settings.hedge_ratio.text()} the {more} leg moves {times:.2f} times as much as the {less} leg;"
        f" {RISK}"
    ).replace("%", " %")
    if times <= APART_MOST:
        return ok("volatility", found)
    alike = Rate(int(round(moves.eth / moves.sol, 2) * ONE))
    cure = f'hedge_ratio = "{alike.text()}" would let both legs move alike'
    if not LEAST_RATIO <= alike <= GREATEST_RATIO:
        cure = "no hedge_ratio that there is lets both legs move alike: do not hold such a pair for long"
    return warn("volatility", found, cure, UNLIKE)


async def volatility(known: AnsweredVenue) -> Finding:
    """The finding for an exchange that is asked. Never raises for what it answers or does not: that is not
    known then.
    """
    with trio.move_on_after(ASK_S):
        try:
            return await _asked(known)
        except VenueError as error:
            return judged(None, known.settings, str(error))
    return judged(None, known.settings, f"no answer in {ASK_S:g} s")


async def _asked(known: AnsweredVenue) -> Finding:
    now_s, moves = known.clock.now_ms() // 1000, []
    for product in (known.rules.eth, known.rules.sol):
        closes = await known.reads.closes(product.product_id, SPAN_S, SPANS_MAX)
        found = moved(closes, now_s)
        if found is None:
            why = f"{product.symbol} has not traded in enough spans of 5 minutes since this time yesterday"
            return judged(None, known.settings, why)
        moves.append(found)
    return judged(DayMoves(*moves), known.settings)
