"""An order that has an ending may still lack a piece: its news came in another order, or died with the ledger
that had it in hand.

What such an order could explain is asked of the archive, and is not somebody else's trade before that has
been tried.
"""

import msgspec

from actors.ledger.fold import ASKED_MS
from messages.execution import AccountSnapshot, EscapeRound, Resolved
from messages.lifecycle import GuardActed, Held, Restarted
from messages.units import Base, Ms, Quote
from tests.actors.ledger.story import Story
from venue.resolve import judge


def closing_in_pieces() -> Story:
    """The exit's ETH order has traded 0.004 of 0.042 in three pieces. The last piece's news is lost, and
    the cancellation overtakes its update.
    """
    story = Story()
    story.enter()
    story.placed("exit", "-0.042", "1")
    story.fill("sol")
    story.fill("eth", "-0.001", remaining="0.041")
    story.fill("eth", "-0.001", remaining="0.040")
    story.update("eth", "0.040", "filled")
    story.update("eth", "0", "cancelled")
    assert story.closed.eth.filled == Base.of("-0.002")
    return story


def asked_ledger(story: Story) -> list[str]:
    return [doubt.order_digest for doubt in story.held.unconfirmed]


def test_an_update_that_names_more_than_is_booked_has_the_archive_asked() -> None:
    story = closing_in_pieces()
    assert asked_ledger(story) == []
    story.update("eth", "0.038", "filled")
    assert asked_ledger(story) == [story.order_digest("eth")]
    story.resolved("eth", "-0.004", fee="0.035")
    assert (story.held.eth.amount, story.fold.totals().fees) == (Base.of("0.038"), Quote.of("0.155"))
    assert asked_ledger(story) == []


def test_the_archive_may_name_more_than_an_order_ended_with() -> None:
    story = closing_in_pieces()
    story.resolved("eth", "-0.004")
    assert story.held.eth.amount == Base.of("0.038")


def test_a_position_that_says_more_does_not_touch_an_ending() -> None:
    """A position may since have been moved by others; the archive's record names the order."""
    story = closing_in_pieces()
    story.resolved("eth", "-0.004", provisional=True)
    assert story.held.eth.amount == Base.of("0.040")


def test_what_an_order_of_ours_could_explain_is_asked_about_and_is_not_foreign() -> None:
    story = closing_in_pieces()
    story.snapshot("0.038", "0")
    assert (story.held.foreign, story.held.account_ok) == ("", False)
    assert asked_ledger(story) == [story.order_digest("eth")]
    story.resolved("eth", "-0.004")
    story.snapshot("0.038", "0")
    assert (story.held.foreign, story.held.account_ok, asked_ledger(story)) == ("", True, [])


def test_an_archive_that_says_nothing_is_not_waited_for_any_longer_than_its_time() -> None:
    story = closing_in_pieces()
    story.snapshot("0.038", "0")
    story.now_ms += ASKED_MS - 100
    story.snapshot("0.038", "0")
    assert story.held.foreign == ""
    story.now_ms += 100
    story.snapshot("0.038", "0")
    assert story.held.foreign == "ETH-PERP: the venue holds 0.038, our fills say 0.04"


def test_an_order_whose_total_the_archive_has_named_explains_nothing() -> None:
    story = closing_in_pieces()
    story.resolved("eth", "-0.002")
    story.snapshot("0.038", "0")
    assert story.held.foreign == "ETH-PERP: the venue holds 0.038, our fills say 0.04"


def test_only_as_much_as_it_lacks_and_only_in_its_direction() -> None:
    story = closing_in_pieces()
    for eth, words in (("-0.001", "the venue holds -0.001"), ("0.041", "the venue holds 0.041")):
        story.snapshot(eth, "0")
        assert story.held.foreign == f"ETH-PERP: {words}, our fills say 0.04"


def test_of_two_legs_only_the_one_that_cannot_be_explained_is_named() -> None:
    story = closing_in_pieces()
    story.snapshot("0.038", "-1")
    assert story.held.foreign == "SOL-PERP: the venue holds -1, our fills say 0"
    assert asked_ledger(story) == [story.order_digest("eth")]


def test_a_restart_has_the_archive_asked_about_what_the_last_orders_could_lack_and_enters_nothing_before_a_reading() -> (  # noqa: E501
    None
):
    story = closing_in_pieces()
    story.snapshot()
    assert (asked_ledger(story), story.held.account_ok) == ([], True)
    story.tell(Restarted("ledger, legs, sizing", "restarted", Ms(0), 2))
    assert (asked_ledger(story), story.held.account_ok) == ([story.order_digest("eth")], False)
    story.snapshot()
    assert (asked_ledger(story), story.held.account_ok) == ([], True)


def test_a_restart_asks_nothing_where_all_orders_have_traded_in_full() -> None:
    story = Story()
    story.enter()
    story.snapshot()
    story.tell(Restarted("ledger, legs, sizing", "restarted", Ms(0), 2))
    assert (asked_ledger(story), story.held.account_ok) == ([], True)


def test_a_new_incarnation_asks_about_the_same_orders() -> None:
    story = closing_in_pieces()
    story.snapshot("0.038", "0")
    assert [doubt.order_digest for doubt in story.reread().unconfirmed] == asked_ledger(story)


def closed_by_a_guard() -> tuple[Story, Held]:
    """An exit was sealed and never sent; a guard has closed the pair with orders of its own, and the next
    invocation reads all of it.
    """
    story = Story()
    story.enter()
    story.seal(story.plan("exit", "-0.042", "1"))
    ours = {leg: story.order_digest(leg) for leg in ("eth", "sol")}
    guards = story.plan("flatten", "-0.042", "1", closing=True)
    story.tell(GuardActed(4, "run", Ms(4_000)), EscapeRound(guards, "0xeth", "0xsol"))
    for leg, product, amount in (("eth", 4, "-0.042"), ("sol", 8, "1")):
        story.tell(
            Resolved(
                f"0x{leg}", product, Base.of(amount), Quote.of("115.8"), Quote.of("0.04"), False, "archive"
            )
        )
    held = story.reread()
    assert {doubt.order_digest for doubt in held.doubts} == set(ours.values())
    return story, held


def test_what_a_guard_has_closed_is_not_given_to_an_order_that_was_never_sent() -> None:
    story, held = closed_by_a_guard()
    flat = AccountSnapshot(Ms(story.now_ms), True, Quote(0), Quote(0), Quote(0), Quote(0), (), ())
    for doubt in held.doubts:
        assert (doubt.before, doubt.v_quote) == (0, None)
        assert judge(doubt, flat, None) is None
        late = msgspec.structs.replace(flat, at_ms=Ms(doubt.recv_time_ms + 60_000))
        answer = judge(doubt, late, None)
        assert answer is not None
        assert (answer.filled, answer.by_absence) == (0, True)
