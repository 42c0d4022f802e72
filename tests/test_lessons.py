"""Every lesson of the bots before this one has a scenario that carries its id, and a row in the guarantees
that names it.
"""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs/guarantees.md").read_text(encoding="utf-8")
IDS = [*(f"S{n}" for n in range(1, 9)), *(f"O{n}" for n in range(1, 16)), *(f"R{n}" for n in range(1, 17))]
ROW = re.compile(r"^\| ([SOR]\d+) \| (.+) \| (.+) \|$", re.MULTILINE)
TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


@cache
def docstrings(path: Path) -> dict[str, str]:
    """Of the tests in a file, by name."""
    nodes = (
        node
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    return {node.name: ast.get_docstring(node) or "" for node in nodes if node.name.startswith("test_")}


@cache
def told() -> dict[str, set[str]]:
    """Lesson -> tests whose docstring has it."""
    found: dict[str, set[str]] = {}
    for path in (ROOT / "tests").rglob("test_*.py"):
        for name, text in docstrings(path).items():
            for lesson in re.findall(r"\b[SOR]\d+\b", text):
                found.setdefault(lesson, set()).add(name)
    return found


@pytest.mark.parametrize("lesson", IDS)
def test_a_lesson_has_a_scenario_and_a_row_that_names_it(lesson: str) -> None:
    rows = {found[1]: found for found in ROW.finditer(PAGE)}
    assert told().get(lesson), f"no test's docstring has {lesson}"
    named = TEST.findall(rows[lesson][3])
    assert named, f"{lesson}: no test is named"
    for path, name in named:
        assert lesson in re.findall(r"\b[SOR]\d+\b", docstrings(ROOT / path)[name]), (
            f"{path}::{name} does not carry {lesson}"
        )


def test_the_page_has_the_lessons_there_are_each_once() -> None:
    assert [found[1] for found in ROW.finditer(PAGE)] == IDS


def test_every_file_and_module_that_the_page_sends_people_to_exists() -> None:
    paths = re.findall(r"`(?:pytest |python )?((?:tests|docs|benches)/[\w/-]+(?:\.\w+)?)", PAGE)
    modules = [
        module.replace(".", "/") + "/__main__.py" for module in re.findall(r"python -m (tests\.\w+)", PAGE)
    ]
    assert paths
    assert modules
    assert [path for path in paths + modules if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("number", range(1, 6))
def test_a_promise_is_worded_the_same_on_the_first_page(number: int) -> None:
    promise = re.search(rf"^\| {number} \| \*\*(.+?)\*\* \|", PAGE, re.MULTILINE)
    assert promise
    assert promise[1] in " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
