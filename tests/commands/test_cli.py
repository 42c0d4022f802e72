"""The command line: what is typed becomes options, or one sentence and an exit code; with --json always
one object.
"""

import json
import os
import re
import shlex
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from commands import cli
from commands.config.options import RunOptions
from commands.output.json_keys import ACCOUNT_COMMANDS, OTHER_COMMANDS
from commands.output.run_json import KEYS
from commands.output.words import Problem, Refusal
from commands.parser import COMMANDS, SHORTHANDS, parser_tree
from messages.units import ONE, Quote

ROOT = Path(__file__).resolve().parents[2]


KEYS_OF_EACH_FORM = (
    *("pause", "max_spread", "max_imbalance", "min_depth", "max_deviation", "max_quote_age", "recv_time"),
    *("flatten_steps", "no_entry_utc", "limits.max_gross", "limits.max_leg_notional", "limits.max_hold"),
    *("limits.max_daily_loss", "guard.dead_man", "guard.enabled", "venue.subaccount", "venue.owner"),
    *("venue.key", "files.log_size", "files.ledger_sync", "count_skips", "planning_margin"),
)


class Runs:
    """Stands where `commands.run.command` would be: takes the options and ends as it is told."""

    def __init__(self) -> None:
        self.options: list[RunOptions] = []
        self.error: BaseException | None = None

    def main(self, options: RunOptions) -> int:
        self.options.append(options)
        if self.error:
            raise self.error
        return 0


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Runs:
    known = Runs()
    module = ModuleType("commands.run.command")
    module.main = known.main  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "commands.run.command", module)
    for name in list(os.environ):
        if name.startswith("EVENKEEL_"):
            monkeypatch.delenv(name)
    return known


def typed(runs: Runs, *argv: str) -> RunOptions:
    assert cli.main(argv) == 0
    return runs.options[-1]


def test_no_argument_is_the_demo(runs: Runs) -> None:
    options = typed(runs)
    assert (options.demo, options.market, options.faults, options.seed, options.settings.cycles) == (
        True,
        "synthetic",
        "demo",
        7,
        5,
    )
    assert (options.url, options.json, options.quiet) == (None, False, False)


def test_options_without_a_command_belong_to_the_demo(runs: Runs) -> None:
    options = typed(runs, "--seed", "9", "--json")
    assert (options.demo, options.faults, options.seed, options.json) == (True, "demo", 9, True)


def test_run_stays_clean(runs: Runs) -> None:
    options = typed(runs, "run")
    assert (options.demo, options.faults) == (False, "none")


def test_shorthands_are_configuration_keys(runs: Runs) -> None:
    line = (
        "run --cycles forever --target 250USD --hold 1s --direction long-sol --logs here --when-unbalanced"
        " skip --venue simulated --quiet"
    )
    settings = typed(runs, *line.split()).settings
    assert (settings.cycles, settings.target, settings.hold, settings.direction) == (
        None,
        Quote(250 * ONE),
        1000,
        "long-sol",
    )
    assert settings.files.logs == "here"
    assert runs.options[-1].origins["files.logs"] == "flag"


def test_set_reaches_every_key_and_the_last_one_typed_wins(runs: Runs) -> None:
    options = typed(
        runs, "run", "--target", "200 USD", "--set", "target=300 USD", "--set", "limits.max_gross=900 USD"
    )
    assert options.settings.target == Quote(300 * ONE)
    assert typed(runs, "run", "--set", "target=300 USD", "--target", "200 USD").settings.target == Quote(
        200 * ONE
    )
    assert typed(runs, "run").settings.target == Quote(1000 * ONE)


