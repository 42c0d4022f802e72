"""The rules about orders that rest broken on purpose, one at a time: `tests/model/mutants.py` lists them with
those of the barrier.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple
from unittest.mock import patch

from actors.ledger import Fold
from messages.execution import Doubt
from messages.sizing import QuoteTerms
from messages.units import Base
from tests.model.quotes import books
from tests.model.quotes.moves import search_resting
from tests.model.quotes.rules import SOUND, QuoteRules
from tests.model.quotes.state import QuotePlan, Terms
from tests.model.search import SearchResult
from tests.model.state import Message


class QuoteMutant(NamedTuple):
    """Broken rules. `caught_by`: the invariant that must catch them, in these bounds."""

    says: str
    rules: QuoteRules
    caught_by: str
    quotes: int = 1
    crashes: int = 0
    losses: int = 0

    def search(self) -> SearchResult:
        """Look for the shortest way to the invariant's violation."""
        return search_resting(self.rules, quotes=self.quotes, crashes=self.crashes, losses=self.losses)


def _broken(**switches: Any) -> QuoteRules:
    """The sound rules with these switches on, one move at a time so that a trace shows all of them."""
    return SOUND._replace(prompt=False, **switches)


# -- what the ledger makes of a row --------------------------------------------------------------------------


def _ledger(change: Callable[[Fold, Message], None]) -> Callable[[int, Message], Any]:
    """The real ledger, whose fold is changed after it has taken a row and before anybody looks at it."""

    @cache
    def told(book: int, row: Message) -> tuple[int, tuple[Message, ...]]:
        return books.told_with(book, row, change)

    return told


def _ends(fold: Fold, row: Message) -> None:
    """Gives the order that a row is about its ending, with what its fills say."""
    order = fold.order(books.digest_of(row[1], row[2]))
    if order is not None:
        order.ended = True
        fold.working.pop(order.leg, None)


def _gone_is_an_ending(fold: Fold, row: Message) -> None:
    if row[0] == "answer" and row[4]:
        _ends(fold, row)


def _an_answer_is_an_ending(fold: Fold, row: Message) -> None:
    if row[0] == "answer" and row[3] is not None:
        _ends(fold, row)


def _a_cancelled_update_is_an_ending(fold: Fold, row: Message) -> None:
    if row[0] == "update" and row[3] == "cancelled" and row[1].terms is not None:
        _ends(fold, row)


def _asking_is_an_ending(fold: Fold, row: Message) -> None:
    if row[0] == "asked":
        _ends(fold, row)


def _forgets_what_works(fold: Fold, row: Message) -> None:
    if row[0] in {"started", "restarted"}:
        fold.working.clear()


def _a_missed_order_is_gone(fold: Fold, row: Message) -> None:
    """2020 proves that an order is over, whether or not anybody knew that it had arrived."""
    if row[0] == "answer" and row[4]:
        order = fold.order(books.digest_of(row[1], row[2]))
        if order is not None and not order.ended:
            order.gone_ms = books.answered_ms(row[1], row[5])


def _takes_any_moment_for_the_last(book: int, row: Message) -> tuple[int, tuple[Message, ...]]:
    """The ledger takes RESOLVE's word on what may still trade."""
    late = row[0] == "resolved" and row[1].terms is not None
    return books.told(book, (*row[:5], "past") if late else row)


# -- votes, judgements and formulas --------------------------------------------------------------------------


@cache
def _votes_beside_what_works(book: int, plan: QuotePlan, epoch: int) -> str:
    """The ledger does not look for what works in the product."""
    with patch("actors.ledger.vote.against_working", lambda *_: ""):
        return books.agrees.__wrapped__(book, plan, epoch)


def _whole_at_once(terms: QuoteTerms, held: int, _step: int) -> Base:
    return terms.whole(terms.other) if held else Base(0)


@cache
def _matches_the_whole(terms: Terms, held: int) -> int:
    """The first piece is hedged by all that hedges the whole."""
    return terms.whole("sol" if terms.leg == "eth" else "eth") if held else 0


@cache
def _votes_for_the_whole(book: int, plan: QuotePlan, epoch: int) -> str:
    with patch.object(QuoteTerms, "matched", _whole_at_once):
        return books.agrees.__wrapped__(book, plan, epoch)


def _votes_for_any_quote(book: int, plan: QuotePlan, epoch: int) -> str:
    return "" if plan.terms is not None else books.agrees(book, plan, epoch)


def _believes_while_it_rests(
    plan: QuotePlan, doubt: Doubt, at: str, _rests: bool, lots: int, archived: int
) -> tuple[int, bool] | None:
    """RESOLVE does not look at the open orders, and takes the receive window for an order's whole life."""
    return books.believes(plan, books.at_arrival(doubt), at, False, lots, archived)


