"""market_data on a fake venue and virtual time: a motionless book trades, a frozen feed does not."""

import json
from collections import Counter

import msgspec
import pytest
import trio

from actors.market_data import actor as market_data
from actors.market_data.actor import DOUBT_EVERY_S, Feed, MarketState
from actors.market_data.local_book import LEVELS_KEPT, LEVELS_SHOWN, LocalBook
from actors.risk.may_enter import entry_denial
from messages.lifecycle import Note
from messages.market import BookDelta, BookSnapshot, FundingRate, Level, PairQuote
from messages.settings import Settings
from messages.units import Base, Ms, Ns, Price, Rate
from runtime.clock import RunClock, VenueClock
from runtime.mailbox import Latest
from runtime.observe import Notes
from tests.actors.fakes import RULES, START_MS, FakeVenue, book_snapshot, delta, seeded
from tests.shared_data import shared
from venue.protocol import Busy, Unreachable
from venue.venue_time import measure_clock

ETH_BOOK = book_snapshot(4, START_MS, [("2756.8", "3"), ("2756.7", "5")], [("2756.9", "2"), ("2757", "4")])
SOL_BOOK = book_snapshot(8, START_MS, [("115.86", "30")], [("115.87", "20")])


def loaded() -> LocalBook:
    book = LocalBook(4)
    book.load(ETH_BOOK)
    return book


def test_a_book_is_not_usable_before_its_snapshot() -> None:
    """R8: a book built from deltas alone showed a 108 bp phantom spread."""
    book = LocalBook(4)
    assert book.apply(delta(4, START_MS + 50, START_MS, [("2756.8", "1")], [("2822", "1")])) == "old"
    assert not book.usable


def test_a_batch_that_the_snapshot_already_has_is_dropped_but_continues_the_chain() -> None:
    book = loaded()
    assert book.apply(delta(4, START_MS - 10, START_MS - 60, [("2756.8", "9")])) == "old"
    assert book.apply(delta(4, START_MS + 40, START_MS - 10, [("2756.8", "7")])) == "applied"
    assert book.levels()[0][0] == Level(Price.of("2756.8"), Base.of(7))


def test_a_missing_batch_is_a_gap_and_the_book_is_not_trusted() -> None:
    book = loaded()
    book.apply(delta(4, START_MS + 50, START_MS, [("2756.8", "7")]))
    assert book.apply(delta(4, START_MS + 150, START_MS + 100, [("2756.8", "8")])) == "gap"
    assert not book.usable


def test_an_amount_of_zero_deletes_the_level() -> None:
    book = loaded()
    book.apply(delta(4, START_MS + 50, START_MS, (), [("2756.9", "0")]))
    assert book.levels()[1][0].price == Price.of(2757)


def test_a_crossed_book_is_stale() -> None:
    book = loaded()
    book.apply(delta(4, START_MS + 50, START_MS, [("2757", "1")]))
    assert not book.usable


def test_a_book_does_not_grow_for_ever() -> None:
    """R16: unbounded caches ran a bot out of memory."""
    book = loaded()
    for step in range(3 * LEVELS_KEPT):
        book.apply(delta(4, START_MS + step + 1, START_MS + step, [(f"{2000 + step / 10:.1f}", "1")]))
        book.levels()
    assert len(book._bids) <= LEVELS_KEPT + 1
    assert book.levels()[0][0].price == Price.of("2756.8")


def test_the_documented_sequence_of_batches_ends_as_it_says() -> None:
    example = json.loads(shared("nado-messages/16_events_book_depth_sequence.json").read_text())
    book = LocalBook(4)
    levels = tuple(
        Level(Price(int(price)), Base(int(amount)))
        for price, amount in [("2756900000000000000000", "417000000000000000")]
    )
    asks = (Level(Price.of(2757), Base.of(1)), Level(Price.of("2757.1"), Base.of(1)))
    book.load(BookSnapshot(4, Ns(int(example["snapshot_timestamp"])), levels, asks))
    results = []
    for event in example["events"]:
        bids, offers = (
            tuple((int(price), int(amount)) for price, amount in event[side]) for side in ("bids", "asks")
        )
        times = (Ns(int(event[name])) for name in ("min_timestamp", "max_timestamp", "last_max_timestamp"))
        results.append(book.apply(BookDelta(4, *times, bids, offers)))
    assert results == ["old", "applied", "applied", "gap"]


