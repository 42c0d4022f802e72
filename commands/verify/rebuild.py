"""`verify --rebuild`: certificates that are missing, made again from the ledger. It is the one file here that
knows the ledger's own code: what it makes is verified afterwards like any other certificate.

The exchange's messages are not in a ledger, so a certificate that is made again says that they are missing.
"""

from collections import deque
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from actors.ledger import CERTIFICATES, Fold, Store
from actors.ledger.bookkeeping import ended_figures
from actors.ledger.certificates import CycleFigures, Exchange, certificate_of, file_name
from actors.ledger.store import Row, message_of
from commands.access.venue import SIMULATED, is_play_money
from commands.setup.certificates import Certificates
from messages.lifecycle import CycleEnded, Opened

ROWS_AT_ONCE = 1_000
WHY = "it was made again from the ledger, which has no raw messages"


def rebuilt(ledger: Path, keep: int) -> int:
    """Make those of the newest `keep` certificates that are not there; how many. The ledger has been
    verified. Raises `OSError`, `LedgerError`, `sqlite3.Error`.
    """
    folder = ledger.parent / CERTIFICATES
    there = {path.name for path in folder.glob("*.json")} if folder.is_dir() else set()
    with closing(Store.reading(ledger)) as store:
        opened = store.opened()
        cycles = deque(_cycles(store), maxlen=keep)
    if opened is None:
        return 0
    whole = {name: getattr(opened, name) for name in Opened.__struct_fields__}
    exchange: Exchange = "Nado"
    if is_play_money(opened.venue.partition(":")[0]):
        exchange = "Nado-simulated" if opened.venue.startswith(SIMULATED) else "Nado-PAPER"
    written, books = 0, Certificates(folder, exchange, keep, None)
    for figures, rows in cycles:
        if file_name(rows[-1][0], figures.ended.cycle) not in there:
            books.write(certificate_of(figures, rows, {}, WHY, exchange, whole), rows)
            written += 1
    return written


def _cycles(store: Store) -> Iterator[tuple[CycleFigures, list[Row]]]:
    """Each cycle that ordered something, and its rows."""
    fold, since = Fold(), 0
    rows: list[Row] = []
    figures: list[CycleFigures] = []
    while found := store.rows(since, ROWS_AT_ONCE):
        for row in found:
            rows.append(row)
            message = message_of(row)
            for consequence in fold.apply(message, row[1]):
                if isinstance(consequence, CycleEnded):
                    figures = ended_figures(fold, consequence, row[1])
            if isinstance(message, CycleEnded):
                if figures:
                    yield figures[0], rows
                rows, figures = [], []
        since = found[-1][0] + 1
