"""What is held, by plans and cycles; what the venue's own word does to it; what a second process makes of
it.
"""

import msgspec
import pytest

from messages.execution import Fill, PlanClosed, Resolved
from messages.lifecycle import AccountStream, CycleEnded, Halted, Restarted, Started
from messages.sizing import Ready, Skipped
from messages.units import DOLLAR_NEUTRAL, ONE, Base, Ms, Ns, Price, Quote, imbalance, notional
from tests.actors.fakes import START_MS
from tests.actors.ledger.story import PRODUCT, Story


def skipped(cycle: int) -> Skipped:
    return Skipped(cycle, "UNBALANCED", "best 1.31 %", None)


# -- plans ---------------------------------------------------------------------------------------------------


def test_a_fresh_ledger_is_flat_and_may_be_entered() -> None:
    held = Story().held
    assert (held.phase, held.cycle, held.enters, held.foreign, held.account_ok, held.awaiting_proof) == (
        "flat",
        0,
        0,
        "",
        True,
        False,
    )


def test_an_intent_is_in_flight_from_the_vote_on_but_in_doubt_only_once_placed() -> None:
    story = Story()
    story.seal(story.plan("enter", "0.042", "-1"))
    assert (story.held.phase, story.held.doubts, story.held.cycle, story.held.enters) == (
        "in_flight",
        (),
        0,
        0,
    )
    story.place()
    eth, sol = story.held.doubts
    assert (eth.amount, sol.amount, eth.before) == (Base.of("0.042"), Base.of("-1"), 0)
    assert (eth.order_digest, sol.order_digest) == (story.order_digest("eth"), story.order_digest("sol"))
    assert (story.held.cycle, story.held.enters) == (1, 1)


def test_a_doubt_names_what_was_held_before_the_order() -> None:
    story = Story()
    story.enter()
    story.placed("exit", "-0.042", "1")
    story.fill("sol")
    assert [(doubt.leg, doubt.before) for doubt in story.held.doubts] == [("eth", Base.of("0.042"))]


def test_an_aborted_plan_sent_nothing_and_is_no_cycle() -> None:
    story = Story()
    story.seal(story.plan("enter", "0.042", "-1"))
    story.abort()
    assert story.closed.aborted
    assert (story.closed.eth.outcome, story.closed.eth.filled) == ("none", 0)
    assert (story.held.phase, story.held.cycle, story.held.enters) == ("flat", 0, 0)
    assert story.fold.totals().orders_sent == 0


def test_an_aborted_order_is_not_given_what_a_later_plan_traded() -> None:
    """The sweep's first: asked about between the ledger's death and the abort, answered by the position
    that the next plan left.
    """
    story = Story()
    story.enter()
    story.seal(story.plan("exit", "-0.042", "1"))
    story.fold.reopened()
    assert len(story.held.doubts) == 2
    aborted = {leg: story.order_digest(leg) for leg in ("eth", "sol")}
    story.abort()
    story.placed("flatten", "-0.042", "1")
    story.tell(
        Resolved(
            aborted["eth"],
            PRODUCT["eth"],
            Base.of("-0.042"),
            Quote.of("115.7"),
            Quote(0),
            provisional=True,
            source="engine position",
        )
    )
    assert story.held.eth.amount == Base.of("0.042")


def test_an_abort_that_comes_after_place_changes_nothing() -> None:
    story = Story()
    story.placed("enter", "0.042", "-1")
    story.abort()
    assert len(story.held.doubts) == 2


def test_a_plan_closes_once_with_both_legs() -> None:
    story = Story()
    story.enter()
    (closed,) = story.said_of(PlanClosed)
    assert (closed.eth.ordered, closed.eth.filled, closed.eth.vwap) == (
        Base.of("0.042"),
        Base.of("0.042"),
        Price.of("2756.9"),
    )
    assert (closed.sol.ordered, closed.sol.filled, closed.sol.vwap) == (
        Base.of("-1"),
        Base.of("-1"),
        Price.of("115.86"),
    )
    assert (story.held.phase, story.held.direction) == ("open", "long-eth")


def test_a_leg_without_an_amount_is_no_order() -> None:
    story = Story()
    story.placed("enter", "0.042", "-1")
    story.fill("eth")
    story.outcome("sol", "refused", 2031)
    story.placed("repair", sol="-1", closing=False)
    story.outcome("eth", "none")
    assert [doubt.leg for doubt in story.held.doubts] == ["sol"]
    story.fill("sol")
    assert story.closed.eth.outcome == "none"
    assert story.held.phase == "open"


