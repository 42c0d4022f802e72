"""What has to be asked of the venue, beside the supervisor's loop: RESOLVE for orders in doubt, and
reconciling the account.

Answers go to the ledger.
"""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

import msgspec
import trio

from actors.tree import Channels, World
from messages.execution import AccountSnapshot, Doubt, Resolved
from messages.money import MoneyAsk
from runtime.observe import Notes
from venue.protocol import ASKED_S, UNSAID, Reads, VenueError
from venue.resolve import look_up, resolve

RECONCILE_S = (0.2, 5.0)
"""Pause between two readings of the account: the first while something awaits proof, doubling, and the
longest. A reading weighs 17 of the 400 that the venue allows in 10 s, so a proof that does not come must not
eat what closing needs.
"""
FINAL_S = 10.0
"""How long a run that is over waits for the archive to name the prices and fees of orders whose fills were
never heard of.
"""
AGAIN_S = (1.0, 60.0)
"""Pause before an order whose price is an estimate is asked about once more: the first, doubling, and the
longest.
"""
MONEY_S = (0.25, 5.0, 30.0)
"""Pause between two questions about money: the first while something is not explained, doubling, the
longest, and while nothing is waited for.
"""
Asking = Callable[[Doubt, Reads, Callable[[Resolved], None]], Awaitable[None]]
"""`resolve` or `look_up`."""
LATER_S = 0.005
"""A reading proves something only when the engine names a later millisecond than that of what happened
last.
"""


class _Question(NamedTuple):
    """What is being asked about an order, and what ends the asking."""

    doubt: Doubt
    asking: trio.CancelScope


