"""A simulated Nado in a process of its own, and its word on what happened: order log, archive and account, over HTTP."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import msgspec
import trio

from messages.execution import AccountSnapshot
from messages.wire import decode
from tests.test_processes import ended, started
from venue.nado.http import HttpReads
from venue.protocol import ArchivedOrder
from venue.simulated.order_log import LoggedOrder
from venue.throwaway import THROWAWAY_SENDER

DIGESTS_AT_ONCE = 50
ARCHIVE_LAG_S = 0.3


class Truth(msgspec.Struct, frozen=True):
    """All that the venue knows."""

    orders: list[LoggedOrder]
    archived: dict[str, ArchivedOrder]
    account: AccountSnapshot


@contextmanager
def simulated(folder: Path, market: str, seed: int) -> Iterator[str]:
    """The base URL of a venue that outlives every run, and ends with us however we end."""
    arguments = ["--port", "0", "--market", market, "--seed", str(seed), "--until-stdin-closes"]
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
    orders = decode(httpx.get(f"{url}/simulated/order_log", trust_env=False).raise_for_status().content, list[LoggedOrder])
    return trio.run(_truth, url, orders)


async def _truth(url: str, orders: list[LoggedOrder]) -> Truth:
    await trio.sleep(ARCHIVE_LAG_S)
    async with HttpReads(url, THROWAWAY_SENDER, name="audit") as reads:
        account = await reads.account()
        archived = [order for some in _slices([order.digest for order in orders]) for order in await reads.archived(some)]
    return Truth(orders, {order.digest: order for order in archived}, account)


def _slices(digests: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(digests), DIGESTS_AT_ONCE):
        yield digests[start : start + DIGESTS_AT_ONCE]
