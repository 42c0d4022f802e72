"""What is only for people never stops trading (lesson R11): a watcher or a screen that fails is left out,
and that is said.
"""

import msgspec
import trio
from trio.testing import MockClock

from commands.run.recorder import Recorder
from messages.lifecycle import Note, Staged

SAID = Staged(1, "an accident")


def notes(heard: list[msgspec.Struct]) -> list[str]:
    return [said.text for said in heard if isinstance(said, Note)]


def test_a_watcher_that_raises_reaches_nobody_who_speaks_and_the_others_hear_of_it() -> None:
    recorder = Recorder()
    heard: list[msgspec.Struct] = []
    calls: list[msgspec.Struct] = []

    def draws(message: msgspec.Struct) -> None:
        calls.append(message)
        raise ZeroDivisionError("no columns")

    recorder.watchers += [draws, heard.append]
    recorder.observe(SAID)
    recorder.observe(SAID)
    assert calls == [SAID]
    assert heard.count(SAID) == 2
    assert len(notes(heard)) == 1
    assert "draws failed and is left out from here on: ZeroDivisionError: no columns" in notes(heard)[0]


def test_when_every_watcher_fails_speaking_still_works() -> None:
    recorder = Recorder()

    def fails(message: msgspec.Struct) -> None:
        raise OSError("no space left on device")

    recorder.watchers += [fails, fails]
    recorder.observe(SAID)
    assert (recorder.watchers, recorder.staged) == ([], [SAID])


async def test_a_terminal_that_has_gone_away_ends_the_screen_and_nothing_else(
    autojump_clock: MockClock,
) -> None:
    recorder = Recorder()
    heard: list[msgspec.Struct] = []
    recorder.watchers.append(heard.append)

    async def screen(width: int) -> None:
        await trio.sleep(width)
        raise BrokenPipeError("nobody reads")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(recorder.show, "the screen", screen, 80)
        await trio.sleep(100)
    assert notes(heard) == ["the screen failed and is left out from here on: BrokenPipeError: nobody reads"]