class Reconciliation:
    """Runs in the supervisor's nursery; never decides anything."""

    def __init__(self, world: World, channels: Channels) -> None:
        self._world = world
        self._note = Notes(world.observe, world.clock, "supervisor")
        self._channels = channels
        self._resolving: dict[str, _Question] = {}
        """By the order's digest."""
        self._asking_since = 0.0
        self._ask_again: dict[str, tuple[float, float]] = {}
        """Order -> when it may be asked about again, and the pause after that."""
        self._wanted = trio.Event()
        self._asking_tradable = False
        self._money_since_s = 0.0
        """Since when the ledger has asked for the archive's records of money; 0 while it does not."""
        self._money_trouble = ""

    def reconcile_soon(self) -> None:
        """Something has changed: read the account now, not at the end of the pause."""
        self._wanted.set()

    def resolve_doubts(self, nursery: trio.Nursery) -> None:
        """Start RESOLVE for every order without an ending that is not being resolved already."""
        held = self._channels.held.value
        for doubt in held.doubts if held else ():
            self._resolve(doubt, "unknown: asking the exchange until it is resolved", nursery)

    def resolve_working(self, nursery: trio.Nursery) -> None:
        """Start RESOLVE for every order that rested, and of which it is not known what ended it: the ledger
        says so, or it cannot trade any more.
        """
        held, now_ms = self._channels.held.value, self._world.clock.now_ms()
        for order in held.working if held else ():
            if order.resolving or now_ms > order.doubt.last_trade_ms:
                self._resolve(order.doubt, "does not rest: asking the exchange what it did", nursery)

    def _resolve(self, doubt: Doubt, why: str, nursery: trio.Nursery) -> None:
        """Once at a time, and anew where its last possible trade turns out to be sooner: a question waits for
        the one that it knows. That trade never becomes later, so this ends.
        """
        known = self._resolving.get(doubt.order_digest)
        if known is None:
            self._asking_since = trio.current_time()
            self._note("warning", f"{doubt.leg.upper()} order {doubt.order_digest[:10]} {why}")
        elif doubt.last_trade_ms < known.doubt.last_trade_ms:
            known.asking.cancel()
        else:
            return
        self._begin(doubt, resolve, nursery)

    def _begin(self, doubt: Doubt, ask: Asking, nursery: trio.Nursery) -> None:
        question = self._resolving[doubt.order_digest] = _Question(doubt, trio.CancelScope())
        nursery.start_soon(self._ask_about, question, ask)

    def price_again(self, nursery: trio.Nursery) -> None:
        """Ask the archive about every order whose price is an estimate, whose numbers did not fit, that may
        have traded more than is booked, or that positions alone say never traded.

        The answer to the first question may have died with the ledger that was to write it down.
        """
        held, now_s = self._channels.held.value, trio.current_time()
        unpriced = (*held.unpriced, *held.absent, *held.unconfirmed) if held else ()
        if any(doubt.order_digest not in self._ask_again for doubt in unpriced):
            self._asking_since = now_s
        self._ask_again = {
            doubt.order_digest: self._ask_again.get(doubt.order_digest, (now_s, AGAIN_S[0]))
            for doubt in unpriced
        }
        for doubt in unpriced:
            due_s, pause_s = self._ask_again[doubt.order_digest]
            if now_s >= due_s and doubt.order_digest not in self._resolving:
                self._ask_again[doubt.order_digest] = (now_s + pause_s, min(2 * pause_s, AGAIN_S[1]))
                self._begin(doubt, look_up, nursery)

    async def _ask_about(self, question: _Question, ask: Asking) -> None:
        def take(answer: Resolved) -> None:
            self._channels.to_ledger.post(answer)
            self._world.observe(answer)

        digest = question.doubt.order_digest
        try:
            with question.asking:
                await ask(question.doubt, self._world.venue.reads, take)
        finally:
            if self._resolving.get(digest) is question:  # another one may have begun meanwhile
                del self._resolving[digest]

    async def follow_money(self) -> None:
        """Ask the archive what moved money without a trade: at once when the ledger says so, and now and
        then.
        """
        pause_s = MONEY_S[0]
        await self._channels.held.newer_than(0)
        while True:
            ask = held.money_ask if (held := self._channels.held.value) is not None else MoneyAsk()
            self._money_since_s = (self._money_since_s or trio.current_time()) if ask.due else 0.0
            asked_ms = self._world.clock.now_ms()
            try:
                answer = await self._world.venue.reads.money_since(ask.events_after, ask.payments_after)
            except VenueError as error:
                trouble = f"the archive did not say what moved money: {error}"
                if trouble != self._money_trouble:  # silence is one event, however often it is asked
                    self._note("warning", trouble)
                self._money_trouble = trouble
            else:
                self._money_trouble = ""
                self._channels.to_ledger.post(msgspec.structs.replace(answer, asked_ms=asked_ms))
            if ask.due:
                await trio.sleep(pause_s)
            else:
                with trio.move_on_after(MONEY_S[2] * self._world.slack):
                    seen = self._channels.held.version
                    while not (await self._channels.held.newer_than(seen)).money_ask.due:
                        seen = self._channels.held.version
            pause_s = min(2 * pause_s, MONEY_S[1]) if ask.due else MONEY_S[0]

    def ask_tradable(self, nursery: trio.Nursery) -> None:
        """Ask whether both legs can be traded now; the answer comes to the supervisor's inbox within
        `ASKED_S`. One question at a time.
        """
        if not self._asking_tradable:
            self._asking_tradable = True
            nursery.start_soon(self._ask_tradable)

    async def _ask_tradable(self) -> None:
        try:
            answer = await self._world.venue.reads.tradable(ASKED_S)
        except VenueError as error:  # silence sends
            self._note("warning", f"it is unknown whether both legs can be traded: {error}")
            answer = UNSAID
        finally:
            self._asking_tradable = False
        self._channels.inbox.post(answer)

    @property
    def settled(self) -> bool:
        """Has every order that was asked about its final price and fee, or has the archive been waited for
        long enough?
        """
        now_s, held = trio.current_time(), self._channels.held.value
        priced = not (self._resolving or self._ask_again) or now_s > self._asking_since + FINAL_S
        explained = held is None or not held.money_ask.due or now_s > (self._money_since_s or now_s) + FINAL_S
        return priced and explained

    async def reconcile_for_ever(self) -> None:
        """Read the account after every plan, and now and then; the ledger compares it with its own fills."""
        pause_s, soon_s = RECONCILE_S[0], 0.0
        while True:
            # Until something has changed, or a proof is missing after `pause_s`; else the longest pause.
            with trio.move_on_after(RECONCILE_S[1] * self._world.slack):
                with trio.move_on_after(soon_s or pause_s):
                    await self._wanted.wait()
                if not self._wanted.is_set() and not self._pending():
                    await self._wanted.wait()
                await self._comparable()
            wanted = self._wanted.is_set()
            if wanted:
                pause_s = RECONCILE_S[0]
            elif not soon_s:
                pause_s = min(2 * pause_s, RECONCILE_S[1])
            await trio.sleep(LATER_S)
            soon_s = 0.0
            self._wanted = trio.Event()
            try:
                snapshot = await self._world.venue.reads.account()
            except VenueError as error:
                self._note("warning", f"the account could not be read: {error}")
                await trio.sleep(RECONCILE_S[0])
            else:
                self._channels.to_ledger.post(snapshot)
                if wanted:  # once for each change: an engine whose time stands still is not asked more often
                    soon_s = self._later_s(snapshot)

    async def _comparable(self) -> None:
        """While an order rests the ledger compares nothing: what happened is read about once it has ended,
        and margin at the longest pause.
        """
        held = self._channels.held
        while held.value is not None and held.value.working:
            await held.newer_than(held.version)

    def _later_s(self, reading: AccountSnapshot) -> float:
        """In how many seconds the engine's time passes what happened last, where `reading` is from before it
        by less than a pause; else 0. A clock that is some milliseconds ahead of the venue's dates a plan's
        last fill after the reading that would prove it.
        """
        held = self._channels.held.value
        early_s = (held.last_change_ms - reading.at_ms) / 1000 if held is not None else -1.0
        return early_s + LATER_S if 0 <= early_s < RECONCILE_S[0] else 0.0

    def _pending(self) -> bool:
        held = self._channels.held.value
        # An absence that is too young to enter upon (`Held.absent`) only needs time, not readings that
        # closing may need.
        unsettled = (
            held is not None and held.totals.money is not None and held.totals.money.state == "provisional"
        )
        return held is None or held.awaiting_proof or unsettled or not (held.account_ok or held.absent)
