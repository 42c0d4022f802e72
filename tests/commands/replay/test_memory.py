"""A replay of weeks needs as much memory as one of hours: what is remembered of orders and events has a
bound, and nothing else grows from cycle to cycle.
"""

import gc
import tracemalloc

import msgspec
import pytest

from actors.ledger import fold, remembered_orders, row_filter, snapshots, tally
from commands import cli
from commands.replay import replaying
from commands.run.recorder import Recorder
from commands.screen import view
from messages.lifecycle import CycleEnded
from venue.simulated.engine import public_trades

KEPT = 32
"""Instead of thousands: all that is remembered is full after as many cycles."""
WARM, CYCLES, LOOKS = 80, 200, 20
"""From which cycle on nothing may grow, until which, and over how many the least is taken: the exchange
forgets now and then.
"""
A_CYCLE = 400
"""Bytes; a single order that stays is more."""


@pytest.mark.long
def test_no_cycle_leaves_anything_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Orders that had ended stayed in the exchange's log for ever, 8 KB a cycle."""
    for module, name in (
        *((fold, "REMEMBERED"), (tally, "KEPT"), (row_filter, "EVENTS_KEPT")),
        *((view, "DIGESTS_KEPT"), (public_trades, "TRADES_MAX")),
    ):
        monkeypatch.setattr(module, name, KEPT)
    monkeypatch.setattr(replaying, "REMEMBERED_S", 20.0)
    early, late, cycles = list[int](), list[int](), list[int]()
    both = early, late
    observe = Recorder.observe

    def watched(recorder: Recorder, message: msgspec.Struct) -> None:
        observe(recorder, message)
        if isinstance(message, CycleEnded):
            cycles.append(message.cycle)
            for until, held in zip((WARM, CYCLES), both, strict=True):
                if until - LOOKS < message.cycle <= until:
                    gc.collect()
                    held.append(tracemalloc.get_traced_memory()[0])

    monkeypatch.setattr(Recorder, "observe", watched)
    words = ["replay", "--quiet", "--market", "flat:2756.9/115.86", "--hold", "1 s", "--cycles", str(CYCLES)]
    words += ["--set", "limits.max_daily_loss=1000000 USD", "--set", "limits.max_drawdown=1000000 USD"]
    assert {snapshots, remembered_orders}  # imported with the first snapshot, and that is no growth
    tracemalloc.start()
    try:
        assert cli.main(words) == 0
    finally:
        tracemalloc.stop()
    assert cycles == list(range(1, CYCLES + 1))
    assert min(late) - min(early) < A_CYCLE * (CYCLES - WARM)
