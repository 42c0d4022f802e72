"""An order that rests is a state, not a flight (decision 046): what the ledger makes of one, from its Place
to its ending.
"""

import msgspec
import pytest

from actors.ledger.fold import Fold
from messages.execution import CancelAnswer, CancelAsked, EscapeRound, PlanClosed, QuoteEnded, Resolved
from messages.lifecycle import AccountStream, GuardActed, Restarted, Started
from messages.sizing import Abort, PairSettled, Sealed, Skipped
from messages.units import Base, Ms, Ns, Price, Quote, imbalance, notional
from messages.wire import digest
from tests.actors.fakes import RULES
from tests.actors.ledger.story import ETH, PRICE, PRODUCT, SOL, Story
from venue.protocol import rules_read

WHOLE = ("0.042", "-1")


def started() -> Story:
    """Flat, and the size steps are known; no rates, so that any fee is one."""
    story, rules = Story(), rules_read(RULES)
    eth, sol = (msgspec.structs.replace(each, taker_fee=None) for each in (rules.eth, rules.sol))
    story.tell(msgspec.structs.replace(rules, eth=eth, sol=sol))
    return story


def entry_quoted() -> Story:
    """The order of an entry quote works: acknowledged, nothing traded."""
    story = started()
    story.quote(*WHOLE)
    story.outcome("eth", "accepted")
    return story


def the_ending(story: Story) -> QuoteEnded:
    (last,) = story.said_of(QuoteEnded)
    assert isinstance(last, QuoteEnded)
    return last


def folded_again(story: Story) -> Fold:
    """The same rows, folded by another process."""
    fold = Fold()
    for at_ns, message in story.rows:
        fold.apply(message, at_ns)
    return fold


def test_a_quote_closes_its_plan_when_it_is_answered_and_its_order_works() -> None:
    story = Story()
    story.quote(*WHOLE)
    assert (story.held.phase, story.held.working, story.held.doubts) == ("in_flight", (), ())
    story.outcome("eth", "accepted")
    held = story.held
    assert not story.closed.aborted
    assert story.closed.eth.filled == 0
    assert (held.phase, held.last_purpose, held.enters, held.doubts) == ("working", "quote", 1, ())
    (order,) = held.working
    assert (order.filled, order.acknowledged, order.resolving) == (0, True, False)
    assert order.doubt.order_digest == story.order_digest("eth")
    assert (order.doubt.before, order.doubt.alone) == (0, True)
    assert order.doubt.rests_until_ms == order.doubt.last_trade_ms == order.doubt.recv_time_ms + 15_000
    assert (held.eth.wanted, held.sol.wanted) == (Base.of("0.042"), Base.of("-1"))
    assert held.direction == "long-eth"


@pytest.mark.parametrize("answer", ["unknown", "a fill"])
def test_an_unknown_answer_and_a_fill_make_it_working_too(answer: str) -> None:
    story = Story()
    story.quote(*WHOLE)
    if answer == "unknown":
        story.outcome("eth", "unknown")
    else:
        story.fill("eth", "0.01", remaining="0.032")
    (order,) = story.held.working
    assert order.acknowledged == (answer == "a fill")
    assert story.held.phase == "working"


def test_a_refused_quote_has_its_ending_with_its_plan_and_an_aborted_one_never_was() -> None:
    story = Story()
    story.quote(*WHOLE)
    story.outcome("eth", "refused", 2008)
    assert (story.held.phase, story.held.working, story.said_of(QuoteEnded)) == ("flat", (), [])
    story.seal(story.quote_plan(*WHOLE))
    story.abort()
    assert (story.held.phase, story.held.working) == ("flat", ())


def test_what_it_trades_is_hedged_beside_it_and_the_whole_of_it_is_the_pair() -> None:
    story = entry_quoted()
    story.fill("eth", "0.02", remaining="0.022")
    assert story.held.working[0].filled == Base.of("0.02")
    story.hedge("sol", "-0.4")
    assert story.held.phase == "in_flight"
    assert len(story.held.working) == 1, "it works beside the hedge"
    story.fill("sol")
    assert story.held.phase == "working"
    assert story.held.sol.amount == Base.of("-0.4")


