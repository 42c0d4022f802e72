"""How full everything is: what no message of an actor says, read every `GAUGES_S` for whoever follows the
run. While nothing happens these are also the run's heartbeat to its readers.
"""

import msgspec

from commands.output.events import BudgetLine, QueueLine
from messages.units import Bps, Quote

GAUGES_S = 2.0
"""How often they are read."""


class RunGauges(msgspec.Struct, frozen=True):
    """run -> its readers: what is in queues and budgets, and what is only known at current prices."""

    queues: tuple[QueueLine, ...]
    budgets: tuple[BudgetLine, ...]
    exposure: Quote | None
    """Net, signed, at the mids of now; None while nothing is held or quoted."""
    marked_imbalance: Bps | None
    planned_imbalance: Bps | None
    value: Quote | None
    """The account's, at the last reading."""
    day_loss: Quote | None
    residual: Quote | None
    """Money that nothing explains: 0."""
    orders_sent: int
    orders_resolved: int
    orders_twice: int
    """Orders that left more than once. Must stay 0."""
