"""Keeps outside of the ledger which ledger it is and how far it had come, so that one that is lost, replaced
or older is told from one that is flat.

Two moments count. Before a vote on an order that can increase a position is spoken, "a pair may be open"
stands in the state directory beside the hash of the row with that intent. When the exchange has confirmed
that nothing is open, "nothing" does. Between them the file is not touched: a ledger that has the row of the
intent tells the rest itself.

And the file itself is watched: a run that goes on writing into a ledger that was deleted or replaced writes
for nobody.
"""

from collections.abc import Callable, Sequence

import msgspec

from actors.ledger.fold import Fold
from actors.ledger.store import Store
from messages.lifecycle import LEDGER_GONE, Denial
from messages.sizing import Declined, Ready
from runtime.specs import told

Remember = Callable[[str, bool, int, int], None]
"""Keeps it (`RunState.remember`): the row, whether a pair may be open, venue time of this word and until
when orders may arrive. Raises `OSError`.
"""


class Anchoring:
    """For one incarnation of the ledger. `may_be_open`: what was kept before it, None when nothing was."""

    def __init__(self, store: Store, remember: Remember | None, *, may_be_open: bool | None = None) -> None:
        self._store, self._remember = store, remember
        self._kept = may_be_open

    @property
    def gone(self) -> Denial | None:
        """Why nothing may be entered: the file is not there any more. Two `stat`s."""
        if self._remember is None or self._store.still_there():
            return None
        return Denial(
            LEDGER_GONE,
            "the ledger's file was deleted or replaced during this run; a later start would not find its"
            " records",
        )

    def begins(self, fold: Fold, now_ms: int) -> str:
        """From here on it is this ledger. What was kept is valid until the exchange confirms. Returns what
        went wrong, or "".
        """
        kept = bool(self._kept) or fold.phase != "flat" or fold.awaiting_proof
        return self._keep(kept, now_ms, 0)

    def before_speaking(
        self, fold: Fold, posts: Sequence[msgspec.Struct], now_ms: int
    ) -> list[msgspec.Struct]:
        """What may be said now that the rows are on disk: a vote for an order that can increase a position
        only once this, too, is kept.
        """
        said: list[msgspec.Struct] = []
        for message in posts:
            plan = fold.flight.plan if fold.flight is not None and isinstance(message, Ready) else None
            wrong = (
                self._keep(True, now_ms, int(plan.last_trade_ms))
                if plan is not None and plan.increases
                else ""
            )
            said.append(
                Declined("ledger", plan.epoch, plan.seq, "STATE_UNWRITABLE", wrong)
                if plan is not None and wrong
                else message
            )
        if (
            self._kept
            and fold.phase == "flat"
            and not fold.awaiting_proof
            and fold.view.agreed
            and not self.gone
        ):
            self._keep(False, now_ms, 0)
        return said

    def _keep(self, may_be_open: bool, now_ms: int, until_ms: int) -> str:
        """What went wrong, or "". A word that says less than it could is no loss; one that says less than
        it must keeps us from entering.
        """
        if self._remember is None:
            return ""
        try:
            self._remember(self._store.last_hash, may_be_open, now_ms, until_ms)
        except OSError as error:
            return f"the state directory cannot be written: {told(error)}"
        self._kept = may_be_open
        return ""
