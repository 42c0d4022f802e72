"""The engine's rules, one by one: which orders are refused with which code, and what the others do to book
and account.
"""

import msgspec
import pytest

from messages.units import Base, Price, Quote
from tests.venue.simulated.desk import ETH, ME, OTHER, OURS, SOL, START_NS, THEIRS, desk, levels, order
from venue.nado.signing import order_digest
from venue.simulated.engine.accounts import health_of
from venue.simulated.engine.codes import ExchangeRefusal
from venue.simulated.engine.events import Filled, OrderUpdated, PositionChanged, Traded
from venue.simulated.engine.exchange import Exchange
from venue.simulated.engine.rules import ETH_PERP, SOL_PERP, VenueOptions
from venue.simulated.engine.treasury import deposit

NOW_MS = START_NS // 1_000_000


# -- refusals ------------------------------------------------------------------------------------------------


def test_a_price_off_the_tick_is_refused_with_the_documented_words() -> None:
    with pytest.raises(ExchangeRefusal) as no:
        desk().place(order("0.042", "2756.91"))
    assert (no.value.code, no.value.text) == (
        2000,
        (
            "Invalid order price: Order price, 2756910000000000000000, is not divisible by the"
            " price_increment_x18; price_increment_x18 for product 4: 100000000000000000."
        ),
    )


def test_an_amount_off_the_step_is_refused() -> None:
    assert desk().code(order("0.0425", "2756.9")) == 2001
    assert desk().code(order("1.05", "115.86", product_id=SOL)) == 2001


def test_zero_amount_and_zero_price_are_refused() -> None:
    assert desk().code(order("0", "2756.9")) == 2002
    assert desk().code(order("0.042", "0")) == 2055


