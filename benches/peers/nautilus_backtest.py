"""The same recording and the same job in nautilus_trader's backtest: enter both legs by one quote, hold,
leave, pause, the other way round. Run as a process, where nautilus_trader is installed:

    python benches/peers/nautilus_backtest.py PREFIX HOLD_S PAUSE_S

Each row of the recording is one object: a quote a `QuoteTick`, a book its ten best levels
(`OrderBookDepth10`, which holds no more), a trade a `TradeTick`. Its exchange fills market orders from the
books (`L2_MBP`). Rows are read and sorted before the backtest begins, as its documentation has it; both are
timed. Prints one JSON object.
"""

import csv
import gzip
import json
import resource
import sys
import time
from datetime import timedelta
from decimal import Decimal

from nautilus_perpetuals import VENUE, perpetual
from nautilus_trader.backtest.engine import BacktestEngine
from nautilus_trader.config import BacktestEngineConfig, LoggingConfig
from nautilus_trader.model.currencies import ETH, SOL, USDT
from nautilus_trader.model.data import BookOrder, OrderBookDepth10, QuoteTick, TradeTick
from nautilus_trader.model.enums import (
    AccountType,
    AggressorSide,
    BookType,
    OmsType,
    OrderSide,
    TimeInForce,
)
from nautilus_trader.model.identifiers import TradeId, TraderId
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.trading.strategy import Strategy

TARGET = Decimal(1000)
LEVELS = 10


ETH_PERP = perpetual("ETH", ETH, 1, 4)
SOL_PERP = perpetual("SOL", SOL, 2, 2)
PERPETUALS = {"ETH-PERP": ETH_PERP, "SOL-PERP": SOL_PERP}
STEPS = {ETH_PERP.id: Decimal("0.001"), SOL_PERP.id: Decimal("0.1")}
"""What orders are rounded to: Nado's size steps."""


def rows(path: str):  # type: ignore[no-untyped-def]
    """Cells of one file, without its header."""
    with gzip.open(path, "rt", encoding="ascii", newline="") as file:
        lines = csv.reader(file)
        next(lines)
        yield from lines


def side(cells, offset: int, order_side, perp):  # type: ignore[no-untyped-def]
    """The ten best levels of one side of a book's row."""
    pairs = [cells[3 + 4 * level + offset : 5 + 4 * level + offset] for level in range(LEVELS)]
    return [
        BookOrder(
            order_side,
            Price(float(price), perp.price_precision),
            Quantity(float(size), perp.size_precision),
            number,
        )
        for number, (price, size) in enumerate(pairs, 1)
    ]


def recorded(prefix: str) -> list[list[object]]:
    """Every row: quotes, books, trades, each in the order of the exchange's times."""
    quotes: list[object] = []
    books: list[object] = []
    trades: list[object] = []
    for cells in rows(f"{prefix}_quotes.csv.gz"):
        perp, at = PERPETUALS[cells[2]], int(cells[0])
        bid, ask = (Price(float(cells[each]), perp.price_precision) for each in (3, 5))
        sizes = (Quantity(float(cells[each]), perp.size_precision) for each in (4, 6))
        quotes.append(QuoteTick(perp.id, bid, ask, *sizes, at, at))
    for cells in rows(f"{prefix}_l2_20.csv.gz"):
        perp, at = PERPETUALS[cells[2]], int(cells[0])
        bids, asks = side(cells, 0, OrderSide.BUY, perp), side(cells, 2, OrderSide.SELL, perp)
        books.append(OrderBookDepth10(perp.id, bids, asks, [1] * LEVELS, [1] * LEVELS, 0, 0, at, at))
    for number, cells in enumerate(rows(f"{prefix}_trades.csv.gz")):
        perp, at = PERPETUALS[cells[2]], int(cells[0])
        size = Quantity(float(cells[4]), perp.size_precision)
        if size:
            taker = AggressorSide.BUYER if cells[5] == "buy" else AggressorSide.SELLER
            price = Price(float(cells[3]), perp.price_precision)
            trades.append(TradeTick(perp.id, price, size, taker, TradeId(str(number)), at, at))
    for found in (quotes, books, trades):
        found.sort(key=lambda each: each.ts_init)  # type: ignore[attr-defined]
    return [books, quotes, trades]


