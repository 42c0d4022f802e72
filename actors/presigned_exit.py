"""Keeps the exit orders of an open pair signed and on disk (`venue/stored_escape.py`), beside the
supervisor's loop and apart from every actor.

Renewed when what is held or the venue's rules change and every `RENEW_S`; emptied when nothing is held, and
by the supervisor before it seals what closes the pair. While a plan is in flight nobody knows what will be
held, so nothing is signed then.
"""

from collections.abc import Callable

import trio

from actors.tree import Channels, World
from messages.lifecycle import Held
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
        """Empty the file, before orders are sealed that close the pair."""
        self._kept = None
        self._attempt(self._file.clear)

    def _look(self, held: Held) -> None:
        now = (int(held.eth.amount), int(held.sol.amount))
        version = self._channels.rules.value.version if self._channels.rules.value else 0
        fresh = (
            now == self._kept
            and version == self._version
            and (not any(now) or trio.current_time() < self._due_s)
        )
        if held.phase == "in_flight" or fresh:
            return
        if any(now):
            self._generation += 1
            self._due_s = trio.current_time() + RENEW_S
            self._attempt(lambda: self._file.replace(self._signed(held)))
        elif self._kept != now:
            self.drop()
        self._kept, self._version = now, version

    def _signed(self, held: Held) -> StoredEscape:
        """Raises `ValueError` where no order can be made of it: no price, nothing on the venue's step."""
        world, rules = self._world, self._channels.rules.value or self._world.rules
        eth, sol = self._prices(rules)
        # nothing is in flight: at worst a plan that is being voted on is declined
        world.venue.order_builder.use(rules)
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
