"""Is this the ledger that somebody remembers, and is it still the file that was opened?"""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from actors.ledger.store import SCHEMA, Store
from messages.lifecycle import AccountStream, Opened

OURS = Opened(SCHEMA, "simulated 1a2b", 763373, "0x" + "11" * 32)


def opened_file(path: Path) -> Store:
    return Store.open(path, OURS, "normal", at_ns=1)


def append(store: Store, *texts: str) -> None:
    store.append_all([(2, AccountStream(True, text)) for text in texts])


def remove(ledger: Path) -> None:
    for path in ledger.parent.glob("ledger.sqlite*"):
        path.unlink()


def test_every_end_that_the_chain_ever_had_is_contained_in_it(tmp_path: Path) -> None:
    ends = [""]
    with closing(opened_file(tmp_path / "ledger.sqlite")) as store:
        for text in ("a", "b", "c"):
            ends.append(store.last_hash)
            append(store, text)
        ends.append(store.last_hash)
        assert len(set(ends)) == 5
        assert all(store.contains(end) for end in ends)
    with closing(Store.reading(tmp_path / "ledger.sqlite")) as reader:
        assert reader.last_hash == ends[-1]
        assert all(reader.contains(end) for end in ends)


def test_another_a_shorter_and_an_empty_chain_do_not_contain_it(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with closing(opened_file(path)) as store:
        append(store, "a", "b")
        end = store.last_hash
    remove(path)
    with closing(opened_file(path)) as empty:
        assert not empty.contains(end)
        append(empty, "a")
        assert not empty.contains(end), "shorter"
        append(empty, "other", "more")
        assert not empty.contains(end), "of the same length, with other rows"


@pytest.mark.parametrize("nonsense", ["x", "2", "2:", ":", "-1:ab", "9" * 40 + ":ab", "2:zz", "٣:ab"])
def test_what_was_never_an_end_is_not_contained(nonsense: str, tmp_path: Path) -> None:
    with closing(opened_file(tmp_path / "ledger.sqlite")) as store:
        append(store, "a", "b")
        assert not store.contains(nonsense)


def wal_alone(ledger: Path) -> None:
    (ledger.parent / "ledger.sqlite-wal").unlink()


def replace(ledger: Path) -> None:
    other = ledger.with_name("other")
    other.write_bytes(ledger.read_bytes())
    os.replace(other, ledger)


def move_away(ledger: Path) -> None:
    ledger.rename(ledger.with_name("elsewhere"))


@pytest.mark.parametrize("vandal", [remove, wal_alone, replace, move_away])
def test_a_file_that_is_gone_or_another_one_is_noticed_while_it_is_open(
    vandal: Callable[[Path], None], tmp_path: Path
) -> None:
    path = tmp_path / "ledger.sqlite"
    with closing(opened_file(path)) as store:
        append(store, "a")
        assert store.still_there()
        store.checkpoint()
        assert store.still_there()
        vandal(path)
        assert not store.still_there()


def test_a_reader_that_comes_and_goes_does_not_make_it_another_file(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with closing(opened_file(path)) as store:
        append(store, "a")
        with closing(Store.reading(path)) as reader:
            assert reader.contains(store.last_hash)
        with closing(sqlite3.connect(path)):
            pass
        assert store.still_there()
