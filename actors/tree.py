"""The tree and its wiring: who is started in which order, under which limits, and which channels connect them
(design: supervision).

    supervisor               one_for_one, 3 in 60 s
    |-- feeds                one_for_one, 10 in 300 s, backoff 0.25 -> 30 s: market_data, account
    `-- trading              rest_for_one, 5 in 60 s
        |-- ledger           first up, last down: never trade unrecorded
        |-- legs             one_for_all: eth_leg, sol_leg
        `-- sizing           first to stop: no new decisions

The channels live as long as the process and outlive every incarnation. An incarnation's epoch is an argument
of its start, read once: a restart of legs or ledger puts the next epoch on disk first, when both old legs are
proven gone.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import msgspec
import trio

from actors import account, leg
from actors.barrier import EpochBumped
from actors.instance.state import RunState
from actors.ledger import (
    CertificateMaker,
    CsvBooks,
    Disk,
    LedgerFile,
    LedgerMessage,
    LedgerWiring,
    ledger_actor,
)
from actors.market_data import actor as market_data
from actors.sizing import actor as sizing
from actors.sizing.sizer import Sizer
from messages.lifecycle import AccountStream, Directive, Held, Opened, Restarted, Waiting
from messages.market import PairQuote
from messages.settings import Settings
from messages.sizing import LEGS, Abort, Leg, Place, Sealed
from messages.units import Ms
from runtime.backoff import Backoff
from runtime.clock import VenueClock
from runtime.mailbox import Latest, Mailbox
from runtime.observe import Notes, Observe
from runtime.pulse import Watch
from runtime.specs import ChildSpec, Event, Restarting, Strategy, SupervisorSpec
from runtime.supervision import Supervisor, nested
from venue.protocol import ANSWER_AFTER_RECV_MS, Venue, VenueRules, rules_read

MAILBOX_LEG = 16
MAILBOX_LEDGER = 4_096
MAILBOX_SUPERVISOR = 1_024
"""Bounds: a leg sees three messages a plan; a ledger that falls 4,096 events behind is stuck."""

LEG_TIDY_S = 2.5
"""What a leg that is told to stop may take beyond the answer it waits for: a leg is not stuck because the
venue is slow.
"""

BUMPING = frozenset({"ledger", "legs", "eth_leg", "sol_leg"})
"""Restarts of these start a new epoch: an order of theirs may be on the wire."""


@dataclass(frozen=True)
class World:
    """What a machine is given: everything outside of it."""

    settings: Settings
    venue: Venue
    rules: VenueRules
    clock: VenueClock
    ledger: Path
    opened: Opened
    state: RunState
    observe: Observe
    seed: int
    csvs: Callable[[], CsvBooks] | None = None
    sync: Literal["full", "normal"] = "normal"
    disk: Disk | None = None
    url: str = ""
    """Base URL of a venue that outlives us; "" for our own child."""
    signer: str = ""
    """Address of the key that signs."""
    slack: int = 1
    """How many times rarer than live the machine looks, in peace, at what time alone changes: what happens
    wakes whoever it concerns.
    """
    virtual: bool = False
    """Is it on virtual time, alone in its process? Then nobody stalls, no clock jumps, and there is no other
    process for which exit orders would be signed in advance: none of the three is looked after.
    """
    certificates: CertificateMaker | None = None


class Channels:
    """Every channel of a run, both ends, for the life of the process."""

    def __init__(self, *, halted: bool, rules: VenueRules | None = None) -> None:
        """`halted`: nothing is entered, and what is open is closed now. `rules`: the venue's, as they were
        read at the start.
        """
        self.inbox: Mailbox[msgspec.Struct] = Mailbox("supervisor", MAILBOX_SUPERVISOR)
        self.to_leg: dict[Leg, Mailbox[leg.LegMessage]] = {
            "eth": Mailbox("eth_leg", MAILBOX_LEG),
            "sol": Mailbox("sol_leg", MAILBOX_LEG),
        }
        self.to_ledger: Mailbox[LedgerMessage] = Mailbox("ledger", MAILBOX_LEDGER)
        self.quotes: Latest[PairQuote] = Latest()
        self.held: Latest[Held] = Latest()
        self.rules: Latest[VenueRules] = Latest(rules)
        """The venue's rules: market_data puts every reading of them here, sizing and supervisor go by the
        newest.
        """
        self.doubted: Latest[Ms] = Latest()
        """Venue time of the last refusal that says that they are not the venue's rules any more: they are
        read again at once.
        """
        self.waiting: Latest[Waiting] = Latest()
        """Why sizing does not propose an entry just now."""
        self.directive = Latest(
            Directive(enter=not halted, leave_now=halted, reason="HALTED" if halted else "")
        )

    def tell_three(self, message: Sealed | Place | Abort) -> None:
        """The same object into three mailboxes in one scheduler slice: nothing can run in between."""
        self.to_leg["eth"].post(message)
        self.to_leg["sol"].post(message)
        self.to_ledger.post(message)

    @property
    def legs_idle(self) -> bool:
        """Have both legs taken everything they were sent?"""
        return not any(box.backlog for box in self.to_leg.values())


class Tree:
    """Builds the supervision tree of one run. `supervisor` is its root."""

    def __init__(self, world: World, channels: Channels) -> None:
        self.world = world
        self.channels = channels
        self._rng = random.Random(world.seed)  # noqa: S311 - jitter, not secrets
        self._watch = Watch()
        feeds = (ChildSpec("market_data", self._market_data), ChildSpec("account", self._account))
        answered_s = (world.settings.recv_time + ANSWER_AFTER_RECV_MS) / 1000
        legs = tuple(
            ChildSpec(f"{name}_leg", partial(self._leg, name), shutdown_s=answered_s + LEG_TIDY_S)
            for name in LEGS
        )
        under_legs = self.group("legs", "one_for_all", (5, 60), legs)
        # The order of starting: the ledger is up before a leg can send, and no decision comes before both.
        trading = (
            ChildSpec("ledger", self._ledger),
            nested(under_legs, rng=self._rng),
            ChildSpec("sizing", self._sizing),
        )
        under_feeds = self.group(
            "feeds", "one_for_one", (10, 300), feeds, backoff=Backoff(0.25, 2, 30, 0.2, 60)
        )
        under_trading = self.group("trading", "rest_for_one", (5, 60), trading)
        feeding = nested(under_feeds, rng=self._rng)
        trade = nested(under_trading, rng=self._rng, restart="temporary", significant=True)
        root = self.group("supervisor", "one_for_one", (3, 60), (feeding, trade), auto_shutdown=True)
        self.supervisor = Supervisor(root, rng=self._rng)

    def legs_up(self) -> bool:
        """Are both legs running, neither of them told to stop?"""
        return self.supervisor.running("eth_leg") and self.supervisor.running("sol_leg")

    async def watch_for_ever(self) -> None:
        """Notice who makes no progress, and end that incarnation: it is restarted as `Stalled`, and
        counted.
        """
        await self._watch.watch_for_ever(self.supervisor.running, self.supervisor.stall)

    def group(
        self,
        name: str,
        strategy: Strategy,
        limits: tuple[int, float],
        children: tuple[ChildSpec, ...],
        *,
        backoff: Backoff | None = None,
        auto_shutdown: bool = False,
    ) -> SupervisorSpec:
        """One supervisor of the tree: at most `limits[0]` restarts in `limits[1]` seconds."""
        return SupervisorSpec(
            name,
            strategy,
            *limits,
            children,
            backoff,
            auto_shutdown,
            on_restart=self._restarts,
            on_event=self._noticed,
        )

    def _noticed(self, event: Event) -> None:
        """An account that crashed cannot say that it has no stream any more; until another one has,
        nothing is entered.
        """
        self.world.observe(event)
        if isinstance(event, Restarting) and not {"account", "feeds"}.isdisjoint(event.children):
            gone = AccountStream(live=False, detail=event.cause)
            self._to_ledger(gone)
            self.channels.inbox.post(gone)

    def _restarts(self, names: tuple[str, ...]) -> None:
        """Called when these are proven gone, before any of them starts again. If legs or ledger are among
        them, the new epoch is on disk first.
        """
        what = ", ".join(names)
        if not BUMPING.isdisjoint(names):
            self.channels.inbox.post(EpochBumped(self.world.state.bump(), what))
        self.channels.to_ledger.post(Restarted(what, "restarted", Ms(0), self.world.state.epoch))

    async def _market_data(self, *, task_status: trio.TaskStatus[None]) -> None:
        w, c = self.world, self.channels
        feed = market_data.Feed(
            w.venue,
            market_data.MarketState.of(c.rules.value or w.rules),
            c.quotes,
            w.clock,
            w.settings,
            Notes(w.observe, w.clock, "market_data"),
            self._chance("market_data"),
            self._watch.fresh("market_data"),
            self._go_by,
            c.doubted,
            w.slack,
        )
        await market_data.run(feed, task_status=task_status)

    def _go_by(self, rules: VenueRules, changed: bool) -> None:
        """A reading of the venue's rules; the ledger keeps what has changed. The order_builder goes by
        them from the next plan on (supervisor).
        """
        self.channels.rules.put(rules)
        if changed:
            read = rules_read(rules)
            self.channels.to_ledger.post(read)
            self.world.observe(read)
            Notes(self.world.observe, self.world.clock, "market_data")("warning", read.text())

    async def _account(self, *, task_status: trio.TaskStatus[None]) -> None:
        w = self.world
        await account.run(
            w.venue,
            self._to_ledger,
            self.channels.inbox.post,
            Notes(w.observe, w.clock, "account"),
            self._chance("account"),
            pulse=self._watch.fresh("account"),
            task_status=task_status,
        )

    def _chance(self, who: str) -> random.Random:
        return random.Random(f"{who} {self.world.seed}")  # noqa: S311 - jitter, not secrets

    def _to_ledger(self, message: account.AccountMessage) -> None:
        self.channels.to_ledger.post(message)
        if not isinstance(message, AccountStream):  # the supervisor is sent it too, and tells of it
            self.world.observe(message)

    async def _ledger(self, *, task_status: trio.TaskStatus[None]) -> None:
        w = self.world
        await ledger_actor(
            LedgerFile(w.ledger, w.opened, w.sync),
            LedgerWiring(
                self.channels.to_ledger.reader(),
                self.channels.inbox.post,
                self.channels.held,
                w.venue.order_builder,
                w.clock,
                w.observe,
                w.state.epoch,
                w.csvs() if w.csvs else None,
                w.disk,
                products=(w.rules.eth.product_id, w.rules.sol.product_id),
                remember=w.state.remember if w.url else None,
                may_be_open=w.state.anchor.may_be_open if w.state.anchor else None,
                pulse=self._watch.fresh("ledger", self.channels.to_ledger),
                certificates=w.certificates,
            ),
            task_status=task_status,
        )

    async def _leg(self, name: Leg, *, task_status: trio.TaskStatus[None]) -> None:
        w = self.world
        pulse = self._watch.fresh(f"{name}_leg", self.channels.to_leg[name])
        tools = leg.Tools(
            self.channels.inbox.post, w.venue.order_builder, w.clock, w.settings, w.observe, pulse
        )
        wire = partial(w.venue.order_wire, f"{name}_leg")
        await leg.run(
            name, w.state.epoch, self.channels.to_leg[name].reader(), wire, tools, task_status=task_status
        )

    async def _sizing(self, *, task_status: trio.TaskStatus[None]) -> None:
        w, c = self.world, self.channels
        await sizing.run(
            sizing.Slots(c.quotes, c.held, c.directive, c.rules, c.doubted, c.waiting, w.slack),
            c.inbox.post,
            Sizer(w.settings, c.rules.value or w.rules, w.seed),
            w.clock,
            w.observe,
            pulse=self._watch.fresh("sizing"),
            task_status=task_status,
        )
