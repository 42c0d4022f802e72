"""A ledger read for a report: cycles as the fold has them, news that comes late, pairs of two runs, and a
writer that is not disturbed.
"""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from threading import Event, Thread

import msgspec
import pytest

from actors.ledger import LedgerError, rotation
from actors.ledger.escapes import write_down
from actors.ledger.reading import SLICE_ROWS
from actors.ledger.store import Store
from commands.report import history as history_module
from commands.report.figures import figures_of
from commands.report.history import History, history_of
from messages.execution import CancelAsked, EscapeRound
from messages.lifecycle import AccountStream, HaltCleared, Halted, Restarted, Started
from messages.sizing import Sealed, Skipped
from messages.units import ONE, Bps, Ms, Ns, Quote
from messages.wire import digest
from tests.actors.ledger import test_rotation
from tests.actors.ledger.story import Story
from tests.actors.ledger.test_fixtures import ROWS, copied
from tests.commands.report.ledgers import WHOSE, ledger_told
from venue.order_consistency import APART_MS


def told(tmp_path: Path, story: Story) -> History:
    return history_of(ledger_told(tmp_path / "logs", story.rows))


def cycles_of(story: Story, count: int, since: int = 1) -> None:
    for number in range(since, since + count):
        story.enter(number)
        story.snapshot()
        story.leave(number)
        story.snapshot()


def test_a_cycle_is_a_row_with_the_folds_own_figures(tmp_path: Path) -> None:
    story = Story()
    story.enter()
    filled, legging = story.held.filled_imbalance, story.held.legging
    story.leave(eth_price="2750")
    story.snapshot()
    (row,) = told(tmp_path, story).cycles
    assert (row.cycle, row.ending, row.orders, row.together) == (1, "completed", 4, True)
    assert row.filled == filled
    assert (row.planned, row.legs_filled_first) == (story.fold.cycle.orders[0].plan.planned_imbalance, 2)
    assert row.unhedged_usd_s >= legging.usd_s
    assert row.costs["fees"] == Quote.of("0.16")
    totals = story.fold.totals()
    assert (row.traded, row.net) == (totals.traded, totals.money.net if totals.money else None)


def test_every_run_has_its_own_summary(tmp_path: Path) -> None:
    story, summaries = Story(), []
    for number in (1, 2):
        cycles_of(story, number, since=number)
        summaries.append(story.fold.totals())
        story.tell(Started(7 + number, Ns(story.now_ms * 1_000_000)), AccountStream(True, ""))
        story.snapshot()
    found = told(tmp_path, story)
    assert [part.started.seed for part in found.runs] == [7, 8, 9]
    assert [part.totals.completed for part in found.runs] == [1, 2, 0]
    # rows count on from run to run, and the ledger's first row is no row of the story
    assert [msgspec.structs.replace(part.totals, rows=0) for part in found.runs[:2]] == [
        msgspec.structs.replace(each, rows=0) for each in summaries
    ]


def test_a_pair_that_a_later_run_closed_is_one_row_with_the_money_of_both(tmp_path: Path) -> None:
    story = Story()
    story.enter()
    story.snapshot()
    story.tell(Started(8, Ns(story.now_ms * 1_000_000)))
    story.snapshot()
    story.leave()
    story.snapshot()
    found = told(tmp_path, story)
    (row,) = found.cycles
    assert (row.run, row.ending, row.adopted, row.orders) == (1, "completed", True, 4)
    assert row.costs["fees"] == Quote.of("0.16")
    assert [part.totals.fees for part in found.runs] == [Quote.of("0.08"), Quote.of("0.08")]
    assert row.net == sum(part.totals.money.net or 0 for part in found.runs if part.totals.money)


def test_what_is_heard_of_an_order_after_its_cycle_has_ended_changes_its_row(tmp_path: Path) -> None:
    """A provisional fee is replaced by the archive's three cycles later."""
    story = Story()
    story.placed("enter", "0.042", "-1", cycle=1)
    story.fill("eth")
    story.outcome("sol", "unknown")
    story.resolved("sol", "-1", provisional=True)
    digest = story.order_digest("sol")
    story.leave()
    story.snapshot()
    story.now_ms += APART_MS  # what only positions told is confirmed by a second reading
    story.snapshot()
    assert story.ended == [(1, "completed")]
    cycles_of(story, 3, since=2)
    before = history_of(ledger_told(tmp_path / "before", story.rows)).cycles[0]
    resolved = msgspec.structs.replace(
        next(message for _, message in story.rows if type(message).__name__ == "Resolved"),
        fee=Quote.of("0.05"),
        provisional=False,
        source="archive",
    )
    assert resolved.order_digest == digest
    story.tell(resolved)
    found = history_of(ledger_told(tmp_path / "after", story.rows))
    after = found.cycles[0]
    assert after.costs["fees"] != before.costs["fees"]
    assert after.costs["fees"] == Quote.of("0.12") + Quote.of("0.05")
    assert sum(row.costs["fees"] for row in found.cycles) == found.runs[0].totals.fees