def test_a_quote_that_is_filled_in_pieces_and_hedged_is_an_open_pair_in_one_cycle() -> None:
    story = entry_quoted()
    first = story.a_fill("eth", "0.02", remaining="0.022")
    rest = story.a_fill("eth", "0.022", remaining="0")
    story.tell(first)
    story.hedge("sol", "-0.5")
    story.fill("sol")
    assert story.said_of(QuoteEnded) == []
    story.tell(rest, rest, first)
    assert the_ending(story).fill.filled == Base.of("0.042")
    assert story.held.phase == "uneven"
    story.hedge("sol", "-0.5")
    story.fill("sol")
    held = story.held
    assert (held.phase, held.cycle, held.enters, held.working) == ("open", 1, 1, ())
    assert held.filled_imbalance is not None
    assert len(story.fold.cycle.orders) == 3
    assert story.fold.cycle.opened("sol").filled == Base.of("-1")
    assert msgspec.structs.replace(folded_again(story).held(1), rows=0) == msgspec.structs.replace(
        held, rows=0
    )
    story.leave()
    story.snapshot()
    assert story.ended == [(1, "completed")]
    totals = story.held.totals
    assert (totals.completed, totals.entered, totals.together) == (1, 1, 0)
    assert (totals.legs_ordered, totals.legs_filled_first) == (0, 0), "no first order could fill a leg"
    assert story.held.record.fill_rate is None
    assert story.held.record.success == 10**18


def test_while_an_order_works_the_ledger_is_busy_for_everything() -> None:
    story = entry_quoted()
    assert story.fold.busy
    assert not story.fold.calm
    story.fill("eth", "0.02", remaining="0.022")
    story.snapshot("5", "5")
    assert story.held.foreign == "", "nothing is compared"
    assert story.held.phase == "working"
    story.tell(Skipped(1, "NOT_FILLED", "", None))
    story.tell(PairSettled(1, Base.of("0.02"), Base(0), ""))
    assert story.ended == []
    # even when what it has traded is closed again beside it, flat is not said
    story = entry_quoted()
    story.snapshot()
    assert not story.held.awaiting_proof
    assert story.held.phase != "flat"


def test_a_cancel_answer_that_names_what_fills_come_to_ends_it() -> None:
    story = entry_quoted()
    story.fill("eth", "0.02", remaining="0.022")
    story.tell(CancelAsked(story.order_digest("eth"), 4, "give up", Ms(story.now_ms)))
    assert story.held.working[0].cancel_asked_ms == story.now_ms - 1
    story.cancel_answer("eth", "0.022")
    assert the_ending(story).fill.filled == Base.of("0.02")
    assert (story.held.phase, story.held.working) == ("uneven", ())


def test_a_cancel_answer_before_the_last_fill_waits_for_it() -> None:
    story = entry_quoted()
    story.cancel_answer("eth", "0.022")
    (order,) = story.held.working
    answered_ms = story.now_ms - 1
    assert order.resolving
    assert order.doubt.last_trade_ms == answered_ms, "it cannot trade after its answer"
    assert story.said_of(QuoteEnded) == []
    story.fill("eth", "0.01", remaining="0.032")
    story.cancel_answer("eth", "0.032")
    assert story.held.working[0].resolving, "the first answer stands"
    story.fill("eth", "0.01", remaining="0.022")
    assert the_ending(story).fill.filled == Base.of("0.02")


def test_that_it_is_gone_or_cancelled_or_that_a_cancellation_failed_ends_nothing() -> None:
    story = entry_quoted()
    whole_ms = story.held.working[0].doubt.last_trade_ms
    story.cancel_answer("eth", None)
    assert not story.held.working[0].resolving
    story.update("eth", "0", "cancelled")
    assert story.held.working[0].resolving
    assert story.held.working[0].doubt.last_trade_ms == whole_ms
    story.cancel_answer("eth", None, gone=True)
    (order,) = story.held.working
    assert order.resolving
    assert order.doubt.last_trade_ms < whole_ms
    story.update("eth", "0.03", "filled")
    story.fill("eth", "0.012", remaining="0.03")
    assert len(story.held.working) == 1, "a cancellation and the fills told with it are no proof of the rest"
    assert story.said_of(QuoteEnded) == []


