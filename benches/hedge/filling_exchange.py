"""A simulated Nado whose books stand nearly still, and at which somebody sells into the ETH order of ours
that rests: a twelfth of it every PERIOD_MS, through its price. Run as a process.

    python benches/hedge/filling_exchange.py TAP PERIOD_MS

Prints and serves as `benches/tick/gated_exchange.py` does. At its end what has passed through its sockets is
in the file TAP.
"""

import marshal
import sys
from collections.abc import Iterator
from pathlib import Path

from benches.tick import tap

if __name__ == "__main__":
    tap.install(Path(sys.argv[1]))

import trio  # not before the tap is installed

from benches.tick.gated_exchange import NS_PER_MS, eth, funded, serve_until_closed, sol
from messages.units import Base, Price
from venue.simulated.engine.book import Resting
from venue.simulated.markets.move import NADO_STEPS, BookChange
from venue.simulated.venue import SimulatedVenue
from venue.throwaway import THROWAWAY_SENDER

PIECES = 12
BOOKS_MS = 480
RESTED_MS = 50
"""An order that came later is not sold into: it is to rest, and its run to have nothing else to do."""


class StillMarket:
    """Both books a tick wide and 20 levels deep; a few amounts change every now and then, and no price."""

    def moves(self) -> Iterator[BookChange]:
        """ETH at the beginning of each period of 480 ms, SOL after a fifth of it."""
        period_ns, number = BOOKS_MS * NS_PER_MS, 0
        while True:
            yield eth(number * period_ns, number, wide=False)
            yield sol(number * period_ns + (period_ns // 5 if number else 0), number)
            number += 1


class Seller:
    """Whoever sells."""

    def __init__(self, venue: SimulatedVenue, period_ms: int) -> None:
        self._venue, self._period_ms = venue, period_ms
        self._eth = venue.product_id("ETH-PERP")

    def _resting(self) -> dict[str, Resting]:
        found = self._venue.exchange.open_orders(THROWAWAY_SENDER, self._eth)
        return {each.digest: each for each in found if each.is_bid}

    async def run(self) -> None:
        """For ever, at half of each period, when no book moves."""
        began_s, number = trio.current_time(), 0
        while True:
            number += 1
            at_s = began_s + (number + 0.5) * self._period_ms / 1000
            await trio.sleep_until(at_s - RESTED_MS / 1000)
            rested = self._resting().keys()
            await trio.sleep_until(at_s)
            for digest, order in self._resting().items():
                if digest in rested:
                    self._sell(order)

    def _sell(self, order: Resting) -> None:
        """One piece; all that is left where less than two are."""
        step = NADO_STEPS.eth_step
        piece = abs(order.order.amount) // PIECES // step * step
        amount = order.remaining if order.remaining < 2 * piece else piece
        through = Price(order.order.price - NADO_STEPS.eth_tick)
        self._venue.exchange.market_trade(
            self._eth, through, Base(amount), self._venue.now_ns(), is_taker_buyer=False
        )
        self._venue.publish()


def main(path: Path, period_ms: int) -> None:
    venue = funded(StillMarket())
    serve_until_closed(venue, Seller(venue, period_ms).run)
    path.write_bytes(marshal.dumps(tap.CALLS))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