def test_a_cycle_under_way_is_open_and_has_no_end(tmp_path: Path) -> None:
    story = Story()
    cycles_of(story, 1)
    story.enter(2)
    found = told(tmp_path, story)
    assert [(row.ending, row.ended_ns is None) for row in found.cycles] == [
        ("completed", False),
        ("open", True),
    ]
    assert found.fold.phase == "open"


def test_skips_have_their_code_and_happenings_their_words(tmp_path: Path) -> None:
    story = Story()
    story.tell(Skipped(1, "NO_BALANCE", "best 0.2 %", None))
    story.tell(Restarted("eth_leg", "it hung", Ms(40), 2))
    story.tell(Halted("DRAWDOWN", "300 USD"))
    story.tell(HaltCleared("DRAWDOWN", "300 USD", "looked"))
    found = told(tmp_path, story)
    assert [(row.ending, row.code, row.detail, row.sent) for row in found.cycles] == [
        ("skipped", "NO_BALANCE", "best 0.2 %", False)
    ]
    assert [(each.kind, each.text) for each in found.happenings] == [
        ("restart", "eth_leg, back after 40 ms: it hung"),
        ("halt", "DRAWDOWN: 300 USD"),
        ("halt cleared", "DRAWDOWN: looked"),
    ]


def test_orders_that_the_fold_remembers_no_more_are_rows_already(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ledger without end: at most so many cycles wait for late news."""
    monkeypatch.setattr("actors.ledger.fold.REMEMBERED", 8)
    story = Story()
    cycles_of(story, 12)
    path = ledger_told(tmp_path / "logs", story.rows)
    most, settle = 0, history_module._Teller._end

    def counted(teller: history_module._Teller, *words: object) -> None:
        nonlocal most
        settle(teller, *words)  # type: ignore[arg-type]
        most = max(most, len(teller._waiting))

    monkeypatch.setattr(history_module._Teller, "_end", counted)
    assert len(history_of(path).cycles) == 12
    assert most <= 3


def test_a_broken_row_is_named_and_the_others_are_told(tmp_path: Path) -> None:
    story = Story()
    cycles_of(story, 3)
    path = ledger_told(tmp_path / "logs", story.rows)
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("DROP TRIGGER events_are_never_changed")
        raw.execute(
            "UPDATE events SET body = replace(body, 'flat', 'fiat') WHERE kind = 'CycleEnded' AND seq > 30"
        )
        raw.commit()
        (first,) = raw.execute("SELECT min(seq) FROM events WHERE body LIKE '%fiat%'").fetchone()
    found = history_of(path)
    assert (found.bad_row, len(found.cycles)) == (first, 3)


def test_what_a_changed_row_says_is_not_told(tmp_path: Path) -> None:
    story = Story()
    story.tell(Restarted("eth_leg", "it hung", Ms(40), 2))
    path = ledger_told(tmp_path / "logs", story.rows)
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("DROP TRIGGER events_are_never_changed")
        raw.execute("UPDATE events SET body = replace(body, 'it hung', 'all well')")
        raw.commit()
    found = history_of(path)
    assert (found.happenings, found.bad_row) == ((), len(story.rows))


def test_what_an_escape_closes_after_a_skip_is_in_the_row_of_that_cycle(tmp_path: Path) -> None:
    """A third party's position was booked away, say: the orders belong to the cycle that was last."""
    story = Story()
    story.tell(Skipped(1, "NO_BALANCE", "best 0.2 %", None))
    plan = story.plan("flatten", "-0.01", cycle=1)
    story.sealed = Sealed(plan, digest(plan))
    story.tell(EscapeRound(plan, story.order_digest("eth"), ""))
    story.fill("eth")
    found = told(tmp_path, story)
    assert [row.orders for row in found.cycles] == [1]
    assert sum(row.traded for row in found.cycles) == found.runs[0].totals.traded


# -- ledgers of other days -----------------------------------------------------------------------------------


async def test_a_ledger_that_went_on_in_a_new_file_is_one_history(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the old file in the archive, all of it; without, from the snapshot that the new file begins with,
    and the summary of the run is still whole.
    """
    monkeypatch.setattr(rotation, "ROTATE_ROWS", 40)
    path = tmp_path / "ledger.sqlite"
    story = test_rotation.holding(path)
    before = history_of(path)
    (note,) = await test_rotation.rotate(path)
    assert "goes on in a new file" in note
    test_rotation.holding(path, story)
    whole = history_of(path)
    assert (whole.since_row, whole.bad_row) == (0, None)
    assert [row.cycle for row in whole.cycles] == [1, 2, 3, 4, 5, 6]
    assert whole.cycles[:2] == before.cycles[:2]
    figures = figures_of(whole, 0, Bps(10 * ONE))
    assert figures.outside == 0

    shutil.rmtree(tmp_path / "archive")
    rest = history_of(path)
    assert (rest.since_row, rest.bad_row) == (before.rows, None)
    assert [row.cycle for row in rest.cycles] == [3, 4, 5, 6]
    assert [part.totals.traded for part in rest.runs] == [part.totals.traded for part in whole.runs]
    assert figures_of(rest, 0, Bps(10 * ONE)).outside is None

    monkeypatch.setattr("actors.ledger.snapshots.FOLD_VERSION", 10**6)
    with pytest.raises(LedgerError, match="rows before it are gone"):
        history_of(path)


@pytest.mark.parametrize(
    ("name", "endings", "phase"),
    [
        ("held", ["completed", "completed", "open"], "open"),
        ("in_doubt", ["open"], "in_flight"),
        ("halted", ["completed"], "flat"),
        ("flat", ["completed"] * 3, "flat"),
    ],
)
def test_ledgers_of_the_first_version_are_told(
    name: str, endings: list[str], phase: str, tmp_path: Path
) -> None:
    found = history_of(copied(name, tmp_path))
    assert ([row.ending for row in found.cycles], found.fold.phase) == (endings, phase)
    assert (found.rows, found.bad_row) == (ROWS[name], None)
    assert figures_of(found, 0, Bps(10 * ONE)).outside == 0


def test_what_an_escape_wrote_beside_the_ledger_is_told_too(tmp_path: Path) -> None:
    story = Story()
    story.enter()
    path = ledger_told(tmp_path, story.rows)
    count = len(story.rows)
    story.leave()
    story.snapshot()
    write_down(tmp_path / "escape-1.jsonl", story.rows[count:])
    found = history_of(path)
    assert ([row.ending for row in found.cycles], found.fold.phase) == (["completed"], "flat")


# -- beside a writer -----------------------------------------------------------------------------------------


def test_between_two_slices_a_writer_can_write_and_empty_its_log(tmp_path: Path) -> None:
    """What it writes meanwhile is not in the report, and no transaction of the reader keeps its write-ahead
    log from being emptied.
    """
    story = Story()
    cycles_of(story, 40)
    assert len(story.rows) > 2 * SLICE_ROWS
    path = ledger_told(tmp_path / "logs", story.rows)
    with closing(Store.open(path, WHOSE, "normal")) as writer, closing(Store.reading(path)) as reader:
        until = reader.last_seq
        rows = history_module._rows(reader, reader.beginning(), until)
        read = [next(rows) for _ in range(SLICE_ROWS)]
        cycles_of(story, 1, since=41)
        writer.append_all(story.rows[until:])
        assert writer.emptied()
        read += list(rows)
    assert len(read) == until + 1


def test_a_running_writer_is_neither_held_up_nor_seen_half(tmp_path: Path) -> None:
    """Reports beside a thread that writes all the time: each is a state that the ledger was in, and every
    batch of the writer is committed.
    """
    story = Story()
    cycles_of(story, 60)
    path = ledger_told(tmp_path / "logs", story.rows[:2])
    batches = [story.rows[since : since + 5] for since in range(2, len(story.rows), 5)]
    seen, stop, failed, committed = Event(), Event(), [], 0

    def write() -> None:
        nonlocal committed
        try:
            with closing(Store.open(path, WHOSE, "normal")) as store:
                for batch in batches:
                    store.append_all(batch)
                    store.checkpoint()
                    committed += 1
                    if committed == len(batches) // 2:
                        seen.wait(30)  # some reports come before the end, whatever the machine does
        except Exception as error:  # noqa: BLE001 - it is what the test asks about
            failed.append(error)
        stop.set()

    writer = Thread(target=write)
    writer.start()
    found = []
    while not stop.is_set() or len(found) < 3:
        found.append(history_of(path))
        if len(found) == 2:
            seen.set()
    writer.join()
    assert failed == []
    rows = [each.rows for each in found]
    assert rows == sorted(rows)
    assert rows[0] < len(story.rows) + 1
    assert all(each.bad_row is None for each in found)
    assert all((each.rows - 3) % 5 == 0 or each.rows == len(story.rows) + 1 for each in found)
    assert len(history_of(path).cycles) == 60


def test_cancellations_are_counted_at_the_cycle_of_their_order(tmp_path: Path) -> None:
    story = Story()
    cycles_of(story, 1)
    story.enter(2)
    asked = CancelAsked(story.order_digest("eth"), 4, "no longer wanted", Ms(story.now_ms))
    story.rows += [(story.now_ms * 1_000_000, each) for each in (asked, asked)]
    story.rows.append((story.now_ms * 1_000_000, msgspec.structs.replace(asked, order_digest="0x99")))
    story.leave(2)
    story.snapshot()
    assert [row.execution.cancels for row in told(tmp_path, story).cycles] == [0, 2]
