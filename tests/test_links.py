"""Every link leads somewhere: from page to page, and from a message of the program to a page."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "logs/README.md", ROOT / "tests/README.md"]
)
SOURCES = [
    path
    for place in ("actors", "commands", "runtime", "venue")
    for path in sorted((ROOT / place).rglob("*.py"))
]
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
"""`[text](target)`, and pictures."""
NAMED = re.compile(r"\b((?:docs|tests|deploy|benches|logs)/[\w./-]*\w\.(?:md|json|py|toml))(#[\w-]+)?")
"""A file of the project as the pages and messages name it: `docs/running.md#codes`."""


def anchors(page: Path) -> set[str]:
    """The headings of a page, as a browser's address bar has them."""
    headings = re.findall(r"^#+ +(.+?) *$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def wrong(target: Path, anchor: str) -> str:
    """Why nobody gets there; "" when it is there."""
    if not target.exists():
        return "there is no such file"
    if anchor and target.suffix == ".md" and anchor.removeprefix("#") not in anchors(target):
        return f"it has no heading {anchor}"
    return ""


def links_of(page: Path) -> Iterator[tuple[str, Path, str]]:
    """What is written, the file that is meant, and the heading in it."""
    text = page.read_text(encoding="utf-8")
    for written in LINK.findall(text):
        path, _, anchor = written.partition("#")
        if "://" not in written and not written.startswith("mailto:"):
            yield written, ((page.parent / path).resolve() if path else page), anchor
    for path, anchor in NAMED.findall(text):
        if not path.startswith("logs/"):
            yield f"{path}{anchor}", ROOT / path, anchor


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    found = [f"{written}: {why}" for written, path, anchor in links_of(page) if (why := wrong(path, anchor))]
    assert found == []


def test_every_page_that_a_message_names_is_there() -> None:
    strings = [
        (path, node.value)
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    named = [
        (path, *found)
        for path, text in strings
        for found in NAMED.findall(text)
        if found[0].startswith("docs/")
    ]
    assert len(named) > 10
    assert any(anchor == "#codes" for _, _, anchor in named)
    assert [f"{path}: {page}{anchor}" for path, page, anchor in named if wrong(ROOT / page, anchor)] == []


def test_pages_of_other_sites_are_spelled_as_addresses() -> None:
    """They are not asked by a test: what is written must at least be one address."""
    found = [
        each for page in PAGES for each in LINK.findall(page.read_text(encoding="utf-8")) if "://" in each
    ]
    assert found
    assert [each for each in found if not re.fullmatch(r"https://[\w.-]+\.\w+(/[\w./#~%-]*)?", each)] == []


@pytest.mark.parametrize(
    ("target", "anchor"),
    [("docs/nowhere.md", ""), ("docs/running.md", "#no-such-heading"), ("nothing.py", "")],
)
def test_a_link_that_leads_nowhere_is_found(target: str, anchor: str) -> None:
    assert wrong(ROOT / target, anchor)
    assert wrong(ROOT / "docs/running.md", "#codes") == ""
