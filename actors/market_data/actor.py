"""market_data: keeps both books true and publishes them as one PairQuote, newest wins; nobody can make it
wait.

Staleness is not "no message lately": a motionless book must trade and a frozen feed must not. A book's age
counts from the last moment it was *proven*: by an event, or, when a product has been silent for half of
`max_quote_age`, by a snapshot that equals it. A snapshot that differs means that the feed has frozen: the
book starts over from the snapshot, and the log says so.

A flood costs no more than it must: batches that have arrived together are all applied, in order and each
with its place in the chain checked, and then published once. When even that is too slow the newest batch read
is an old one, and how old is published with the book.

A lost connection is handled in here; only a defect gets out.
"""

import random
from collections.abc import Awaitable, Callable, Iterable

import msgspec
import trio

from actors.market_data.local_book import LocalBook
from messages.market import BookDelta, FundingRate, LegQuote, PairQuote
from messages.settings import Settings
from messages.units import Ms, Ns, Price
from runtime.backoff import RECONNECT, Streak
from runtime.clock import VenueClock
from runtime.mailbox import Latest
from runtime.observe import Notes
from runtime.pulse import MAIL, Pulse
from venue.protocol import Busy, Malformed, ProductRules, Venue, VenueError, VenueRules
from venue.venue_time import measure_clock

ROUND_S = 20.0
"""What connecting, or one round of questions, may take: every step of it has a deadline of its own, and
there are at most eight.
"""
BATCH_GRACE_S = 0.2
"""Nado batches book changes for 50 ms: a change that a snapshot already shows must arrive within this."""
PROOF_LOOKS = 8
"""How often within `max_quote_age` it is looked for books to be proven."""
RULES_EVERY_S = 5.0
"""How often the venue's rules, oracle prices and trading status are read."""
SOON_S = 0.25
"""The least pause between two readings of the rules, however often they are doubted."""
DOUBT_EVERY_S = 1.0
"""How often a book that cannot be right is read anew."""
BUSY_S = 2.0
"""The longest pause before a venue that is over a limit, or down for a moment, is asked again for what is
asked more often than that.
"""
CLOCK_EVERY_S = 30.0
"""How often the venue's clock is read (design: the barrier)."""
FUNDING_EVERY_S = 60.0
"""How often the funding rates are read. They are averages over the hour that is running, and move slowly."""


class MarketState(msgspec.Struct):
    """What market_data knows; `quote` is the pure step from it to what is published."""

    books: dict[int, LocalBook]
    rules: VenueRules
    active: bool = True
    version: int = 0
    doubted: set[int] = msgspec.field(default_factory=set)
    """Products whose book cannot be right, of which it has been told."""
    wanted: set[int] = msgspec.field(default_factory=set)
    """Products whose book must start over from a snapshot."""
    rates: dict[int, FundingRate] = msgspec.field(default_factory=dict)
    """By product: the last funding rate that was said, which its time makes old."""
    rates_trouble: bool = False
    """Have the rates not been readable since it was told?"""

    @classmethod
    def of(cls, rules: VenueRules) -> "MarketState":
        """Empty books of both products, each waiting for its first snapshot."""
        ids = (rules.eth.product_id, rules.sol.product_id)
        return cls({product: LocalBook(product) for product in ids}, rules, wanted=set(ids))

    def take(self, deltas: Iterable[BookDelta], now_ms: int) -> bool:
        """Apply batches in their order, received at venue time `now_ms`; True when there may be something
        new to publish.
        """
        news = False
        for delta in deltas:
            book = self.books.get(delta.product_id)
            if book is None:  # a batch of a product that nobody asked for
                continue
            result = book.apply(delta)
            if result == "gap":
                self.wanted.add(delta.product_id)
            news = news or result == "applied"
            book.heard(delta, now_ms)
        return news

    def take_rules(self, read: VenueRules, read_ms: int) -> bool:
        """Go by other rules from now on, asked for at venue time `read_ms`; True when anything but an oracle
        price is another.

        Raises `Malformed` for another chain or other products: then they are not the rules of what we trade.
        """
        before = self.rules
        if _identity(read) != _identity(before):
            raise Malformed(
                f"the venue's products are not those of the start any more: {_identity(read)}, not"
                f" {_identity(before)}"
            )
        changed = _lasting(read) != _lasting(before)
        self.rules = msgspec.structs.replace(read, version=before.version + changed, read_ms=Ms(read_ms))
        return changed

    def take_rates(self, rates: Iterable[FundingRate]) -> None:
        """Go by these funding rates. Of a product that is not among them the last one stays."""
        self.rates.update({each.product_id: each for each in rates if each.product_id in self.books})

    def lost(self) -> None:
        """The stream is gone: no book can be trusted."""
        for book in self.books.values():
            book.lost()
        self.wanted = set(self.books)

    def quote(self, now_ms: int) -> PairQuote | None:
        """Both books as one message; None while either cannot be trusted."""
        if not all(book.usable for book in self.books.values()):
            return None
        self.version += 1
        eth, sol = (self._leg(product) for product in (self.rules.eth, self.rules.sol))
        return PairQuote(
            self.version,
            Ms(now_ms),
            eth,
            sol,
            self.active,
            Ns(min(book.asked_ns for book in self.books.values())),
        )

    def _leg(self, product: ProductRules) -> LegQuote:
        book = self.books[product.product_id]
        bids, asks = book.levels()
        return LegQuote(
            product.product_id,
            bids,
            asks,
            book.proven_ms,
            product.oracle,
            product.status,
            book.behind_ms,
            self.rates.get(product.product_id),
        )


