"""Makes the incidents of a faults file happen: begins each at its moment and ends it after its time."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import msgspec
import trio

from messages.units import Ms, Price
from venue.simulated import incidents as of
from venue.simulated.liquidation import liquidate_unhealthy, take_over_all
from venue.simulated.treasury import pay_funding, settle_results

if TYPE_CHECKING:
    from venue.simulated.venue import SimulatedVenue

BPS = 10_000


class Stage:
    """What is wrong with the venue at the moment. Whoever answers asks here first."""

    def __init__(self) -> None:
        self.status = "active"
        self.gates: list[str] = []
        self.frozen: list[int] = []
        self.crossed: list[int] = []
        """Products whose next batch is to be crossed."""
        self.skew_ms = Ms(0)
        self.oracle_bps: dict[int, int] = {}
        self.shift_bps: dict[int, int] = {}
        self.down = 0
        """How many incidents keep the host down."""
        self.changed = trio.Event()
        """Set, and replaced, whenever `down` changes."""
        self._staged: tuple[of.Incident, ...] = ()
        self._restart = trio.Event()

    def obey(self, staged: tuple[of.Incident, ...]) -> None:
        """Stage other incidents, counting from now. Those that last end at once."""
        self._staged = staged
        self._restart.set()

    async def run(self, venue: "SimulatedVenue") -> None:
        """Let everything happen that is staged, for ever."""
        while True:
            self._restart = trio.Event()
            async with trio.open_nursery() as nursery:
                for incident in self._staged:
                    nursery.start_soon(self._play, incident, venue)
                await self._restart.wait()
                nursery.cancel_scope.cancel()

    async def _play(self, incident: of.Incident, venue: "SimulatedVenue") -> None:
        await trio.sleep(incident.at_ms / 1000)
        end = self._begin(incident, venue)
        if isinstance(incident, of.Lasting):
            try:
                await trio.sleep(incident.for_ms / 1000)
            finally:
                end()
                venue.publish()

    def _begin(self, incident: of.Incident, venue: "SimulatedVenue") -> Callable[[], None]:
        """Begin; what ends it."""
        match incident:
            case of.Status():
                self.status = incident.status
                end = self._active
            case of.Gate():
                self.gates.append(incident.answer)
                end = _remover(self.gates, incident.answer)
            case of.Freeze():
                product_id = venue.product_id(incident.product)
                self.frozen.append(product_id)
                end = _remover(self.frozen, product_id)
            case of.Down():
                self._go_down(1)
                venue.door.cut_all()
                end = self._come_back
            case of.Clock():
                end = self._skew(incident.skew_ms)
            case _:
                end = self._begin_in_engine(incident, venue)
        venue.publish()
        return end

    def _active(self) -> None:
        self.status = "active"

    def _go_down(self, by: int) -> None:
        self.down += by
        self.changed.set()
        self.changed = trio.Event()

    def _come_back(self) -> None:
        self._go_down(-1)

    def _skew(self, skew_ms: int) -> Callable[[], None]:
        self.skew_ms = Ms(self.skew_ms + skew_ms)

        def end() -> None:
            self.skew_ms = Ms(self.skew_ms - skew_ms)

        return end

    def _begin_in_engine(self, incident: of.Incident, venue: "SimulatedVenue") -> Callable[[], None]:
        exchange, now = venue.exchange, venue.now_ns()
        match incident:
            case of.Oracle():
                return self._jump(venue, venue.product_id(incident.product), incident.by_bps)
            case of.Shift():
                return self._shift(venue, venue.product_id(incident.product), incident.by_bps)
            case of.Trading():
                return _trading(venue, incident)
            case of.Crossed():
                self.crossed.append(venue.product_id(incident.product))
            case of.Liquidate():
                only = venue.product_id(incident.product) if incident.product else None
                take_over_all(exchange, incident.subaccount.lower(), now, only)
            case of.Settle():
                settle_results(exchange, now)
            case of.Funding():
                venue.crier.tell_funding_rates()
                pay_funding(exchange, now)
        return _nothing

    def _jump(self, venue: "SimulatedVenue", product_id: int, by_bps: int) -> Callable[[], None]:
        honest = venue.exchange.markets[product_id].oracle

        def set_to(price: int) -> None:
            venue.exchange.set_oracle(product_id, Price(price), venue.now_ns())
            liquidate_unhealthy(venue.exchange, venue.now_ns())

        def end() -> None:
            moved = venue.exchange.markets[product_id].oracle
            del self.oracle_bps[product_id]
            set_to(moved * BPS // (BPS + by_bps) if moved != bent(honest, by_bps) else honest)

        self.oracle_bps[product_id] = by_bps
        set_to(bent(honest, by_bps))
        return end

    def _shift(self, venue: "SimulatedVenue", product_id: int, by_bps: int) -> Callable[[], None]:
        def move(by: int) -> None:
            self.shift_bps[product_id] = self.shift_bps.get(product_id, 0) + by
            venue.move_again(product_id)

        move(by_bps)
        return partial(move, -by_bps)


def bent(price: int, by_bps: int) -> int:
    """A price moved by basis points."""
    return price * (BPS + by_bps) // BPS


def _trading(venue: "SimulatedVenue", incident: of.Trading) -> Callable[[], None]:
    market = venue.exchange.markets[venue.product_id(incident.product)]
    before = market.product
    market.product = msgspec.structs.replace(before, status=incident.status)

    def end() -> None:
        market.product = before

    return end


def _remover(staged: list[str] | list[int], one: str | int) -> Callable[[], None]:
    def remove() -> None:
        staged.remove(one)  # type: ignore[arg-type]

    return remove


def _nothing() -> None:
    """What happens once has no end."""
