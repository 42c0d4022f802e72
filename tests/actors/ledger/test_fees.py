"""What a fee may be is known from the account's own tier. One that cannot be never withholds what traded,
and the archive's word replaces it.
"""

import msgspec
import pytest

from messages.market import ProductRead, RulesRead
from messages.units import Base, Ms, Price, Quote, Rate
from tests.actors.ledger.story import Story
from venue.order_consistency import Charges

RATE = Rate.of("0.00035")
TRUE_ETH, TRUE_SOL = "0.040540619216725854", "0.040551"
"""Of 0.042 ETH bought at 2,756.9 USD and of 1 SOL sold at 115.86 USD, as the venue's contracts charge
them.
"""


def rules(rate: Rate | None = RATE) -> RulesRead:
    eth, sol = (
        ProductRead(f"{name}-PERP", Price(1), Base(1), Quote.of("100"), "live", rate)
        for name in ("ETH", "SOL")
    )
    return RulesRead(1, Ms(0), eth, sol, "")


def entering(rate: Rate | None = RATE) -> Story:
    story = Story()
    story.tell(rules(rate))
    story.placed("enter", "0.042", "-1")
    story.fill("sol", fee=TRUE_SOL)
    return story


def fees(story: Story) -> str:
    return story.fold.totals().fees.text()


def asked_fees(story: Story) -> list[str]:
    return [
        doubt.order_digest for doubt in (*story.held.unpriced, *story.held.absent, *story.held.unconfirmed)
    ]


def test_a_fee_that_is_what_the_rate_comes_to_needs_no_confirmation() -> None:
    story = entering()
    story.fill("eth", fee=TRUE_ETH)
    assert (story.held.phase, story.held.unfit, asked_fees(story)) == ("open", "", [])


@pytest.mark.parametrize("fee", ["0", "-0.04", "0.0001", "0.019", "0.2", "0.9", "40"])
def test_a_fee_that_cannot_be_is_named_and_withholds_nothing_and_the_archive_replaces_it(fee: str) -> None:
    """A fee of 0 was booked as final: the ledger and the venue differed by it for ever."""
    story = entering()
    story.fill("eth", fee=fee)
    assert (story.held.phase, story.held.eth.amount, story.held.doubts) == ("open", Base.of("0.042"), ())
    assert "does not fit it (fee)" in story.held.unfit
    assert fees(story) == "0.081091619216725854"
    assert asked_fees(story) == [story.order_digest("eth")]
    story.resolved("eth", "0.042", fee="0.041")
    assert (fees(story), story.held.unfit, asked_fees(story)) == ("0.081551", "", [])


@pytest.mark.parametrize("fee", ["0.039", "0.0406", "0.06"])
def test_a_fee_that_could_be_and_is_not_exactly_the_rate_is_asked_about_and_keeps_nothing_waiting(
    fee: str,
) -> None:
    story = entering()
    story.fill("eth", fee=fee)
    assert (story.held.phase, story.held.unfit) == ("open", "")
    assert asked_fees(story) == [story.order_digest("eth")]
    story.resolved("eth", "0.042", fee=TRUE_ETH)
    assert (fees(story), asked_fees(story)) == ("0.081091619216725854", [])


def test_a_price_within_the_limit_that_its_fee_gives_away_is_replaced_by_the_archives() -> None:
    story = entering()
    story.fill("eth", price="2770", fee=TRUE_ETH)
    assert asked_fees(story) == [story.order_digest("eth")]
    story.resolved("eth", "0.042", price="2756.9", fee=TRUE_ETH)
    assert (story.held.eth.vwap, asked_fees(story)) == (Price.of("2756.9"), [])


def test_a_fee_that_the_archive_says_too_is_the_fee() -> None:
    story = entering()
    story.fill("eth", fee="0")
    story.resolved("eth", "0.042", fee="0")
    assert (fees(story), story.held.unfit, asked_fees(story)) == (TRUE_SOL, "", [])


def test_an_archive_whose_fee_cannot_be_is_asked_again() -> None:
    story = entering()
    story.fill("eth", fee="0")
    story.resolved("eth", "0.042", fee="40")
    assert story.held.unfit
    assert asked_fees(story) == [story.order_digest("eth")]
    story.resolved("eth", "0.042", fee=TRUE_ETH)
    assert (fees(story), story.held.unfit) == ("0.081091619216725854", "")


def test_a_second_telling_of_the_piece_with_a_fee_that_fits_is_taken_at_once() -> None:
    story = entering()
    story.fill("eth", fee="0")
    story.fill("eth", fee="0.041")
    assert (fees(story), story.held.eth.amount) == ("0.081551", Base.of("0.042"))


def test_pieces_within_what_the_first_has_paid_for_are_free() -> None:
    """The first piece pays for the minimum of 100 USD: the second is free, the third pays for what lies
    beyond.
    """
    story = entering()
    story.fill("eth", "0.001", fee="0.035012254289", remaining="0.041")
    story.fill("eth", "0.001", fee="0", remaining="0.040")
    assert story.held.unfit == ""
    story.fill("eth", "0.04", fee="0.005528364927725854", remaining="0")
    assert (story.held.phase, story.held.unfit, asked_fees(story)) == ("open", "", [])


def test_a_position_that_tells_of_an_order_has_the_usual_fee_until_the_archive_names_it() -> None:
    story = entering()
    story.resolved("eth", "0.042", provisional=True)
    assert fees(story) == "0.081091619216725854"


def test_where_nobody_knows_the_rate_only_the_absurd_does_not_fit() -> None:
    story = entering(None)
    story.fill("eth", fee="0.9")
    assert (story.held.unfit, asked_fees(story)) == ("", [])
    story = entering(None)
    story.fill("eth", fee="40")
    assert "does not fit it (fee)" in story.held.unfit
    assert story.held.eth.amount == Base.of("0.042")


@pytest.mark.parametrize(
    ("quote", "sale", "fee"),
    [("115.86", True, "0.040551"), ("50", True, "0.035"), ("115.7898", False, TRUE_ETH)],
)
def test_a_charge_is_what_the_venues_contracts_take(quote: str, sale: bool, fee: str) -> None:
    assert Quote(Charges(int(RATE), int(Quote.of("100"))).of(Quote.of(quote), sale=sale)).text() == fee


@pytest.mark.parametrize(
    ("maker", "known"),
    [("0.0001", "0.0001"), ("-0.00008", "-0.00008"), ("1", None), ("-1", None), (None, None)],
)
def test_the_makers_rate_is_the_rules_and_may_be_a_rebate(maker: str | None, known: str | None) -> None:
    read = rules()
    rate = None if maker is None else Rate.of(maker)
    story = Story()
    story.tell(msgspec.structs.replace(read, eth=msgspec.structs.replace(read.eth, maker_fee=rate)))
    assert story.fold.charges["eth"].maker == (None if known is None else int(Rate.of(known)))
    assert story.fold.charges["sol"] == Charges(int(RATE), int(Quote.of("100")))


def test_a_new_incarnation_knows_the_rate_and_what_it_asks_about() -> None:
    story = entering()
    story.fill("eth", fee="0")
    again = story.reread()
    assert [doubt.order_digest for doubt in again.absent] == [story.order_digest("eth")]
    assert again.unfit == story.held.unfit
