"""Every dollar that comes or goes has a name: the books add up to what the venue says, to the last digit."""

from itertools import product
from pathlib import Path

import msgspec
import pytest
import trio
import trio.testing

from actors.ledger.money import PROVISIONAL_MS, WAIT_MS
from messages.lifecycle import Alarm
from messages.money import Statement
from messages.settings import Settings
from messages.units import Ms, Quote
from tests.endings.outcomes import LATE_MS, OUTCOMES, StruckOrder, together
from tests.machine.bench import Bench, bench
from tests.machine.test_escape_and_recovery import escaped
from tests.machine.test_third_party import SOL, by_hand
from tests.thinned import thinned
from venue.simulated.engine.order_log import LoggedOrder
from venue.simulated.faults.incidents import (
    ArchiveOmits,
    ChargeFunding,
    Deposit,
    Incident,
    LiquidateNow,
    Oracle,
    PriceShift,
    SettleResults,
    Transfer,
    WithdrawNow,
)
from venue.simulated.faults.order_faults import Faults

HOLD_S = 6
SETTINGS = Settings(target=Quote.of("115.86"), cycles=1, hold=Ms(HOLD_S * 1000), direction="long-eth")
MIDWAY_MS = 3_000
PRODUCT_IDS = {"ETH-PERP": 4, "SOL-PERP": 8}
DEARER = Oracle(at_ms=500, for_ms=60_000, product="ETH-PERP", by_bps=-40)
"""The mark stands above the index, so a long ETH leg pays funding."""
MOVES = (
    PriceShift(at_ms=2_000, for_ms=60_000, product="ETH-PERP", by_bps=30),
    PriceShift(at_ms=2_100, for_ms=60_000, product="SOL-PERP", by_bps=18),
)


async def stated(ready: Bench) -> Statement:
    """Run to the end; the statement of the summary, checked against the venue."""
    before = await ready.account()
    ending = await ready.run(within_s=300)
    assert (ending.by, ready.totals().completed) == ("done", 1), (ending, ready.totals())
    after, money = await ready.account(), ready.totals().money
    assert money is not None
    assert money.balance == cash(after)
    assert money.balance_change == cash(after) - cash(before)
    return money


def cash(account: object) -> int:
    """USDT0 and both quote balances."""
    return int(account.usdt0) + sum(int(position.v_quote) for position in account.positions)  # type: ignore[attr-defined]


KINDS: dict[str, tuple[tuple[Incident, ...], dict[str, str]]] = {
    "a deposit": ((Deposit(at_ms=MIDWAY_MS, amount="25"),), {"deposits": "25"}),
    "a withdrawal": ((WithdrawNow(at_ms=MIDWAY_MS, amount="14"),), {"withdrawals": "-15"}),
    "a transfer out": ((Transfer(at_ms=MIDWAY_MS, amount="7.5"),), {"transfers": "-7.5"}),
    "a transfer in": ((Transfer(at_ms=MIDWAY_MS, amount="7.5", into=True),), {"transfers": "7.5"}),
    "a settlement": ((SettleResults(at_ms=MIDWAY_MS),), {"settlements": "0"}),
    "nothing": ((), {}),
}