def test_an_expired_order_is_refused() -> None:
    assert desk().code(order("0.042", "2756.9", expiration_s=START_NS // 10**9)) == 2004
    assert desk().code(order("0.042", "2756.9", expiration_s=START_NS // 10**9 + 1)) == 0


def test_the_receive_window_is_open_for_a_hundred_seconds_before_recv_time() -> None:
    assert desk().code(order("0.042", "2756.9", recv_time_ms=NOW_MS)) == 2011
    assert desk().code(order("0.042", "2756.9", recv_time_ms=NOW_MS + 1)) == 0
    assert desk().code(order("0.042", "2756.9", recv_time_ms=NOW_MS + 100_000)) == 0
    assert desk().code(order("0.042", "2756.9", recv_time_ms=NOW_MS + 100_001)) == 2012


def test_a_price_outside_20_to_500_percent_of_the_oracle_is_refused() -> None:
    assert desk().code(order("-1", "551.3")) == 2007
    assert desk().code(order("-0.1", "551.4")) == 0
    assert desk().code(order("0.1", "13784.5")) == 0
    assert desk().code(order("0.1", "13784.6")) == 2007


def test_the_same_digest_is_taken_once() -> None:
    floor = desk()
    wanted = order("0.042", "2756.9")
    digest = "0x" + order_digest(wanted, floor.exchange.chain_id).hex()
    first = floor.exchange.arrive(wanted, digest, OURS.address, floor.later())
    with pytest.raises(ExchangeRefusal, match="2013"):
        floor.exchange.arrive(wanted, digest, OURS.address, floor.later())
    floor.exchange.match(first, floor.later())
    with pytest.raises(ExchangeRefusal, match="2013"):
        floor.exchange.arrive(wanted, digest, OURS.address, floor.later())
    assert [entry.result for entry in floor.exchange.order_log] == ["accepted", "refused", "refused"]


def test_an_unknown_version_trigger_or_builder_is_refused() -> None:
    assert desk().code(order("0.042", "2756.9", appendix=512)) == 2095
    assert desk().code(order("0.042", "2756.9", appendix=514)) == 2095
    assert desk().code(order("0.042", "2756.9", appendix=513 | 1 << 12)) == 2009
    assert desk().code(order("0.042", "2756.9", appendix=513 | 1 << 12 | 1 << 8)) == 2084
    assert desk().code(order("0.042", "2756.9", appendix=513 | 7 << 48)) == 2118


def test_only_the_owner_or_the_linked_signer_may_sign() -> None:
    floor = desk()
    assert floor.code(order("0.042", "2756.9"), sender=THEIRS) == 2028
    floor.exchange.accounts[ME].linked_signer = THEIRS.address
    assert floor.code(order("0.042", "2756.9"), sender=THEIRS) == 0
    assert floor.code(order("0.042", "2756.9"), sender=OURS) == 0


def test_a_subaccount_without_a_deposit_and_an_unknown_product_are_refused() -> None:
    assert desk().code(order("0.042", "2756.9", sender=ME[:-2] + "01"), sender=OURS) == 2024
    assert desk().code(order("0.042", "2756.9", product_id=6)) == 2016


def test_a_post_only_order_that_would_trade_is_refused_and_one_that_would_not_rests() -> None:
    floor = desk()
    assert floor.code(order("0.042", "2756.9", "post_only")) == 2008
    assert floor.code(order("0.042", "2756.8", "post_only")) == 0
    assert len(floor.exchange.open_orders(ME, ETH)) == 1


def test_an_ioc_that_crosses_nothing_is_refused_and_told_as_cancelled() -> None:
    floor = desk()
    assert floor.code(order("0.042", "2756.8")) == 2056
    (update,) = floor.events()
    assert isinstance(update, OrderUpdated)
    assert (update.amount, update.reason) == (0, "cancelled")


def test_a_fok_that_cannot_be_filled_in_full_takes_nothing() -> None:
    floor = desk()
    assert floor.code(order("1.001", "2756.9", "fok")) == 2031
    assert [type(event) for event in floor.events()] == [OrderUpdated]
    assert floor.exchange.accounts[ME].position(ETH).amount == 0
    assert floor.code(order("1", "2756.9", "fok")) == 0


def test_reduce_only_needs_a_taker_and_a_position_of_the_other_sign() -> None:
    floor = desk()
    assert floor.code(order("-1", "2756.8", "post_only", reduce_only=True)) == 2067
    assert floor.code(order("-1", "2756.8", "default", reduce_only=True)) == 2067
    assert floor.code(order("-1", "2756.8", reduce_only=True)) == 2064
    floor.place(order("0.5", "2756.9"))
    assert floor.code(order("1", "2757", reduce_only=True)) == 2064


def test_reduce_only_is_clamped_to_the_position_and_can_never_turn_it_round() -> None:
    floor = desk()
    floor.place(order("0.5", "2756.9"))
    floor.events()
    entry = floor.place(order("-0.8", "2756.8", reduce_only=True))
    assert entry.filled == Base.of("-0.5")
    assert floor.exchange.accounts[ME].position(ETH).amount == 0
    updates = [(event.amount, event.reason) for event in floor.events() if isinstance(event, OrderUpdated)]
    assert updates == [(Base.of("0.3"), "filled"), (0, "cancelled")]
    assert floor.code(order("-0.8", "2756.8", reduce_only=True)) == 2064


def test_a_reduce_only_fok_needs_only_the_position_filled() -> None:
    floor = desk()
    floor.place(order("0.5", "2756.9"))
    assert floor.code(order("-100", "2756.8", "fok", reduce_only=True)) == 0


def test_the_minimum_notional_binds_resting_orders_with_the_documented_words() -> None:
    with pytest.raises(ExchangeRefusal) as no:
        desk().place(order("0.036", "2756.9", "default"))
    assert (no.value.code, no.value.text) == (
        2094,
        (
            "Invalid order size: Order amount, 36000000000000000, or price, 2756900000000000000000, is too"
            " small. abs(amount) * price must be >= min_size; min_size for product 4: 100000000000000000000."
        ),
    )
    assert desk().code(order("0.037", "2756.8", "post_only")) == 0


@pytest.mark.parametrize("kind", ["ioc", "fok"])
def test_the_minimum_notional_binds_takers_only_when_the_knob_says_so(kind: str) -> None:
    small = order("0.036", "2756.9", "ioc" if kind == "ioc" else "fok")
    assert desk().code(small) == 0
    assert desk(options=VenueOptions(min_size_binds_takers=True)).code(small) == 2094


def test_new_exposure_needs_initial_health_and_closing_never_does() -> None:
    floor = desk(funds="70")
    assert floor.code(order("1.5", "2757")) == 2006
    assert floor.code(order("1", "2756.9")) == 0
    floor.exchange.set_oracle(ETH, Price.of("2600"))
    assert (
        health_of(
            floor.exchange.accounts[ME], floor.exchange.products, floor.exchange.oracles, "initial"
        ).health
        < 0
    )
    assert floor.code(order("0.1", "2757")) == 2006
    assert floor.code(order("-0.4", "2756.8")) == 0
    assert floor.code(order("-0.6", "2756.7", reduce_only=True)) == 0


def test_eth_and_sol_do_not_net() -> None:
    floor = desk(funds="100")
    assert floor.code(order("1", "2756.9")) == 0
    assert floor.code(order("-23.7", "115.85", product_id=SOL)) == 2006
    assert floor.code(order("-8", "115.85", product_id=SOL)) == 0


def test_the_501st_open_order_of_a_market_is_refused() -> None:
    floor = desk(funds="100000000")
    for _ in range(500):
        floor.place(order("0.042", "2750", "post_only"))
    assert floor.code(order("0.042", "2750", "post_only")) == 2005
    assert floor.code(order("1", "115", "post_only", product_id=SOL)) == 0


def test_a_market_that_is_not_live_takes_only_what_its_status_allows() -> None:
    for status, codes in {
        "not_tradable": [2069, 2069],
        "post_only": [2069, 0],
        "reduce_only": [2069, 2069],
        "soft_reduce_only": [2069, 0],
    }.items():
        exchange = Exchange([msgspec.structs.replace(ETH_PERP, status=status), SOL_PERP])
        floor = desk()
        floor.exchange.markets[ETH].product = exchange.markets[ETH].product
        assert [
            floor.code(order("0.042", "2756.9")),
            floor.code(order("0.042", "2756.8", "post_only")),
        ] == codes, status


# -- trading -------------------------------------------------------------------------------------------------


def test_a_taker_walks_the_book_at_the_makers_prices_and_what_it_took_stays_taken() -> None:
    floor = desk()
    entry = floor.place(order("1.5", "2757"))
    assert [(fill.amount, fill.price) for fill in entry.fills] == [
        (Base.of("1"), Price.of("2756.9")),
        (Base.of("0.5"), Price.of("2757")),
    ]
    assert floor.exchange.markets[ETH].book.levels(False, 9) == levels(("2757.0", "4.5"))
    floor.draw(ETH, levels(("2756.8", "1")), levels(("2756.9", "1")))
    assert floor.exchange.markets[ETH].book.levels(False, 9) == levels(("2756.9", "1"))


def test_price_comes_before_time_and_time_before_size_and_the_house_was_there_first() -> None:
    floor = desk()
    for amount, price in (("-0.2", "2756.9"), ("-0.3", "2756.9"), ("-0.1", "2756.8")):
        floor.draw(ETH, levels(("2756.7", "5")), levels(("2756.9", "1")))
        floor.place(order(amount, price, "post_only", sender=OTHER))
    floor.place(order("1.4", "2756.9"))
    makers = [
        (event.filled, event.price)
        for event in floor.events()
        if isinstance(event, Filled) and not event.is_taker
    ]
    assert makers == [
        (Base.of("0.1"), Price.of("2756.8")),
        (Base.of("0.2"), Price.of("2756.9")),
        (Base.of("0.1"), Price.of("2756.9")),
    ]


def test_an_order_that_would_trade_with_ones_own_cancels_it_and_trades_on() -> None:
    floor = desk()
    mine = floor.place(order("-0.5", "2756.9", "post_only"))
    entry = floor.place(order("1.2", "2757"))
    assert entry.filled == Base.of("1.2")
    assert mine.filled == 0
    assert [
        event.reason
        for event in floor.events()
        if isinstance(event, OrderUpdated) and event.digest == mine.digest
    ] == ["placed", "cancelled"]


def test_a_ladder_that_crosses_resting_orders_fills_them_as_makers_at_their_price() -> None:
    floor = desk()
    mine = floor.place(order("0.5", "2756.8", "post_only"))
    floor.events()
    floor.draw(ETH, levels(("2756.0", "1")), levels(("2756.5", "0.2"), ("2756.7", "1")))
    assert [(fill.amount, fill.price, fill.is_taker) for fill in mine.fills] == [
        (Base.of("0.2"), Price.of("2756.8"), False),
        (Base.of("0.3"), Price.of("2756.8"), False),
    ]
    assert floor.exchange.markets[ETH].book.levels(False, 9) == levels(("2756.7", "0.7"))
    assert [event.amount for event in floor.events() if isinstance(event, Traded)] == [
        Base.of("0.2"),
        Base.of("0.3"),
    ]


def test_somebody_elses_trade_through_a_resting_order_fills_it() -> None:
    floor = desk()
    mine = floor.place(order("0.5", "2756.8", "post_only"))
    floor.exchange.market_trade(ETH, Price.of("2756.8"), Base.of("0.2"), floor.later(), is_taker_buyer=False)
    assert mine.filled == 0
    floor.exchange.market_trade(ETH, Price.of("2756.7"), Base.of("0.2"), floor.later(), is_taker_buyer=False)
    assert mine.filled == Base.of("0.2")


def test_a_cancelled_order_leaves_the_book_and_the_second_cancel_does_not_find_it() -> None:
    floor = desk()
    mine = floor.place(order("0.5", "2756.8", "post_only"))
    floor.exchange.cancel([floor.exchange.find(ETH, mine.digest)], floor.later())
    assert floor.exchange.markets[ETH].book.levels(True, 1) == levels(("2756.8", "1"))
    with pytest.raises(ExchangeRefusal, match="2020"):
        floor.exchange.find(ETH, mine.digest)


def test_a_resting_order_expires() -> None:
    floor = desk()
    floor.place(order("0.5", "2756.8", "post_only", expiration_s=START_NS // 10**9 + 5))
    floor.exchange.expire(START_NS + 4 * 10**9)
    assert floor.exchange.open_orders(ME, ETH)
    floor.exchange.expire(START_NS + 5 * 10**9)
    assert not floor.exchange.open_orders(ME, ETH)


# -- events --------------------------------------------------------------------------------------------------


def script(floor_events: list[object], digest: str) -> list[tuple[str, str]]:
    return [
        (event.amount.text(), event.reason)
        for event in floor_events
        if isinstance(event, OrderUpdated) and event.digest == digest
    ]


def test_the_order_update_scripts_are_the_documented_ones() -> None:
    asks = levels(("2757.0", "0.010"), ("2757.1", "0.010"))
    for kind, amount, expected in (
        ("default", "0.1", [("0.09", "filled"), ("0.08", "filled"), ("0.08", "placed")]),
        ("ioc", "0.1", [("0.09", "filled"), ("0.08", "filled"), ("0", "cancelled")]),
        ("ioc", "0.02", [("0.01", "filled"), ("0", "filled")]),
    ):
        floor = desk()
        floor.draw(ETH, levels(("2756.8", "1")), asks)
        entry = floor.place(order(amount, "2757.1", "default" if kind == "default" else "ioc"))
        assert script(list(floor.events()), entry.digest) == expected


def test_each_match_tells_fill_then_update_then_position_for_both_sides_under_one_submission_index() -> None:
    floor = desk()
    floor.place(order("-0.2", "2756.85".replace("85", "9"), "post_only", sender=OTHER))
    floor.draw(ETH, levels(("2756.8", "1")), ())
    floor.events()
    floor.place(order("0.2", "2756.9"))
    events = floor.events()
    assert [type(event) for event in events] == [Filled, OrderUpdated, PositionChanged] * 2 + [Traded]
    fills = [event for event in events if isinstance(event, Filled)]
    assert [(fill.subaccount, fill.is_taker, fill.is_bid) for fill in fills] == [
        (OTHER, False, False),
        (ME, True, True),
    ]
    assert len({fill.submission_idx for fill in fills}) == 1


def test_submission_indices_and_the_engines_clock_only_grow() -> None:
    floor = desk()
    floor.now_ns = START_NS  # the same instant again and again
    stamps = []
    for _ in range(5):
        floor.exchange.match(
            floor.exchange.arrive(
                order("0.042", "2757", low20=len(stamps)), f"0x{len(stamps)}", OURS.address, START_NS
            ),
            START_NS,
        )  # fmt: skip
        stamps.extend(
            (event.submission_idx, event.at_ns) for event in floor.events() if isinstance(event, Filled)
        )
    assert stamps == sorted(set(stamps))
    assert len({at_ns for _, at_ns in stamps}) == 5


# -- the log -------------------------------------------------------------------------------------------------


def test_the_order_log_has_every_attempt_with_its_ending() -> None:
    floor = desk()
    floor.code(order("0.0425", "2756.9"))
    floor.code(order("0.5", "2756.9"))
    floor.code(order("-0.2", "2756.8", reduce_only=True))
    floor.code(order("0.2", "2756.8", "fok"))
    log = floor.exchange.order_log
    assert [
        (entry.result, entry.code, entry.increasing, entry.reduce_only, entry.filled.text()) for entry in log
    ] == [
        ("refused", 2001, True, False, "0"),
        ("accepted", None, True, False, "0.5"),
        ("accepted", None, False, True, "-0.2"),
        ("refused", 2031, True, False, "0"),
    ]
    assert [entry.arrived_ns for entry in log] == sorted(entry.arrived_ns for entry in log)


def test_a_close_without_the_reduce_only_flag_does_not_count_as_increasing() -> None:
    floor = desk()
    floor.place(order("0.5", "2756.9"))
    assert floor.place(order("-0.5", "2756.8")).increasing is False
    floor.place(order("0.5", "2757"))
    assert floor.place(order("-0.6", "2756.7")).increasing is True


def test_a_funded_account_says_so() -> None:
    exchange = Exchange()
    deposit(exchange, ME, Quote.of(5), START_NS)
    assert [
        (event.product_id, event.reason) for event in exchange.outbox if isinstance(event, PositionChanged)
    ] == [(0, "deposit_collateral")]