def test_gone_before_it_was_heard_of_shrinks_nothing_because_it_may_still_arrive() -> None:
    story = Story()
    story.quote(*WHOLE)
    story.outcome("eth", "unknown")
    whole_ms = story.held.working[0].doubt.last_trade_ms
    story.cancel_answer("eth", None, gone=True)
    assert story.held.working[0].resolving
    assert story.held.working[0].doubt.last_trade_ms == whole_ms
    story.update("eth", "0.042", "placed")
    assert not story.held.working[0].resolving, "it arrived after that answer, and rests"
    story.cancel_answer("eth", None, gone=True)
    assert story.held.working[0].resolving
    assert story.held.working[0].doubt.last_trade_ms < whole_ms


@pytest.mark.parametrize("unfilled", ["0.03", "0.05", "-0.01"])
def test_an_answer_that_contradicts_fills_or_the_order_is_named_and_resolved(unfilled: str) -> None:
    story = entry_quoted()
    story.fill("eth", "0.02", remaining="0.022")
    story.cancel_answer("eth", unfilled)
    assert story.held.working[0].resolving
    assert "the answer to the cancellation" in story.fold.misfit


def test_a_word_that_comes_while_it_may_trade_ends_it_only_when_it_is_all_of_it() -> None:
    story = entry_quoted()
    story.resolved("eth", "0.02")
    story.resolved("eth", "0")
    story.resolved("eth", "0.02", provisional=True)
    (order,) = story.held.working
    assert (order.filled, story.held.eth.amount) == (0, 0)
    story.now_ms = int(order.doubt.last_trade_ms) + 600
    story.resolved("eth", "0.02", provisional=True)
    assert the_ending(story).fill.filled == Base.of("0.02")
    story = entry_quoted()
    story.resolved("eth", "0.042")
    assert the_ending(story).fill.filled == Base.of("0.042")


def test_an_absence_after_it_could_trade_last_ends_it_and_a_late_fill_still_counts() -> None:
    story = entry_quoted()
    late = story.a_fill("eth", "0.01", remaining="0.032")
    own, product = story.order_digest("eth"), PRODUCT["eth"]
    story.now_ms = int(story.held.working[0].doubt.last_trade_ms) + 600
    story.tell(Resolved(own, product, Base(0), Quote(0), Quote(0), False, "engine", by_absence=True))
    assert (story.held.phase, story.held.working) == ("flat", ())
    story.tell(late)
    assert story.held.eth.amount == Base.of("0.01")


def test_restarts_make_a_quote_in_flight_working_and_keep_one_that_works() -> None:
    story = Story()
    story.quote(*WHOLE)
    story.tell(Restarted("market_data", "restarted", Ms(0), 1))
    assert story.held.phase == "in_flight", "the same epoch: its leg answers"
    story.tell(Restarted("eth_leg, sol_leg", "restarted", Ms(0), 2))
    (order,) = story.held.working
    assert (story.held.phase, order.acknowledged, order.doubt.epoch) == ("working", False, 1)
    assert len(story.said_of(PlanClosed)) == 1
    story.fill("eth", "0.02", remaining="0.022")
    again_held = story.reread()
    assert again_held.working == story.held.working
    assert again_held.eth.amount == Base.of("0.02")


def test_an_intent_that_a_dead_process_left_is_shown_as_working_by_whoever_reads_it() -> None:
    story = Story()
    story.seal(story.quote_plan(*WHOLE))
    read = story.reread()
    assert [order.acknowledged for order in read.working] == [False]
    assert read.doubts == ()
    story.place()
    assert len(story.reread().working) == 1, "also when it is known that it was placed"
    story = Story()
    story.seal(story.quote_plan(*WHOLE))
    story.tell(GuardActed(2, "", Ms(5000)))
    assert [order.acknowledged for order in story.held.working] == [False]
    assert story.held.phase == "working"
    assert story.held.cycle == 0, "nobody knows that it was placed"
    story.fill("eth", "0.02", remaining="0.022")
    assert (story.held.cycle, story.held.eth.amount) == (1, Base.of("0.02"))


def test_an_abort_that_comes_after_the_restart_still_says_that_nothing_was_sent() -> None:
    story = Story()
    story.seal(story.quote_plan(*WHOLE))
    story.tell(Restarted("ledger", "restarted", Ms(0), 2))
    assert len(story.held.working) == 1
    story.tell(Abort(1, 1, "RECOVER", ""))
    assert (story.held.phase, story.held.working) == ("flat", ())
    assert the_ending(story).fill.outcome == "none"


