"""The other cells: a venue that is gone before the pair is whole, and does not come back within
`venue_patience`.
"""

from itertools import product
from pathlib import Path

import msgspec
import pytest
import trio
from trio.testing import MockClock

from commands.output.ending import exit_code
from commands.output.words import OPEN
from messages.settings import Settings
from messages.sizing import Sealed
from messages.units import Base, Ms
from tests.determinism import seed_trio
from tests.endings.cells import Cell
from tests.endings.judge import stood
from tests.endings.outcomes import MATCHED_MS
from tests.endings.staging import UNEVEN, Accident, prepared
from tests.machine.bench import bench
from tests.thinned import thinned
from venue.simulated.faults.incidents import Down
from venue.simulated.faults.order_faults import NO_FAULTS, Faults

PATIENCE_MS = 20_000
GONE = Faults(incident=(Down(at_ms=MATCHED_MS + 5, for_ms=3_600_000),))
SETTINGS = Settings(cycles=3, venue_patience=Ms(PATIENCE_MS), hold=Ms(500))


OUTCOMES_OF_LEGS = (
    ("filled", "rejected"),
    ("rejected", "filled"),
    ("partial", "filled"),
    ("never filled", "ack lost"),
)


@pytest.mark.parametrize(
    ("phase", "outcomes"), thinned(product(("enter", "repair", "exit", "flatten"), OUTCOMES_OF_LEGS), 5)
)
async def test_what_a_venue_that_is_gone_leaves_open_is_named_and_nothing_is_entered(
    phase: str, outcomes: tuple[str, str], autojump_clock: MockClock, tmp_path: Path
) -> None:
    """O6, R9: exit code 4, and not one restart is used up."""
    cell = Cell(phase, *outcomes, crash=False)
    seed_trio(cell.seed)
    direction = list(UNEVEN)[cell.seed % 2]
    settings = msgspec.structs.replace(SETTINGS, direction=direction)
    async with (
        bench(tmp_path, settings, faults=prepared(cell, direction), seed=cell.seed) as ready,
        trio.open_nursery() as nursery,
    ):
        accident = Accident(cell, ready, nursery, GONE)
        ending = await ready.run(within_s=PATIENCE_MS / 1000 + 60)
        nursery.cancel_scope.cancel()
        rules = ready.world.rules
        left = stood(list(ready.venue.exchange.order_log), (rules.eth.product_id, rules.sol.product_id))
        ready.venue.faults = NO_FAULTS
        assert accident.plan is not None
        # What is no pair waits 10 s for the legs' connections; a pair, and an order in doubt, wait for
        # `venue_patience`.
        assert ending.by == "halt", ending
        assert ending.code in {"CLOSE_OVERDUE", "LEG_UNREACHABLE"}, ending
        for name, amount in (("ETH-PERP", left.eth), ("SOL-PERP", left.sol)):
            assert (
                not amount
                or f"{name} {Base(amount).text()}" in ending.open_legs
                or "unknown" in ending.open_legs
            )
        assert exit_code(ending.by, open_legs=ending.open_legs, traded=True) == OPEN
        assert [said.plan.purpose for said in ready.said if isinstance(said, Sealed)].count("enter") == 1
        assert ready.totals().restarts == 0
