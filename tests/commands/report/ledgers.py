"""Ledgers to report on: told by a `Story`, or traded by a replay in this process."""

import json
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors.ledger.store import SCHEMA, Store
from commands import cli
from messages.lifecycle import Opened

WHOSE = Opened(SCHEMA, "Nado-simulated:story-1", 763373, "0x" + "19" * 32)


def ledger_told(logs: Path, rows: Iterable[tuple[int, msgspec.Struct]], whose: Opened = WHOSE) -> Path:
    """A ledger in `logs` with these rows after its first; its path."""
    logs.mkdir(exist_ok=True)
    path = logs / "ledger.sqlite"
    with closing(Store.open(path, whose, "normal", at_ns=1)) as store:
        store.append_all(list(rows))
    return path


def ledger_traded(logs: Path, capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    """What `replay --json` says of the ledger that it leaves in `logs`."""
    assert cli.main(["replay", "--json", "--quiet", "--logs", str(logs), *words]) == 0
    return last_object(capsys)


def report_told(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    """Exit code and object of `report --json`."""
    code = cli.main(["report", "--json", *words])
    return code, last_object(capsys)


def last_object(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The last line of standard output."""
    told: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return told
