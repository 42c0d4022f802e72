"""The rows on disk: append-only, chained, and somebody's."""

import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from actors.ledger.reading import Reading
from actors.ledger.store import KINDS, SCHEMA, BrokenChain, NewerSchema, OtherIdentity, Store, archive_logs
from messages.lifecycle import AccountStream, Note, Opened
from messages.units import Ns

OURS = Opened(SCHEMA, "simulated 1a2b", 763373, "0x" + "11" * 32)
SECOND = 1_000_000_000


def said(text: str) -> AccountStream:
    return AccountStream(True, text)


def opened_store(path: Path, opened: Opened = OURS) -> Store:
    return Store.open(path, opened, "normal", at_ns=SECOND)


def store_written(path: Path, texts: list[str]) -> None:
    with closing(opened_store(path)) as store:
        store.append_all([(i * SECOND, said(text)) for i, text in enumerate(texts, start=2)])


def tampered_row(path: Path, statement: str) -> None:
    """Do to the file what only someone with the file in hands can do."""
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("DROP TRIGGER events_are_never_changed")
        database.execute("DROP TRIGGER events_are_never_removed")
        database.execute(statement)


def broken_at(path: Path) -> int:
    """Where the chain is broken, by verifying all of it, by reading it, and as the reader in slices says:
    one answer.
    """
    with closing(Store.reading(path)) as store:
        with pytest.raises(BrokenChain) as broken:
            store.verify()
        reading = Reading(store)
        reading.whole()
        assert reading.broken == str(broken.value)
    return broken.value.row


def test_a_new_ledger_begins_with_whose_it_is(tmp_path: Path) -> None:
    with closing(opened_store(tmp_path / "logs" / "ledger.sqlite")) as store:
        assert list(store.events()) == [(0, SECOND, OURS)]


