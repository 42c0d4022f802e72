"""Commands from the configured Telegram chat: status, pause, resume, flatten and halt, the last two only
after a second message with a number that was just sent.

Nobody else is answered. What was sent before this process asked, or longer than `FRESH_S` ago, is not done: a
command that waited at Telegram while the machine slept is no command of now.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Literal, NamedTuple

import msgspec
import trio

from commands.alerts.channels import Telegram
from commands.alerts.post import NotSent

POLL_S = 25
"""How long Telegram holds a question without an answer."""
AGAIN_S = (2.0, 60.0)
"""First and longest pause after a question that failed."""
FRESH_S = 120
CONFIRM_S = 60.0
"""How long a confirmation is waited for."""
TEXT_MAX = 500
"""Characters of a message that are looked at."""

Do = Literal["status", "pause", "resume", "flatten", "halt"]
DESTRUCTIVE: frozenset[str] = frozenset({"flatten", "halt"})
HELP = """\
/status  how the run stands
/pause  enter nothing more until /resume; an open pair is held and exits as planned
/resume  enter again
/flatten  close both legs and end the run
/halt REASON  the same, and stay halted until clear-halt"""
MEANS: dict[str, str] = {
    "flatten": "closes both legs at the market and ends the run",
    "halt": "closes both legs at the market, ends the run and latches a halt until a person clears it",
}


class Chat(msgspec.Struct, frozen=True):
    """Where a message was written."""

    id: int = 0
    username: str = ""


class ChatMessage(msgspec.Struct, frozen=True):
    """A message, as far as it is looked at."""

    chat: Chat = Chat()
    date: int = 0
    """Seconds since 1970, by Telegram's clock."""
    text: str = ""


class Update(msgspec.Struct, frozen=True):
    """One of what `getUpdates` lists; only its message is decoded, and that later, each by itself."""

    update_id: int
    message: msgspec.Raw = msgspec.Raw(b"{}")


class Step(NamedTuple):
    """What follows of a message: what is answered, and what is done."""

    answer: str = ""
    do: Do | None = None
    reason: str = ""


class Conversation:
    """What was asked in the chat, and what still has to be confirmed. Pure."""

    def __init__(self, chat: str, number: Callable[[], str]) -> None:
        """`number()` makes the number that a confirmation repeats."""
        self._chat, self._number = chat, number
        self._asked: tuple[Do, str, str, float] | None = None
        """What is to be confirmed: the command, its reason, the number, and until when."""
        self.others = 0
        """Messages from other chats."""

    def step(self, message: ChatMessage, now_s: float, utc_s: float) -> Step:
        """One message, at `now_s` by a steady clock and `utc_s` by this machine's."""
        chat = message.chat
        if self._chat not in {str(chat.id), f"@{chat.username}" if chat.username else ""}:
            self.others += 1
            return Step()
        word, _, rest = message.text[:TEXT_MAX].strip().partition(" ")
        # in a group the bot's name follows: /status@evenkeel_bot
        command = word.lower().lstrip("/").partition("@")[0]
        if utc_s - message.date > FRESH_S:
            return Step(f"not done: {word} was sent more than {FRESH_S} s ago") if command else Step()
        if command == "yes":
            return self._confirmed(rest.strip(), now_s)
        self._asked = None
        if command in {"status", "pause", "resume"}:
            return Step(do=command, reason="by Telegram")  # type: ignore[arg-type]
        if command in DESTRUCTIVE:
            number = self._number()
            reason = rest.strip() or "by Telegram"
            self._asked = (command, reason, number, now_s + CONFIRM_S)  # type: ignore[assignment]
            return Step(
                f"/{command} {MEANS[command]}. To do it, send within {CONFIRM_S:.0f} s: /yes {number}"
            )
        return Step(HELP) if command in {"help", "start"} or word.startswith("/") else Step()

    def _confirmed(self, number: str, now_s: float) -> Step:
        asked, self._asked = self._asked, None
        if asked is None or now_s > asked[3]:
            return Step("nothing waits to be confirmed")
        if number != asked[2]:
            return Step(f"another number was asked for; /{asked[0]} is not done")
        return Step(f"/{asked[0]} is on its way", asked[0], asked[1])


class TelegramCommands:
    """Asks for messages for ever, and does what they say."""

    def __init__(
        self,
        telegram: Telegram,
        conversation: Conversation,
        act: Callable[[Do, str], Awaitable[str]],
        utc_s: Callable[[], float],
        say: Callable[[str], object],
    ) -> None:
        """`act(do, reason)` asks the run, and gives its answer in words; `say(text)` goes to the log."""
        self._telegram, self._conversation, self._act = telegram, conversation, act
        self._utc_s, self._say = utc_s, say
        self._offset = -1
        """-1: only the newest, which confirms all before it; it is not done."""

    async def run(self) -> None:
        """Until cancelled. What Telegram does or does not do ends nothing."""
        pause_s, failing = AGAIN_S[0], ""
        async with trio.open_nursery() as nursery:
            while True:
                try:
                    await self._ask(nursery)
                    pause_s, failing = AGAIN_S[0], ""
                except NotSent as error:
                    if str(error) != failing:
                        failing = str(error)
                        self._say(f"telegram commands cannot be read: {failing}; trying again")
                    await trio.sleep(max(pause_s, error.after_s or 0.0))
                    pause_s = min(2 * pause_s, AGAIN_S[1])

    async def _ask(self, nursery: trio.Nursery) -> None:
        first = self._offset == -1
        content = {"offset": self._offset, "timeout": 0 if first else POLL_S, "allowed_updates": ["message"]}
        result = await self._telegram.call("getUpdates", content, POLL_S + 10.0)
        try:
            updates = msgspec.json.decode(result, type=list[Update])
        except msgspec.DecodeError:
            raise NotSent("its list of messages cannot be read") from None
        self._offset = max([self._offset, 0, *(update.update_id + 1 for update in updates)])
        for update in [] if first else updates:
            with suppress(msgspec.DecodeError):  # a photo, or a field that is another one now
                message = msgspec.json.decode(update.message, type=ChatMessage)
                step = self._conversation.step(message, trio.current_time(), self._utc_s())
                # beside the next question: a run that closes takes its time to answer
                nursery.start_soon(self._done, step)

    async def _done(self, step: Step) -> None:
        try:
            if step.answer:
                await self._telegram.say(step.answer)
            if step.do is not None:
                await self._telegram.say(await self._act(step.do, step.reason))
        except NotSent as error:
            self._say(f"telegram: an answer was not delivered: {error}")
