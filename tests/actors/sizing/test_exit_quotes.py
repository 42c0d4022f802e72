"""An exit that need not hurry rests first; whatever else leaves takes."""

import msgspec
import pytest

from actors.sizing.quoting import LEAST_REST_MS, QUOTE_WAITS, Quoting
from actors.sizing.sizer import Look, Memory, Sizer
from messages.lifecycle import Directive, Held
from messages.settings import Settings
from messages.sizing import SizingPlan
from messages.units import ONE, Base, Bps, Ms, Price
from tests.actors.fakes import FREE, RULES, quote
from tests.actors.sizing.quoting_looks import NOW, fresh, one_step, resting, works

LEAVE = Directive(enter=False, leave_now=True, reason="stop")


def long_held(settings: Settings | None = None, **changes: object) -> Held:
    """0.42 ETH against 10 SOL, held for longer than `hold`."""
    fields = {"phase": "open", "entered_ms": Ms(NOW - 5_000), "filled_imbalance": Bps(ONE)}
    return works(eth="0.42", sol="-10", **(fields | {"last_purpose": "enter"} | changes))


def exit_of(
    holding: Held, settings: Settings, memory: Memory | None = None, **look: object
) -> SizingPlan | None:
    decision = one_step(holding, settings, fresh() if memory is None else memory, **look)[1]  # type: ignore[arg-type]
    assert decision is None or isinstance(decision, SizingPlan)
    return decision


def test_a_pair_whose_hold_is_over_is_closed_by_an_order_that_rests() -> None:
    memory, plan = one_step(long_held(), resting(), fresh())
    assert isinstance(plan, SizingPlan)
    assert plan.quote is not None
    assert (plan.purpose, plan.because, plan.enters, plan.judged_as) == ("quote", "HOLD", False, "quote")
    assert (plan.eth.amount, plan.eth.kind, plan.eth.reduce_only) == (Base.of("-0.42"), "post_only", False)
    assert plan.eth.limit == Price.of("2756.9"), "on the ask"
    assert plan.sol.amount == 0
    assert (plan.quote.opens, plan.quote.eth, plan.quote.sol) == (False, Base.of("0.42"), Base.of("-10"))
    assert plan.quote.worst == Price.of("115.92"), "five ticks beyond SOL's ask"
    assert plan.quote.give_up_ms == NOW + 60_000 == memory.quoting.until_ms
    assert plan.quote.rest == 15_000
    assert (memory.quoting.terms, memory.quoting.because) == (plan.quote, "HOLD")


def test_it_waits_for_a_fresh_touch_and_says_so() -> None:
    memory, plan = one_step(long_held(), resting(), Memory())
    assert plan is None
    waiting = Sizer(resting(), RULES).waiting(memory, Look(quote(NOW), long_held(), FREE, Ms(NOW)))
    assert (waiting.purpose, waiting.code, waiting.until_ms) == ("exit", QUOTE_WAITS, NOW + 60_000)


@pytest.mark.parametrize("left_ms", [LEAST_REST_MS, LEAST_REST_MS - 1])
def test_after_exit_take_both_legs_take(left_ms: int) -> None:
    memory = fresh(cycle=1, opens=False, until_ms=Ms(NOW + left_ms))
    plan = exit_of(long_held(), resting(), memory)
    assert plan is not None
    assert plan.purpose == ("quote" if left_ms == LEAST_REST_MS else "exit")


def test_the_time_of_its_entry_is_not_its_own() -> None:
    memory = fresh(cycle=1, opens=True, until_ms=Ms(NOW - 1))
    plan = exit_of(long_held(), resting(), memory)
    assert plan is not None
    assert plan.purpose == "quote"


@pytest.mark.parametrize(
    ("changes", "typed", "directive"),
    [
        ({}, {}, LEAVE),
        ({"initial_health": -1}, {}, FREE),
        ({"unexplained": True}, {}, FREE),
        ({"filled_imbalance": None}, {}, FREE),
        ({}, {"stop_loss": Bps(1)}, FREE),
        ({}, {"execution.exit": "taker-taker"}, FREE),
    ],
)
def test_what_cannot_wait_takes(
    changes: dict[str, object], typed: dict[str, object], directive: Directive
) -> None:
    settings = resting(**({"exit": "taker-taker"} if "execution.exit" in typed else {}))
    if "stop_loss" in typed:
        settings = msgspec.structs.replace(settings, stop_loss=typed["stop_loss"])
        changes = changes | {"eth_cash": 0, "sol_cash": 0, "eth_vwap": Price.of("2800")}
    plan = exit_of(long_held(**changes), settings, directive=directive)
    assert plan is not None
    assert plan.purpose == "exit"


def test_a_leg_under_the_minimum_is_never_quoted() -> None:
    small = works(
        eth="0.036", sol="-0.9", phase="open", entered_ms=Ms(NOW - 5_000), filled_imbalance=Bps(ONE)
    )
    plan = exit_of(small, resting())
    assert plan is not None
    assert plan.purpose == "exit"


def test_old_books_are_waited_out_by_an_exit_that_can_wait() -> None:
    old = quote(NOW, age_ms=1_001)
    assert exit_of(long_held(), resting(), look_at=old) is None
    over = Memory(quoting=Quoting(cycle=1, opens=False, until_ms=Ms(NOW)))
    plan = exit_of(long_held(), resting(), over, look_at=old)
    assert plan is not None
    assert plan.purpose == "exit"
