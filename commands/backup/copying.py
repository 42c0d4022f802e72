"""`backup`: a verified copy of the ledger in a folder of copies, of which the newest are kept.

A copy that is taken while an order is on its way would say "in doubt" for ever, so one is taken between two
plans, which is a matter of milliseconds. Files that the ledger goes on after are copied once: nobody changes
them.
"""

from contextlib import closing
from pathlib import Path

import msgspec
import trio

from actors.ledger import Store, folded
from actors.ledger.copies import LedgerCopy, copied_file, kept_as, verified_copy
from actors.ledger.store import ARCHIVE
from runtime.files import private_folder

LEDGER = "ledger.sqlite"
COPIES = "ledger-????????T??????Z.sqlite"
EARLIER = "ledger-*-*.sqlite"
"""Files that a ledger goes on after (`actors/ledger/rotation.py`)."""
TRIES, TRY_S = 50, 0.2
"""How often a moment without an order on its way is looked for, and how long between two looks."""


class Backup(msgspec.Struct, frozen=True):
    """One copy, and what else was done in its folder."""

    copy: LedgerCopy
    earlier: int
    """Files copied now that the ledger goes on after."""
    copies: int
    removed: int


async def backed_up(logs: Path, folder: Path, keep: int, stamp: str) -> Backup:
    """Copy the ledger in `logs` into `folder` as `ledger-STAMP.sqlite` and keep the newest `keep` copies.
    Raises `LedgerError`, `sqlite3.Error`, `OSError`: then there is no new copy, and no older one was removed.
    """
    private_folder(folder)
    ledger, target = logs / LEDGER, folder / f"ledger-{stamp}.sqlite"
    earlier = [_earlier(path, folder / ARCHIVE) for path in sorted((logs / ARCHIVE).glob(EARLIER))]
    for tried in range(TRIES):
        await trio.sleep(TRY_S if tried else 0)
        # A plan without its ending: cheaper to see than a copy, which is read from its first row on.
        if folded(ledger).flight is not None and tried < TRIES - 1:
            continue
        part = copied_file(ledger, target)
        try:
            copy = verified_copy(part)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        if not copy.held.doubts or tried == TRIES - 1:
            break
    kept_as(part, target)
    removed = sorted(folder.glob(COPIES))[:-keep]
    for old in removed:
        old.unlink()
    copies = len(list(folder.glob(COPIES)))
    return Backup(msgspec.structs.replace(copy, path=target), sum(earlier), copies, len(removed))


def _earlier(path: Path, folder: Path) -> bool:
    """Copy a file that the ledger goes on after; False where it is there already."""
    target = folder / path.name
    if target.exists():
        return False
    private_folder(folder)
    part = copied_file(path, target)
    with closing(Store.reading(part)) as store:
        store.verify()
    kept_as(part, target)
    return True
