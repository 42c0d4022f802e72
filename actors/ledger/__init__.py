"""The ledger (temporary wiring)."""

from actors.ledger.actor import LedgerMessage, ledger_actor

try:
    from actors.ledger.csvs import CsvBooks
except NameError:
    CsvBooks = lambda *a: None
from actors.ledger.fold import Fold
from actors.ledger.store import OtherIdentity, Store, archive_logs