def test_entered_at_is_the_time_of_the_enter_plan_and_0_when_flat() -> None:
    story = Story()
    decided = story.now_ms
    story.enter()
    assert story.held.entered_ms == decided
    story.leave()
    assert story.held.entered_ms == 0


# -- cycles --------------------------------------------------------------------------------------------------


def test_a_cycle_is_completed_only_by_the_venues_word() -> None:
    """O1, R1: flat by our own fills is not yet flat."""
    story = Story()
    story.enter()
    story.leave()
    assert (story.held.phase, story.held.awaiting_proof, story.ended) == ("flat", True, [])
    story.snapshot()
    assert (story.held.awaiting_proof, story.ended, story.held.completed) == (False, [(1, "completed")], 1)
    assert (story.held.enters, story.held.flattens) == (0, 0)


def test_a_snapshot_from_before_the_close_proves_nothing() -> None:
    story = Story()
    story.enter()
    before = story.now_ms
    story.leave()
    story.snapshot(at_ms=before)
    assert story.held.awaiting_proof
    assert story.held.foreign == ""


def test_a_venue_that_still_holds_something_keeps_the_cycle_open_and_is_named() -> None:
    """R1: the position was isolated, the bot read only cross: the API 'said' 0 while SOL went to -12.9."""
    story = Story()
    story.enter()
    story.leave()
    story.snapshot(isolated="-12.9")
    assert story.ended == []
    assert story.held.foreign == "SOL-PERP: -12.9 stand on isolated margin, where we never trade"
    story.snapshot()
    assert (story.held.foreign, story.ended) == ("", [(1, "completed")])


def test_a_pair_that_never_stood_has_failed_even_when_it_ends_flat() -> None:
    story = Story()
    story.placed("enter", "0.042", "-1")
    story.fill("eth")
    story.outcome("sol", "refused", 2031)
    story.placed("flatten", "-0.042")
    story.fill("eth")
    story.snapshot()
    assert story.ended == [(1, "failed")]
    assert story.fold.totals().filled_imbalances == ()


def test_an_enter_that_opened_nothing_is_tried_again_in_the_same_cycle() -> None:
    story = Story()
    story.placed("enter", "0.042", "-1")
    for leg in ("eth", "sol"):
        story.outcome(leg, "refused", 2031)
    story.snapshot()
    assert (story.held.phase, story.held.enters, story.held.last_refusals, story.ended) == ("flat", 1, 2, [])
    story.enter()
    assert (story.held.cycle, story.held.enters, story.held.phase) == (1, 2, "open")


def test_a_skipped_cycle_counts_once_however_often_it_is_said() -> None:
    story = Story()
    story.tell(skipped(1))
    story.tell(skipped(1))
    assert story.ended == [(1, "skipped")]
    assert (story.held.cycle, story.held.skipped, story.held.enters) == (1, 1, 0)


def test_a_skip_after_orders_of_the_cycle_were_sent_is_a_failure() -> None:
    story = Story()
    story.placed("enter", "0.042", "-1")
    for leg in ("eth", "sol"):
        story.outcome(leg, "refused", 2031)
    story.tell(skipped(1))
    assert story.ended == [(1, "failed")]
    assert story.held.failed == 1


def test_a_stale_skip_does_not_end_an_open_pair() -> None:
    story = Story()
    story.enter()
    story.tell(skipped(1), skipped(2))
    assert (story.ended, story.held.phase) == ([], "open")


def test_a_completing_repair_counts_at_the_prices_really_paid() -> None:
    story = Story()
    story.placed("enter", "0.042", "-1")
    story.fill("eth")
    story.outcome("sol", "refused", 2031)
    assert (story.held.phase, story.held.filled_imbalance) == ("uneven", None)
    story.placed("repair", sol="-1", closing=False)
    assert story.held.repairs == 1
    story.fill("sol", price="115.5")
    paid = [notional(Price.of("2756.9"), Base.of("0.042")), notional(Price.of("115.5"), Base.of("1"))]
    assert story.held.phase == "open"
    assert story.held.filled_imbalance == imbalance(*paid, DOLLAR_NEUTRAL)


