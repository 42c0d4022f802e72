"""Which room may know which: data and imports run one way, from the commands down to the messages. Lazy
imports and those for types count too.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ("messages", "runtime", "venue", "actors", "supervisor.py", "commands")
ROOMS = (
    "messages",
    "runtime",
    "venue",
    "venue.nado",
    "venue.simulated.engine",
    "venue.simulated.faults",
    "venue.simulated.payloads",
    "venue.simulated.streams",
    "venue.simulated.markets",
    "venue.simulated",
    "venue.simulated.direct",
    "venue.simulated.gateway",
    "actors.market_data",
    "actors.risk",
    "actors.sizing",
    "actors.ledger",
    "actors.instance",
    "actors",
    "supervisor",
    "commands.output",
    "commands.watched",
    "commands.config",
    "commands.access",
    "commands.alerts",
    "commands.open_state",
    "commands.checks",
    "commands.paper",
    "commands.setup",
    "commands.screen",
    "commands.account",
    "commands.backup",
    "commands.run",
    "commands.guard",
    "commands.replay",
    "commands.drills",
    "commands.doctor",
    "commands.record",
    "commands.plan",
    "commands.verify",
    "commands",
)
"""From the bottom to the top: a room imports only from rooms before it, and from itself. What stands in no
inner room is in the outer one.
"""
SHARED = ("commands.signals", "commands.stopping", "commands.control")
"""Small files beside the commands' rooms that several of them need; they count as `commands.output`."""
NEVER = {
    "messages": ("runtime", "venue", "actors", "supervisor", "commands"),
    "runtime": ("venue", "actors", "supervisor", "commands"),
    "actors": ("venue.nado", "venue.simulated"),
    "supervisor": ("venue.nado", "venue.simulated"),
}
"""Beyond the order: what trades knows the exchange only by `venue/protocol.py`, the same for the real one
and the simulated one.
"""
EXCEPTION = ("supervisor", "commands.begin")
"""`python supervisor.py` begins a command before anything else is imported; nothing else of the supervisor
knows the commands.
"""


@cache
def modules() -> dict[str, Path]:
    folders = [path for place in SOURCES for path in sorted((ROOT / place).rglob("*.py"))]
    paths = [*folders, ROOT / "supervisor.py"]
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in paths
    }


@cache
def imported_by(name: str) -> frozenset[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(modules()[name].read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            full = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [each if each in modules() else node.module for each in full]
        found.update(each for each in names if each in modules() and each != name)
    return frozenset(found)


def arrows() -> Iterator[tuple[str, str]]:
    return ((name, other) for name in modules() for other in imported_by(name) if (name, other) != EXCEPTION)


def room(name: str) -> str:
    if name in SHARED:
        return "commands.output"
    return max((each for each in ROOMS if name == each or name.startswith(f"{each}.")), key=len)


@pytest.mark.parametrize("name", sorted(modules()), ids=str)
def test_imports_run_one_way(name: str) -> None:
    below = ROOMS.index(room(name))
    upward = [
        (name, other)
        for other in imported_by(name)
        if (name, other) != EXCEPTION and ROOMS.index(room(other)) > below
    ]
    assert not upward, (
        f"{room(name)} stands below {room(upward[0][1])}: move what is needed down, or pass it in"
    )


@pytest.mark.parametrize(("who", "whom"), [(who, whom) for who, others in NEVER.items() for whom in others])
def test_what_trades_is_narrow(who: str, whom: str) -> None:
    assert not [
        (name, other)
        for name, other in arrows()
        if f"{name}.".startswith(f"{who}.") and f"{other}.".startswith(f"{whom}.")
    ]


def test_no_two_files_import_each_other_not_even_lazily() -> None:
    """Takes away, again and again, every file of which all imports are gone: what is left goes in a
    circle.
    """
    left: dict[str, set[str]] = {name: set() for name in modules()}
    for who, other in arrows():
        left[who].add(other)
    while free := [name for name, others in left.items() if not others & left.keys()]:
        for name in free:
            del left[name]
    assert not left, f"a circle goes through {sorted(left)}"


WRITTEN = re.compile(
    r"^\s*(?:from ({0}) import|import ({0})$)".format(
        r"(?:messages|runtime|venue|actors|commands)(?:\.\w+)*"
    ),
    re.MULTILINE,
)
"""An import as it is written, in code and in the text of a program that a test hands to another Python."""


@pytest.mark.parametrize("place", ["tests", "benches", "docs", *SOURCES])
def test_what_a_text_imports_is_there(place: str) -> None:
    """A program inside a string is seen by no type checker: a file that moved leaves it behind."""
    top = ROOT / place
    files = (
        [top] if top.is_file() else [path for kind in ("*.py", "*.md") for path in sorted(top.rglob(kind))]
    )
    named = [
        (path.relative_to(ROOT), first or second)
        for path in files
        for first, second in WRITTEN.findall(path.read_text())
    ]
    assert not [
        (str(path), name)
        for path, name in named
        if name not in modules() and not (ROOT / name.replace(".", "/")).is_dir()
    ]
