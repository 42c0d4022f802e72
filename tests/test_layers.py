"""Who may know whom. The demo must be no easier than live: what trades never imports the simulated venue."""

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ("messages", "runtime", "venue", "actors", "supervisor.py", "commands")
HEAVY = {"nado_protocol", "httpx", "rich", "hypercorn", "starlette", "web3", "eth_account"}


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def files(*places: str) -> list[Path]:
    return [
        path
        for place in places
        for path in ([ROOT / place] if place.endswith(".py") else sorted((ROOT / place).rglob("*.py")))
    ]


@pytest.mark.parametrize(
    "path",
    files(
        "messages", "runtime", "actors", "supervisor.py", "venue/nado", "venue/resolve.py", "venue/escape.py"
    ),
    ids=str,
)
def test_what_trades_never_imports_the_simulated_venue(path: Path) -> None:
    assert not [name for name in imports_of(path) if name.startswith("venue.simulated")]


@pytest.mark.parametrize("path", files("messages"), ids=str)
def test_messages_know_nobody(path: Path) -> None:
    assert not [
        name
        for name in imports_of(path)
        if name.split(".")[0] in {"actors", "venue", "commands", "supervisor"}
    ]


@pytest.mark.parametrize("path", files("actors"), ids=str)
def test_actors_know_the_venue_only_through_its_narrow_interface(path: Path) -> None:
    assert not [
        name for name in imports_of(path) if name.startswith(("venue.nado", "commands", "supervisor"))
    ]


@pytest.mark.parametrize("path", [p for p in files(*SOURCES) if p.name != "clock.py"], ids=str)
def test_only_the_clock_reads_time(path: Path) -> None:
    assert "time" not in set(imports_of(path))


def test_importing_the_supervisor_brings_nothing_heavy() -> None:
    code = (
        "import sys, json, supervisor; print(json.dumps(sorted({name.split('.')[0] for name in"
        " sys.modules})))"
    )
    loaded = set(
        json.loads(
            subprocess.run(
                [sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True, text=True
            ).stdout
        )
    )
    assert not loaded & HEAVY


def import_s(what: str, bytecode: Path) -> float:
    """Seconds of processor time, which what else runs on the machine disturbs least; hot: what is imported
    was compiled into `bytecode` before.
    """
    code = f"import time; began = time.process_time(); import {what}; print(time.process_time() - began)"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"} | {
        "PYTHONPYCACHEPREFIX": str(bytecode)
    }
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, check=True, text=True
    )
    return float(ran.stdout)


RUNS_FIRST = (
    "commands/__init__.py",
    "commands/begin.py",
    "commands/signals.py",
    "commands/output/json_keys.py",
)
BASE = "trio, trio_websocket, msgspec, btclib_secp256k1"


@pytest.mark.process
def test_importing_the_supervisor_costs_at_most_a_fifth_more_than_what_it_stands_on(tmp_path: Path) -> None:
    """Hot, as at every start but the first, when Python compiles what has changed (then it is about half
    as much again).
    """
    for what in ("supervisor", BASE):
        import_s(what, tmp_path)
    pairs = [(import_s("supervisor", tmp_path), import_s(BASE, tmp_path)) for _ in range(7)]
    ratio = min(ours for ours, _ in pairs) / min(base for _, base in pairs)
    assert ratio <= 1.2, f"{ratio:.2f} times; seven pairs in one run: {pairs}"


def test_no_function_takes_eight_parameters() -> None:
    """What always goes together is passed as one thing that has a name."""
    wide = []
    for path in files(*SOURCES):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                taken = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                if len(taken) > 7:
                    wide.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name} takes {len(taken)}")
    assert wide == []


@pytest.mark.parametrize("path", files(*SOURCES), ids=str)
def test_nothing_is_raised_inside_except_star(path: Path) -> None:
    """On Debian 12's Python 3.11.2 it becomes a group: every refusal was a traceback and exit code 1."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.TryStar):
            raised = [
                each.lineno
                for handler in node.handlers
                for each in ast.walk(handler)
                if isinstance(each, ast.Raise)
            ]
            assert not raised, f"{path}:{raised[0]}"


@pytest.mark.parametrize(
    "path",
    files(
        "supervisor.py",
        "commands/__init__.py",
        "commands/begin.py",
        "commands/signals.py",
        "commands/output/json_keys.py",
    ),
    ids=str,
)
def test_what_runs_first_parses_on_an_old_python(path: Path) -> None:
    """Else a wrong interpreter is a SyntaxError instead of a sentence."""
    ast.parse(path.read_text(), feature_version=(3, 6))


def test_the_command_begins_before_anything_else_is_imported() -> None:
    """A Ctrl-C in an import above it is a traceback; an import above it may not exist on another Python."""
    _docstring, first, second, *_ = ast.parse((ROOT / "supervisor.py").read_text()).body
    assert ast.unparse(first) == "import sys"
    begins = (
        "import signal\n    signal.signal(signal.SIGINT, signal.SIG_DFL)\n    from commands.begin import main"
        " as begin\n    begin("
    )
    assert ast.unparse(second).startswith(f"if __name__ == '__main__':\n    {begins}")
