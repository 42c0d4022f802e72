"""Tokens and addresses: only from the environment or a file that nobody else may read, and in no output."""

from pathlib import Path

import pytest

from commands.alerts.outgoing import addressed, key_free
from commands.alerts.secrets import address_of, checked_address, secret_of
from commands.output.words import ConfigError
from messages.settings import AlertSettings, Settings

SECRET = "123456:AAH-very-secret"  # noqa: S105
KEY = "alerts.telegram_token"


def private(folder: Path, text: str = SECRET, mode: int = 0o600) -> str:
    file = folder / "secret"
    file.write_text(text)
    file.chmod(mode)
    return f"file:{file}"


def refused(place: str, environment: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigError) as raised:
        secret_of(KEY, place, environment or {})
    said = f"{raised.value.sentence} {raised.value.as_json()}"
    assert SECRET not in said
    return said


def test_a_secret_comes_from_the_environment_or_from_a_private_file(tmp_path: Path) -> None:
    assert secret_of(KEY, "env:BOT", {"BOT": f" {SECRET}\n"}) == SECRET
    assert secret_of(KEY, private(tmp_path, f"{SECRET}\n"), {}) == SECRET
    assert secret_of(KEY, "off", {}) == ""


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o622])
def test_a_file_that_others_can_read_is_refused_as_a_signing_key_is(tmp_path: Path, mode: int) -> None:
    assert "chmod 600" in refused(private(tmp_path, mode=mode))


@pytest.mark.parametrize("text", ["", " ", f"{SECRET} {SECRET}", f"{SECRET}é", SECRET * 1_000])
def test_what_is_no_secret_is_refused_and_not_repeated(tmp_path: Path, text: str) -> None:
    refused(private(tmp_path, text))
    refused("env:BOT", {"BOT": text})


def test_a_secret_that_is_not_there_is_refused_with_its_key(tmp_path: Path) -> None:
    assert KEY in refused("env:NOT_SET")
    assert "cannot be read" in refused(f"file:{tmp_path / 'none'}")
    assert "is a directory" in refused(f"file:{tmp_path}")


@pytest.mark.parametrize(
    "url",
    ["http://example.com/x", "ftp://example.com", "example.com", "https://", "https://[bad", "file:///etc"],
)
def test_an_address_that_others_could_read_along_or_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ConfigError) as raised:
        address_of("alerts.webhook", "env:HOOK", {"HOOK": url})
    assert "example" not in raised.value.sentence


@pytest.mark.parametrize("url", ["https://example.com/x?y=1", "http://127.0.0.1:80/x", "http://[::1]:5/", ""])
def test_an_address_that_is_safe_is_taken(url: str) -> None:
    assert checked_address("alerts.webhook", url) == url


@pytest.mark.parametrize(
    ("alerts", "key"),
    [
        (AlertSettings(telegram_token="env:BOT"), "alerts.telegram_chat"),  # noqa: S106
        (AlertSettings(telegram_chat="5"), "alerts.telegram_token"),
        (AlertSettings(alert_command="notify 'me"), "alerts.alert_command"),
        (AlertSettings(telegram_api="http://example.com"), "alerts.telegram_api"),
        (AlertSettings(webhook="env:NONE"), "alerts.webhook"),
        (AlertSettings(heartbeat_url="env:NONE"), "alerts.heartbeat_url"),
    ],
)
def test_what_cannot_work_is_refused_with_the_key_to_write(alerts: AlertSettings, key: str) -> None:
    with pytest.raises(ConfigError) as raised:
        addressed(alerts, {"BOT": SECRET})
    assert raised.value.key == key


def test_secrets_do_not_show_in_a_traceback() -> None:
    alerts = AlertSettings(telegram_token="env:BOT", telegram_chat="5")  # noqa: S106
    told = addressed(alerts, {"BOT": SECRET})
    assert SECRET not in f"{told!r} {told}"


def test_an_alert_command_has_no_signing_key() -> None:
    assert key_free(Settings(), {"NADO_PRIVATE_KEY": "1", "A": "b"}) == {"A": "b"}
