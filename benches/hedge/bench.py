"""`hedge`: how long from a fill of an order that rests to the order that hedges it, and where that time
goes.
"""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from benches.asked import Asked
from benches.figures import Taken, commit_of
from benches.hedge.filling_exchange import PIECES
from benches.hedge.hops import HEDGE_HOPS, boundaries
from benches.hedge.reading import Hedge, hedges
from benches.tick import reading
from benches.tick.bench import COLD, FULL, NORMAL
from benches.tick.block import PERIOD_MS, SETTINGS, WARM_UP, BlockFailed, Contestant, Job, exchange, traded
from benches.tick.hops import followed

HEDGE, OWN = "fill written to its hedge", "fill received to its hedge"
HEDGE_HOPS_TOTAL = f"{OWN}, with every hop timed"
HOT, FIRST = "hot", "first of a run"
HOT_MS = 100
"""A hedge takes 30 ms at the exchange: mostly it has ended when the next fill comes."""
EXCHANGE = Path(__file__).resolve().parent / "filling_exchange.py"
QUOTING = (
    *SETTINGS,
    "target=5000 USD",
    "execution.entry=maker-taker",
    "execution.quote_when=always",
    "legging_quote=600 s",
)


class Filled(NamedTuple):
    """What one block has shown."""

    first: Hedge
    """Everything that it needs is done for the first time."""
    hedges: list[Hedge]
    """Warm."""
    missed: int
    seams: list[Any]


def measure(asked: Asked) -> Taken:
    """Blocks of every contestant in turns, `asked.rounds` times, then one with every hop timed. Raises
    `BlockFailed`.
    """
    taken = Taken()
    each = -(-asked.n // asked.rounds)
    contestants: dict[tuple[str, str], Callable[[int], Filled]] = {}
    for mode, period_ms in ((COLD, PERIOD_MS), (HOT, HOT_MS)):
        contestants[NORMAL, mode] = partial(filled, Contestant(), period_ms)
        contestants[FULL, mode] = partial(filled, Contestant(sync="full"), period_ms)
    if asked.against is not None:
        other = Contestant(asked.against.resolve(), asked.against_python)
        contestants[f"checkout {commit_of(other.checkout)}, ledger normal", COLD] = partial(
            filled, other, PERIOD_MS
        )
    blocks: dict[tuple[str, str], list[Filled]] = {name: [] for name in contestants}
    for _ in range(asked.rounds):
        for who, work in contestants.items():
            blocks[who].append(work(each))
    for (name, mode), seen in blocks.items():
        warm = [hedge for block in seen for hedge in block.hedges]
        taken.add(name, HEDGE, "us", [hedge.whole_us for hedge in warm], mode=mode)
        taken.add(name, OWN, "us", [hedge.own_us for hedge in warm], mode=mode)
        if mode == COLD:
            taken.add(name, HEDGE, "us", [block.first.whole_us for block in seen], mode=FIRST)
        if missed := sum(block.missed for block in seen):
            taken.notes.append(f"{name}, {mode}: {missed} fills were hedged with a later one")
    _hops(asked.n, taken)
    taken.notes.append(
        f"cold: a fill every {PERIOD_MS} ms, hot: every {HOT_MS} ms; {PIECES} fills of each quote;"
        f" {asked.rounds} blocks of each, in turns; the first {WARM_UP} hedges of a block do not count, the"
        " very first is shown alone; no hedge is left out for having taken long"
    )
    return taken


def _hops(count: int, taken: Taken) -> None:
    block = filled(Contestant(), PERIOD_MS, count, seams=True)
    times = followed(block.hedges, block.seams, HEDGE_HOPS, boundaries)
    for kind, found, unit in (
        ("hop", times.hops, "us"),
        ("part", times.parts, "us"),
        ("count", times.counts, ""),
    ):
        for name, values in found.items():
            taken.add(name, kind, unit, values, mode=COLD)
    taken.add(NORMAL, HEDGE_HOPS_TOTAL, "us", [each.own_us for each in block.hedges], mode=COLD)
    if times.unfollowed:
        reasons = ", ".join(sorted(set(times.unfollowed)))
        taken.notes.append(f"{len(times.unfollowed)} hedges could not be followed: {reasons}")


def filled(who: Contestant, period_ms: int, count: int, *, seams: bool = False) -> Filled:
    """`count` warm hedges; fewer where a fill came before the one before it was hedged, so that one order
    hedged both. Raises `BlockFailed` unless every cycle was completed, and where there is no warm hedge.
    """
    cycles = -(-(count + WARM_UP) // PIECES)
    with tempfile.TemporaryDirectory(prefix="bench-hedge-") as place:
        folder = Path(place)
        seen = folder / "exchange"
        with exchange(EXCHANGE, str(seen), str(period_ms)) as served:
            job = Job(cycles, cycles * (PIECES * period_ms * 3 / 1000 + 1), QUOTING)
            calls, noted = traded(who, job, served, folder, seams=seams)
        if not seen.exists():
            raise BlockFailed("the exchange did not say what it had sent")
        found = hedges(reading.read(seen), calls, served.gate.product_id, served.sol_id)
    if len(found.hedges) <= WARM_UP:
        raise BlockFailed(f"{len(found.hedges)} fills were hedged alone, the first {WARM_UP} do not count")
    return Filled(found.hedges[0], found.hedges[WARM_UP : WARM_UP + count], found.missed, noted)
