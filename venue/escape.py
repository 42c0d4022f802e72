"""ESCAPE: the one way to the wire outside of the barrier, for when trading is dead. One function, no actors, no plan, no votes.

It can only close. Both orders are reduce-only, and the venue clamps a reduce-only order to the position, so that even sending twice cannot turn a
position round. What is not ours is not touched: at most the amounts handed in are closed, and only against a position of the same sign.

    cancel ours -> read cross + isolated -> reduce-only IOCs -> read again
"""

from collections.abc import Callable
from contextlib import AsyncExitStack

import msgspec
import trio

from actors.runtime.clock import VenueClock
from messages.lifecycle import Note
from messages.settings import Settings
from messages.sizing import Leg, LegOrder, SizingPlan
from messages.units import Base, Bps, Ms, Price, worse
from messages.wire import digest
from venue.protocol import OrderWire, ProductRules, Venue, VenueError, VenueRules

PAUSE_S = 0.25
"""Between two rounds; a round's orders cannot be in doubt for longer than their receive window."""


class Escaped(msgspec.Struct, frozen=True):
    """What ESCAPE left behind: both 0 = flat by the venue's word; None = the venue did not say."""

    eth: Base | None
    sol: Base | None
    rounds: int


async def escape(
    venue: Venue,
    rules: VenueRules,
    clock: VenueClock,
    settings: Settings,
    ours: tuple[Base, Base],
    observe: Callable[[msgspec.Struct], None],
) -> Escaped:
    """Close what is ours of both legs, until flat or until `venue_patience` has passed.

    `ours`: the largest amounts (signed) of ETH and SOL that our intents explain, orders in doubt included. Never raises `VenueError`.
    """
    left: tuple[Base | None, Base | None] = (None, None)
    rounds = 0
    with trio.move_on_after(settings.venue_patience / 1000):
        async with AsyncExitStack() as stack:
            wires: dict[Leg, OrderWire] = {
                "eth": await stack.enter_async_context(venue.order_wire("escape_eth")),
                "sol": await stack.enter_async_context(venue.order_wire("escape_sol")),
            }
            while True:
                rounds += 1
                try:
                    await venue.cancel_all((rules.eth.product_id, rules.sol.product_id))
                    left = await _left(venue, rules, ours)
                    if left == (0, 0):
                        return Escaped(*left, rounds)
                    await _close(venue, rules, clock, settings, wires, left, rounds)
                except VenueError as error:
                    observe(Note(clock.utc_ns(), "error", "escape", f"round {rounds}: {error}"))
                await trio.sleep(PAUSE_S)
    return Escaped(*left, rounds)


async def _left(venue: Venue, rules: VenueRules, ours: tuple[Base, Base]) -> tuple[Base, Base]:
    """What is open at the venue and ours: the smaller of both, where they have one sign."""
    snapshot = await venue.reads.account()
    open_now = (snapshot.position(rules.eth.product_id).total, snapshot.position(rules.sol.product_id).total)
    eth, sol = (_ours(position, mine) for position, mine in zip(open_now, ours, strict=True))
    return eth, sol


def _ours(position: int, mine: int) -> Base:
    if position * mine <= 0:
        return Base(0)
    return Base(min(position, mine) if mine > 0 else max(position, mine))


async def _close(
    venue: Venue,
    rules: VenueRules,
    clock: VenueClock,
    settings: Settings,
    wires: dict[Leg, OrderWire],
    left: tuple[Base | None, Base | None],
    rounds: int,
) -> None:
    slippage = settings.flatten_steps[min(rounds, len(settings.flatten_steps)) - 1]
    eth = await _order(venue, rules.eth, left[0] or Base(0), slippage)
    sol = await _order(venue, rules.sol, left[1] or Base(0), slippage)
    now_ms = clock.now_ms()
    plan = SizingPlan(0, rounds, 0, rounds, "flatten", now_ms, Ms(now_ms + settings.recv_time), Ms(0), Ms(0), Ms(0), Bps(0), eth, sol)
    names: tuple[Leg, Leg] = ("eth", "sol")
    async with trio.open_nursery() as nursery:
        for name in names:
            if plan.leg(name).amount:
                signed = venue.forge.sign(venue.forge.order_of(plan, digest(plan), name))
                nursery.start_soon(wires[name].place, signed)


async def _order(venue: Venue, product: ProductRules, position: Base, slippage: Bps) -> LegOrder:
    if position == 0:
        return LegOrder(product.product_id, Base(0), Price(0), "ioc", True, Price(0), Price(0))
    price = await _last_price(venue, product, -position)
    raw = worse(price, -position, slippage)
    limit = Price(raw - raw % product.price_tick + (product.price_tick if position < 0 else 0))
    return LegOrder(product.product_id, Base(-position), limit, "ioc", True, price, price)


async def _last_price(venue: Venue, product: ProductRules, amount: int) -> Price:
    """The touch of a snapshot, else the oracle's price."""
    snapshot = await venue.reads.book(product.product_id)
    side = snapshot.asks if amount > 0 else snapshot.bids
    if side:
        return side[0].price
    rules = await venue.reads.rules()
    return rules.eth.oracle if product.product_id == rules.eth.product_id else rules.sol.oracle
