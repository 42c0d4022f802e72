"""Legs without a connection: nothing is sealed that they would have to decline, and an uneven pair does not
wait for one for long.

A hedged pair that cannot leave stays hedged, and is tried again for as long as the run lasts. Unhedged
exposure is different: after `UNEVEN_S` the run halts (LEG_UNREACHABLE), and ESCAPE closes what it can on
connections of its own.
"""

from actors.tree import World
from messages.lifecycle import Held
from messages.sizing import LEGS, Leg

UNEVEN_S = 10.0
"""How long something that is no balanced pair is held while a leg has no connection."""
STEADY_S = 1.0
"""How long connections must have held to count as back: one that is accepted and dropped again and again
is none.
"""


class LegConnections:
    """What the supervisor knows of them. Asks the venue's client, never the wire."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._since_s: float | None = None
        """Trio's time since when a leg has been without one while the pair is uneven."""
        self._steady_since_s: float | None = None

    def missing(self) -> tuple[Leg, ...]:
        """The legs that could not send an order now."""
        gone = self._world.venue.unconnected()
        return tuple(leg for leg in LEGS if f"{leg}_leg" in gone)

    def overdue(self, held: Held | None, now_s: float) -> str:
        """Why an uneven pair may not be waited for any longer; "" while it may. Asked in every turn of the
        supervisor's loop.
        """
        if held is None or held.phase in {"flat", "open"}:
            self._since_s = self._steady_since_s = None
            return ""
        gone = self.missing()
        # beside an order that rests, what it has traded may wait for its hedge no longer than anything else
        uneven = held.phase == "uneven" or (held.phase == "working" and held.legging.naked > 0)
        if gone:
            self._steady_since_s = None
            self._since_s = now_s if self._since_s is None and uneven else self._since_s
        elif self._steady_since_s is None:
            self._steady_since_s = now_s
        if self._steady_since_s is not None and now_s - self._steady_since_s >= STEADY_S:
            self._since_s = None
        if self._since_s is None or not gone or not uneven or now_s - self._since_s < UNEVEN_S:
            return ""
        names = " and ".join(f"{leg}_leg" for leg in gone)
        position = f"ETH {held.eth.amount.text()} and SOL {held.sol.amount.text()}"
        return (
            f"{names} without a connection for {UNEVEN_S:g} s while {position} are held, which is not a"
            " hedged pair"
        )
