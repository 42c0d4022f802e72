"""Alerts of real runs over real sockets: how a run ended, halted, was killed or went silent arrives; a server
that hangs holds nobody; a chat closes a run.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from commands.alerts.dead_letters import NAME
from tests.commands.alerts.servers import (
    AlertServer,
    Behave,
    alert_server,
    answers_with,
    drips,
    hangs,
    http_answer,
)
from tests.commands.alerts.test_telegram import FakeBotApi
from tests.kills.venue import simulated
from tests.leftovers import end, left
from tests.processes.test_processes import FLAT, ROOT, ended, environment, started, wait_for
from tests.processes.waiting import until

pytestmark = pytest.mark.process
FOREVER = [*FLAT, "--cycles", "forever", "--quiet", "--json"]
SECRET = "123456:AAH-very-secret"  # noqa: S105


@pytest.fixture(autouse=True)
def watchers(tmp_path: Path) -> Iterator[None]:
    yield
    end(left(str(tmp_path), "supervisor.py watcher"))


@pytest.fixture
def server() -> Iterator[AlertServer]:
    with alert_server() as served:
        yield served


def alerted(folder: Path, server: AlertServer, *arguments: str, **more: str) -> subprocess.Popen[str]:
    secrets = {"HOOK": f"{server.url}/{SECRET}", "BOT": SECRET, "NADO_PRIVATE_KEY": "not for a watcher"}
    return subprocess.Popen(
        ["python", "supervisor.py", "run", "--logs", str(folder / "logs"), *arguments],
        cwd=ROOT,
        env=environment(folder) | secrets | more,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
    )


def by_hook(folder: Path, server: AlertServer, *arguments: str) -> subprocess.Popen[str]:
    return alerted(folder, server, "--set", "alerts.webhook=env:HOOK", *arguments)


def heard(server: AlertServer, text: str) -> bool:
    return any(text in each for each in server.texts())


def test_a_run_that_starts_and_ends_is_told_and_no_secret_is_anywhere(
    tmp_path: Path, server: AlertServer
) -> None:
    run = by_hook(tmp_path, server, *FLAT, "--cycles", "1", "--quiet", "--json")
    code, output, errors = ended(run)
    assert code == 0, errors
    until(lambda: heard(server, "ended with exit code 0: FLAT. 1 of 1 pairs"))
    assert heard(server, "INFO simulated/default at ")
    assert heard(server, "started, SIMULATED, play money, 1000 USD per leg")
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) > 5
    for text in (output.encode(), errors.encode(), *(path.read_bytes() for path in written)):
        assert SECRET.encode() not in text


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[list[str]]:
    """Where a venue is that outlives its runs, as it is typed."""
    with simulated(tmp_path, "flat:2756.9/115.86", 7) as url:
        yield ["--url", url]
    end(left(str(tmp_path), "supervisor.py guard"))


def test_a_run_that_is_halted_by_hand_is_critical(
    tmp_path: Path, server: AlertServer, venue: list[str]
) -> None:
    run = by_hook(tmp_path, server, *venue, *FOREVER[2:])
    wait_for(tmp_path / "logs" / "evenkeel.log", "cycle 1 completed", 60)
    halt = ["halt", "--reason", "rain", "--logs", str(tmp_path / "logs"), *venue]
    ended(started(tmp_path, *halt))
    assert ended(run)[0] == 70
    until(lambda: heard(server, "ended with exit code 70: HALTED_BY_HAND"))
    assert heard(server, "CRITICAL simulated/default at ")


@pytest.mark.parametrize("behave", [None, hangs], ids=["takes", "hangs"])
def test_a_guard_that_took_over_closes_first_and_tells_then(
    behave: Behave | None, tmp_path: Path, venue: list[str]
) -> None:
    with alert_server(behave) as server:
        run = by_hook(tmp_path, server, *venue, "--hold", "1 h", "--cycles", "1", "--quiet")
        log = tmp_path / "logs" / "evenkeel.log"
        wait_for(log, "plan closed: plan", 60)
        wait_for(tmp_path / "logs" / "guard.log", "watching")
        run.kill()
        ended(run)
        guard_log = tmp_path / "logs" / "guard.log"
        # within its silence, the receive window and a busy machine, whatever the server does
        wait_for(guard_log, "FLAT: no Evenkeel positions are open", 40)
        letters = tmp_path / "logs" / NAME
        if behave is None:
            until(lambda: heard(server, "the guard took over after"))
            assert heard(server, "its guard closes what is open and tells of it")
        else:
            until(lambda: letters.exists() and "GUARD_TOOK_OVER" in letters.read_text(), 60)
        until(lambda: not left(str(tmp_path), "supervisor.py guard"))


def test_a_run_that_is_killed_is_told(tmp_path: Path, server: AlertServer) -> None:
    run = by_hook(tmp_path, server, *FOREVER)
    until(lambda: heard(server, "started"))
    run.kill()
    ended(run)
    until(lambda: heard(server, "the run's process is gone without its report"))
    assert heard(server, "no guard watches it")


def test_a_run_that_is_stopped_goes_silent_and_speaks_again(tmp_path: Path, server: AlertServer) -> None:
    run = by_hook(tmp_path, server, *FOREVER)
    until(lambda: heard(server, "started"))
    os.kill(run.pid, signal.SIGSTOP)
    try:
        until(lambda: heard(server, "the run has said nothing for 1"))
    finally:
        os.kill(run.pid, signal.SIGCONT)
    until(lambda: heard(server, "the run speaks again"))
    run.send_signal(signal.SIGINT)
    assert ended(run)[0] == 130
    until(lambda: heard(server, "ended with exit code 130"))


@pytest.mark.parametrize(
    "behave", [hangs, drips, answers_with(http_answer(500))], ids=["hangs", "drips", "500"]
)
def test_a_server_that_does_not_take_them_holds_nobody_and_they_are_kept(
    behave: object, tmp_path: Path
) -> None:
    with alert_server(behave) as server:  # type: ignore[arg-type]
        began_s = time.monotonic()
        run = by_hook(tmp_path, server, *FLAT, "--cycles", "3", "--quiet", "--json")
        code, output, errors = ended(run)
        took_s = time.monotonic() - began_s
        assert code == 0, errors
        told = json.loads(output.splitlines()[-1])
        assert (told["completed"], told["failed"]) == (3, 0)
        # what the run itself took, and not what its watcher waits for
        assert took_s < told["elapsed_ms"] / 1000 + 15
        letters = tmp_path / "logs" / NAME
        until(lambda: letters.exists() and "ENDED" in letters.read_text(), 60)
    assert SECRET not in letters.read_text()


def test_a_chat_asks_pauses_and_closes_a_run(tmp_path: Path) -> None:
    api = FakeBotApi()
    with alert_server(api) as server:
        told = [
            "alerts.telegram_token=env:BOT",
            "alerts.telegram_chat=-100200300",
            f"alerts.telegram_api={server.url}",
        ]
        run = alerted(tmp_path, server, *FOREVER, *(word for each in told for word in ("--set", each)))
        until(lambda: any("started" in text for text in api.said))

        def asked() -> int:
            return sum("getUpdates" in request.path for request in list(server.requests))

        def write(text: str) -> None:
            api.date = int(time.time())
            api.write(text)

        # the first question only drops what waited
        until(lambda: asked() >= 2)
        write("/status")
        until(lambda: any("cycle" in text for text in api.said))
        write("/pause")
        wait_for(tmp_path / "logs" / "evenkeel.log", "PAUSED_BY_HAND: by Telegram")
        write("/flatten rain")
        until(lambda: any("/yes " in text for text in api.said))
        number = next(text for text in api.said if "/yes " in text).rpartition(" ")[2]
        write(f"/yes {number}")
        code, _, errors = ended(run)
        assert code == 0 or "FLATTENED" in errors or code == 3, errors
        until(lambda: any("/flatten: the run has ended; nothing is open" in text for text in api.said))


@pytest.mark.parametrize(
    ("words", "key"),
    [
        (["--set", "alerts.webhook=env:NOT_SET"], "alerts.webhook"),
        (["--set", "alerts.telegram_token=env:BOT"], "alerts.telegram_chat"),
        (["--set", f"alerts.webhook={SECRET}"], "alerts.webhook"),
    ],
)
def test_what_cannot_alert_is_refused_before_anything_is_started(
    words: list[str], key: str, tmp_path: Path, server: AlertServer
) -> None:
    code, _, errors = ended(alerted(tmp_path, server, *words))
    assert code == 2
    assert key in errors
    assert SECRET not in errors
    assert not (tmp_path / "logs").exists()
