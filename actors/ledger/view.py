"""What the venue says about the account, beside what our fills say. It compares; nothing in here sets a
position (lesson R3).
"""

from collections.abc import Container

import msgspec

from messages.execution import AccountSnapshot, Position
from messages.units import Base

Ours = dict[int, tuple[str, int]]
"""Product id to its name and what our fills say is held; both products, as soon as they are known."""


class AccountView(msgspec.Struct):
    """The account, as seen; `foreign` is what keeps us from entering."""

    live: bool = False
    agreed: bool = False
    """A snapshot taken since the last doubt says what our fills say."""
    snapshot: AccountSnapshot | None = None
    agreed_ms: int = 0
    """Venue time of the last snapshot that said what our fills say; 0 = none ever did."""
    proves_after_ms: int = 0
    """Only a snapshot later than this says something about now."""
    disagreement: str = ""
    foreign_fill: str = ""
    enter_after_ms: int = 0
    """Only a snapshot at or after this venue time lets anything be entered: an absence that positions
    alone have proven needs time to be refuted.
    """
    others: str = ""
    """Positions in products that we do not trade, and resting orders (ours never rest): worth a warning,
    they share the margin.
    """

    @property
    def ok(self) -> bool:
        """May an entry rely on it: stream alive, reading agreed, no absence too young?"""
        return self.live and self.agreed and not self.quiet

    @property
    def quiet(self) -> bool:
        """Is an absence still too young to enter upon?"""
        return self.snapshot is None or self.snapshot.at_ms < self.enter_after_ms

    @property
    def foreign(self) -> str:
        """What at the venue our intents do not explain, in words."""
        return "; ".join(text for text in (self.foreign_fill, self.disagreement) if text)

    @property
    def current(self) -> bool:
        """Was the last snapshot taken after the last thing we did?"""
        return self.snapshot is not None and self.snapshot.at_ms > self.proves_after_ms

    def began(self) -> None:
        """A new process: its stream is not up yet, and what an earlier one saw of third parties must come
        from a new reading.
        """
        self.live = self.agreed = False
        self.foreign_fill = self.disagreement = ""

    def stream(self, live: bool, now_ms: int) -> None:
        """The account stream came or went. What happened while it was away is unknown until a snapshot."""
        self.live = live
        self.doubt(now_ms)

    def doubt(self, now_ms: int) -> None:
        """The venue said something that our fills do not: nothing is agreed until a later snapshot."""
        self.agreed = False
        self.moved(now_ms)

    def moved(self, now_ms: int) -> None:
        """We did something at `now_ms`: an earlier snapshot does not know of it."""
        self.proves_after_ms = max(self.proves_after_ms, now_ms)

    def compare(self, snapshot: AccountSnapshot, ours: Ours, asked: Container[int] = ()) -> bool:
        """Take a snapshot and compare it, cross and isolated apart (lesson R1: ours are all cross); False
        when it is too old to say anything.

        `asked`: products of which a difference is not named yet, because the archive is being asked about our
        own orders that could explain it.
        """
        self.snapshot = snapshot
        if not self.current:
            return False
        products = sorted(ours or {position.product_id for position in snapshot.positions})
        texts = {
            product: _difference(*ours.get(product, (f"product {product}", 0)), snapshot.position(product))
            for product in products
        }
        rest = [
            position
            for position in snapshot.positions
            if position.product_id not in products and (position.cross or position.isolated)
        ]
        orders = len(snapshot.open_orders)
        resting = [f"{orders} resting order{'s' if orders > 1 else ''}"] if orders else []
        self.others = "; ".join(
            [*(f"product {each.product_id}: {each.total.text()}" for each in rest), *resting]
        )
        self.disagreement = "; ".join(
            text for product, text in texts.items() if text and product not in asked
        )
        self.agreed = not any(texts.values()) and not snapshot.unread
        self.agreed_ms = int(snapshot.at_ms) if self.agreed else self.agreed_ms
        return True


def _difference(name: str, held: int, venue: Position) -> str:
    texts = (
        [f"{name}: the venue holds {venue.cross.text()}, our fills say {Base(held).text()}"]
        if venue.cross != held
        else []
    )
    texts += (
        [f"{name}: {venue.isolated.text()} stand on isolated margin, where we never trade"]
        if venue.isolated
        else []
    )
    return "; ".join(texts)
