"""What the UTC day has cost, from the rows alone."""

from actors.ledger.day import DAY_NS
from messages.lifecycle import Adopted
from messages.units import Base, Ms, Quote
from tests.actors.ledger.story import Story


def test_a_day_without_a_reading_or_a_trade_has_cost_nothing() -> None:
    assert Story(ready=False).held.day_loss == 0
    assert Story().held.day_loss == 0


def test_the_days_loss_is_what_the_accounts_value_fell_by_also_while_a_pair_is_open() -> None:
    story = Story()
    story.enter()
    story.snapshot(value="9970.5")
    assert story.held.day_loss == Quote.of("29.5")


def test_a_gain_is_no_loss() -> None:
    story = Story()
    story.snapshot(value="10001")
    assert story.held.day_loss == 0


def test_a_deposit_does_not_hide_what_the_trades_of_the_day_cost() -> None:
    story = Story()
    story.enter()
    story.leave(eth_price="2656.9")
    story.snapshot(value="20000")
    assert story.held.day_loss == Quote.of("4.36")  # 0.042 x 100 and four fees of 0.04


def test_one_leg_that_is_open_is_no_loss_of_its_whole_price() -> None:
    story = Story()
    story.placed("enter", "0.042", "-1")
    story.fill("eth")
    story.outcome("sol", "refused", 2031)
    assert story.held.phase == "uneven"
    assert story.held.day_loss == 0


def test_at_midnight_by_venue_time_the_day_begins_anew() -> None:
    story = Story()
    story.snapshot(value="9900")
    assert story.held.day_loss == Quote.of("100")
    story.now_ms += DAY_NS // 1_000_000
    story.snapshot(value="9890")
    assert story.held.day_loss == 0
    story.snapshot(value="9880")
    assert story.held.day_loss == Quote.of("10")


def test_a_restart_forgets_none_of_it() -> None:
    story = Story()
    story.enter()
    story.leave(eth_price="2656.9")
    story.snapshot(value="9950")
    assert story.reread().day_loss == story.held.day_loss == Quote.of("50")


def test_a_pair_held_over_midnight_is_not_todays_loss_when_it_is_closed() -> None:
    """Its entry was yesterday: with a lone short leg, or an uneven pair, today's fills alone look like a
    loss.
    """
    story = Story()
    story.placed("enter", "-0.042", "1")
    story.fill("eth")
    story.fill("sol", "0.5", remaining="0.5")
    story.resolved("sol", "0.5")
    story.now_ms += DAY_NS // 1_000_000
    story.snapshot()
    story.placed("flatten", "0.042", "-0.5")
    story.fill("eth")
    story.fill("sol")
    assert story.held.phase == "flat"
    assert story.held.day_loss == 0
    story.snapshot()
    story.enter(cycle=2)
    story.leave(cycle=2, eth_price="2656.9")
    assert story.held.day_loss == Quote.of("4.36")


def test_what_was_adopted_is_not_bought_today() -> None:
    story = Story()
    story.tell(Adopted(4, 8, Base.of("-1"), Base(0), Ms(story.now_ms)))
    story.snapshot()
    story.placed("flatten", "1", "0", cycle=story.held.cycle)
    story.fill("eth")
    assert story.held.phase == "flat"
    assert story.held.day_loss == 0