def _believes_before_its_last_trade(
    plan: QuotePlan, doubt: Doubt, at: str, rests: bool, lots: int, archived: int
) -> tuple[int, bool] | None:
    """What is not among the open orders has ended: RESOLVE does not wait for its last possible trade."""
    return books.believes(plan, doubt, at if plan.terms is None else "past", rests, lots, archived)


def _leaves_what_a_restart_left(book: int, plan: QuotePlan, at: str, _epoch: int) -> str:
    return books.why_cancelled(book, plan, at, plan.epoch)


def _lets_all_rest(_book: int, _plan: QuotePlan, _at: str, _epoch: int) -> str:
    return ""


R1 = "r1_working_and_filled_are_no_more_than_wanted"
R2 = "r2_hedged_is_no_more_than_what_has_traded_and_half_a_lot"
R3 = "r3_what_the_ledger_has_ended_trades_no_more"
R4 = "r4_every_fill_is_hedged_settled_or_flattened"
R5 = "r5_flat_or_open_is_not_said_while_an_order_rests"
R6 = "r6_one_working_order_a_leg"
R7 = "r7_nothing_is_placed_in_the_product_of_a_working_order"
R8 = "r8_what_a_restart_left_working_is_cancelled_at_once"

QUOTE_MUTANTS: dict[str, QuoteMutant] = {
    "gone_is_an_ending": QuoteMutant(
        "2020 to a cancellation ends the order with the fills that are known",
        _broken(told=_ledger(_gone_is_an_ending)),
        R3,
    ),
    "cancel_answer_is_an_ending": QuoteMutant(
        "the answer to a cancellation ends the order before its fills have come",
        _broken(told=_ledger(_an_answer_is_an_ending)),
        R3,
    ),
    "cancelled_is_an_ending": QuoteMutant(
        "the stream's `cancelled` ends an order that rested",
        _broken(told=_ledger(_a_cancelled_update_is_an_ending)),
        R3,
    ),
    "asking_is_an_ending": QuoteMutant(
        "an order whose cancellation was sent counts as ended",
        _broken(told=_ledger(_asking_is_an_ending)),
        R3,
    ),
    "missed_is_gone": QuoteMutant(
        "2020 proves the end of an order that nobody knew to have arrived",
        _broken(told=_ledger(_a_missed_order_is_gone)),
        R3,
        crashes=1,
    ),
    "believed_while_it_rests": QuoteMutant(
        "RESOLVE believes a position while the order rests",
        _broken(believes=_believes_while_it_rests),
        R3,
        crashes=1,
    ),
    "absent_before_its_last_trade": QuoteMutant(
        "RESOLVE and the ledger believe `absent` before an order's last possible trade",
        _broken(believes=_believes_before_its_last_trade, told=_takes_any_moment_for_the_last),
        R3,
        crashes=1,
    ),
    "quotes_beside_what_is_held": QuoteMutant(
        "the whole pair is quoted again while part of it is held",
        _broken(agrees=_votes_for_any_quote, quotes_again="uneven"),
        R1,
        quotes=2,
    ),
    "hedges_the_whole_at_once": QuoteMutant(
        "the first fill is hedged by all that hedges the whole",
        _broken(matched=_matches_the_whole, agrees=_votes_for_the_whole),
        R2,
    ),
    "fills_forgotten": QuoteMutant("nothing is proposed for a fill", _broken(never_hedges=True), R4),
    "working_never_resolved": QuoteMutant(
        "nobody asks what became of an order that rests no more", _broken(never_resolves=True), R4, losses=1
    ),
    "working_forgotten": QuoteMutant(
        "a restart forgets what works", _broken(told=_ledger(_forgets_what_works)), R5, crashes=1
    ),
    "requoted_early": QuoteMutant(
        "a quote follows another before its ending",
        _broken(agrees=_votes_for_any_quote, quotes_again="working"),
        R6,
        quotes=2,
    ),
    "closes_beside_a_quote": QuoteMutant(
        "the leg that rests is closed while it rests", _broken(agrees=_votes_beside_what_works), R7
    ),
    "restart_cancels_nothing": QuoteMutant(
        "a new epoch lets rest what the old one left working",
        _broken(why_cancel=_leaves_what_a_restart_left),
        R8,
        crashes=1,
    ),
    "nothing_is_cancelled": QuoteMutant(
        "no rule cancels anything", _broken(why_cancel=_lets_all_rest), R8, crashes=1
    ),
}
