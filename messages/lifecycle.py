"""The run itself: what is held, what is allowed, who came and went."""

from typing import Literal

import msgspec

from messages.execution import Doubt
from messages.money import MoneyAsk, Statement
from messages.sizing import Leg, Purpose, QuoteTerms
from messages.units import DOLLAR_NEUTRAL, Base, Bps, Ms, Ns, Price, Quote, Rate

TAKEN_OVER = "GUARD_TOOK_OVER"
"""Code of an ending after which nothing more is sent: a guard closes what is open."""
SIGNER_REPLACED = "SIGNER_REPLACED"
"""Code of an ending after which nothing can be signed that the venue would take."""
LEDGER_GONE = "LEDGER_GONE"
"""Code of a ledger whose file was deleted or replaced under its run: nothing is entered, what is held is
closed, and the run halts.
"""
PAUSED = "PAUSED_BY_HAND"
"""Code of a `Directive` and of the wait that follows it: a person lets nothing be entered until it is
resumed; what is open is held and exits as planned.
"""
VERIFYING = "LEDGER_BEING_VERIFIED"
"""Code of a `no_entry` that passes by itself: older rows of the ledger are still being verified."""
Phase = Literal["flat", "open", "uneven", "in_flight", "working"]


class Denial(msgspec.Struct, frozen=True):
    """Why something may not be done. Made by the rules of `actors/risk/` and by whoever else has to refuse;
    Declined, Denied, Waiting and Abort carry its code and its detail.
    """

    code: str
    detail: str
    """A sentence with the figure, its limit and their units."""
    brief: str = ""
    """The figure and its limit in a few words, `SOL 0.49 > 0.40 bps`; "" where there is none."""

    @property
    def text(self) -> str:
        """`CODE: detail`, for a line to read; nobody takes it apart again."""
        return f"{self.code}: {self.detail}"


class Legging(msgspec.Struct, frozen=True):
    """How much of a cycle was unhedged for how long, by the venue's timestamps
    (`actors/ledger/exposure.py` says what counts).
    """

    usd_s: Quote = Quote(0)
    """The integral of the exposure over time up to the last trade, USD x seconds."""
    naked: Quote = Quote(0)
    """The exposure since then, USD; 0 while flat or an agreed pair."""
    since_ms: Ms = Ms(0)
    """Venue time of the last trade."""
    doubted: bool = False
    """Was, or is, the outcome of an order of this cycle unknown?"""
    leg: Quote = Quote(0)
    """Notional of the larger leg, as entered."""
    worst: Quote = Quote(0)
    """The largest exposure, USD."""
    lasted_ms: Ms = Ms(0)
    """For how long there was any, up to the last trade."""
    priced: bool = True
    """Is `naked` known? Not of a leg that a person booked and that has not traded since."""


class Record(msgspec.Struct, frozen=True):
    """What the limits judge a run by; persisted, a person's `clear-halt` begins it again."""

    drawdown: Quote = Quote(0)
    """USD below the highest account value ever read."""
    failed_in_row: int = 0
    cycles: int = 0
    """In the window, at most 20."""
    fill_rate: Rate | None = None
    success: Rate | None = None


class Totals(msgspec.Struct, frozen=True):
    """ledger -> summary: this invocation in numbers, folded from its events. USD amounts x18."""

    cycles: int = 0
    """That have ended: completed + skipped + failed."""
    completed: int = 0
    skipped: int = 0
    failed: int = 0
    legs_ordered: int = 0
    legs_filled_first: int = 0
    """Entering legs, and those filled in full by their first order."""
    orders_sent: int = 0
    orders_closed: int = 0
    restarts: int = 0
    rows: int = 0
    filled_imbalances: tuple[Bps, ...] = ()
    """One per cycle that opened a pair, completing repairs included."""
    exit_imbalances: tuple[Bps, ...] = ()
    fees: Quote = Quote(0)
    """> 0 = paid."""
    spread: Quote = Quote(0)
    """> 0 = paid: fills against the mids at the decisions."""
    traded: Quote = Quote(0)
    """Sum of the notionals of all fills."""
    pnl: Quote | None = None
    """The trading result, net of everything (`Statement.net`): no deposit changes it; None while unknown."""
    funding: Quote | None = None
    """> 0 = received, by the venue's own payments; None while its archive has not been read."""
    unhedged_worst: Quote = Quote(0)
    """The largest unhedged exposure of any cycle."""
    unhedged_usd_s: Quote = Quote(0)
    """Largest integral of that exposure over time in one cycle, USD x seconds, by the venue's timestamps:
    `longest.usd_s`.
    """
    halted: str = ""
    """"" or the halt code."""
    entered: int = 0
    """Cycles that opened something, the one under way included."""
    together: int = 0
    """Cycles that have ended and were entered and exited together: one plan opened all of the pair,
    another closed all of it.
    """
    unfinished: int = 0
    """1 while a cycle that has sent orders has no ending."""
    adopted: int = 0
    """Pairs that an earlier invocation entered, or that a person booked, and that ended in this one. In no
    other count of cycles.
    """
    longest: Legging = Legging()
    """Of the cycle that was unhedged for most USD x seconds."""
    exits: tuple[tuple[str, int], ...] = ()
    """How many pairs were left by which rule, the most frequent first."""
    money: Statement | None = None
    """The whole calculation behind every figure about money; None before anything was counted."""


