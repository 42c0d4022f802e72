"""Which cells there are: every mode, in every state."""

import random
import zlib
from collections.abc import Iterator, Sequence
from typing import Literal, get_args

import msgspec

from tests.hostile import answers, frames, handshakes, lies, rules
from tests.hostile.mode import Mode
from tests.hostile.terminal import TERMINALS, UNGUARDED
from tests.hostile.vandal import DEEDS

State = Literal["held", "entering", "leaving", "killed"]
STATES: tuple[State, ...] = get_args(State)
WIRE: dict[str, Mode] = {
    mode.name: mode for mode in (*handshakes.MODES, *frames.MODES, *answers.MODES, *rules.MODES, *lies.MODES)
}
NOBODY = {(name + UNGUARDED, "killed") for name in TERMINALS}
"""Without a guard nobody is left to close."""


class HostileCell(msgspec.Struct, frozen=True):
    """One mode in one state: `held` = a pair is open, `entering` and `leaving` = with the first such
    order, `killed` = and the run is killed.
    """

    mode: str
    state: State

    @property
    def name(self) -> str:
        """As it is typed after `--cell`."""
        return f"{self.mode} / {self.state}"

    @property
    def seed(self) -> int:
        """Of what is drawn in it."""
        return zlib.crc32(self.name.encode())


def hostile_cells(modes: Sequence[str], states: Sequence[State]) -> Iterator[HostileCell]:
    """All of these. Raises `ValueError` naming what there is instead."""
    if unknown := [mode for mode in modes if not matching(mode)]:
        raise ValueError(f"no mode is called {', '.join(unknown)}: see --list")
    for typed in modes:
        yield from (
            HostileCell(mode, state)
            for mode in matching(typed)
            for state in states
            if (mode, state) not in NOBODY
        )


def matching(typed: str) -> list[str]:
    """The mode of this name; of `upgrade*` all that begin so."""
    if typed.endswith("*"):
        return [name for name in names() if name.startswith(typed[:-1])]
    return [typed] if typed in names() else []


def names() -> list[str]:
    """Of all modes: of the wire, of files and processes, of the terminal."""
    return [*WIRE, *DEEDS, *TERMINALS, *(name + UNGUARDED for name in TERMINALS)]


def hostile_sample(every: Sequence[HostileCell], count: int, seed: int) -> list[HostileCell]:
    """`count` of them, spread over the modes first."""
    shuffled = list(every)
    random.Random(seed).shuffle(shuffled)
    seen: dict[str, int] = {}
    rank = {
        cell.name: seen[cell.mode]
        for cell in shuffled
        if seen.update({cell.mode: seen.get(cell.mode, 0) + 1}) is None
    }
    return sorted(shuffled, key=lambda cell: rank[cell.name])[:count]
