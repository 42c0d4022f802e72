"""`take_profit` and `stop_loss` against what a pair costs: a rule that the costs alone decide is refused
before anything is traded. They are known only with the account's fees and with books, so it is asked at the
start, by the ruler that the rules themselves go by (`actors/risk/pair_result.py`).
"""

import trio

from actors.risk.pair_result import result_at_once
from commands.access.prices import books_now
from commands.checks.answered_venue import AnsweredVenue
from commands.checks.finding import Finding, fail, ok
from commands.output.words import ConfigError
from messages.amounts import bps, fixed
from messages.market import PairQuote
from messages.settings import Settings
from messages.units import Bps, legs_of
from runtime.observe import Notes, Observe
from venue.protocol import PairTerms

SIDES = {"long-eth": (1,), "long-sol": (-1,)}


def must_clear_costs(settings: Settings, terms: PairTerms, quote: PairQuote) -> None:
    """Raises `ConfigError` naming the rule that would fire at once, at the fees of `terms` and these books:
    in the more expensive direction, where both are traded.
    """
    profit, loss = settings.take_profit, settings.stop_loss
    for sign in SIDES.get(settings.direction, (1, -1)):
        worth = legs_of(settings.target, settings.hedge_ratio)
        result = result_at_once(worth, quote, terms, sign)
        if result is None:  # sizing says why such a target cannot be traded
            return
        closing, lost = result.bps(result.closing), Bps(-result.bps(result.net))
        if profit is not None and profit < closing:
            raise _fires_at_once(
                "take_profit",
                f"{bps(profit)} is less than closing a pair is expected to cost, {_up(closing)} of both legs:"
                " it would fire at once, at the first move that has earned the costs",
            )
        if loss is not None and loss <= lost:
            raise _fires_at_once(
                "stop_loss",
                f"{bps(loss)} is not more than entering and closing a pair are expected to cost,"
                f" {_up(lost)} of both legs (closing alone {_up(closing)}): it would fire at once, on every"
                " pair that was just entered",
            )


def _up(figure: Bps) -> str:
    return f"{fixed(figure, 2, up=True)} bps"


def _fires_at_once(key: str, saying: str) -> ConfigError:
    return ConfigError("FIRES_AT_ONCE", key, f"{key}: {saying}", f'write a larger {key}, or {key} = "never"')


async def exits(known: AnsweredVenue) -> Finding:
    """Would a rule of the exits be decided by the costs alone?"""
    rules = ", ".join(
        f"{key} = {bps(limit)}"
        for key, limit in (
            ("take_profit", known.settings.take_profit),
            ("stop_loss", known.settings.stop_loss),
        )
        if limit is not None
    )
    if not rules:
        await trio.lowlevel.checkpoint()
        return ok(
            "exits", "neither take_profit nor stop_loss is set: a pair exits by its hold and the limits"
        )
    quote = await books_now(known.reads, known.rules, known.clock.now_ms())
    if quote is None:
        return fail(
            "exits", "unknown: a side of a book is empty", "try again when the market trades", "UNKNOWN"
        )
    try:
        must_clear_costs(known.settings, known.rules.terms(), quote)
    except ConfigError as found:
        return fail("exits", found.message, found.cure, found.code)
    return ok("exits", f"{rules}: more than a pair costs at current prices")


async def exits_clear_costs(known: AnsweredVenue, observe: Observe) -> None:
    """The same at the exchange's books of now. Where a side of one is empty, or the rules are not all that
    entering needs, nothing can be entered now, and nobody can say what it would cost.

    Raises `ConfigError`, `VenueError`.
    """
    settings = known.settings
    if settings.take_profit is None and settings.stop_loss is None:
        return
    quote = None
    if not known.rules.incomplete():
        quote = await books_now(known.reads, known.rules, known.clock.now_ms())
    if quote is None:
        unknown = "take_profit and stop_loss could not be held against what a pair costs: a book is empty"
        Notes(observe, known.clock, "run")("warning", unknown)
        return
    must_clear_costs(settings, known.rules.terms(), quote)
