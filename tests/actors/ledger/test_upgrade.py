"""An upgrade, with whatever is open: a ledger that an earlier version began is kept as it is, and goes on in
a file of this version that says the same.
"""

import shutil
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors.ledger import LedgerFile, NewerSchema, Store, catch_up, folded
from actors.ledger import store as store_module
from actors.ledger.snapshots import snapshot_of
from actors.ledger.store import SCHEMA, Row
from commands.verify.findings import DoesNotHold
from commands.verify.recompute import FORM
from commands.verify.verifying import verified
from messages.lifecycle import Note
from tests.actors.fakes import venue_clock
from tests.actors.ledger.test_fixtures import EPOCH, ROWS, STORIES, V1, copied, identity, reopened
from tests.commands.verify import ledgers

RELEASED = {"0.1.0": ("evenkeel.ledger/1", V1)}
"""Every release's form of rows, and ledgers that its own code has written."""


def ledger_of_now(path: Path) -> LedgerFile:
    """The same ledger, as a run of this version means it."""
    return LedgerFile(path, msgspec.structs.replace(identity(path), schema=SCHEMA), "normal")


async def start_over(path: Path) -> list[str]:
    """What a start says, as far as the ledger goes."""
    seen: list[Any] = []
    await catch_up(ledger_of_now(path), None, seen.append, venue_clock())
    return [message.text for message in seen if isinstance(message, Note)]


def all_that_is_open(path: Path) -> Any:
    """All that a start goes by; but for the counts of rows, and the day, which is the reader's."""
    fold = reopened(path)
    held = fold.held(fold.epoch)
    totals = msgspec.structs.replace(held.totals, rows=0)
    return (
        msgspec.structs.replace(held, rows=0, totals=totals, day_loss=held.value or 0),
        (fold.epoch, fold.latched, fold.grounded, fold.opened and fold.opened.subaccount),
        sorted(fold.orders),
    )


def ledger_rows_of(path: Path) -> list[Row]:
    with closing(Store.reading(path)) as store:
        return store.rows(0, 10_000)


@pytest.fixture(params=STORIES)
def story(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_every_release_has_its_ledgers_here(tmp_path: Path) -> None:
    """A version that is raised again leaves ledgers of the one before in `tests/fixtures`."""
    versions = [int(form.rpartition("/")[2]) for form, _ in RELEASED.values()]
    assert versions == list(range(1, int(SCHEMA.rpartition("/")[2])))
    for form, folder in RELEASED.values():
        for name in STORIES:  # never opened where it stands: reading one leaves files beside it
            copy = Path(shutil.copyfile(folder / name / "ledger.sqlite", tmp_path / f"{name}.sqlite"))
            assert identity(copy).schema == form


@pytest.mark.parametrize("snapshot", [False, True], ids=["rows alone", "with a snapshot"])
async def test_it_goes_on_in_a_new_file_and_says_the_same(story: str, snapshot: bool, tmp_path: Path) -> None:
    path = copied(story, tmp_path)
    if snapshot:  # as code on the way from that release to this one left it
        with closing(Store.open(path, identity(path), "normal")) as store:
            store.append_all([(store.last_ns(), snapshot_of(folded(path), (0, 0)))])
    before, rows = all_that_is_open(path), ledger_rows_of(path)
    (note,) = await start_over(path)
    assert "goes on in a new file" in note
    assert all_that_is_open(path) == before
    archived = tmp_path / "archive" / f"ledger-0-{len(rows) - 1}.sqlite"
    assert (ledger_rows_of(archived), len(rows)) == (rows, ROWS[story] + snapshot)
    assert (identity(archived).schema, identity(path).schema) == ("evenkeel.ledger/1", SCHEMA)
    with closing(Store.open(path, ledger_of_now(path).opened, "normal")) as store:
        assert (store.verify(), store.last_seq) == (2, len(rows) + 1)
        assert all(store.contains(f"{row[0]}:{row[5]}") for row in rows), "an anchor of before is still in it"
    assert await start_over(path) == [], "it is of this version now"
    assert reopened(path).epoch == EPOCH[story]


async def test_all_that_follows_from_its_rows_can_still_be_recomputed(story: str, tmp_path: Path) -> None:
    path = copied(story, tmp_path)
    before = verified(tmp_path)
    await start_over(path)
    after = verified(tmp_path)
    assert (after.files, after.rows) == (2, before.rows + 2)
    assert (after.plans, after.cycles) == (before.plans, before.cycles)


async def test_the_earlier_version_refuses_what_it_would_read_past(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = copied("held", tmp_path)
    earlier = identity(path)
    await start_over(path)
    monkeypatch.setattr(store_module, "SCHEMA", earlier.schema)
    with pytest.raises(
        NewerSchema, match=r"written as evenkeel\.ledger/2, this version reads evenkeel\.ledger/1"
    ):
        Store.open(path, earlier, "normal")


async def test_a_ledger_with_a_changed_row_is_left_as_it_is(tmp_path: Path) -> None:
    path = copied("held", tmp_path)
    with closing(Store.open(path, identity(path), "normal")) as store:
        store._db.execute("DROP TRIGGER events_are_never_changed")
        store._db.execute("UPDATE events SET at_ns = at_ns + 1 WHERE seq = 5")
    rows = ledger_rows_of(path)
    await start_over(path)
    assert ledger_rows_of(path) == rows, "its pair is closed by what is good of it, and a person looks"
    assert not (tmp_path / "archive").exists()


@pytest.mark.parametrize("form", ["evenkeel.ledger/1", SCHEMA])
def test_a_column_that_an_earlier_version_left_blank_is_no_finding_and_one_of_now_is(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found by an upgrade of a real 0.1.0 with its pair open: `verify` named its first CSV line."""
    monkeypatch.setattr(ledgers, "OURS", msgspec.structs.replace(ledgers.OURS, schema=form))
    ledgers.ledger_of(tmp_path, ledgers.eventful())
    trades = tmp_path / "DN_pair_eth_sol_nado_trades.csv"
    header, *lines = trades.read_text().splitlines(keepends=True)
    blank = "".join(line.rpartition(",")[0] + ",\n" for line in lines)
    trades.write_text(header + blank)
    assert header.endswith(",websocket_available\n")
    if form == SCHEMA:
        with pytest.raises(DoesNotHold, match="websocket_available"):
            verified(tmp_path)
    else:
        assert verified(tmp_path).csv_lines > 0
        trades.write_text(header + blank.replace(",0.042,", ",0.043,"))
        with pytest.raises(DoesNotHold, match="quantity"):
            verified(tmp_path)


def test_verify_means_the_same_version_as_what_writes() -> None:
    assert FORM == SCHEMA
