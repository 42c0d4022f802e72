"""flatten, status, halt, clear-halt: whose account is meant, what is typed, what is told. The acting
itself is in tests/machine.
"""

import json
import sys
from pathlib import Path

import pytest

from actors.instance.state import RunState, state_directory
from actors.ledger import Store
from commands import cli
from commands.account.outcome import KEYS
from commands.account.target_account import TargetAccount, target_account
from commands.output.words import ConfigError
from messages.lifecycle import Opened, Started
from messages.units import Ns
from venue.nado.signing import subaccount_hex
from venue.throwaway import THROWAWAY_ADDRESS

URL = "http://127.0.0.1:9"
SENDER = subaccount_hex(THROWAWAY_ADDRESS, "other")
COMMANDS = ("status", "flatten", "halt", "clear-halt")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "runtime"))


def a_ledger(logs: Path, venue: str = "Nado-simulated:7", url: str = URL) -> Path:
    store = Store.open(logs / "ledger.sqlite", Opened("evenkeel.ledger/1", venue, 763373, SENDER), "normal")
    store.append_all([(1, Started(7, Ns(1), url, "0xabc", "other"))])
    store.close()
    return logs


def known(logs: Path, url: str | None = None, **typed: str) -> TargetAccount:
    return target_account(None, url, {"files.logs": str(logs)} | typed, signs=False)


def arguments(command: str) -> list[str]:
    return [command, "--reason", "x"] if command in {"halt", "clear-halt"} else [command]


