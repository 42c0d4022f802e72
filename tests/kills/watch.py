"""A ledger seen from another process: when is it time to strike, and what was going on when it came?"""

import random
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import msgspec

from actors.ledger import Fold, Store
from messages.lifecycle import Started
from messages.sizing import Sealed

POLL_S = 0.002
DELAY_MS_MAX = 50
"""After a row that triggers, a strike comes this much later at most."""
ROWS = ("intent", "first outcome", "exit")
RESTING_ROWS = (*ROWS, "quote", "quote", "hedge", "cancellation")
"""Where orders rest."""
REST_MS = 1_500
"""After a quote's intent, a strike may also come so much later: while it rests."""


class Moment(msgspec.Struct, frozen=True):
    """When to strike: `delay_s` after the process began, or after the `nth` row of this kind."""

    row: str
    nth: int
    delay_s: float

    def text(self) -> str:
        """In words."""
        return f"{self.delay_s * 1000:.0f} ms after " + (
            f"{self.row} {self.nth}" if self.row else "the start"
        )


def random_moment(rng: random.Random, lasts_s: float) -> Moment:
    """Any time in a run that usually lasts `lasts_s`. Half of that is its start, which one in four moments
    is for.
    """
    if rng.random() < 0.25:
        return Moment("", 0, rng.uniform(0, lasts_s))
    return Moment("first row", 1, rng.uniform(0, lasts_s / 2))


def row_moment(rng: random.Random, rows: Sequence[str] = ROWS) -> Moment:
    """0 to 50 ms after a row of the ledger; after a quote's, also while it rests."""
    row, nth, share = rng.choice(rows), rng.choice((1, 1, 2)), rng.uniform(0, 1)
    longest_ms = rng.choice((DELAY_MS_MAX, REST_MS)) if row == "quote" else DELAY_MS_MAX
    return Moment(row, nth, share * longest_ms / 1000)


def rows_in(ledger: Path) -> int:
    """How many rows there are; 0 without a ledger."""
    try:
        with closing(_reading(ledger)) as database:
            (count,) = database.execute("SELECT COUNT(*) FROM events").fetchone()
            return int(count)
    except sqlite3.Error:
        return 0


def waited_for(moment: Moment, ledger: Path, rows_before: int, alive: Callable[[], bool]) -> bool:
    """Wait for the moment. False: the process ended first."""
    if moment.row and not _row_came(moment, ledger, rows_before, alive):
        return False
    until = time.monotonic() + moment.delay_s
    while time.monotonic() < until and alive():
        time.sleep(min(0.01, max(0.0, until - time.monotonic())))
    return alive()


def _row_came(moment: Moment, ledger: Path, rows_before: int, alive: Callable[[], bool]) -> bool:
    while alive():
        if len(_rows_like(moment.row, ledger, rows_before)) >= moment.nth:
            return True
        time.sleep(POLL_S)
    return False


def _rows_like(row: str, ledger: Path, rows_before: int) -> list[tuple[int]]:
    kind, body = {
        "first row": ("Started", "%"),
        "intent": ("Sealed", "%"),
        "first outcome": ("Outcome", "%"),
        "exit": ("Sealed", '%"purpose":"exit"%'),
        "quote": ("Sealed", '%"purpose":"quote"%'),
        "hedge": ("Sealed", '%"purpose":"hedge"%'),
        "cancellation": ("CancelAsked", "%"),
    }[row]
    try:
        with closing(_reading(ledger)) as database:
            query = "SELECT seq FROM events WHERE seq >= ? AND kind = ? AND CAST(body AS TEXT) LIKE ?"
            return database.execute(query, (rows_before, kind, body)).fetchall()
    except sqlite3.Error:
        return []


def _reading(ledger: Path) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{ledger.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=1.0
    )


def folded(ledger: Path) -> tuple[Fold, list[Sealed]]:
    """What the rows come to, and every plan that was written down."""
    fold, plans = Fold(), []
    with closing(Store.reading(ledger)) as store:
        store.verify()
        for _, at_ns, message in store.events():
            fold.apply(message, at_ns)
            if isinstance(message, Sealed):
                plans.append(message)
    return fold, plans


def phase_of(ledger: Path, rows_before: int) -> str:
    """What a process was doing when it was struck, by what it had written."""
    if not ledger.exists() or not _has_begun(ledger, rows_before):
        return "starting"
    fold, _ = folded(ledger)
    flight = fold.flight
    if flight is None:
        return "awaiting proof" if fold.awaiting_proof else {"open": "hold"}.get(fold.phase, fold.phase)
    if flight.adopted:
        return "recovering"
    answers = sum(order.outcome is not None for order in flight.asked)
    return f"{flight.plan.purpose}, " + (
        f"{answers} of {len(flight.asked)} answered" if flight.placed else "voting"
    )


def _has_begun(ledger: Path, rows_before: int) -> bool:
    with closing(Store.reading(ledger)) as store:
        return any(seq >= rows_before and isinstance(message, Started) for seq, _, message in store.events())
