"""What was unhedged, over order logs made by hand: ETH at 2,000, SOL at 100, legs of 1,000 USD."""

from pathlib import Path

from commands.drills.exposure import Change, Unhedged, agreed_pairs, changes_of, positions_of, unhedged
from messages.units import ONE, Base, Ms, Ns, Price, Quote
from venue.simulated.engine.events import Liquidated
from venue.simulated.engine.order_log import LoggedFill, LoggedOrder
from venue.throwaway import THROWAWAY_SENDER

ETH, SOL = 4, 8
END = Ms(60_000)
PAIR = (int(Base.of("0.5")), int(Base.of("-10")))


def eth(at_ms: int, amount: str, price: str = "2000") -> Change:
    return Change(at_ms * 1_000_000, ETH, Base.of(amount), Price.of(price))


def sol(at_ms: int, amount: str, price: str = "100") -> Change:
    return Change(at_ms * 1_000_000, SOL, Base.of(amount), Price.of(price))


def of(*changes: Change, until: Ms = END) -> tuple[int, int]:
    """Worst exposure in USD, and its integral in USD x seconds."""
    found = unhedged(changes, ETH, until, [PAIR], ONE)
    return found.worst // ONE, found.usd_s // ONE


def test_nothing_traded_is_nothing_alone() -> None:
    assert unhedged((), ETH, END, [PAIR], ONE) == Unhedged()


def test_a_pair_that_trades_in_one_instant_never_stands_alone() -> None:
    assert of(eth(0, "0.5"), sol(0, "-10"), eth(5_000, "-0.5"), sol(5_000, "10"))[1] == 0


def test_one_leg_counts_from_the_first_fill_to_the_one_that_hedges_it() -> None:
    assert of(eth(1_000, "0.5"), sol(1_300, "-10"), eth(9_000, "-0.5"), sol(9_100, "10")) == (1_000, 400)


def test_the_agreed_pair_is_hedged_however_long_it_is_held_and_anything_less_is_not() -> None:
    assert of(eth(0, "0.5"), sol(0, "-10")) == (0, 0)
    assert of(eth(0, "0.5"), sol(0, "-9.9")) == (10, 600)


def test_a_partial_fill_leaves_the_rest_alone() -> None:
    assert of(eth(0, "0.5"), sol(100, "-4"), sol(1_100, "-6")) == (1_000, 100 + 600)


def test_what_is_still_open_counts_until_the_venue_was_asked_last() -> None:
    found = unhedged((eth(10_000, "0.5"),), ETH, END, [PAIR], ONE)
    assert (found.usd_s, found.leg, found.left) == (
        Quote.of(50_000),
        Quote.of(1_000),
        ((ETH, Base.of("0.5")),),
    )


def test_cycles_are_judged_one_by_one_and_the_leg_is_that_of_the_worst() -> None:
    small = (eth(0, "0.5"), sol(100, "-10"), eth(200, "-0.5"), sol(200, "10"))
    large = (eth(1_000, "1"), sol(1_500, "-20"), eth(2_000, "-1"), sol(2_000, "20"))
    found = unhedged((*small, *large), ETH, END, [PAIR, (2 * PAIR[0], 2 * PAIR[1])], ONE)
    assert (found.worst, found.usd_s, found.leg, found.left) == (
        Quote.of(2_000),
        Quote.of(1_000),
        Quote.of(2_000),
        (),
    )


def test_a_pair_that_lost_money_together_is_flat_when_both_are_closed() -> None:
    """Left at other prices than entered: what is lost is no exposure."""
    crash = (eth(0, "0.5"), sol(0, "-10"), eth(1_000, "-0.5", "1840"), sol(1_000, "10", "60"))
    assert of(*crash)[1] == 0


def logged(amount: str, at_ns: int, sender: str = THROWAWAY_SENDER) -> LoggedOrder:
    order = LoggedOrder(
        "0x",
        sender,
        "0x",
        ETH,
        Base.of(amount),
        Price.of(2_000),
        "fok",
        False,
        0,
        0,
        0,
        True,
        Ns(0),
        "accepted",
    )
    order.fills.append(LoggedFill(Base.of(amount), Price.of(2_000), Quote(0), True, 1, Ns(at_ns)))
    return order


def test_orders_and_takeovers_of_this_account_change_positions_and_nobody_elses_do() -> None:
    taken = Liquidated(ETH, "0x01", THROWAWAY_SENDER, Base.of("0.5"), Price.of(1_990), Ns(3))
    other = Liquidated(SOL, "0x01", "0x02", Base.of("7"), Price.of(100), Ns(2))
    found = changes_of([logged("0.3", 2), logged("0.2", 1), logged("9", 1, "0x02")], [other, taken])
    assert [(change.at_ns, change.amount) for change in found] == [
        (1, Base.of("0.2")),
        (2, Base.of("0.3")),
        (3, Base.of("-0.5")),
    ]
    assert found[2].price == Price.of(1_990)
    assert positions_of(found) == {ETH: 0}


def test_without_a_ledger_no_pair_counts_as_agreed(tmp_path: Path) -> None:
    assert agreed_pairs(tmp_path / "ledger.sqlite") == ()
