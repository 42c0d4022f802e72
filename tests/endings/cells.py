"""Which cells there are."""

import zlib
from collections.abc import Iterator

import msgspec

from tests.endings.outcomes import OUTCOMES
from tests.machine.bench import ACTORS

PHASES = ("enter", "repair", "exit", "flatten")
QUOTE = "quote"
"""ETH's outcome is that of an order that rests, which other traders trade with a little later; SOL's is that
of its first hedge. A matrix of its own.
"""
KNOWN = (*PHASES, QUOTE)
CRASH = "crash"
SAMPLE_EVERY = 10


class Cell(msgspec.Struct, frozen=True):
    """One run: in which plan what becomes of either leg's order, and whether an actor is killed as it
    happens.
    """

    phase: str
    eth: str
    sol: str
    crash: bool

    @property
    def name(self) -> str:
        """As it is typed after `--cell`."""
        return " / ".join((self.phase, self.eth, self.sol, *([CRASH] if self.crash else [])))

    @property
    def seed(self) -> int:
        """Of everything in it that is drawn: its direction, who is killed, Trio's scheduler."""
        return zlib.crc32(self.name.encode())

    @property
    def victim(self) -> str:
        """Who is killed."""
        return ACTORS[self.seed // 8 % len(ACTORS)]

    @property
    def command(self) -> str:
        """The line that repeats it."""
        return f'python -m tests.endings --cell "{self.name}"'


def cell_of(name: str) -> Cell:
    """Raises `ValueError` naming what there is instead."""
    phase, eth, sol, *crash = (
        (part.strip() for part in name.split("/")) if name.count("/") in {2, 3} else ("", "", "")
    )
    if phase not in KNOWN or eth not in OUTCOMES or sol not in OUTCOMES or crash not in ([], [CRASH]):
        raise ValueError(
            f"{name!r} is not PHASE / ETH / SOL or PHASE / ETH / SOL / {CRASH}: {', '.join(KNOWN)};"
            f" {', '.join(OUTCOMES)}"
        )
    return Cell(phase, eth, sol, bool(crash))


def cells() -> Iterator[Cell]:
    """All of them."""
    return (
        Cell(phase, eth, sol, crash)
        for phase in PHASES
        for crash in (False, True)
        for eth in OUTCOMES
        for sol in OUTCOMES
    )


def resting_cells() -> Iterator[Cell]:
    """All of those with an order that rests."""
    return (Cell(QUOTE, eth, sol, crash) for crash in (False, True) for eth in OUTCOMES for sol in OUTCOMES)


def sample() -> list[Cell]:
    """A tenth, drawn along the diagonals, so that every outcome of either leg is in it in every phase,
    with a crash and without.
    """
    names = list(OUTCOMES)
    return [
        cell
        for cell in cells()
        if (names.index(cell.sol) - names.index(cell.eth) - _turn(cell)) % SAMPLE_EVERY == 0
    ]


def _turn(cell: Cell) -> int:
    return 3 * PHASES.index(cell.phase) + 5 * cell.crash
