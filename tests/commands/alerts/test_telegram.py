"""Commands from a chat: only the configured one is heard, what closes is done only after a number was
repeated, and nothing that waited is done late. The wire is a local server's.
"""

from collections.abc import Iterator
from itertools import count

import pytest
import trio

from commands.alerts.alerting import reply_words
from commands.alerts.channels import Telegram
from commands.alerts.post import new_client
from commands.alerts.telegram import (
    CONFIRM_S,
    FRESH_S,
    HELP,
    Chat,
    ChatMessage,
    Conversation,
    Step,
    TelegramCommands,
)
from commands.control import ControlReply
from runtime.retry import until
from tests.commands.alerts.servers import (
    NONSENSE,
    AlertServer,
    Request,
    alert_server,
    answers_with,
    http_answer,
)
from tests.patience import slack

CHAT = "-100200300"
NOW_S = 1_800_000_000


def conversation() -> Conversation:
    numbers = count(4_821)
    return Conversation(CHAT, lambda: str(next(numbers)))


def message(text: str, *, chat: int = -100_200_300, username: str = "", date: int = NOW_S) -> ChatMessage:
    return ChatMessage(Chat(chat, username), date, text)


def steps(*texts: str, of: Conversation | None = None, at_s: float = 0.0) -> list[Step]:
    talk = of or conversation()
    return [talk.step(message(text), at_s, NOW_S) for text in texts]


@pytest.mark.parametrize("word", ["status", "pause", "resume"])
@pytest.mark.parametrize("form", ["/{}", "/{}@evenkeel_bot", "{}", "/{} now please", "  /{}  "])
def test_what_closes_nothing_is_done_at_once(word: str, form: str) -> None:
    assert steps(form.format(word))[0].do == word


@pytest.mark.parametrize("word", ["flatten", "halt"])
def test_what_closes_is_done_only_after_its_number_was_repeated(word: str) -> None:
    asked, done = steps(f"/{word} bad weather", "/yes 4821")
    assert asked.do is None
    assert asked.answer.endswith("/yes 4821")
    assert (done.do, done.reason) == (word, "bad weather")


@pytest.mark.parametrize(
    "texts",
    [
        ("/flatten", "/yes"),
        ("/flatten", "/yes 4822"),
        ("/flatten", "/yes 48210"),
        ("/yes 4821",),
        ("/flatten", "/status", "/yes 4821"),
        ("/flatten", "/halt", "/yes 4821"),
        ("/flatten", "/yes 0", "/yes 4821"),
    ],
)
def test_without_the_right_number_right_after_it_nothing_is_closed(texts: tuple[str, ...]) -> None:
    assert {step.do for step in steps(*texts)} <= {None, "status"}


def test_a_confirmation_does_not_wait_for_ever_and_counts_once() -> None:
    talk = conversation()
    steps("/flatten", of=talk)
    assert steps("/yes 4821", of=talk, at_s=CONFIRM_S + 1)[0].do is None
    steps("/flatten", of=talk)
    assert [step.do for step in steps("/yes 4822", "/yes 4822", of=talk)] == ["flatten", None]


@pytest.mark.parametrize(
    "other", [{"chat": 1}, {"chat": 100_200_300}, {"chat": 0}, {"chat": 5, "username": CHAT}]
)
def test_another_chat_is_not_answered_and_confirms_nothing(other: dict[str, int]) -> None:
    talk = conversation()
    steps("/flatten", of=talk)
    for text in ("/status", "/yes 4821", "/halt"):
        assert talk.step(message(text, **other), 0, NOW_S) == Step()  # type: ignore[arg-type]
    assert talk.others == 3


def test_a_channel_may_be_named() -> None:
    talk = Conversation("@my_desk", str)
    assert talk.step(message("/status", chat=-5, username="my_desk"), 0, NOW_S).do == "status"
    assert talk.step(message("/status", chat=-5), 0, NOW_S).do is None


def test_a_command_that_waited_is_not_done() -> None:
    """The machine slept, or the run was started later: nobody means it now."""
    late = conversation().step(message("/pause", date=NOW_S - FRESH_S - 1), 0, NOW_S)
    assert late.do is None
    assert "not done" in late.answer


@pytest.mark.parametrize("text", ["", "hello", "/", "x" * 5_000, "\x00", "/flatten" * 200])
def test_what_is_no_command_does_nothing(text: str) -> None:
    assert steps(text)[0].do is None


def test_an_unknown_command_is_told_which_there_are() -> None:
    assert steps("/sell")[0] == Step(HELP)


# -- over the wire -------------------------------------------------------------------------------------------


