"""What the page shows is what the events say: absent is never flat, an acknowledgement is no fill, one digest
is one digest, and nothing grows.
"""

import sys

import msgspec
import pytest

from commands.output.events import ClosedEvent, HopEvent, SaidEvent
from commands.page.state import CYCLES_KEPT, KEPT, LOG_KEPT, PLANS_KNOWN, PageState
from messages.lifecycle import CycleEnded
from messages.units import Base, Bps, Ms, Quote
from runtime import specs
from tests.actors.fakes import START_MS, held, quote, resting_bid
from tests.commands.output.event_samples import sample_lines
from tests.commands.page.told import begun, eventful_run, events_told, stands_now
from tests.commands.resting_scene import maker_fill, quote_ended, quote_of_eth, until_it_rests
from tests.commands.scenes import (
    ETH_ORDER,
    calm_entry,
    fill,
    open_pair,
    outcome,
    place,
    plan,
    refused_and_repaired,
    totals,
    votes,
)


def state_after(*messages: msgspec.Struct) -> PageState:
    state = PageState()
    state.take(begun())
    for event in events_told(messages):
        state.take(event)
    state.refresh()
    return state


@pytest.mark.parametrize(
    ("one", "title", "mood"),
    [
        (None, "Starting", "wait"),
        (held(), "Flat", "good"),
        (held(awaiting_proof=True), "Flat, being checked", "wait"),
        (open_pair(), "Hedged", "good"),
        (open_pair(phase="uneven", sol=Base(0)), "Open, not hedged", "bad"),
        (held(phase="in_flight"), "Orders on their way", "wait"),
    ],
)
def test_the_first_thing_it_says_is_hedged_flat_or_open(one: object, title: str, mood: str) -> None:
    state = PageState()
    state.take(stands_now(1, one))
    standing = state.sections["standing"]
    assert (standing["title"], standing["mood"]) == (title, mood)


def test_before_anything_is_told_nothing_is_claimed() -> None:
    state = PageState()
    assert [state.sections[name] for name in ("standing", "books", "money", "unhedged")] == [None] * 4


