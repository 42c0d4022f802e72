"""A book that is moved on is the book that it is moved to, whatever the move: a side whose best levels alone
have changed is not made anew.
"""

import os
import random

from messages.market import Level
from messages.units import Base, Price
from venue.simulated.engine.book import Book, BookSide, Offer

SEED = int(os.environ.get("SEED", "7"))
PRODUCT = 4
MOVES = 2_000


def moved(levels: tuple[Level, ...], chance: random.Random, sign: int) -> tuple[Level, ...]:
    """Another size at the touch, a better one, one less, two for one, the same again; or another side."""

    def level(price: int) -> Level:
        return Level(Price(price), Base(chance.choice((0, 1, 2, 3))))

    best = levels[0].price if levels else 100
    match chance.randrange(7):
        case 0 if levels:
            return (level(best), *levels[1:])
        case 1:
            return (level(best + sign), *levels)
        case 2:
            return levels[1:]
        case 3 if len(levels) > 1:
            return (level(levels[1].price + sign), *levels[2:])
        case 4:
            return (*levels,)
        case 5 if levels:
            return (level(best + sign), *levels[1:])
        case _:
            begin = chance.randrange(50, 150)
            return tuple(level(begin - sign * 2 * step) for step in range(chance.randrange(6)))


def house(side: BookSide) -> dict[int, int]:
    return dict(sorted(side.house.items()))


def test_a_side_moved_on_is_the_side_moved_to_and_a_batch_names_what_has_changed() -> None:
    again = f"repeat with SEED={SEED} pytest {__file__}"
    chance, book = random.Random(SEED), Book(PRODUCT)
    levels: dict[bool, tuple[Level, ...]] = {True: (), False: ()}
    shown: dict[bool, dict[int, int]] = {True: {}, False: {}}
    for now in range(1, MOVES):
        is_bid = chance.random() < 0.5
        side = book.side(is_bid)
        levels[is_bid] = moved(levels[is_bid], chance, 1 if is_bid else -1)
        book.set_house(is_bid, levels[is_bid], now)
        wanted = {int(level.price): int(level.amount) for level in levels[is_bid] if level.amount}
        assert house(side) == dict(sorted(wanted.items())), again
        assert side.best() == (max if is_bid else min)(wanted, default=None), again
        if wanted and chance.random() < 0.1:  # what a taker has had of it stays taken until the next move
            price = chance.choice(sorted(wanted))
            book.take(is_bid, Offer(price, wanted[price], None), wanted[price], now)
            assert price not in side.house, again
            assert side.best() == (max if is_bid else min)(side.house, default=None), again
        if chance.random() < 0.4:
            batch = book.batch(now)
            for of_bids, changes in ((True, batch.bids), (False, batch.asks)):
                for price, amount in changes:
                    shown[of_bids] |= {price: amount}
                shown[of_bids] = {price: amount for price, amount in shown[of_bids].items() if amount}
                assert shown[of_bids] == book.side(of_bids).house, again


def test_a_move_that_changes_nothing_is_no_news() -> None:
    book = Book(PRODUCT)
    levels = (Level(Price(100), Base(1)), Level(Price(99), Base(2)))
    book.set_house(True, levels, 1)
    book.batch(2)
    book.set_house(True, (*levels,), 3)
    assert not book.changed
    book.set_house(True, (Level(Price(100), Base(1)), levels[1]), 4)
    assert not book.changed
