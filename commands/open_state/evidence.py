"""What this machine's files say about what is open: ledgers, the state file, the stored escape, lock holders.
Read, never written, and never raised.

A file that is missing, empty, replaced or older than what is known of it is evidence too: it is named, and
never read as "nothing is open".
"""

import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from functools import reduce
from pathlib import Path
from typing import Literal

import msgspec

from actors.instance.state import (
    ESCAPE,
    AlreadyRunning,
    Anchor,
    Saved,
    holder_of_file,
    last_holder,
    read_state,
    state_file,
    stricter,
)
from actors.ledger import Fold, LedgerError, Store, Verified, read_verified
from actors.ledger.escapes import waiting
from actors.ledger.orders import OurOrder
from commands.access.venue import Access
from messages.execution import AccountSnapshot
from messages.lifecycle import Held, Opened
from messages.market import FundingRate
from messages.sizing import Leg
from messages.units import Base
from runtime.specs import told
from venue.own_position import WHOLE_POSITION, OwnPosition
from venue.protocol import VenueRules
from venue.stored_escape import EscapeFile, StoredEscape

LedgerState = Literal["good", "missing", "empty", "unreadable", "broken", "older", "other"]
"""`older`: the row that the state file names as its last is not in it: replaced, restored or shortened.
`other`: another account's or venue's.
"""


class LedgerEvidence(msgspec.Struct, frozen=True):
    """What one ledger file says. `held` None: no row of it can be read."""

    state: LedgerState
    path: str
    why: str = ""
    held: Held | None = None
    orders: frozenset[str] = frozenset()
    """Digests of ours that it remembers."""
    grounded: bool = False
    """Has it ever known what the venue holds: an intent of ours, or a reading of the account that agreed
    with it?
    """
    third_party: tuple[int, int] = (0, 0)
    """What third parties were seen to trade in this subaccount, signed, ETH and SOL."""
    unproven: tuple[OwnPosition, OwnPosition] = (OwnPosition(), OwnPosition())
    """What orders of the last cycle may have opened after all that nobody heard of again, and that were
    taken for absent.
    """
    proven_ms: int | None = None
    """Venue time of the last reading of the account that agreed with it."""
    last_ms: int = 0
    """Venue time of its last row."""
    epoch: int = 0
    halted: tuple[str, str] | None = None
    """A halt that no person has cleared, by its rows."""
    opened: Opened | None = None
    child: bool = False
    """Was its venue a child of the run that wrote it?"""
    verified: Verified | None = None
    """Which of its rows were verified."""


class VenueEvidence(msgspec.Struct, frozen=True):
    """What the venue says. `snapshot` None: it was not asked, or (`trouble`) it did not answer."""

    snapshot: AccountSnapshot | None = None
    rules: VenueRules | None = None
    trouble: str = ""
    rates: tuple[FundingRate, ...] = ()
    """Funding rates, where they were asked for and answered."""


class EscapeEvidence(msgspec.Struct, frozen=True):
    """What the newest stored escape would close: the pair, signed as it was held when it was signed at
    venue time `signed_ms`.
    """

    eth: Base
    sol: Base
    signed_ms: int
    recv_time_ms: int

    @classmethod
    def of(cls, stored: StoredEscape) -> "EscapeEvidence":
        """The pair that `stored` closes, and until when its orders may arrive."""
        plan = stored.plan
        return cls(
            Base(-plan.eth.amount), Base(-plan.sol.amount), int(plan.decided_ms), int(plan.recv_time_ms)
        )


class Evidence(msgspec.Struct, frozen=True):
    """Everything that knows, for one subaccount at one venue."""

    ledger: LedgerEvidence
    logs: str
    saved: Saved = Saved()
    escape: EscapeEvidence | None = None
    elsewhere: tuple[LedgerEvidence, ...] = ()
    """Ledgers in other folders that a state file or a lock file names."""
    beside: tuple[tuple[Saved, EscapeEvidence | None], ...] = ()
    """State files of *other* subaccounts whose runs wrote into this folder."""
    runner: AlreadyRunning | None = None
    venue: VenueEvidence = VenueEvidence()
    child: bool = False
    """The venue was a child of its run: it is gone when the run is, and every position with it."""
    where: str = ""
    """What must be typed to name the venue where no ledger does."""

    @property
    def anchor(self) -> Anchor | None:
        """What the state file knows of the ledger."""
        return self.saved.anchor

    @property
    def epoch(self) -> int:
        """The latest epoch that a state file or a ledger of this account knows of; 0 when none does."""
        return max(
            self.saved.epoch,
            *(each.epoch for each in (self.ledger, *self.elsewhere) if each.state != "other"),
            0,
        )

    @property
    def halted(self) -> tuple[str, str] | None:
        """A halt that stands in the state file, or in the ledger without a person's clearing: the stricter
        of the two.
        """
        if self.saved.halt_code:
            return self.saved.halt_code, self.saved.halt_detail
        return self.ledger.halted if self.ledger.state not in {"other", "older"} and not self.child else None


