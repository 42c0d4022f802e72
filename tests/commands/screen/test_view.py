"""The fold behind the screen: messages in, what there is to see out."""

import msgspec
import pytest

from commands.output.sentences import slippage_bps
from commands.screen.view import DIGESTS_KEPT, EVENTS_KEPT, RunView
from commands.screen.view_parts import marked_exposure
from messages.lifecycle import CycleEnded, Directive, Note, Restarted, Staged
from messages.sizing import Abort, Declined, Ready
from messages.units import ONE, Base, Bps, Ms, Ns, Rate
from runtime import specs
from tests.actors.fakes import START_MS, held, quote
from tests.commands.scenes import (
    ETH_ORDER,
    SKIPPED,
    Clock,
    calm_entry,
    fill,
    hop,
    leg_fill,
    open_pair,
    outcome,
    place,
    plan,
    refused_and_repaired,
    view_of,
    votes,
)


def told(view: RunView) -> list[str]:
    return [event.text for event in view.events]


def test_a_calm_entry_is_told_in_its_order() -> None:
    view = view_of([quote(), held(cycle=3), *calm_entry(plan()), open_pair()])
    digest = view.sealed.digest[:8] if view.sealed else ""
    assert told(view) == [
        "both books live",
        f"plan 2.7 {digest} enter: ETH sell 0.357 = 984.57   SOL buy 8.5 = 984.81 USD",
        "eth_leg READY, sol_leg READY, ledger READY: plan 2.7 placed",
        "ETH order 5f1c..a2 accepted after 41 ms",
        "ETH filled 0.357 at 2757.9",
        "SOL filled 8.5 at 115.86",
        "SOL order 88d0..4e accepted after 38 ms",
        "enter closed: ETH 0.357 of 0.357 at 2757.90, SOL 8.5 of 8.5 at 115.86",
        "balanced: filled imbalance 0.028 %, exits in 2.0 s",
    ]
    assert [event.notable for event in view.events].count(True) == 0


def test_a_quote_is_one_line_once_however_many_come() -> None:
    assert told(view_of([quote(version=each) for each in range(1, 500)])) == ["both books live"]


def test_holdings_are_no_lines() -> None:
    assert told(view_of([held(rows=each) for each in range(500)])) == []


def test_rows_show_what_was_ordered_filled_paid_and_how_fast() -> None:
    view = view_of(calm_entry(plan()))
    eth, sol = view.rows
    assert (eth.label, eth.filled, eth.vwap.text(), eth.after_ms, eth.state) == (
        "ETH",
        Base.of("0.357"),
        "2757.9",
        41,
        "filled",
    )
    assert (sol.label, sol.filled, sol.after_ms, sol.digest[:6]) == ("SOL", Base.of("8.5"), 38, "0x88d0")


def test_a_repair_is_a_row_below_the_legs_it_repairs() -> None:
    view = view_of(refused_and_repaired())
    assert [(row.label, row.state) for row in view.rows] == [
        ("ETH", "filled"),
        ("SOL", "refused 2031"),
        ("repair", "filled"),
    ]
    assert "SOL order 88d0..4e refused: 2031" in told(view)
    assert "STAGED SOL order refused: repaired, balanced in 118 ms" in told(view)


def test_a_new_plan_starts_new_rows() -> None:
    view = view_of([*refused_and_repaired(), plan("exit", seq=9, eth="0.357", sol="-8.5")])
    assert [(row.label, row.filled, row.state) for row in view.rows] == [("ETH", 0, ""), ("SOL", 0, "")]


def test_of_many_repairs_the_last_two_are_shown() -> None:
    repairs = [plan("repair", seq=7 + each, eth="0", sol=f"{each}") for each in range(1, 6)]
    view = view_of([*refused_and_repaired()[:7], *repairs])
    assert [row.order.amount.text() for row in view.rows] == ["-0.357", "8.5", "4", "5"]


def test_a_duplicate_fill_counts_once_and_a_late_one_not_at_all() -> None:
    entry = plan()
    once = fill(ETH_ORDER, 4, "-0.357", "2757.9")
    messages = calm_entry(entry)
    assert view_of([*messages[:7], once, once, *messages[7:], once]).rows[0].filled == Base.of("0.357")


def test_pieces_of_a_fill_add_up_to_a_vwap() -> None:
    entry = plan()
    first, second = (
        fill(ETH_ORDER, 4, size, price, remaining=left)
        for size, price, left in (("-0.1", "2757", "0.257"), ("-0.257", "2758", "0"))
    )
    row = view_of([entry, *votes(entry), place(entry), first, second]).rows[0]
    assert row.state == "filled"
    assert row.vwap == (100 * 2757 + 257 * 2758) * ONE // 357


def test_the_ledgers_word_replaces_the_pieces() -> None:
    entry = plan()
    done = calm_entry(entry)[-1]
    view = view_of([entry, *votes(entry), place(entry), done])
    assert [row.filled for row in view.rows] == [Base.of("0.357"), Base.of("8.5")]


def test_slippage_is_what_was_paid_beyond_the_plan_on_either_side() -> None:
    sold, bought = view_of(refused_and_repaired()).rows[0], view_of(refused_and_repaired()).rows[2]
    assert slippage_bps(sold.order.amount, sold.order.vwap, sold.vwap) == 0
    assert Bps.of("0.86") < slippage_bps(bought.order.amount, bought.order.vwap, bought.vwap) < Bps.of("0.87")


def test_a_vote_for_another_digest_is_not_ready() -> None:
    view = view_of([plan(), Ready("sol", 2, 7, "0" * 32, None, None)])
    assert view.votes == {"sol": "OTHER DIGEST"}