class WorkingOrder(msgspec.Struct, frozen=True):
    """An order of a `quote` that was placed and has no ending."""

    doubt: Doubt
    """What RESOLVE needs to know of it: it has no ending, and is in doubt only when it is asked about."""
    terms: QuoteTerms
    decided_ms: Ms
    filled: Base = Base(0)
    """Signed, by fills."""
    acknowledged: bool = False
    """Did the venue say that it took it, or was a piece of it filled?"""
    cancel_asked_ms: Ms = Ms(0)
    """Venue time at which its cancellation was last sent; 0: never."""
    resolving: bool = False
    """Is it known that it does not rest, or not known what became of its cancellation, so that RESOLVE has to
    find out what it did?
    """


class HeldLeg(msgspec.Struct, frozen=True):
    """One leg of `Held`. Amounts are signed: > 0 is bought."""

    amount: Base = Base(0)
    """Held now, by fills."""
    wanted: Base = Base(0)
    """What the sealed `enter` of this cycle asked for."""
    vwap: Price = Price(0)
    """Average price of what this cycle opened; 0 when nothing."""
    cash: Quote | None = None
    """USD that all orders of this cycle have brought in, their fees paid: < 0 = paid. None: not known,
    because a person has booked the pair.
    """


class Held(msgspec.Struct, frozen=True):
    """ledger -> sizing and supervisor, through a conflating slot: the fold of everything that happened.

    `flat`: no position of ours is open. `open`: both legs as planned. `uneven`: something is open that is not
    a balanced pair. `in_flight`: a plan is sealed and not closed, nobody may decide anything. `working`: no
    plan is under way, and an order of ours rests: only hedging and cancelling may be decided.
    """

    rows: int
    """Of the ledger, all of them folded: a later state of it has more."""
    epoch: int
    seq: int
    """Last sealed plan."""
    phase: Phase
    cycle: int
    """The cycle last entered or skipped; 0 before the first."""
    direction: Literal["", "long-eth", "long-sol"]
    """Of the pair that is open or was open last."""
    eth: HeldLeg
    sol: HeldLeg
    entered_ms: Ms
    """Venue time of the `enter` plan; 0 when flat."""
    last_change_ms: Ms
    """Venue time at which the last cycle ended or the last plan closed: pauses count from here."""
    last_purpose: Purpose | None
    last_refusals: int
    """How many legs of the last plan were refused or not sent."""
    enters: int
    """enter plans placed in this cycle."""
    repairs: int
    """repair plans sealed in this cycle."""
    flattens: int
    """exit and flatten plans sealed in this cycle."""
    filled_imbalance: Bps | None
    legging: Legging
    adopted: bool
    """This cycle was entered by an earlier invocation."""
    completed: int
    skipped: int
    failed: int
    """Cycles of this invocation, by ending: entered and flat again, confirmed by the exchange; not
    entered; entered but never hedged.
    """
    doubts: tuple[Doubt, ...]
    unpriced: tuple[Doubt, ...]
    """Orders whose quantity is certain, and whose price and fee are an estimate: the archive is asked
    again, also by the next incarnation.
    """
    foreign: str
    """"" or what at the venue our intents do not explain: blocks entering."""
    no_entry: Denial | None
    """Why the ledger itself lets nothing be entered: its chain is broken or not yet verified, or its disk
    is nearly full.
    """
    account_ok: bool
    """The account view is reconciled and its stream alive: needed to enter."""
    awaiting_proof: bool
    """Flat by our fills after a pair was open, and the venue has not yet said that it is flat too: the
    cycle has no ending yet.
    """
    initial_health: Quote | None
    """At the last account snapshot; None when it did not say."""
    maintenance_health: Quote | None
    record: Record
    value: Quote | None
    too_small: tuple[Leg, ...] = ()
    """Legs that are held and whose last close the venue refused as too small (2094)."""
    top_ups: int = 0
    """top_up plans placed in this cycle."""
    day_loss: Quote = Quote(0)
    """> 0: what this UTC day has cost, earlier invocations included."""
    refused: tuple[Leg, ...] = ()
    """Legs that are held and whose last close the venue refused for a reason that does not pass by itself
    (`venue/closing.py`).
    """
    restores: int = 0
    """Repairs of this cycle that opened again what had been closed already."""
    last_rules: int = 0
    """Version of the venue's rules by which the last plan was made."""
    unfit: str = ""
    """"" or which number of the venue's does not fit what we signed: blocks entering until its archive has
    confirmed the true one.
    """
    absent: tuple[Doubt, ...] = ()
    """Orders that only two readings of the account say never traded: the archive goes on being asked."""
    unconfirmed: tuple[Doubt, ...] = ()
    """Orders with an ending that may have traded more than is booked, or whose fees are not what the
    account's own rate comes to: the archive is asked.
    """
    led: bool = False
    """Did the last plan close one leg alone and in full, so that the other one follows at once?"""
    totals: Totals = Totals()
    """This invocation in numbers, by the same rows."""
    money_ask: MoneyAsk = MoneyAsk()
    hold: Ms | None = None
    pause: Ms | None = None
    """Drawn for the cycle last entered, as its plan says; None: the configuration's count."""
    funding: Quote = Quote(0)
    """Received for the pair since its cycle entered, by the exchange's own payments; < 0 = paid."""
    hedge_ratio: Rate = DOLLAR_NEUTRAL
    """Dollars of SOL for one of ETH in the pair of that cycle, as its plan says."""
    working: tuple[WorkingOrder, ...] = ()
    """Orders of ours that rest, or may: one a leg at most, also while another plan is in flight."""
    unexplained: bool = False
    """Has the venue told of a position that our fills, and all that could still trade, do not explain?"""

    def leg(self, leg: Leg) -> HeldLeg:
        """One leg of both: for rules that are the same for ETH and SOL."""
        return self.eth if leg == "eth" else self.sol

    def attempts(self, *, count_skips: bool) -> int:
        """How many of `cycles` are used up: entered ones, and skipped ones where those count."""
        return self.completed + self.failed + (self.skipped if count_skips else 0)


