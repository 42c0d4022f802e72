"""Why a pair that stands is left: one rule, by its name, for the plan, the log and every report.

    the code of a stop     somebody or something ends the run: SIGINT, HALTED, FOREIGN, UNTIL_UTC, ...
    MAX_HOLD, MARGIN_CALL, MARKED_IMBALANCE
                           a limit ends the pair before its time (`limits.py`)
    STOP_LOSS              closing it now comes to a loss of `stop_loss` or more (`pair_result.py`)
    TAKE_PROFIT            closing it now comes to a profit of `take_profit` or more
    FUNDING_HELD           its hold is over; it was kept over a funding time, and is not for the next
    HOLD                   it has been held for as long as it was to be

They are asked in this order, so the one that is named is the strictest that holds at this quote.

A profit is taken by choice, so it alone waits: for `min_hold`, and for books of now that hold the order
(`voluntary_denial`). On an old or a thin book it is none. Whatever ends a risk does not wait for a better
book, and a hold that is over is over.
"""

from actors.market_data.cost_curve import BASIS
from actors.risk.drawn_values import hold_of
from actors.risk.funding import funding_exit, kept_for_funding
from actors.risk.gates import Attempt, depth_denial, skew_denial, stale_denial
from actors.risk.limits import pair_over
from actors.risk.pair_result import PairResult, pair_result
from messages.amounts import bps, signed, usd
from messages.lifecycle import Denial, Directive, Held
from messages.market import PairQuote
from messages.settings import Settings
from messages.units import Bps
from venue.protocol import VenueRules


def exit_rule(
    held: Held, quote: PairQuote, settings: Settings, rules: VenueRules, directive: Directive, now_ms: int
) -> Denial | None:
    """The rule by which the open pair leaves at venue time `now_ms`; None while it stays."""
    if directive.leave_now:
        return Denial(directive.reason or "LEAVE", "the run ends")
    early = pair_over(held, quote, settings, now_ms)
    if early is not None:
        return early
    result = _result(held, quote, settings, rules)
    loss = None if result is None else loss_stopped(result, settings)
    if loss is not None:
        return loss
    profit = None if result is None else profit_taken(result, held, settings, now_ms)
    if profit is not None and voluntary_denial(held, quote, settings, now_ms) is None:
        return profit
    hold_ms, for_ms = hold_of(settings, held), now_ms - held.entered_ms
    if for_ms < hold_ms or kept_for_funding(held, quote, settings, hold_ms, now_ms):
        return None
    return funding_exit(held, quote, settings, hold_ms, now_ms)


def exit_waits(
    held: Held, quote: PairQuote, settings: Settings, rules: VenueRules, now_ms: int
) -> Denial | None:
    """What keeps a profit that could be taken at this quote from being taken; None where there is none, or
    nothing that keeps it.
    """
    result = _result(held, quote, settings, rules)
    if result is None or profit_taken(result, held, settings, now_ms) is None:
        return None
    return voluntary_denial(held, quote, settings, now_ms)


def _result(held: Held, quote: PairQuote, settings: Settings, rules: VenueRules) -> PairResult | None:
    """Asked at every quote: nothing is reckoned where no rule goes by it."""
    if settings.take_profit is None and settings.stop_loss is None:
        return None
    return pair_result(held, quote, rules)


def loss_stopped(result: PairResult, settings: Settings) -> Denial | None:
    """Does closing now come to a loss of `stop_loss` or more? Where a book is too thin to close in, the loss
    is at least what is known, and counts.
    """
    limit = settings.stop_loss
    if limit is None or -result.net * BASIS < limit * result.entered:
        return None
    return Denial("STOP_LOSS", _told(result, "stop_loss", limit))


def profit_taken(result: PairResult, held: Held, settings: Settings, now_ms: int) -> Denial | None:
    """Does closing now come to a profit of `take_profit` or more, after `min_hold`? Of prices that are only
    estimated, or of books that do not hold the whole exit, no profit is known.
    """
    limit = settings.take_profit
    if limit is None or result.net * BASIS < limit * result.entered:
        return None
    if held.unpriced or now_ms < held.entered_ms + settings.min_hold:
        return None
    return Denial("TAKE_PROFIT", _told(result, "take_profit", limit))


def _told(result: PairResult, key: str, limit: Bps) -> str:
    return (
        f"closing now comes to {signed(result.net)} USD after all costs, {bps(result.bps(result.net))} of"
        f" {usd(result.entered)} USD, {key} = {bps(limit)}"
    )


def voluntary_denial(held: Held, quote: PairQuote, settings: Settings, now_ms: int) -> Denial | None:
    """Why nothing is closed by choice at these books: they are old, not of the same moment, or too thin for
    the exit. Spread and oracle are not asked: what they cost is in the result already.
    """
    attempt = Attempt(quote, now_ms, settings, -held.eth.amount, -held.sol.amount)
    return stale_denial(attempt) or skew_denial(attempt) or depth_denial(attempt)
