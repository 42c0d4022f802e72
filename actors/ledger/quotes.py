"""Are the prices and fees that were booked what the venue's own account of them says?

A perp's `v_quote` falls by what is bought, rises by what is sold, and every fee is taken from it. So between
two readings that agree on the positions it must have moved by what our fills came to. Funding moves it on the
hour and settled results at any time, so the comparison is rough, is left out where an hour has begun, and
proves nothing by itself: the archive is asked about the orders in between, and its word is final.
"""

from collections.abc import Mapping

import msgspec

from actors.ledger.orders import OurOrder
from actors.ledger.tally import OrderTotals
from messages.execution import AccountSnapshot
from messages.sizing import Leg
from messages.units import ONE, Quote

ROOM_BPS, ROOM = 10, ONE // 10
"""A difference of so much of what was traded, and of so many USD, is nothing: a result that was settled in
between, most of it a fee.
"""
HOUR_MS = 3_600_000


class QuoteCheck(msgspec.Struct):
    """What `v_quote` was at the last reading that agreed, and what was traded since."""

    base: dict[int, int] = msgspec.field(default_factory=dict)
    """By product; what is not in it is not known."""
    base_ms: int = 0
    moved: dict[Leg, int] = msgspec.field(default_factory=dict)
    """By our fills and fees; > 0 for what a sale brought in."""
    traded: dict[Leg, int] = msgspec.field(default_factory=dict)
    orders: dict[str, Leg] = msgspec.field(default_factory=dict)
    """Who traded, by digest."""
    asked: dict[str, None] = msgspec.field(default_factory=dict)
    """Orders that the archive is being asked about for a difference: what their correction is, `base` has
    in it already.
    """

    def note(self, order: OurOrder, before: OrderTotals, after: OrderTotals) -> None:
        """An order's share of the sums has changed."""
        if (before.cash, before.fees) == (after.cash, after.fees) or self.asked.pop(
            order.digest, self
        ) is None:
            return
        leg = order.leg
        self.moved[leg] = self.moved.get(leg, 0) + after.cash - before.cash - (after.fees - before.fees)
        self.traded[leg] = self.traded.get(leg, 0) + abs(after.traded - before.traded)
        self.orders[order.digest] = leg

    def differing(
        self, snapshot: AccountSnapshot, products: Mapping[Leg, int], *, complete: bool
    ) -> dict[str, str]:
        """Take a reading that agrees with what is held. Orders whose numbers it contradicts, by digest, with
        the difference in words.

        `complete`: no order's price is an estimate; until then nothing is compared and the base stays.
        """
        if not complete:
            return {}
        now = {
            each.product_id: int(each.v_quote)
            for each in snapshot.positions
            if each.v_quote or not each.cross
        }
        same_hour = self.base_ms // HOUR_MS == snapshot.at_ms // HOUR_MS
        both = {leg: product for leg, product in products.items() if product in self.base and product in now}
        odd = {
            leg: words
            for leg, product in both.items()
            if same_hour and (words := self._difference(leg, now[product] - self.base[product]))
        }
        found = {digest: odd[leg] for digest, leg in self.orders.items() if leg in odd}
        self.base, self.base_ms = now, int(snapshot.at_ms)
        self.moved, self.traded, self.orders, self.asked = {}, {}, {}, dict.fromkeys(found)
        return found

    def _difference(self, leg: Leg, went: int) -> str:
        traded = self.traded.get(leg, 0)
        booked = self.moved.get(leg, 0)
        if not traded or abs(went - booked) <= traded * ROOM_BPS // 10_000 + ROOM:
            return ""
        return f"v_quote changed by {Quote(went).text()}, its fills and fees say {Quote(booked).text()}"