def test_no_quote_without_both_books() -> None:
    market = MarketState.of(RULES)
    market.books[4].load(ETH_BOOK)
    assert market.quote(START_MS) is None
    market.books[8].load(SOL_BOOK)
    quote = market.quote(START_MS + 5)
    assert quote is not None
    assert (quote.eth.proven_ms, quote.skew_ms, quote.age_ms(START_MS + 5)) == (START_MS, 0, (5, 5))


class MarketDataBench:
    """market_data running on a fake venue."""

    def __init__(self) -> None:
        self.venue = FakeVenue()
        self.clock = VenueClock(RunClock(START_MS * 1_000_000))
        self.out: Latest[PairQuote] = Latest()
        self.notes: list[msgspec.Struct] = []
        self.set_books(0)

    def set_books(self, later_ms: int, **changes: object) -> None:
        at = Ns((START_MS + later_ms) * 1_000_000)
        self.venue.books = {
            4: msgspec.structs.replace(ETH_BOOK, at_ns=at, **changes),
            8: msgspec.structs.replace(SOL_BOOK, at_ns=at),
        }

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        note = Notes(self.notes.append, self.clock, "market_data")
        state = MarketState.of(RULES)
        feed = Feed(self.venue, state, self.out, self.clock, Settings(), note, seeded(1))  # type: ignore[arg-type]
        await market_data.run(feed, task_status=task_status)

    def quote(self) -> PairQuote:
        assert self.out.value is not None
        return self.out.value

    def ages(self) -> tuple[int, int]:
        return self.quote().age_ms(self.clock.now_ms())


async def keep_books_current(bench: MarketDataBench) -> None:
    """A live engine answers snapshots with its clock's now."""
    while True:
        bench.set_books(round(trio.current_time() * 1000))
        await trio.sleep(0.01)