@pytest.mark.parametrize("purpose", ["quote", "enter"])
def test_an_answer_that_comes_after_an_abort_moves_nothing(purpose: str) -> None:
    """A question that was asked before it was known that nothing had been sent reads what a later plan has
    traded.
    """
    story = started()
    story.seal(story.quote_plan(*WHOLE) if purpose == "quote" else story.plan("enter", *WHOLE))
    story.tell(Restarted("ledger", "restarted", Ms(0), 2))
    digest_then = story.order_digest("eth")
    story.abort()
    story.now_ms += 30_000
    story.tell(
        Resolved(
            digest_then, PRODUCT["eth"], Base.of("0.042"), notional(Price.of(PRICE["eth"]), Base.of("0.042")),
            Quote(0), provisional=True, source="engine position",
        )
    )  # fmt: skip
    assert (story.held.phase, story.held.eth.amount, story.held.working) == ("flat", 0, ())


@pytest.mark.parametrize(
    ("piece", "left", "hedged", "counts"),
    [("0.03", "0.012", "", 0), ("0.04", "0.002", "", 1), ("0.04", "0.002", "-1", 0)],
    ids=["crumb", "unhedged", "hedged"],
)
def test_what_rested_and_was_closed_for_being_no_pair_is_no_failed_cycle_to_the_limits(
    piece: str, left: str, hedged: str, counts: int
) -> None:
    """Of 0.03 ETH, 83 USD, nothing could be hedged by an order of at least 100 USD; of 0.04 it could, and
    where it was, only the lots did not balance.
    """
    story = entry_quoted()
    story.fill("eth", piece, remaining=left)
    if hedged:
        story.hedge("sol", hedged)
        story.fill("sol", hedged, remaining="0")
    story.cancel_answer("eth", left, digest=next(iter(story.fold.orders)))
    story.placed("flatten", f"-{piece}", "1" if hedged else "0")
    story.fill("eth", f"-{piece}", remaining="0")
    if hedged:
        story.fill("sol", "1", remaining="0")
    story.tell(rules_read(RULES))
    story.snapshot()
    assert [ending for _, ending in story.ended] == ["failed"]
    assert (story.held.record.failed_in_row, story.held.record.cycles) == (counts, counts)


def test_requotes_are_one_cycle_and_what_nobody_traded_with_is_skipped() -> None:
    story = entry_quoted()
    story.cancel_answer("eth", "0.042")
    story.quote("0.044", "-1.1")
    story.outcome("eth", "accepted")
    held = story.held
    assert (held.cycle, held.enters, held.eth.wanted) == (1, 2, Base.of("0.044"))
    assert story.fold.cycle.agreed == [(Base.of("0.044"), Base.of("-1.1"))]
    story.cancel_answer("eth", "0.044")
    story.tell(Skipped(1, "NOT_FILLED", "15 s", None))
    assert story.ended == [(1, "skipped")]
    assert (story.held.record.failed_in_row, story.held.record.cycles) == (0, 0)


def test_a_pair_that_is_taken_after_a_quote_counts_its_first_taking_orders() -> None:
    story = entry_quoted()
    story.cancel_answer("eth", "0.042")
    story.enter()
    totals = story.held.totals
    assert (totals.legs_ordered, totals.legs_filled_first) == (2, 2)
    story.leave()
    story.snapshot()
    assert story.held.record.fill_rate == 10**18


def test_a_settled_pair_is_open_and_anything_else_is_taken_no_notice_of() -> None:
    story = entry_quoted()
    story.fill("eth", "0.021", remaining="0.021")
    eth = story.order_digest("eth")
    story.hedge("sol", "-0.5")
    story.fill("sol")
    story.tell(PairSettled(1, Base.of("0.021"), Base.of("-0.5"), "while it works"))
    story.cancel_answer("eth", "0.021", digest=eth)
    assert story.held.phase == "uneven"
    story.tell(PairSettled(2, Base.of("0.021"), Base.of("-0.5"), "another cycle"))
    story.tell(PairSettled(1, Base.of("0.021"), Base.of("-0.6"), "not what is held"))
    assert story.held.phase == "uneven"
    assert story.fold.cycle.agreed == [(Base.of("0.042"), Base.of("-1"))]
    story.tell(PairSettled(1, Base.of("0.021"), Base.of("-0.5"), "hedged"))
    assert story.held.phase == "open"
    story.leave()
    story.snapshot()
    assert story.ended == [(1, "completed")]


