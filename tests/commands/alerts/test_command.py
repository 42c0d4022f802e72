"""`alert --test` as it is typed: every channel tried, each one's answer, the exit code, and no secret."""

import json
from pathlib import Path

import pytest

from commands import cli
from commands.output.json_keys import keys_of
from tests.commands.alerts.servers import NONSENSE, alert_server

SECRET = "AAH-very-secret"  # noqa: S105


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_one_that_takes_it_and_one_that_does_not(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with alert_server() as takes, alert_server(NONSENSE["404"]) as fails:
        monkeypatch.setenv("HOOK", f"{takes.url}/{SECRET}")
        monkeypatch.setenv("PING", f"{fails.url}/{SECRET}")
        keys = ("alerts.webhook=env:HOOK", "alerts.heartbeat_url=env:PING")
        words = ["alert", "--test", *(word for key in keys for word in ("--set", key))]
        assert cli.main(words) == 3
        out, err = capsys.readouterr()
        assert [line.split() for line in out.splitlines()[1:]] == [
            ["webhook", "delivered"],
            ["heartbeat", "NOT", "delivered:", "HTTP", "404"],
        ]
        assert cli.main([*words, "--json"]) == 3
        told = json.loads(capsys.readouterr().out.splitlines()[-1])
        assert [(each["channel"], each["delivered"]) for each in told["channels"]] == [
            ("webhook", True),
            ("heartbeat", False),
        ]
        assert len(takes.texts()) == 2
    assert SECRET not in f"{out}{err}{told}"


def test_all_that_take_it_are_exit_code_0(monkeypatch: pytest.MonkeyPatch) -> None:
    with alert_server() as takes:
        monkeypatch.setenv("HOOK", takes.url)
        assert cli.main(["alert", "--test", "--set", "alerts.webhook=env:HOOK"]) == 0


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["alert", "--test"], 3, "no channel is configured"),
        (["alert"], 2, "type alert --test"),
        (["alert", "--test", "--set", "alerts.webhook=env:NOT_SET"], 2, "alerts.webhook"),
        (["alert", "--test", "--set", "alerts.level=loud"], 2, "alerts.level"),
    ],
)
def test_what_cannot_be_tested_is_one_sentence(
    words: list[str], code: int, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(words) == code
    assert sentence in capsys.readouterr().err


def test_the_object_has_the_same_keys_whether_a_channel_was_tried_or_not(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with alert_server() as takes:
        monkeypatch.setenv("HOOK", takes.url)
        assert cli.main(["alert", "--test", "--json", "--set", "alerts.webhook=env:HOOK"]) == 0
        delivered = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert cli.main(["alert", "--test", "--json"]) == 3
    refused = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert tuple(delivered) == tuple(refused) == keys_of("alert")
    assert refused["channels"] is None