def test_what_was_written_is_read_back_in_order_and_across_openings(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    store_written(path, ["a", "b"])
    with closing(opened_store(path)) as store:
        store.append_all([(9 * SECOND, said("c"))])
        assert [(seq, at) for seq, at, _ in store.events()] == [
            (0, SECOND),
            (1, 2 * SECOND),
            (2, 3 * SECOND),
            (3, 9 * SECOND),
        ]
        assert [message for _, _, message in store.events()][1:] == [said("a"), said("b"), said("c")]
        assert store.verify() == 4


def test_every_message_type_can_be_a_row() -> None:
    assert {
        "Sealed",
        "Ready",
        "Fill",
        "AccountSnapshot",
        "Resolved",
        "Started",
        "Staged",
        "Opened",
    } <= KINDS.keys()


def test_a_batch_is_all_or_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with closing(opened_store(path)) as store:
        with pytest.raises(sqlite3.IntegrityError):
            store.append_all([(1, said("a")), (None, said("b"))])  # type: ignore[list-item]
        store.append_all([(2, said("c"))])
        assert [message for _, _, message in store.events()][1:] == [said("c")]
        store.verify()


@pytest.mark.parametrize("statement", ["UPDATE events SET body = ''", "DELETE FROM events WHERE seq = 1"])
def test_a_row_can_be_neither_changed_nor_removed(tmp_path: Path, statement: str) -> None:
    path = tmp_path / "ledger.sqlite"
    store_written(path, ["a"])
    with (
        closing(sqlite3.connect(path)) as database,
        pytest.raises(sqlite3.IntegrityError, match="append-only"),
    ):
        database.execute(statement)


@pytest.mark.parametrize(
    "change",
    [
        msgspec.structs.replace(OURS, venue="simulated 3c4d"),
        msgspec.structs.replace(OURS, chain_id=57073),
        msgspec.structs.replace(OURS, subaccount="0x" + "22" * 32),
    ],
)
def test_another_identity_is_refused_naming_both(tmp_path: Path, change: Opened) -> None:
    path = tmp_path / "ledger.sqlite"
    store_written(path, ["a"])
    with pytest.raises(OtherIdentity) as refused:
        opened_store(path, change)
    for part in (OURS.venue, change.venue, str(change.chain_id), change.subaccount):
        assert part in str(refused.value)


def test_a_later_schema_is_refused_naming_both(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    opened_store(path, msgspec.structs.replace(OURS, schema="evenkeel.ledger/3")).close()
    with pytest.raises(NewerSchema, match=r"evenkeel\.ledger/3.*evenkeel\.ledger/2"):
        opened_store(path)


@pytest.mark.parametrize(
    ("statement", "row"),
    [
        ("UPDATE events SET body = replace(body, 'b', 'B') WHERE seq = 2", 2),
        ("UPDATE events SET at_ns = at_ns + 1 WHERE seq = 1", 1),
        ("UPDATE events SET kind = 'Note' WHERE seq = 3", 3),
        ("UPDATE events SET hash = 'x' WHERE seq = 2", 2),
        ("UPDATE events SET prev = 'x' WHERE seq = 2", 2),
        ("DELETE FROM events WHERE seq = 2", 2),
        ("UPDATE events SET at_ns = 0 WHERE seq = 0", 0),
    ],
)
def test_a_change_to_any_column_breaks_the_chain_at_its_row(tmp_path: Path, statement: str, row: int) -> None:
    path = tmp_path / "ledger.sqlite"
    store_written(path, ["a", "b", "c"])
    tampered_row(path, statement)
    assert broken_at(path) == row


def test_a_flipped_byte_in_the_file_is_found(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    store_written(path, ["a", "a very recognisable text", "c"])
    raw = path.read_bytes()
    at = raw.index(b"recognisable")
    path.write_bytes(raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :])
    assert broken_at(path) == 2


def test_a_broken_ledger_can_be_read_without_the_bad_row_and_written_on(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    store_written(path, ["a", "b", "c"])
    tampered_row(path, "UPDATE events SET body = replace(body, 'b', 'B') WHERE seq = 2")
    with closing(opened_store(path)) as store:
        store.append_all([(9 * SECOND, said("d"))])
        assert [message for _, _, message in store.events()][1:] == [said("a"), said("c"), said("d")]
        with pytest.raises(BrokenChain):
            store.verify()


def test_a_ledger_without_its_first_row_is_nobodys(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    store_written(path, ["a"])
    tampered_row(path, "DELETE FROM events WHERE seq = 0")
    with pytest.raises(BrokenChain) as broken:
        opened_store(path)
    assert broken.value.row == 0


def test_it_can_be_read_while_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with closing(opened_store(path)) as store:
        store.append_all([(2, said("a"))])
        with closing(Store.reading(path)) as reader:
            assert [message for _, _, message in reader.events()] == [OURS, said("a")]


def test_a_commit_survives_without_a_clean_close(tmp_path: Path) -> None:
    """What a kill -9 leaves: the main file untouched since the last checkpoint, and the write-ahead log
    beside it.
    """
    path, left = tmp_path / "ledger.sqlite", tmp_path / "left" / "ledger.sqlite"
    left.parent.mkdir()
    with closing(opened_store(path)) as store:
        store.append_all([(2, said("a"))])
        for suffix in ("", "-wal"):
            left.with_name(left.name + suffix).write_bytes(path.with_name(path.name + suffix).read_bytes())
    with closing(opened_store(left)) as store:
        assert store.verify() == 2


def test_the_write_ahead_log_moves_only_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    wal = tmp_path / "ledger.sqlite-wal"
    with closing(opened_store(path)) as store:
        size = path.stat().st_size
        for i in range(50):
            store.append_all([(i, said("x" * 5_000)) for _ in range(20)])
        assert path.stat().st_size == size
        assert wal.stat().st_size > 4_000_000  # the default would have moved it at 1,000 pages
        store.checkpoint()
        assert path.stat().st_size > 4_000_000


def test_a_kind_from_a_later_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"

    class FromTheFuture(msgspec.Struct, frozen=True):
        pass

    with closing(opened_store(path)) as store:
        store.append_all([(1, FromTheFuture())])
        with pytest.raises(NewerSchema, match="FromTheFuture"):
            list(store.events())


def test_an_earlier_venues_files_move_aside_and_others_stay(tmp_path: Path) -> None:
    opened_store(tmp_path / "ledger.sqlite").close()
    for name in (
        "ledger.sqlite-wal",
        "DN_pair_eth_sol_nado_trades.csv",
        "DN_pair_eth_sol_nado_positions.csv",
        "evenkeel.log",
        "README.md",
    ):
        (tmp_path / name).write_text(name)
    archive = archive_logs(tmp_path, "20261123T120411Z")
    assert archive == tmp_path / "archive" / "20261123T120411Z"
    assert sorted(path.name for path in archive.iterdir()) == [
        "DN_pair_eth_sol_nado_positions.csv",
        "DN_pair_eth_sol_nado_trades.csv",
        "ledger.sqlite",
        "ledger.sqlite-wal",
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "README.md",
        "archive",
        "evenkeel.log",
        "ledger.sqlite.lock",
    ]
    with pytest.raises(FileExistsError):
        archive_logs(tmp_path, "20261123T120411Z")


def test_unusual_text_is_kept_exactly(tmp_path: Path) -> None:
    note = Note(Ns(1), "info", "test", 'quote" pipe| newline\n tab\t umlaut \u00e4 nul \x00 end')
    with closing(opened_store(tmp_path / "ledger.sqlite")) as store:
        store.append_all([(1, note)])
        assert list(store.events())[-1][2] == note
        assert store.verify() == 2
