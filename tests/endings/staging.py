"""Brings a machine to the plan under test and makes there happen what the cell says, to the millisecond."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import trio

from messages.sizing import Leg, Place, Sealed, SizingPlan
from tests.endings.cells import QUOTE, Cell
from tests.endings.outcomes import OUTCOMES, StruckOrder, together
from tests.machine.bench import Bench
from venue.nado.socket import Socket
from venue.simulated.faults.incidents import TradeThrough
from venue.simulated.faults.order_faults import Faults, Pieces, Refuse

PRODUCTS: dict[Leg, str] = {"eth": "ETH-PERP", "sol": "SOL-PERP"}
UNEVEN = {"long-eth": ((280, 23), (163, 53)), "long-sol": ((280, 32), (145, 53))}
"""Lots of ETH and SOL that an entry of 1,000 USD leaves when the cheapest repair is to be one of two orders:
trim one leg, complete the other. Of each direction one pair in which ETH leads and one in which SOL does.
"""


def prepared(cell: Cell, direction: str) -> Faults:
    """What the venue does wrong before, so that a plan of the cell's phase comes about with an order on
    either leg.
    """
    if cell.phase == "repair":
        lots = zip(PRODUCTS.values(), UNEVEN[direction][cell.seed // 2 % 2], strict=True)
        return Faults(
            split=tuple(
                Pieces(nth=1, product=product, lots=(some,), only=True, breaks_fok=True)
                for product, some in lots
            )
        )
    if cell.phase == "flatten":
        return Faults(
            refuse=tuple(
                Refuse(nth=2, product=product, increasing=False, code=2056) for product in PRODUCTS.values()
            )
        )
    return Faults()


TRADED = tuple(
    TradeThrough(at_ms=at_ms, product=PRODUCTS["eth"], percent=percent)
    for at_ms, percent in ((200, 40), (500, 100))
)
"""What other traders do with a quote, after its Place: its hedges come in two pieces, or in one."""


class Accident:
    """Waits for the plan under test; when both legs are told to place it, the cell's outcomes happen."""

    def __init__(self, cell: Cell, ready: Bench, nursery: trio.Nursery, beside: Faults = Faults()) -> None:  # noqa: B008 - frozen
        """`beside`: what goes wrong with the venue at the same time."""
        self.plan: SizingPlan | None = None
        """The plan it happened to."""
        self._cell = cell
        self._ready = ready
        self._nursery = nursery
        self._beside = beside
        self._sealed: SizingPlan | None = None
        self._wires: dict[str, Any] = {}
        self._order_wire: Callable[[str], Any] = ready.world.venue.order_wire
        ready.world.venue.order_wire = self._watched_wire  # type: ignore[method-assign]
        ready.watchers.append(self._hear)

    @asynccontextmanager
    async def _watched_wire(self, name: str) -> AsyncIterator[Any]:
        async with self._order_wire(name) as wire:
            self._wires[name] = wire
            yield wire

    def _hear(self, said: msgspec.Struct) -> None:
        if isinstance(said, Sealed):
            self._sealed = said.plan
        elif (
            isinstance(said, Place)
            and self.plan is None
            and self._sealed is not None
            and self._sealed.purpose == self._cell.phase
        ):
            self.plan = self._sealed
            self._happen(self.plan)

    def _happen(self, plan: SizingPlan) -> None:
        legs: dict[Leg, str] = {"eth": self._cell.eth, "sol": self._cell.sol}
        staged = self._beside
        if self._cell.phase == QUOTE:
            staged = together(staged, Faults(incident=TRADED))
        for leg, name in legs.items():
            staged = together(staged, OUTCOMES[name].stage(self._order(plan, leg)))
            self._strike_wire(leg, OUTCOMES[name].wire)
        self._ready.venue.faults = staged
        if self._cell.crash:
            self._nursery.start_soon(
                self._kill,
                OUTCOMES[legs["eth" if self._cell.seed % 2 else "sol"]].strikes_ms + self._later_ms,
            )

    @property
    def _later_ms(self) -> int:
        """An order that rests is struck at any time from its placing until all of it has traded."""
        return self._cell.seed // 16 % TRADED[-1].at_ms if self._cell.phase == QUOTE else 0

    def _order(self, plan: SizingPlan, leg: Leg) -> StruckOrder:
        order, quote = plan.leg(leg), plan.quote
        amount = order.amount if quote is None else quote.whole(leg)
        not_filled = {"fok": 2031, "post_only": 2008}.get(order.kind, 2056)
        step = self._ready.world.rules.product(leg).size_step
        return StruckOrder(PRODUCTS[leg], abs(amount) // step, not_filled)

    def _strike_wire(self, leg: Leg, how: str) -> None:
        socket: Socket | None = self._wires[f"{leg}_leg"]._socket
        if how and socket is not None:
            if how == "dead":
                socket.abandon("staged: lost before the first byte")
            else:
                socket._stream._stream = BreakingStream(socket._stream._stream)

    async def _kill(self, after_ms: int) -> None:
        await trio.sleep(after_ms / 1000)
        self._ready.machine.tree.targets[self._cell.victim].crash()


class BreakingStream(trio.abc.Stream):
    """A stream that breaks in the middle of the next bytes sent."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Half of them leave."""
        await self._stream.send_all(data[: len(data) // 2])
        await self._stream.aclose()
        raise trio.BrokenResourceError("staged: the connection broke")

    async def wait_send_all_might_not_block(self) -> None:
        """As the stream's."""
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """As the stream's."""
        return await self._stream.receive_some(max_bytes)

    async def aclose(self) -> None:
        """As the stream's."""
        await self._stream.aclose()
