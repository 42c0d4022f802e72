"""What is open now: the question of a command to the files and to the exchange, and its answer as `--json`
has it.
"""

import os
import sys
from contextlib import suppress

import msgspec
import trio

from actors.instance.state import state_directory
from commands.account.outcome import checked_at
from commands.account.target_account import TargetAccount
from commands.checks.answered_venue import AnsweredVenue
from commands.open_state.decision import OpenAnswer
from commands.open_state.evidence import Evidence, VenueEvidence, gathered
from commands.open_state.readings import venue_said
from commands.output.words import say
from commands.setup.connecting import connected
from messages.lifecycle import Note
from messages.units import text_of
from venue.nado.socket import TcpDialer
from venue.protocol import VenueError

ANSWER_S = 5.0
"""How long the venue may take at least to say what is open."""
AGAIN_S = 0.2
"""Between two questions."""


async def known_now(target: TargetAccount, patience_s: float, *, rates: bool = False) -> Evidence:
    """What the files and the venue say now, and which venue it is: that is remembered. Asked twice. Never
    raises `VenueError`. `rates`: the funding rates, too.
    """
    trouble = "the venue did not answer"
    with trio.move_on_after(patience_s):
        for _ in range(2):
            try:
                async with connected(
                    target.settings, target.access, os.getpid(), observe, TcpDialer()
                ) as there:
                    with suppress(OSError):
                        target.access.identity_at(there.rules, state_directory())
                    files = gathered(target.access, target.logs, state_directory())
                    word = await said(files, there, trio.current_time() + patience_s)
                    if word.snapshot is not None:
                        if rates:
                            with suppress(VenueError):  # what is open counts without them
                                said_rates = await there.venue.reads.funding_rates()
                                word = msgspec.structs.replace(word, rates=said_rates)
                        return msgspec.structs.replace(files, venue=word)
                    trouble = word.trouble
            except VenueError as error:
                trouble = str(error)
            await trio.sleep(AGAIN_S)
    return msgspec.structs.replace(
        gathered(target.access, target.logs, state_directory()), venue=VenueEvidence(trouble=trouble)
    )


async def said(
    files: Evidence, there: AnsweredVenue, until: float, *, expected_flat: bool = False
) -> VenueEvidence:
    """What the venue says of what is open, asked for a few seconds at least. `expected_flat`: two readings
    have said so already.
    """
    return await venue_said(
        there.venue.reads.account, there.rules, at_least(until), files, expected_flat=expected_flat
    )


def at_least(until: float) -> float:
    """`until` of Trio's time, or `ANSWER_S` from now where that is later."""
    return max(until, trio.current_time() + ANSWER_S)


def open_facts(answer: OpenAnswer) -> dict[str, object]:
    """What is open as the object of `--json` has it: amounts as exact decimals, None for unknown."""
    return {
        "open": answer.words,
        "open_eth": text_of(answer.eth),
        "open_sol": text_of(answer.sol),
        "checked_at": checked_at(answer.checked_ms),
    }


def observe(message: msgspec.Struct) -> None:
    """What is said on the way goes to standard error."""
    if isinstance(message, Note) and message.level in {"warning", "error"}:
        say(sys.stderr, f" {message.source}: {message.text}")
