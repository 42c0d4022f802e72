"""What fills an order that rests: never a quote that merely meets it, never a still market without trades.

`SEED=123 STEPS=5000 pytest tests/venue/simulated/engine/test_queue.py` repeats a failure, or looks further.
"""

import os
import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import takewhile

import msgspec
import pytest

from messages.market import Level
from messages.units import Base, Price
from tests.shared_data import shared
from tests.venue.simulated.desk import ETH, ME, OTHER, Desk, desk, levels, order
from venue.simulated.engine.codes import ExchangeRefusal
from venue.simulated.engine.events import Traded
from venue.simulated.engine.order_log import LoggedOrder
from venue.simulated.engine.rules import CancelsAhead, MakerFill, VenueOptions
from venue.simulated.markets.move import BookChange
from venue.simulated.markets.recording import RecordingMarket

SEED = int(os.environ.get("SEED", "43"))
STEPS = int(os.environ.get("STEPS", "1500"))

BIDS = levels(("2756.8", "1"), ("2756.7", "5"))
ASKS = levels(("2756.9", "1"), ("2757.0", "5"))


def sells(floor: Desk, price: str, amount: str) -> None:
    """Somebody sells to the bids."""
    floor.exchange.market_trade(ETH, Price.of(price), Base.of(amount), floor.later(), is_taker_buyer=False)


def bid(floor: Desk, price: str = "2756.8", amount: str = "0.5", sender: str = ME) -> LoggedOrder:
    return floor.place(order(amount, price, "post_only", sender=sender))


def ahead(floor: Desk, entry: LoggedOrder) -> str | None:
    found = floor.exchange.find(ETH, entry.digest).ahead
    return None if found is None else Base(found).text()


def test_an_order_waits_for_all_that_stood_at_its_price_when_it_came() -> None:
    floor = desk()
    mine = bid(floor)
    sells(floor, "2756.8", "0.6")
    assert (mine.filled, ahead(floor, mine)) == (0, "0.4")
    sells(floor, "2756.8", "0.6")
    assert (mine.filled, ahead(floor, mine)) == (Base.of("0.2"), "0")
    sells(floor, "2756.8", "0.6")
    assert mine.filled == Base.of("0.5")
    assert [(fill.price, fill.is_taker) for fill in mine.fills] == [(Price.of("2756.8"), False)] * 2


def test_a_trade_is_published_once_the_part_of_a_resting_order_and_the_part_of_others() -> None:
    floor = desk()
    bid(floor)
    floor.events()
    sells(floor, "2756.8", "1.2")
    assert [
        (each.price, each.amount.text(), each.is_taker_buyer)
        for each in floor.events()
        if isinstance(each, Traded)
    ] == [(Price.of("2756.8"), "0.2", False), (Price.of("2756.8"), "1", False)]


def test_two_accounts_at_one_price_wait_for_the_same_house_and_the_second_for_the_first() -> None:
    floor = desk()
    first = bid(floor)
    floor.draw(ETH, levels(("2756.8", "3"), ("2756.7", "5")), ASKS)
    second = bid(floor, sender=OTHER)
    assert (ahead(floor, first), ahead(floor, second)) == ("1", "3")
    sells(floor, "2756.8", "3")  # one of the house, half of the first, one and a half of the house
    assert (first.filled, second.filled) == (Base.of("0.5"), 0)
    assert ahead(floor, second) == "0.5"
    sells(floor, "2756.8", "0.7")
    assert second.filled == Base.of("0.2")


@pytest.mark.parametrize(("cancels", "left"), [("none", "1"), ("bounded", "0.3"), ("proportional", "0.15")])
def test_what_others_cancel_moves_an_order_up_as_the_options_read_it(cancels: str, left: str) -> None:
    floor = desk(options=msgspec.convert({"cancels_ahead": cancels}, VenueOptions))
    mine = bid(floor)
    floor.draw(ETH, levels(("2756.8", "2"), ("2756.7", "5")), ASKS)
    assert ahead(floor, mine) == "1"  # who came later stands behind
    floor.draw(ETH, levels(("2756.8", "0.3"), ("2756.7", "5")), ASKS)
    assert ahead(floor, mine) == left
    sells(floor, "2756.8", "0.1")
    floor.draw(ETH, levels(("2756.8", "0.2"), ("2756.7", "5")), ASKS)  # it shrank by what traded: no cancel
    after = Base(Base.of(left) - Base.of("0.1"))
    assert ahead(floor, mine) == after.text()


