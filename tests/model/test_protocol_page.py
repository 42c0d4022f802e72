"""`docs/protocol.md` says what the code does: its table is the one seen at work, its tests exist, its
trace is the model's.
"""

from pathlib import Path

import pytest

from tests.model import table
from tests.model.mutants import MUTANTS

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = (ROOT / "docs" / "protocol.md").read_text()
ONLY_FROM_AN_ABANDONED_LEG = {("recovering", "Outcome", "recovering")}
"""Legs are proven gone before the epoch is bumped, unless one did not stop and was given up on.
`test_barrier.py` asks for this row.
"""


def test_the_pages_table_is_the_one_seen_at_work() -> None:
    assert table.markdown() in PAGE, "python -m tests.model --table"


def test_the_table_in_barrier_py_is_the_one_seen_at_work() -> None:
    assert table.documented() - ONLY_FROM_AN_ABANDONED_LEG == {row[:3] for row in table.seen()}


def test_every_test_that_the_page_names_exists() -> None:
    named = {word for word in PAGE.split("`") if word.startswith("test_")}
    sources = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    assert named
    assert not [name for name in named if f"def {name}(" not in sources]


@pytest.mark.parametrize("name", ["resend_identical_bytes", "missed_is_gone"])
def test_the_pages_trace_is_the_models(name: str) -> None:
    assert MUTANTS[name].search().story() in PAGE
