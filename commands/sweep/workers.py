"""Who replays the points: this machine's cores, or a Dask cluster. Either gives each result once, as it
comes.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager, suppress
from multiprocessing import active_children, get_context
from typing import Any
from uuid import uuid4

from commands.output.words import ConfigError, Refusal
from commands.signals import SO_FAR
from commands.stopping import Stopped
from commands.sweep.point import PointResult, SweepPoint, run_point

LOOK_S = 0.5
"""How often it is asked whether a person has stopped it."""
CONNECT_S = 10.0
RETRIES = 5
"""How many workers may be lost under one point before it counts as the point's fault."""


@contextmanager
def on_this_machine(points: Sequence[SweepPoint], jobs: int) -> Iterator[Iterator[PointResult]]:
    """The results of `points`, replayed in `jobs` processes. Raises `Stopped`."""
    # spawned and not forked: a fork would copy threads' locks
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        try:
            yield _as_done({pool.submit(run_point, point) for point in points})
        except BaseException:
            for child in active_children():  # nobody waits for what they are replaying
                child.terminate()
            raise
        # leaving the pool waits for its processes: one that is left alone keeps our output open for ever


def _as_done(pending: set[Future[PointResult]]) -> Iterator[PointResult]:
    while pending:
        _stop_if_asked()
        done, pending = wait(pending, timeout=LOOK_S, return_when=FIRST_COMPLETED)
        yield from (each.result() for each in done)


@contextmanager
def on_dask(points: Sequence[SweepPoint], address: str) -> Iterator[Iterator[PointResult]]:
    """The results of `points`, replayed on the cluster whose scheduler is at `address`, `tcp://host:port`.
    What a worker that is lost was replaying is replayed by another one; its result still comes once. Raises
    `ConfigError` without `distributed`, `Refusal` where nobody answers, `Stopped`.
    """
    try:
        from distributed import Client
    except ImportError as error:
        cure = "pip install -c constraints.txt -e '.[dask]'"
        raise ConfigError(
            "NOT_INSTALLED", "--dask", "--dask: needs dask.distributed, which is not installed", cure
        ) from error
    try:
        client: Any = Client(address, timeout=CONNECT_S)
    except (OSError, ValueError) as error:
        message = f"--dask: no scheduler answers at {address}"
        raise Refusal("UNREACHABLE", "--dask", message, "start one: dask scheduler") from error
    with client:
        client.wait_for_workers(1, timeout=CONNECT_S)
        # A name of its own: nothing of another sweep on this cluster is taken for this one's.
        sweep = uuid4().hex
        names = [f"evenkeel-{sweep}-{point.number}" for point in points]
        yield _as_heard(list(client.map(run_point, points, key=names, pure=False, retries=RETRIES)))


def _as_heard(pending: list[Any]) -> Iterator[PointResult]:
    from distributed import TimeoutError as TooLong
    from distributed import wait as wait_for

    while pending:
        _stop_if_asked()
        with suppress(TooLong):
            wait_for(pending, timeout=LOOK_S, return_when="FIRST_COMPLETED")
        states = [(future, future.done()) for future in pending]  # asked once: it may change in between
        done = [future for future, is_done in states if is_done]
        pending = [future for future, is_done in states if not is_done]
        for future in done:
            result: PointResult = future.result()
            future.release()  # or the cluster would compute it again when its worker is lost
            yield result


def _stop_if_asked() -> None:
    if SO_FAR.count:
        raise Stopped(SO_FAR.first, "the sweep was stopped", "what was replayed is lost", "")