class Directive(msgspec.Struct, frozen=True):
    """supervisor -> sizing, through a conflating slot: what sizing may still do."""

    enter: bool
    leave_now: bool
    reason: str


class AccountStream(msgspec.Struct, frozen=True):
    """account -> ledger: is the account view live? Stale means no `enter`; it restarts nothing."""

    live: bool
    detail: str
    refused: int | None = None
    """The venue's code when it was the venue that would not let us listen."""


class CycleEnded(msgspec.Struct, frozen=True):
    """ledger's own event: a cycle is over. `completed` = entered and flat again, confirmed by the
    exchange.
    """

    cycle: int
    ending: Literal["completed", "skipped", "failed"]
    detail: str
    unhedged_usd_s: Quote = Quote(0)
    """The integral of the unhedged exposure over time in this cycle, USD x seconds, by the venue's
    timestamps.
    """


class Started(msgspec.Struct, frozen=True):
    """supervisor -> ledger, once per process and before anything else: a new invocation. What is held
    carries over, counts and totals begin again.
    """

    seed: int
    at_ns: Ns
    url: str = ""
    """Base URL of the venue; "" for one that is our child and dies with us."""
    signer: str = ""
    """Address of the key that signs."""
    subaccount: str = ""
    """Its name; the owner is in row 0."""


class Adopted(msgspec.Struct, frozen=True, omit_defaults=True):
    """`run --adopt` -> ledger: a person says that what the venue holds beyond our fills is ours. It will
    be closed like a pair of ours.
    """

    eth_product: int
    sol_product: int
    eth: Base
    sol: Base
    """The difference, signed: venue minus ledger."""
    at_ms: Ms
    """Of the snapshot it was read from."""
    hedge_ratio: Rate | None = None
    """Dollars of SOL for one of ETH that the configuration calls hedged; None, and left out: 1."""


