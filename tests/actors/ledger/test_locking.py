"""One process writes a ledger, its files are their owner's alone, and no lock stops a guard."""

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from actors.ledger import CsvBooks, Disk, Journal, LedgerError, LedgerFile, Store, folded, locking
from actors.ledger.escapes import write_down
from actors.ledger.store import SCHEMA, archive_logs
from messages.lifecycle import AccountStream, GuardActed, Opened
from messages.units import Ms
from tests.actors.fakes import ORDER_BUILDER, venue_clock

OURS = Opened(SCHEMA, "test", 763373, "0x" + "11" * 32)
HOLD = """
import sys, time
from pathlib import Path
from actors.ledger import Store
from messages.lifecycle import Opened
store = Store.open(Path(sys.argv[1]), Opened("evenkeel.ledger/1", "test", 763373, "0x" + "11" * 32), "normal", at_ns=1)
print("open", flush=True)
time.sleep(60)
"""  # noqa: E501


@contextmanager
def another_process(ledger: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(ledger)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        yield process
        process.kill()


def test_a_second_process_is_refused_soon_and_told_who_has_it(tmp_path: Path) -> None:
    ledger = tmp_path / "logs" / "ledger.sqlite"
    with another_process(ledger) as process:
        began = time.monotonic()
        with pytest.raises(
            LedgerError, match=rf"ledger\.sqlite is being written by process {process.pid}; .*--logs"
        ):
            Store.open(ledger, OURS, "normal")
        assert time.monotonic() - began < 1
        assert folded(ledger).rows == 1, "reading takes no lock"
        process.kill()
        process.wait()
        Store.open(ledger, OURS, "normal").close()


async def test_a_guard_whose_run_was_stopped_journals_beside_the_ledger(tmp_path: Path) -> None:
    ledger = tmp_path / "logs" / "ledger.sqlite"
    with another_process(ledger) as process:
        process.send_signal(signal.SIGSTOP)
        with closing(
            Journal(
                LedgerFile(ledger, OURS, "normal"), ORDER_BUILDER, venue_clock(), lambda _message: None, 2
            )
        ) as journal:
            journal.write(GuardActed(2, "run", Ms(9)))
            assert (journal.in_ledger, journal.unreadable) == (False, "")
        assert [path.name.startswith("escape-") for path in beside(ledger)] == [True]
        process.send_signal(signal.SIGCONT)


def beside(ledger: Path) -> list[Path]:
    return list(ledger.parent.glob("escape-*"))


def test_the_same_process_may_open_it_again_and_the_lock_lasts_as_long_as_the_last(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.sqlite"
    first = Store.open(ledger, OURS, "normal")
    second = Store.open(ledger, OURS, "normal")
    first.close()
    first.close()
    assert locking._held
    second.close()
    assert not locking._held


def test_another_users_ledger_is_refused_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = tmp_path / "ledger.sqlite"
    Store.open(ledger, OURS, "normal").close()
    monkeypatch.setattr(os, "geteuid", lambda: 4242)
    with pytest.raises(
        LedgerError,
        match=r"belongs to user id .*, this process runs as 4242: run it as that user, or use another --logs",
    ):
        Store.open(ledger, OURS, "normal")


@pytest.mark.parametrize("umask", [0o000, 0o022])
def test_every_file_is_its_owners_alone_whatever_the_umask(umask: int, tmp_path: Path) -> None:
    logs, before = tmp_path / "logs", os.umask(umask)
    try:
        with closing(Store.open(logs / "ledger.sqlite", OURS, "normal")) as store:
            store.append_all([(2, AccountStream(True, ""))])
            write_down(logs / "escape-20261128T000000Z.jsonl", [(2, AccountStream(True, ""))])
            CsvBooks(logs, "Nado").append([("trades", {"cycle_id": "1"}), ("positions", {"cycle_id": "1"})])
            Disk(logs, 0).reserve()
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in logs.iterdir()}
        assert set(modes) >= {
            "ledger.sqlite",
            "ledger.sqlite-wal",
            "ledger.sqlite-shm",
            "ledger.sqlite.lock",
            "reserve",
        }
        assert set(modes.values()) == {0o600}, modes
        assert stat.S_IMODE(logs.stat().st_mode) == 0o700
        archive = archive_logs(logs, "20261128T000000Z")
        assert stat.S_IMODE(archive.stat().st_mode) == 0o700
    finally:
        os.umask(before)


def test_a_ledger_that_was_readable_by_everybody_is_not_any_more(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.sqlite"
    Store.open(ledger, OURS, "normal").close()
    ledger.chmod(0o644)
    Store.open(ledger, OURS, "normal").close()
    assert stat.S_IMODE(ledger.stat().st_mode) == 0o600


def test_the_archive_leaves_the_lock_where_it_is(tmp_path: Path) -> None:
    with closing(Store.open(tmp_path / "ledger.sqlite", OURS, "normal")):
        archive_logs(tmp_path, "20261128T000000Z")
        assert (tmp_path / "ledger.sqlite.lock").exists()
        assert not (tmp_path / "ledger.sqlite").exists()
