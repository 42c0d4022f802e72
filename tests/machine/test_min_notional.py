"""A remainder below the venue's minimum, at a venue that lets it be closed and at one that does not: both
end flat, and each step is one of ours.
"""

from pathlib import Path

import msgspec
import pytest
from trio.testing import MockClock

from actors.ledger.csvs import HEADERS
from messages.market import Level
from messages.settings import Settings
from messages.sizing import TOP_UPS, Sealed
from messages.units import ONE, Base, Ms, Price, Quote
from tests.machine.audit import Heard, Written, faults, judged
from tests.machine.bench import Bench, bench
from tests.machine.test_escape_and_recovery import FLAT, HOURS, escaped, interrupted, messages_of, opened
from tests.machine.test_third_party import by_hand
from venue.simulated.engine.rules import VenueOptions
from venue.simulated.faults.order_faults import Faults, Refuse, Thin

HUNDRED = Settings(target=Quote(100 * ONE), cycles=1, hold=Ms(500), legging_known=Ms(5_000))
STRICT = VenueOptions(min_size_binds_takers=True)
LEFT = {
    "eth": Thin(product="ETH-PERP", nth=2, increasing=False, lots=39),
    "sol": Thin(product="SOL-PERP", nth=2, increasing=False, lots=8),
}
"""The exit finds all but 3 lots of ETH (8 USD), or all but 2 of SOL (23 USD)."""
LARGEST = {4: int(Base.of("0.084")), 8: int(Base.of("2"))}
SIDES = {"eth": ("eth",), "sol": ("sol",), "both legs": ("eth", "sol")}


def purposes(ready: Bench) -> list[str]:
    return [row.plan.purpose for row in messages_of(ready.world.ledger) if isinstance(row, Sealed)]


@pytest.mark.parametrize("legs", SIDES.values(), ids=SIDES)
async def test_a_venue_that_lets_small_closes_be_is_flat_with_one_order_more(
    autojump_clock: MockClock, tmp_path: Path, legs: tuple[str, ...]
) -> None:
    """O13: a remainder below the venue's minimum could not be closed. Here it can, and nothing is topped
    up.
    """
    async with bench(tmp_path, HUNDRED, faults=Faults(thin=tuple(LEFT[leg] for leg in legs))) as ready:
        ending = await ready.run(within_s=60)
        assert (ending.by, ready.totals().completed) == ("done", 1)
        assert purposes(ready) == ["enter", "exit", "flatten"]
        assert opened(ready) == FLAT
        rest = list(ready.venue.exchange.order_log)[4:]
        assert [order.reduce_only for order in rest] == [True] * len(legs)


@pytest.mark.parametrize("legs", SIDES.values(), ids=SIDES)
async def test_a_venue_that_refuses_them_is_topped_up_and_closed_in_two_written_steps(
    autojump_clock: MockClock, tmp_path: Path, legs: tuple[str, ...]
) -> None:
    """O13. 2094 on the remainder: a FOK above the minimum the way it is held, then a reduce-only IOC of
    the whole, both by three votes.
    """
    async with bench(
        tmp_path, HUNDRED, faults=Faults(thin=tuple(LEFT[leg] for leg in legs), venue=STRICT)
    ) as ready:
        heard = Heard()
        ready.watchers.append(lambda said: heard.take(said, ready.venue.now_ns()))
        before = (await ready.account()).value
        ending = await ready.run(within_s=60)
        totals, log = ready.totals(), ready.venue.exchange.order_log
        assert (ending.by, totals.completed) == ("done", 1), ending
        assert purposes(ready) == ["enter", "exit", "flatten", "top_up", "flatten"]
        assert opened(ready) == FLAT
        assert [order.code for order in log if order.result == "refused"] == [2094] * len(legs)
        added, closing = list(log)[-2 * len(legs) : -len(legs)], list(log)[-len(legs) :]
        for more, whole in zip(
            sorted(added, key=lambda each: each.product_id),
            sorted(closing, key=lambda each: each.product_id),
            strict=True,
        ):
            assert (more.kind, more.reduce_only, whole.kind, whole.reduce_only) == ("fok", False, "ioc", True)
            assert more.amount * whole.amount < 0
            assert abs(whole.filled) > abs(more.filled) >= 100 * ONE * ONE // more.price
        assert (
            judged(list(log), heard, Written.read(ready.world.ledger), ready.world.venue.order_builder) == []
        )
        assert max(totals.filled_imbalances) < 10 * ONE, "what was entered is judged, not what was topped up"
        assert totals.pnl == (await ready.account()).value - before
        assert totals.funding == 0


