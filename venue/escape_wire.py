"""ESCAPE's connections for orders, one per leg, each kept up by a task of its own.

`Venue.order_wire` reconnects by itself when a connection is lost. What fails in another way ends it, and
everything inside it: so here each leg's wire lives in a task apart, which makes a new one, while the other
leg's order goes on.
"""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

import trio

from messages.sizing import Leg
from runtime.outlive import outlive, outlive_call
from venue.protocol import OrderWire, Reply, SignedOrder, Venue

AGAIN_S = (0.25, 2.0)
"""First and longest pause before a wire that ended is made again."""


class KeptWire:
    """One leg's wire, and its successors. Like an `OrderWire`, but `place` survives whatever the wire
    does.
    """

    def __init__(self, venue: Venue, name: str, note: Callable[[str], None]) -> None:
        self._venue, self._name, self._note = venue, name, note
        self._wire: OrderWire | None = None
        self.life = trio.CancelScope(shield=True)
        """Of its task. Apart from the caller's: an order under way when ESCAPE is cancelled still hears
        its answer.
        """

    @property
    def connected(self) -> bool:
        """Is there a wire, and does it say that an order can be sent now?"""
        wire = self._wire
        return bool(wire is not None and outlive_call(lambda: wire.connected))

    async def place(self, order: SignedOrder) -> Reply:
        """Send one order; `unknown` after any failure, because bytes may have left. Raises nothing but a
        cancellation.
        """
        wire, why = self._wire, [f"{self._name} failed"]
        if wire is None:
            return Reply("not_sent", None, f"{self._name} is not connected")
        reply = await outlive(lambda: wire.place(order), why.append)
        return reply or Reply("unknown", None, why[-1])

    async def keep(self) -> None:
        """Have a wire, made again after every failure, until `life` is cancelled."""
        pause_s = AGAIN_S[0]
        with self.life:
            while True:
                began_s = trio.current_time()
                await outlive(self._one, lambda why: self._note(f"{self._name}: {why}"))
                pause_s = (
                    AGAIN_S[0] if trio.current_time() - began_s > AGAIN_S[1] else min(2 * pause_s, AGAIN_S[1])
                )
                await trio.sleep(pause_s)

    async def _one(self) -> None:
        async with self._venue.order_wire(self._name) as wire:
            self._wire = wire
            try:
                await trio.sleep_forever()
            finally:
                self._wire = None


@asynccontextmanager
async def kept_wires(
    venue: Venue, legs: Iterable[Leg], note: Callable[[str], None]
) -> AsyncIterator[dict[Leg, KeptWire]]:
    """A wire for each leg, for as long as the context is open."""
    wires = {leg: KeptWire(venue, f"escape_{leg}", note) for leg in legs}
    async with trio.open_nursery() as nursery:
        for wire in wires.values():
            nursery.start_soon(wire.keep)
        try:
            yield wires
        finally:
            for wire in wires.values():
                wire.life.cancel()
