"""A venue's state in a file, so that accounts, orders and the archive survive a restart of the process. Books
do not: the market draws them anew.

Plain JSON, written whole beside the old one and renamed over it. What a crash may lose is `EVERY_S` of time.
"""

import json
from pathlib import Path
from typing import Any

import msgspec
import trio

from messages.wire import decode_unit, encode_unit
from runtime.files import replace_file
from venue.simulated.engine.accounts import Account
from venue.simulated.engine.book import Resting
from venue.simulated.engine.events import BalanceMoved, Filled, FundingCharged
from venue.simulated.engine.order_log import LoggedOrder
from venue.simulated.venue import SimulatedVenue

EVERY_S = 0.2
"""How often a changed state is written."""
SCHEMA = "evenkeel.simulated/1"


class SavedMarket(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one product has collected and paid: USDT0 x18, and the funding per unit since the beginning."""

    product_id: int
    cumulative_funding: int
    available_settle: int
    fees: int


class SavedVenue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that outlives a restart of the process, as JSON in the file."""

    schema: str
    instance: str
    now_ns: int
    submission_idx: int
    insurance: int
    accounts: list[Account]
    tx_nonces: dict[str, int]
    markets: list[SavedMarket]
    resting: list[Resting]
    orders: list[LoggedOrder]
    matches: list[Filled]
    charges: list[FundingCharged]
    moves: list[BalanceMoved] = []


def state_of(venue: SimulatedVenue) -> SavedVenue:
    """What to save of a running venue. It shares the venue's lists: write it before anything else happens."""
    exchange = venue.exchange
    return SavedVenue(
        SCHEMA,
        venue.instance,
        exchange.now_ns,
        exchange.submission_idx,
        exchange.insurance,
        list(exchange.accounts.values()),
        exchange.tx_nonces,
        [
            SavedMarket(each, market.funding.cumulative, market.available_settle, market.fees)
            for each, market in exchange.markets.items()
        ],
        [order for market in exchange.markets.values() for order in market.open_orders.values()],
        list(exchange.order_log),
        venue.archive.fills,
        venue.archive.charges,
        venue.archive.moves,
    )


def restore(venue: SimulatedVenue, saved: SavedVenue) -> None:
    """Put a venue that has not begun into the state `saved`. Raises `ValueError` for a product that it does
    not have.
    """
    exchange = venue.exchange
    if {market.product_id for market in saved.markets} != set(exchange.markets):
        raise ValueError(
            f"markets: they are {sorted(market.product_id for market in saved.markets)}, not"
            f" {sorted(exchange.markets)}"
        )
    venue.instance = saved.instance
    exchange.tick(saved.now_ns)
    exchange.submission_idx, exchange.insurance = saved.submission_idx, saved.insurance
    exchange.accounts = {account.subaccount: account for account in saved.accounts}
    exchange.tx_nonces = dict(saved.tx_nonces)
    for market in saved.markets:
        here = exchange.markets[market.product_id]
        here.funding.cumulative, here.available_settle, here.fees = (
            market.cumulative_funding,
            market.available_settle,
            market.fees,
        )
    for entry in saved.orders:
        exchange.order_log.append(entry)
        if entry.taken_in:
            exchange.order_log.take_in(entry)
    for order in saved.resting:
        market_here = exchange.markets[order.order.product_id]
        market_here.book.rest(order, exchange.now_ns)
        market_here.open_orders[order.digest] = order
    for fill in saved.matches:
        venue.archive.record(fill)
    money: list[FundingCharged | BalanceMoved] = [*saved.charges, *saved.moves]
    for event in money:
        venue.archive.record_money(event)


def load(path: Path) -> SavedVenue | None:
    """What the file holds; None when there is none yet. Raises `OSError`, and `ValueError` naming what
    cannot be read.
    """
    if not path.exists():
        return None
    data: Any = json.loads(path.read_text())
    saved = msgspec.convert(data, SavedVenue, dec_hook=decode_unit, str_keys=True, strict=False)
    if saved.schema != SCHEMA:
        raise ValueError(f"schema: it is {saved.schema!r}, not {SCHEMA!r}")
    return saved


def save(path: Path, saved: SavedVenue) -> None:
    """Write the state beside the old one, force it onto the disk and rename it over. Raises `OSError`."""
    data = msgspec.to_builtins(saved, enc_hook=encode_unit, str_keys=True)
    replace_file(path, json.dumps(data).encode(), sync="file")


async def keep(venue: SimulatedVenue, path: Path) -> None:
    """Write the state whenever it has changed, and once more when this is cancelled."""
    written = -1
    try:
        while True:
            if venue.changes != written:
                written = venue.changes
                save(path, state_of(venue))
            await trio.sleep(EVERY_S)
    finally:
        save(path, state_of(venue))