def test_an_acknowledged_order_is_not_filled_and_its_fills_add_up_once() -> None:
    entry = plan()
    size = entry.plan.eth.amount
    half = Base(size // 2).text()
    piece = fill(ETH_ORDER, 4, half, "2757.9", remaining="0.1785")
    state = state_after(entry, *votes(entry), place(entry), outcome(entry, "eth"))
    eth = state.sections["plans"][0]["eth"]
    assert (eth["acknowledged"], eth["after"], eth["filled"], eth["vwap"]) == ("accepted", "41 ms", "0", None)
    for event in events_told([piece, piece], 10):
        state.take(event)
    state.refresh()
    eth = state.sections["plans"][0]["eth"]
    assert (eth["filled"], eth["vwap"], eth["slippage"]) == ("0.1785", "2757.90", "0.00 bps")


def test_the_ledgers_figures_replace_the_pieces() -> None:
    state = state_after(*calm_entry(plan()))
    shown = state.sections["plans"][0]
    assert (shown["eth"]["filled"], shown["sol"]["filled"], shown["fate"]) == ("0.357", "8.5", "closed")
    assert shown["eth"]["fee"] == "0.34"


def test_a_refused_leg_and_its_repair_are_both_there_newest_first() -> None:
    state = state_after(*refused_and_repaired())
    repair, entry = state.sections["plans"]
    assert (repair["purpose"], repair["eth"], repair["sol"]["slippage"]) == ("repair", None, "0.86 bps")
    assert (entry["sol"]["acknowledged"], entry["sol"]["filled"], entry["sol"]["mood"]) == (
        "refused 2031",
        "0",
        "bad",
    )


def test_three_votes_on_one_digest_and_nothing_less() -> None:
    entry = plan()
    ready = events_told([entry, *votes(entry)])
    other = [
        msgspec.structs.replace(each, digest="0" * 32) if getattr(each, "who", "") == "sol" else each
        for each in ready
    ]
    for told, agreed, word in (
        (ready, True, "READY"),
        (other, False, "OTHER DIGEST"),
        (ready[:3], False, "READY"),
    ):
        state = PageState()
        for event in told:
            state.take(event)
        state.refresh()
        shown = state.sections["plans"][0]
        assert shown["agreed"] is agreed
        assert shown["votes"][1]["word"] == word


def test_who_died_is_down_until_it_is_back_and_its_restarts_are_counted() -> None:
    up = [
        specs.ChildStarted("supervisor", "trading", 1),
        specs.ChildStarted("trading", "legs", 1),
        specs.ChildStarted("legs", "eth_leg", 1),
    ]
    state = state_after(*up, specs.Exited("legs", "eth_leg", 1, "Killed: eth_leg was killed", ""))
    tree = {node["name"]: node for node in state.sections["tree"]}
    assert (tree["eth_leg"]["state"], tree["eth_leg"]["depth"]) == ("down", 3)
    state.take(events_told([specs.ChildStarted("legs", "eth_leg", 2)], 10)[0])
    # a late word about the one before changes nothing
    state.take(events_told([specs.Exited("legs", "eth_leg", 1, "Killed", "")], 11)[0])
    state.refresh()
    node = state.sections["tree"][-1]
    assert (node["state"], node["restarts"], node["last"]) == ("up", 1, "Killed: eth_leg was killed")


def test_what_was_taken_already_changes_nothing() -> None:
    events = events_told(calm_entry(plan()))
    state = PageState()
    for event in [*events, *events[:3]]:
        state.take(event)
    state.refresh()
    assert [each["plan"] for each in state.sections["plans"]] == ["2.7"]
    assert state.sections["plans"][0]["fate"] == "closed"


def test_a_cycles_imbalance_and_cost_are_its_own() -> None:
    state = PageState()
    for seq, (cycle, share, paid) in enumerate(((4, "2.8", "6.89"), (5, "6.05", "8.1")), start=1):
        done = totals(completed=cycle, fees=Quote.of(paid))
        state.take(stands_now(seq, open_pair(cycle=cycle, filled_imbalance=Bps.of(share), totals=done)))
    state.take(events_told([CycleEnded(5, "completed", "", Quote.of("24.1"))], 9)[0])
    assert {key: row["imbalance"] for key, row in state.rows["cycles"].items()} == {4: "0.028", 5: "0.0605"}
    assert state.rows["cycles"][5]["unhedged"] == "24.1"
    assert sorted(state.rows["costs"]) == [4, 5]
    assert state.rows["costs"][5]["net"] == "7.22"


def test_money_is_written_by_cause_and_per_million() -> None:
    state = PageState()
    state.take(stands_now(1, open_pair(totals=totals())))
    money = state.sections["money"]
    fees = money["causes"][0]
    assert (fees["words"], fees["usd"], fees["per_million"]) == ("fees", "+6.89", "349.9")
    assert (money["net"], money["cost_per_million"], money["traded"]) == ("-7.22", "382", "19,690")


def test_the_books_keep_when_they_were_proven() -> None:
    state = state_after(quote())
    eth, sol = state.sections["books"]["books"]
    assert (eth["name"], sol["name"]) == ("ETH-PERP", "SOL-PERP")
    assert eth["proven_at"].endswith("Z")


def test_latency_is_by_the_reports_own_steps() -> None:
    hops = [
        ("supervisor seals", 0),
        ("eth_leg votes", 300),
        ("sol_leg votes", 350),
        ("ledger intent", 700),
        ("eth_leg sends", 800),
        ("sol_leg sends", 950),
    ]
    sample = next(line for line in sample_lines() if isinstance(line, HopEvent))
    state = PageState()
    for seq, (hop, micros) in enumerate(hops, start=1):
        at = f"2026-09-21T14:13:20.{micros:06d}Z"
        state.take(msgspec.structs.replace(sample, seq=seq, hop=hop, at=at))
    state.refresh()
    steps = {row["step"]: (row["count"], row["median"]) for row in state.sections["hops"]}
    assert steps["sealed, last of three votes"] == (1, 700)
    assert steps["last vote, first order sent"] == (1, 100)
    assert steps["first order sent, second order sent"] == (1, 150)


def test_a_run_that_ended_says_so_and_one_that_is_gone_claims_nothing() -> None:
    state = state_after()
    ended = next(line for line in sample_lines() if line.__class__.__name__ == "EndedEvent")
    state.take(msgspec.structs.replace(ended, seq=5, exit_code=4, open="SOL-PERP -8.5", unknown=False))
    assert state.sections["trouble"]["ended"]["mood"] == "bad"
    state.gone("it is gone")
    assert "gone" not in state.sections["trouble"]
    lost = state_after()
    lost.gone("it is gone")
    assert lost.sections["trouble"]["gone"] == "it is gone"


def test_what_was_not_read_is_said_in_the_log() -> None:
    state = state_after()
    state.take(sample_lines()[1])
    assert "412 events were not read" in state.rows["log"][8_112]["text"]


def test_nothing_grows() -> None:
    """Several times as much as is kept of anything: then no more than is kept."""
    state, said = PageState(), next(line for line in sample_lines() if isinstance(line, SaidEvent))
    for seq in range(1, 5 * LOG_KEPT):
        state.take(msgspec.structs.replace(said, seq=seq))
    for event in eventful_run(1, 2 * CYCLES_KEPT):
        state.take(msgspec.structs.replace(event, seq=event.seq + 5 * LOG_KEPT))
    state.refresh()
    assert {kind: len(rows) <= KEPT[kind] for kind, rows in state.rows.items()} == dict.fromkeys(KEPT, True)
    assert all(len(rows) <= KEPT[kind] for kind, rows in state.changed_rows.items())
    assert len(state._plans) <= PLANS_KNOWN
    assert len(state._tree._nodes) <= 64
    assert sys.getsizeof(msgspec.json.encode(state.sections)) < 20_000


def test_every_event_can_be_shown() -> None:
    """Of every kind there is: none stops the page."""
    state = PageState()
    for seq, event in enumerate(sample_lines()):
        state.take(msgspec.structs.replace(event, seq=seq))
    state.refresh()
    assert state.sections["trouble"]["halted"]["code"] == "LEGGING_BUDGET"
    assert any(isinstance(each, ClosedEvent) for each in sample_lines())


# -- orders that rest ----------------------------------------------------------------------------------------


def test_a_quote_that_is_answered_for_rests_until_its_own_ending() -> None:
    """Its plan was once closed with 0 filled, in red, and its fills were not heard any more."""
    sealed = quote_of_eth()
    before = [*until_it_rests(sealed), maker_fill("-0.1", "0.257")]
    resting = state_after(*before).sections["plans"][0]
    assert (resting["fate"], resting["eth"]["filled"], resting["eth"]["mood"]) == ("resting", "0.1", "wait")
    ended = state_after(*before, quote_ended(sealed, "-0.2")).sections["plans"][0]
    assert (ended["fate"], ended["eth"]["filled"], ended["eth"]["vwap"]) == ("closed", "0.2", "2757.90")


def test_a_quote_that_was_refused_is_closed() -> None:
    refused = state_after(*until_it_rests(quote_of_eth(), "refused")).sections["plans"][0]
    assert refused["fate"] == "closed"


def test_each_order_that_rests_is_a_row_in_words() -> None:
    state = PageState()
    asked = resting_bid(filled=Base.of("0.1"), cancel_asked_ms=Ms(START_MS))
    state.take(stands_now(1, held(phase="working", working=(asked,))))
    assert state.sections["standing"]["title"] == "An order rests"
    assert state.sections["working"] == [
        {
            "leg": "ETH-PERP",
            "ordered": "buy 0.4",
            "price": "2756.8",
            "filled": "0.1",
            "until": "14:13:30 UTC",
            "cancel": "asked",
            "state": "rests",
            "order": "0xq",
        }
    ]
    state.take(stands_now(2, held()))
    assert state.sections["working"] == []


def test_before_the_ledger_has_spoken_nobody_says_that_nothing_rests() -> None:
    state = PageState()
    state.take(stands_now(1))
    assert state.sections["working"] is None
