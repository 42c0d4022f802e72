"""One leg gets something else than the other: nothing may leave. Judged by the engine's order log, on the
whole machine.
"""

from itertools import product
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from messages.lifecycle import Hop
from messages.settings import Settings
from messages.sizing import Abort, LegOrder, Ready, Sealed, SizingPlan
from messages.units import ONE, Base, Bps, Ms, Price, Quote
from messages.wire import digest
from tests.machine.bench import Bench, bench
from tests.thinned import thinned
from venue.protocol import Order, SignedOrder

HUNDRED = Settings(target=Quote(100 * ONE), cycles=1, hold=Ms(500))
LEGS = ("eth", "sol")
FIELDS = [
    *(field for field in SizingPlan.__struct_fields__ if field not in LEGS),
    *(f"{leg}.{name}" for leg in LEGS for name in LegOrder.__struct_fields__),
]


def other(value: Any) -> Any:
    """A different value of the same type; of a field that is not set, one that it may have."""
    if value is None:
        return Ms(1)
    if isinstance(value, bool):
        return not value
    if isinstance(value, str):
        return {"enter": "repair", "fok": "ioc", "": "max_hold"}[value]
    return type(value)(value + 1) if isinstance(value, Base | Price | Bps) else value + 1


def tampered_plan(plan: SizingPlan, field: str) -> SizingPlan:
    leg, _, name = field.partition(".")
    if not name:
        return msgspec.structs.replace(plan, **{field: other(getattr(plan, field))})
    order = getattr(plan, leg)
    return msgspec.structs.replace(
        plan, **{leg: msgspec.structs.replace(order, **{name: other(getattr(order, name))})}
    )


async def run_for_a_while(ready: Bench) -> None:
    with trio.move_on_after(1.0):
        await ready.machine.run()


def nothing_left(ready: Bench) -> None:
    assert list(ready.venue.exchange.order_log) == []
    assert [said for said in ready.said if isinstance(said, Hop) and said.hop == "supervisor seals"], (
        "no plan was ever sealed"
    )
    assert [said for said in ready.said if isinstance(said, Abort)], "no plan was aborted"


@pytest.mark.parametrize(("field", "victim", "recomputed"), thinned(product(FIELDS, LEGS, (False, True)), 5))
async def test_a_changed_field_in_one_legs_message_sends_nothing(
    autojump_clock: trio.testing.MockClock, tmp_path: Path, field: str, victim: Any, recomputed: bool
) -> None:
    """S1: two legs that do not hold the same plan do not trade."""
    async with bench(tmp_path, HUNDRED) as ready:
        box = ready.machine.channels.to_leg[victim]
        post = box.post

        def tamper(message: Any) -> None:
            if isinstance(message, Sealed):
                plan = tampered_plan(message.plan, field)
                message = Sealed(plan, digest(plan) if recomputed else message.digest)
            post(message)

        box.post = tamper  # type: ignore[method-assign]
        await run_for_a_while(ready)
        nothing_left(ready)


@pytest.mark.parametrize("victim", LEGS)
@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.long
async def test_a_field_changed_after_the_vote_keeps_that_leg_from_sending(
    autojump_clock: trio.testing.MockClock, tmp_path: Path, field: str, victim: Any
) -> None:
    """The last check before the wire is made on what is held then. The other leg is stopped by nobody: it
    did nothing wrong, and is repaired.
    """
    async with bench(tmp_path, HUNDRED) as ready:
        box = ready.machine.channels.to_leg[victim]
        post = box.post
        copies: list[Sealed] = []

        def copy(message: Any) -> None:
            if isinstance(message, Sealed) and not copies:
                message = Sealed(msgspec.structs.replace(message.plan), message.digest)
                copies.append(message)
            post(message)

        def change(said: msgspec.Struct) -> None:
            if isinstance(said, Ready) and said.who == victim and said.seq == 1:
                held = copies[0].plan
                changed = tampered_plan(held, field)
                for name in SizingPlan.__struct_fields__:
                    msgspec.structs.force_setattr(held, name, getattr(changed, name))

        box.post = copy  # type: ignore[method-assign]
        ready.watchers.append(change)
        await run_for_a_while(ready)
        product = 4 if victim == "eth" else 8
        first = ready.venue.exchange.order_log[0].arrived_ns if len(ready.venue.exchange.order_log) else 0
        of_plan_1 = [
            said
            for said in ready.said
            if isinstance(said, Hop) and said.hop == f"{victim}_leg sends" and said.seq == 1
        ]
        assert of_plan_1 == []
        assert all(
            order.product_id != product
            for order in ready.venue.exchange.order_log
            if order.arrived_ns == first
        )


class FlippingOrderBuilder:
    """Signs the opposite side of what the plan says, as the first bot's fallback once did."""

    def __init__(self, order_builder: Any) -> None:
        self._order_builder = order_builder

    def __getattr__(self, name: str) -> Any:
        return getattr(self._order_builder, name)

    def sign(self, order: Order) -> SignedOrder:
        flipped: SignedOrder = self._order_builder.sign(
            msgspec.structs.replace(order, amount=Base(-order.amount))
        )
        return flipped


async def test_a_flipped_side_inside_a_built_order_sends_nothing(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    """O8: a fallback of a short leg sold again."""
    async with bench(tmp_path, HUNDRED) as ready:
        ready.world.venue._order_builder = FlippingOrderBuilder(ready.world.venue.order_builder)  # type: ignore[attr-defined]
        await run_for_a_while(ready)
        nothing_left(ready)
        assert {said.code for said in ready.said if isinstance(said, Abort)} == {"ORDER_DIFFERS"}
