"""The engine under random but lawful use: after every step money, positions, books and the archive still add
up, to the last digit.

`SEED=123 STEPS=5000 pytest tests/venue/simulated/engine/test_random_engine.py` repeats a failure, or looks
further.
"""

import os
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from messages.market import Level
from messages.units import Base, Price, Quote
from tests.venue.nado.appendices import Appendix, pack
from tests.venue.simulated.desk import ETH, ME, OTHER, OURS, SOL, THEIRS, Desk, desk
from tests.venue.simulated.desk import order as new_order
from venue.simulated.engine import treasury
from venue.simulated.engine.codes import ExchangeRefusal
from venue.simulated.engine.events import Event, Filled, Liquidated, OrderUpdated, PositionChanged
from venue.simulated.engine.liquidation import liquidate_unhealthy
from venue.simulated.engine.rules import NO_ADDRESS
from venue.simulated.payloads.archive import LAG_NS, Archive, ArchiveQuery

SEED = int(os.environ.get("SEED", "41"))
STEPS = int(os.environ.get("STEPS", "700"))
START: dict[int, int] = {ETH: int(Price.of("2756.9")), SOL: int(Price.of("115.86"))}


class Walk:
    """A desk, a source of chance, and books of our own that the engine's must agree with."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.desk: Desk = desk(funds="3000")
        self.archive = Archive(self.desk.exchange.order_log)
        self.price = dict(START)
        self.held: Counter[tuple[str, int]] = Counter()
        """By account and product, from events alone; an isolated subaccount's own name."""
        self.last_ns = 0
        self.fills = self.liquidations = self.refusals = 0

    def step(self) -> None:
        acts: list[tuple[int, Callable[[], Any]]] = [
            (50, self.place),
            (15, self.move),
            (10, self.jump),
            (8, self.cancel),
            (4, self.transfer),
            (3, lambda: treasury.settle_results(self.desk.exchange, self.desk.later())),
            (3, self.fund),
            (2, lambda: self.desk.exchange.expire(self.desk.later())),
        ]
        (act,) = self.chance.choices([act for _, act in acts], [weight for weight, _ in acts])
        try:
            act()
        except ExchangeRefusal:
            self.refusals += 1
        liquidate_unhealthy(self.desk.exchange, self.desk.later())
        self.take(self.desk.events())
        self.check()

    # -- what happens ----------------------------------------------------------------------------------------

    def place(self) -> None:
        chance, exchange = self.chance, self.desk.exchange
        names = [ME, OTHER, *(name for name, account in exchange.accounts.items() if account.parent)]
        sender = chance.choice(names)
        product_id = chance.choice((ETH, SOL))
        product = exchange.markets[product_id].product
        apart, closing = exchange.accounts[sender].parent, chance.random() < 0.3
        lots = chance.randint(1, 900) if product_id == ETH else chance.randint(1, 200)
        price = self.price[product_id] * (1000 + chance.randint(-4, 4)) // 1000
        kind = chance.choice(("ioc", "fok", "default", "post_only"))
        appendix = pack(Appendix(kind, closing or bool(apart)))  # type: ignore[arg-type]
        if not closing and not apart and chance.random() < 0.2:
            appendix |= 1 << 8 | chance.randint(0, 200_000_000) << 64
        amount = Base(chance.choice((-1, 1)) * lots * product.step)
        wanted = new_order(
            amount.text(),
            Price(price - price % product.tick).text(),
            product_id=product_id,
            sender=sender,
            appendix=appendix,
            recv_time_ms=self.desk.now_ns // 1_000_000 + 50_000,
        )
        self.desk.place(wanted, sender=OURS if sender[:42] == ME[:42] else THEIRS)

    def move(self) -> None:
        product_id = self.chance.choice((ETH, SOL))
        product = self.desk.exchange.markets[product_id].product
        middle = self.price[product_id] - self.price[product_id] % product.tick
        amounts = [Base(self.chance.randint(0, 400) * product.step) for _ in range(6)]
        bids = [
            Level(Price(middle - depth * product.tick), amount) for depth, amount in enumerate(amounts[:3])
        ]
        asks = [
            Level(Price(middle + (1 + depth) * product.tick), amount)
            for depth, amount in enumerate(amounts[3:])
        ]
        self.desk.draw(product_id, bids, asks)

    def jump(self) -> None:
        product_id = self.chance.choice((ETH, SOL))
        self.price[product_id] = max(
            START[product_id] // 2,
            self.price[product_id] * (10_000 + self.chance.randint(-150, 150)) // 10_000,
        )
        self.desk.exchange.set_oracle(product_id, Price(self.price[product_id]), self.desk.later())

    def cancel(self) -> None:
        resting = [
            order for market in self.desk.exchange.markets.values() for order in market.open_orders.values()
        ]
        self.desk.exchange.cancel(self.chance.sample(resting, min(2, len(resting))), self.desk.later())

    def transfer(self) -> None:
        giver, taker = self.chance.sample((ME, OTHER), 2)
        treasury.transfer_quote(
            self.desk.exchange,
            giver,
            taker,
            int(Quote.of(str(self.chance.randint(1, 400)))),
            self.desk.later(),
        )

    def fund(self) -> None:
        self.desk.now_ns += 3600 * 10**9
        treasury.pay_funding(self.desk.exchange, self.desk.now_ns)

    # -- what must hold --------------------------------------------------------------------------------------

    def take(self, events: list[Event]) -> None:
        for event in events:
            assert event.at_ns >= self.last_ns
            self.last_ns = event.at_ns
            if isinstance(event, Filled):
                self.fills += 1
                self.archive.record(event)
                signed = event.filled if event.is_bid else -event.filled
                self.held[event.also or event.subaccount, event.product_id] += signed
                assert 0 <= event.remaining < event.original
            elif isinstance(event, Liquidated):
                self.liquidations += 1
                self.held[event.liquidatee, event.product_id] -= event.amount
            elif isinstance(event, PositionChanged | OrderUpdated):
                assert event.amount >= 0 or isinstance(event, PositionChanged)

    def check(self) -> None:
        exchange = self.desk.exchange
        for account in exchange.accounts.values():
            for product_id in exchange.markets:
                assert account.position(product_id).amount == self.held[account.subaccount, product_id], (
                    account.subaccount
                )
            assert exchange.health(account, "maintenance").health >= 0
            assert not (account.parent and account.position(ETH).amount == 0 == account.position(SOL).amount)
        for market in exchange.markets.values():
            bid, ask = market.book.best(True), market.book.best(False)
            assert bid is None or ask is None or bid < ask
            standing = [
                order
                for side in (market.book.bids, market.book.asks)
                for queue in side.orders.values()
                for order in queue
            ]
            assert {order.digest for order in standing} == set(market.open_orders)
            assert all(0 < order.remaining <= abs(order.order.amount) for order in standing)

    def money(self) -> int:
        """All that accounts and the insurance fund have in cash; v_quote with funding paid up to now."""
        exchange = self.desk.exchange
        total = exchange.insurance
        for account in exchange.accounts.values():
            total += account.usdt0 + sum(
                exchange.position(account, product_id).v_quote for product_id in exchange.markets
            )
        return total