@pytest.mark.parametrize("command", COMMANDS)
def test_they_never_default_to_the_simulated_venue(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """R12: unknown is refused, and nothing is guessed."""
    (tmp_path / "file").touch()
    (tmp_path / "live.toml").write_text('target = "500 USD"\n', encoding="utf-8")
    for logs, why in (
        ("nowhere", "there is no folder {}"),
        ("file", "{} is not a folder"),
        (".", "there is no ledger in {}"),
    ):
        folder = tmp_path / logs
        assert cli.main([*arguments(command), "--logs", str(folder)]) == 2
        said = f"which venue? {why.format(folder)} · add the --logs of its run, --venue or --url\n"
        assert capsys.readouterr().err == said
    config = str(tmp_path / "live.toml")
    assert cli.main([*arguments(command), "--logs", str(tmp_path), "--config", config]) == 2
    assert (
        f"there is no ledger in {tmp_path}, and {config} sets no venue.name · add" in capsys.readouterr().err
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_with_json_there_is_one_object_on_every_code(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for typed in ([*arguments(command), "--logs", str(tmp_path / "nowhere")], [command, "--nonsense"]):
        assert cli.main([*typed, "--json"]) == 2
        out = capsys.readouterr().out
        assert out.count("\n") == 1
        told = json.loads(out)
        assert tuple(told) == KEYS
        assert (told["schema"], told["ok"], told["exit_code"], told["open_eth"]) == (
            f"evenkeel.{command}/1",
            False,
            2,
            None,
        )


def test_venue_subaccount_owner_and_signer_come_from_the_ledger(tmp_path: Path) -> None:
    who = known(a_ledger(tmp_path))
    assert who.line == f"Nado-simulated (127.0.0.1:9) · other · {THROWAWAY_ADDRESS} · 0xabc"
    assert who.identity == f"http://loopback:9 {SENDER}"
    assert not who.child


def test_what_is_typed_comes_before_the_ledger(tmp_path: Path) -> None:
    who = known(a_ledger(tmp_path), "http://127.0.0.1:8")
    assert who.access.gateway == "http://127.0.0.1:8"
    assert who.settings.venue.subaccount == "default"


def test_a_venue_of_a_runs_own_is_found_by_its_logs_alone(tmp_path: Path) -> None:
    who = known(a_ledger(tmp_path, url=""))
    assert who.child
    assert who.identity == f"child of {tmp_path.resolve()}"


def test_a_mainnet_ledger_means_mainnet(tmp_path: Path) -> None:
    who = known(a_ledger(tmp_path, venue="mainnet", url="https://gateway.prod.nado.xyz"))
    assert (who.access.name, who.access.gateway, who.access.owner) == (
        "mainnet",
        "https://gateway.prod.nado.xyz",
        THROWAWAY_ADDRESS,
    )


def test_a_simulated_venue_that_nobody_can_find_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="which simulated venue"):
        known(tmp_path, **{"venue.name": "simulated"})


@pytest.mark.parametrize("command", ["halt", "clear-halt"])
@pytest.mark.parametrize("reason", [[], ["--reason", "  "]])
def test_a_person_says_why(
    command: str, reason: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([command, *reason, "--logs", str(a_ledger(tmp_path))]) == 2
    assert "--reason: is needed, it is written into the ledger" in capsys.readouterr().err


def test_a_run_whose_venue_was_its_child_leaves_nothing_open_when_it_is_gone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    logs = str(a_ledger(tmp_path, url=""))
    assert cli.main(["status", "--logs", logs]) == 0
    assert cli.main(["flatten", "--logs", logs]) == 0
    assert (
        capsys.readouterr().out.splitlines()[-1]
        == " open      nothing: its simulated venue ended with its run"
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_a_ledger_that_does_not_say_where_its_venue_was_guesses_none(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Found with the write-ahead log deleted: row 0 alone was left, and was taken for a demo's, flat."""
    Store.open(
        tmp_path / "ledger.sqlite", Opened("evenkeel.ledger/1", "Nado-simulated:7", 763373, SENDER), "normal"
    ).close()
    assert cli.main([*arguments(command), "--logs", str(tmp_path)]) == 2
    assert "which venue?" in capsys.readouterr().err


def test_a_venue_that_does_not_answer_is_unknown_and_not_flat(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """R2."""
    logs = str(a_ledger(tmp_path))
    assert cli.main(["status", "--logs", logs, "--json"]) == 4
    told = json.loads(capsys.readouterr().out)
    assert (told["open_eth"], told["open_sol"], told["error"]["code"]) == (None, None, "NOT_FLAT")
    assert told["open"].startswith("unknown: ")
    assert cli.main(["flatten", "--logs", logs, "--timeout", "50 ms"]) == 4
    assert "NOT FLAT: unknown" in capsys.readouterr().out


def test_a_halt_is_not_cleared_while_nobody_knows_whether_it_is_flat(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    who = known(a_ledger(tmp_path))
    state = RunState(state_directory(), who.identity, "here")
    state.halt("GAVE_UP", "eth_leg")
    state.close()
    assert cli.main(["clear-halt", "--reason", "looked", "--logs", str(tmp_path)]) == 3
    assert "the halt stays" in capsys.readouterr().err
    assert who.saved().halt_code == "GAVE_UP"


def test_whoever_holds_the_subaccount_keeps_the_halt_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    who = known(a_ledger(tmp_path))
    state = RunState(state_directory(), who.identity, "/srv/a")
    try:
        assert cli.main(["clear-halt", "--reason", "looked", "--logs", str(tmp_path)]) == 3
        assert (
            "logs /srv/a) trades this subaccount · the running instance was not affected · python"
            " supervisor.py status --logs /srv/a" in capsys.readouterr().err
        )
    finally:
        state.close()


def test_everything_is_confirmed_by_name_or_yes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    logs = str(a_ledger(tmp_path))
    monkeypatch.setattr(sys, "stdin", open("/dev/null"))  # noqa: SIM115 - as a script has it
    assert cli.main(["flatten", "--everything", "--logs", logs]) == 2
    assert "add --yes, or type it at a terminal" in capsys.readouterr().err
    sys.stdin.close()


@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits_80_columns(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([command, "--help"]) == 0
    assert max(len(line) for line in capsys.readouterr().out.splitlines()) <= 80


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("flaten", "flatten"), ("stauts", "status"), ("clear_halt", "clear-halt"), ("hlt", "halt")],
)
def test_a_mistyped_command_is_answered_with_the_one_that_was_meant(
    wrong: str, right: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([wrong]) == 2
    assert f"did you mean {right}?" in capsys.readouterr().err
