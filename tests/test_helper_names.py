"""A helper or fake of the tests is found by its name alone: no two modules of the test tree define the same
one.

Held for every class, and for every function that another module imports. Fixtures are exempt: pytest finds
them by their place. So is `main`, which every command has.
"""

import ast
from collections import defaultdict

from tests.test_names import ROOT

NOT_YET = {
    "command", "cut", "faults", "files", "left", "order", "played", "recorded", "started", "typed", "words",
}  # fmt: skip
"""Functions of one module in tests/commands that have a shared helper's name. The list only gets shorter."""


def module_of(name: str) -> str:
    """`tests/a/b.py` as an import names it."""
    return name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def is_fixture(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any("fixture" in ast.unparse(decorator) for decorator in node.decorator_list)


def helpers_in_two_places(files: list[tuple[str, str]]) -> list[str]:
    """What is forbidden, a line for each. `files`: (path from the root, text)."""
    classes: dict[str, list[str]] = defaultdict(list)
    functions: dict[str, list[str]] = defaultdict(list)
    imported: set[tuple[str, str]] = set()
    for name, text in files:
        for node in ast.walk(tree := ast.parse(text)):
            if isinstance(node, ast.ImportFrom) and node.module:
                imported |= {(node.module, alias.name) for alias in node.names}
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                classes[node.name].append(name)
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not is_fixture(node):
                functions[node.name].append(name)
    shared = {
        helper: places
        for helper, places in functions.items()
        if helper != "main" and any((module_of(place), helper) in imported for place in places)
    }
    return [
        f"{helper} is defined in {', '.join(sorted(places))}"
        for helper, places in sorted([*classes.items(), *shared.items()])
        if len(places) > 1
    ]


def test_no_helper_of_the_tests_has_the_name_of_another() -> None:
    files = [
        (str(path.relative_to(ROOT)), path.read_text(encoding="utf-8"))
        for path in sorted((ROOT / "tests").rglob("*.py"))
        if "fixtures"
        not in path.parts  # a program for the old code, whose functions are called as their folders
    ]
    assert len(files) > 200
    found = {line.partition(" ")[0]: line for line in helpers_in_two_places(files)}
    assert [line for name, line in found.items() if name not in NOT_YET] == []
    assert sorted(NOT_YET - found.keys()) == [], "these are unique now: strike them from NOT_YET"


def test_a_second_helper_of_the_same_name_is_named_with_both_places() -> None:
    files = [
        ("tests/a/kit.py", "class FakeWire: ...\ndef sealed(): ...\ndef local(): ..."),
        ("tests/b/test_b.py", "from tests.a.kit import sealed\nclass FakeWire: ...\ndef local(): ..."),
        ("tests/c/test_c.py", "async def sealed(): ..."),
        ("tests/d/test_d.py", "import pytest\n@pytest.fixture\ndef sealed(): ..."),
    ]
    assert helpers_in_two_places(files) == [
        "FakeWire is defined in tests/a/kit.py, tests/b/test_b.py",
        "sealed is defined in tests/a/kit.py, tests/c/test_c.py",
    ]


def test_the_page_of_the_tests_names_every_folder() -> None:
    page = (ROOT / "tests" / "README.md").read_text(encoding="utf-8")
    folders = sorted(path.parent.name for path in (ROOT / "tests").glob("*/__init__.py"))
    assert len(folders) > 15
    assert [name for name in folders if f"`{name}`" not in page and f"tests.{name}" not in page] == []
