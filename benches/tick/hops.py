"""Which part of an entry takes how long, from calls of public functions (`seams.py`).

A hop reaches from one boundary to the next, so that they add up to the whole. The wrappers and the count of
steps cost time themselves: these figures say where the time goes, `tick` how much it is.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

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
    end = max(entry.eth_ns, entry.sol_ns)
    within = [call for call in calls if entry.quote_ns <= call.began <= end]
    found = {"quote": entry.quote_ns, "sent": end}

    def first(name: str, after: int, wanted: Callable[[Call], bool] = lambda _: True) -> Call:
        for call in within:
            if call.name == name and call.began >= after and wanted(call):
                return call
        raise Unfollowed(f"{name} was not called between the quote and the orders")

    decode = first("decode", entry.quote_ns)
    apply = first("apply", decode.ended)
    publish = first("publish", apply.ended)
    seal = first("tell", publish.ended)
    decide = [call for call in within if call.name == "decide" and publish.ended <= call.began < seal.began]
    if not decide:
        raise Unfollowed("decide was not called between the quote and the seal")
    check = first("check", decide[0].ended)
    votes = [
        call for call in within if call.name in {"vote", "ledger vote", "commit"} and call.began >= seal.began
    ]
    place_told = first("tell", seal.ended)
    votes = [call for call in votes if call.ended <= place_told.began]
    places = [call for call in within if call.name == "place"]
    if not (votes and places):
        raise Unfollowed("vote or place was not called before the orders")
    return found | {
        "decode0": decode.began,
        "decode1": decode.ended,
        "apply0": apply.began,
        "publish1": publish.ended,
        "decide0": decide[0].began,
        "decide1": decide[0].ended,
        "check0": check.began,
        "seal0": seal.began,
        "vote0": min(call.began for call in votes),
        "vote1": max(call.ended for call in votes),
        "place_told0": place_told.began,
        "place0": min(call.began for call in places),
        "place1": max(call.ended for call in places),
    }


class HopTimes(NamedTuple):
    """Microseconds by hop and part, counts by name, of all entries that could be followed."""

    hops: dict[str, list[float]]
    parts: dict[str, list[float]]
    counts: dict[str, list[float]]
    unfollowed: list[str]
    """Why the others could not be."""


def hop_times(entries: Sequence[Entry], noted: Sequence[Sequence[Any]]) -> HopTimes:
    """From what the client has noted."""
    calls = sorted((Call(*each) for each in noted), key=lambda call: call.began)
    times = HopTimes(
        {name: [] for name, *_ in HOPS},
        {name: [] for name, *_ in PARTS},
        {"task steps": [], "event loop turns": [], "observer calls": []},
        [],
    )
    begins = [call.began for call in calls]
    for entry in entries:
        end = max(entry.eth_ns, entry.sol_ns)
        near = calls[_index(begins, entry.quote_ns) : _index(begins, end)]
        try:
            at = boundaries(entry, near)
        except Unfollowed as why:
            times.unfollowed.append(str(why))
            continue
        for name, begin, until in HOPS:
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
