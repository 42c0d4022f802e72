"""What is open while an order of ours rests, or may: nothing is flat before its last possible trade."""

import msgspec
import pytest

from commands.open_state.decision import OpenAnswer, decide
from commands.open_state.evidence import Evidence, LedgerEvidence, VenueEvidence
from messages.execution import AccountSnapshot, Position
from messages.units import Base, Ms, Quote
from tests.actors.fakes import RECV_MS, REST_MS, RULES, START_MS, held, resting_bid
from venue.resolve import WINDOW_MARGIN_MS

LAST_MS = START_MS + RECV_MS + REST_MS + WINDOW_MARGIN_MS
"""Venue time until which it may trade, with the margin."""
LEDGER = LedgerEvidence(
    "good",
    "logs/ledger.sqlite",
    held=held(phase="working", working=(resting_bid(filled=Base.of("0.1")),), eth=Base.of("0.1")),
    orders=frozenset({"0xq"}),
    grounded=True,
)


def answer_at(at_ms: int, eth: str = "0", *resting: str) -> OpenAnswer:
    """By a reading at venue time `at_ms`."""
    positions = (
        Position(4, Base.of(eth), Base(0), Quote(0)),
        Position(8, Base(0), Base(0), Quote(0)),
    )
    zero = Quote(0)
    said = AccountSnapshot(Ms(at_ms), True, zero, zero, zero, zero, positions, resting)
    return decide(Evidence(LEDGER, "logs", venue=VenueEvidence(said, RULES)))


@pytest.mark.parametrize("at_ms", [START_MS + RECV_MS + WINDOW_MARGIN_MS + 1, LAST_MS])
def test_nothing_is_flat_while_it_may_trade(at_ms: int) -> None:
    answer = answer_at(at_ms)
    assert (answer.kind, answer.eth, answer.sol) == ("open", 0, 0)
    assert "eth order 0xq may trade until 14:13:37Z" in answer.words


def test_a_reading_later_than_its_last_trade_is_believed() -> None:
    assert answer_at(LAST_MS + 1).flat
    assert answer_at(LAST_MS + 1, "0.4").eth == Base.of("0.4")


def test_one_that_is_said_to_rest_all_the_same_is_open() -> None:
    assert "1 resting order" in answer_at(LAST_MS + 1, "0", "0xq").words


def test_what_it_has_traded_by_then_is_ours_and_what_it_cannot_have_traded_is_not() -> None:
    traded = answer_at(LAST_MS + 1, "0.5")
    assert (traded.kind, traded.eth) == ("open", Base.of("0.4"))


def test_files_alone_say_that_it_rests() -> None:
    answer = decide(Evidence(LEDGER, "logs"))
    assert (answer.kind, answer.words) == ("open", "ETH-PERP 0.1, eth order 0xq rests")
    nothing_yet = msgspec.structs.replace(LEDGER, held=held(phase="working", working=(resting_bid(),)))
    assert not decide(Evidence(nothing_yet, "logs")).flat