def test_a_trimming_repair_makes_a_smaller_pair() -> None:
    story = Story()
    story.placed("enter", "0.042", "-1")
    story.fill("eth")
    story.fill("sol", "-0.5", remaining="0.5")
    story.resolved("sol", "-0.5")
    story.placed("repair", "-0.021", closing=True)
    story.fill("eth")
    assert (story.held.eth.amount, story.held.sol.amount, story.held.phase) == (
        Base.of("0.021"),
        Base.of("-0.5"),
        "open",
    )
    paid = [notional(Price.of("2756.9"), Base.of("0.021")), notional(Price.of("115.86"), Base.of("0.5"))]
    assert story.held.filled_imbalance == imbalance(*paid, DOLLAR_NEUTRAL)


def test_exits_and_flattens_are_counted_when_sealed() -> None:
    story = Story()
    story.enter()
    story.seal(story.plan("exit", "-0.042", "1"))
    story.abort()
    assert (story.held.flattens, story.held.phase) == (1, "open")


# -- the venue's own word ------------------------------------------------------------------------------------


def test_nothing_sets_a_position() -> None:
    """R3: someone set the cached position to 0 to 'fix' drift. Snapshots and position changes only
    compare.
    """
    story = Story()
    story.enter()
    story.snapshot("0", "0")
    story.position_change("eth", "0")
    assert (story.held.eth.amount, story.held.sol.amount) == (Base.of("0.042"), Base.of("-1"))
    assert (
        story.held.foreign
        == "ETH-PERP: the venue holds 0, our fills say 0.042; SOL-PERP: the venue holds 0, our fills say -1"
    )


def test_a_position_nobody_intended_is_foreign_even_before_the_first_plan() -> None:
    story = Story(ready=False)
    story.tell(AccountStream(True, ""))
    story.snapshot("0.5")
    assert story.held.foreign == "product 4: the venue holds 0.5, our fills say 0"
    assert not story.held.account_ok


def test_nothing_is_compared_while_a_plan_is_in_flight() -> None:
    story = Story()
    story.placed("enter", "0.042", "-1")
    story.snapshot("0.042", "0")
    story.position_change("eth", "0.042")
    assert (story.held.foreign, story.held.account_ok) == ("", True)


def test_a_position_change_that_disagrees_only_asks_for_a_snapshot() -> None:
    story = Story()
    story.enter()
    story.position_change("eth", "0.05")
    assert (story.held.account_ok, story.held.foreign) == (False, "")
    story.snapshot()
    assert story.held.account_ok


def test_a_position_change_that_agrees_says_nothing_new() -> None:
    story = Story()
    story.enter()
    story.position_change("eth", "0.042")
    story.position_change("eth", "0", isolated=True)
    assert story.held.account_ok


def test_an_isolated_position_is_never_ours() -> None:
    """R1."""
    story = Story()
    story.position_change("sol", "-3", isolated=True)
    assert not story.held.account_ok


def test_a_fill_that_is_not_ours_is_named_and_not_booked() -> None:
    story = Story()
    story.enter()
    story.tell(
        Fill(
            "0xdead",
            PRODUCT["eth"],
            Base.of("-0.042"),
            Price.of("2750"),
            Quote(0),
            Base(0),
            Base.of("0.042"),
            True,
            0,
            Ns(1),
        )
    )
    assert story.held.eth.amount == Base.of("0.042")
    assert story.held.foreign.startswith("a fill of an order that is not ours: -0.042 of product 4")
    story.snapshot()
    assert story.held.foreign


def test_a_lost_account_stream_blocks_entering_until_it_is_back_and_reconciled() -> None:
    """R7."""
    story = Story()
    story.tell(AccountStream(False, "cut"))
    story.snapshot()
    assert not story.held.account_ok
    story.tell(AccountStream(True, ""))
    assert not story.held.account_ok
    story.snapshot()
    assert story.held.account_ok


# -- money ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("eth", "sol", "cash"), [("0.042", "-1", "-2.52"), ("-0.042", "1", "2.52")])
def test_pnl_follows_the_side_that_was_open(eth: str, sol: str, cash: str) -> None:
    """S7: the formula was long-ETH/short-SOL even when the cycle was the other way. ETH +10, SOL +2.94
    against either direction.
    """
    story = Story()
    story.enter(eth=eth, sol=sol)
    story.leave(eth_price="2766.9", sol_price="118.80")
    net = Quote(Quote.of(cash) - Quote.of("0.16"))
    story.snapshot(value=Quote(Quote.of("10000") + net).text())
    totals = story.fold.totals()
    assert (totals.pnl, totals.fees, totals.funding) == (net, Quote.of("0.16"), None)
    assert story.fold.tally.cash == Quote.of(cash)


