"""The switches of the model of resting orders: the rules as they are, with all of them off."""

from collections.abc import Callable
from typing import NamedTuple

from messages.execution import Doubt
from tests.model import real
from tests.model.quotes import books
from tests.model.quotes.state import QuotePlan, Terms
from tests.model.real import Answer
from tests.model.state import Bar, Message


class QuoteRules(NamedTuple):
    """Which functions decide in the modelled parts, and what those leave out. `prompt`: act at once when
    nothing is left to go wrong (`moves.py`).
    """

    prompt: bool = True
    quote_leg: str = "eth"
    """The leg that rests; the other one hedges."""
    lean: bool = False
    """May what has traded be hedged by a quote of the other leg as well?"""
    step: Callable[[Bar, Message, bool], Answer] = real.step
    told: Callable[[int, Message], tuple[int, tuple[Message, ...]]] = books.told
    agrees: Callable[[int, QuotePlan, int], str] = books.agrees
    matched: Callable[[Terms, int], int] = books.matched
    believes: Callable[[QuotePlan, Doubt, str, bool, int, int], tuple[int, bool] | None] = books.believes
    why_cancel: Callable[[int, QuotePlan, str, int], str] = books.why_cancelled
    never_hedges: bool = False
    never_resolves: bool = False
    quotes_again: str = ""
    """The phase in which sizing quotes the whole pair again."""


SOUND = QuoteRules()
