"""`verify`: what was written holds, and what was changed is named by its row and field, also where a forger
has made the chain fit again.
"""

import ast
import json
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from commands import cli
from commands.output.json_keys import keys_of
from commands.verify.findings import DoesNotHold
from commands.verify.rows import Chain, LedgerRow
from commands.verify.verifying import verified
from tests.commands.verify.ledgers import eventful, forged, ledger_of, spoilt
from tests.test_arrows import modules

SOURCES = Path(__file__).resolve().parents[3] / "commands" / "verify"
APART = {"__init__", "command", "rebuild"}
"""The words around it, and what makes a certificate again, which is verified afterwards."""
CHECKS = sorted(f"commands.verify.{path.stem}" for path in SOURCES.glob("*.py") if path.stem not in APART)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that nobody changes."""
    folder = tmp_path_factory.mktemp("made")
    ledger_of(folder, eventful())
    return folder


@pytest.fixture
def logs(made: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    folder = tmp_path / "logs"
    shutil.copytree(made, folder)
    return folder


def first_wrong(logs: Path) -> DoesNotHold:
    with pytest.raises(DoesNotHold) as caught:
        verified(logs)
    return caught.value


def test_what_a_run_wrote_holds_and_all_of_it_was_looked_at(made: Path) -> None:
    found = verified(made)
    assert (found.plans, found.cycles, found.csv_missing, found.unjudged) == (8, 4, 0, 0)
    with closing(sqlite3.connect(made / "ledger.sqlite")) as db:
        assert found.rows == db.execute("SELECT COUNT(*) FROM events").fetchone()[0]
    lines = [path.read_text("utf-8").count("\n") - 1 for path in made.glob("*.csv")]
    assert found.csv_lines == sum(lines)


def all_imports_of(name: str, seen: set[str]) -> set[str]:
    """Every module of ours that importing `name` imports, its packages included."""
    known = modules()
    for each in {".".join(name.split(".")[:end]) for end in range(1, name.count(".") + 2)} & known.keys():
        if each in seen:
            continue
        seen.add(each)
        for node in ast.walk(ast.parse(known[each].read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                all_imports_of(node.module, seen)
                for alias in node.names:
                    all_imports_of(f"{node.module}.{alias.name}", seen)
            elif isinstance(node, ast.Import):
                for alias in node.names:
                    all_imports_of(alias.name, seen)
    return seen


def test_what_verifies_shares_no_code_with_the_ledger_the_sizing_or_the_plans_messages() -> None:
    reached: set[str] = set()
    for name in CHECKS:
        all_imports_of(name, reached)
    assert "commands.verify.recompute" in reached
    assert {"actors", "supervisor"} & {name.split(".")[0] for name in reached} == set()
    ours = {name for name in reached if name.startswith("messages.")}
    assert not {"messages.wire"} & ours


@pytest.mark.parametrize("column", ["at_ns", "kind", "body", "prev", "hash"])
def test_a_changed_column_is_found_at_its_row_in_every_row(logs: Path, column: str) -> None:
    path = logs / "ledger.sqlite"
    with closing(sqlite3.connect(path)) as db:
        rows = db.execute(f"SELECT seq, {column} FROM events").fetchall()  # noqa: S608 - a column of ours
    statement = f"UPDATE events SET {column} = ? WHERE seq = ?"  # noqa: S608 - the same
    for seq, value in rows:
        other = value + 1 if isinstance(value, int) else _flipped(value, seq) if value else "0"
        spoilt(path, statement, other, seq)
        assert first_wrong(logs).where == f"row {seq}"
        spoilt(path, statement, value, seq)
    verified(logs)


def _flipped(value: str, seed: int) -> str:
    at = seed * 7919 % len(value)
    return value[:at] + chr(ord(value[at]) ^ 1) + value[at + 1 :]


def test_a_row_that_is_gone_is_found(logs: Path) -> None:
    spoilt(logs / "ledger.sqlite", "DELETE FROM events WHERE seq = 9")
    assert (first_wrong(logs).where, first_wrong(logs).field) == ("row 9", "seq")


def test_the_index_of_snapshots_is_held_against_the_rows(logs: Path) -> None:
    spoilt(logs / "ledger.sqlite", "UPDATE snapshots SET seq = seq - 1")
    assert first_wrong(logs).field == "index of snapshots"


def field_set(name: str, to: str) -> Callable[[str], str]:
    """Give the first field of this name another value."""
    return lambda body: re.sub(rf'("{name}":)("[^"]*"|[^,}}]+)', rf"\g<1>{to}", body, count=1)


@pytest.mark.parametrize(
    ("kind", "change", "field"),
    [
        ("Sealed", field_set("amount", '"43000000000000000"'), "digest"),
        ("Sealed", field_set("mid", '"1"'), "digest"),
        ("Ready", field_set("plan_digest", '"00"'), "plan_digest"),
        ("Ready", field_set("eth_order", '"0x00"'), "eth_order"),
        ("Ready", field_set("sol_order", '"0x00"'), "sol_order"),
        ("Place", field_set("plan_digest", '"00"'), "plan_digest"),
        ("Place", field_set("eth_order", '"0x00"'), "eth_order"),
        ("Place", field_set("sol_order", '"0x00"'), "sol_order"),
        ("Fill", field_set("price", '"2756200000000000000000"'), "eth.vwap"),
        ("Fill", field_set("fee", '"41000000000000000"'), "eth.fee"),
        ("PlanClosed", field_set("aborted", "true"), "aborted"),
        ("PlanClosed", field_set("filled", '"1"'), "eth.filled"),
        ("PlanClosed", field_set("vwap", '"1"'), "eth.vwap"),
        ("PlanClosed", field_set("fee", '"1"'), "eth.fee"),
        ("PlanClosed", field_set("ordered", '"1"'), "eth.ordered"),
        ("PlanClosed", field_set("outcome", '"none"'), "eth.outcome"),
        ("PlanClosed", field_set("order_digest", '""'), "eth.order_digest"),
        ("CycleEnded", field_set("cycle", "9"), "cycle"),
        ("CycleEnded", field_set("unhedged_usd_s", '"1"'), "unhedged_usd_s"),
        ("FoldSnapshot", field_set("eth", "1"), "state.fields.position"),
    ],
)
def test_a_forger_who_makes_the_chain_fit_again_is_found_by_the_arithmetic(
    logs: Path, kind: str, change: Callable[[str], str], field: str
) -> None:
    row = forged(logs / "ledger.sqlite", kind, change)
    found = first_wrong(logs)
    assert found.field == field
    number = re.match(r"row (\d+)", found.where)
    assert number is not None
    assert int(number[1]) >= row


@pytest.mark.parametrize("every", [23, pytest.param(1, marks=pytest.mark.long)])
def test_a_flipped_byte_of_any_csv_line_is_found_in_that_line(logs: Path, every: int) -> None:
    for path in sorted(logs.glob("*.csv")):
        whole = path.read_bytes()
        for number, line in enumerate(whole.splitlines(keepends=True)):
            start = whole.index(line)
            for at in range(start + number % every, start + len(line), every):
                path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
                found = first_wrong(logs)
                assert found.where.startswith(f"{path.name}, line {number + 1}"), (found, at)
        path.write_bytes(whole)
    verified(logs)


def test_a_csv_line_too_many_is_found_and_lines_that_a_crash_kept_away_are_said(logs: Path) -> None:
    path = next(iter(logs.glob("*trades.csv")))
    whole = path.read_text("utf-8")
    path.write_text(whole + whole.splitlines(keepends=True)[-1], "utf-8")
    assert first_wrong(logs).field == "line"
    path.write_text("".join(whole.splitlines(keepends=True)[:-2]), "utf-8")
    assert verified(logs).csv_missing == 2


def test_the_command_names_the_first_thing_and_ends_with_3(
    logs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["verify", str(logs), "--json"]) == 0
    good = json.loads(capsys.readouterr().out)
    assert tuple(good) == keys_of("verify")
    assert (good["ok"], good["cycles"], good["wrong_at"]) == (True, 4, None)

    spoilt(logs / "ledger.sqlite", "UPDATE events SET body = body || ' ' WHERE seq = 12")
    assert cli.main(["verify", str(logs), "--json"]) == 3
    said = capsys.readouterr()
    bad = json.loads(said.out)
    assert tuple(bad) == keys_of("verify")
    assert (bad["wrong_at"], bad["wrong_field"], bad["error"]["code"]) == ("row 12", "hash", "DOES_NOT_HOLD")
    assert said.err.startswith("row 12: hash: ")


def test_where_there_is_no_ledger_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["verify", str(tmp_path)]) == 2
    assert "there is no ledger.sqlite here" in capsys.readouterr().err


def test_what_a_live_run_writes_meanwhile_is_no_line_too_many(
    logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows are read as of one moment, and the CSV files as of one before: lines are written after their
    rows.
    """
    rows = Chain.rows

    def while_it_trades(chain: Chain) -> Iterator[LedgerRow]:
        for path in logs.glob("*.csv"):
            lines = path.read_text("utf-8").splitlines(keepends=True)
            path.write_text("".join([*lines, lines[-1]]), "utf-8")
        yield from rows(chain)

    monkeypatch.setattr(Chain, "rows", while_it_trades)
    verified(logs)
    assert first_wrong(logs).field == "line"