class Restarted(msgspec.Struct, frozen=True):
    """supervisor -> ledger: an actor died and came back (or is about to)."""

    actor: str
    why: str
    after_ms: Ms
    epoch: int


class Denied(msgspec.Struct, frozen=True):
    """sizing and supervisor -> ledger: entering is denied by this limit or gate. Written when the reason
    changes, not each time it is found again.
    """

    code: str
    detail: str


class Waiting(msgspec.Struct, frozen=True):
    """sizing and supervisor -> supervisor and screen, through a conflating slot: why the next order is not
    sent yet.

    `code` "": nothing that is known stands in the way.
    """

    purpose: Purpose = "enter"
    code: str = ""
    detail: str = ""
    """A sentence with the figure, its limit and their units."""
    brief: str = ""
    """The same in a few words: `SOL 0.49 > 0.40 bps`; "" where there is no figure."""
    until_ms: Ms = Ms(0)
    """Venue time at which the attempt is given up; 0 = it is waited for as long as it takes."""


class Alarm(msgspec.Struct, frozen=True):
    """supervisor -> ledger, log and screen: a gate has denied everything since `since_ms` (venue time).
    That is a fault, not patience.
    """

    code: str
    detail: str
    since_ms: Ms


class GuardActed(msgspec.Struct, frozen=True):
    """guard -> ledger: `run` had no heartbeat for `silent_ms`; what it left open is closed, in this epoch.
    What follows is an ESCAPE.
    """

    epoch: int
    run: str
    silent_ms: Ms


class Halted(msgspec.Struct, frozen=True):
    """supervisor -> ledger: trading is latched off until a person clears it."""

    code: str
    detail: str


class HaltCleared(msgspec.Struct, frozen=True):
    """`clear-halt` -> ledger: a person has looked and allows entering again."""

    code: str
    detail: str
    """Of the halt."""
    reason: str
    """The person's."""


class Opened(msgspec.Struct, frozen=True):
    """Row 0 of a ledger: whose it is. A ledger is never continued under another identity."""

    schema: str
    venue: str
    """Instance of the venue: its name, and for a simulated one its instance id."""
    chain_id: int
    subaccount: str
    """bytes32 as hex."""


class FoldSnapshot(msgspec.Struct, frozen=True):
    """ledger's own event: what all rows before this one come to, so that a start need not fold them again.
    It is a row like any other.
    """

    version: int
    """Of the fold that made it; another one folds the rows again."""
    trades_bytes: int
    positions_bytes: int
    """How far the two CSV files went: rows before this one wrote nothing beyond. -1 = there were no such
    files to keep.
    """
    state: msgspec.Raw
    """JSON, the fold's own affair (`actors/ledger/snapshots.py`)."""


class Stopping(msgspec.Struct, frozen=True):
    """supervisor -> screen: both legs are being closed; in `within_ms` it ends in any case."""

    reason: str
    within_ms: Ms


HopWord = Literal[
    "sizing proposes",
    "supervisor seals",
    "eth_leg votes",
    "sol_leg votes",
    "ledger intent",
    "eth_leg sends",
    "sol_leg sends",
    "eth_leg answered",
    "sol_leg answered",
    "ledger fill",
]
"""Every point that a plan passes, in the order of its way; the log shows them as they are."""
LEG_VOTES: dict[Leg, HopWord] = {"eth": "eth_leg votes", "sol": "sol_leg votes"}
LEG_SENDS: dict[Leg, HopWord] = {"eth": "eth_leg sends", "sol": "sol_leg sends"}
"""The order's digest is in such a hop's note."""
LEG_ANSWERED: dict[Leg, HopWord] = {"eth": "eth_leg answered", "sol": "sol_leg answered"}


class Hop(msgspec.Struct, frozen=True):
    """anyone -> log and screen: a plan passed this point. Every hop names plan, digest and both
    quantities, so two paths cannot differ unseen.
    """

    at_ns: Ns
    """By this machine's clock."""
    hop: HopWord
    epoch: int
    seq: int
    digest: str
    eth: Base
    sol: Base
    note: str


class Note(msgspec.Struct, frozen=True):
    """anyone -> log and screen: something a person may want to read. `level` as in logging."""

    at_ns: Ns
    level: Literal["debug", "info", "warning", "error"]
    source: str
    text: str


class Staged(msgspec.Struct, frozen=True):
    """demo -> screen and summary: a fault that was staged, and its effect."""

    cycle: int
    text: str