def test_an_order_whose_queue_nobody_has_seen_is_filled_by_no_trade_at_its_price() -> None:
    floor = desk()
    mine = bid(floor, "2756.5")
    assert ahead(floor, mine) is None
    sells(floor, "2756.5", "100")
    assert mine.filled == 0
    floor.draw(ETH, levels(("2756.6", "1"), ("2756.5", "7")), ASKS)
    assert ahead(floor, mine) == "7"
    better = bid(floor, "2756.8")
    assert ahead(floor, better) == "0"


def test_an_order_between_the_levels_that_are_shown_is_alone_at_its_price() -> None:
    floor = desk()
    floor.draw(ETH, levels(("2756.8", "1"), ("2756.5", "5")), ASKS)
    mine = bid(floor, "2756.6")
    assert ahead(floor, mine) == "0"
    sells(floor, "2756.6", "0.2")
    assert mine.filled == Base.of("0.2")


def test_a_quote_that_meets_an_order_fills_nothing_and_the_order_is_not_shown_while_it_does() -> None:
    floor = desk()
    mine = bid(floor)
    book = floor.exchange.markets[ETH].book
    assert book.top(True) == levels(("2756.8", "1.5"))[0]
    book.batch(floor.later())
    floor.draw(ETH, levels(("2756.7", "5")), levels(("2756.8", "1"), ("2756.9", "2")))
    assert mine.filled == 0
    assert (book.top(True), book.top(False)) == (levels(("2756.7", "5"))[0], levels(("2756.8", "1"))[0])
    assert dict(book.batch(floor.later()).bids)[int(Price.of("2756.8"))] == 0
    floor.draw(ETH, BIDS, ASKS)
    assert book.top(True) == levels(("2756.8", "1.5"))[0]
    assert dict(book.batch(floor.later()).bids)[int(Price.of("2756.8"))] == Base.of("1.5")


def test_a_quote_beyond_an_order_fills_it_at_the_orders_price_as_far_as_it_goes() -> None:
    floor = desk()
    mine = bid(floor)
    floor.draw(ETH, levels(("2756.0", "1")), levels(("2756.5", "0.2"), ("2756.8", "1")))
    assert [(fill.amount.text(), fill.price) for fill in mine.fills] == [("0.2", Price.of("2756.8"))]
    assert floor.exchange.markets[ETH].book.levels(False, 9) == levels(("2756.8", "1"))


@pytest.mark.parametrize(
    ("only", "filled"),
    [
        ("queue", ("0.1", "0.1", "0.1")),
        ("print_through", ("0", "0.3", "0.3")),
        ("quote_through", ("0", "0", "0.2")),
    ],
)
def test_each_rule_fills_alone_what_it_is_about(only: MakerFill, filled: Sequence[str]) -> None:
    floor = desk(options=VenueOptions(maker_fills=(only,)))
    mine, seen = bid(floor), []
    sells(floor, "2756.8", "1.1")
    seen.append(mine.filled.text())
    sells(floor, "2756.7", "0.3")
    seen.append(mine.filled.text())
    floor.draw(ETH, levels(("2756.0", "1")), levels(("2756.5", "0.2")))
    seen.append(mine.filled.text())
    assert tuple(seen) == filled


def test_a_resting_order_never_changes_what_the_house_shows_or_trades() -> None:
    """With an order that no rule fills, the others' book and trades are those of a market without it."""
    floors = [desk(options=VenueOptions(maker_fills=())) for _ in range(2)]
    bid(floors[0])
    shown = []
    for floor in floors:
        sells(floor, "2756.7", "0.3")
        floor.draw(ETH, levels(("2756.0", "1")), levels(("2756.5", "0.2"), ("2756.8", "1")))
        book = floor.exchange.markets[ETH].book
        trades = [(each.price, each.amount) for each in floor.events() if isinstance(each, Traded)]
        shown.append((book.levels(True, 9), book.levels(False, 9), trades))
    assert shown[0] == shown[1]


@pytest.mark.parametrize("cancels", ["none", "bounded", "proportional"])
def test_filled_is_never_more_than_others_have_traded_or_quoted_beyond(cancels: CancelsAhead) -> None:
    chance = random.Random(SEED)
    floor = desk(options=VenueOptions(cancels_ahead=cancels), funds="100000000")
    orders, could = [], 0
    for _ in range(STEPS):
        price = Price.of(f"2756.{chance.randint(5, 9)}")
        match chance.randrange(4):
            case 0 if len(floor.exchange.open_orders(ME, ETH)) < 100:
                with suppress(ExchangeRefusal):  # it would cross
                    orders.append(bid(floor, price.text(), chance.choice(("0.1", "0.4"))))
            case 1:
                amount = Base.of(chance.choice(("0.1", "0.5", "2")))
                floor.exchange.market_trade(ETH, price, amount, floor.later(), is_taker_buyer=False)
                could += amount
            case _:
                bids, asks = (
                    tuple(
                        Level(Price(price + step * 10**17), Base.of(chance.choice(("0.05", "1", "3"))))
                        for step in steps
                    )
                    for steps in ((0, -1, -2), (1, 2, 3))
                )
                waiting = [each.order.price for each in floor.exchange.open_orders(ME, ETH)]
                beyond = max(waiting, default=Price(0))
                could += sum(level.amount for level in asks if level.price < beyond)
                floor.draw(ETH, bids, asks)
        resting = floor.exchange.open_orders(ME, ETH)
        filled = sum(each.filled for each in orders)
        assert filled <= could, f"SEED={SEED} STEPS={STEPS} pytest {__file__}"
        assert all(each.ahead is None or each.ahead >= 0 for each in resting)
        assert filled + sum(each.remaining for each in resting) == sum(each.amount for each in orders)
    assert filled > 0


