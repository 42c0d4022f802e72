"""What one state of the model is. Everything is a small tuple, so that states are hashed and compared by
value.

Amounts are whole lots, without sign: an enter asks for two lots a leg, so that a close can be filled in part.
Time is abstract: a plan's receive window is *open* or *closed* (`recv_time` plus the margin have passed), and
the plan being voted on is *late* or not. A window closes when nothing else can happen, or at any other moment
at the price of one loss, so delays and freezes are among the runs.

Messages are tuples that begin with their name, in the model as in a log:

    to the supervisor  ("ready", who, plan, copy)  ("declined", who, plan)  ("outcome", leg, plan, kind)
                       ("closed", plan, aborted) ("bumped", epoch)  ("proposed", purpose, eth, sol)
    to a leg           ("seal", plan, copy)  ("place", plan)  ("abort", plan)
    to the ledger      the same, and ("outcome", ...)  ("restarted", epoch)  ("resolved", leg, plan, lots,
                       final)

`copy` says which object a voter holds: "same" is the one that was sealed. "other" was changed on its way and
its digest with it, "torn" was changed and its digest was not.
"""

from typing import Any, NamedTuple

from messages.sizing import SizingPlan

LOTS = 2
"""What an enter asks for, per leg."""
LEGS = ("eth", "sol")
Message = tuple[Any, ...]


class Plan(NamedTuple):
    """A sealed plan. Two plans are never equal: `seq` only rises."""

    epoch: int
    seq: int
    purpose: str
    eth: int
    sol: int
    terms = None
    """Nothing of it rests (`quotes/state.py` has plans of which something does)."""

    @classmethod
    def of(cls, plan: SizingPlan) -> "Plan":
        """The key of a real plan."""
        return cls(plan.epoch, plan.seq, plan.purpose, abs(plan.eth.amount), abs(plan.sol.amount))

    def lots(self, leg: str) -> int:
        return self.eth if leg == "eth" else self.sol

    @property
    def increases(self) -> bool:
        return self.purpose in {"enter", "repair"}

    def __str__(self) -> str:
        return f"{self.epoch}.{self.seq} {self.purpose}"


class Bar(NamedTuple):
    """The barrier's state, as a key: `real.py` turns it into the real one and back. `ready` is a set in
    tuple form: (who, copy), sorted.
    """

    epoch: int
    seq: int
    phase: str
    plan: Plan | None
    ready: tuple[tuple[str, str], ...]


class Leg(NamedTuple):
    """An incarnation of a leg and its mailbox, which outlives it. `waits` names the order whose answer it
    waits for: (plan, try).
    """

    up: bool
    epoch: int
    last: int
    held: tuple[Plan, str] | None
    waits: tuple[Plan, int] | None
    box: tuple[Message, ...]


class Told(NamedTuple):
    """One order as the ledger knows it: a definite no of its leg, the lots that fills named, what an update
    named as left, whether it was cancelled, and the total once it has an ending. `real.py` turns it into the
    real `OurOrder` and back.
    """

    answer: str
    traded: int
    left: int | None
    cancelled: bool
    total: int | None


class Entry(NamedTuple):
    """An intent in the ledger. Aborted ones are dropped. `stage`: unwritten (broken variant only), intent,
    placed, uncertain, over.
    """

    plan: Plan
    stage: str
    eth: Told
    sol: Told


class Ledger(NamedTuple):
    """The ledger: what is on disk (`entries`, `last`), and an incarnation with its mailbox. Memory is the
    fold of the disk.
    """

    up: bool
    epoch: int
    last: int
    box: tuple[Message, ...]
    entries: tuple[Entry, ...]


class Order(NamedTuple):
    """Bytes that were handed to a socket, and all that became of them. `number` counts tries: 0, and 1 for a
    broken variant's second one.

    `votes`, `journalled`, `alive` are noted when it is handed over: had all three voted, was the intent on
    disk, was its epoch in force?
    """

    plan: Plan
    leg: str
    number: int
    copy: str
    votes: int
    journalled: bool
    alive: bool
    travels: bool
    answer: str
    filled: int
    accepted: int
    """How often the venue took it."""
    events: tuple[Message, ...]
    """On their way to the ledger, in any order: ("fill", lots), ("filled", left), ("cancelled", 0)."""


