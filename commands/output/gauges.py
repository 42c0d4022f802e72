"""How full everything is: what no message of an actor says, read every `GAUGES_S` for whoever follows the
run. While nothing happens these are also the run's heartbeat to its readers.
"""

import msgspec

from messages.units import Bps, Quote

GAUGES_S = 2.0
"""How often they are read."""


class QueueGauge(msgspec.Struct, frozen=True):
    """One mailbox."""

    name: str
    waiting: int
    """Messages that were posted and not taken yet."""
    size: int
    """How many it holds at most."""


class BudgetGauge(msgspec.Struct, frozen=True):
    """One of the exchange's rate limits, as this client counts what it spends."""

    name: str
    window_ms: int
    spent: int
    allowed: int


class RunGauges(msgspec.Struct, frozen=True):
    """run -> its readers: what is in queues and budgets, and what is only known at current prices."""

    queues: tuple[QueueGauge, ...]
    budgets: tuple[BudgetGauge, ...]
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
