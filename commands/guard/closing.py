"""A guard at work: close what its run left open, and go on for as long as something may be open.

    reach       the exchange, over one HTTP client that is kept: its rules, and its clock if it says it
    what        by the ledger where it can be trusted (`open_state/decision.py`); else at most what the
                stored escape was signed for
    close       ESCAPE, quick rounds for `venue_patience`, then a short try every `SLOW_S`
    over        when flat is confirmed by the exchange, or when nothing there can be ours

Whatever fails in whatever way is said and tried again. While the run's process still exists (stopped, wedged)
it holds the ledger, so the ledger is only read, and what is done is written beside it for the next start to
take in: there is never a second writer.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec
import trio

from actors.instance.state import holder_of_file, last_holder, read_state
from actors.ledger import SCHEMA, Journal, LedgerFile
from commands.access.disk import sync_of
from commands.guard.reach import Reach
from commands.open_state.decision import decide, signs_of, trusted
from commands.open_state.evidence import Evidence, VenueEvidence, gathered
from messages.execution import EscapeRound
from messages.lifecycle import GuardActed, Opened
from messages.settings import Settings
from messages.units import Base, Ms
from runtime.outlive import outlive, outlive_call
from venue.escape import EscapeContext, escape
from venue.nado.client import NadoVenue
from venue.own_position import ClosingTask, OwnPosition
from venue.protocol import VenueRules
from venue.stored_escape import EscapeFile, StoredEscape

AGAIN_S = (0.5, 2.0)
"""First and longest pause between two tries while `venue_patience` lasts."""
SLOW_S = 30.0
"""Pause between two tries after that, for as long as something may be open."""
SLOW_TRY_MS = Ms(60_000)
"""How long one slow try may take where Evenkeel's part is unknown: then it is determined again."""
SAY_EVERY_S = 600.0
"""How often a guard says that it is still trying."""
TWICE_S = 2.0
"""Between two readings of an account that must agree."""
SIMULATED = "Nado-simulated"