class Probe(NamedTuple):
    """A RESOLVE that runs: for which order, what was held before it, and the provisional answer already
    given.
    """

    plan: Plan
    leg: str
    before: int
    told: int | None


class Past(NamedTuple):
    """What all plans came to that nobody speaks of any more: how many, what is held (ledger and venue
    agree, I6), and what the last was for.
    """

    plans: int
    eth: int
    sol: int
    purpose: str

    def lots(self, leg: str) -> int:
        return self.eth if leg == "eth" else self.sol


class State(NamedTuple):
    """Everything. `crashes` and `losses` may still happen; `votes`, `reborn` and `hurt` are notes that
    only the invariants read.
    """

    bar: Bar
    eth: Leg
    sol: Leg
    ledger: Ledger
    inbox: tuple[Message, ...]
    orders: tuple[Order, ...]
    probes: tuple[Probe, ...]
    windows: tuple[Plan, ...]
    late: bool
    epoch: int
    again: bool
    """Sizing has lost its memory and may propose once more."""
    past: Past
    crashes: int
    losses: int
    votes: int
    """Who has really voted on the last sealed plan: 1 eth, 2 sol, 4 ledger."""
    reborn: bool
    """Legs or ledger were started again since the last seal."""
    hurt: bool
    """Since nobody spoke of a plan, a leg or the ledger has crashed, something was lost, or a leg stood
    still until its window was over.
    """

    def leg(self, name: str) -> Leg:
        return self.eth if name == "eth" else self.sol


NOTHING_TOLD = Told("", 0, None, False, None)
OVER_WITH_NOTHING = Told("", 0, None, False, 0)


NOTHING_YET = Past(0, 0, 0, "")


def start(crashes: int, losses: int, past: Past = NOTHING_YET) -> State:
    """A fresh run: the first epoch is on disk, everybody is up, nothing is spoken of."""
    leg = Leg(True, 1, 0, None, None, ())
    bar = Bar(1, 0, "idle", None, ())
    return State(
        bar,
        leg,
        leg,
        Ledger(True, 1, 0, (), ()),
        (),
        (),
        (),
        (),
        False,
        1,
        False,
        past,
        crashes,
        losses,
        0,
        False,
        False,
    )


def held_in_model(state: State, leg: str) -> int:
    """Lots the ledger counts as held in a leg."""
    lots = state.past.lots(leg)
    for entry in state.ledger.entries:
        told = entry.eth if leg == "eth" else entry.sol
        known = told.traded if told.total is None else told.total
        lots += known if entry.plan.increases else -known
    return lots


def position(state: State, leg: str) -> int:
    """Lots the venue has really open in a leg."""
    moved = (
        order.filled if order.plan.increases else -order.filled for order in state.orders if order.leg == leg
    )
    return state.past.lots(leg) + sum(moved)


def in_flight(ledger: Ledger) -> Entry | None:
    """The intent without an ending; None when there is none."""
    for entry in ledger.entries:
        if entry.stage != "over":
            return entry
    return None


def doubts(ledger: Ledger) -> tuple[tuple[Plan, str], ...]:
    """Orders that may be on the wire and have no ending, as the ledger reports them."""
    entry = in_flight(ledger)
    if entry is None or entry.stage not in {"placed", "uncertain"}:
        return ()
    return tuple(
        (entry.plan, leg) for leg, told in (("eth", entry.eth), ("sol", entry.sol)) if told.total is None
    )


def plans_of(state: State) -> int:
    """Plans that count against the bound: aborted ones do not, nothing was sent for them."""
    return state.past.plans + len(state.ledger.entries)


def last_purpose(state: State) -> str:
    """What the last plan was for that has an ending; "" before the first."""
    return state.ledger.entries[-1].plan.purpose if state.ledger.entries else state.past.purpose
