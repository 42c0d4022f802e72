"""How full a run's queues and budgets are, and what is only known at current prices."""

from typing import Any

from actors.risk.limits import marked
from commands.output.events import BudgetLine, QueueLine
from commands.output.gauges import RunGauges
from commands.screen.view import RunView
from commands.screen.view_parts import marked_exposure
from messages.lifecycle import Totals
from runtime.mailbox import Mailbox
from supervisor import Machine


def gauges_of(view: RunView, machine: Machine) -> RunGauges:
    """Every queue, budget and figure at this moment, by the newest quote and what is held."""
    held, channels = view.held, machine.channels
    boxes: tuple[Mailbox[Any], ...] = (channels.inbox, *channels.to_leg.values(), channels.to_ledger)
    totals = held.totals if held else Totals()
    exposed = marked_exposure(held, view.quote)
    return RunGauges(
        queues=tuple(QueueLine(box.name, box.backlog, box.size) for box in boxes),
        budgets=tuple(BudgetLine(*each) for each in machine.world.venue.budgets()),
        exposure=exposed[0] if exposed else None,
        marked_imbalance=marked(held, view.quote) if exposed and held and view.quote else None,
        planned_imbalance=view.planned,
        value=held.value if held else None,
        day_loss=held.day_loss if held else None,
        residual=totals.money.residual if totals.money else None,
        orders_sent=totals.orders_sent,
        orders_resolved=totals.orders_closed,
        orders_twice=view.orders_twice,
    )
