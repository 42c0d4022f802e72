"""The settle step: a pair that was held as wanted, and that prices moved beyond the promise meanwhile."""

import random
from typing import Any

import msgspec
import pytest
import trio
import trio.testing

from actors.sizing import actor as sizing
from actors.sizing.actor import Slots
from actors.sizing.quote_hedging import NOT_SETTLED
from actors.sizing.repair import settling
from actors.sizing.sizer import Sizer
from messages.execution import Doubt
from messages.lifecycle import Directive, Held, Note
from messages.market import Level
from messages.sizing import PairSettled, SizingPlan
from messages.units import Base, Bps, Ms, Price, Rate, imbalance, notional
from runtime.mailbox import Latest
from tests.actors.fakes import FREE, RULES, quote, venue_clock
from tests.actors.sizing.quoting_looks import ETH, NOW, SOL, one_step, resting, works

MINIMUM = RULES.eth.min_notional or 0


def apart(holding: Held) -> Bps:
    return imbalance(
        *(notional(leg.vwap, leg.amount) for leg in (holding.eth, holding.sol)), holding.hedge_ratio
    )


def moved_apart(eth: Base = ETH, sol: Base = SOL, sol_vwap: str = "115.50", **changes: Any) -> Held:
    """An open pair, held as wanted; its SOL was sold after the price had moved."""
    fields = {"phase": "open", "last_purpose": "hedge", "entered_ms": Ms(NOW - 1_000)}
    parts = {"eth": eth.text(), "sol": sol.text(), "eth_wanted": eth, "sol_wanted": sol}
    holding = works(**(parts | fields | {"sol_vwap": Price.of(sol_vwap)} | changes))
    return msgspec.structs.replace(holding, filled_imbalance=apart(holding))


def after(holding: Held, plan: SizingPlan) -> Held:
    legs = {
        leg: msgspec.structs.replace(
            holding.leg(leg), amount=Base(holding.leg(leg).amount + plan.leg(leg).amount)
        )
        for leg in ("eth", "sol")
    }
    return msgspec.structs.replace(holding, **legs)


def test_a_pair_whose_price_moved_before_its_hedge_filled_is_brought_within_the_promise() -> None:
    holding = moved_apart()
    plan = one_step(holding, resting())[1]
    assert isinstance(plan, SizingPlan)
    assert (plan.purpose, plan.step) == ("repair", 1)
    for leg in (plan.eth, plan.sol):
        assert leg.reduce_only
        assert leg.kind == "ioc"
        assert notional(leg.vwap, leg.amount) >= MINIMUM, "sendable, whether or not the minimum binds takers"
    left = after(holding, plan)
    assert apart(left) <= resting().max_imbalance < apart(holding)
    assert all(notional(leg.vwap, leg.amount) >= MINIMUM for leg in (left.eth, left.sol))


def test_the_promise_kept_needs_nothing() -> None:
    assert one_step(moved_apart(sol_vwap="115.80"), resting())[1] is None


@pytest.mark.parametrize("ratio", ["1", "0.8"])
@pytest.mark.parametrize("target", [500, 1_000, 5_000, 20_000])
def test_no_smaller_trim_of_sendable_orders_would_do(target: int, ratio: str) -> None:
    """Against all pairs of lots, at random prices paid."""
    seed = random.randrange(10**6)
    print(f"seed {seed}")  # noqa: T201 - repeats it
    chance, goal, hedge = random.Random(seed), resting().max_imbalance, Rate.of(ratio)
    settled = 0
    for _ in range(6):
        eth = Base.of(f"{target / 2756.8:.3f}")
        sol = Base.of(f"{-target * float(ratio) / 115.86:.1f}")
        moved = f"{115.86 * (1 + chance.uniform(-0.004, 0.004)):.2f}"
        holding = moved_apart(eth, sol, moved, hedge_ratio=hedge)
        way = settling(holding, quote(NOW), resting(), RULES)
        least = _least_trim(holding, goal)
        assert (way is None) == (least is None)
        if way is None:
            continue
        settled += 1
        trimmed = notional(holding.eth.vwap, way.eth) * Rate.of(ratio) // 10**18 + notional(
            holding.sol.vwap, way.sol
        )
        assert least is not None
        assert abs(trimmed - least) <= 10
    assert settled or target == 500


