"""The end of whatever has traded: the venue's last word, and what is kept of it so that the next start need not ask."""

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from actors.ledger import LedgerError, Store
from actors.runtime.state import ESCAPE, RunState, read_state
from actors.tree import World
from commands.evidence import Evidence, LedgerWord, VenueWord, ledger_word
from commands.whats_open import OpenAnswer, decide
from messages.execution import AccountSnapshot
from messages.lifecycle import Held
from venue.stored_escape import EscapeFile


def at_the_end(known: World, held: Held | None, snapshot: AccountSnapshot | None) -> OpenAnswer:
    """The answer of a run that ends: by its ledger, or by what it last heard of it (`held`) where the file has been lost, and by the venue's word.

    Once nothing is open that is kept: the next start need not ask. Never raises.
    """
    word = ledger_word(known.ledger, known.state.anchor, None)
    if held is not None and (word.held is None or word.state not in {"good", "broken"} or word.held.rows < held.rows):
        word = LedgerWord("good", str(known.ledger), held=held, grounded=True, proven_ms=int(snapshot.at_ms) if snapshot else None)
    venue = VenueWord(snapshot, known.rules, "" if snapshot else "the venue did not answer")
    saved = read_state(known.state.beside(".json"))
    answer = decide(Evidence(word, str(known.ledger.parent), saved, venue=venue))
    if answer.flat and known.url:
        settle(known.state, known.ledger, int(answer.checked_ms or 0))
    return answer


def settle(state: RunState, ledger: Path, at_ms: int) -> None:
    """The venue has confirmed at `at_ms` that nothing is open: no sign of an earlier pair may outlive that. What cannot be written stays a sign."""
    last_hash = ""  # a ledger that cannot be read has no last row, and nothing is open in it
    with suppress(OSError, sqlite3.Error, LedgerError), closing(Store.reading(ledger)) as store:
        last_hash = store.last_hash
    with suppress(OSError):
        state.remember(last_hash, may_be_open=False, at_ms=at_ms)
    with suppress(OSError):
        EscapeFile(state.beside(ESCAPE), durable=True).clear()
