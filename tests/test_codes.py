"""Every code that the program can print has a row, or a heading, that says what to do."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("docs/running.md", "docs/codes.md")
PLACES = ("supervisor.py", "messages", "runtime", "venue", "actors", "commands")
CODE = re.compile(r"[A-Z]{3,}(?:_[A-Z]+)+")
WORDS = frozenset(
    {
        "ABORTED",
        "ALARM",
        "EMPTY",
        "FLATTENED",
        "FOREIGN",
        "HOLD",
        "INTERNAL",
        "LEAVE",
        "LEDGER",
        "MARGIN",
        "MISFIT",
    }
    | {"REMAINDER", "STOPPED", "UNBALANCED", "UNWRITABLE"}
)
"""Codes of one word, which no pattern tells from other words in capitals."""
NO_CODES = frozenset(
    {"AUTHENTICATE_STREAM", "CANCEL_ORDERS", "CANCEL_PRODUCT_ORDERS", "LINK_SIGNER", "PLACE_ORDER"}
    | {"ALERT_CODE", "ALERT_LEVEL", "CLOCK_BOOTTIME", "FIRST_COMPLETED", "NADO_STEPS", "NO_COLOR"}
    | {"SSL_CERT_DIR", "SSL_CERT_FILE", "XDG_RUNTIME_DIR", "XDG_STATE_HOME"}
)
"""Names in capitals of other things: the exchange's messages, the system's, variables of the environment."""
SIMULATED = "venue/simulated/"
"""The simulated exchange's own codes are the exchange's."""


def capitals(source: str) -> set[str]:
    """Every string of a module that is nothing but a word in capitals; names that it exports are none."""
    tree = ast.parse(source)
    exported = {
        node
        for statement in tree.body
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__all__"
        for node in ast.walk(statement)
    }
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in exported
    }


@cache
def printed() -> frozenset[str]:
    """All codes, as the sources write them."""
    paths = [path for place in PLACES for path in sorted((ROOT / place).rglob("*.py"))] + [
        ROOT / "supervisor.py"
    ]
    sources = [path for path in paths if SIMULATED not in str(path)]
    found = {word for path in sources for word in capitals(path.read_text(encoding="utf-8"))}
    return frozenset({word for word in found if CODE.fullmatch(word)} - NO_CODES | (WORDS & found))


@cache
def told() -> frozenset[str]:
    """All codes that a page has a heading or the first cell of a row for."""
    pages = "\n".join((ROOT / name).read_text(encoding="utf-8") for name in PAGES)
    cells = re.findall(r"^\|([^|]+)\|", pages, re.MULTILINE) + re.findall(r"^### (.+)$", pages, re.MULTILINE)
    return frozenset(word for cell in cells for word in re.findall(r"\b[A-Z]{3,}(?:_[A-Z]+)*\b", cell))


def test_every_code_that_can_be_printed_has_a_row() -> None:
    assert len(printed()) > 150
    assert printed() >= WORDS, "a word that is no code any more"
    missing = sorted(printed() - told())
    assert missing == [], (
        f"add what to do to {PAGES[0]} (a run that trades) or {PAGES[1]} (what does not start)"
    )


def test_no_row_is_about_a_code_that_nobody_prints() -> None:
    rows = {word for word in told() if "_" in word} | (told() & WORDS)
    assert sorted(rows - printed() - NO_CODES) == []


@pytest.mark.parametrize("source", ['Refusal("NOT_HERE", None)', 'HERE = "NOT_HERE"', 'x = {"NOT_HERE": 1}'])
def test_a_code_is_found_wherever_it_stands(source: str) -> None:
    assert capitals(source) == {"NOT_HERE"}
    assert capitals('__all__ = ["NOT_HERE"]') == set()
