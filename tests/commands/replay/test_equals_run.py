"""A replay comes to what a run comes to, but for what real time adds: a run decides some milliseconds later,
because its own work and the sockets take that long, so it may see the next quote.

Where prices stand still that changes nothing, and both agree to the last digit. Where they move by a tick,
every order is at most that tick away.
"""

import json
import os
import subprocess
import sys
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from actors.ledger import Store
from messages.sizing import Sealed, SizingPlan
from messages.units import Price, Rate
from tests.commands.run.test_replay_ends import recording

pytestmark = pytest.mark.process
ROOT = Path(__file__).resolve().parents[3]
SAME = (
    *("cycles", "completed", "skipped", "failed", "entered", "together", "unfinished", "fill_rate"),
    *("orders_sent", "orders_resolved", "restarts", "open_eth", "open_sol", "traded_usd", "fees_usd"),
    *("spread_usd", "spread_planned_usd", "slippage_usd", "adverse_usd", "hedge_usd", "lots_usd", "pnl_usd"),
    *("residual_usd", "money_state", "filled_imbalance_max_bps", "filled_imbalance_median_bps", "skips"),
)


def done(folder: Path, command: str, *words: str) -> tuple[dict[str, Any], list[SizingPlan]]:
    """The object and the plans of one command, in a process of its own."""
    logs = folder / command
    ran = subprocess.run(
        [sys.executable, str(ROOT / "supervisor.py"), command, "--json", "--logs", str(logs), *words],
        cwd=folder,
        env=os.environ | {"XDG_STATE_HOME": str(folder / "state")},
        capture_output=True,
        timeout=180,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr.decode()
    with closing(Store.reading(logs / "ledger.sqlite")) as store:
        plans = [message.plan for _, _, message in store.events() if isinstance(message, Sealed)]
    return json.loads(ran.stdout.splitlines()[-1]), plans


def orders(plan: SizingPlan) -> tuple[object, ...]:
    """What a plan orders, and by which prices."""
    legs = ((leg.amount, leg.limit, leg.vwap, leg.kind) for leg in (plan.eth, plan.sol))
    return plan.purpose, plan.cycle, plan.step, *legs


def test_where_prices_stand_still_both_agree_to_the_last_digit(tmp_path: Path) -> None:
    words = ("--market", "flat:2756.9/115.86", "--cycles", "4", "--hold", "300 ms", "--set", "pause=100 ms")
    ran, plans = done(tmp_path, "run", *words)
    replayed, again = done(tmp_path, "replay", *words)
    assert {key: replayed[key] for key in SAME} == {key: ran[key] for key in SAME}
    assert [orders(plan) for plan in again] == [orders(plan) for plan in plans]
    assert len(plans) == 8


def test_with_a_hedge_ratio_both_trade_the_same_pairs_and_keep_the_promise(tmp_path: Path) -> None:
    words = ("--market", "flat:2756.9/115.86", "--cycles", "2", "--hold", "300 ms", "--set", "pause=100 ms")
    ran, plans = done(tmp_path, "run", *words, "--set", "hedge_ratio=0.8")
    replayed, again = done(tmp_path, "replay", *words, "--set", "hedge_ratio=0.8")
    assert {key: replayed[key] for key in SAME} == {key: ran[key] for key in SAME}
    assert [orders(plan) for plan in again] == [orders(plan) for plan in plans]
    assert {plan.hedge_ratio for plan in (*plans, *again)} == {Rate.of("0.8")}
    assert (ran["hedge_ratio"], ran["completed"]) == ("0.8", 2)
    assert 0 < Decimal(ran["filled_imbalance_max_bps"]) < 10


def test_where_prices_move_by_a_tick_no_order_is_further_away_than_that(tmp_path: Path) -> None:
    words = ("--market", recording(tmp_path, 12), "--cycles", "3", "--hold", "1 s")
    ran, plans = done(tmp_path, "run", *words)
    replayed, again = done(tmp_path, "replay", *words)
    counts = ("completed", "failed", "entered", "together", "orders_sent", "open_eth", "open_sol")
    assert {key: replayed[key] for key in counts} == {key: ran[key] for key in counts}
    assert len(plans) == len(again) == 6
    ticks = Price.of("0.1"), Price.of("0.01")
    for plan, other in zip(plans, again, strict=True):
        assert (plan.purpose, plan.cycle) == (other.purpose, other.cycle)
        for one, two, tick in zip((plan.eth, plan.sol), (other.eth, other.sol), ticks, strict=True):
            assert abs(one.vwap - two.vwap) <= tick
            assert (one.amount > 0) == (two.amount > 0)
