"""The last word on an exit code: 4 beats it when something is open by the files, and no run manages it."""

import json
import os
import time
from pathlib import Path

import pytest

from commands import cli
from commands.access.venue import Access, place
from commands.open_state import verdict
from commands.open_state.decision import OpenAnswer
from commands.output.json_keys import PLAY_COMMANDS
from commands.output.words import ConfigError, Problem, Refusal
from commands.run.last_resort import Halt
from messages.settings import Settings
from messages.units import Base

OPEN = OpenAnswer(
    "open",
    "ETH-PERP 0.357, SOL-PERP -8.5",
    "python supervisor.py flatten --logs here",
    Base.of("0.357"),
    Base.of("-8.5"),
)
UNKNOWN = OpenAnswer("unknown", "unknown: the ledger is gone", "restore it")
FLAT = OpenAnswer("flat", eth=Base(0), sol=Base(0))
WRONG = ConfigError("BAD", "--x", "--x: wrong", "type --y")


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> list[OpenAnswer]:
    """What the files say: the last of the list."""
    answers = [FLAT]
    monkeypatch.setattr("commands.open_state.decision.on_disk", lambda *_given, **_more: answers[-1])
    monkeypatch.setattr(verdict, "_managed", lambda _logs: False)
    verdict.MEANT.forget()
    return answers


@pytest.mark.parametrize(
    "first", [WRONG, Refusal("NO", None, "no", "do"), Problem("INTERNAL", None, "a defect", "report it")]
)
def test_open_by_the_files_beats_every_refusal_and_the_first_cause_is_named_first(
    first: Problem, files: list[OpenAnswer]
) -> None:
    files.append(OPEN)
    told, found = verdict.of(first, [], "run")
    assert (told.exit_code, told.code, told.ended_by) == (4, "NOT_FLAT", first.ended_by)
    assert (
        told.sentence
        == f"{first.message} · NOT FLAT: ETH-PERP 0.357, SOL-PERP -8.5 · exposure is open now · python"
        f" supervisor.py flatten --logs here; {first.cure}"
    )
    assert found is not None
    assert (found.eth, found.sol) == ("0.357", "-8.5")


def test_a_ledger_that_names_no_venue_because_it_cannot_be_read_is_said_to_be_so_first(
    files: list[OpenAnswer],
) -> None:
    files.append(UNKNOWN)
    unnamed = ConfigError("WHICH_VENUE", "--venue", "which venue? here names none", "add --venue", "")
    assert (
        verdict.of(unnamed, [], "status")[0].sentence
        == "NOT FLAT: unknown: the ledger is gone · which venue? here names none · exposure may be open now ·"
        " restore it; add --venue"
    )


def test_unknown_is_not_flat_and_has_no_amounts(files: list[OpenAnswer]) -> None:
    files.append(UNKNOWN)
    told, found = verdict.of(WRONG, [], "status")
    assert (told.exit_code, told.meaning) == (4, "exposure may be open now")
    assert found is not None
    assert (found.eth, found.sol) == (None, None)


def test_flat_leaves_the_refusal_as_it_was(files: list[OpenAnswer]) -> None:
    told, found = verdict.of(WRONG, [], "run")
    assert told is WRONG
    assert found is not None
    assert found.eth is None, "nobody knows yet whose account it is"
    verdict.MEANT.learn(place(Settings(), "http://127.0.0.1:1"), Settings())
    known = verdict.of(WRONG, [], "run")[1]
    assert known is not None
    assert known.eth == "0"


def test_what_a_live_run_manages_is_its_own_affair(
    files: list[OpenAnswer], monkeypatch: pytest.MonkeyPatch
) -> None:
    files.append(OPEN)
    monkeypatch.setattr(verdict, "_managed", lambda _logs: True)
    assert verdict.of(WRONG, [], "run")[0] is WRONG


def test_a_stopped_run_manages_nothing_and_a_dead_one_neither() -> None:
    assert verdict.breathes(os.getpid())
    assert not verdict.breathes(2**22 + 1)


@pytest.mark.parametrize("command", PLAY_COMMANDS)
def test_commands_without_an_account_do_not_ask(command: str, files: list[OpenAnswer]) -> None:
    files.append(OPEN)
    assert verdict.of(WRONG, [], command) == (WRONG, None)


def test_who_has_asked_the_venue_is_not_corrected_by_files(files: list[OpenAnswer]) -> None:
    files.append(OPEN)
    halted = Halt("HALTED", None, "halted", "")
    assert verdict.of(halted, [], "run") == (halted, None)


def test_files_that_cannot_be_read_in_time_or_at_all_are_exit_code_4(
    files: list[OpenAnswer], monkeypatch: pytest.MonkeyPatch
) -> None:
    def hangs(here: Access | None, logs: Path, said: object = None) -> OpenAnswer:
        time.sleep(0.5)
        return FLAT

    def fails(here: Access | None, logs: Path, said: object = None) -> OpenAnswer:
        raise ZeroDivisionError

    monkeypatch.setattr(verdict, "PATIENCE_S", 0.05)
    for each in (hangs, fails):
        monkeypatch.setattr("commands.open_state.decision.on_disk", each)
        assert verdict.of(WRONG, [], "run")[0].exit_code == 4


@pytest.mark.parametrize(
    ("argv", "logs"),
    [
        (["run", "--logs", "a"], "a"),
        (["run", "--logs=b", "--targt"], "b"),
        (["run", "--set", "files.logs=c"], "c"),
        (["run", "--logs"], "logs"),
        (["rnu"], "logs"),
    ],
)
def test_where_to_look_is_read_from_a_line_that_was_not_understood(
    argv: list[str], logs: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EVENKEEL_FILES_LOGS", raising=False)
    assert verdict._typed_logs(argv, {}) == Path(logs)


def test_the_object_of_a_refusal_has_the_amounts(
    files: list[OpenAnswer], capsys: pytest.CaptureFixture[str]
) -> None:
    files.append(OPEN)
    assert cli.main(["run", "--targt", "--json"]) == 4
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert (told["exit_code"], told["error"]["code"], told["open_eth"], told["open_sol"]) == (
        4,
        "NOT_FLAT",
        "0.357",
        "-8.5",
    )
    assert "NOT FLAT" in err
