"""Which part of an entry takes how long, from calls of public functions (`seams.py`).

A hop reaches from one boundary to the next, so that they add up to the whole. The wrappers and the count of
steps cost time themselves: these figures say where the time goes, `tick` how much it is.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from benches.tick.reading import Entry

HOPS = (
    ("bytes to message: wake, WebSocket, inflate", "quote", "decode0"),
    ("decode", "decode0", "decode1"),
    ("to market_data", "decode1", "apply0"),
    ("apply, build and publish the quote", "apply0", "publish1"),
    ("wake sizing", "publish1", "decide0"),
    ("decide: look, size, plan", "decide0", "decide1"),
    ("post, wake the supervisor", "decide1", "check0"),
    ("check every rule, seal", "check0", "seal0"),
    ("tell three, wake the voters", "seal0", "vote0"),
    ("three votes, the intent committed", "vote0", "vote1"),
    ("wake the supervisor, count, PLACE", "vote1", "place_told0"),
    ("tell three, wake the legs", "place_told0", "place0"),
    ("check once more what was signed", "place0", "place1"),
    ("frame, deflate, to the sockets", "place1", "sent"),
)
PARTS = (
    ("of the votes: eth_leg, sol_leg (two)", "vote", "sum"),
    ("of the votes: the ledger's", "ledger vote", "sum"),
    ("of the votes: commit of the intent", "commit", "first"),
    ("observers, until the second order", "observe", "sum"),
)


class Call(NamedTuple):
    """One call of a seam, `perf_counter_ns`."""

    name: str
    began: int
    ended: int


class Unfollowed(Exception):
    """An entry whose calls do not come in the order that the hops expect."""


def boundaries(entry: Entry, calls: Sequence[Call]) -> dict[str, int]:
    """The time of each boundary of one entry. Raises `Unfollowed`, naming the function that was not called
    when it should have been.
    """
    within = [call for call in calls if entry.began_ns <= call.began <= entry.ended_ns]
    decode = first(within, "decode", entry.began_ns)
    apply = first(within, "apply", decode.ended)
    publish = first(within, "publish", apply.ended)
    return {
        "quote": entry.quote_ns,
        "decode0": decode.began,
        "decode1": decode.ended,
        "apply0": apply.began,
        "publish1": publish.ended,
        **decided_and_sent(within, publish.ended, entry.ended_ns),
    }


def first(within: Sequence[Call], name: str, after: int) -> Call:
    """The first call of `name` that began after so many nanoseconds. Raises `Unfollowed`."""
    for call in within:
        if call.name == name and call.began >= after:
            return call
    raise Unfollowed(f"{name} was not called between the bytes that came and the orders")


def decided_and_sent(within: Sequence[Call], known: int, end: int) -> dict[str, int]:
    """The boundaries from sizing's look, at what was known at `known`, to the bytes of the last order at
    `end`. Raises `Unfollowed`.
    """
    seal = first(within, "tell", known)
    decide = [call for call in within if call.name == "decide" and known <= call.began < seal.began]
    if not decide:
        raise Unfollowed("decide was not called between the bytes that came and the seal")
    check = first(within, "check", decide[0].ended)
    votes = [
        call for call in within if call.name in {"vote", "ledger vote", "commit"} and call.began >= seal.began
    ]
    place_told = first(within, "tell", seal.ended)
    votes = [call for call in votes if call.ended <= place_told.began]
    places = [call for call in within if call.name == "place"]
    if not (votes and places):
        raise Unfollowed("vote or place was not called before the orders")
    return {
        "decide0": decide[0].began,
        "decide1": decide[0].ended,
        "check0": check.began,
        "seal0": seal.began,
        "vote0": min(call.began for call in votes),
        "vote1": max(call.ended for call in votes),
        "place_told0": place_told.began,
        "place0": min(call.began for call in places),
        "place1": max(call.ended for call in places),
        "sent": end,
    }


class HopTimes(NamedTuple):
    """Microseconds by hop and part, counts by name, of all entries that could be followed."""

    hops: dict[str, list[float]]
    parts: dict[str, list[float]]
    counts: dict[str, list[float]]
    unfollowed: list[str]
    """Why the others could not be."""


Hops = tuple[tuple[str, str, str], ...]
"""Name of a hop, and the two boundaries that it lies between."""
SPAN = TypeVar("SPAN", bound="Span")


class Span(Protocol):
    """What is followed: `perf_counter_ns` of the bytes that came, and of those that left for it."""

    @property
    def began_ns(self) -> int: ...
    @property
    def ended_ns(self) -> int: ...


def hop_times(entries: Sequence[Entry], noted: Sequence[Sequence[Any]]) -> HopTimes:
    """Of entries, from what the client has noted."""
    return followed(entries, noted, HOPS, boundaries)


def followed(
    spans: Sequence[SPAN],
    noted: Sequence[Sequence[Any]],
    hops: Hops,
    bounds: Callable[[SPAN, Sequence[Call]], dict[str, int]],
) -> HopTimes:
    """Of any spans whose boundaries `bounds` finds, raising `Unfollowed`."""
    calls = sorted((Call(*each) for each in noted), key=lambda call: call.began)
    times = HopTimes(
        {name: [] for name, *_ in hops},
        {name: [] for name, *_ in PARTS},
        {"task steps": [], "event loop turns": [], "observer calls": []},
        [],
    )
    begins = [call.began for call in calls]
    for span in spans:
        near = calls[_index(begins, span.began_ns) : _index(begins, span.ended_ns)]
        try:
            at = bounds(span, near)
        except Unfollowed as why:
            times.unfollowed.append(str(why))
            continue
        for name, begin, until in hops:
            times.hops[name].append((at[until] - at[begin]) / 1000)
        for name, seam, how in PARTS:
            taken = [
                (call.ended - call.began) / 1000
                for call in near
                if call.name == seam and (seam == "observe" or call.began >= at["seal0"])
            ]
            times.parts[name].append(sum(taken) if how == "sum" else (taken or [0.0])[0])
        for name, seam in (
            ("task steps", "step"),
            ("event loop turns", "wait"),
            ("observer calls", "observe"),
        ):
            times.counts[name].append(sum(call.name == seam for call in near))
    return times


def _index(begins: list[int], at_ns: int) -> int:
    from bisect import bisect_left  # noqa: PLC0415

    return bisect_left(begins, at_ns)
