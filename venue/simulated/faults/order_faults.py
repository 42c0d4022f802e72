"""Injected faults: what the simulated venue does wrong, and when. Frozen data, decoded strictly from TOML or
JSON; the counting is apart.

    [[refuse]]
    product = "SOL-PERP"
    nth = 4
    code = 2031

    [[lose_ack]]
    nth = 2

    [[cut]]
    product = "ETH-PERP"
    nth = 1
    when = "before"        # the order never arrives | "after": it is processed, the answer is lost with the
                           connection | "during": half of it is sent

    [[thin]]
    nth = 1
    increasing = false     # this order finds no more than `lots` size steps in the book
    lots = 3

    [[split]]
    nth = 2                # this order is filled in pieces of 1, 2 and 3 lots, and no more
    lots = [1, 2, 3]
    only = true
    breaks_fok = false     # true: so is a FOK, which should be filled in full or not at all

    [[late]]
    nth = 1
    delay_ms = 1500        # this order is under way so long before it arrives

    [[slow_ack]]
    nth = 1
    delay_ms = 700         # this order is processed at once, its answer comes so much later

    [[forget]]
    nth = 1                # this order is acknowledged and never traded, and no event ever reports it

    [[event]]
    stream = "fill"        # "" = any stream
    one_in = 5             # one in five, by `seed`; or nth = 2, the second one
    how = "reorder"        # drop | duplicate | delay (by delay_ms) | reorder (after the stream's next one) |
                           cut (in mid-frame)

    [[reply]]
    request = "place_order"    # "" = any request: an execute, a query's type, time, archive_orders,
                               subscribe, authenticate ...
    nth = 3
    how = "delay"          # lose | delay (by delay_ms) | cut
    delay_ms = 700

    [[incident]]           # of the whole venue, at a moment and for a time: see `incidents`
    kind = "down"
    at_ms = 4000
    for_ms = 1500

    [venue]                # what Nado's documents leave open: see `rules.VenueOptions`
    self_match = "refuse"

An order is counted by every fault whose product (or "" = any) it belongs to; by default only orders count
that could make the position larger. An event is counted when it has a subscriber, a reply when it is
ready.
"""

import random
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, Literal, TypeVar

import msgspec

from venue.simulated.engine.book import Split
from venue.simulated.engine.codes import ExchangeRefusal
from venue.simulated.engine.rules import VenueOptions
from venue.simulated.faults.incidents import Incident, Listing

DELAY_MS_MAX = 100_000
"""The longest delay: how long the venue lets an order be under way."""


Stream = Literal[
    "",
    "book_depth",
    "best_bid_offer",
    "trade",
    "funding_rate",
    "funding_payment",
    "liquidation",
    "latest_candlestick",
    "all_bbo",
    "fill",
    "order_update",
    "position_change",
]
"""A stream's name, or "" = any."""


class AnswerLost(Exception):
    """Staged: the request was processed, its answer never comes."""


class ConnectionCut(Exception):
    """Staged: the connection ends here, without an answer."""


def _must_be_a_delay(delay_ms: int) -> None:
    if not 0 <= delay_ms <= DELAY_MS_MAX:
        raise ValueError(f"delay_ms: a delay lies between 0 and {DELAY_MS_MAX}, not at {delay_ms}")


