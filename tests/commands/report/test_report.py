"""`report` as it is typed: its numbers are those of the run's own summary and of its CSV file, and what
cannot be read or written is said by name.
"""

import csv
import io
import sqlite3
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors.ledger.store import SCHEMA, Store
from commands import cli
from commands.output.json_keys import keys_of
from commands.report.report_json import cycle_cells
from commands.report.table import COLUMNS, HEADER
from messages.units import ONE, Quote
from tests.actors.ledger.story import Story
from tests.commands.report.ledgers import WHOSE, ledger_told, ledger_traded, report_told
from tests.commands.report.test_history import cycles_of
from tests.commands.run.test_replay_ends import recording

SAME = {
    **{key: key for key in ("completed", "failed", "skipped", "entered", "together", "adopted")},
    **{key: key for key in ("fill_rate", "traded_usd", "orders_sent", "unhedged_worst_usd")},
    "net_usd": "pnl_usd",
    "unhedged_most_usd_s": "unhedged_usd_s",
}
"""Keys of an account, and of the run's object that say the same."""
SUMMED = {"fees": 1, "adverse": -1, "hedge": -1, "lots": -1, "funding": -1, "liquidation": -1}
"""Costs here are > 0 = paid; of the run's object all but fees are > 0 = received."""


@pytest.mark.parametrize(
    "words",
    [
        ("--market", "synthetic", "--cycles", "12", "--faults", "crashes"),
        ("--market", "flat:2756.9/115.86", "--cycles", "5", "--faults", "demo"),
        (
            *("--market", "synthetic", "--cycles", "6", "--max-wait", "5 min", "--target", "5000 USD"),
            *("--set", "execution.entry=maker-taker", "--set", "execution.exit=maker-taker"),
        ),
    ],
)
def test_it_says_what_the_runs_own_summary_says(
    words: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = ledger_traded(tmp_path / "logs", capsys, *words)
    code, told = report_told(capsys, "--logs", str(tmp_path / "logs"))
    (account,) = told["accounts"]
    assert code == 0
    assert {key: account[key] for key in SAME} == {key: run[its] for key, its in SAME.items()}
    assert {cause: account["costs_usd"][cause] for cause in SUMMED} == {
        cause: text(SUMMED[cause] * Decimal(run[f"{cause}_usd"])) for cause in SUMMED
    }
    assert account["costs_usd"]["spread"] == run["spread_planned_usd"]
    assert account["costs_usd"]["slippage"] == run["slippage_usd"]
    for kind in ("filled", "exit"):
        found = account["imbalance"]["exited" if kind == "exit" else kind]
        assert found["max_bps"] == run[f"{kind}_imbalance_max_bps"]
    assert account["imbalance"]["filled"]["median_bps"] == run["filled_imbalance_median_bps"]
    assert account["happened"].get("restart", 0) == run["restarts"]
    assert account["outside_cycles_usd"] == "0"
    lost = -Quote.of(run["pnl_usd"])
    all_in = Quote.of(account["per_million_usd"]["all_in"]["value"])
    assert all_in == lost * 10**6 * ONE // Quote.of(run["traded_usd"])
    # the line of the summary: fees and spread, in whole USD
    paid, traded = (
        Quote.of(each)
        for each in (str(Decimal(run["fees_usd"]) + Decimal(run["spread_usd"])), run["traded_usd"])
    )
    assert Quote.of(account["per_million_usd"]["trading_cost"]["value"]) == paid * 10**6 * ONE // traded


def text(number: Decimal) -> str:
    return Quote.of(number).text()


def test_its_csv_and_its_parquet_have_the_numbers_of_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    logs, out = tmp_path / "logs", tmp_path / "out.html"
    ledger_traded(logs, capsys, "--market", "synthetic", "--cycles", "6", "--faults", "crashes")
    _, told = report_told(capsys, "--logs", str(logs), "--out", str(out), "--csv", "--parquet")
    cycles = told["accounts"][0]["cycles"]
    assert len(cycles) == 6
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out.csv").read_text())))
    assert [
        {name: "" if value is None else str(value) for name, value in ({"logs": str(logs)} | cycle).items()}
        for cycle in cycles
    ] == rows
    table = parquet.read_table(tmp_path / "out.parquet").to_pylist()
    for row, cycle in zip(table, cycles, strict=True):
        for name, value in cycle.items():
            cell = row[name]
            assert (text(cell) if isinstance(cell, Decimal) else cell) == value, name


def test_the_columns_are_those_of_a_cycle(tmp_path: Path) -> None:
    from commands.report.history import history_of

    story = Story()
    cycles_of(story, 1)
    (row,) = history_of(ledger_told(tmp_path / "logs", story.rows)).cycles
    assert tuple(cycle_cells(row)) == COLUMNS[1:]


def test_its_cycles_are_those_of_the_ledgers_own_csv_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger_traded(tmp_path / "logs", capsys, "--market", "synthetic", "--cycles", "6", "--faults", "demo")
    with (tmp_path / "logs" / "DN_pair_eth_sol_nado_trades.csv").open(newline="") as file:
        trades = list(csv.DictReader(file))
    _, told = report_told(capsys, "--logs", str(tmp_path / "logs"))
    for cycle in told["accounts"][0]["cycles"]:
        own = [row for row in trades if row["cycle_id"] == str(cycle["cycle"])]
        assert text(sum((Decimal(row["fee_usd"]) for row in own), Decimal(0))) == cycle["fees_usd"]


def test_since_a_moment_only_later_cycles_count(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logs = tmp_path / "logs"
    ledger_traded(logs, capsys, "--market", recording(tmp_path, 61), "--hold", "5 s")
    _, whole = report_told(capsys, "--logs", str(logs))
    all_of = whole["accounts"][0]["cycles"]
    code, told = report_told(capsys, "--logs", str(logs), "--since", all_of[4]["began_at"])
    (account,) = told["accounts"]
    assert (code, told["since"]) == (0, all_of[4]["began_at"])
    assert account["cycles"] == all_of[4:]
    assert account["completed"] == len(all_of) - 4
    assert text(sum((Decimal(row["traded_usd"]) for row in all_of[4:]), Decimal(0))) == account["traded_usd"]
    assert account["outside_cycles_usd"] is None


def test_several_ledgers_are_columns_in_the_order_in_which_they_are_typed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, count in (("one", 1), ("two", 2)):
        story = Story()
        cycles_of(story, count)
        ledger_told(tmp_path / name, story.rows)
    names = [str(tmp_path / name) for name in ("two", "one")]
    _, told = report_told(capsys, "--logs", *names)
    assert [(each["logs"], each["completed"]) for each in told["accounts"]] == [(names[0], 2), (names[1], 1)]
    _, again = report_told(capsys, "--logs", names[0], "--logs", names[1], names[1])
    assert again["accounts"] == told["accounts"]


def test_an_empty_ledger_is_a_report_of_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ledger_told(tmp_path / "logs", [])
    code, told = report_told(capsys, "--logs", str(tmp_path / "logs"))
    (account,) = told["accounts"]
    assert (code, account["flat"], account["cycles"], account["fill_rate"]) == (0, True, [], None)
    assert account["per_million_usd"]["trading_cost"]["value"] is None


def test_a_ledger_whose_first_row_was_never_written_is_one_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run that was killed while it made the file."""
    path = ledger_told(tmp_path / "logs", [])
    with closing(sqlite3.connect(path)) as raw:
        raw.executescript("DROP TRIGGER events_are_never_removed; DELETE FROM events;")
    code, told = report_told(capsys, "--logs", str(tmp_path / "logs"))
    assert (code, told["accounts"][0]["rows"], told["accounts"][0]["first_at"]) == (0, 0, None)


def test_paper_is_said_to_be_paper(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ledger_told(tmp_path / "logs", [], msgspec.structs.replace(WHOSE, venue="Nado-PAPER-mainnet:1"))
    _, told = report_told(capsys, "--logs", str(tmp_path / "logs"))
    (account,) = told["accounts"]
    assert (account["money"], account["play_money"]) == ("PAPER on mainnet, play money", True)


def test_a_pair_that_is_held_is_not_flat_and_an_order_in_doubt_leaves_it_unknown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    story = Story()
    story.enter()
    ledger_told(tmp_path / "held", story.rows)
    story.placed("exit", "-0.042", "1")
    ledger_told(tmp_path / "leaving", story.rows)
    _, told = report_told(capsys, "--logs", str(tmp_path / "held"), str(tmp_path / "leaving"))
    assert [each["flat"] for each in told["accounts"]] == [False, None]
    assert told["accounts"][0]["open_eth"] == "0.042"


# -- what cannot be read -------------------------------------------------------------------------------------


def test_a_changed_row_is_exit_code_3_and_the_rest_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    story = Story()
    cycles_of(story, 2)
    path = ledger_told(tmp_path / "logs", story.rows)
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("DROP TRIGGER events_are_never_changed")
        raw.execute("UPDATE events SET at_ns = at_ns + 1 WHERE seq = 9")
        raw.commit()
    code, told = report_told(capsys, "--logs", str(tmp_path / "logs"))
    assert (code, told["error"]["code"], told["accounts"][0]["bad_row"]) == (3, "BROKEN_LEDGER", 9)
    assert (told["accounts"][0]["flat"], len(told["accounts"][0]["cycles"])) == (None, 2)


def newer(path: Path) -> None:
    with closing(Store.open(path, WHOSE, "normal")) as store:
        kind = type("FromTheFuture", (msgspec.Struct,), {})
        store.append_all([(1, kind())])


def no_database(path: Path) -> None:
    path.write_bytes(b"this is no database, and long enough to be looked at as one" * 40)


@pytest.mark.parametrize(
    ("spoil", "named"), [(newer, f"{SCHEMA} with FromTheFuture"), (no_database, "not a database")]
)
def test_a_ledger_that_cannot_be_read_is_refused_by_its_name(
    spoil: Callable[[Path], None], named: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = ledger_told(tmp_path / "logs", [])
    spoil(path)
    code, told = report_told(capsys, "--logs", str(tmp_path / "logs"))
    assert (code, told["error"]["code"], told["error"]["key"]) == (3, "UNREADABLE_LEDGER", "--logs")
    assert str(path) in told["error"]["message"]
    assert named in told["error"]["message"]
    assert tuple(told) == keys_of("report")


def test_a_folder_without_a_ledger_is_refused_by_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, told = report_told(capsys, "--logs", str(tmp_path))
    assert (code, told["error"]["code"]) == (3, "NO_LEDGER")
    assert str(tmp_path) in told["error"]["message"]


# -- what is typed -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("since", ["yesterday", "2026-13-01", "18:00", "", "24 USD", "-1 h"])
def test_a_since_that_is_no_moment_is_usage_with_the_cure(
    since: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, told = report_told(capsys, "--since", since, "--logs", str(tmp_path))
    assert (code, told["error"]["key"]) == (2, "--since")
    assert "--since" in told["error"]["cure"]


def test_a_file_that_is_no_report_is_not_written_over_and_a_report_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger_told(tmp_path / "logs", [])
    words = ("--csv", "--logs", str(tmp_path / "logs"), "--out")
    mine = tmp_path / "mine.csv"
    mine.write_text("date,amount\n")
    code, told = report_told(capsys, *words, str(tmp_path / "mine.html"))
    assert (code, told["error"]["code"], mine.read_text()) == (2, "EXISTS", "date,amount\n")
    for _ in range(2):
        assert report_told(capsys, *words, str(tmp_path / "new.html"))[0] == 0
    assert (tmp_path / "new.csv").read_text() == f"{HEADER}\n"


def out_in_no_folder(tmp_path: Path) -> Path:
    return tmp_path / "nowhere" / "r.html"


def out_is_a_folder(tmp_path: Path) -> Path:
    (tmp_path / "r.csv").mkdir()
    return tmp_path / "r.html"


def out_in_proc(tmp_path: Path) -> Path:
    """A folder in which nobody can make a file, root included."""
    return Path("/proc/self/r.html")


@pytest.mark.parametrize("where", [out_in_no_folder, out_is_a_folder, out_in_proc])
def test_where_nothing_can_be_written_it_says_so(
    where: Callable[[Path], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger_told(tmp_path / "logs", [])
    code, told = report_told(capsys, "--csv", "--logs", str(tmp_path / "logs"), "--out", str(where(tmp_path)))
    assert (code, told["error"]["key"]) == (2, "--out")


def test_without_pyarrow_it_says_what_to_install_and_csv_still_works(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    ledger_told(tmp_path / "logs", [])
    words: tuple[Any, ...] = ("--logs", str(tmp_path / "logs"), "--out", str(tmp_path / "r.html"), "--csv")
    code, told = report_told(capsys, *words, "--parquet")
    assert (code, told["error"]["code"]) == (3, "NOT_INSTALLED")
    assert "[report]" in told["error"]["cure"]
    assert not (tmp_path / "r.csv").exists()
    assert report_told(capsys, *words)[0] == 0


def test_the_terminal_gets_the_three_answers_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    logs = tmp_path / "logs"
    ledger_traded(logs, capsys, "--market", "flat:2756.9/115.86", "--cycles", "2")
    assert cli.main(["report", "--csv", "--out", str(tmp_path / "r.html"), "--logs", str(logs)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [
        "REPORT",
        "money",
        "open",
        "cycles",
        "balance",
        "cost",
        "files",
    ]
    assert "flat by the ledger" in lines[2]
    assert "2 of 2 filled within 0.1 %" in lines[4]