class Pair(Strategy):
    """Enters both legs for as many USD at the touch, leaves them `hold_s` later, and pauses."""

    def __init__(self, hold_s: float, pause_s: float) -> None:
        super().__init__()
        self.hold, self.pause = timedelta(seconds=hold_s), timedelta(seconds=pause_s)
        self.quotes, self.long_eth, self.rests, self.cycles = {}, True, False, 0

    def on_start(self) -> None:
        for perp in PERPETUALS.values():
            self.subscribe_quote_ticks(perp.id)
            self.subscribe_order_book_depth(perp.id)
            self.subscribe_trade_ticks(perp.id)

    def on_quote_tick(self, quote) -> None:  # type: ignore[no-untyped-def]
        self.quotes[quote.instrument_id] = quote
        if len(self.quotes) < len(PERPETUALS) or self.rests:
            return
        self.rests = True
        for perp, buys in ((ETH_PERP, self.long_eth), (SOL_PERP, not self.long_eth)):
            seen = self.quotes[perp.id]
            price = (seen.ask_price if buys else seen.bid_price).as_decimal()
            step = STEPS[perp.id]
            size = perp.make_qty(TARGET / price // step * step)
            self.submit(perp, OrderSide.BUY if buys else OrderSide.SELL, size, reduce_only=False)
        self.long_eth = not self.long_eth
        self.clock.set_time_alert("leave", self.clock.utc_now() + self.hold, self.leave)

    def submit(self, perp, order_side, size, *, reduce_only) -> None:  # type: ignore[no-untyped-def]
        self.submit_order(
            self.order_factory.market(
                perp.id, order_side, size, time_in_force=TimeInForce.IOC, reduce_only=reduce_only
            )
        )

    def leave(self, _event) -> None:  # type: ignore[no-untyped-def]
        for held in self.cache.positions_open(strategy_id=self.id):
            side_ = OrderSide.SELL if held.is_long else OrderSide.BUY
            self.submit(self.cache.instrument(held.instrument_id), side_, held.quantity, reduce_only=True)
        self.clock.set_time_alert("again", self.clock.utc_now() + self.pause, self.again)

    def again(self, _event) -> None:  # type: ignore[no-untyped-def]
        if not self.cache.positions_open(strategy_id=self.id):
            self.cycles += 1
        self.rests = False


def busy_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main(prefix: str, hold_s: float, pause_s: float) -> None:
    """One backtest."""
    began_s, began_busy_s = time.perf_counter(), busy_s()
    data = recorded(prefix)
    read_s, read_busy_s = time.perf_counter() - began_s, busy_s() - began_busy_s
    engine = BacktestEngine(
        BacktestEngineConfig(trader_id=TraderId("BENCH-001"), logging=LoggingConfig(log_level="ERROR"))
    )
    engine.add_venue(
        venue=VENUE,
        oms_type=OmsType.NETTING,
        account_type=AccountType.MARGIN,
        base_currency=USDT,
        starting_balances=[Money(1_000_000, USDT)],
        book_type=BookType.L2_MBP,
    )
    for perp in PERPETUALS.values():
        engine.add_instrument(perp)
    for each in data:
        engine.add_data(each)
    pair = Pair(hold_s, pause_s)
    engine.add_strategy(pair)
    began_s, began_busy_s = time.perf_counter(), busy_s()
    engine.run()
    told = {
        "ticks": sum(map(len, data)),
        "cycles": pair.cycles,
        "orders": engine.get_result().total_orders,
        "read_s": read_s,
        "read_busy_s": read_busy_s,
        "run_s": time.perf_counter() - began_s,
        "run_busy_s": busy_s() - began_busy_s,
        "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(told), flush=True)
    engine.dispose()


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]))