@pytest.mark.parametrize(("kind", "direction"), thinned(product(KINDS, ("long-eth", "long-sol")), 3))
async def test_money_that_moves_in_mid_cycle_is_booked_as_itself(
    kind: str, direction: str, autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    staged, booked = KINDS[kind]
    settings = msgspec.structs.replace(SETTINGS, direction=direction)
    async with bench(tmp_path, settings, faults=Faults(incident=(*MOVES, *staged))) as ready:
        money = await stated(ready)
        flows = {
            name: getattr(money, name)
            for name in (
                "deposits",
                "withdrawals",
                "transfers",
                "isolated",
                "settlements",
                "third_party",
                "other",
            )
        }
        assert {name: amount for name, amount in flows.items() if amount} == {
            name: Quote.of(text) for name, text in booked.items() if text != "0"
        }
        assert (money.residual, money.state, money.words) == (0, "exact", "")
        assert money.funding == 0
        assert money.hedge != 0
        assert money.net == ready.totals().pnl == money.balance_change - sum(flows.values())  # type: ignore[operator]


async def test_an_hours_funding_is_booked_from_the_exchanges_payments(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    staged = (
        DEARER,
        SettleResults(at_ms=2_500),
        ChargeFunding(at_ms=MIDWAY_MS),
        SettleResults(at_ms=3_500),
        ChargeFunding(at_ms=4_000),
    )
    async with bench(tmp_path, SETTINGS, faults=Faults(incident=staged)) as ready:
        money = await stated(ready)
        assert money.funding < 0
        assert money.funding == sum(charge.amount for charge in ready.venue.archive.charges)
        assert (money.funding_provisional, money.residual, money.state) == (0, 0, "exact")
        assert money.settled != 0
        assert money.settlements == 0


@pytest.mark.parametrize("event", thinned(("deposit_collateral", "funding_payment"), 2))
async def test_what_the_archive_does_not_tell_is_an_alarm_with_its_amount(
    event: str, autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    happens: tuple[Incident, ...] = (
        (Deposit(at_ms=MIDWAY_MS, amount="25"),)
        if event == "deposit_collateral"
        else (ChargeFunding(at_ms=MIDWAY_MS),)
    )
    staged = (DEARER, ArchiveOmits(at_ms=1_000, for_ms=600_000, event=event), *happens)  # type: ignore[arg-type]
    patience_ms = {"deposit_collateral": WAIT_MS, "funding_payment": PROVISIONAL_MS}[event]
    settings = msgspec.structs.replace(SETTINGS, hold=Ms(patience_ms + 10_000))
    async with bench(tmp_path, settings, faults=Faults(incident=staged)) as ready:
        money = await stated(ready)
        alarms = [alarm for alarm in ready.said if isinstance(alarm, Alarm)]
        if event == "deposit_collateral":
            assert (money.residual, money.residual_usdt0, money.state) == (
                Quote.of("25"),
                Quote.of("25"),
                "unexplained",
            )
            assert [alarm.code for alarm in alarms] == ["MONEY_UNEXPLAINED"]
            assert "unexplained: 25 USD in USDT0; between " in alarms[0].detail
        else:
            assert "FUNDING_NOT_TOLD" in [alarm.code for alarm in alarms]
        assert money.deposits == 0


async def test_a_ledger_that_restarts_in_mid_cycle_books_everything_once(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    staged = (
        DEARER,
        *MOVES,
        Deposit(at_ms=MIDWAY_MS, amount="25"),
        ChargeFunding(at_ms=3_100),
        SettleResults(at_ms=3_200),
    )
    async with bench(tmp_path, SETTINGS, faults=Faults(incident=staged)) as ready:

        async def crash() -> None:
            for at_s in (2.5, 3.05, 3.6):
                await trio.sleep_until(trio.current_time() + 0.01 + at_s - trio.current_time() % 1000)
                ready.machine.tree.supervisor.kill("ledger")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(crash)
            money = await stated(ready)
            nursery.cancel_scope.cancel()
        assert ready.totals().restarts >= 1
        assert (money.deposits, money.residual, money.state) == (Quote.of("25"), 0, "exact")
        assert money.funding == sum(charge.amount for charge in ready.venue.archive.charges)


ACCIDENTS = {
    f"{symbol} {name}": (symbol, name)
    for symbol in PRODUCT_IDS
    for name in ("partial", "rejected", "never filled", "unknown")
}


def took_place(log: list[LoggedOrder], symbol: str, name: str) -> None:
    """Raises `AssertionError` unless the accident befell the first order for this product, by the engine's
    log alone.
    """
    first = next(order for order in log if order.product_id == PRODUCT_IDS[symbol])
    late_ns = first.arrived_ns - log[0].arrived_ns
    came = {
        "partial": first.result == "accepted" and first.filled * 2 == first.amount,
        "rejected": (first.result, first.code, first.filled) == ("refused", 2031, 0),
        "never filled": (first.result, first.fills) == ("accepted", []),
        "unknown": first.filled == first.amount and late_ns > (LATE_MS - 1) * 1_000_000,
    }
    became = f"{first.result} ({first.code}), filled {first.filled} of {first.amount}"
    assert came[name], f"no accident: {symbol} {name}; the order was {became}"


async def kill_ledger(ready: Bench, *at_s: float) -> None:
    """Kill the ledger at these moments of the run."""
    began = trio.current_time()
    for moment in at_s:
        await trio.sleep_until(began + moment)
        ready.machine.tree.supervisor.kill("ledger")


async def money_at_end(ready: Bench, crashed: bool) -> Statement:
    """Run to its end, whichever it is, with what is left closed; the statement, checked against the
    exchange.
    """
    before = await ready.account()
    async with trio.open_nursery() as nursery:
        if crashed:
            nursery.start_soon(kill_ledger, ready, 0.4, 1.0, 2.5, 3.3)
        ending = await ready.run(within_s=300)
        nursery.cancel_scope.cancel()
    if ending.open_legs:
        assert (await escaped(ready, ending)).flat
    after, money = await ready.account(), ready.totals().money
    assert money is not None
    assert [position.product_id for position in after.positions if position.cross] == []
    assert (money.balance, money.balance_change) == (cash(after), cash(after) - cash(before))
    assert (ready.totals().restarts > 0) == crashed
    return money


@pytest.mark.parametrize(("accident", "crashed"), thinned(product(ACCIDENTS, (False, True)), 3))
async def test_partial_fills_and_repairs_add_up_to_the_last_digit(
    accident: str, crashed: bool, autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    symbol, name = ACCIDENTS[accident]
    staged = OUTCOMES[name].stage(StruckOrder(symbol, 42 if symbol == "ETH-PERP" else 10, 2031))
    async with bench(tmp_path, SETTINGS, faults=together(Faults(incident=MOVES), staged)) as ready:
        money = await money_at_end(ready, crashed)
        took_place(ready.venue.exchange.order_log, symbol, name)
        assert (money.residual, money.state, money.words) == (0, "exact", "")
        assert money.net == ready.totals().pnl == money.balance_change


async def test_an_accident_that_nobody_staged_is_missed(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    """The tests above prove something only while each of them notices that its accident does not happen
    any more.
    """
    async with bench(tmp_path, SETTINGS, faults=Faults(incident=MOVES)) as ready:
        await money_at_end(ready, crashed=False)
        for symbol, name in ACCIDENTS.values():
            with pytest.raises(AssertionError, match=f"no accident: {symbol} {name}"):
                took_place(ready.venue.exchange.order_log, symbol, name)


@pytest.mark.parametrize(
    ("liquidated", "crashed"), thinned(product(("ETH-PERP", "SOL-PERP", "both"), (False, True)), 3)
)
async def test_a_liquidation_is_booked_as_itself(
    liquidated: str, crashed: bool, autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    liquidate = LiquidateNow(at_ms=MIDWAY_MS, product=liquidated.removeprefix("both"))
    async with bench(tmp_path, SETTINGS, faults=Faults(incident=(*MOVES, liquidate))) as ready:
        money = await money_at_end(ready, crashed)
        assert money.liquidation < 0
        assert (money.residual, money.state, money.words) == (0, "exact", "")


@pytest.mark.parametrize("crashed", [False, True], ids=["", "ledger restarted"])
async def test_an_isolated_position_of_the_users_is_booked_as_itself(
    crashed: bool, autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    async with (
        bench(tmp_path, SETTINGS, faults=Faults(incident=MOVES)) as ready,
        trio.open_nursery() as nursery,
    ):

        async def hand() -> None:
            await trio.sleep(MIDWAY_MS / 1000)
            by_hand(ready, "-3", "110", SOL, margin=100)

        nursery.start_soon(hand)
        money = await money_at_end(ready, crashed)
        assert money.isolated == Quote.of("-100")
        assert (money.residual, money.state, money.words) == (0, "exact", "")
        nursery.cancel_scope.cancel()