async def test_a_venue_that_is_busy_is_asked_more_and_more_rarely_and_at_once_again_when_it_answers(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    """Found by the drill rate-limited: whoever is over the limit and asks eight times a second stays over
    it.
    """
    bench = MarketDataBench()
    nursery.start_soon(keep_books_current, bench)
    await nursery.start(bench.run)
    await trio.sleep(0.3)
    answers, asked = bench.venue.book, []

    async def book(product_id: int, depth: int = 100) -> BookSnapshot:
        asked.append(trio.current_time())
        raise Busy("HTTP 429")

    bench.venue.book = book  # type: ignore[method-assign,assignment]
    await trio.sleep(20)
    assert 10 < len(set(asked)) <= 16, asked
    assert len(asked) <= 2 * len(set(asked)), "about each book once a time"
    bench.venue.book = answers  # type: ignore[method-assign]
    await trio.sleep(2.5)
    assert max(bench.ages()) < 800, "books are proven as often as before"


async def test_two_quiet_books_are_asked_about_at_the_same_moments(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    """One after the other they woke the process twice as often, and drifted apart by as long as an answer
    takes.
    """
    bench = MarketDataBench()
    nursery.start_soon(keep_books_current, bench)
    await nursery.start(bench.run)
    await trio.sleep(0.3)
    answers, asked = bench.venue.book, Counter[float]()

    async def book(product_id: int, depth: int = 100) -> BookSnapshot:
        asked[trio.current_time()] += 1
        await trio.sleep(0.05)
        return await answers(product_id, depth)

    bench.venue.book = book  # type: ignore[method-assign]
    await trio.sleep(10)
    assert len(asked) >= 14
    assert max(bench.ages()) < 800
    assert set(asked.values()) == {2}


async def test_a_motionless_book_is_proven_by_equal_snapshots_and_stays_young(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    bench = MarketDataBench()
    nursery.start_soon(keep_books_current, bench)
    await nursery.start(bench.run)
    for _ in range(20):
        await trio.sleep(0.5)
        assert max(bench.ages()) <= 700
    assert not bench.notes


async def test_a_feed_that_freezes_while_the_market_moves_is_noticed_and_started_over(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    """R7: a frozen quote was once traded on for ever."""
    bench = MarketDataBench()
    await nursery.start(bench.run)
    await trio.sleep(0.3)
    moved = book_snapshot(4, START_MS, [("2756", "3")], [("2756.1", "2")])
    bench.set_books(400, bids=moved.bids, asks=moved.asks)
    await trio.sleep(0.8)
    assert bench.quote().eth.bids[0].price == Price.of(2756)
    assert any(isinstance(note, Note) and "silent" in note.text for note in bench.notes)


async def test_a_batch_that_is_under_way_is_not_a_frozen_feed(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    bench = MarketDataBench()
    await nursery.start(bench.run)
    await trio.sleep(0.45)
    bench.set_books(450, bids=book_snapshot(4, START_MS, [("2756.8", "2")], []).bids)
    await trio.sleep(0.15)
    bench.venue.send(delta(4, START_MS + 600, START_MS, [("2756.8", "2"), ("2756.7", "0")]))
    await trio.sleep(0.3)
    assert not [note for note in bench.notes if isinstance(note, Note) and "product 4" in note.text]


async def test_a_feed_that_freezes_with_the_venue_silent_too_only_grows_old(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    bench = MarketDataBench()
    await nursery.start(bench.run)
    await trio.sleep(0.1)
    bench.venue.down = True
    await trio.sleep(3)
    assert min(bench.ages()) > 2500


async def test_a_gap_leads_to_a_new_snapshot(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    bench = MarketDataBench()
    await nursery.start(bench.run)
    await trio.sleep(0.1)
    bench.venue.send(delta(4, START_MS + 150, START_MS + 100, [("2756.8", "9")]))
    bench.venue.send(delta(4, START_MS + 250, START_MS + 200, [("2756.8", "9")]))
    await trio.sleep(0.05)
    assert bench.venue.asked.count(4) == 2
    assert bench.quote().eth.bids[0].amount == Base.of(3)


async def test_after_a_lost_connection_it_connects_subscribes_and_takes_snapshots_again(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    """R7."""
    bench = MarketDataBench()
    await nursery.start(bench.run)
    await trio.sleep(0.1)
    bench.venue.cut()
    await trio.sleep(0.5)
    assert bench.venue.connections == 2
    assert bench.venue.asked[:4] == [4, 8, 4, 8]


async def test_a_consumer_that_never_reads_does_not_stop_it(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    bench = MarketDataBench()
    await nursery.start(bench.run)
    await trio.sleep(0.01)
    for step in range(500):
        bench.venue.send(delta(4, START_MS + step + 1, START_MS + step, [("2756.8", str(step + 1))]))
    await trio.sleep(0.01)
    assert bench.quote().eth.bids[0].amount == Base.of(500)


@pytest.mark.parametrize("seconds", [65])
async def test_the_venues_clock_is_measured_again_and_again(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery, seconds: float
) -> None:
    bench = MarketDataBench()
    asked: list[float] = []

    async def time_ms() -> int:
        asked.append(trio.current_time())
        return bench.clock.utc_ns() // 1_000_000 + 70

    bench.venue.time_ms = time_ms  # type: ignore[method-assign,assignment]
    await nursery.start(bench.run)
    await trio.sleep(seconds)
    assert len(asked) == 4  # two at first, then one every 30 s
    assert bench.clock.offset_ms == 70


@pytest.mark.parametrize(
    ("trips_ms", "asked", "round_trip_ms"),
    [
        ((80, 60), 2, 60),
        ((100, 120, 90), 3, 90),
        ((400, 60), 2, 60),
        ((400, 300, 350), 3, 300),
        ((2_000, 1_900, 1_000), 3, 1_000),
    ],
)
async def test_the_clock_is_asked_until_an_answer_is_quick_and_the_quickest_counts(
    autojump_clock: trio.testing.MockClock, trips_ms: tuple[int, ...], asked: int, round_trip_ms: int
) -> None:
    """One answer that was held up by 400 ms put venue time 170 ms off for half a minute."""
    bench, trips = MarketDataBench(), list(trips_ms)

    async def time_ms() -> int:
        now_ms = bench.clock.utc_ns() // 1_000_000
        await trio.sleep(trips.pop(0) / 1000)
        return now_ms + 70

    bench.venue.time_ms = time_ms  # type: ignore[method-assign,assignment]
    await measure_clock(bench.venue, bench.clock)
    assert bench.clock.round_trip_ms == round_trip_ms
    assert bench.clock.offset_ms == 70 - round_trip_ms // 2
    assert len(trips_ms) - len(trips) == asked


async def test_the_first_answer_of_all_is_never_the_only_one_and_later_a_quick_one_is_enough(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Its trip includes making the connection: it put "ledger intent" 27 ms behind the sends that it
    precedes.
    """
    bench, trips = MarketDataBench(), [60, 6, 8]

    async def time_ms() -> int:
        await trio.sleep(trips.pop(0) / 1000)
        return bench.clock.utc_ns() // 1_000_000

    bench.venue.time_ms = time_ms  # type: ignore[method-assign,assignment]
    await measure_clock(bench.venue, bench.clock)
    assert (bench.clock.round_trip_ms, bench.clock.offset_ms, trips) == (6, 3, [8])
    await measure_clock(bench.venue, bench.clock)
    assert (bench.clock.round_trip_ms, trips) == (8, [])


async def test_a_clock_that_answers_too_slowly_is_not_believed(
    autojump_clock: trio.testing.MockClock,
) -> None:
    bench = MarketDataBench()
    before_ms = bench.clock.now_ms()

    async def time_ms() -> int:
        await trio.sleep(1.5)
        return 5

    bench.venue.time_ms = time_ms  # type: ignore[method-assign,assignment]
    with pytest.raises(Unreachable, match="3 answers in a row"):
        await measure_clock(bench.venue, bench.clock)
    assert bench.clock.now_ms() == before_ms + 4_500


async def test_a_batch_of_a_product_that_nobody_asked_for_is_ignored(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    bench = MarketDataBench()
    await nursery.start(bench.run)
    await trio.sleep(0.1)
    bench.venue.send(delta(2, START_MS + 50, START_MS, [("60000", "1")]))
    bench.venue.send(delta(4, START_MS + 60, START_MS, [("2756.8", "9")]))
    await trio.sleep(0.01)
    assert bench.quote().eth.bids[0].amount == Base.of(9)


async def test_a_book_that_stays_crossed_starts_over_from_a_snapshot(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    """R8: a crossed book is stale, and no event may ever come to uncross it."""
    bench = MarketDataBench()
    await nursery.start(bench.run)
    await trio.sleep(0.1)
    bench.venue.send(delta(4, START_MS + 150, START_MS, [("2757.5", "9")]))
    await trio.sleep(0.05)
    before = bench.out.version
    bench.set_books(1200)
    await trio.sleep(1.2)
    assert bench.out.version > before
    assert bench.quote().eth.bids[0].price == Price.of("2756.8")
    assert [note.text for note in bench.notes if isinstance(note, Note)] == [
        "product 4: the book is crossed or has an empty side; started over from a snapshot"
    ]


async def test_a_book_from_the_future_starts_over_instead_of_staying_young_for_ever(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    """S5: a moment that cannot be must not become an age."""
    bench = MarketDataBench()
    await nursery.start(bench.run)
    await trio.sleep(0.1)
    bench.venue.send(delta(4, START_MS + 3_600_000, START_MS, [("2756.8", "9")]))
    await trio.sleep(0.05)
    assert bench.ages()[0] < 0
    bench.set_books(900)
    await trio.sleep(1.2)
    assert bench.ages()[0] >= 0
    assert any(isinstance(note, Note) and "ahead of our clock" in note.text for note in bench.notes)


async def test_a_side_that_stays_empty_is_read_anew_every_second_and_told_once(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    bench = MarketDataBench()
    bench.set_books(0, asks=())
    await nursery.start(bench.run)
    await trio.sleep(60)
    assert bench.out.value is None
    assert 55 < bench.venue.asked.count(4) < 65
    assert len([note for note in bench.notes if isinstance(note, Note) and "empty side" in note.text]) == 1
    bench.set_books(60_000)
    await trio.sleep(1.1)
    assert bench.quote().eth.bids[0].price == Price.of("2756.8")


def test_batches_that_arrive_together_are_one_quote_and_none_of_them_is_left_out() -> None:
    market = MarketState.of(RULES)
    market.books[4].load(ETH_BOOK)
    market.books[8].load(SOL_BOOK)
    together = [
        delta(4, START_MS + step, START_MS + step - 1, [(f"{2756 - step / 10:.1f}", f"{step}")])
        for step in range(1, 6)
    ]
    assert market.take(together, START_MS + 10)
    shown = market.books[4].levels()[0]
    assert [level.amount for level in shown[2:]] == [Base.of(amount) for amount in range(1, 6)]
    assert market.books[4].behind_ms == 5


def test_a_gap_among_batches_that_arrive_together_is_a_gap() -> None:
    market = MarketState.of(RULES)
    for product, book in ((4, ETH_BOOK), (8, SOL_BOOK)):
        market.books[product].load(book)
    market.wanted.clear()
    missing = [delta(4, START_MS + at, START_MS + last) for at, last in ((1, 0), (3, 2), (4, 3))]
    market.take([*missing, delta(8, START_MS + 2, START_MS + 1)], START_MS + 5)
    assert market.wanted == {4}
    assert market.quote(START_MS + 5) is None


@pytest.mark.parametrize("seed", range(5))
def test_what_a_book_shows_is_what_a_plain_table_of_its_levels_would_show(seed: int) -> None:
    """Against a dictionary sorted anew each time. Again: pytest -k plain_table."""
    chance = seeded(seed)
    book = LocalBook(4)
    book.load(BookSnapshot(4, Ns(1), (), ()))
    plain: dict[bool, dict[int, int]] = {True: {}, False: {}}
    for step in range(2, 1_500):
        sides = []
        for is_bid in (True, False):
            changed = {}
            for _ in range(chance.randrange(4)):
                price = chance.randrange(1, 800)
                changed[price] = chance.choice((0, 0, chance.randrange(1, 9)))
            plain[is_bid] |= changed
            plain[is_bid] = {price: amount for price, amount in plain[is_bid].items() if amount}
            if len(plain[is_bid]) > LEVELS_KEPT:
                kept = sorted(plain[is_bid], reverse=is_bid)[: LEVELS_KEPT // 2]
                plain[is_bid] = {price: plain[is_bid][price] for price in kept}
            sides.append(tuple(changed.items()))
        before = book.levels()
        book.apply(BookDelta(4, Ns(step), Ns(step), Ns(step - 1), *sides))
        for side, is_bid in enumerate((True, False)):
            wanted = sorted(plain[is_bid], reverse=is_bid)[:LEVELS_SHOWN]
            shown = book.levels()[side]
            assert [(level.price, level.amount) for level in shown] == [
                (price, plain[is_bid][price]) for price in wanted
            ], f"seed {seed}, step {step}"
            assert sides[side] or shown is before[side], "a side that has not changed is the same tuple"


def test_a_batch_from_before_an_equal_snapshot_makes_the_book_as_old_as_the_batch() -> None:
    """A level went and came back, and the snapshot was of after that: what it proved is over with the first
    of the two batches.
    """
    book = loaded()
    book.proven_by(msgspec.structs.replace(ETH_BOOK, at_ns=Ns((START_MS + 900) * 1_000_000)))
    assert book.proven_ms == START_MS + 900
    book.apply(delta(4, START_MS + 100, START_MS, [("2756.8", "0")]))
    assert book.proven_ms == START_MS + 100
    book.apply(delta(4, START_MS + 1000, START_MS + 100, [("2756.8", "3")]))
    assert book.proven_ms == START_MS + 1000


async def late_feed(bench: MarketDataBench, late_ms: int, until_s: float) -> None:
    """A batch of each product every 20 ms, each as old as this when it comes."""
    last = START_MS
    while trio.current_time() < until_s:
        at = max(last + 1, bench.clock.now_ms() - late_ms)
        for product, price in ((4, "2756.8"), (8, "115.86")):
            bench.venue.send(delta(product, at, last, [(price, str(1 + at % 7))]))
        last = at
        await trio.sleep(0.02)


async def test_a_feed_that_is_behind_counts_as_stale_although_snapshots_keep_its_book_young(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    """More comes than can be read. What is held must be left at prices of about now, and nothing entered."""
    bench = MarketDataBench()
    nursery.start_soon(keep_books_current, bench)
    await nursery.start(bench.run)
    nursery.start_soon(late_feed, bench, 3_000, 9)
    await trio.sleep(4)
    for _ in range(20):
        await trio.sleep(0.2)
        assert max(bench.ages()) <= 1_000 * DOUBT_EVERY_S + 100
        now_ms = bench.clock.now_ms()
        denial = entry_denial(bench.quote(), now_ms, Settings(), Base.of("0.01"), Base.of("-0.1"))
        assert denial is not None
        assert denial.code == "QUOTE_STALE"
        assert "ms behind, limit 1000 ms: more comes than can be read" in denial.detail
    told = [note.text for note in bench.notes if isinstance(note, Note)]
    assert len([text for text in told if "behind, more comes than can be read" in text]) == 2, told
    await trio.sleep(3)
    assert (bench.quote().eth.behind_ms, bench.quote().sol.behind_ms) == (0, 0), (
        "silence was found to be right"
    )


async def test_a_feed_that_is_late_and_flows_is_not_taken_for_a_silent_one(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    """Its book is old, but snapshots would cost time that it lacks, and prove nothing."""
    bench = MarketDataBench()
    nursery.start_soon(keep_books_current, bench)
    await nursery.start(bench.run)
    await trio.sleep(1)
    nursery.start_soon(late_feed, bench, 700, 60)
    await trio.sleep(1)
    before = len(bench.venue.asked)
    await trio.sleep(5)
    assert len(bench.venue.asked) == before
    assert 600 < max(bench.ages()) < 800


async def test_a_funding_rate_comes_with_the_next_quote_and_grows_old_when_the_archive_is_gone(
    autojump_clock: object,
) -> None:
    """An outage is told once; a rate that was never said is None and not 0."""
    venue, told = FakeVenue(), list[msgspec.Struct]()
    clock = VenueClock(RunClock(START_MS * 1_000_000))
    feed = Feed(
        venue,  # type: ignore[arg-type]
        MarketState.of(RULES),
        Latest(),
        clock,
        Settings(),
        Notes(told.append, clock, "market_data"),
        seeded(1),
    )
    for product, book in feed.market.books.items():
        book.load(ETH_BOOK if product == 4 else SOL_BOOK)
    said = FundingRate(4, Rate.of("0.0001"), Ms(START_MS))
    venue.rates = (said, msgspec.structs.replace(said, product_id=99))
    await feed.read_funding()
    quote = feed.market.quote(START_MS)
    assert quote is not None
    assert (quote.eth.funding, quote.sol.funding) == (said, None)
    venue.down = True
    for _ in range(3):
        await feed.read_funding()
    assert len(told) == 1
    quote = feed.market.quote(START_MS)
    assert quote is not None
    assert quote.eth.funding == said