class FakeBotApi:
    """`getUpdates` and `sendMessage` of one bot: updates are kept until an offset confirms them."""

    def __init__(self) -> None:
        self.updates: list[dict[str, object]] = []
        self.said: list[str] = []
        self._next = 100
        self.date = NOW_S

    def write(self, text: str, chat: int = -100_200_300) -> None:
        written = {"message_id": 1, "chat": {"id": chat, "type": "group"}, "date": self.date, "text": text}
        self.updates.append({"update_id": self._next, "message": written})
        self._next += 1

    def __call__(self, server: AlertServer, _wire: object, request: Request) -> bytes:
        method, content = request.path.rpartition("/")[2], request.json
        if method == "sendMessage":
            self.said.append(content["text"])
            return http_answer(200, {"ok": True, "result": {}})
        offset = content["offset"]
        if offset < 0:
            self.updates = self.updates[offset:]
        else:
            self.updates = [each for each in self.updates if each["update_id"] >= offset]  # type: ignore[operator]
        if not self.updates:
            server.over.wait(0.05)
        return http_answer(200, {"ok": True, "result": self.updates})


@pytest.fixture
def api() -> FakeBotApi:
    return FakeBotApi()


@pytest.fixture
def server(api: FakeBotApi) -> Iterator[AlertServer]:
    with alert_server(api) as served:
        yield served


async def obeyed(server: AlertServer, acted: list[tuple[str, str]], said: list[str]) -> None:
    async def act(do: str, reason: str) -> str:
        acted.append((do, reason))
        return f"/{do}: asked"

    async with new_client() as client:
        telegram = Telegram(client, server.url, "1:t", CHAT)
        await TelegramCommands(telegram, conversation(), act, lambda: NOW_S, said.append).run()


async def test_a_chat_flattens_a_run_and_nothing_from_before_is_done(
    api: FakeBotApi, server: AlertServer
) -> None:
    acted: list[tuple[str, str]] = []
    api.write("/halt")
    api.write("/status")
    with trio.fail_after(20 * slack()):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(obeyed, server, acted, [])
            await until(lambda: len(server.requests) > 2, 0.02)
            api.write("/flatten", chat=666)
            api.write("/flatten dinner")
            await until(lambda: bool(api.said), 0.02)
            api.write("/yes 4821")
            await until(lambda: "/flatten: asked" in api.said, 0.02)
            nursery.cancel_scope.cancel()
    assert acted == [("flatten", "dinner")]
    assert api.said[0].endswith("/yes 4821")


@pytest.mark.parametrize("what", ["500", "bytes", "closes", "a redirect", "401"])
async def test_telegram_that_fails_for_a_while_is_asked_again_and_said_once(
    what: str, api: FakeBotApi, server: AlertServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("commands.alerts.telegram.AGAIN_S", (0.05, 0.2))
    acted: list[tuple[str, str]] = []
    said: list[str] = []
    server.behave = NONSENSE[what]
    with trio.fail_after(20 * slack()):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(obeyed, server, acted, said)
            await until(lambda: len(server.requests) > 3, 0.02)
            server.behave = api
            await trio.sleep(0.5)
            api.write("/pause")
            await until(lambda: bool(acted), 0.02)
            nursery.cancel_scope.cancel()
    assert acted == [("pause", "by Telegram")]
    assert len(said) == 1


@pytest.mark.parametrize(
    "result",
    ["nothing", [7], [{"update_id": "x"}], {"update_id": 1}, [{"update_id": 5, "message": {"chat": 7}}]],
)
async def test_updates_that_cannot_be_read_end_nothing(
    result: object, api: FakeBotApi, server: AlertServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("commands.alerts.telegram.AGAIN_S", (0.05, 0.2))
    acted: list[tuple[str, str]] = []
    server.behave = answers_with(http_answer(200, {"ok": True, "result": result}))
    with trio.fail_after(20 * slack()):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(obeyed, server, acted, [])
            await until(lambda: len(server.requests) > 3, 0.02)
            server.behave = api
            await trio.sleep(0.5)
            api.write("/pause")
            await until(lambda: bool(acted), 0.02)
            nursery.cancel_scope.cancel()


def test_an_answer_of_the_run_fits_a_small_screen() -> None:
    reply = ControlReply(1, False, "open", 3, "ETH-PERP 1", "HOLDING: exits in 2 s", "cycle 3 of 5")
    assert reply_words("status", reply) == "HOLDING: exits in 2 s\ncycle 3 of 5\nopen: ETH-PERP 1"
    ended = ControlReply(1, True, "flat", 3, "")
    assert reply_words("flatten", ended) == "/flatten: the run has ended; nothing is open"
    unknown = ControlReply(1, True, "flat", 3, "", unknown=True)
    assert reply_words("halt", unknown) == "/halt: the run has ended; unknown"