def test_what_fills_and_fees_do_not_explain_is_no_funding() -> None:
    story = Story()
    story.enter()
    story.leave()
    story.snapshot(value="10024.84")
    totals = story.fold.totals()
    assert (totals.pnl, totals.funding) == (Quote.of("-0.16"), None)


def test_pnl_is_unknown_until_a_snapshot_knows_of_the_last_trade() -> None:
    """R2: unknown is never zero."""
    story = Story()
    story.enter()
    assert story.fold.totals().pnl is None
    story.snapshot(value="9999.9")
    assert story.fold.totals().pnl == Quote.of("-0.08")
    assert story.fold.totals().funding is None


def test_trades_that_were_learnt_of_before_the_first_reading_of_the_account_are_no_funding() -> None:
    """Killed while leaving: the next start heard of the fills before it saw the account, and told of 116
    USD of funding.
    """
    story = Story()
    story.enter()
    story.placed("exit", "-0.042", "1")
    story.tell(Started(7, Ns(story.now_ms * 1_000_000)), AccountStream(True, ""))
    story.fill("eth")
    story.fill("sol")
    story.snapshot(value="9999.84")
    assert story.fold.totals().traded > 0
    assert story.fold.totals().funding is None


def test_spread_is_paid_against_the_mid_on_either_side() -> None:
    story = Story()
    story.placed("enter", "0.042", "-1")
    story.fill("eth", price="2757.9")
    story.fill("sol", price="115.76")
    assert story.fold.totals().spread == Quote.of("0.042") + Quote.of("0.1")


def test_unhedged_exposure_runs_from_the_first_opening_fill_to_balance_by_the_venues_clock() -> None:
    story = Story()
    story.placed("enter", "0.042", "-1")
    first = story.now_ms
    story.fill("sol", at_ms=first + 77)
    story.fill("eth", at_ms=first)
    totals = story.fold.totals()
    naked = notional(Price.of("2756.9"), Base.of("0.042"))
    assert totals.unhedged_worst == naked
    assert totals.unhedged_usd_s == naked * 77 // 1000


def test_a_pair_that_stands_is_not_unhedged_however_long_it_is_held() -> None:
    story = Story()
    story.placed("enter", "0.042", "-1")
    at = story.now_ms
    story.fill("eth", at_ms=at)
    story.fill("sol", at_ms=at)
    story.now_ms += 3_600_000
    story.leave()
    totals = story.fold.totals()
    # the millisecond between the two closing fills
    assert totals.unhedged_usd_s == totals.unhedged_worst // 1000


def test_two_fills_of_one_instant_leave_nothing_between_them() -> None:
    story = Story()
    story.placed("enter", "0.042", "-1")
    at = story.now_ms
    story.fill("eth", at_ms=at)
    story.fill("sol", at_ms=at)
    assert story.fold.totals().unhedged_worst == 0


def test_totals_count_what_this_invocation_did() -> None:
    story = Story()
    story.enter()
    story.leave()
    story.snapshot(value="9999.84")
    story.tell(skipped(2))
    story.tell(Restarted("eth_leg", "crashed", Ms(31), 1), Halted("DRILL", "a test"))
    totals = story.fold.totals()
    assert (totals.cycles, totals.completed, totals.skipped, totals.failed) == (2, 1, 1, 0)
    assert (totals.legs_ordered, totals.legs_filled_first) == (2, 2)
    assert (totals.orders_sent, totals.orders_closed, totals.restarts, totals.halted) == (4, 4, 1, "DRILL")
    assert (len(totals.filled_imbalances), len(totals.exit_imbalances)) == (1, 1)
    assert totals.traded == 2 * (Quote.of("115.7898") + Quote.of("115.86"))
    assert totals.rows == len(story.rows)


def test_only_the_first_order_of_a_leg_makes_its_fill_rate() -> None:
    story = Story()
    story.placed("enter", "0.042", "-1")
    story.fill("eth")
    story.outcome("sol", "refused", 2031)
    story.placed("repair", sol="-1", closing=False)
    story.fill("sol")
    totals = story.fold.totals()
    assert (totals.legs_ordered, totals.legs_filled_first) == (2, 1)


