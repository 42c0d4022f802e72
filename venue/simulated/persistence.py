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
from venue.simulated.engine.events import Filled, FundingCharged, Moved
from venue.simulated.engine.exchange import Exchange
from venue.simulated.engine.order_log import LoggedOrder
from venue.simulated.venue import SimulatedVenue

EVERY_S = 0.2
"""How often a changed state is written."""
SCHEMA = "evenkeel.simulated/1"


class SavedMarket(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one product has collected and paid."""

    product_id: int
    cumulative_funding: int
    available_settle: int
    fees: int


class SavedVenue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that outlives a restart."""

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
    moves: list[Moved] = []


def state_of(venue: SimulatedVenue) -> SavedVenue:
    """What to keep of a running venue."""
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


def restore(venue: SimulatedVenue, kept: SavedVenue) -> None:
    """Put a venue that has not begun into the state `kept`. Raises `ValueError` for a product that it does
    not have.
    """
    exchange = venue.exchange
    if {market.product_id for market in kept.markets} != set(exchange.markets):
        raise ValueError(
            f"markets: they are {sorted(market.product_id for market in kept.markets)}, not"
            f" {sorted(exchange.markets)}"
        )
    venue.instance = kept.instance
    exchange.tick(kept.now_ns)
    exchange.submission_idx, exchange.insurance = kept.submission_idx, kept.insurance
    exchange.accounts = {account.subaccount: account for account in kept.accounts}
    exchange.tx_nonces = dict(kept.tx_nonces)
    for market in kept.markets:
        here = exchange.markets[market.product_id]
        here.funding.cumulative, here.available_settle, here.fees = (
            market.cumulative_funding,
            market.available_settle,
            market.fees,
        )
    _restore_orders(exchange, kept)
    for fill in kept.matches:
        venue.archive.record(fill)
    money: list[FundingCharged | Moved] = [*kept.charges, *kept.moves]
    for event in money:
        venue.archive.record_money(event)


def _restore_orders(exchange: Exchange, kept: SavedVenue) -> None:
    for entry in kept.orders:
        exchange.order_log.append(entry)
        if entry.taken_in:
            exchange.order_log.take_in(entry)
    for order in kept.resting:
        market = exchange.markets[order.order.product_id]
        market.book.rest(order, exchange.now_ns)
        market.open_orders[order.digest] = order


def load(path: Path) -> SavedVenue | None:
    """What the file holds; None when there is none yet. Raises `OSError`, and `ValueError` naming what
    cannot be read.
    """
    if not path.exists():
        return None
    data: Any = json.loads(path.read_text())
    kept = msgspec.convert(data, SavedVenue, dec_hook=decode_unit, str_keys=True, strict=False)
    if kept.schema != SCHEMA:
        raise ValueError(f"schema: it is {kept.schema!r}, not {SCHEMA!r}")
    return kept


def save(path: Path, kept: SavedVenue) -> None:
    """Write the state. Raises `OSError`."""
    text = json.dumps(msgspec.to_builtins(kept, enc_hook=encode_unit, str_keys=True))
    replace_file(path, text.encode(), sync="file")


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
