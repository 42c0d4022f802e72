"""Fills of orders that rest, beside those of hftbacktest's queue models: the same recording, the same orders.

hftbacktest also fills an order that the opposite quote merely meets, and all of one that a trade goes
through, however small that trade; otherwise its cautious model (`risk_adverse_queue_model`) is ours with
`cancels_ahead = "bounded"`. `pip install -e '.[peers]'` installs it.
"""

from collections.abc import Sequence
from typing import Any

import pytest

from tests.venue.simulated.engine.test_queue import REST_NS, SIZE, recorded, rested
from venue.simulated.engine.rules import VenueOptions
from venue.simulated.markets.move import BookChange

BEGIN_NS = 10**15
"""hftbacktest's time of a recording's first move: it takes 0 for "no time"."""

LATER_NS = 500
"""After the move at whose price an order is placed, so that it stands behind what that move brought."""


def events_for_peer(hft: Any, moves: Sequence[BookChange]) -> list[tuple[int, int, int, float, float]]:
    """The moves as hftbacktest's events: trades first, then the levels that have changed."""
    rows, seen = [], ({}, {})
    both = hft.EXCH_EVENT | hft.LOCAL_EVENT
    for move in moves:
        at_ns = BEGIN_NS + move.at_ns
        for trade in move.trades:
            side = hft.BUY_EVENT if trade.taker_buys else hft.SELL_EVENT
            rows.append((hft.TRADE_EVENT | side | both, at_ns, trade.price, trade.amount))
        for before, levels, side in zip(
            seen, (move.bids, move.asks), (hft.BUY_EVENT, hft.SELL_EVENT), strict=True
        ):
            after = {int(level.price): int(level.amount) for level in levels}
            changed = [(price, 0) for price in before.keys() - after.keys()]
            changed += [(price, amount) for price, amount in after.items() if before.get(price) != amount]
            rows += [(hft.DEPTH_EVENT | side | both, at_ns, price, amount) for price, amount in changed]
            before.clear()
            before.update(after)
    return [(kind, at_ns, at_ns, price / 1e18, amount / 1e18) for kind, at_ns, price, amount in rows]


def filled_by_peer(hft: Any, moves: Sequence[BookChange], model: str) -> list[bool]:
    """Which of the orders of `test_queue.rested` hftbacktest fills in full."""
    numpy = pytest.importorskip("numpy")
    rows = events_for_peer(hft, moves)
    events = numpy.zeros(len(rows), hft.event_dtype)
    for name, column in zip(("ev", "exch_ts", "local_ts", "px", "qty"), zip(*rows, strict=True), strict=True):
        events[name] = column
    asset = hft.BacktestAsset().data([events]).linear_asset(1.0).constant_order_latency(0, 0)
    asset = getattr(asset, model)().partial_fill_exchange().trading_value_fee_model(0, 0)
    engine = hft.HashMapMarketDepthBacktest([asset.tick_size(0.1).lot_size(0.001)])
    engine.elapse(1)
    found: list[bool] = []
    number, until_ns = 0, 0
    for move in moves:
        if move.at_ns < until_ns:
            continue
        until_ns = move.at_ns + REST_NS
        engine.elapse(int(BEGIN_NS + move.at_ns + LATER_NS - engine.current_timestamp))
        if number:
            found.append(engine.orders(0).get(number).status == hft.FILLED)
            if not found[-1]:
                engine.cancel(0, number, False)
            engine.elapse(10)
            engine.clear_inactive_orders(0)
        number += 1
        engine.submit_buy_order(0, number, move.bids[0].price / 1e18, float(SIZE), hft.GTX, hft.LIMIT, False)
        engine.elapse(10)
    return found


@pytest.mark.long
def test_what_fills_here_fills_there_and_what_fills_only_there_is_explained() -> None:
    hft = pytest.importorskip("hftbacktest", reason="hftbacktest is not installed: the extra `peers`")
    moves = recorded(900)
    theirs = filled_by_peer(hft, moves, "risk_adverse_queue_model")
    ours = rested(moves, VenueOptions(cancels_ahead="bounded"))
    assert len(theirs) == len(ours.each) > 150
    both = list(zip(ours.each, theirs, strict=True))
    assert not any(us > them for us, them in both)
    only_theirs = [number for number, (us, them) in enumerate(both) if them > us]
    assert len(only_theirs) < 0.05 * len(theirs)
    assert all(ours.was_met[number] or ours.in_part[number] for number in only_theirs)
