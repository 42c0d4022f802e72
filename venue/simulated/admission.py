"""Who may come in and ask: rate limits, connections, and how many of them one wallet may authenticate."""

from collections.abc import Iterator
from contextlib import contextmanager

import trio

from venue.simulated.engine.rules import AUTHENTICATED_MAX, VenueOptions
from venue.simulated.faults.active_incidents import ActiveIncidents
from venue.simulated.faults.order_faults import ConnectionCut
from venue.simulated.payloads.rate_limits import Budget, Limiter
from venue.simulated.streams.subscribers import Listener


class Admission:
    """Stands before the engine: rate limits and connections of every client of the venue."""

    def __init__(self, options: VenueOptions, incidents: ActiveIncidents) -> None:
        self._options = options
        self._incidents = incidents
        self.limiter = Limiter()
        self._connections: dict[trio.CancelScope, str] = {}
        self._authenticated: dict[str, list[Listener]] = {}

    def may_ask(self, budget: Budget, key: str, weight: int) -> bool:
        """Use `weight` of what `key` (an address or a wallet) may ask."""
        if "rate_limited" in self._incidents.gates:
            return False
        return not self._options.rate_limits or self.limiter.take(budget, key, weight, trio.current_time())

    @contextmanager
    def connected(self, connection: trio.CancelScope, address: str) -> Iterator[None]:
        """A connection from `address`, for as long as it is open; one too many is cut at once."""
        if list(self._connections.values()).count(address) >= self._options.sockets_per_address:
            connection.cancel()
        self._connections[connection] = address
        try:
            yield
        finally:
            del self._connections[connection]

    def cut_all(self) -> None:
        """Close every open connection at once, without a closing handshake."""
        for connection in tuple(self._connections):
            connection.cancel()

    def admit(self, wallet: str, listener: Listener) -> None:
        """One more authenticated connection of a wallet; the excess one goes. Raises `ConnectionCut` when
        that is this one.
        """
        present = self._authenticated.setdefault(wallet, [])
        if len(present) >= AUTHENTICATED_MAX:
            if self._options.excess_socket == "newest":
                raise ConnectionCut
            present.pop(0).scope.cancel()
        present.append(listener)

    def leave(self, wallet: str, listener: Listener) -> None:
        """An authenticated connection is over; what was never admitted is fine."""
        present = self._authenticated.get(wallet, [])
        if listener in present:
            present.remove(listener)