def test_the_environment_and_a_file_reach_a_run(
    runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.toml").write_text('hold = "7 s"\n', encoding="utf-8")
    monkeypatch.setenv("EVENKEEL_PAUSE", "9 s")
    settings = typed(runs, "run", "--config", str(tmp_path / "mine.toml")).settings
    assert (settings.hold, settings.pause) == (7000, 9000)


def test_a_recording_is_known_by_its_prefix_its_folder_or_one_of_its_files(
    runs: Runs, tmp_path: Path
) -> None:
    prefix = tmp_path / "perp_20250904a"
    for part in ("quotes", "l2_20", "trades"):
        prefix.with_name(f"{prefix.name}_{part}.csv.gz").touch()
    for named in (str(prefix), str(tmp_path), f"{prefix}_trades.csv.gz"):
        assert typed(runs, "run", "--market", named).market == str(prefix)


def test_a_folder_with_two_recordings_is_not_guessed_from(
    runs: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("monday", "tuesday"):
        (tmp_path / f"{name}_quotes.csv.gz").touch()
    assert cli.main(["run", "--market", str(tmp_path)]) == 2
    assert "no recording begins with" in capsys.readouterr().err


def test_demo_and_help_are_understood_as_words(runs: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed(runs, "demo").demo
    for words, shown in ((["help"], "the demo: simulated"), (["help", "run"], "--accept-loss")):
        assert cli.main(words) == 0
        assert shown in capsys.readouterr().out


WRONG = [
    (["rnu"], 2, "rnu: unknown command · nothing was started · did you mean run?"),
    (
        ["trade"],
        2,
        (
            "trade: unknown command · nothing was started · python supervisor.py run: trade pairs until done,"
            " then flat"
        ),
    ),
    (
        ["stop"],
        2,
        (
            "stop: unknown command · nothing was started · python supervisor.py flatten: close both legs,"
            " verify, report"
        ),
    ),
    (["close"], 2, "python supervisor.py flatten"),
    (["frobnicate"], 2, "python supervisor.py --help lists the commands"),
    (
        ["run", "--stop-loss", "5"],
        2,
        (
            "--stop-loss: unknown option · nothing was started · stop_loss is a key: --set stop_loss=VALUE"
            " sets it"
        ),
    ),
    (["run", "--stop-loss", "30 bps"], 2, "--set stop_loss='30 bps' sets it"),
    (["run", "--funding-over=1bps"], 2, "--set enter_when.funding_over=1bps sets it"),
    (["run", "--limits-max-hold"], 2, "limits.max_hold is a key: --set limits.max_hold=VALUE sets it"),
    (["run", "--accept-los", "5 USD"], 2, "--help lists the options"),
    (
        ["run", "--yes"],
        2,
        "--yes: unknown option · nothing was started · python supervisor.py run --help lists the options",
    ),
    (
        ["run", "--force"],
        2,
        "--force: unknown option · nothing was started · python supervisor.py run --help lists the options",
    ),
    (
        ["run", "--all"],
        2,
        "--all: unknown option · nothing was started · python supervisor.py run --help lists the options",
    ),
    (
        ["run", "--live"],
        2,
        "--live: unknown option · nothing was started · python supervisor.py run --help lists the options",
    ),
    (
        ["run", "--price"],
        2,
        "--price: unknown option · nothing was started · python supervisor.py run --help lists the options",
    ),
    (
        ["run", "--size"],
        2,
        "--size: unknown option · nothing was started · python supervisor.py run --help lists the options",
    ),
    (["run", "--cycle"], 2, "did you mean --cycles?"),
    (["run", "--tagret"], 2, "did you mean --target?"),
    (["run", "--see"], 2, "did you mean --seed?"),
    (["run", "--log"], 2, "did you mean --logs?"),
    (["run", "--directon"], 2, "did you mean --direction?"),
    (["run", "--targt", "5"], 2, "--targt: unknown option · nothing was started · did you mean --target?"),
    (["run", "--targt=5"], 2, "--targt: unknown option · nothing was started · did you mean --target?"),
    (["run", "--targ", "5 USD"], 2, "did you mean --target?"),
    (["run", "now"], 2, "now: unexpected argument; quote values with spaces"),
    (
        ["run", "--target", "500", "USD"],
        2,
        "USD: unexpected argument; quote values with spaces · nothing was started · type --target '500 USD'",
    ),
    (["run", "--hold", "5", "min", "--seed", "7"], 2, "type --hold '5 min'"),
    (["run", "--seed", "7", "now"], 2, "python supervisor.py run --help lists the options"),
    (["run", "--target", "500", "now"], 2, "python supervisor.py run --help lists the options"),
    (["run", "--seed"], 2, "--seed: expected one argument"),
    (
        ["run", "--seed", "x"],
        2,
        (
            '--seed: "x" is not a whole number · nothing was started · --seed takes a whole number of 1 to 18'
            " digits"
        ),
    ),
    (["run", "--seed", "-1"], 2, "--seed"),
    (
        ["run", "--target", "1000"],
        2,
        "target: \"1000\" has no unit · nothing was started · type --target '1000 USD' (per leg)",
    ),
    (["run", "--target", "-5 USD"], 2, "target: -5 USD is out of range"),
    (
        ["run", "--target", "500 ETH"],
        2,
        (
            'target: "500 ETH" is not an amount of money: the unit is USD · nothing was started · target'
            " takes a number, or FROM-TO, and USD (per leg)"
        ),
    ),
    (
        ["run", "--direction", "short-eth"],
        2,
        (
            'direction: "short-eth" is not one of alternate, long-eth, long-sol, funding · nothing was'
            " started · type --direction long-sol"
        ),
    ),
    (["run", "--cycles", "0"], 2, "cycles: 0 is out of range"),
    (["run", "--set", "targt=5 USD"], 2, "did you mean target?"),
    (["run", "--set", "0xdeadbeef"], 2, "--set: needs a key and a value"),
    (["run", "--config", "nowhere.toml"], 2, "nowhere.toml cannot be read: no such file or directory"),
    (["run", "--market", "syntetic"], 2, "did you mean synthetic?"),
    (["run", "--market", "flat:2756.9"], 2, "type --market flat:2756.9/115.86"),
    (["run", "--market", ""], 2, "--market"),
    (["run", "--faults", "demoo"], 2, "did you mean demo?"),
    (["run", "--url", "127.0.0.1:80"], 2, "is not a base URL"),
    (["run", "--url", "http://127.0.0.1:port"], 2, "is not a base URL"),
    (
        ["run", "--url", "https://gateway.prod.nado.xyz:443"],
        2,
        "is not this machine; it is for a simulated venue",
    ),
    (["run", "--venue", "foo"], 2, 'venue.name: "foo" is not one of simulated, testnet, mainnet'),
    (["run", "--venue", "TESTNET"], 2, "venue.name"),
    (
        ["run", "--venue", "testnet", "--hold", "1 s"],
        2,
        "target, cycles, limits.max_daily_loss, venue.subaccount, venue.owner: not set",
    ),
    (["run", "--venue", "mainnet", "--accept-loss", "75 USD"], 2, "mainnet requires explicit settings"),
    (
        ["run", "--venue", "mainnet", "--accept-loss", "75"],
        2,
        "--accept-loss: \"75\" has no unit · nothing was started · type --accept-loss '75 USD'",
    ),
    (
        ["run", "--venue", "testnet", "--faults", "demo"],
        2,
        "--faults: faults are staged at a simulated venue only, not on testnet",
    ),
    (["--venue", "testnet"], 2, "venue.name: the demo is always simulated, and testnet is configured"),
]


@pytest.mark.parametrize(("argv", "code", "sentence"), WRONG)
def test_what_is_wrong_is_one_sentence_and_its_exit_code(
    argv: list[str], code: int, sentence: str, runs: Runs, capsys: pytest.CaptureFixture[str]
) -> None:
    """R12: an unknown mode, even TESTNET, once meant the real exchange."""
    assert cli.main(argv) == code
    out, err = capsys.readouterr()
    assert sentence in err
    assert err.count("\n") == 1
    assert "0xdeadbeef" not in err
    assert out == ""
    assert runs.options == []


INSTEAD = re.compile(r"type (--.+?)(?: \((?:per leg|both legs)\))?$")
"""What to type at a flag, with the user's own value in it."""
FORMS = (
    "5",
    "-5",
    "1000",
    "1k",
    "-1000 USD",
    "5 EUR",
    "5m",
    "500 ETH",
    "short sol",
    "0.5",
    "TESTNET",
    "long eth",
    "5 %",
    "5x",
    "Forever",
)


def told(argv: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What is said on standard error."""
    cli.main(argv)
    return capsys.readouterr().err.strip()


@pytest.mark.parametrize("flag", [*SHORTHANDS, *(f"--set {key}=" for key in KEYS_OF_EACH_FORM)])
def test_what_is_to_be_typed_instead_is_taken_when_it_is_typed(
    flag: str, runs: Runs, capsys: pytest.CaptureFixture[str]
) -> None:
    for form in FORMS:
        option, _, key = flag.partition(" ")
        argv = ["run", option, f"{key}{form}"] if key else ["run", f"{option}={form}"]
        refused = told(argv, capsys)
        meant = INSTEAD.search(refused)
        assert "write" not in refused, "nobody can type a line of a file"
        if meant is not None:
            again = told([*argv, *shlex.split(meant[1])], capsys)
            assert again.partition(":")[0] != refused.partition(":")[0], (argv, refused, again)


def test_a_value_of_a_file_is_corrected_in_the_file(
    runs: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.toml").write_text('hold = "5"\n', encoding="utf-8")
    file = ["run", "--config", str(tmp_path / "mine.toml")]
    assert told(file, capsys).endswith('write hold = "5 s"')
    assert told([*file, "--hold", "6"], capsys).endswith("type --hold '6 s'")
    assert told([*file, "--set", "hold=7"], capsys).endswith("type --set hold='7 s'")


@pytest.mark.parametrize(("argv", "code", "sentence"), [each for each in WRONG if "did you mean" in each[2]])
def test_a_word_that_is_proposed_is_known(
    argv: list[str], code: int, sentence: str, runs: Runs, capsys: pytest.CaptureFixture[str]
) -> None:
    """Put in the place of the mistyped one it is not refused for what it is."""
    refused = told(argv, capsys)
    message, _, cure = refused.partition(" · ")
    quoted = re.search('"(.*)"', message)
    wrong = quoted[1] if quoted else message.partition(":")[0]
    right = cure.rpartition("did you mean ")[2].removesuffix("?")
    again = told([word.replace(wrong, right, 1) for word in argv], capsys)
    assert "unknown" not in again
    assert "begins with" not in again
    assert "there is no file" not in again


@pytest.mark.parametrize(("argv", "code", "sentence"), WRONG)
def test_with_json_the_same_is_one_object_on_stdout(
    argv: list[str], code: int, sentence: str, runs: Runs, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([*argv, "--json"]) == code
    out, err = capsys.readouterr()
    assert out.count("\n") == 1
    told = json.loads(out)
    assert tuple(told) == KEYS
    assert (told["schema"], told["ok"], told["exit_code"]) == ("evenkeel.run/1", False, code)
    assert told["ended_by"] == ("refused" if code == 3 else "error")
    assert set(told["error"]) == {"code", "key", "message", "cure"}
    assert err.strip().startswith(told["error"]["message"])
    assert {key for key in told if told[key] is not None} == {
        "schema",
        "ok",
        "exit_code",
        "ended_by",
        "error",
    }


def test_a_refusal_from_deep_inside_is_told_like_any_other(
    runs: Runs, capsys: pytest.CaptureFixture[str]
) -> None:
    runs.error = Refusal(
        "SLOW_DISK", "ready_deadline", "a commit took 80 ms", "write ready_deadline = '200 ms'"
    )
    assert cli.main(["run", "--json"]) == 3
    out, err = capsys.readouterr()
    assert json.loads(out)["error"]["code"] == "SLOW_DISK"
    assert err == "a commit took 80 ms · nothing was started · write ready_deadline = '200 ms'\n"


def test_a_defect_keeps_its_traceback_and_still_leaves_the_object_and_its_exit_code(
    runs: Runs, capsys: pytest.CaptureFixture[str]
) -> None:
    for error in (ZeroDivisionError("ours"), SystemExit(0), BaseExceptionGroup("", [KeyboardInterrupt()])):
        runs.error = error
        assert cli.main(["run", "--json"]) == 1
        out, err = capsys.readouterr()
        told = json.loads(out)
        assert (told["ok"], told["exit_code"], told["error"]["code"]) == (False, 1, "INTERNAL")
        assert type(error).__name__ in err


def test_a_command_that_prints_its_own_object_gets_no_second_one(
    runs: Runs, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["run", "--json"]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("argv", [["--help"], ["-h"], ["run", "--help"], ["--seed", "3", "--help"]])
def test_help_fits_80_columns_and_says_per_leg(
    argv: list[str], runs: Runs, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(argv) == 0
    out = capsys.readouterr().out
    assert max(len(line) for line in out.splitlines()) <= 80
    assert "1,000 USD per leg (2,000 gross)" in out
    assert runs.options == []


def test_help_names_every_option_of_run(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["run", "--help"])
    out = capsys.readouterr().out
    for flag in parser_tree().commands["run"]._option_string_actions:
        assert flag in out


def test_version_is_the_installed_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("evenkeel ")


@pytest.mark.parametrize("question", ["--help", "--version", "--print-config"])
def test_with_json_an_answer_about_the_program_goes_to_stderr(
    question: str, runs: Runs, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["run", question, "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["ok"] is True
    assert err
    assert runs.options == []


def test_print_config_shows_values_and_origins_and_starts_nothing(
    runs: Runs, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["run", "--target", "500 USD", "--print-config"]) == 0
    out = capsys.readouterr().out
    assert 'target = "500 USD"  # flag' in out
    assert 'hold = "2 s"  # default' in out
    assert runs.options == []


def test_print_config_answers_for_a_venue_that_cannot_be_traded_yet(
    runs: Runs, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["run", "--venue", "mainnet", "--print-config"]) == 0
    assert 'name = "mainnet"  # flag' in capsys.readouterr().out


def test_a_problem_without_a_cure_has_no_dangling_dot() -> None:
    assert Problem("X", None, "it broke", "", "").sentence == "it broke"


def test_a_mistyped_option_loads_no_venue_no_screen_and_no_server() -> None:
    heavy = (
        "{'httpx', 'rich', 'hypercorn', 'starlette', 'nado_protocol', 'trio_websocket', 'shtab',"
        " 'commands.run.command', 'commands.simulate'}"
    )
    code = (
        f"import sys, commands.cli; commands.cli.main(['run', '--targt']); sys.exit(str(sorted({heavy} &"
        " set(sys.modules)) or ''))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ended.stderr.splitlines() == [
        "--targt: unknown option · nothing was started · did you mean --target?",
        "",
    ]


def test_every_command_has_its_name_in_json() -> None:
    """Named twice, because the parsers cannot be imported on an old Python, which still owes the object."""
    assert {"run", *ACCOUNT_COMMANDS, *OTHER_COMMANDS} == set(COMMANDS)


@pytest.mark.parametrize("name", [name for name, row in COMMANDS.items() if row.module])
def test_what_does_a_command_is_where_its_row_says(name: str) -> None:
    assert callable(import_module(COMMANDS[name].module).main)