class GuardClosing:
    """One guard's closing of what one run left open."""

    def __init__(
        self,
        settings: Settings,
        reach: Reach,
        state: Path,
        acted: GuardActed,
        *,
        signs: bool,
        run_pid: int = 0,
    ) -> None:
        """`run_pid`: the run's process; while it exists the ledger is its to write."""
        self._settings, self._reach, self._state, self._acted = settings, reach, state, acted
        self._words, self._signs, self._run_pid = reach.words, signs, run_pid
        self._ledger = Path(settings.files.logs) / "ledger.sqlite"
        self._journal: Journal | None = None
        self._closed = (0, 0)
        """What this guard has closed, ETH and SOL, signed as the positions were."""
        self._unrecorded = (0, 0)
        """The part of it that could be written nowhere."""
        self._began_s = trio.current_time()
        self.rounds = 0
        self.left = "unknown"
        """What was open when that was last known, in words."""

    async def until_flat(self) -> None:
        """Returns when flat is confirmed, or nothing at the exchange can be ours. Raises nothing but a
        cancellation.
        """
        pause_s = AGAIN_S[0]
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._say_for_ever)
                while not await outlive(
                    self._attempt, lambda why: self._words.say(f"not closed yet: {why}", "error", once=True)
                ):
                    await trio.sleep(SLOW_S if self._left_s() <= 0 else pause_s)
                    pause_s = min(2 * pause_s, AGAIN_S[1])
                nursery.cancel_scope.cancel()
        finally:  # a guard that stops for a newer epoch is cancelled, and gives the ledger back too
            if self._journal is not None:
                outlive_call(self._journal.close)

    def _left_s(self) -> float:
        """Seconds that are left of `venue_patience`; negative once it is over."""
        return self._began_s + self._settings.venue_patience / 1000 - trio.current_time()

    async def _say_for_ever(self) -> None:
        await trio.sleep(max(0.0, self._left_s()))
        while True:
            since = f"for {trio.current_time() - self._began_s:.0f} s, {self.rounds} rounds of orders"
            self._words.say(
                f"NOT FLAT {since}: {self.left} · exposure may be open now · trying again every {SLOW_S:g} s",
                "error",
            )
            await trio.sleep(SAY_EVERY_S)

    async def _attempt(self) -> bool:
        """Try to close; True when it is over. Raises whatever goes wrong."""
        venue, rules = await self._reach.read_rules()
        if self._gone(rules):
            return await self._nothing_there(rules)
        task = self._what(rules, venue)
        patience = Ms(max(1_000, int(self._left_s() * 1000))) if self._left_s() > 0 else SLOW_TRY_MS
        settings = msgspec.structs.replace(self._settings, venue_patience=patience)
        context = EscapeContext(
            venue, rules, self._reach.clock, settings, self._write, self._words.heard, self._acted.epoch
        )
        escaped = await escape(context, task, stored=self._stored(), signs=self._signs, then_every_s=SLOW_S)
        legs = zip((task.eth, task.sol), (escaped.rest.eth, escaped.rest.sol), strict=True)
        gone = [before.high - after.high + before.low - after.low for before, after in legs]
        self._closed = _sum(self._closed, gone)
        if self._journal is None or not self._journal.recorded:
            self._unrecorded = _sum(self._unrecorded, gone)
        if escaped.eth is not None and escaped.sol is not None:
            self.left = f"ETH {escaped.eth.text()}, SOL {escaped.sol.text()} of ours"
        return escaped.flat and await self._confirmed(venue, rules)

    async def _confirmed(self, venue: NadoVenue, rules: VenueRules) -> bool:
        """Is no Evenkeel position open, by every record?"""
        snapshot = await venue.reads.account()
        known = msgspec.structs.replace(self._evidence(), venue=VenueEvidence(snapshot, rules))
        answer = decide(known)
        if not answer.flat:
            self.left = answer.words
            self._words.say(f"not flat yet: {answer.words}", "error", once=True)
        return answer.flat

    async def _nothing_there(self, rules: VenueRules) -> bool:
        """Another simulated exchange says of itself that it is: believed when it also holds nothing in our
        two products, twice, and says it again.
        """
        for pause_s in (TWICE_S, 0.0):
            venue, again = await self._reach.read_rules()
            snapshot = await venue.reads.account()
            holds = (
                any(snapshot.position(product.product_id).total for product in (rules.eth, rules.sol))
                or snapshot.open_orders
                or snapshot.unread
            )
            if holds or again.venue != rules.venue:
                self._words.say(
                    "it holds a position in our products, or says another name again: asked again",
                    "error",
                    once=True,
                )
                return False
            await trio.sleep(pause_s)
        self._words.say("no Evenkeel positions are open")
        return True

    def _gone(self, rules: VenueRules) -> bool:
        """Does a simulated exchange say that it is another one than the run's? Such a one began without
        any of our positions.
        """
        ours = read_state(self._state).venue
        gone = (
            rules.venue != ours
            and bool(ours)
            and {rules.venue.partition(":")[0], ours.partition(":")[0]} == {SIMULATED}
        )
        if gone:
            self._words.say(
                f"the simulated exchange is another one ({rules.venue}) than this run's ({ours})", once=True
            )
        return gone

    # -- Evenkeel's part -------------------------------------------------------------------------------------

    def _evidence(self) -> Evidence:
        return gathered(self._reach.here, self._ledger.parent, self._state.parent, mine=self._state)

    def _what(self, rules: VenueRules, venue: NadoVenue) -> ClosingTask:
        """Evenkeel's part by a ledger that can be trusted; while none can, at most what was signed. What this
        guard has closed is deducted where that does not know of it: a third party's position must not be
        closed by trying again.
        """
        known = self._evidence()
        ledger, signs = trusted(known), signs_of(known)
        mine = ledger is not None and ledger is known.ledger
        journal = self._reading(rules, venue, mine=mine)
        if ledger is None or ledger.held is None or signs:
            task = _without(self._signed(), self._closed)
            most = (
                f"at most ETH {_most(task.eth).text()}, SOL {_most(task.sol).text()}, which was signed in"
                " advance"
            )
            self._words.say(
                f"Evenkeel's part is unknown: {'; '.join(signs) or known.ledger.why} · closing {most}",
                "error",
                once=True,
            )
            return task
        if mine and not journal.unreadable:  # it has read what earlier tries wrote
            return _without(ClosingTask.of(journal.fold.held(self._acted.epoch)), self._unrecorded)
        return _without(ClosingTask.of(ledger.held), self._closed)

    def _signed(self) -> ClosingTask:
        """What the stored escape closes, which is what the run held when it signed it."""
        stored = self._stored()
        eth, sol = (-stored.plan.eth.amount, -stored.plan.sol.amount) if stored else (0, 0)
        resting = stored.resting if stored else ()
        return ClosingTask(
            OwnPosition(min(eth, 0), max(eth, 0)), OwnPosition(min(sol, 0), max(sol, 0)), resting
        )

    def _reading(self, rules: VenueRules, venue: NadoVenue, *, mine: bool) -> Journal:
        """The ledger, opened again for every new judgement: a disk may come back. `mine`: it is good, and
        may be written while no run has it.
        """
        if self._journal is not None:
            self._journal.close()
        may_write = mine and self._run_is_gone()
        opened = Opened(SCHEMA, rules.venue, rules.chain_id, self._reach.here.sender)
        clock, epoch = self._reach.clock, self._acted.epoch
        first = self._journal is None
        self._journal = Journal(
            LedgerFile(self._ledger, opened, sync_of(self._settings)),
            venue.order_builder,
            clock,
            self._words.heard,
            epoch,
            read_only=not may_write,
        )
        if first:
            self._write(self._acted)
        return self._journal

    def _run_is_gone(self) -> bool:
        """Is the ledger nobody's? The run's lock says so, as long as that file is still the run's own."""
        if holder_of_file(self._state) is not None:
            return False
        if last_holder(self._state).pid == self._run_pid or not self._run_pid:
            return True
        try:
            os.kill(self._run_pid, 0)
        except ProcessLookupError:
            return True
        except OSError:
            return False
        return False  # stopped or not; a number that was given again counts: only to read is safe

    def _stored(self) -> StoredEscape | None:
        return EscapeFile(self._state.with_suffix(".escape"), durable=False).read()

    def _write(self, *messages: msgspec.Struct) -> None:
        """Into the ledger while it is ours, else beside it. Raises whatever goes wrong."""
        self._count(messages)
        journal = self._journal
        if journal is None:
            return
        if journal.in_ledger and read_state(self._state).epoch > self._acted.epoch:
            journal.in_ledger = False  # a start has begun meanwhile: the ledger is its to write
        journal.write(*messages)

    def _count(self, messages: tuple[msgspec.Struct, ...]) -> None:
        for message in messages:
            if isinstance(message, EscapeRound):
                self.rounds += 1
                eth, sol = (Base(-leg.amount) for leg in (message.plan.eth, message.plan.sol))
                self.left = f"ETH {eth.text()}, SOL {sol.text()} when the last orders were sent"


def _without(task: ClosingTask, closed: tuple[int, int]) -> ClosingTask:
    return msgspec.structs.replace(task, eth=task.eth.without(closed[0]), sol=task.sol.without(closed[1]))


def _sum(closed: tuple[int, int], more: Sequence[int]) -> tuple[int, int]:
    return closed[0] + more[0], closed[1] + more[1]


def _most(ours: OwnPosition) -> Base:
    return Base(ours.low or ours.high)