def test_a_pair_of_which_both_legs_are_trimmed_is_open_at_what_is_left_and_at_its_fill_prices() -> None:
    story = started()
    story.quote("0.42", "-10")
    story.outcome("eth", "accepted")
    story.fill("eth", "0.42", remaining="0")
    story.hedge("sol", "-10")
    story.fill("sol", "-10", "115.50")
    before = story.held
    assert (before.phase, before.filled_imbalance) == ("open", story.fold.cycle.filled_imbalance)
    story.placed("repair", "-0.043", "1", closing=True)
    story.fill("eth")
    assert story.held.phase == "in_flight"
    story.fill("sol")
    held = story.held
    assert (held.phase, held.repairs, held.flattens) == ("open", 1, 0)
    assert (held.eth.amount, held.sol.amount) == (Base.of("0.377"), Base.of("-9"))
    eth, sol = (notional(leg.vwap, leg.amount) for leg in (held.eth, held.sol))
    assert held.filled_imbalance == imbalance(eth, sol, held.hedge_ratio), (
        "of what is left, at the prices paid for it"
    )
    assert held.filled_imbalance != before.filled_imbalance
    story.leave()
    story.snapshot()
    assert story.ended == [(1, "completed")]


def test_a_leg_alone_is_settled_by_nobody() -> None:
    story = entry_quoted()
    story.fill("eth", "0.02", remaining="0.022")
    story.cancel_answer("eth", "0.022")
    story.tell(PairSettled(1, Base.of("0.02"), Base(0), ""))
    assert story.held.phase == "uneven"
    assert story.fold.cycle.agreed == [(Base.of("0.042"), Base.of("-1"))]
    assert story.held.legging.naked > 0


def test_what_is_held_without_it_is_reckoned_anew_when_an_escape_closes_beside_it() -> None:
    story = entry_quoted()
    story.fill("eth", "0.02", remaining="0.022")
    own = story.order_digest("eth")
    plan = story.plan("flatten", "-0.02", "0")
    story.sealed = Sealed(plan, digest(plan))
    story.tell(EscapeRound(plan, story.order_digest("eth"), ""))
    (order,) = story.held.working
    assert (story.held.phase, order.doubt.alone) == ("in_flight", False)
    assert [doubt.alone for doubt in story.held.doubts] == [False]
    story.fill("eth")
    (order,) = story.held.working
    assert (order.doubt.order_digest, order.doubt.before) == (own, Base.of("-0.02"))
    assert (story.held.phase, order.doubt.alone) == ("working", True)
    assert not story.held.awaiting_proof, "nothing is held, and it may still trade"


def test_a_new_invocation_keeps_the_cycle_of_an_order_that_works() -> None:
    story = entry_quoted()
    story.tell(Started(8, Ns(story.now_ms * 1_000_000)))
    story.fill("eth", "0.042")
    assert (story.held.phase, story.held.cycle, story.held.adopted) == ("uneven", 1, True)
    story.hedge("sol", "-1")
    story.fill("sol")
    assert story.held.phase == "open"
    story.leave()
    story.tell(AccountStream(True, ""))
    story.snapshot()
    assert story.ended == [(1, "completed")]
    assert story.held.totals.orders_sent == story.held.totals.orders_closed == 4


def exit_quoted() -> Story:
    """A pair is open, and its exit quote works."""
    story = started()
    story.enter()
    story.snapshot()
    story.quote(opens=False)
    story.outcome("eth", "accepted")
    return story


def test_an_exit_quote_closes_though_it_is_not_reduce_only() -> None:
    story = exit_quoted()
    assert story.fold.cycle.opened("eth").filled == Base.of(ETH)
    story.fill("eth", "-0.021", remaining="0.021")
    assert story.fold.cycle.opened("eth").filled == Base.of(ETH)
    assert story.fold.cycle.closed("eth").filled == Base.of("-0.021")
    rest = story.a_fill("eth", "-0.021", remaining="0")
    story.hedge("sol", "0.5", closing=True)
    story.fill("sol", price="115")
    story.tell(rest)
    story.hedge("sol", "0.5", closing=True)
    story.fill("sol", price="115")
    assert (story.held.phase, story.held.awaiting_proof) == ("flat", True)
    assert story.held.totals.entered == 1
    story.snapshot()
    assert story.ended == [(1, "completed")]
    cycle = story.fold.cycle
    eth, sol = (
        notional(Price.of(price), Base.of(amount)) for price, amount in ((PRICE["eth"], ETH), ("115", SOL))
    )
    assert (cycle.closed("eth").quote, cycle.closed("sol").quote) == (eth, sol)
    assert story.held.totals.exit_imbalances != ()
    assert story.held.totals.filled_imbalances != ()
    assert len(story.held.totals.exit_imbalances) == 1