# -- again from the rows -------------------------------------------------------------------------------------


def chapters() -> list[Story]:
    """Stories that stop at every stage of a cycle."""
    told = []
    for stop in range(8):
        story = Story()
        steps = [
            lambda s: s.seal(s.plan("enter", "0.042", "-1")),
            lambda s: s.place(),
            lambda s: s.fill("eth"),
            lambda s: s.outcome("sol", "refused", 2031),
            lambda s: s.placed("repair", sol="-1", closing=False),
            lambda s: s.fill("sol"),
            lambda s: s.leave(),
            lambda s: s.snapshot(),
        ]
        for step in steps[: stop + 1]:
            step(story)
        told.append(story)
    return told


@pytest.mark.parametrize("stage", range(8))
def test_a_restart_holds_what_was_held(stage: int) -> None:
    """R4: restart forgot the open pair."""
    story = chapters()[stage]
    again, held = story.reread(), story.held
    if stage == 0:
        assert len(again.doubts) == 2
        again = msgspec.structs.replace(again, doubts=())
    assert again == held


def test_a_plan_sealed_before_a_crash_and_never_heard_of_again_is_in_doubt_until_resolved() -> None:
    """O6: nobody knows whether it was placed, so it is asked for and never sent again."""
    story = Story()
    story.seal(story.plan("enter", "0.042", "-1"))
    story.fold.reopened()
    assert len(story.held.doubts) == 2
    story.resolved("eth", "0.042")
    story.resolved("sol", "0")
    assert (story.held.phase, story.held.cycle, story.held.enters, story.held.eth.amount) == (
        "uneven",
        1,
        1,
        Base.of("0.042"),
    )


def test_a_plan_in_doubt_that_was_never_placed_is_no_cycle() -> None:
    story = Story()
    story.seal(story.plan("enter", "0.042", "-1"))
    story.fold.reopened()
    story.resolved("eth", "0")
    story.resolved("sol", "0")
    assert (story.held.phase, story.held.cycle, story.fold.totals().orders_sent) == ("flat", 0, 0)


def test_a_second_invocation_keeps_what_is_held_and_counts_from_zero() -> None:
    """R4: an adopted pair is closed on its way, and is not one of the new invocation's cycles."""
    story = Story()
    story.enter()
    story.tell(Started(8, Ns(0)))
    assert (story.held.phase, story.held.eth.amount, story.held.account_ok) == (
        "open",
        Base.of("0.042"),
        False,
    )
    assert story.fold.totals().orders_sent == 0
    story.tell(AccountStream(True, ""))
    story.snapshot()
    story.leave()
    story.snapshot()
    (ended,) = story.said_of(CycleEnded)
    assert (ended.cycle, ended.ending, ended.detail) == (
        1,
        "completed",
        "adopted; flat, confirmed by the exchange",
    )
    totals = story.fold.totals()
    assert (totals.cycles, totals.orders_sent, totals.orders_closed, totals.unhedged_worst) == (0, 2, 2, 0)
    story.enter(cycle=2)
    assert (story.held.cycle, story.fold.totals().legs_ordered) == (2, 2)


def test_a_second_invocation_carries_its_doubts() -> None:
    story = Story()
    story.placed("enter", "0.042", "-1")
    story.outcome("eth", "unknown")
    story.tell(Started(8, Ns(0)))
    assert len(story.held.doubts) == 2
    story.resolved("eth", "0.042")
    story.resolved("sol", "-1")
    assert story.held.phase == "open"
    totals = story.fold.totals()
    assert (totals.orders_sent, totals.orders_closed) == (2, 2)


def test_a_second_invocation_forgets_a_stranger_that_the_venue_no_longer_shows() -> None:
    story = Story()
    story.tell(Fill("0xdead", 4, Base(ONE), Price(ONE), Quote(0), Base(0), Base(ONE), True, 0, Ns(START_MS)))
    story.tell(Started(8, Ns(0)))
    assert story.held.foreign == ""


def test_seals_are_numbered_across_processes() -> None:
    story = Story()
    story.enter()
    story.tell(Started(8, Ns(0)))
    assert story.held.seq == 1
    assert len(story.said_of(Ready)) == 1