def gathered(
    here: Access | None, logs: Path, directory: Path, *, full: bool = False, mine: Path | None = None
) -> Evidence:
    """What the files say about `here` and about the ledger in `logs`. Never raises.

    `here` None: nobody knows whose account is meant, so that only the ledger in `logs` and the state files
    that name this folder count. `full`: all rows of that ledger are verified, and not those since its newest
    snapshot alone. `mine`: a state file that is known to be this account's, whatever the venue at its URL was
    last said to be.
    """
    folder = str(_resolved(logs))
    ours = [state_file(directory, identity) for identity in here.identities(logs, directory)] if here else []
    # What is remembered of a URL is what anybody was told there, on a bad wire too.
    ours = [*([mine] if mine and mine not in ours else []), *ours]
    there: list[Path] = []
    with suppress(OSError):
        there = sorted(directory.glob("*.json"))
    naming = [
        path
        for path in there
        if path not in ours
        and (anchor.logs if (anchor := read_state(path).anchor) else last_holder(path).logs) == folder
    ]
    ours, others = (ours, naming) if here else (naming, [])
    saved = strictest([read_state(path) for path in ours])
    ledger = ledger_evidence(logs / "ledger.sqlite", saved.anchor, here, full=full)
    named = {saved.anchor.logs} if saved.anchor else set()
    named |= {each for path in ours for each in last_holder(path).folders}
    elsewhere = [
        ledger_evidence(Path(each) / "ledger.sqlite", saved.anchor, here) for each in sorted(named - {folder})
    ]
    where = f" --venue {here.name}" if here and here.live else ""
    where += f" --url {here.gateway}" if here and here.network is None and here.gateway else ""
    return Evidence(
        ledger,
        str(logs),
        saved,
        max(
            (stored for path in ours if (stored := escape_evidence(path))),
            key=lambda stored: stored.signed_ms,
            default=None,
        ),
        tuple(each for each in elsewhere if each.held is not None and each.state != "other"),
        tuple((read_state(path), escape_evidence(path)) for path in others),
        next((holder for path in ours if (holder := holder_of_file(path))), None),
        child=not here.gateway if here is not None else ledger.child,
        where=where,
    )


def ledger_evidence(
    path: Path, anchor: Anchor | None, here: Access | None, *, full: bool = False
) -> LedgerEvidence:
    """What the ledger at `path` says, held against what is known of it and of whose it should be. Never
    raises.
    """
    name = str(path)
    try:
        if not path.exists():
            return LedgerEvidence("missing", name, f"{name} is missing")
        with closing(Store.reading(path)) as store:
            opened = store.opened()
            if opened is None:
                return LedgerEvidence("empty", name, f"{name} is empty")
            last_ns = max([store.last_ns(), *(at_ns for at_ns, _ in waiting(path.parent))])
            known = anchor is None or store.contains(anchor.last_hash)
        fold, broken, verified = read_verified(path, full=full)
    except (sqlite3.Error, LedgerError, OSError, msgspec.MsgspecError, ValueError) as error:
        return LedgerEvidence("unreadable", name, f"{name} cannot be read ({told(error)})")
    fold.reopened()
    lost = ""
    if anchor is not None and not known:
        row = anchor.last_hash.partition(":")[0]
        lost = f"{name} does not have row {row} as it was written into {anchor.logs}:"
        lost += " it was replaced, or is older"
    state, why = _judged(name, opened, here, broken, lost)
    return LedgerEvidence(
        state,
        name,
        why,
        held=fold.held(fold.epoch),
        orders=frozenset(fold.orders),
        grounded=fold.grounded,
        third_party=(fold.third_party["eth"], fold.third_party["sol"]),
        unproven=(_unproven(fold, "eth"), _unproven(fold, "sol")),
        proven_ms=fold.view.agreed_ms or None,
        last_ms=last_ns // 1_000_000,
        epoch=fold.epoch,
        halted=fold.latched,
        opened=opened,
        child=fold.started is not None and not fold.started.url,
        verified=verified,
    )


def _judged(
    name: str, opened: Opened, here: Access | None, broken: str, lost: str
) -> tuple[LedgerState, str]:
    """Whose it is comes first: of another account's file nothing else matters."""
    if here is not None and opened.subaccount.lower() != here.sender.lower():
        return "other", f"{name} belongs to subaccount {opened.subaccount}"
    if here is not None and opened.venue.partition(":")[0] != here.name:
        return "other", f"{name} belongs to {opened.venue}"
    if broken:
        return "broken", f"{name}: {broken}"
    return ("older", lost) if lost else ("good", "")


def _resolved(folder: Path) -> Path:
    try:
        return folder.resolve()
    except OSError:
        return folder.absolute()


def escape_evidence(path: Path) -> EscapeEvidence | None:
    """The newest stored escape beside the state file at `path`; None when there is none that can be read."""
    stored = EscapeFile(path.with_suffix(ESCAPE), durable=False).read()
    return EscapeEvidence.of(stored) if stored else None


def strictest(known: Sequence[Saved]) -> Saved:
    """Several state files of one subaccount as one."""
    return reduce(stricter, known, Saved())


def _unproven(fold: Fold, leg: Leg) -> OwnPosition:
    """What orders of ours may have left after all: all of a leg of which one is suspect (a fill that did not
    fit what was signed), else what orders that can increase a position have not filled, where their absence
    was concluded and not reported.
    """
    known = [
        order
        for order in (fold.orders.get(digest) for digest in (*fold.suspects, *fold.absent))
        if isinstance(order, OurOrder)
    ]
    if any(order.suspect for order in known if order.leg == leg):
        return WHOLE_POSITION
    asked = {
        id(order): order
        for order in (*fold.cycle.orders, *known)
        if order.leg == leg and order.resolved is not None
    }
    missing = [
        int(order.order.amount) - order.total.filled
        for order in asked.values()
        if not order.order.reduce_only
    ]
    return OwnPosition(sum(min(each, 0) for each in missing), sum(max(each, 0) for each in missing))