# -- on a recorded market ------------------------------------------------------------------------------------

REST_NS = 5 * 10**9
"""How long each order of the recorded tests rests."""


SIZE = "0.042"
"""ETH of each order of the recorded tests."""


@dataclass
class Rested:
    """What became of orders that joined the best bid of a recording and were left there for `REST_NS`."""

    each: list[bool] = field(default_factory=list)
    """Was it filled in full?"""
    was_met: list[bool] = field(default_factory=list)
    """Has an ask of the recording met its price? Such an order is what a flattering model fills."""
    in_part: list[bool] = field(default_factory=list)

    @property
    def filled(self) -> int:
        return sum(self.each)

    @property
    def met(self) -> int:
        return sum(self.was_met)


def rested(moves: Sequence[BookChange], options: VenueOptions) -> Rested:
    """An order of `SIZE` at the best bid of every `REST_NS`, on the moves of a recording. The last one is
    not counted: the recording ends before its time is over.
    """
    floor, found, trades = desk(options=options, funds="1000000"), Rested(), 0
    entry, met, until_ns = None, False, 0
    for move in moves:
        for trade in move.trades:
            trades += 1
            if trades % options.one_trade_in == 0:
                floor.exchange.market_trade(
                    ETH, trade.price, trade.amount, floor.later(), is_taker_buyer=trade.taker_buys
                )
        if move.oracle:
            floor.exchange.set_oracle(ETH, move.oracle)
        floor.draw(ETH, move.bids, move.asks)
        if entry is not None:
            met = met or move.asks[0].price <= entry.price
        if move.at_ns >= until_ns:
            if entry is not None:
                found.each.append(entry.filled == entry.amount)
                found.was_met.append(met)
                found.in_part.append(0 < entry.filled < entry.amount)
                floor.exchange.cancel(floor.exchange.open_orders(ME, ETH), floor.later())
            entry, met, until_ns = bid(floor, move.bids[0].price.text(), SIZE), False, move.at_ns + REST_NS
        floor.events()
    return found


def recorded(seconds: int) -> list[BookChange]:
    shared("market-data/dev/hyperliquid_perp_20250904a_quotes.csv.gz")
    market = RecordingMarket(str(shared("market-data/dev/hyperliquid_perp_20250904a")))
    until_ns = seconds * 10**9
    return [
        move
        for move in takewhile(lambda move: move.at_ns < until_ns, market.moves())
        if move.product == "eth" and move.bids and move.asks
    ]


@pytest.mark.long
def test_filling_on_a_touch_is_the_classic_lie_and_the_venue_does_not_tell_it() -> None:
    """A model that fills when the opposite quote merely meets the price fills many orders, and cutting the
    flow of trades to a tenth changes nothing. Here the meeting fills none, and what prints fill depends on
    the prints.
    """
    moves, prints = recorded(900), ("queue", "print_through")
    no_rule = rested(moves, VenueOptions(maker_fills=()))
    assert len(no_rule.each) > 150
    assert no_rule.met > 0.4 * len(no_rule.each)
    assert no_rule.filled == 0
    printed = rested(moves, VenueOptions(maker_fills=prints))
    tenth = rested(moves, VenueOptions(maker_fills=prints, one_trade_in=10))
    assert tenth.met == printed.met == no_rule.met  # the lie would not notice
    assert 0 < tenth.filled < 0.6 * printed.filled
    assert printed.filled < rested(moves, VenueOptions()).filled < 0.6 * len(no_rule.each)


@pytest.mark.long
def test_in_a_still_market_without_trades_nothing_is_ever_filled() -> None:
    moves = recorded(60)
    still = [msgspec.structs.replace(moves[0], at_ns=move.at_ns).untraded for move in moves]
    assert rested(still, VenueOptions()).filled == 0
