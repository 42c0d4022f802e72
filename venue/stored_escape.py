"""The exit orders of an open pair, signed in advance: reduce-only IOCs for both legs, so that closing needs
no signature, no key and no passphrase.

Nado refuses a receive time more than 100 s ahead, so a generation lives for `WINDOW_MS` and is renewed every
`RENEW_S`. There is only ever the newest one: the file is replaced whole, and emptied before the orders that
close the pair are sealed, so that no old generation can meet a later pair. Both orders only close (the venue
clamps reduce-only), so a generation used twice, or beside an exit under way, cannot open anything.

While an order rests, the generation that was signed before it left also holds its cancellation, and its
closes are for the most that it can come to: the venue clamps them to what stands, so they are used where
nothing that stands is a third party's.

The file is as good as permission to close this subaccount's pair: mode 0600, and nothing in it that could do
more.
"""

from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

import msgspec

from messages.execution import Doubt
from messages.lifecycle import Held
from messages.settings import Settings
from messages.sizing import LEGS, Leg, LegOrder, SizingPlan
from messages.units import Base, Bps, Ms, Price, worse
from messages.wire import decode, digest, encode
from runtime.files import replace_file
from venue.closing import Closing, on_the_steps
from venue.protocol import OrderBuilder, ProductRules, SignedCancel, SignedOrder, VenueRules

WINDOW_MS = 90_000
"""From signing to the end of the receive window. Nado's limit is 100 s (error 2012)."""
RENEW_S = 30.0
"""A generation is replaced when it is this old, so that one always has a minute left."""
LEFT_MS = 500
"""Of its window this much must be left for a generation to be used."""


class StoredEscape(msgspec.Struct, frozen=True):
    """One generation. `plan` is what its orders were built from (purpose `flatten`, of `epoch`)."""

    generation: int
    plan: SizingPlan
    orders: tuple[SignedOrder, ...]
    resting: tuple[Doubt, ...] = ()
    """Orders that may rest: what is closed is then the most that they, and all that is held, can come to."""
    cancels: tuple[SignedCancel, ...] = ()

    def cancel(self, order_digest: str, now_ms: int) -> SignedCancel | None:
        """The cancellation of this order, where there is one that can still arrive at venue time `now_ms`."""
        known = (each for each in self.cancels if each.digest == order_digest)
        return next((each for each in known if now_ms + LEFT_MS < each.recv_time_ms), None)

    def cancels_of(self, digests: Collection[str]) -> "StoredEscape":
        """Of this generation only what cancels these orders, and nothing that closes."""
        none = {leg: msgspec.structs.replace(self.plan.leg(leg), amount=Base(0)) for leg in LEGS}
        return msgspec.structs.replace(
            self,
            plan=msgspec.structs.replace(self.plan, **none),
            orders=(),
            resting=tuple(doubt for doubt in self.resting if doubt.order_digest in digests),
            cancels=tuple(cancel for cancel in self.cancels if cancel.digest in digests),
        )

    def order(self, leg: Leg) -> SignedOrder | None:
        """The order that closes `leg`; None where nothing was held."""
        product_id = self.plan.leg(leg).product_id
        return next((signed for signed in self.orders if signed.order.product_id == product_id), None)

    def asked_until(self, by_ms: int) -> dict[Leg, SignedOrder]:
        """Its orders, whose answers are waited for until `by_ms` at most and not until their windows end, a
        minute later.

        What is not answered by then may still arrive; it can only close, and it is only used where all there
        is to close is ours.
        """
        known = {leg: order for leg in LEGS if (order := self.order(leg))}
        return {
            leg: msgspec.structs.replace(order, recv_time_ms=Ms(min(order.recv_time_ms, by_ms)))
            for leg, order in known.items()
        }

    def closes(self, part: Closing, rules: VenueRules, now_ms: int) -> bool:
        """Does it close exactly `part` (0 = that leg's order is not wanted), on ticks and steps of now,
        and can it still arrive at `now_ms`? Where an order may rest: at least that.
        """
        wanted = [leg for leg in LEGS if part.part(leg)]
        if not wanted or now_ms + LEFT_MS >= self.plan.recv_time_ms:
            return False
        signed = [(self.plan.leg(leg), rules.product(leg), part.part(leg)) for leg in wanted]
        return not any(
            not self._closes(order.amount, -amount)
            or order.amount % product.size_step
            or order.limit % product.price_tick
            for order, product, amount in signed
        )

    def _closes(self, signed: int, wanted: int) -> bool:
        """Is an order of the amount `signed` one for `wanted`?"""
        more = bool(self.resting) and (signed > 0) == (wanted > 0) and abs(signed) > abs(wanted)
        return signed == wanted or more


def signed_escape(
    held: Held,
    prices: tuple[Price, Price],
    rules: VenueRules,
    order_builder: OrderBuilder,
    settings: Settings,
    now_ms: int,
    generation: int,
) -> StoredEscape:
    """The exit orders for what the size steps let close of what is held at venue time `now_ms`, at the worst
    of `flatten_steps` from `prices` (mids).

    Whether both legs can be traded is asked by whoever uses it.
    """
    slippage, part = settings.flatten_steps[-1], on_the_steps(held.eth.amount, held.sol.amount, rules)
    eth = closing_order(rules.eth, part.eth, prices[0], slippage)
    sol = closing_order(rules.sol, part.sol, prices[1], slippage)
    recv_ms = Ms(now_ms + WINDOW_MS)
    plan = SizingPlan(
        held.epoch,
        generation,
        held.cycle,
        generation,
        "flatten",
        Ms(now_ms),
        recv_ms,
        Ms(0),
        Ms(0),
        Ms(0),
        Bps(0),
        eth,
        sol,
    )
    asked = (leg for leg in LEGS if plan.leg(leg).amount)
    return StoredEscape(
        generation,
        plan,
        tuple(order_builder.sign(order_builder.order_of(plan, digest(plan), leg)) for leg in asked),
    )


def closing_order(product: ProductRules, position: Base, price: Price, slippage: Bps) -> LegOrder:
    """The reduce-only IOC that closes `position` (signed), at worst `slippage` from `price`, rounded
    outward to the tick; of nothing for nothing.
    """
    if position == 0:
        return LegOrder(product.product_id, Base(0), Price(0), "ioc", True, Price(0), Price(0))
    raw = worse(price, -position, slippage)
    limit = Price(raw - raw % product.price_tick + (product.price_tick if position < 0 else 0))
    return LegOrder(product.product_id, Base(-position), limit, "ioc", True, price, price)


class EscapeFile:
    """Where the newest generation is kept. `durable`: survive a power cut (fsync), and not only a `kill
    -9`.
    """

    def __init__(self, path: Path, *, durable: bool) -> None:
        self._path = path
        self._durable = durable

    def replace(self, stored: StoredEscape) -> None:
        """Keep this generation instead of the one before. Raises `OSError`."""
        self._write(encode(stored))

    def clear(self) -> None:
        """Keep none: before orders that close the pair are sealed. Raises `OSError`."""
        if self._path.exists():
            self._write(b"")

    def read(self) -> StoredEscape | None:
        """The newest generation; None when there is none, or none that can be read."""
        with suppress(OSError, msgspec.DecodeError, ValueError):
            return decode(self._path.read_bytes(), StoredEscape)
        return None

    def _write(self, content: bytes) -> None:
        replace_file(self._path, content, sync="file" if self._durable else "none")
