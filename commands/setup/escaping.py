"""The emergency close when trading has ended: Evenkeel's positions by the ledger, ESCAPE, and a record of
all of it, in the ledger or beside it.
"""

from contextlib import closing
from dataclasses import replace

import msgspec

from actors.ledger import Journal, LedgerFile
from actors.tree import World
from messages.lifecycle import SIGNER_REPLACED, Halted, Held
from messages.units import Ms
from runtime.observe import Notes
from venue.escape import EscapeContext, Escaped, escape
from venue.own_position import ClosingTask, OwnPosition

UNSIGNED_PATIENCE = Ms(10_000)
"""How long closing is tried with a key that the venue has refused: it would take a mistake of the venue's
for that to help.
"""


def journal_of(known: World) -> Journal:
    """The ledger of `known`, while no actor keeps it. Close it."""
    return Journal(
        LedgerFile(known.ledger, known.opened, known.sync),
        known.venue.order_builder,
        known.clock,
        known.observe,
        known.state.epoch,
    )


async def close_ours(known: World, held: Held | None, halted: Halted | None = None) -> Escaped:
    """ESCAPE for what the ledger explains; by `held`, the last that was heard of it, when its file cannot
    be read any more.
    """
    with closing(journal_of(known)) as journal:
        if halted is not None:
            journal.write(halted)
            if halted.code == SIGNER_REPLACED:
                patience = min(known.settings.venue_patience, UNSIGNED_PATIENCE)
                hurried = msgspec.structs.replace(known.settings, venue_patience=patience)
                known = replace(known, settings=hurried)
        return await escape_with(known, journal, task_of(known, journal, held))


async def escape_with(known: World, journal: Journal, task: ClosingTask) -> Escaped:
    """ESCAPE for `task`, by all that `known` has; each round and answer is written down by `journal`."""
    context = EscapeContext(
        known.venue,
        known.rules,
        known.clock,
        known.settings,
        journal.write,
        known.observe,
        known.state.epoch,
    )
    return await escape(context, task)


def task_of(known: World, journal: Journal, held: Held | None) -> ClosingTask:
    """Evenkeel's positions to close. A ledger that was lost and begun again knows less than whoever has
    heard of it last.
    """
    by_file = journal.fold.held(known.state.epoch)
    if not journal.unreadable and (held is None or by_file.rows >= held.rows):
        return ClosingTask.of(by_file)
    trouble = journal.unreadable or "its file was lost, and has fewer rows than this run has written"
    why = f"the ledger cannot be read ({trouble}): " + (
        "closing what was held last" if held else "nothing is known to be ours"
    )
    Notes(known.observe, known.clock, "escape")("error", why)
    return ClosingTask.of(held) if held else ClosingTask(OwnPosition(), OwnPosition())


def write_down_halt(known: World, halted: Halted) -> None:
    """Write down a halt that found nothing open: in the ledger, or beside it where that cannot be written."""
    with closing(journal_of(known)) as journal:
        journal.write(halted)
