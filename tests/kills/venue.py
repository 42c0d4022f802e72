"""A simulated Nado in a process of its own, and its word on what happened: order log, archive and account,
over HTTP.
"""

import subprocess
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

import httpx
import msgspec
import trio

from messages.execution import AccountSnapshot
from messages.wire import decode
from tests.processes.test_processes import ended, started
from venue.nado.http import HttpReads
from venue.protocol import ArchivedOrder, VenueError
from venue.simulated.engine.order_log import LoggedOrder
from venue.simulated.faults.order_faults import NO_FAULTS, Cut, DisturbEvent, DisturbReply, Faults, Refuse
from venue.throwaway import THROWAWAY_SENDER

T = TypeVar("T")

DIGESTS_AT_ONCE = 50
ARCHIVE_LAG_S = 0.3
ANSWER_S = 30.0
"""How long the venue is asked: runs before us may have used up its rate limit, and a hostile one loses
answers.
"""


class Truth(msgspec.Struct, frozen=True):
    """All that the venue knows."""

    orders: list[LoggedOrder]
    archived: dict[str, ArchivedOrder]
    account: AccountSnapshot


def hostile(seed: int) -> Faults:
    """A venue at which no cycle is calm: every third SOL entry is refused, answers and events are lost,
    late, doubled and overtaken.
    """
    return Faults(
        refuse=tuple(Refuse(product="SOL-PERP", nth=nth, code=2031) for nth in range(2, 200, 3)),
        cut=tuple(Cut(product="ETH-PERP", nth=nth, when="after") for nth in range(5, 200, 7)),
        reply=(
            DisturbReply(request="place_order", one_in=8, how="lose"),
            DisturbReply(one_in=40, how="delay", delay_ms=400),
        ),
        event=(
            DisturbEvent(stream="fill", one_in=6, how="drop"),
            DisturbEvent(stream="fill", one_in=6, how="duplicate"),
            DisturbEvent(stream="order_update", one_in=6, how="drop"),
            DisturbEvent(stream="fill", one_in=6, how="reorder"),
        ),
        seed=seed,
    )


@contextmanager
def simulated(folder: Path, market: str, seed: int, faults: Faults = NO_FAULTS) -> Iterator[str]:
    """The base URL of a venue that outlives every run, and ends with us however we end."""
    staged = folder / "faults.json"
    staged.write_bytes(msgspec.json.encode(faults))
    arguments = [
        "--port",
        "0",
        "--market",
        market,
        "--seed",
        str(seed),
        "--faults",
        str(staged),
        "--until-stdin-closes",
    ]
    process = started(folder, "simulate", *arguments, stdin=subprocess.PIPE)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        try:
            ended(process)
        except subprocess.TimeoutExpired:
            process.kill()


def truth_of(url: str) -> Truth:
    """Everything, asked now."""
    orders = decode(
        httpx.get(f"{url}/simulated/order_log", trust_env=False).raise_for_status().content, list[LoggedOrder]
    )
    return trio.run(_truth, url, orders)


async def _truth(url: str, orders: list[LoggedOrder]) -> Truth:
    await trio.sleep(ARCHIVE_LAG_S)
    async with HttpReads(url, THROWAWAY_SENDER, name="audit") as reads:
        with trio.fail_after(ANSWER_S):
            account = await _answered(reads.account)
            slices = [
                await _answered(partial(reads.archived, some))
                for some in _slices([order.digest for order in orders])
            ]
    return Truth(orders, {order.digest: order for some in slices for order in some}, account)


async def _answered(ask: Callable[[], Awaitable[T]]) -> T:
    while True:
        try:
            return await ask()
        except VenueError:
            await trio.sleep(0.5)


def _slices(digests: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(digests), DIGESTS_AT_ONCE):
        yield digests[start : start + DIGESTS_AT_ONCE]
