"""The completion scripts: each shell can read its own, all commands and options are in it, and bash completes
what is really typed.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from commands import cli
from commands.completion import script
from commands.parser import COMMANDS, parser_tree

ROOT = Path(__file__).resolve().parents[2]
SHELLS = ("bash", "zsh", "fish")


@pytest.mark.parametrize("shell", SHELLS)
def test_its_shell_can_read_the_script(shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    parsed = subprocess.run([shell, "-n"], input=script(shell), capture_output=True, text=True, check=False)
    assert (parsed.returncode, parsed.stderr) == (0, "")


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_names_every_command_and_every_option(shell: str) -> None:
    text = script(shell)
    for name, parser in parser_tree().commands.items():
        assert name in text
        for flag in parser._option_string_actions:
            # fish has the hyphens apart: -l print-config
            assert (f"-l {flag[2:]} " if shell == "fish" and flag.startswith("--") else flag) in text, flag


def completed(*words: str) -> list[str]:
    """What bash proposes for the last of these words."""
    typed = " ".join(f"'{word}'" for word in words)
    asked = f"COMP_WORDS=({typed}); COMP_CWORD={len(words) - 1}; _evenkeel_python"
    shown = 'printf "%s\\n" "${COMPREPLY[@]}"'
    done = subprocess.run(
        ["bash", "--norc"],
        input=f"{script('bash')}\n{asked}\n{shown}\n",
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


def test_bash_completes_what_follows_python_supervisor_py() -> None:
    assert completed("python", "supervisor.py", "") == list(COMMANDS)
    assert completed("python3", "./supervisor.py", "fl") == ["flatten"]
    assert completed("python", "supervisor.py", "run", "--direct") == ["--direction"]
    assert completed("python", "supervisor.py", "run", "--venue", "") == ["simulated", "testnet", "mainnet"]
    assert completed("python", "supervisor.py", "drill", "clo") == ["clock-skew"]
    assert completed("python", "supervisor.py", "doctor", "--config", "pyproj") == ["pyproject.toml"]


def test_any_other_python_is_left_to_bash() -> None:
    assert completed("python", "other.py", "") == []


def test_the_script_is_all_that_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["completion", "fish"]) == 0
    assert capsys.readouterr() == (f"{script('fish')}\n", "")


@pytest.mark.parametrize("words", [["csh"], []])
def test_another_shell_or_none_is_usage(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["completion", *words]) == 2
    said = capsys.readouterr().err
    assert "SHELL" in said
    assert said.endswith("nothing was started · python supervisor.py completion --help shows how\n")


def test_without_shtab_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert cli.main(["completion", "bash"]) == 2
    assert capsys.readouterr().err == (
        "shtab is not installed · nothing was started · pip install -c constraints.txt -e .\n"
    )
