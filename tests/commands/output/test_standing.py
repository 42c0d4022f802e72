"""How a run stands, in a word: absent is never flat, and unknown is never hedged; and what a reader that
comes late is told.
"""

import json
import os
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from commands.output.event_feed import EventFeed
from commands.output.event_memory import KEPT
from commands.output.events import SaidEvent
from commands.output.money_lines import CAUSES, per_million
from commands.output.standing import Shown, standing_facts, stands
from commands.output.words import iso_micros
from messages.execution import Doubt
from messages.lifecycle import Held, Legging, Note
from messages.settings import Settings
from messages.units import Base, Bps, Ms, Price, Quote
from runtime import specs
from tests.actors.fakes import START_MS, held, quote, resting_bid
from tests.commands.output.event_samples import AT, SHOWN
from tests.commands.output.test_events import SOON_S, begin
from tests.commands.scenes import open_pair, statement, totals
from tests.patience import slack


def a_note(number: int) -> Note:
    return Note(AT, "info", "x", f"line {number}")


def lines_in(content: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in content.splitlines()]


DOUBT = Doubt("eth", 2, 7, "0x5f1c" + "0" * 60, 4, Base.of("1"), Price.of("1"), Ms(START_MS), Base(0))


@pytest.mark.parametrize(
    ("one", "word", "sentence"),
    [
        (None, "starting", "The ledger has not been read yet."),
        (held(), "flat", "Flat: nothing is open, and the exchange agrees."),
        (held(account_ok=False), "checking", "Flat by our fills; the exchange is being asked."),
        (held(awaiting_proof=True), "checking", "Flat by our fills; the exchange is being asked."),
        (held(phase="in_flight"), "sending", "Orders are on their way; held by our fills: nothing."),
        (open_pair(), "hedged", "Hedged: short 0.357 ETH, long 8.5 SOL."),
        (
            open_pair(phase="uneven", sol=Base(0), legging=Legging(naked=Quote.of("984.57"))),
            "open",
            "Not hedged: ETH-PERP -0.357, 985 USD unhedged.",
        ),
        (
            open_pair(phase="uneven", sol=Base(0), legging=Legging(priced=False)),
            "open",
            "Not hedged: ETH-PERP -0.357.",
        ),
        (
            held(phase="working", working=(resting_bid(),)),
            "working",
            "An order rests; held by our fills: nothing.",
        ),
        (
            open_pair(phase="working", working=(resting_bid(), resting_bid("0x2"))),
            "working",
            "Two orders rest; held by our fills: ETH-PERP -0.357, SOL-PERP 8.5.",
        ),
        (
            open_pair(
                phase="working",
                sol=Base(0),
                working=(resting_bid(),),
                legging=Legging(naked=Quote.of("984.57")),
            ),
            "working",
            "An order rests; held by our fills: ETH-PERP -0.357, 985 USD unhedged.",
        ),
        (held(doubts=(DOUBT,)), "unknown", "Not known: eth order 0x5f1c0000 unknown."),
        (open_pair(doubts=(DOUBT,)), "unknown", None),
    ],
)
def test_how_a_run_stands_in_a_word_and_a_sentence(one: Held | None, word: str, sentence: str | None) -> None:
    found = stands(one)
    assert found[0] == word
    assert sentence in {None, found[1]}


def test_each_order_that_rests_is_told_with_its_price_its_fills_and_its_ends() -> None:
    asked = resting_bid(filled=Base.of("0.1"), cancel_asked_ms=Ms(START_MS + 4_000))
    shown = Shown(Settings(), held(phase="working", working=(asked,)), "QUOTING", 1, 1, "guard off")
    (line,) = standing_facts(shown, START_MS)["working"]
    assert (line.leg, line.plan, line.ordered, line.price, line.filled) == (
        "eth",
        "3.7",
        "0.4",
        "2756.8",
        "0.1",
    )
    doubt = asked.doubt
    assert (line.given_up_at, line.expires_at, line.cancel_asked_at) == (
        iso_micros((START_MS + 10_000) * 1_000_000),
        iso_micros(doubt.last_trade_ms * 1_000_000),
        iso_micros((START_MS + 4_000) * 1_000_000),
    )
    shown = msgspec.structs.replace(shown, held=held(phase="working", working=(resting_bid(),)))
    assert standing_facts(shown, START_MS)["working"][0].cancel_asked_at is None


