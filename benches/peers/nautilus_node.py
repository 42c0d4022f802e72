"""The same job in nautilus_trader: a live node, its sandbox for execution, a strategy that sizes both legs
and submits two orders. Run as a process, where nautilus_trader is installed:

    python benches/peers/nautilus_node.py RESULT COUNT PAUSE_S

Quotes are handed to the data engine in this process. So there is no WebSocket, no decoding, no signing and
no socket to send on; there is the node's message bus, cache, risk engine and execution engine. The clock
starts when the quote is handed over and stops when the second `submit_order` reaches the execution client.
Writes the nanoseconds of each pair, and between its two orders, as JSON.
"""

import asyncio
import json
import sys
import time
from decimal import Decimal
from pathlib import Path

from nautilus_perpetuals import VENUE, perpetual
from nautilus_trader.adapters.sandbox.config import SandboxExecutionClientConfig
from nautilus_trader.adapters.sandbox.execution import SandboxExecutionClient
from nautilus_trader.adapters.sandbox.factory import SandboxLiveExecClientFactory
from nautilus_trader.common.providers import InstrumentProvider
from nautilus_trader.config import (
    InstrumentProviderConfig,
    LiveDataClientConfig,
    LiveExecEngineConfig,
    LoggingConfig,
    TradingNodeConfig,
)
from nautilus_trader.live.data_client import LiveMarketDataClient
from nautilus_trader.live.factories import LiveDataClientFactory
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.currencies import ETH, SOL
from nautilus_trader.model.data import QuoteTick
from nautilus_trader.model.enums import OrderSide, TimeInForce
from nautilus_trader.model.identifiers import ClientId, TraderId
from nautilus_trader.model.objects import Price, Quantity
from nautilus_trader.trading.strategy import Strategy

CONNECT_S = 4.0
TARGET = Decimal(1000)
GIVEN: dict[str, int] = {"quote": 0}
SUBMITTED: list[int] = []


ETH_PERP, SOL_PERP = perpetual("ETH", ETH, 1, 3, least=True), perpetual("SOL", SOL, 2, 1, least=True)


def timed(self, command, submit=SandboxExecutionClient.submit_order):  # type: ignore[no-untyped-def]
    """The client's own, with the time at which it is reached."""
    SUBMITTED.append(time.perf_counter_ns() - GIVEN["quote"])
    return submit(self, command)


SandboxExecutionClient.submit_order = timed


class Quotes(LiveMarketDataClient):
    """Hands over two quotes, ETH's last, COUNT times."""

    count, pause_s = 0, 0.0

    async def _connect(self) -> None:
        for each in (ETH_PERP, SOL_PERP):
            self._instrument_provider.add(each)
            self._handle_data(each)
        self.feeding = asyncio.get_running_loop().create_task(self.feed())

    async def _disconnect(self) -> None: ...

    async def _subscribe_quote_ticks(self, command) -> None: ...  # type: ignore[no-untyped-def]

    async def _unsubscribe_quote_ticks(self, command) -> None: ...  # type: ignore[no-untyped-def]

    async def feed(self) -> None:
        await asyncio.sleep(CONNECT_S)
        for number in range(self.count):
            self._handle_data(self.quote(SOL_PERP, "115.86", "115.87", number))
            await asyncio.sleep(self.pause_s / 2)
            quote = self.quote(ETH_PERP, "2756.8", "2756.9", number)
            GIVEN["quote"] = time.perf_counter_ns()
            self._handle_data(quote)
            await asyncio.sleep(self.pause_s / 2)
        NODE[0].stop()

    def quote(self, instrument, bid: str, ask: str, number: int) -> QuoteTick:  # type: ignore[no-untyped-def]
        now_ns, size = self._clock.timestamp_ns(), Quantity(200 + number % 10, instrument.size_precision)
        return QuoteTick(instrument.id, Price.from_str(bid), Price.from_str(ask), size, size, now_ns, now_ns)


class QuotesFactory(LiveDataClientFactory):
    """As the node makes its clients."""

    @staticmethod
    def create(loop, name, config, msgbus, cache, clock):  # type: ignore[no-untyped-def]
        return Quotes(
            loop=loop,
            client_id=ClientId(name),
            venue=VENUE,
            msgbus=msgbus,
            cache=cache,
            clock=clock,
            instrument_provider=InstrumentProvider(config=InstrumentProviderConfig()),
            config=config,
        )


class Pair(Strategy):
    """Enters one way, then the other way: as many USD of both at the top of their books."""

    def __init__(self) -> None:
        super().__init__()
        self.sol, self.long_eth = None, True

    def on_start(self) -> None:
        for each in (ETH_PERP, SOL_PERP):
            self.subscribe_quote_ticks(each.id)

    def on_quote_tick(self, quote) -> None:  # type: ignore[no-untyped-def]
        if quote.instrument_id == SOL_PERP.id:
            self.sol = quote
            return
        if self.sol is None:
            return
        ask, bid = quote.ask_price.as_decimal(), self.sol.bid_price.as_decimal()
        eth = ETH_PERP.make_qty(TARGET / ask)
        sol = SOL_PERP.make_qty(eth.as_decimal() * ask / bid)
        sides = (OrderSide.BUY, OrderSide.SELL) if self.long_eth else (OrderSide.SELL, OrderSide.BUY)
        self.long_eth = not self.long_eth
        for instrument, side, size in ((ETH_PERP, sides[0], eth), (SOL_PERP, sides[1], sol)):
            order = self.order_factory.market(instrument.id, side, size, time_in_force=TimeInForce.IOC)
            self.submit_order(order)


NODE: list[TradingNode] = []


def main(result: Path, count: int, pause_s: float) -> None:
    Quotes.count, Quotes.pause_s = count, pause_s
    sandbox = SandboxExecutionClientConfig(
        venue="NADO",
        starting_balances=["1000000 USDT"],
        base_currency="USDT",
        oms_type="NETTING",
        account_type="MARGIN",
    )
    node = TradingNode(
        config=TradingNodeConfig(
            trader_id=TraderId("BENCH-001"),
            logging=LoggingConfig(log_level="ERROR"),
            data_clients={"NADO": LiveDataClientConfig()},
            exec_clients={"NADO": sandbox},
            exec_engine=LiveExecEngineConfig(reconciliation=False),
            timeout_connection=10,
            timeout_disconnection=2,
            timeout_post_stop=1,
        )
    )
    NODE.append(node)
    node.trader.add_strategy(Pair())
    node.add_data_client_factory("NADO", QuotesFactory)
    node.add_exec_client_factory("NADO", SandboxLiveExecClientFactory)
    node.build()
    for each in (ETH_PERP, SOL_PERP):
        node.cache.add_instrument(each)
    try:
        node.run()
    finally:
        node.dispose()
    pairs = list(zip(SUBMITTED[::2], SUBMITTED[1::2], strict=True))
    result.write_text(json.dumps([(second, second - first) for first, second in pairs]))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
