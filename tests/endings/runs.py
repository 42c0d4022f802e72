"""Running cells, in processes of a pool."""

import multiprocessing
import signal
from collections.abc import Iterator, Sequence

from tests.endings.cells import Cell
from tests.endings.one import CellResult, one_cell

STUCK_S = 120
"""A cell takes a fraction of a second; one that takes this long turns round in circles while its virtual
clock stands still.
"""


def attempt_cell(cell: Cell) -> tuple[Cell, CellResult]:
    """Run it, in a process of the pool; an exception is a finding."""
    signal.signal(signal.SIGALRM, _stuck)
    signal.alarm(STUCK_S)
    try:
        return cell, one_cell(cell)
    except BaseException as error:  # noqa: BLE001 - whatever it was, the command that repeats it must be printed
        return cell, CellResult("open", (f"{type(error).__name__}: {error}",), 0, 0, 0)
    finally:
        signal.alarm(0)


def _stuck(*_signal: object) -> None:
    raise TimeoutError(f"stuck: no end in {STUCK_S} s of real time")


def every(cores: int, wanted: Sequence[Cell]) -> Iterator[tuple[Cell, CellResult]]:
    """Results as they come."""
    with multiprocessing.get_context("spawn").Pool(cores) as pool:
        yield from pool.imap_unordered(attempt_cell, wanted, chunksize=4)
