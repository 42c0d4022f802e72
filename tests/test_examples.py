"""What the pages tell people to type: every line is understood by the program as it is now, and those of the
README that need nothing are run.
"""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from commands.config.effective import load
from commands.output.words import DONE
from commands.parser import parser_tree
from tests.patience import slack

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
TYPED = re.compile(r"^ *(?:source <\(|eval \"\$\()?(?:.*?&& )?python supervisor\.py ?(.*)$")
REMARK = re.compile(r" {2,}[^ '\"-].*$| # .*$")
"""What stands behind a line: two spaces or more, then words; or a comment."""
SHELL = re.compile(r"\s(?:2?>|\|).*$|\)\"?$")
"""What is the shell's: a redirection, a pipe, the end of `source <(...)`."""


def examples(page: Path) -> list[str]:
    """Each line that a page tells people to type, behind `python supervisor.py`; one that goes on in the next
    line whole.
    """
    text = re.sub(r" \\\n +", " ", page.read_text(encoding="utf-8"))
    lines = [line for line in text.splitlines() if line.startswith(("    ", "source <(", "eval "))]
    found = [match[1] for line in lines if (match := TYPED.match(line))]
    return [SHELL.sub("", REMARK.sub("", line)).strip() for line in found]


CASES = [
    (page.name, line) for page in PAGES for line in dict.fromkeys(examples(page)) if "COMMAND" not in line
]


@pytest.mark.parametrize(("page", "line"), CASES, ids=[f"{page}: {line}" for page, line in CASES])
def test_a_line_that_a_page_shows_is_understood(page: str, line: str) -> None:
    words = shlex.split(line)
    command, rest = (words[0], words[1:]) if words and not words[0].startswith("-") else ("run", words)
    typed = parser_tree().commands[command].parse_args([word.replace("...", "x") for word in rest])
    if "0x..." not in line:  # an address that is the reader's
        load(None, {}, getattr(typed, "overrides", {}))


def test_the_pages_show_every_command() -> None:
    shown = {line.split(" ")[0] for _, line in CASES}
    hidden = {"guard", "watcher"}  # a run, or a unit, starts them
    assert set(parser_tree().commands) - shown - hidden == set()


def test_a_remark_and_a_pipe_are_no_part_of_a_line(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "    python supervisor.py run --cycles 1 --json 2>/dev/null | tail -1\n"
        "    python supervisor.py status --logs logs          what is open\n"
        "    pip install x && python supervisor.py\n"
        "    python supervisor.py run \\\n        --target '1000 USD'\n"
        "    source <(python supervisor.py completion bash)\n"
    )
    assert examples(page) == [
        "run --cycles 1 --json",
        "status --logs logs",
        "",
        "run --target '1000 USD'",
        "completion bash",
    ]


QUICK = ("plan ", "run --print-config", "completion ", "drill --list")


@pytest.mark.process
def test_the_readmes_lines_that_need_nothing_end_well(tmp_path: Path) -> None:
    lines = [line for line in examples(ROOT / "README.md") if line.startswith(QUICK)]
    assert lines
    for line in lines:
        done = subprocess.run(
            [sys.executable, ROOT / "supervisor.py", *shlex.split(line)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60 * slack(),
            check=False,
        )
        assert done.returncode == DONE, f"{line}\n{done.stderr}"
