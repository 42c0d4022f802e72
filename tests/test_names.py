"""A public type's name has one meaning in the whole of the source: two modules never define the same one."""

import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parent.parent
SOURCE = ("messages", "runtime", "actors", "venue", "commands", "supervisor.py")


def public_types(files: list[tuple[str, str]]) -> dict[str, set[str]]:
    """Which of `files` (name, text) define each public type, nested ones included."""
    found: dict[str, set[str]] = defaultdict(set)
    for name, text in files:
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found[node.name].add(name)
    return dict(found)


def in_two_places(files: list[tuple[str, str]]) -> list[str]:
    """What the house forbids, a line for each."""
    return [
        f"{name} is defined in {', '.join(sorted(where))}"
        for name, where in sorted(public_types(files).items())
        if len(where) > 1
    ]


def source_files() -> list[tuple[str, str]]:
    """Every source file, by its path from the root."""
    places = [
        path
        for place in SOURCE
        for path in ((ROOT / place).rglob("*.py") if not place.endswith(".py") else [ROOT / place])
    ]
    return [(str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")) for path in sorted(places)]


def test_no_public_type_name_has_two_meanings() -> None:
    files = source_files()
    assert len(public_types(files)) > 400
    assert in_two_places(files) == []


def test_a_second_type_of_the_same_name_is_named_with_both_places() -> None:
    twice = [
        ("a.py", "class Gate: ..."),
        ("b.py", "def f():\n    class Gate: ..."),
        ("c.py", "class _Gate: ..."),
    ]
    assert in_two_places(twice) == ["Gate is defined in a.py, b.py"]
