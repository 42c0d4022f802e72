"""Keeps the exit orders of an open pair signed and on disk (`venue/stored_escape.py`), beside the
supervisor's loop and apart from every actor.

Renewed when what is held or the venue's rules change and every `RENEW_S`; emptied when nothing is held, and
by the supervisor before it seals what closes the pair. While a plan is in flight nobody knows what will be
held, so nothing is signed then. Before an order that rests is sent, its cancellation is signed, with closes
for the most that it can come to: that generation is kept until the order has an ending, which comes sooner
than a generation becomes old. Where something is closed meanwhile, only the cancellation is kept: it names
one order, and can meet no later pair.
"""

from collections.abc import Callable

import msgspec
import trio

from actors.tree import Channels, World
from messages.execution import Doubt
from messages.lifecycle import Held, HeldLeg
from messages.sizing import LEGS, Place, SizingPlan
from messages.units import Price
from runtime.observe import Notes
from venue.protocol import VenueRules
from venue.stored_escape import RENEW_S, EscapeFile, StoredEscape, signed_escape

TICK_S = 1.0
"""The least time between two looks when nothing changes."""


class PresignedExit:
    """One run's exit orders on disk: signs, replaces and drops them."""

    def __init__(self, world: World, channels: Channels) -> None:
        self._world = world
        self._channels = channels
        self._file = EscapeFile(world.state.beside(".escape"), durable=world.sync == "full")
        self._generation = 0
        self._due_s = 0.0
        """When the generation on disk is to be renewed."""
        self._kept: tuple[int, int] | None = None
        """What the generation on disk closes; None when the file is empty, or not known to be."""
        self._version = 0
        """Of the venue's rules that it was signed by."""

    async def keep(self) -> None:
        """Keep them as what is held and the rules say, until cancelled."""
        seen = 0
        while True:
            with trio.move_on_at(max(self._due_s, trio.current_time() + TICK_S)):
                await self._channels.held.newer_than(seen)
            seen = self._channels.held.version
            if self._channels.held.value is not None:
                self._look(self._channels.held.value)

    def drop(self) -> None:
        """Keep no closes, before orders are sealed that close the pair: nothing, or what cancels the orders
        that still rest.
        """
        self._kept = None
        held = self._channels.held.value
        still = {order.doubt.order_digest for order in held.working} if held is not None else set()
        last = self._file.read() if still else None
        if last is not None and (left := last.cancels_of(still)).cancels:
            return self._attempt(lambda: self._file.replace(left))
        return self._attempt(self._file.clear)

    def before_quote(self, plan: SizingPlan, place: Place) -> None:
        """Before the order of `plan` that rests is sent: keep what would cancel it, and close the most that
        it can come to. Nothing for any other plan.
        """
        held, terms = self._channels.held.value, plan.quote
        if terms is None or held is None:
            return
        order = plan.leg(terms.leg)
        doubt = Doubt(
            terms.leg,
            plan.epoch,
            plan.seq,
            place.eth_order if terms.leg == "eth" else place.sol_order,
            order.product_id,
            order.amount,
            order.limit,
            plan.recv_time_ms,
            held.leg(terms.leg).amount,
            rests_until_ms=plan.last_trade_ms,
        )
        most = {leg: max(held.leg(leg).amount, terms.whole(leg), key=abs) for leg in LEGS}
        reached = msgspec.structs.replace(held, eth=HeldLeg(most["eth"]), sol=HeldLeg(most["sol"]))
        resting = (*(working.doubt for working in held.working), doubt)
        self._generation += 1
        self._kept = None  # as soon as nothing rests it is replaced, or dropped
        self._attempt(lambda: self._file.replace(self._with_cancels(self._signed(reached), resting)))

    def _with_cancels(self, stored: StoredEscape, resting: tuple[Doubt, ...]) -> StoredEscape:
        sign, until_ms = self._world.venue.sign_cancel, stored.plan.recv_time_ms
        cancels = tuple(sign(doubt.product_id, doubt.order_digest, until_ms) for doubt in resting)
        return msgspec.structs.replace(stored, resting=resting, cancels=cancels)

    def _look(self, held: Held) -> None:
        now = (int(held.eth.amount), int(held.sol.amount))
        version = self._channels.rules.value.version if self._channels.rules.value else 0
        fresh = (
            now == self._kept
            and version == self._version
            and (not any(now) or trio.current_time() < self._due_s)
        )
        if held.phase == "in_flight" or held.working or fresh:
            return
        if any(now):
            # nothing is in flight: at worst a plan that is being voted on is declined
            self._attempt(lambda: self._world.venue.order_builder.use(self._rules))
            self._generation += 1
            self._due_s = trio.current_time() + RENEW_S
            self._attempt(lambda: self._file.replace(self._signed(held)))
        elif self._kept != now:
            self.drop()
        self._kept, self._version = now, version

    def _signed(self, held: Held) -> StoredEscape:
        """Raises `ValueError` where no order can be made of it: no price, nothing on the venue's step."""
        world, rules = self._world, self._rules
        eth, sol = self._prices(rules)
        if eth is None or sol is None:
            raise ValueError("there is neither a book nor an oracle price")
        return signed_escape(
            held,
            (eth, sol),
            rules,
            world.venue.order_builder,
            world.settings,
            world.clock.now_ms(),
            self._generation,
        )

    @property
    def _rules(self) -> VenueRules:
        return self._channels.rules.value or self._world.rules

    def _prices(self, rules: VenueRules) -> tuple[Price | None, Price | None]:
        quote = self._channels.quotes.value
        return (quote.eth.mid, quote.sol.mid) if quote else (rules.eth.oracle, rules.sol.oracle)

    def _attempt(self, write: Callable[[], None]) -> None:
        try:
            write()
        except (OSError, ValueError) as error:
            text = (
                f"the presigned exit orders could not be stored ({error}): without the key no other process"
                " could close this pair"
            )
            Notes(self._world.observe, self._world.clock, "presigned exit")("warning", text)
