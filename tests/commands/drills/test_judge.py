"""Limits are kept when they are met exactly and exceeded by the smallest step beyond; nothing open is ever
inside.
"""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from commands.drills.exposure import Change
from commands.drills.judge import LIMIT_HALTS, allowed_cost, judged
from commands.drills.stage import Played
from commands.drills.table import BY_NAME
from messages.execution import AccountSnapshot
from messages.settings import Guard, Limits, Settings
from messages.units import ONE, Base, Ms, Price, Quote, Rate
from tests.actors.fakes import RULES

ETH, SOL = RULES.eth.product_id, RULES.sol.product_id
PAIR = (int(Base.of("0.5")), int(Base.of("-10")))
BEFORE, NOTHING = Quote.of(10_000), Quote(0)


def played(*alone_ms: int, cost: Quote | None = NOTHING, **known: Any) -> Played:
    """A pair of 1,000 USD per leg, whose SOL leg came so long after the ETH leg; then both left at once."""
    changes = [Change(0, ETH, Base.of("0.5"), Price.of(2_000))]
    for wait_ms in alone_ms:
        changes += [Change(wait_ms * 1_000_000, SOL, Base.of("-10"), Price.of(100))]
        changes += [
            Change(9_000_000_000, ETH, Base.of("-0.5"), Price.of(2_000)),
            Change(9_000_000_000, SOL, Base.of("10"), Price.of(100)),
        ]
    value = None if cost is None else Quote(BEFORE - cost)
    after = None if value is None else AccountSnapshot(Ms(9_500), True, value, value, value, value, (), ())
    seen = Played(
        RULES,
        tuple(changes),
        True,
        BEFORE,
        after,
        0,
        {"halt_code": None, "error": None},
        False,
        True,
        True,
        (PAIR,),
    )
    return msgspec.structs.replace(seen, **known)


def limits_of(name: str, seen: Played, settings: Settings | None = None) -> list[str]:
    return [each.limit for each in judged(BY_NAME[name], settings or Settings(), seen).exceeded]


@pytest.mark.parametrize(
    ("name", "ms"),
    [
        ("one-leg-reject", 500),
        ("ack-lost", 6_000),
        ("process-kill", 8_000),
        ("hedge-refused", 6_000),
        ("killed-while-quoting", 8_000),
        ("killed-while-quoting-unguarded", 20_000),
    ],
)
def test_the_time_of_a_legging_class_is_inside_and_a_millisecond_more_is_not(name: str, ms: int) -> None:
    assert limits_of(name, played(ms)) == []
    assert len(limits_of(name, played(ms + 1))) == 1


def test_what_the_configuration_lets_it_cost_is_inside_and_the_least_more_is_not() -> None:
    """One cycle of the default: 7.68 and a lost leg of 36; a drill whose pair drifts may also lose 60."""
    most = allowed_cost(BY_NAME["one-leg-partial"], Settings(), RULES)
    assert most == Quote.of("43.68")
    assert limits_of("one-leg-partial", played(0, cost=most)) == []
    assert limits_of("one-leg-partial", played(0, cost=Quote(most + 1))) == ["max_slippage and flatten_steps"]
    assert limits_of("flash-crash", played(0, cost=Quote.of("50"))) == []
    assert limits_of("flash-crash", played(0, cost=Quote.of("50.01"))) == ["limits.max_daily_loss"]


def test_the_limits_of_a_day_and_of_the_drawdown_bind_too() -> None:
    strict = Settings(limits=Limits(max_daily_loss=Quote.of(3), max_drawdown=Quote.of(2)))
    assert limits_of("one-leg-partial", played(0, cost=Quote.of(3)), strict) == ["limits.max_drawdown"]
    assert limits_of("one-leg-partial", played(0, cost=Quote.of("3.01")), strict) == [
        "limits.max_daily_loss",
        "limits.max_drawdown",
    ]


def test_an_account_that_nobody_could_read_is_not_inside() -> None:
    result = judged(BY_NAME["one-leg-partial"], Settings(), played(0, cost=None))
    assert (result.cost, [each.limit for each in result.exceeded]) == (None, ["cost"])


def test_what_is_open_is_exceeded_and_named() -> None:
    result = judged(BY_NAME["ack-lost"], Settings(), played(code=4))
    assert result.ending == "OPEN: ETH-PERP 0.5"
    assert [each.limit for each in result.exceeded] == ["legging_unknown", "ending"]
    assert (result.usd_s, result.flat) == (Quote(9_500 * ONE), False)


def test_a_drill_of_an_order_that_rests_in_which_nothing_of_it_traded_has_shown_nothing() -> None:
    assert limits_of("hedge-refused", played(100, rested=False)) == ["drill"]
    assert limits_of("ack-lost", played(100, rested=False)) == []


def test_every_halt_that_counts_as_a_limit_is_one_that_a_run_knows() -> None:
    manual = (Path(__file__).resolve().parents[3] / "docs" / "running.md").read_text(encoding="utf-8")
    assert {code for code in LIMIT_HALTS if f"### {code}\n" not in manual} == set()


def test_without_a_guard_nobody_closes_and_the_reason_is_said() -> None:
    unguarded = Settings(guard=Guard(enabled=False))
    result = judged(BY_NAME["process-kill"], unguarded, played(code=-9, killed=True))
    assert "guard.enabled = false" in result.exceeded[-1].text


@pytest.mark.parametrize(
    ("known", "ending", "exceeded"),
    [
        ({"code": 0}, "flat", []),
        ({"code": 70, "told": {"halt_code": "FOREIGN_FILL"}}, "flat, halted FOREIGN_FILL", []),
        ({"code": 70, "told": {"halt_code": "MAX_DRAWDOWN"}}, "flat, halted MAX_DRAWDOWN", ["MAX_DRAWDOWN"]),
        ({"code": 3, "told": {"error": {"code": "MARGIN"}}}, "flat, refused MARGIN", []),
        ({"code": -9, "killed": True}, "flat, closed by the guard", []),
        ({"code": 4}, "flat", ["ending"]),
        ({"code": 1}, "flat", ["ending"]),
        ({"code": -9}, "flat", ["ending"]),
        ({"code": None}, "flat", ["ending"]),
        ({"code": 0, "struck": False}, "flat", ["drill"]),
    ],
)
def test_how_it_ended_is_told_and_only_a_clean_end_is_inside(
    known: dict[str, Any], ending: str, exceeded: list[str]
) -> None:
    result = judged(BY_NAME["liquidation"], Settings(), played(0, **known))
    assert (result.ending, [each.limit for each in result.exceeded]) == (ending, exceeded)


def test_what_a_drill_left_unhedged_is_in_the_dollars_of_the_hedge_ratio() -> None:
    """10 SOL of 100 USD came a second before 0.625 ETH of 2,000: with 0.8 they stand for 1,250 USD of ETH."""
    pair = (int(Base.of("0.625")), int(Base.of("-10")))
    changes = (
        Change(0, SOL, Base.of("-10"), Price.of(100)),
        Change(1_000_000_000, ETH, Base.of("0.625"), Price.of(2_000)),
        Change(9_000_000_000, ETH, Base.of("-0.625"), Price.of(2_000)),
        Change(9_000_000_000, SOL, Base.of("10"), Price.of(100)),
    )
    seen = played(changes=changes, agreed=(pair,))
    settings = Settings(hedge_ratio=Rate.of("0.8"))
    result = judged(BY_NAME["one-leg-reject"], settings, seen)
    assert (result.worst, result.usd_s, result.usd_s_allowed) == (
        Quote.of(1_250),
        Quote.of(1_250),
        Quote.of(625),
    )
