"""Breadth first over all reachable states, each compared by value. The first violation found has the shortest trace there is.

After the last state, the edges are checked for cycles (Kahn's algorithm): without any, every run ends, and L1 and L2 hold of *every* run because they
hold at every ending.
"""

import gc
import time
from array import array
from dataclasses import dataclass

from tests.model.invariants import LIVENESS, SAFETY
from tests.model.rules import Rules
from tests.model.state import State, start
from tests.model.transitions import successors


@dataclass
class Found:
    """What a search found. `name` is the broken invariant, "" when all hold."""

    states: int
    transitions: int
    depth: int
    endings: int
    seconds: float
    name: str = ""
    detail: str = ""
    trace: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        counted = f"{self.states:,} states, {self.transitions:,} transitions, depth {self.depth}, {self.endings:,} endings, {self.seconds:.1f} s"
        return counted if not self.name else f"{self.name}: {self.detail} ({counted})"

    def story(self) -> str:
        """The trace, one line a step."""
        return "\n".join(f"  {i:3}  {line}" for i, line in enumerate(self.trace, 1))


class Search:
    """One search. States are numbered in the order they are found; an edge list remembers who leads to whom."""

    def __init__(self, rules: Rules, crashes: int, losses: int, hiccups: int = 1) -> None:
        self.rules = rules
        first = start(crashes, losses, hiccups)
        self.numbers: dict[State, int] = {first: 0}
        self.order: list[State] = [first]
        self.parents = array("i", [-1])
        self.sources, self.targets = array("i"), array("i")
        self.depth = self.endings = 0
        self.began = time.perf_counter()  # how long a search takes, nothing in it depends on time

    def run(self) -> Found:
        """Search everything; stop at the first violation."""
        enabled = gc.isenabled()
        gc.disable()  # tuples without cycles: the collector would only walk over millions of them
        try:
            return self._everything()
        finally:
            if enabled:
                gc.enable()

    def _everything(self) -> Found:
        level_ends, number = 1, 0
        while number < len(self.order):
            if number == level_ends:
                self.depth, level_ends = self.depth + 1, len(self.order)
            broken = self._expand(number)
            if broken:
                return self._found(*broken)
            number += 1
        return self._found("a cycle", "a run need not end") if self._cyclic() else self._found()

    def _expand(self, number: int) -> tuple[str, str, int] | None:
        state, ends = self.order[number], True
        for _, after in successors(state, self.rules):
            if after == state:
                continue
            ends = False
            known = self.numbers.get(after)
            if known is None:
                known = self._meet(after, number)
                for rule in SAFETY:
                    detail = rule(after, state)
                    if detail:
                        return rule.__name__, detail, known
            self.sources.append(number)
            self.targets.append(known)
        return self._ending(state, number) if ends else None

    def _meet(self, state: State, parent: int) -> int:
        number = len(self.order)
        self.numbers[state] = number
        self.order.append(state)
        self.parents.append(parent)
        return number

    def _ending(self, state: State, number: int) -> tuple[str, str, int] | None:
        self.endings += 1
        for rule in LIVENESS:
            detail = rule(state, self.rules)
            if detail:
                return rule.__name__, detail, number
        return None

    def _cyclic(self) -> bool:
        """Take away states that nothing leads to, again and again; what cannot be taken away lies on or behind a cycle."""
        leads = array("i", bytes(4 * len(self.order)))
        for target in self.targets:
            leads[target] += 1
        first = array("i", bytes(4 * (len(self.order) + 1)))
        for source in self.sources:
            first[source + 1] += 1
        for i in range(len(self.order)):
            first[i + 1] += first[i]  # edges were noted in the order of their sources
        free, taken = [0], 0
        while free:
            number = free.pop()
            taken += 1
            for edge in range(first[number], first[number + 1]):
                target = self.targets[edge]
                leads[target] -= 1
                if leads[target] == 0:
                    free.append(target)
        return taken != len(self.order)

    def _found(self, name: str = "", detail: str = "", number: int | None = None) -> Found:
        trace = self._trace(number) if number is not None else ()
        seconds = time.perf_counter() - self.began
        return Found(len(self.order), len(self.targets), self.depth, self.endings, seconds, name, detail, trace)

    def _trace(self, number: int) -> tuple[str, ...]:
        lines: list[str] = []
        while number:
            parent = self.parents[number]
            state = self.order[number]
            lines.append(next(words for words, after in successors(self.order[parent], self.rules) if after == state))
            number = parent
        return tuple(reversed(lines))


def search(rules: Rules, *, crashes: int, losses: int, hiccups: int = 1) -> Found:
    """All states within the bounds."""
    return Search(rules, crashes, losses, hiccups).run()