@pytest.mark.parametrize("seed", range(SEED, SEED + 3))
def test_money_positions_and_books_add_up_after_every_step(seed: int) -> None:
    walk = Walk(seed)
    try:
        for _ in range(STEPS):
            walk.step()
    except AssertionError as error:
        error.add_note(f"SEED={seed} STEPS={STEPS} pytest tests/venue/simulated/engine/test_random_engine.py")
        raise
    assert walk.fills > STEPS // 10
    assert walk.refusals > STEPS // 20
    orders = walk.desk.exchange.order_log
    later = walk.desk.now_ns + LAG_NS + 1
    archived = {row["digest"]: row for row in walk.archive.orders(ArchiveQuery(limit=500), later)["orders"]}
    for entry in [entry for entry in orders if entry.fills][-500:]:
        assert archived[entry.digest]["base_filled"] == str(int(entry.filled))
        assert archived[entry.digest]["fee"] == str(sum(int(fill.fee) for fill in entry.fills))
    assert NO_ADDRESS not in walk.desk.exchange.accounts


def test_cash_changes_only_by_what_is_told() -> None:
    """Trades against the house, fees, funding and nothing else: every other step moves money between
    accounts or leaves it.
    """
    walk = Walk(SEED)
    for act in (
        walk.transfer,
        walk.cancel,
        lambda: treasury.settle_results(walk.desk.exchange, walk.desk.later()),
    ):
        for _ in range(60):
            walk.step()
            before = walk.money()
            try:
                act()
            except ExchangeRefusal:
                continue
            assert walk.money() == before
            walk.take(walk.desk.events())
