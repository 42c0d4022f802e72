"""What stands in `deploy/` says what the program does: units, exit codes, folders and times; and who judges
such files for a living has nothing to say against them.
"""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from commands.config.effective import load
from commands.output import words
from commands.parser import parser_tree
from commands.run.starting import WAY_OUT_S
from messages.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
UNITS = ROOT / "deploy" / "systemd"
SERVICES = sorted(UNITS.glob("*.service"))
CONTAINERFILE = ROOT / "deploy" / "Containerfile"
PAGE = (ROOT / "docs" / "deploying.md").read_text(encoding="utf-8")
PERSON = (words.USAGE, words.REFUSED, words.OPEN, words.HALTED)
"""Exit codes after which a restart would change nothing: a person has to look."""


def values_of(unit: str, key: str) -> list[str]:
    """Every value of `key` in a unit, in order."""
    lines = (UNITS / unit).read_text(encoding="utf-8").splitlines()
    return [line.partition("=")[2] for line in lines if line.startswith(f"{key}=")]


def unit_environment(unit: str) -> dict[str, str]:
    pairs = [pair for line in values_of(unit, "Environment") for pair in shlex.split(line)]
    return dict(pair.split("=", 1) for pair in pairs)


def seconds_of(text: str) -> int:
    number, unit = re.fullmatch(r"(\d+)(min|s)", text).groups()  # type: ignore[union-attr]
    return int(number) * (60 if unit == "min" else 1)


def test_what_a_person_must_look_at_is_not_restarted() -> None:
    run, guard = "evenkeel-run@.service", "evenkeel-guard@.service"
    assert values_of(run, "RestartPreventExitStatus") == [" ".join(map(str, PERSON))]
    assert (values_of(run, "Restart"), values_of(run, "SuccessExitStatus")) == (
        ["on-failure"],
        [str(words.stopped_code(15))],
    )
    assert (values_of(guard, "Restart"), values_of(guard, "RestartPreventExitStatus")) == (
        ["always"],
        [str(words.USAGE)],
    )
    assert values_of(guard, "StartLimitIntervalSec") == ["0"], "a guard comes back however often"


def test_a_stop_is_given_the_time_that_closing_may_take() -> None:
    settings = Settings()
    longest_s = (settings.venue_patience + 4 * settings.recv_time) / 1000 + WAY_OUT_S
    assert seconds_of(*values_of("evenkeel-run@.service", "TimeoutStopSec")) > longest_s
    assert values_of("evenkeel-run@.service", "KillMode") == ["mixed"], (
        "SIGTERM for the run alone: it closes both legs"
    )


@pytest.mark.parametrize("unit", SERVICES, ids=lambda path: path.stem)
def test_a_unit_types_what_the_program_understands(unit: Path) -> None:
    (line,) = values_of(unit.name, "ExecStart")
    python, script, command, *rest = shlex.split(
        line.replace("%i", "name").replace("$RUN_ARGS", "--accept-loss=75USD")
    )
    if command != "run":
        assert "--accept-loss=75USD" not in rest
    assert (python, script) == ("/opt/evenkeel/venv/bin/python", "supervisor.py")
    typed = parser_tree().commands[command].parse_args(rest)
    settings = load(None, unit_environment(unit.name), typed.overrides).settings
    assert settings.files.logs == "/var/lib/evenkeel/name"
    assert settings.guard.apart is (command in {"run", "guard"})


def test_all_units_share_state_directory_and_socket_and_see_nothing_else() -> None:
    for unit in SERVICES:
        own = unit_environment(unit.name)
        assert (own["XDG_STATE_HOME"], own["XDG_RUNTIME_DIR"]) == ("/var/lib/evenkeel", "/run/evenkeel")
        assert values_of(unit.name, "UMask") == ["0077"]
        # The default is SIGSYS: a run that is killed by its own filter leaves its pair to the guard.
        assert values_of(unit.name, "SystemCallErrorNumber") == ["EPERM"]
        assert (values_of(unit.name, "ProtectSystem"), values_of(unit.name, "NoNewPrivileges")) == (
            ["strict"],
            ["yes"],
        )
    for key in ("StateDirectory", "RuntimeDirectory"):
        assert (
            values_of("evenkeel-run@.service", key)
            == values_of("evenkeel-guard@.service", key)
            == ["evenkeel"]
        )


@pytest.mark.parametrize("judge", ["verify", "security"])
def test_systemd_has_nothing_to_say_against_them(judge: str, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    for unit in UNITS.iterdir():
        # What they run and who runs it is not on this machine; everything else is theirs.
        text = unit.read_text(encoding="utf-8").replace("/opt/evenkeel/venv/bin/python", "/bin/sh")
        (tmp_path / unit.name).write_text(re.sub(r"^(User|Group)=.*$", r"\1=root", text, flags=re.MULTILINE))
    if judge == "verify":
        names = [f"./{path.name.replace('@', '@name')}" for path in sorted(UNITS.iterdir())]
        asked = ["systemd-analyze", "verify", "--man=no", *names]
    else:
        names = [path.name for path in SERVICES]
        asked = ["systemd-analyze", "security", "--offline=true", "--threshold=25", *names]
    done = subprocess.run(asked, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    assert judge == "security" or done.stdout + done.stderr == ""


def test_a_unit_that_is_wrong_is_found(tmp_path: Path) -> None:
    """So that the judge above is known to look."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    wrong = (
        (UNITS / "evenkeel-run@.service")
        .read_text(encoding="utf-8")
        .replace("Restart=on-failure", "Restart=maybe")
    )
    (tmp_path / "evenkeel-run@.service").write_text(wrong.replace("/opt/evenkeel/venv/bin/python", "/bin/sh"))
    asked = ["systemd-analyze", "verify", "--man=no", "./evenkeel-run@name.service"]
    done = subprocess.run(asked, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "maybe" in done.stderr


def test_the_containerfile_is_linted() -> None:
    if shutil.which("hadolint") is None:
        pytest.skip("hadolint is not installed")
    done = subprocess.run(["hadolint", CONTAINERFILE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_container_keeps_what_the_units_keep() -> None:
    text = CONTAINERFILE.read_text(encoding="utf-8")
    for key, value in unit_environment("evenkeel-run@.service").items():
        if key.startswith("XDG_"):
            assert f"{key}={value}" in text
            assert f'"{value}"' in text.partition("VOLUME")[2]
    assert "STOPSIGNAL SIGTERM" in text
    assert "--stop-timeout 900" in PAGE


@pytest.mark.parametrize("path", sorted([*UNITS.iterdir(), CONTAINERFILE]), ids=lambda path: path.name)
def test_the_page_names_every_file(path: Path) -> None:
    assert path.name.partition("@")[0] in PAGE


def test_what_the_page_types_is_understood() -> None:
    lines = re.findall(r"(?:python|/opt/evenkeel/)\S* ?(?:\S*supervisor\.py) (\w[\w-]+) ([^\n#]*)", PAGE)
    assert {command for command, _ in lines} >= {"backup", "restore", "run", "status"}
    for command, rest in lines:
        parser_tree().commands[command].parse_args(shlex.split(rest.partition("   ")[0]))