class Trigger(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The n-th order (from 1) of a product."""

    nth: int
    product: str = ""
    increasing: bool = True
    """Count only orders that could make the position larger."""

    def __post_init__(self) -> None:
        if self.nth < 1:
            raise ValueError(f"nth: orders are counted from 1, not {self.nth}")


class Refuse(Trigger, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Refuse the order with `code` after all its checks have passed."""

    code: int
    text: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1000 <= self.code <= 9999:
            raise ValueError(f"code: the venue's codes have four digits, not {self.code}")

    @property
    def refusal(self) -> ExchangeRefusal:
        """What the order is refused with; the text names the fault as staged."""
        usual = f"the simulated venue refuses order {self.nth} of {self.product or 'any product'}"
        return ExchangeRefusal(self.code, f"staged: {self.text or usual}")


class LoseAck(Trigger, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Process the order; if it is accepted the answer never comes."""


class Cut(Trigger, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Cut the connection that the order came on: before the order is processed, after it, or in the middle
    of its answer's frame.
    """

    when: Literal["before", "after", "during"]


class Thin(Trigger, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The order finds no more than `lots` size steps in the book: a FOK is refused (2031), an IOC is
    filled in part.
    """

    lots: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.lots < 0:
            raise ValueError(f"lots: an order cannot find {self.lots} lots")


class _Delay(Trigger, frozen=True, forbid_unknown_fields=True, kw_only=True):
    delay_ms: int

    def __post_init__(self) -> None:
        super().__post_init__()
        _must_be_a_delay(self.delay_ms)


class Late(_Delay, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The order takes `delay_ms` to arrive, even if the connection it was sent on is lost."""


class SlowAck(_Delay, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The order is processed at once; if it is accepted its answer comes `delay_ms` later, after all of
    its events on the streams.
    """


class Forget(Trigger, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A venue that loses an order: it is acknowledged and never traded, and no event reports it."""


class Pieces(Trigger, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The order is filled piece by piece, one fill for each of `lots` size steps; then the rest as the
    book has it, or nothing when `only`.
    """

    lots: tuple[int, ...]
    only: bool = False
    breaks_fok: bool = False
    """A venue that breaks its own rule: what is not filled of a FOK is cancelled, and what is filled
    stays.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.lots or min(self.lots) < 1:
            raise ValueError(f"lots: pieces have at least one lot each, not {list(self.lots)}")


class Recurring(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Either the `nth` one (from 1), or `one_in` so many, drawn by the faults' seed."""

    nth: int = 0
    one_in: int = 0
    delay_ms: int = 200

    def __post_init__(self) -> None:
        if min(self.nth, self.one_in) < 0 or (self.nth == 0) == (self.one_in == 0):
            raise ValueError(
                f"nth, one_in: one of the two must be 1 or more, not {self.nth} and {self.one_in}"
            )
        _must_be_a_delay(self.delay_ms)


class DisturbEvent(Recurring, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Something happens to an event before subscribers receive it."""

    how: Literal["drop", "duplicate", "delay", "reorder", "cut"]
    stream: Stream = ""
    product: str = ""


class DisturbReply(Recurring, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Something happens to the answer of a request that has been carried out."""

    how: Literal["lose", "delay", "cut"]
    request: str = ""


class Faults(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All injected faults of a run: a faults file, decoded. Unknown keys are refused."""

    refuse: tuple[Refuse, ...] = ()
    lose_ack: tuple[LoseAck, ...] = ()
    cut: tuple[Cut, ...] = ()
    thin: tuple[Thin, ...] = ()
    split: tuple[Pieces, ...] = ()
    late: tuple[Late, ...] = ()
    slow_ack: tuple[SlowAck, ...] = ()
    forget: tuple[Forget, ...] = ()
    event: tuple[DisturbEvent, ...] = ()
    reply: tuple[DisturbReply, ...] = ()
    incident: tuple[Incident, ...] = ()
    venue: VenueOptions = VenueOptions()
    """Not a fault: what the documents leave open, decided differently. Obeyed from the venue's start."""
    seed: int = 0
    """Of everything that happens `one_in` so many times."""

    def with_known(self, symbols: frozenset[str], requests: frozenset[str]) -> "Faults":
        """Itself; raises `ValueError` naming a product or request that the venue does not have: such a
        fault would silently never happen.
        """
        listed = {incident.symbol for incident in self.incident if isinstance(incident, Listing)}
        known = {"product": symbols, "of": symbols | listed, "request": requests}
        named = [
            (field, getattr(fault, field, ""))
            for field in known
            for table in self.__struct_fields__
            if table not in {"venue", "seed"}
            for fault in getattr(self, table)
        ]
        for field, name in named:
            if name and name not in known[field]:
                raise ValueError(
                    f"faults: there is no {field} {name!r}, only {', '.join(sorted(known[field]))}"
                )
        return self


NO_FAULTS = Faults()
DEMO = Faults(refuse=(Refuse(product="SOL-PERP", nth=4, code=2031),))
"""The demo's fault: the SOL leg of the fourth cycle is refused once."""


def faults_named(spec: str) -> Faults:
    """`none` (and `crashes`, which are not the venue's), `demo`, or the faults of a TOML or JSON file.

    Raises `OSError`, `ValueError` (also `msgspec.ValidationError`) naming what is wrong.
    """
    if spec in {"", "none", "crashes"}:  # crashes are the client's own
        return NO_FAULTS
    if spec == "demo":
        return DEMO
    data = Path(spec).read_bytes()
    if spec.endswith(".json"):
        return faults_of(data)
    return msgspec.convert(tomllib.loads(data.decode()), Faults)


def faults_of(data: bytes) -> Faults:
    """The faults of a JSON text. Raises `ValueError` (also `msgspec.ValidationError`) naming what
    is wrong.
    """
    return msgspec.json.decode(data, type=Faults)


class StagedFault(msgspec.Struct, frozen=True):
    """What is to go wrong with one order."""

    refusal: ExchangeRefusal | None = None
    lose_ack: bool = False
    cuts: frozenset[str] = frozenset()
    """Where the connection ends, as `Cut.when` says it."""
    lots: tuple[int, ...] | None = None
    """The pieces it finds in the book, in size steps; None = whatever stands there."""
    only: bool = False
    """Does it find nothing beyond them?"""
    late_ms: int = 0
    breaks_fok: bool = False
    slow_ack_ms: int = 0
    forget: bool = False

    def split(self, step: int) -> Split | None:
        """The pieces in base units (x18) for a product whose size step is `step`; None when nothing is
        staged.
        """
        if self.lots is None:
            return None
        return Split(tuple(lots * step for lots in self.lots if lots), self.only, self.breaks_fok)


F = TypeVar("F", bound=Trigger)


class FaultCounter:
    """Counts orders against the faults' triggers, each trigger by itself."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self._counts: dict[int, int] = {}

    def next(self, product: str, *, increasing: bool) -> StagedFault:
        """Count one order that came in, and say what is to go wrong with it."""

        def due(triggers: Sequence[F]) -> list[F]:
            found = []
            for trigger in triggers:
                if trigger.product in {"", product} and (increasing or not trigger.increasing):
                    count = self._counts[id(trigger)] = self._counts.get(id(trigger), 0) + 1
                    if count == trigger.nth:
                        found.append(trigger)
            return found

        faults = self.faults
        refuse, thin, split = due(faults.refuse), due(faults.thin), due(faults.split)
        lots, only = (split[0].lots, split[0].only) if split else (None, False)
        if thin:
            lots, only = (min(fault.lots for fault in thin),), True
        return StagedFault(
            refuse[0].refusal if refuse else None,
            lose_ack=bool(due(faults.lose_ack)),
            cuts=frozenset(fault.when for fault in due(faults.cut)),
            lots=lots,
            only=only,
            late_ms=max((fault.delay_ms for fault in due(faults.late)), default=0),
            breaks_fok=any(fault.breaks_fok for fault in split),
            slow_ack_ms=max((fault.delay_ms for fault in due(faults.slow_ack)), default=0),
            forget=bool(due(faults.forget)),
        )


R = TypeVar("R", bound=Recurring)


class RecurrenceCounter(Generic[R]):
    """Counts what happens against recurring faults, each fault by itself and with its own seeded chance."""

    def __init__(self, faults: Sequence[R], seed: int) -> None:
        self._faults = [(fault, random.Random(f"{seed} {number}")) for number, fault in enumerate(faults)]  # noqa: S311 - a seeded fault
        self._counts = [0] * len(faults)

    def due(self, is_about: Callable[[R], bool]) -> R | None:
        """Count one happening for every fault that `is_about` it; the first of them that is due, or None."""
        due: list[R] = []
        for i, (fault, chance) in enumerate(self._faults):
            if is_about(fault):
                self._counts[i] += 1
                if self._counts[i] == fault.nth or (fault.one_in and chance.randrange(fault.one_in) == 0):
                    due.append(fault)
        return due[0] if due else None
