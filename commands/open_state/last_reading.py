"""The end of whatever has traded: the exchange's last reading, and what is kept of it so that the next
start need not ask.
"""

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from actors.instance.state import ESCAPE, RunState, read_state
from actors.ledger import LedgerError, Store
from actors.tree import World
from commands.open_state.decision import OpenAnswer, decide
from commands.open_state.evidence import Evidence, LedgerEvidence, VenueEvidence, ledger_evidence
from messages.lifecycle import Held
from venue.stored_escape import EscapeFile


def at_the_end(known: World, held: Held | None, said: VenueEvidence) -> OpenAnswer:
    """The answer of a run that ends: by its ledger, or by what it last heard of it (`held`) where the file is
    lost, and by the exchange.

    Once nothing is open that is kept: the next start need not ask. Never raises.
    """
    answer = decide(evidence_at_the_end(known, held, said))
    if answer.flat and known.url:
        settle(known.state, known.ledger, int(answer.checked_ms or 0))
    return answer


def evidence_at_the_end(known: World, held: Held | None, said: VenueEvidence) -> Evidence:
    """What the answer of a run that ends rests on: its ledger, else the last that it heard of it."""
    ledger, snapshot = ledger_evidence(known.ledger, known.state.anchor, None), said.snapshot
    if held is not None and (
        ledger.held is None or ledger.state not in {"good", "broken"} or ledger.held.rows < held.rows
    ):
        ledger = LedgerEvidence(
            "good",
            str(known.ledger),
            held=held,
            grounded=True,
            proven_ms=int(snapshot.at_ms) if snapshot else None,
        )
    return Evidence(ledger, str(known.ledger.parent), read_state(known.state.beside(".json")), venue=said)


def settle(state: RunState, ledger: Path, at_ms: int) -> None:
    """The venue has confirmed at `at_ms` that nothing is open: no sign of an earlier pair may outlive
    that. What cannot be written stays a sign.
    """
    last_hash = ""  # a ledger that cannot be read has no last row, and nothing is open in it
    with suppress(OSError, sqlite3.Error, LedgerError), closing(Store.reading(ledger)) as store:
        last_hash = store.last_hash
    with suppress(OSError):
        state.remember(last_hash, may_be_open=False, at_ms=at_ms)
    with suppress(OSError):
        EscapeFile(state.beside(ESCAPE), durable=True).clear()
