"""Where alerts go: a Telegram chat, a webhook (Slack, Discord, Mattermost and what takes their JSON), a
command.

Each channel sends one text and raises `NotSent`, in bounded time, whatever the other side does.
"""

import os
import shlex
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

import msgspec
import trio

from commands.alerts.alert import Alert
from commands.alerts.post import NotSent, judged, request, seconds_of
from commands.output.words import ConfigError

if TYPE_CHECKING:
    import httpx

COMMAND_S = 10.0
"""How long an alert command may run before it is killed."""


class Channel(Protocol):
    """One way on which alerts reach a person. A channel sends once and does not repeat: the outbox does."""

    @property
    def name(self) -> str:
        """As it is reported: never an address or a token."""
        ...

    async def send(self, alert: Alert, words: str) -> None:
        """Deliver it, or raise `NotSent`. Takes a bounded time."""
        ...


class Telegram:
    """A chat, by the Bot API's `sendMessage`."""

    name = "telegram"

    def __init__(self, client: "httpx.AsyncClient", api: str, token: str, chat: str) -> None:
        self._client, self._base, self.chat = client, f"{api.rstrip('/')}/bot{token}", chat

    async def send(self, alert: Alert, words: str) -> None:
        """One message; plain text, so that nothing in it is taken for markup."""
        await self.say(words)

    async def say(self, text: str) -> None:
        """Write any text into the chat, links not expanded. Raises `NotSent`."""
        await self.call("sendMessage", {"chat_id": self.chat, "text": text, "disable_web_page_preview": True})

    async def call(
        self, method: str, content: Mapping[str, object], within_s: float | None = None
    ) -> msgspec.Raw:
        """Call a method of the Bot API; the undecoded `result` of its answer. Raises `NotSent`, also for
        "ok": false.
        """
        answer = await request(self._client, "POST", f"{self._base}/{method}", content, within_s)
        try:
            said = msgspec.json.decode(answer.body, type=_Said)
        except (msgspec.DecodeError, UnicodeDecodeError):
            judged(answer)
            raise NotSent("its answer is no JSON of the Bot API") from None
        if said.ok:
            return said.result
        if answer.status == 429:
            raise NotSent("HTTP 429", seconds_of(said.parameters.retry_after))
        judged(answer)
        raise NotSent("the Bot API says no", None)


class _Parameters(msgspec.Struct, frozen=True):
    retry_after: int = 0


class _Said(msgspec.Struct, frozen=True):
    """The envelope of every answer of the Bot API."""

    ok: bool = False
    result: msgspec.Raw = msgspec.Raw(b"null")
    parameters: _Parameters = _Parameters()


class Webhook:
    """A URL that takes `{"text": ...}` (Slack, Mattermost, Google Chat) or `{"content": ...}` (Discord): both
    are sent, each side ignores the other's. A program finds level, code and host beside them.
    """

    name = "webhook"

    def __init__(self, client: "httpx.AsyncClient", url: str) -> None:
        self._client, self._url = client, url
        slack = url.startswith("https://hooks.slack.com/")
        self._more: dict[str, object] = {} if slack else {"allowed_mentions": {"parse": []}}
        """Slack refuses fields that it does not know. Discord: @everyone in a text of ours calls nobody."""

    async def send(self, alert: Alert, words: str) -> None:
        """POST the words, and for all but Slack what a program sorts by. Raises `NotSent`."""
        content: dict[str, object] = {"text": words}
        if self._more:
            content |= {"content": words, "level": alert.level, "code": alert.code, **self._more}
        judged(await request(self._client, "POST", self._url, content))


class CommandHook:
    """A command of the user's: the alert as JSON on its standard input, its words as the last argument. No
    shell takes it apart, and it inherits no signing key.
    """

    name = "command"

    def __init__(self, command: str, environment: Mapping[str, str]) -> None:
        self._words, self._environment = words_of(command), environment

    async def send(self, alert: Alert, words: str) -> None:
        """Run it once. Raises `NotSent` for another exit code than 0, and for one that does not end."""
        try:
            process = await trio.lowlevel.open_process(
                [*self._words, words],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                env={**self._environment, "ALERT_LEVEL": alert.level, "ALERT_CODE": alert.code},
            )
        except (OSError, ValueError) as error:
            raise NotSent(f"it cannot be started ({type(error).__name__})", None) from None
        try:
            with trio.move_on_after(COMMAND_S) as scope:
                with suppress(trio.BrokenResourceError):  # it need not read
                    assert process.stdin is not None  # noqa: S101 - opened as a pipe
                    await process.stdin.send_all(msgspec.json.encode(alert) + b"\n")
                    await process.stdin.aclose()
                await process.wait()
        finally:
            with trio.CancelScope(shield=True):
                await _end(process)
        if scope.cancelled_caught:
            raise NotSent(f"it did not end within {COMMAND_S:g} s and was killed")
        if process.returncode:
            raise NotSent(f"it ended with code {process.returncode}")


async def _end(process: trio.Process) -> None:
    """Whatever it has started goes with it: all of its session."""
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


def words_of(command: str) -> list[str]:
    """A command taken apart as a shell would, and nothing more. Raises `ConfigError`."""
    try:
        found = shlex.split(command)
    except ValueError as error:
        found, why = [], str(error).lower()
    else:
        why = "it is empty"
    if not found:
        key = "alerts.alert_command"
        raise ConfigError("BAD_VALUE", key, f"{key}: cannot be taken apart: {why}", "close every quote")
    return found