async def test_the_csv_explains_a_topped_up_leg_to_the_last_digit(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """S7: lines that were written before the top-up keep their share of what the entry cost."""
    async with bench(
        tmp_path, HUNDRED, faults=Faults(thin=(LEFT["eth"], LEFT["sol"]), venue=STRICT)
    ) as ready:
        await ready.run(within_s=60)
        assert ready.totals().completed == 1
        lines = [
            dict(zip(HEADERS["trades"], line.split(","), strict=True))
            for line in ready.world.csvs().path("trades").read_text().splitlines()[1:]
        ]  # type: ignore[misc]
        results = sum(Quote.of(line["pnl_with_fee"]) for line in lines if line["pnl_with_fee"])
        spent = sum(fill.fee for order in ready.venue.exchange.order_log for fill in order.fills)
        cash = -sum(
            fill.price * fill.amount // ONE
            for order in ready.venue.exchange.order_log
            for fill in order.fills
        )
        assert abs(results - (cash - spent)) < 1000, "in units of 1e-18 USD"


async def test_a_top_up_that_does_not_fill_is_tried_a_few_times_and_then_named(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """O14: bounded. What is left is worth less than the minimum, and the run says so."""
    never = tuple(Refuse(product="ETH-PERP", nth=nth, code=2031) for nth in range(2, 30))
    settings = msgspec.structs.replace(HUNDRED, venue_patience=Ms(30_000))
    async with bench(
        tmp_path, settings, faults=Faults(thin=(LEFT["eth"],), refuse=never, venue=STRICT)
    ) as ready:
        ending = await ready.run(within_s=120)
        assert (ending.by, ending.code) == ("halt", "CLOSE_OVERDUE")
        assert ending.open_legs == "ETH-PERP 0.003"
        assert purposes(ready).count("top_up") == TOP_UPS
        left = await escaped(ready, ending)
        assert (left.flat, left.eth) == (False, Base.of("0.003")), "ESCAPE never increases anything"
        assert [
            order.filled
            for order in ready.venue.exchange.order_log
            if order.product_id == 4 and order.increasing
        ] == [Base.of("0.042"), 0, 0, 0]


async def test_nothing_is_topped_up_beside_a_stranger(autojump_clock: MockClock, tmp_path: Path) -> None:
    """Stop entering, never increase: what is left is named."""
    async with bench(
        tmp_path,
        msgspec.structs.replace(HOURS, venue_patience=Ms(10_000)),
        faults=Faults(thin=(LEFT["eth"],), venue=STRICT),
    ) as ready:

        async def hand(_ready: Bench) -> None:
            by_hand(ready, "3", "120", product=8)

        ending = await interrupted(ready, hand)
        assert (ending.by, ending.code) == ("halt", "FOREIGN_FILL")
        assert "top_up" not in purposes(ready)
        assert [
            order
            for order in ready.venue.exchange.order_log
            if order.product_id == 4 and order.increasing and order.filled
        ][1:] == []


async def test_a_stop_in_the_middle_of_topping_up_ends_flat(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with bench(tmp_path, HUNDRED, faults=Faults(thin=(LEFT["eth"],), venue=STRICT)) as ready:

        def watch(said: msgspec.Struct) -> None:
            if isinstance(said, Sealed) and said.plan.purpose == "top_up":
                ready.machine.stop("SIGINT", 2)

        ready.watchers.append(watch)
        ending = await ready.run(within_s=60)
        assert (ending.by, ending.open_legs) == ("signal", "")
        assert opened(ready) == FLAT


async def test_a_crash_between_the_two_steps_ends_flat(autojump_clock: MockClock, tmp_path: Path) -> None:
    """The ledger remembers which leg was refused as too small, and which step was done."""
    for victim in ("ledger", "eth_leg", "sizing"):
        folder = tmp_path / victim
        folder.mkdir()
        async with bench(folder, HUNDRED, faults=Faults(thin=(LEFT["eth"],), venue=STRICT)) as ready:
            target = ready.machine.tree.targets[victim]

            def watch(said: msgspec.Struct, target: object = target) -> None:
                if isinstance(said, Sealed) and said.plan.purpose == "top_up" and not target.crashes:  # type: ignore[attr-defined]
                    target.crash()  # type: ignore[attr-defined]

            ready.watchers.append(watch)
            ending = await ready.run(within_s=60)
            assert (ending.by, target.crashes) == ("done", 1), (victim, ending)
            assert opened(ready) == FLAT
            assert faults(list(ready.venue.exchange.order_log), largest=LARGEST) == []


def falls_by_15_percent(ready: Bench) -> None:
    venue = ready.venue
    for product, bid, ask in ((4, "2343.2", "2343.3"), (8, "98.48", "98.49")):
        deep = Base.of("5000")
        venue.exchange.move(
            product, (Level(Price.of(bid), deep),), (Level(Price.of(ask), deep),), venue.now_ns()
        )
        venue.exchange.set_oracle(product, Price.of(bid), venue.now_ns())
    venue.publish()


async def test_a_fall_that_takes_both_legs_below_the_minimum_is_topped_up_on_both_at_once(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """A pair of 116 USD is worth 98: neither leg can be closed as it is, and neither may be closed alone."""
    async with bench(
        tmp_path, msgspec.structs.replace(HUNDRED, hold=Ms(3_000)), faults=Faults(venue=STRICT)
    ) as ready:

        async def accident(_ready: Bench) -> None:
            falls_by_15_percent(ready)

        ending = await interrupted(ready, accident)
        assert (ending.by, ready.totals().completed) == ("done", 1), ending
        assert purposes(ready) == ["enter", "exit", "top_up", "flatten"]
        assert opened(ready) == FLAT