def _least_trim(holding: Held, goal: Bps) -> int | None:
    """USD x18 of the smallest trim, ETH's at the hedge ratio, by looking at every pair of lots."""
    eth, sol, ratio = holding.eth, holding.sol, holding.hedge_ratio
    mids = quote(NOW).eth.mid, quote(NOW).sol.mid
    e_step, s_step = RULES.eth.size_step, RULES.sol.size_step
    sendable = MINIMUM * 105 // 100
    best: int | None = None
    for s_lots in range(abs(sol.amount) // s_step + 1):
        s_left = abs(sol.amount) - s_lots * s_step
        if min(notional(mids[1], s_left), notional(mids[1], s_lots * s_step) or sendable) < sendable:
            continue
        fair = notional(sol.vwap, s_left) * 10**36 // (eth.vwap * ratio)
        slack = fair * goal // 10**22 + 2 * e_step
        for e_left in range((fair - slack) // e_step * e_step, fair + slack, e_step):
            e_trim = abs(eth.amount) - e_left
            if e_trim < 0 or not (e_trim or s_lots):
                continue
            if min(notional(mids[0], e_left), notional(mids[0], e_trim) or sendable) < sendable:
                continue
            if imbalance(notional(eth.vwap, e_left), notional(sol.vwap, s_left), ratio) > goal:
                continue
            usd = notional(eth.vwap, e_trim) * ratio // 10**18 + notional(sol.vwap, s_lots * s_step)
            best = usd if best is None else min(best, usd)
    return best


def test_where_no_order_can_be_sent_it_is_said_once_and_the_pair_stays() -> None:
    """A pair of 126 USD: what is trimmed, or what is left, would be under the minimum."""
    holding = moved_apart(Base.of("0.046"), Base.of("-1.1"), "115.50")
    assert holding.filled_imbalance is not None
    assert holding.filled_imbalance > resting().max_imbalance
    memory, told = one_step(holding, resting())
    assert isinstance(told, PairSettled)
    assert told.detail.startswith(f"{NOT_SETTLED}: ")
    assert (told.eth, told.sol) == (holding.eth.amount, holding.sol.amount)
    assert one_step(msgspec.structs.replace(holding, rows=2), resting(), memory)[1] is None, "said once"


def test_after_the_repairs_of_a_cycle_it_is_said_and_not_tried_again() -> None:
    told = one_step(moved_apart(repairs=resting().max_repair_steps), resting())[1]
    assert isinstance(told, PairSettled)
    assert "repairs were tried" in told.detail


def test_a_book_too_thin_for_the_trim_leaves_the_pair() -> None:
    thin = (Level(Price.of("115.87"), Base.of("0.1")), Level(Price.of("130"), Base.of("1000")))
    book = quote(NOW)
    book = msgspec.structs.replace(book, sol=msgspec.structs.replace(book.sol, asks=thin))
    assert isinstance(one_step(moved_apart(), resting(), look_at=book)[1], PairSettled)


def test_who_must_leave_settles_nothing() -> None:
    leave = Directive(enter=False, leave_now=True, reason="stop")
    plan = one_step(moved_apart(), resting(), directive=leave)[1]
    assert isinstance(plan, SizingPlan)
    assert plan.purpose == "exit"


def test_prices_that_are_estimates_are_waited_for() -> None:
    doubt = Doubt("sol", 1, 1, "0x1", 8, Base(0), Price(0), Ms(0), Base(0))
    for ago_ms, settled in ((999, False), (1_000, True)):
        holding = moved_apart(unpriced=(doubt,), last_change_ms=Ms(NOW - ago_ms))
        assert (one_step(holding, resting())[1] is not None) == settled


def test_a_run_that_only_takes_is_as_it_was() -> None:
    settings = msgspec.structs.replace(resting(), execution=type(resting().execution)())
    assert one_step(moved_apart(), settings)[1] is None


async def test_what_misses_the_promise_is_one_warning_in_the_log(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    clock, said, posted = venue_clock(), list[msgspec.Struct](), list[msgspec.Struct]()
    holding = moved_apart(repairs=resting().max_repair_steps, entered_ms=clock.now_ms())
    slots = Slots(Latest(quote(clock.now_ms())), Latest(holding), Latest(FREE))
    await nursery.start(sizing.run, slots, posted.append, Sizer(resting(), RULES), clock, said.append)
    await trio.sleep(1)
    notes = [each for each in said if isinstance(each, Note)]
    assert [note.level for note in notes] == ["warning"]
    assert notes[0].text.startswith(f"{NOT_SETTLED}: its fills are ")
    assert [type(each) for each in posted] == [PairSettled]
