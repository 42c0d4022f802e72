"""A ledger whose pages are spoilt: one refusal with its cure, and no traceback."""

import shutil
from pathlib import Path

import pytest

from actors.ledger import folded
from commands.setup.run_ledger import UnreadableLedger, readable

HELD = Path(__file__).resolve().parent.parent.parent / "fixtures" / "v1" / "held"


def test_pages_that_sqlite_cannot_read_are_an_unreadable_ledger(tmp_path: Path) -> None:
    """`run` once ended in a traceback of sqlite3.DatabaseError over them."""
    (source,) = HELD.rglob("ledger.sqlite")
    ledger = Path(shutil.copy(source, tmp_path / "ledger.sqlite"))
    content = bytearray(ledger.read_bytes())
    content[4096:] = b"\x5a" * (len(content) - 4096)
    ledger.write_bytes(content)
    with pytest.raises(UnreadableLedger, match="malformed"), readable(ledger):
        folded(ledger)