def test_what_nobody_knows_is_null_and_what_was_paid_is_above_zero() -> None:
    nothing = standing_facts(Shown(Settings(), None, "STARTING", 1, 0, "guard off"), START_MS)
    assert [nothing[name] for name in ("eth", "sol", "net_usd", "cost_per_million_usd", "unhedged")] == [
        None
    ] * 5
    known = standing_facts(SHOWN, START_MS)
    assert known["eth"] == "-0.357"
    costs = {line.cause: line for line in known["costs"]}
    assert tuple(costs) == CAUSES
    assert (costs["fees"].paid_usd, costs["hedge"].paid_usd) == ("6.89", "-0.32")
    # 6.89 USD of 19,690
    assert costs["fees"].per_million_usd == per_million(Quote.of("6.89"), Quote.of(19_690)).text()  # type: ignore[union-attr]
    assert costs["fees"].per_million_usd.startswith("349.92")
    # what the summary says: 382 USD per 1M traded
    assert known["cost_per_million_usd"].startswith("382.4")
    unpriced = Shown(Settings(), open_pair(totals=totals(money=statement(net=None))), "", 1, 1, "")
    assert standing_facts(unpriced, START_MS)["net_usd"] is None


# -- who comes late ------------------------------------------------------------------------------------------


@pytest.fixture
def late() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    os.close(ends[0])


def test_who_comes_late_is_told_by_which_lines_things_stand_as_they_do(late: tuple[int, int]) -> None:
    events = EventFeed(begin, lambda: AT, remembers=True)
    for number in range(3):
        events(specs.ChildStarted("legs", "eth_leg", number + 1))
        events(specs.ChildStarted("legs", "sol_leg", number + 1))
        events(quote())
        events(a_note(number))
    reader = events.attach(late[1], remembered=True)
    assert reader is not None
    events(a_note(99))
    assert reader.finish(SOON_S * slack())
    seen = lines_in(os.read(late[0], 1 << 20))
    # the newest of what replaces itself, with its own number, in order; then what happens
    assert [(line["event"], line["seq"]) for line in seen] == [
        ("begin", 0),
        ("actor_started", 9),
        ("actor_started", 10),
        ("books", 11),
        ("note", 12),
        ("note", 13),
    ]
    reader.close()


def test_how_it_stood_is_kept_once_for_each_cycle_and_all_of_it_is_bounded(late: tuple[int, int]) -> None:
    shown = [SHOWN]
    events = EventFeed(begin, lambda: AT, lambda: standing_facts(shown[0], START_MS), remembers=True)
    for completed in range(1, 4):
        for cents in range(5):
            money = totals(completed=completed, traded=Quote.of(completed * 100 + cents))
            shown[0] = Shown(Settings(), open_pair(totals=money), "HOLDING", 2, completed, "guard off")
            events(held())
            events(held())  # nothing has changed: nothing is told
    assert events._seq == 15
    for number in range(2 * KEPT[SaidEvent]):
        events(a_note(number))
    reader = events.attach(late[1], remembered=True)
    assert reader is not None
    assert reader.finish(SOON_S * slack())
    seen = lines_in(os.read(late[0], 1 << 20))
    assert [line["traded_usd"] for line in seen if line["event"] == "standing"] == ["104", "204", "304"]
    assert len(seen) < 10
    reader.close()


def test_a_run_that_remembers_nothing_tells_nothing_of_before(late: tuple[int, int]) -> None:
    events = EventFeed(begin, lambda: AT)
    events(a_note(1))
    reader = events.attach(late[1], remembered=True)
    assert reader is not None
    assert reader.finish(SOON_S * slack())
    assert [line["seq"] for line in lines_in(os.read(late[0], 1 << 20))] == [1]
    reader.close()


def test_an_imbalance_is_told_exactly() -> None:
    shown = Shown(Settings(), open_pair(filled_imbalance=Bps.of("2.80000001")), "", 1, 4, "")
    assert standing_facts(shown, START_MS)["filled_imbalance_bps"] == "2.80000001"
