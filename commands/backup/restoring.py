"""`restore`: a copy becomes the ledger again, and the exchange is asked what is open.

A copy is older than the ledger was: what was traded after it is in none of its rows, so nothing may take it
for all there is to know. Where the state file knows a later row, it says so itself; where there is no state
file (another machine), it is made to say that a pair may be open. Either way what is open is *unknown* until
the exchange has confirmed that nothing is, or a person has typed `run --adopt`, and that run closes the pair.

    verify      every row of the copy
    lock        the subaccount's state, then the ledger: no run is alive, and none can start meanwhile
    compare     a ledger here that knows as much or more stays; one of another account or another history, too
    mark        the state file, before the copy stands here
    put away    what was here goes to `archive/replaced-<utc>/`; nothing is deleted
    put back    by rename; a crash before it leaves no ledger, which is *unknown* as well
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from actors.instance.state import AlreadyRunning, NoState, RunState, opened_state, state_directory
from actors.ledger import LedgerError, Store, archive_logs
from actors.ledger.copies import LedgerCopy, copied_file, kept_as, verified_copy
from actors.ledger.locking import kept
from actors.ledger.store import ARCHIVE
from commands.account.target_account import TargetAccount
from commands.backup.copying import COPIES, EARLIER
from commands.open_state.evidence import ledger_evidence
from commands.output.words import Refusal
from commands.setup.refusals import refusal
from runtime.clock import WallClock
from runtime.files import private_folder

RESTORED = "restored"
"""In place of a row's hash: nobody knows the last row of the ledger that the copy was made of."""
UNCHANGED = "nothing was changed"


def copy_at(path: Path) -> LedgerCopy:
    """The copy that is meant: a file, or the newest in a folder of copies. Raises `Refusal` when there is
    none, or it is not what was written.
    """
    file = max(path.glob(COPIES), default=path) if path.is_dir() else path
    if not file.is_file():
        cure = "name a file that backup made, or its folder"
        raise Refusal("NO_LEDGER", "FILE", f"{file}: there is no copy of a ledger here", cure, UNCHANGED)
    try:
        return verified_copy(file)
    except (sqlite3.Error, LedgerError, OSError) as error:
        message = f"{file} cannot be restored: {error}"
        raise Refusal("BROKEN_LEDGER", "FILE", message, "take an older copy", UNCHANGED) from error


def put_back(copy: LedgerCopy, target: TargetAccount) -> list[tuple[str, str]]:
    """Restore it for `target`; what was done, in words. Raises `Refusal`, `OSError`, `sqlite3.Error`: then
    the copy can be restored again.
    """
    lines = [("restored", f"{target.ledger} from {copy.path}, {copy.rows} rows")]
    private_folder(target.logs)
    with _alone(target) as state:
        replaces = _replaces(copy, target.ledger)
        now_ns = WallClock().utc_ns()
        if state.anchor is None and not target.child:
            # An order of a machine that is gone may still be on its way.
            now_ms = now_ns // 1_000_000
            state.remember(RESTORED, True, now_ms, now_ms + target.settings.recv_time)
        if replaces:
            stamp = datetime.fromtimestamp(now_ns / 1e9, UTC).strftime("%Y%m%dT%H%M%S%fZ")
            folder = archive_logs(target.logs, f"replaced-{stamp}", escapes=False)
            lines.append(("replaced", f"what was here is in {folder}"))
        for path in sorted((copy.path.parent / ARCHIVE).glob(EARLIER)):
            there = target.logs / ARCHIVE / path.name
            if not there.exists():
                private_folder(there.parent)
                kept_as(copied_file(path, there), there)
        kept_as(copied_file(copy.path, target.ledger), target.ledger)
    return lines


@contextmanager
def _alone(target: TargetAccount) -> Iterator[RunState]:
    """No run and no guard is at work on this account, and none can begin. Raises `Refusal`."""
    try:
        state = opened_state(state_directory(), target.access.identities(target.logs), target.logs)
    except (AlreadyRunning, NoState) as error:
        raise refusal(error, target.access) from error
    with closing(state):
        if state.guard_closes:
            message = "a guard closes what a run left open, and writes it into the ledger"
            cure = f"wait until it has ended: {target.logs}/guard.log"
            raise Refusal("GUARD_CLOSES", None, message, cure, UNCHANGED)
        try:
            with kept(target.ledger):
                yield state
        except LedgerError as error:
            raise refusal(error, target.access) from error


def _replaces(copy: LedgerCopy, here: Path) -> bool:
    """Is there a ledger that the copy takes the place of? Raises `Refusal` for one that must stay."""
    if not here.exists():
        return False
    known = ledger_evidence(here, None, None)
    if known.state in {"unreadable", "empty", "broken"} or known.opened is None:
        return True
    if msgspec.structs.replace(known.opened, schema=copy.opened.schema) != copy.opened:
        whose = f"{known.opened.venue}, subaccount {known.opened.subaccount}"
        raise Refusal("OTHER_LEDGER", "--logs", f"{here} belongs to {whose}", "use its own --logs", UNCHANGED)
    with closing(Store.reading(here)) as store, closing(Store.reading(copy.path)) as copied:
        if store.contains(copy.last_row):
            message = f"{here} has every row of the copy and {store.last_seq + 1 - copy.rows} more"
            raise Refusal("NOTHING_TO_RESTORE", "FILE", message, "nothing to type: it is whole", UNCHANGED)
        if copied.contains(store.last_hash):
            return True
    message = f"{here} went on otherwise: it has rows that the copy does not know"
    cure = f"keep a copy of {here}; where the other one is meant, move it away and restore again"
    raise Refusal("OTHER_HISTORY", "FILE", message, cure, UNCHANGED)