def _identity(rules: VenueRules) -> tuple[int, str, int, int]:
    return rules.chain_id, rules.endpoint, rules.eth.product_id, rules.sol.product_id


def _lasting(rules: VenueRules) -> VenueRules:
    """The rules without what changes all the time."""
    eth, sol = (
        msgspec.structs.replace(product, oracle=None if product.oracle is None else Price(1))
        for product in (rules.eth, rules.sol)
    )
    return msgspec.structs.replace(rules, eth=eth, sol=sol, version=0, read_ms=Ms(0))


class Feed(msgspec.Struct, frozen=True):
    """The loops of one incarnation, and what they work with."""

    venue: Venue
    market: MarketState
    out: Latest[PairQuote]
    clock: VenueClock
    settings: Settings
    note: Notes
    rng: random.Random
    """Spreads the attempts to connect."""
    pulse: Pulse = msgspec.field(default_factory=Pulse)
    tell: Callable[[VenueRules, bool], None] = lambda _rules, _changed: None
    """Takes every reading of the venue's rules, and whether it differs from the one before."""
    doubted: Latest[Ms] = msgspec.field(default_factory=Latest)
    """Venue time at which somebody last had reason to doubt the rules."""
    slack: int = 1
    """How many times rarer than live the venue is asked what its stream does not say (`World.slack`)."""

    def publish(self) -> None:
        """Both books as they are now, as one message; nothing while either cannot be trusted."""
        quote = self.market.quote(self.clock.now_ms())
        if quote is not None:
            self.out.put(quote)

    async def stream(self) -> None:
        """Connect, take events, and do it again for ever."""
        streak = Streak(RECONNECT, self.rng)
        while True:
            self.pulse.expect("a connection", ROUND_S)
            try:
                async with self.venue.market_events(sorted(self.market.books)) as events:
                    self.pulse.done("a connection")
                    self.pulse.inbox = events
                    streak.up(trio.current_time())
                    await self.resync()
                    while True:
                        # Sizing looks at the newest only: what has arrived together is published once.
                        if self.market.take(await events.batch(), self.clock.now_ms()):
                            self.publish()
                        await self.resync()
            except VenueError as error:
                self.note("warning", f"stream lost: {error}")
            self.pulse.inbox = None
            self.pulse.done()
            self.market.lost()
            pause_s = streak.pause_s(trio.current_time())
            self.pulse.expect("a connection", pause_s)
            await trio.sleep(pause_s)

    async def resync(self) -> None:
        """Begin every book that must start over from a snapshot of its own."""
        if self.market.wanted:
            self.pulse.expect(MAIL, ROUND_S)
        for product in sorted(self.market.wanted):
            await self.read_anew(product)
            self.market.wanted.discard(product)
            self.publish()
        self.pulse.done()

    async def read_anew(self, product: int) -> None:
        """One product's book starts over from a snapshot. Raises `VenueError` where it cannot be read."""
        asked_ns = self.clock.steady_ns()
        self.market.books[product].load(await self.venue.reads.book(product), asked_ns)

    async def prove(self) -> float:
        """Products silent for half of `max_quote_age` are compared with a snapshot, both at once. Returns in
        how many seconds that is due again.
        """
        half_ms, grace_ms = self.settings.max_quote_age // 2, BATCH_GRACE_S * 1000
        failed: list[VenueError] = []
        now_ms = self.clock.now_ms()
        due = [
            (product, book)
            for product, book in self.market.books.items()
            if book.usable and now_ms - book.heard_ms >= grace_ms and now_ms - book.proven_ms >= half_ms
        ]
        if due:
            async with trio.open_nursery() as nursery:
                for product, book in due:
                    nursery.start_soon(self._prove, product, book, failed)
        if failed:
            raise failed[0]
        now_ms = self.clock.now_ms()
        usable = [book for book in self.market.books.values() if book.usable]
        due_ms = (max(book.proven_ms + half_ms, book.heard_ms + grace_ms) for book in usable)
        # One look later: another book that is due by then is asked about at the same time, so that two quiet
        # books wake the process together.
        return (min(due_ms, default=now_ms) - now_ms + self.settings.max_quote_age // PROOF_LOOKS) / 1000

    async def _prove(self, product: int, book: LocalBook, failed: list[VenueError]) -> None:
        """Compare one silent book with a snapshot; a venue that does not answer is added to `failed`."""
        before = book.proven_ns
        try:
            snapshot = await self.venue.reads.book(product)
            if book.proven_ns != before or product in self.market.wanted:
                return
            if book.agrees(snapshot):
                book.proven_by(snapshot)
            else:
                # A batch that is under way explains it; if none comes, the feed is frozen.
                await trio.sleep(BATCH_GRACE_S)
                if book.proven_ns != before or product in self.market.wanted:
                    return
                await self.read_anew(product)
                book.behind_ms = Ms(0)
                self.note(
                    "warning",
                    f"product {product}: the feed was silent while the book moved; started over from a"
                    " snapshot",
                )
        except VenueError as error:
            failed.append(error)
            return
        self.publish()

    async def doubt(self) -> None:
        """Books that no snapshot would prove as they are start over from one, again and again; it is told
        once until they are right.

        So does the book of a feed that is behind: what is held is left, and judged, at prices of about now.
        It counts as stale all the same, until the feed has caught up (`LegQuote.behind_ms`).
        """
        for product, book in self.market.books.items():
            ahead_ms = book.proven_ms - self.clock.now_ms()
            if not book.usable:
                problem = "the book is crossed or has an empty side"
            elif ahead_ms > self.settings.max_clock_skew:
                problem = f"the book is {ahead_ms} ms ahead of our clock"
            elif book.behind_ms > self.settings.max_quote_age:
                problem = f"the feed is {book.behind_ms} ms behind, more comes than can be read"
            else:
                problem = ""
            if not problem or product in self.market.wanted:  # a wanted one starts over anyway
                self.market.doubted.discard(product)
                continue
            await self.read_anew(product)
            if product not in self.market.doubted:
                self.market.doubted.add(product)
                self.note("warning", f"product {product}: {problem}; started over from a snapshot")
            self.publish()

    async def read_rules(self) -> None:
        """The venue's rules, oracle prices and trading status with them, and whether the venue is active;
        at once when somebody doubts them.
        """
        asked_ms, reads = self.clock.now_ms(), self.venue.reads
        in_doubt = (self.doubted.value or 0) >= self.market.rules.read_ms
        self.market.active = await reads.status() == "active"
        changed = self.market.take_rules(
            await (reads.rules_now() if in_doubt and self.doubted.value else reads.rules()), asked_ms
        )
        self.tell(self.market.rules, changed)
        if changed:
            self.publish()

    async def read_funding(self) -> None:
        """The funding rates of now; they are shown with the next quote. An archive that does not answer is
        told once: nothing that closes or hedges depends on it.
        """
        try:
            rates = await self.venue.reads.funding_rates()
        except VenueError as error:
            if not self.market.rates_trouble:
                self.note("info", f"the funding rates are not known, the last ones grow old: {error}")
            self.market.rates_trouble = True
            return
        self.market.rates_trouble = False
        self.market.take_rates(rates)

    async def read_clock(self) -> None:
        """Measure once how far the venue's clock is from ours. Raises `VenueError` when it cannot."""
        await measure_clock(self.venue, self.clock)

    async def every(
        self, seconds: float, work: Callable[[], Awaitable[float | None]], soon: Latest[Ms] | None = None
    ) -> None:
        """Do `work` now and then every `seconds`; a venue that does not answer is noted and asked again, a
        busy one more and more rarely.

        `soon`: something newer in there is a reason not to wait so long, but `SOON_S` at least.
        """
        name = getattr(work, "__name__", "work")
        pause_s = seconds
        while True:
            self.pulse.expect(name, ROUND_S)
            try:
                # what knows when it will be due is not asked before that
                pause_s = max(seconds, await work() or 0.0)
            except VenueError as error:
                self.note("warning", f"{name}: {error}")
                pause_s = max(seconds, min(2 * pause_s, BUSY_S)) if isinstance(error, Busy) else seconds
            self.pulse.expect(name, pause_s)
            if soon is None:
                await trio.sleep(pause_s)
                continue
            seen = soon.version
            await trio.sleep(SOON_S)
            with trio.move_on_after(pause_s - SOON_S):
                await soon.newer_than(seen)


async def run(feed: Feed, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
    """Keep `feed.out` filled until cancelled. A silent venue is asked again; only a defect gets out."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(feed.stream)
        nursery.start_soon(feed.every, feed.settings.max_quote_age / PROOF_LOOKS / 1_000, feed.prove)
        nursery.start_soon(feed.every, DOUBT_EVERY_S * feed.slack, feed.doubt)
        # Nothing is entered by rules older than 15 s.
        nursery.start_soon(feed.every, RULES_EVERY_S * min(feed.slack, 2), feed.read_rules, feed.doubted)
        nursery.start_soon(feed.every, CLOCK_EVERY_S * feed.slack, feed.read_clock)
        # They decide over minutes and hours, so that they are read rarely enough over weeks, too.
        nursery.start_soon(feed.every, FUNDING_EVERY_S * min(feed.slack, 5), feed.read_funding)
        task_status.started()
