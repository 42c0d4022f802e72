"""The manual has a place for every word that a message sends people to."""

import ast
import re
from pathlib import Path

import pytest

from commands.cli import COMMANDS
from commands.drills.judge import CLASSES
from commands.drills.table import DRILLS, Drill
from messages.lifecycle import SIGNER_REPLACED

ROOT = Path(__file__).resolve().parent.parent
MANUAL = (ROOT / "docs/running.md").read_text(encoding="utf-8")


def halt_codes() -> set[str]:
    """Every code that is latched, as the sources write it."""
    supervisor = "".join(
        (ROOT / name).read_text(encoding="utf-8") for name in ("supervisor.py", "actors/run_ending.py")
    )
    limits = "".join(
        (ROOT / "actors" / "risk" / name).read_text(encoding="utf-8") for name in ("limits.py", "gates.py")
    )
    found = set(re.findall(r'halt\(\s*"([A-Z_]+)"', supervisor)) | set(
        re.findall(r'"(GAVE_UP|LEDGER_UNWRITABLE|INTERNAL)"', supervisor)
    )
    named = {"MAX_DAILY_LOSS", "MAX_DRAWDOWN", "FAILED_CYCLES", "FILL_RATE", "CYCLE_SUCCESS"}
    assert found >= {"FOREIGN_FILL", "CLOSE_OVERDUE", "LEGGING_BUDGET"}
    return (
        found
        | {code for code in named if code in limits}
        | {"HALTED_BY_HAND", "STATE_UNREADABLE", SIGNER_REPLACED}
    )


@pytest.mark.parametrize("code", sorted(halt_codes()))
def test_every_halt_has_a_place_in_the_manual(code: str) -> None:
    """`HALTED ...: read docs/running.md#gave_up` must lead somewhere."""
    assert re.search(rf"^### {code}$", MANUAL, re.MULTILINE)


@pytest.mark.parametrize("command", ["status", "flatten", "halt", "clear-halt"])
def test_every_command_that_acts_on_what_is_open_is_in_the_manual(command: str) -> None:
    assert command in COMMANDS
    assert f"python supervisor.py {command} " in MANUAL


@pytest.mark.parametrize("drill", DRILLS, ids=lambda drill: drill.name)
def test_every_drill_is_in_the_manual_in_its_own_words(drill: Drill) -> None:
    assert f"| {drill.name} | {drill.text} | `{CLASSES[drill.legging]}` |" in MANUAL


NAMED = re.compile(r"`([\w/.]+\.py):([\w.]+)`")
"""A function, a class or a method, as the documents name it: `actors/leg.py:on_sealed`."""
WALK = ROOT / "docs" / "protocol.md"


def named_in(page: Path) -> list[tuple[str, str]]:
    return NAMED.findall(page.read_text(encoding="utf-8"))


def defined_in(path: Path) -> set[str]:
    """Its functions and classes, and the methods as `Class.method`."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    found = [node for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, kinds)]
    inside = {
        f"{outer.name}.{node.name}"
        for outer in found
        if isinstance(outer, ast.ClassDef)
        for node in outer.body
        if isinstance(node, kinds)
    }
    return inside | {node.name for node in found}


@pytest.mark.parametrize(
    ("page", "file", "name"),
    [
        pytest.param(page, file, name, id=f"{page.name}-{file}-{name}")
        for page in (ROOT / "CONTRIBUTING.md", ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
        for file, name in dict.fromkeys(named_in(page))
    ],
)
def test_a_function_that_a_document_names_is_there(page: Path, file: str, name: str) -> None:
    assert (ROOT / file).is_file(), f"{page.name}: {file} has moved"
    assert name in defined_in(ROOT / file), f"{page.name}: {file} has no {name}"


def test_each_step_of_a_plan_is_in_the_layer_that_the_page_says() -> None:
    rows = [line.split(" | ") for line in WALK.read_text(encoding="utf-8").splitlines() if ".py:" in line]
    assert len(rows) > 12
    for number, layers, functions, _what in rows:
        # the digest of a message is the messages', whoever asks for it
        places = [file.partition("/")[0].removesuffix(".py") for file, _ in NAMED.findall(functions)]
        assert set(places) - {"messages"} == set(layers.split(", ")), f"step {number.strip('| ')}"


def test_the_map_of_folders_is_the_tree() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = text.partition("| folder | contents |\n|---|---|\n")[2].partition("\n\n")[0].splitlines()
    named = [row.split("|")[1].strip(" `") for row in rows]
    assert [name for name in named if not (ROOT / name).exists()] == []
    sources = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert sources <= {name.strip("/") for name in named}


def test_the_readme_is_short_enough_to_be_read() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 170