def test_words_about_another_plan_change_nothing() -> None:
    view = view_of([plan()])
    strangers = (
        Ready("sol", 2, 6, "", None, None),
        Declined("sol", 1, 7, "X", ""),
        place(plan(seq=6)),
        Abort(9, 9, "X", ""),
    )
    for stale in (*strangers, outcome(plan(seq=3), "eth")):
        view.observe(stale)
    assert (view.votes, view.fate, len(view.events)) == ({}, "", 1)


def test_a_declined_plan_says_that_nothing_was_sent() -> None:
    view = view_of(
        [plan(), Declined("sol", 2, 7, "NOT_CONNECTED", "no connection"), Abort(2, 7, "DECLINED", "sol")]
    )
    assert told(view)[1:] == [
        "sol_leg declined, NOT_CONNECTED: no connection",
        "plan 2.7 aborted, DECLINED: 0 orders sent",
    ]
    assert all(event.notable for event in list(view.events)[1:])


def test_an_unknown_order_says_how_much_may_stand_alone_until_when() -> None:
    entry = plan()
    view = view_of([entry, *votes(entry), place(entry), outcome(entry, "sol", "unknown", None, 2000)])
    assert (
        told(view)[-1]
        == "SOL order 0x88d0... unknown: no answer in 2.0 s · up to 984 USD may be unhedged until 14:13:23Z ·"
        " waiting, nothing to do"
    )


def test_what_is_open_is_marked_at_the_mids_of_now() -> None:
    exposed = marked_exposure(open_pair(), quote())
    assert exposed is not None
    assert exposed[0] == (Base.of("-0.357") * quote().eth.mid + Base.of("8.5") * quote().sol.mid) // ONE
    weighted = marked_exposure(
        held(eth=Base.of("0.357"), sol=Base.of("-6.8"), hedge_ratio=Rate.of("0.8")), quote()
    )
    assert weighted is not None
    assert abs(weighted[0]) < ONE, "984.2 USD of ETH and 787.9 of SOL: hedged but for a dollar"
    assert marked_exposure(held(), quote()) is None
    assert marked_exposure(open_pair(), None) is None


def test_actors_that_die_are_down_until_they_are_back() -> None:
    clock = Clock()
    view = view_of([held(epoch=2)], clock=clock)
    view.observe(specs.Exited("legs", "eth_leg", 1, "Killed: by hand", "trace"))
    assert view.down == {"eth_leg"}
    clock.ms += 31
    view.observe(specs.ChildStarted("legs", "eth_leg", 2))
    assert (view.down, view.restarts) == (set(), {"eth_leg": 1})
    assert told(view) == ["eth_leg died: Killed: by hand", "eth_leg back after 31 ms"]


def test_a_sibling_that_was_only_told_to_stop_did_not_die() -> None:
    view = view_of([specs.Exited("legs", "sol_leg", 1, "", "")])
    assert (told(view), view.down) == ([], set())


def test_the_supervisors_own_word_about_a_restart_counts_too() -> None:
    view = view_of([Restarted("eth_leg, sol_leg", "restarted", Ms(31), 2)])
    assert view.restarts == {"eth_leg": 1, "sol_leg": 1}
    assert told(view) == ["eth_leg, sol_leg back after 31 ms, epoch 2"]


def test_an_order_that_leaves_twice_is_noticed() -> None:
    view = view_of([hop("eth_leg sends", "0xa"), hop("sol_leg sends", "0xb"), hop("eth_leg votes", "0xa")])
    assert view.orders_twice == 0
    view.observe(hop("eth_leg sends", "0xa"))
    assert view.orders_twice == 1


def test_skips_are_kept_and_told_with_their_cure() -> None:
    view = view_of([SKIPPED])
    assert list(view.skips) == [SKIPPED]
    assert view.events[-1].line.startswith(
        "cycle 1  skipped: 100 USD per leg cannot be balanced to 0.1 % here"
    )


def test_foreign_positions_are_told_once() -> None:
    assert told(view_of([held(foreign="ETH 1"), held(foreign="ETH 1", rows=2)])) == [
        "not ours: ETH 1; entering is blocked"
    ]


def test_everything_is_bounded() -> None:
    view = view_of(Note(Ns(START_MS * 10**6), "info", "x", str(each)) for each in range(3 * EVENTS_KEPT))
    for each in range(DIGESTS_KEPT + 50):
        view.observe(hop("eth_leg sends", str(each)))
    for seq in range(1, 100):
        view.observe(plan(seq=seq))
    assert len(view.events) == EVENTS_KEPT
    assert view.events[-1].number == 3 * EVENTS_KEPT + 99
    assert len(view._sent) == DIGESTS_KEPT
    assert len(view._plans) <= 8


@pytest.mark.parametrize(
    "message", [Directive(True, False, ""), leg_fill(plan().plan.eth, "0x", "1", "1"), SKIPPED.verdict]
)
def test_what_it_does_not_know_it_ignores(message: msgspec.Struct) -> None:
    view = view_of([message])
    assert told(view) == []


def test_ended_cycles_are_told_and_failures_stand_out() -> None:
    view = view_of(
        [
            CycleEnded(1, "completed", ""),
            CycleEnded(2, "failed", "never hedged"),
            CycleEnded(3, "skipped", ""),
            Staged(3, "x"),
        ]
    )
    assert [(event.line, event.notable) for event in view.events] == [
        ("cycle 1  completed", False),
        ("cycle 2  failed: never hedged", True),
        ("cycle 3  STAGED x", True),
    ]
