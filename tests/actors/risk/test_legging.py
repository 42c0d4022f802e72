"""Which budget a cycle is judged by for being unhedged."""

import msgspec
import pytest

from actors.risk.legging import budget, budget_class
from messages.execution_settings import Execution
from messages.lifecycle import Legging
from messages.settings import Settings
from messages.units import Ms, Quote

RESTS = Settings(execution=Execution(exit="maker-taker"), legging_quote=Ms(8_000))


@pytest.mark.parametrize(
    ("settings", "doubted", "quote_ms", "wanted"),
    [
        (Settings(), False, 8_000, "legging_known"),
        (Settings(), True, 8_000, "legging_unknown"),
        (RESTS, False, 100, "legging_quote"),
        (RESTS, True, 8_000, "legging_quote"),
        (RESTS, True, 6_000, "legging_unknown"),
    ],
)
def test_a_cycle_whose_orders_may_rest_has_a_budget_of_its_own(
    settings: Settings, doubted: bool, quote_ms: int, wanted: str
) -> None:
    """A doubt never makes the budget smaller than it was without one."""
    settings = msgspec.structs.replace(settings, legging_quote=Ms(quote_ms))
    legging = Legging(leg=Quote.of(1000), doubted=doubted)
    assert budget_class(legging, settings) == (wanted, getattr(settings, wanted))
    assert budget(legging, settings) == Quote.of(getattr(settings, wanted))
