"""`backup` and `restore`: a copy is a ledger of one moment, whole and verified; what it is put back over was
older, broken or not there; and it never makes anybody say "flat" who cannot know.
"""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from actors.instance.state import opened_state, read_state, state_directory
from actors.ledger import LedgerFile, Store, catch_up, rotation
from actors.ledger.locking import kept
from actors.ledger.snapshots import snapshot_of
from commands import cli
from commands.account.target_account import TargetAccount, target_account
from commands.backup import copying
from commands.output.json_keys import keys_of
from messages.lifecycle import AccountStream, Note, Started
from messages.units import Ns
from tests.actors.fakes import START_MS, venue_clock
from tests.actors.ledger.story import Story
from tests.commands.verify.ledgers import OURS

URL = "http://127.0.0.1:9"
"""Where nothing answers: what is open is said by the files."""


class BackupTold(msgspec.Struct, frozen=True):
    code: int
    told: dict[str, Any]
    errors: str

    @property
    def why(self) -> str | None:
        """The code of the error."""
        return (self.told["error"] or {}).get("code")


@pytest.fixture
def told_by(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr("commands.account.status.VENUE_S", 0.2)

    def run(command: str, *arguments: object) -> BackupTold:
        code = cli.main([command, *map(str, arguments), "--json"])
        output, errors = capsys.readouterr()
        told = json.loads(output.splitlines()[-1])
        assert tuple(told) == keys_of(command)
        return BackupTold(code, told, errors)

    return run


def stored_rows(path: Path) -> list[Any]:
    with closing(Store.reading(path)) as store:
        return store.rows(0, 10_000)


def pair_story(cycle: int = 1) -> Story:
    """A pair that is held at the exchange of `URL`."""
    story = Story(ready=False)
    story.tell(Started(7, Ns(START_MS * 1_000_000), URL, "0xabc", "default"), AccountStream(True, ""))
    story.snapshot()
    story.enter(cycle)
    story.snapshot()
    return story


def ledger_with(logs: Path, story: Story, since: int = 0) -> Path:
    """Its rows from `since` on, in the ledger of `logs`; the folder."""
    with closing(Store.open(logs / "ledger.sqlite", OURS, "normal", at_ns=1)) as store:
        store.append_all(story.rows[since:])
    return logs


def copy_of(told_by: Any, logs: Path, folder: Path) -> Path:
    done = told_by("backup", folder, "--logs", logs)
    assert done.code == 0, done.errors
    return Path(done.told["copy"])


def account_of(logs: Path) -> TargetAccount:
    return target_account(None, None, {"files.logs": str(logs)}, signs=False)


# -- backup --------------------------------------------------------------------------------------------------


def test_a_copy_of_a_ledger_that_is_being_written_is_its_rows_in_one_private_file(
    told_by: Any, tmp_path: Path
) -> None:
    logs, copies = tmp_path / "logs", tmp_path / "copies"
    story = pair_story()
    with closing(Store.open(logs / "ledger.sqlite", OURS, "normal", at_ns=1)) as store:
        store.append_all(story.rows)
        done = told_by("backup", copies, "--logs", logs)
        (copy,) = copies.iterdir()
        assert stored_rows(copy) == stored_rows(logs / "ledger.sqlite")
        store.append_all([(1, Note(Ns(1), "info", "run", "the writer goes on"))])
        assert len(stored_rows(logs / "ledger.sqlite")) == len(stored_rows(copy)) + 1
    assert (copy.stat().st_mode & 0o777, copies.stat().st_mode & 0o777) == (0o600, 0o700)
    assert done.told | {"copy": None} == dict.fromkeys(keys_of("backup")) | {
        "schema": "evenkeel.backup/1",
        "ok": True,
        "exit_code": 0,
        "ended_by": "done",
        "venue": OURS.venue,
        "subaccount": OURS.subaccount,
        "ledger": str(logs / "ledger.sqlite"),
        "rows": len(story.rows) + 1,
        "last_row": done.told["last_row"],
        "open": "ETH-PERP 0.042, SOL-PERP -1 open",
        "copies": 1,
        "removed": 0,
    }
    assert done.told["last_row"].startswith(f"{len(story.rows)}:")


def test_the_newest_copies_stay_and_what_else_is_in_the_folder_is_not_touched(
    told_by: Any, tmp_path: Path
) -> None:
    logs, copies = ledger_with(tmp_path / "logs", pair_story()), tmp_path / "copies"
    copies.mkdir()
    (copies / "ledger-mine.sqlite").touch()
    for day in range(10, 15):
        (copies / f"ledger-202511{day}T000000Z.sqlite").touch()
    done = told_by("backup", copies, "--logs", logs, "--keep", 3)
    assert (done.told["copies"], done.told["removed"]) == (3, 3)
    assert sorted(path.name for path in copies.iterdir())[:2] == [
        "ledger-20251113T000000Z.sqlite",
        "ledger-20251114T000000Z.sqlite",
    ]
    assert (copies / "ledger-mine.sqlite").exists()


def test_an_order_on_its_way_is_waited_for(
    told_by: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy with an order in doubt would be in doubt for ever: nobody adopts it."""
    monkeypatch.setattr(copying, "TRY_S", 0.001)
    story = pair_story()
    story.placed("exit", "-0.042", "1", cycle=1)
    flown = len(story.rows)
    logs, copies = ledger_with(tmp_path / "logs", story), tmp_path / "copies"
    story.fill("eth")
    story.fill("sol")
    story.snapshot()
    waited, slept, made, copied = [], trio.sleep, list[Path](), copying.copied_file

    async def sleep(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            ledger_with(logs, story, flown)
        await slept(seconds)

    def counted(ledger: Path, target: Path) -> Path:
        made.append(target)
        return copied(ledger, target)

    monkeypatch.setattr("commands.backup.copying.trio.sleep", sleep)
    monkeypatch.setattr(copying, "copied_file", counted)
    done = told_by("backup", copies, "--logs", logs)
    assert (done.told["open"], len(waited), len(made)) == ("", 3, 1)


def test_where_no_run_ends_it_the_copy_says_what_is_in_doubt(
    told_by: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "TRY_S", 0.001)
    story = pair_story()
    story.placed("exit", "-0.042", "1", cycle=1)
    done = told_by("backup", tmp_path / "copies", "--logs", ledger_with(tmp_path / "logs", story))
    assert "unknown: no run has asked the exchange about it yet" in done.told["open"]


def test_a_ledger_with_a_changed_row_makes_no_copy_and_costs_none(told_by: Any, tmp_path: Path) -> None:
    story = pair_story()
    story.rows.append((1, snapshot_of(story.fold, (0, 0))))
    logs, copies = ledger_with(tmp_path / "logs", story), tmp_path / "copies"
    before = copy_of(told_by, logs, copies)
    before.rename(copies / "ledger-20251113T000000Z.sqlite")
    with closing(sqlite3.connect(logs / "ledger.sqlite")) as database:
        database.execute("DROP TRIGGER events_are_never_changed")
        database.execute("UPDATE events SET at_ns = at_ns + 1 WHERE seq = 3")
        database.commit()
    done = told_by("backup", copies, "--logs", logs, "--keep", 1)
    assert (done.code, done.why) == (3, "BROKEN_LEDGER")
    assert "row 3 of the ledger is not the row that was written" in done.errors
    assert [path.name for path in copies.iterdir()] == ["ledger-20251113T000000Z.sqlite"]


async def test_files_of_earlier_rows_are_copied_once_and_restored(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(rotation, "ROTATE_ROWS", 10)
    story = pair_story()
    logs, copies, back = ledger_with(tmp_path / "logs", story), tmp_path / "copies", tmp_path / "back"
    await catch_up(LedgerFile(logs / "ledger.sqlite", OURS, "normal"), None, lambda _: None, venue_clock())
    done = await copying.backed_up(logs, copies, 30, "20261130T000000Z")
    assert done.earlier == 1
    assert (await copying.backed_up(logs, copies, 30, "20261130T000001Z")).earlier == 0
    from commands.backup.restoring import copy_at, put_back

    copy = copy_at(copies)
    target = target_account(None, None, {"files.logs": str(back)}, signs=False, ledger=copy.path)
    put_back(copy, target)
    assert stored_rows(back / "ledger.sqlite") == stored_rows(logs / "ledger.sqlite")
    assert len(stored_rows(back / "ledger.sqlite")) == len(story.rows) + 1, "those of the earlier file"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["copies", "--keep", "0"], "BAD_VALUE"),
        (["logs"], "BAD_VALUE"),
        (["copies", "--logs", "nowhere"], "NO_LEDGER"),
    ],
)
def test_what_cannot_be_meant_is_usage(told_by: Any, tmp_path: Path, arguments: list[str], why: str) -> None:
    logs = ledger_with(tmp_path / "logs", pair_story())
    folder, *rest = arguments
    rest = rest if "--logs" in rest else [*rest, "--logs", str(logs)]
    done = told_by("backup", tmp_path / folder, *rest)
    assert (done.code, done.why) == (2, why)


# -- restore -------------------------------------------------------------------------------------------------


def test_on_another_machine_a_copy_is_unknown_whatever_it_says(told_by: Any, tmp_path: Path) -> None:
    """No state file knows a later row there: a copy from before a pair would pass for the whole truth."""
    story = pair_story()
    for name, rows in (("held", story.rows), ("flat", story.rows[:4])):
        logs = tmp_path / name
        with closing(Store.open(logs / "ledger.sqlite", OURS, "normal", at_ns=1)) as store:
            store.append_all(rows)
        copy = copy_of(told_by, logs, tmp_path / f"copies-{name}")
        back = tmp_path / f"back-{name}"
        done = told_by("restore", copy, "--logs", back)
        assert (done.code, done.why) == (4, "NOT_FLAT"), name
        assert done.told["open"].startswith("unknown: "), name
        assert done.told["rows"] == len(rows) + 1
        assert stored_rows(back / "ledger.sqlite") == stored_rows(copy)
        assert told_by("status", "--logs", back).code == 4, name
        anchor = read_state(account_of(back).states[0]).anchor
        assert anchor is not None
        assert (anchor.may_be_open, anchor.logs) == (True, str(back))
        for path in state_directory().glob("*"):
            path.unlink()


def test_where_the_state_file_knows_a_later_row_it_says_so_itself(told_by: Any, tmp_path: Path) -> None:
    logs, copies, story = tmp_path / "logs", tmp_path / "copies", pair_story()
    copy_of(told_by, ledger_with(logs, story), copies)
    before = len(story.rows)
    story.leave(1)
    story.snapshot()
    story.enter(2)
    story.snapshot()
    ledger_with(logs, story, before)
    with closing(Store.reading(logs / "ledger.sqlite")) as store:
        last_row = store.last_hash
    target = account_of(logs)
    with closing(opened_state(state_directory(), target.access.identities(logs), logs)) as state:
        state.remember(last_row, True, START_MS)
    for path in logs.glob("ledger.sqlite*"):
        path.unlink()
    done = told_by("restore", copies, "--logs", logs)
    assert done.code == 4
    assert f"does not have row {len(story.rows)} as it was written" in done.told["open"]
    saved = read_state(account_of(logs).states[0])
    assert saved.anchor is not None
    assert saved.anchor.last_hash == last_row, "what is known of later rows is not forgotten"


def test_a_ledger_that_knows_as_much_or_more_stays(told_by: Any, tmp_path: Path) -> None:
    logs, copies, story = tmp_path / "logs", tmp_path / "copies", pair_story()
    copy_of(told_by, ledger_with(logs, story), copies)
    for more in (0, 1):
        if more:
            with closing(Store.open(logs / "ledger.sqlite", OURS, "normal")) as store:
                store.append_all([(2, Note(Ns(2), "info", "run", "one more"))])
        rows = stored_rows(logs / "ledger.sqlite")
        done = told_by("restore", copies, "--logs", logs)
        assert (done.code, "NOTHING_TO_RESTORE" in str(done.told) or done.why) == (4, "NOT_FLAT")
        assert f"has every row of the copy and {more} more · NOT FLAT" in done.errors
        assert stored_rows(logs / "ledger.sqlite") == rows


def garbled_ledger(logs: Path, _story: Story) -> None:
    for path in logs.glob("ledger.sqlite*"):
        path.unlink()
    (logs / "ledger.sqlite").write_bytes(b"no ledger at all " * 100)


def shorter(logs: Path, story: Story) -> None:
    for path in logs.glob("ledger.sqlite*"):
        path.unlink()
    with closing(Store.open(logs / "ledger.sqlite", OURS, "normal", at_ns=1)) as store:
        store.append_all(story.rows[:5])


@pytest.mark.parametrize("damage", [garbled_ledger, shorter])
def test_what_is_broken_or_older_is_put_away_with_what_stands_beside_it(
    told_by: Any, tmp_path: Path, damage: Any
) -> None:
    logs, story = tmp_path / "logs", pair_story()
    copy = copy_of(told_by, ledger_with(logs, story), tmp_path / "copies")
    damage(logs, story)
    wrong = (logs / "ledger.sqlite").read_bytes()
    (logs / "DN_pair_eth_sol_nado_trades.csv").write_text("of those rows\n")
    (logs / "escape-20261130T000000Z.jsonl").write_bytes(b"")
    done = told_by("restore", copy, "--logs", logs)
    assert done.code == 4, done.errors
    (folder,) = (logs / "archive").glob("replaced-*")
    assert sorted(path.name for path in folder.iterdir())[:2] == [
        "DN_pair_eth_sol_nado_trades.csv",
        "ledger.sqlite",
    ]
    assert (folder / "ledger.sqlite").read_bytes() == wrong
    assert (logs / "escape-20261130T000000Z.jsonl").exists(), (
        "what a guard wrote is evidence, and is taken in"
    )
    assert stored_rows(logs / "ledger.sqlite") == stored_rows(copy)


def test_another_account_and_another_history_are_refused(told_by: Any, tmp_path: Path) -> None:
    copy = copy_of(told_by, ledger_with(tmp_path / "logs", pair_story()), tmp_path / "copies")
    other = msgspec.structs.replace(OURS, subaccount="0x" + "22" * 32)
    for name, opened, word in (("a", other, "belongs to"), ("b", OURS, "went on otherwise")):
        ledger = tmp_path / name / "ledger.sqlite"
        with closing(Store.open(ledger, opened, "normal", at_ns=1)) as store:
            store.append_all([(5, Note(Ns(5), "info", "run", "another history"))])
        rows = stored_rows(ledger)
        done = told_by("restore", copy, "--logs", ledger.parent)
        assert done.code in {3, 4}
        assert f"{ledger} {word}" in done.errors
        assert stored_rows(ledger) == rows


def test_while_somebody_writes_or_trades_nothing_is_restored(told_by: Any, tmp_path: Path) -> None:
    logs, copies = ledger_with(tmp_path / "logs", pair_story()), tmp_path / "copies"
    copy_of(told_by, logs, copies)
    target = account_of(logs)
    garbled_ledger(logs, pair_story())
    with closing(opened_state(state_directory(), target.access.identities(logs), logs)):
        done = told_by("restore", copies, "--logs", logs)
    assert done.why in {"ALREADY_RUNNING", "NOT_FLAT"}
    assert "another Evenkeel" in done.errors
    assert b"no ledger at all" in (logs / "ledger.sqlite").read_bytes()


@pytest.mark.parametrize("what", ["nothing", "a file of somebody's", "a changed row"])
def test_what_is_no_whole_copy_is_not_restored(told_by: Any, tmp_path: Path, what: str) -> None:
    copy = copy_of(told_by, ledger_with(tmp_path / "logs", pair_story()), tmp_path / "copies")
    if what == "a changed row":
        with closing(sqlite3.connect(copy)) as database:
            database.execute("DROP TRIGGER events_are_never_changed")
            database.execute("UPDATE events SET body = replace(body, '0.042', '0.043') || ' ' WHERE seq = 7")
            database.commit()
    elif what == "a file of somebody's":
        copy.write_bytes(b"dear diary " * 1000)
    else:
        copy.unlink()
    done = told_by("restore", copy, "--logs", tmp_path / "back")
    assert done.code == 3
    assert done.why == ("NO_LEDGER" if what == "nothing" else "BROKEN_LEDGER")
    assert not (tmp_path / "back").exists()


def test_a_crash_before_the_copy_stands_there_leaves_it_unknown(
    told_by: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy, back = (
        copy_of(told_by, ledger_with(tmp_path / "logs", pair_story()), tmp_path / "copies"),
        tmp_path / "back",
    )

    def fails(*_arguments: object) -> None:
        raise OSError(28, "no space left on device")

    monkeypatch.setattr("commands.backup.restoring.kept_as", fails)
    done = told_by("restore", copy, "--logs", back)
    assert (done.code, "no space left on device" in done.errors) == (4, True)
    assert told_by("status", "--logs", back, "--url", URL).code == 4
    monkeypatch.undo()
    with kept(back / "ledger.sqlite"):
        assert not (back / "ledger.sqlite").exists()
