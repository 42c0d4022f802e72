"""A guard's alerts: delivered, or given up within bounds; nothing that a server or a missing secret does
reaches the guard.
"""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import trio

from commands.alerts.alert import Alert
from commands.alerts.dead_letters import NAME
from commands.guard import alerts
from commands.guard.alerts import GuardAlerts
from commands.guard.log_lines import GuardWords
from messages.settings import AlertSettings, Files, Settings
from tests.commands.alerts.servers import NONSENSE, alert_server
from tests.patience import slack

ALERT = Alert("critical", "GUARD_TOOK_OVER", "the guard took over. FLAT")


def settings(folder: Path, **more: str) -> Settings:
    return Settings(files=Files(logs=str(folder)), alerts=AlertSettings(**more))  # type: ignore[arg-type]


def guard_alerts(known: Settings) -> tuple[GuardAlerts, list[str]]:
    said: list[str] = []
    return GuardAlerts(known, GuardWords(write=said.append)), said


async def test_it_is_delivered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with alert_server() as server:
        monkeypatch.setenv("HOOK", f"{server.url}/x")
        told, said = guard_alerts(settings(tmp_path, webhook="env:HOOK"))
        await told.tell(ALERT)
        assert server.texts()[0].endswith("the guard took over. FLAT")
    assert said == []


@pytest.mark.parametrize("what", ["hangs", "drips", "500", "bytes", "closes"])
async def test_a_server_that_does_not_take_it_is_given_up_in_time_and_it_is_written_down(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts, "TELL_S", 0.5)
    with alert_server(NONSENSE[what]) as server:
        monkeypatch.setenv("HOOK", f"{server.url}/x")
        told, _ = guard_alerts(settings(tmp_path, webhook="env:HOOK"))
        with trio.fail_after(5 * slack()):
            await told.tell(ALERT)
    assert msgspec.json.decode((tmp_path / NAME).read_bytes().splitlines()[0])["code"] == "GUARD_TOOK_OVER"


async def test_a_secret_that_is_gone_is_said_and_ends_nothing(tmp_path: Path) -> None:
    told, said = guard_alerts(settings(tmp_path, webhook="env:NO_SUCH_VARIABLE"))
    await told.tell(ALERT)
    assert "alerts.webhook" in said[0]


async def test_a_defect_of_the_alerts_is_not_the_guards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_given: object) -> Callable[[], None]:
        raise RecursionError("a defect")

    monkeypatch.setattr(alerts, "addressed", fails)
    told, said = guard_alerts(settings(tmp_path, alert_command="true"))
    await told.tell(ALERT)
    assert "no alert: " in said[0]


async def test_without_a_channel_nothing_is_read_or_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts, "addressed", lambda *_given: pytest.fail("nobody is to be told"))
    told, said = guard_alerts(settings(tmp_path))
    await told.tell(ALERT)
    assert said == []
