"""Certificates are written by a thread of their own, after their cycle has ended: a full or slow disk holds
up neither trading nor closing. What cannot be written is lost, counted and said.
"""

import sqlite3
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import msgspec

from actors.ledger import LedgerError, Store
from actors.ledger.certificates import CycleFigures, Exchange, certificate_of, file_name, rows_of
from actors.ledger.store import Row
from runtime.files import private_folder, replace_file
from runtime.specs import told
from venue.raw_messages import RawMessage, RawMessages

WAITING_MAX = 16
"""Cycles that wait for the thread; what comes on top is lost."""


class _Job(msgspec.Struct):
    ledger: Path
    figures: CycleFigures
    raw: dict[str, list[RawMessage]]
    why_no_raw: str


class Certificates:
    """The certificates of one run, in `folder`. `keep`: how many files stay there, the newest; with 0 none is
    written.
    """

    def __init__(
        self,
        folder: Path,
        exchange: Exchange,
        keep: int,
        raw: RawMessages | None,
        *,
        at_once: bool = False,
    ) -> None:
        """`raw`: None where no wire is between us and the exchange. `at_once`: written by who calls, for a
        replay, in which time stands still meanwhile.
        """
        self._folder, self._exchange, self._keep, self._raw = folder, exchange, keep, raw
        self._at_once = at_once
        self._waiting: deque[_Job] = deque()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._dropped_before = 0
        self._troubles: list[str] = []
        self.lost = 0

    def cycle_ended(self, ledger: Path, figures: CycleFigures) -> None:
        """A cycle has ended, and its row is on disk. Costs microseconds; never raises."""
        if self._keep <= 0:
            return
        digests = [order.digest for order in figures.orders]
        raw = self._raw.take(digests) if self._raw is not None else {}
        job = _Job(ledger, figures, raw, self._why_missing())
        if self._at_once:
            self._made(job)
            return
        with self._lock:
            if len(self._waiting) >= WAITING_MAX:
                self._is_lost(figures, f"{WAITING_MAX} others wait for the disk")
                return
            self._waiting.append(job)
            if self._thread is None:
                # a daemon: what a slow disk holds up must not hold up the end of the process
                self._thread = threading.Thread(target=self._work, name="certificates", daemon=True)
                try:
                    self._thread.start()
                except RuntimeError as error:  # the system gives no thread
                    self._thread, job = None, self._waiting.pop()
                    self._is_lost(job.figures, str(error))

    def _why_missing(self) -> str:
        if self._raw is None:
            return "no wire is between this run and its exchange"
        dropped, self._dropped_before = self._raw.dropped - self._dropped_before, self._raw.dropped
        if dropped:
            return f"{dropped} messages were beyond what is kept"
        return "this process did not send it or hear it: it began later, or the connection was lost"

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._thread = None
                    return
                job = self._waiting.popleft()
            self._made(job)

    def _made(self, job: _Job) -> None:
        try:
            with closing(Store.reading(job.ledger)) as store:
                rows, opened = rows_of(store, job.figures.ended.cycle, job.figures.at_ns)
            figures, raw = job.figures, job.raw
            self.write(certificate_of(figures, rows, raw, job.why_no_raw, self._exchange, opened), rows)
        except OSError as error:
            self._is_lost(job.figures, f"{error.filename}: {(error.strerror or 'unknown error').lower()}")
        except (sqlite3.Error, LedgerError, ValueError, LookupError, TypeError) as error:
            self._is_lost(job.figures, told(error))

    def write(self, content: bytes, rows: Sequence[Row]) -> None:
        """Have it in the folder, and no more than `keep` files. Raises `OSError`."""
        private_folder(self._folder)
        cycle = msgspec.json.decode(rows[-1][3])["cycle"]
        replace_file(self._folder / file_name(rows[-1][0], cycle), content, sync="none")
        for old in sorted(self._folder.glob("*-cycle-*.json"))[: -self._keep]:
            old.unlink(missing_ok=True)

    def _is_lost(self, figures: CycleFigures, why: str) -> None:
        self.lost += 1
        self._troubles.append(
            f"no certificate of cycle {figures.ended.cycle} ({self.lost} lost): {why};"
            " verify --rebuild makes it from the ledger"
        )

    def troubles(self) -> list[str]:
        """What was lost since this was asked last, in words."""
        said, self._troubles = self._troubles, []
        return said

    def close(self, within_s: float) -> None:
        """Wait for those that are being made, at most so long."""
        thread = self._thread
        if thread is not None:
            thread.join(within_s)