def test_a_pair_whose_exit_quote_nobody_traded_with_is_open_as_before() -> None:
    story = exit_quoted()
    assert story.held.phase == "working"
    story.cancel_answer("eth", ETH)
    assert story.held.phase == "open"
    story.leave()
    story.snapshot()
    assert story.ended == [(1, "completed")]


@pytest.mark.parametrize(
    ("amount", "unexplained"),
    [("0", False), ("0.02", False), ("0.042", False), ("0.043", True), ("-0.001", True)],
)
def test_a_position_that_fills_and_all_that_could_trade_do_not_explain(
    amount: str, *, unexplained: bool
) -> None:
    story = entry_quoted()
    story.position_change("eth", amount)
    assert story.held.unexplained == unexplained
    story.position_change("sol", "-0.1")
    assert story.held.unexplained, "nothing of ours is in the other product"
    story.position_change("sol", "0")
    assert story.held.unexplained == unexplained


def test_an_exit_quote_explains_no_position_beyond_flat_and_old_news_explains_itself() -> None:
    story = exit_quoted()
    story.position_change("eth", "0.042")
    story.position_change("eth", "0")
    assert not story.held.unexplained
    story.position_change("eth", "0.03")
    story.fill("eth", "-0.02", remaining="0.022")
    story.position_change("eth", "0.035")
    assert not story.held.unexplained, "a moment ago it was so"
    story.position_change("eth", "-0.01")
    assert story.held.unexplained
    story.cancel_answer("eth", "0.022")
    story.snapshot()
    assert not story.held.unexplained, "a reading agrees"


def test_a_snapshot_keeps_what_works() -> None:
    from actors.ledger.snapshots import fold_in, snapshot_of

    story = entry_quoted()
    story.fill("eth", "0.02", remaining="0.022")
    rest = story.a_fill("eth", "0.022", remaining="0")
    thawed = fold_in(snapshot_of(story.fold, (-1, -1)))
    assert thawed.held(1) == story.fold.held(1)
    for fold in (story.fold, thawed):
        (said,) = fold.apply(rest, story.now_ms * 1_000_000)
        assert isinstance(said, QuoteEnded)
        assert fold.position["eth"] == Base.of("0.042")
    assert thawed.held(1) == story.fold.held(1)


def test_what_is_remembered_of_an_order_that_rested_takes_a_late_fill_of_its_whole_life() -> None:
    from actors.ledger.snapshots import fold_in, snapshot_of

    story = entry_quoted()
    late = story.a_fill("eth", "0.01", remaining="0.032", at_ms=story.now_ms + 10_000)
    story.cancel_answer("eth", "0.042")
    for cycle in (2, 3):
        story.snapshot()
        story.enter(cycle)
        story.snapshot()
        story.leave(cycle)
        story.snapshot()
    thawed = fold_in(snapshot_of(story.fold, (-1, -1)))
    order = thawed.order(late.order_digest)
    assert order is not None
    assert order.plan.quote is not None
    thawed.apply(late, int(late.at_ns))
    assert thawed.position["eth"] == Base.of("0.01")


def test_every_word_may_come_twice() -> None:
    story = entry_quoted()
    rows: list[msgspec.Struct] = [
        story.a_fill("eth", "0.02", remaining="0.022"),
        CancelAsked(story.order_digest("eth"), 4, "", Ms(story.now_ms)),
        CancelAnswer(story.order_digest("eth"), 4, Base.of("0.022"), False, "", Ms(story.now_ms)),
    ]
    for row in rows:
        story.tell(row, row)
    assert len(story.said_of(QuoteEnded)) == 1
    assert story.held.eth.amount == Base.of("0.02")
    story.tell(*rows)
    assert len(story.said_of(QuoteEnded)) == 1
    assert story.held.eth.amount == Base.of("0.02")
