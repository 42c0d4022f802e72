"""The ledger: what was intended, what happened, what is held. The first up and the last down, so that nothing
is ever traded unrecorded.

store.py    the rows on disk: append-only, hash-chained
orders.py   one order, as its events tell it         flight.py   a plan in flight: two of them
cycles.py   one pair, from entry to exit             tally.py    one invocation in numbers
view.py     what the venue says beside it            fold.py     rows in, what is held out: pure
reading.py  the rows again, slice by slice           starting.py  how a start reads them
snapshots.py  what they come to, as one row of them
vote.py     may this plan stand?                     csvs.py     the same facts for spreadsheets
clerk.py    one step: what is written and said, pure
actor.py    the loop: drain, fold, commit, speak     bookkeeping.py  what a CSV file may not do
disk.py     room to close on a full disk             escapes.py      what ESCAPE wrote beside the ledger
locking.py  one process writes it                  certificates.py  one file per cycle, to prove it by
journal.py  writing while no ledger actor lives      remembered_orders.py  orders that ended long ago, shrunk
"""

from actors.ledger.actor import LedgerWiring, Unwritable, ledger_actor
from actors.ledger.certificates import CERTIFICATES, CertificateMaker
from actors.ledger.clerk import LedgerMessage
from actors.ledger.csvs import CsvBooks
from actors.ledger.disk import Disk
from actors.ledger.fold import Fold
from actors.ledger.journal import Journal
from actors.ledger.locking import LedgerError
from actors.ledger.reading import Reading, Verified, folded, read, read_verified
from actors.ledger.starting import catch_up
from actors.ledger.store import (
    SCHEMA,
    BrokenChain,
    LedgerFile,
    NewerSchema,
    OtherIdentity,
    Store,
    archive_logs,
)

__all__ = [
    "CERTIFICATES",
    "SCHEMA",
    "BrokenChain",
    "CertificateMaker",
    "CsvBooks",
    "Disk",
    "Fold",
    "Journal",
    "LedgerError",
    "LedgerFile",
    "LedgerMessage",
    "LedgerWiring",
    "NewerSchema",
    "OtherIdentity",
    "Reading",
    "Store",
    "Unwritable",
    "Verified",
    "archive_logs",
    "catch_up",
    "folded",
    "ledger_actor",
    "read",
    "read_verified",
]
