"""Breadth first over all reachable states, each compared by value. The first violation found has the shortest
trace there is.

After the last state, the edges are checked for cycles (Kahn's algorithm): without any, every run ends, and L1
and L2 hold of *every* run because they hold at every ending.
"""

import gc
import time
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

from tests.model.invariants import LIVENESS, SAFETY, STEPS
from tests.model.rules import Rules
from tests.model.state import start
from tests.model.symmetry import mirrored, words
from tests.model.transitions import calmed, successors


class Explored(NamedTuple):
    """What a search goes through: how states follow each other, and what must hold of them. `rules` is
    whatever the functions take as such.
    """

    successors: Callable[[Any, Any], Iterator[tuple[str, Any]]]
    calmed: Callable[[Any], Any]
    safety: tuple[Callable[[Any, Any], str], ...]
    """Asked of every state and of the one before it."""
    steps: tuple[Callable[[Any, Any], str], ...]
    """Those of them that are about a step, so they are asked again on the way to a state that is known."""
    liveness: tuple[Callable[[Any, Any], str], ...]
    """Asked of every state after which nothing happens, with the rules."""
    symmetric: Callable[[Any], bool] = lambda _rules: False
    """Is of a state and its mirror image one enough?"""


BARRIER = Explored(successors, calmed, SAFETY, STEPS, LIVENESS, lambda rules: bool(rules.symmetric))


@dataclass
class SearchResult:
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
        explored = (
            f"{self.states:,} states, {self.transitions:,} transitions, depth {self.depth}, {self.endings:,}"
            " endings"
        )
        counted = f"{explored}, {self.seconds:.1f} s of one core"
        return counted if not self.name else f"{self.name}: {self.detail} ({counted})"

    def story(self) -> str:
        """The trace, one line a step."""
        return "\n".join(f"  {i:3}  {line}" for i, line in enumerate(self.trace, 1))


class Search:
    """One search. States are numbered in the order they are found; an edge list remembers who leads to
    whom.
    """

    def __init__(self, rules: Any, first: Any, explored: Explored = BARRIER) -> None:
        self.rules, self.explored = rules, explored
        self.symmetric = explored.symmetric(rules)
        self.numbers: dict[Any, int] = {first: 0}
        self.order: list[Any] = [first]
        self.parents = array("i", [-1])
        self.sources, self.targets = array("i"), array("i")
        self.depth = self.endings = 0
        self.began = time.process_time()  # how long a search takes, nothing in it depends on time

    def run(self) -> SearchResult:
        """Search everything; stop at the first violation."""
        enabled = gc.isenabled()
        gc.disable()  # tuples without cycles: the collector would only walk over millions of them
        try:
            return self._everything()
        finally:
            if enabled:
                gc.enable()

    def _everything(self) -> SearchResult:
        level_ends, number = 1, 0
        while number < len(self.order):
            if number == level_ends:
                self.depth, level_ends = self.depth + 1, len(self.order)
            broken = self._expand(number)
            if broken:
                return self._found(*broken)
            number += 1
        return self._found("a cycle", "a run need not end") if self._cyclic() else self._found()

    def _expand(self, number: int) -> tuple[str, str, tuple[Any, int]] | None:
        before, ends, explored = self.order[number], True, self.explored
        for _, reached in explored.successors(before, self.rules):
            if reached == before:
                continue
            ends = False
            after = explored.calmed(reached)
            known = self._number(after)
            rules = explored.safety if known is None or after is not reached else explored.steps
            for rule in rules:
                detail = rule(reached, before)
                if detail:
                    return rule.__name__, detail, (reached, number)
            if known is None:
                known = self._meet(after, number)
            self.sources.append(number)
            self.targets.append(known)
        return self._ending(before, number) if ends else None

    def _number(self, state: Any) -> int | None:
        """The number of a state that was met already, as it is or in the mirror."""
        known = self.numbers.get(state)
        return self.numbers.get(mirrored(state)) if known is None and self.symmetric else known

    def _meet(self, state: Any, parent: int) -> int:
        number = len(self.order)
        self.numbers[state] = number
        self.order.append(state)
        self.parents.append(parent)
        return number

    def _ending(self, state: Any, number: int) -> tuple[str, str, tuple[Any, int]] | None:
        self.endings += 1
        for rule in self.explored.liveness:
            detail = rule(state, self.rules)
            if detail:
                return rule.__name__, detail, (state, number)
        return None

    def _cyclic(self) -> bool:
        """Take away states that nothing leads to, again and again; what cannot be taken away lies on or
        behind a cycle.
        """
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

    def _found(self, name: str = "", detail: str = "", where: tuple[Any, int] | None = None) -> SearchResult:
        trace = self._trace(*where) if where is not None else ()
        seconds = time.process_time() - self.began
        return SearchResult(
            len(self.order), len(self.targets), self.depth, self.endings, seconds, name, detail, trace
        )

    def _trace(self, last: Any, number: int) -> tuple[str, ...]:
        """The moves that lead to `last`, which is state `number` or one move behind it. Where the search
        went on in the mirror, so do the words.
        """
        path = [number]
        while path[-1]:
            path.append(self.parents[path[-1]])
        states = [self.order[each] for each in reversed(path)]
        if last != states[-1]:
            states.append(last)
        lines, swapped = [], False
        for before, after in pairwise(states):
            line, turns = self._move(before, after)
            lines.append(words(line) if swapped else line)
            swapped ^= turns
        return tuple(lines)

    def _move(self, before: Any, after: Any) -> tuple[str, bool]:
        for line, reached in self.explored.successors(before, self.rules):
            for form in (reached, self.explored.calmed(reached)):
                if form == after:
                    return line, False
                if self.symmetric and mirrored(form) == after:
                    return line, True
        raise AssertionError("no move leads there")


def search(rules: Rules, *, crashes: int, losses: int) -> SearchResult:
    """All states within the bounds."""
    return Search(rules, start(crashes, losses)).run()
