"""An order that rests, in the words of the screen and of the plain lines."""

import msgspec
import pytest

from commands.screen.drawing import draw
from messages.units import Base, Bps, Ms
from tests.actors.fakes import START_MS, held, quote, resting_bid
from tests.commands.resting_scene import eth_cancelled, maker_fill, quote_ended, quote_of_eth, until_it_rests
from tests.commands.scenes import ETH_ORDER, open_pair, plan, view_of


def lines_after(*messages: msgspec.Struct) -> list[str]:
    return [event.text for event in view_of(messages).events]


def test_a_quote_that_is_answered_for_rests_and_is_not_said_to_be_closed() -> None:
    """It was once "quote closed: ETH 0 of 0.357"."""
    assert lines_after(*until_it_rests(quote_of_eth()))[-1] == (
        "ETH rests: sell 0.357 at 2757.9, until 14:13:30Z"
    )


def test_one_without_an_answer_may_rest() -> None:
    assert lines_after(*until_it_rests(quote_of_eth(), "unknown"))[-1] == (
        "ETH may rest, the exchange has not answered: sell 0.357 at 2757.9, until 14:13:30Z"
    )


def test_one_that_was_refused_is_closed_and_never_rests() -> None:
    assert lines_after(*until_it_rests(quote_of_eth(), "refused"))[-1].startswith("quote closed: ETH 0 of")


def test_its_fills_are_told_as_they_come_also_after_the_hedge_of_the_first_was_sealed() -> None:
    sealed = quote_of_eth()
    told = lines_after(
        *until_it_rests(sealed),
        maker_fill("-0.1", "0.257"),
        plan("hedge", seq=8, eth="0", sol="2.4"),
        maker_fill("-0.1", "0.257"),
        maker_fill("-0.257", "0"),
        quote_ended(sealed, "-0.357"),
    )
    assert [line for line in told if line.startswith("ETH filled")] == [
        "ETH filled 0.1 at 2757.9 as it rested, 0.257 left",
        "ETH filled 0.257 at 2757.9 as it rested",
    ]
    assert told[-1] == "ETH rests no more: filled 0.357 of 0.357 at 2757.90"


@pytest.mark.parametrize(
    ("heard", "end"),
    [
        ((eth_cancelled(),), ", cancelled: it rests at 2757.9, and 2758.4 is wanted"),
        (
            (held(phase="working", working=(resting_bid(ETH_ORDER, cancel_asked_ms=Ms(START_MS)),)),),
            ", cancelled",
        ),
        ((), ""),
    ],
)
def test_its_end_says_what_it_filled_and_why_it_was_cancelled(
    heard: tuple[msgspec.Struct, ...], end: str
) -> None:
    sealed = quote_of_eth()
    rests = [*until_it_rests(sealed), *heard]
    assert lines_after(*rests, quote_ended(sealed, "0"))[-1] == f"ETH rests no more: filled 0 of 0.357{end}"
    assert lines_after(*rests, maker_fill("-0.1", "0.257"), quote_ended(sealed, "-0.1"))[-1] == (
        f"ETH rests no more: filled 0.1 of 0.357 at 2757.90{end}"
    )


def test_its_row_goes_on_counting_until_its_end_and_then_has_the_ledgers_figures() -> None:
    sealed = quote_of_eth()
    view = view_of([*until_it_rests(sealed), maker_fill("-0.1", "0.257")])
    row = view.rows[0]
    assert (row.filled, row.state) == (Base.of("0.1"), "partly")
    view.observe(quote_ended(sealed, "-0.2"))
    assert (row.filled, row.settled) == (Base.of("0.2"), True)


def test_a_quote_that_enters_has_a_planned_imbalance_and_a_side_as_an_entry_does() -> None:
    view = view_of([quote(), *until_it_rests(quote_of_eth())])
    assert view.planned == Bps.of("2.4")
    lines = draw(view, START_MS, 80, 24)
    assert any("short ETH / long SOL" in line for line in lines)
    assert any("planned 0.024 %" in line for line in lines)


def test_a_pair_whose_exit_quote_ended_unfilled_is_not_balanced_once_more() -> None:
    """It was once said again after every such quote: "exits in 0 ms"."""
    found = lines_after(
        open_pair(), open_pair(phase="in_flight"), open_pair(), open_pair(phase="working"), open_pair()
    )
    assert len([line for line in found if line.startswith("balanced")]) == 1
    again = lines_after(open_pair(), open_pair(phase="uneven"), open_pair())
    assert len([line for line in again if line.startswith("balanced")]) == 2
