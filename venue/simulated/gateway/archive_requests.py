"""Questions to the archive: one key each, no envelope. Answers have the indexer's shapes; `orders` and
`matches` come from `archive`.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from venue.nado.codec import Whole
from venue.simulated.engine.candles import GRANULARITIES_S
from venue.simulated.engine.codes import ExchangeRefusal, require
from venue.simulated.engine.rules import NO_ADDRESS
from venue.simulated.engine.trading import Market
from venue.simulated.engine.treasury import LINKS_MAX, LINKS_WINDOW_NS
from venue.simulated.payloads.archive import ArchiveQuery, EventsLimit, EventsQuery
from venue.simulated.payloads.rate_limits import archive_weight
from venue.simulated.payloads.requests import read_request
from venue.simulated.payloads.wire import candle_fields
from venue.simulated.streams.publisher import rate_of
from venue.simulated.venue import SimulatedVenue

DIGESTS_MAX = 500
CANDLES_MAX = 500


class _Size(msgspec.Struct, frozen=True):
    """What a question's weight depends on; everything else is read later."""

    limit: int | EventsLimit | None = None
    subaccounts: tuple[msgspec.Raw, ...] | None = None

    @property
    def entries(self) -> int:
        """How many entries are asked for; 0 when no limit is given."""
        if isinstance(self.limit, EventsLimit):
            return self.limit.raw or self.limit.txs or 0
        return self.limit or 0


class _Product(msgspec.Struct, frozen=True):
    product_id: int


class _Products(msgspec.Struct, frozen=True):
    product_ids: tuple[int, ...]


class _Candlesticks(msgspec.Struct, frozen=True):
    product_id: int
    granularity: int
    limit: int | None = None
    max_time: int | None = None


class _Payments(msgspec.Struct, frozen=True):
    product_ids: tuple[int, ...]
    subaccount: str = ""
    limit: int = 100
    max_idx: Whole | None = None


class _Subaccount(msgspec.Struct, frozen=True):
    subaccount: str = ""


def archived(venue: SimulatedVenue, body: bytes, address: str) -> tuple[str, object]:
    """The name of the question and its answer. Raises `ExchangeRefusal`: 1000 over the rate limit, 2038
    for what cannot be read, 3000 to 3003.
    """
    asked = read_request(body, dict[str, msgspec.Raw])
    if len(asked) != 1 or not set(asked) <= set(READERS):
        raise ExchangeRefusal(
            2038, f"The archive answers one of {', '.join(sorted(READERS))}, not {', '.join(asked)[:64]}"
        )
    ((name, question),) = asked.items()
    size = read_request(bytes(question), _Size)
    require(
        venue.admission.may_ask(
            "archive", address, archive_weight(name, size.entries, len(size.subaccounts or ()))
        ),
        venue.exchange.options.limited_by,
    )
    return name, READERS[name](venue, bytes(question))


def _checked(body: bytes) -> ArchiveQuery:
    query = read_request(body, ArchiveQuery)
    require(query.digests is None or not (query.subaccounts or query.product_ids), 3000)
    require(len(query.digests or ()) <= DIGESTS_MAX, 3001)
    return query


def _market(venue: SimulatedVenue, product_id: int) -> Market:
    require(product_id in venue.exchange.markets, 2016)
    return venue.exchange.markets[product_id]


def _candlesticks(venue: SimulatedVenue, body: bytes) -> object:
    query = read_request(body, _Candlesticks)
    _market(venue, query.product_id)
    require(query.granularity in GRANULARITIES_S, 3003)
    until_ns = venue.now_ns() if query.max_time is None else query.max_time * 10**9
    count = CANDLES_MAX if query.limit is None else max(0, min(query.limit, CANDLES_MAX))
    found = venue.candles.newest(query.product_id, query.granularity, count, until_ns)
    return {
        "candlesticks": [
            {**candle_fields(candle), "submission_idx": str(candle.last_ns // 10**6)} for candle in found
        ]
    }


def _funding_rate(venue: SimulatedVenue, product_id: int) -> dict[str, Any]:
    _market(venue, product_id)
    return {
        "product_id": product_id,
        "funding_rate_x18": str(rate_of(venue.exchange, product_id, venue.now_ns())),
        "update_time": str(venue.now_ns() // 10**9),
    }


def _funding_rates(venue: SimulatedVenue, body: bytes) -> object:
    asked, omitted = read_request(body, _Products).product_ids, venue.incidents.rates_omitted
    return {str(each): _funding_rate(venue, each) for each in asked if each not in omitted}


def _prices(venue: SimulatedVenue, product_id: int) -> dict[str, Any]:
    market = _market(venue, product_id)
    return {
        "product_id": product_id,
        "index_price_x18": str(int(market.oracle)),
        "mark_price_x18": str(market.oracle + (market.premium() or 0)),
        "update_time": str(venue.now_ns() // 10**9),
    }


PerProduct = Callable[[SimulatedVenue, int], dict[str, Any]]


def _of_one(find: PerProduct) -> "Reader":
    return lambda venue, body: find(venue, read_request(body, _Product).product_id)


def _by_product(find: PerProduct) -> "Reader":
    return lambda venue, body: {
        str(each): find(venue, each) for each in read_request(body, _Products).product_ids
    }


def _interest_and_funding(venue: SimulatedVenue, body: bytes) -> object:
    query = read_request(body, _Payments)
    require(query.subaccount, 3002)
    newest = None if query.max_idx is None else int(query.max_idx)
    return venue.archive.funding(
        query.subaccount.lower(), query.product_ids, newest, query.limit, venue.now_ns()
    )


def _linked_signer_rate_limit(venue: SimulatedVenue, body: bytes) -> object:
    name = read_request(body, _Subaccount).subaccount.lower()
    require(name, 3002)
    account, now = venue.exchange.accounts.get(name), venue.now_ns()
    recent = [at_ns for at_ns in account.signer_links_ns if at_ns > now - LINKS_WINDOW_NS] if account else []
    wait_s = (recent[0] + LINKS_WINDOW_NS - now) // 10**9 + 1 if len(recent) >= LINKS_MAX else 0
    signer = account.linked_signer if account else NO_ADDRESS
    return {
        "remaining_tx": str(LINKS_MAX - len(recent)),
        "total_tx_limit": str(LINKS_MAX),
        "wait_time": wait_s,
        "signer": signer,
    }


Reader = Callable[[SimulatedVenue, bytes], object]
READERS: dict[str, Reader] = {
    "orders": lambda venue, body: venue.archive.orders(_checked(body), venue.now_ns()),
    "matches": lambda venue, body: venue.archive.matches(_checked(body), venue.now_ns()),
    "events": lambda venue, body: venue.archive.events(read_request(body, EventsQuery), venue.now_ns()),
    "candlesticks": _candlesticks,
    "funding_rate": _of_one(_funding_rate),
    "funding_rates": _funding_rates,
    "price": _of_one(_prices),
    "perp_prices": _by_product(_prices),
    "oracle_price": lambda venue, body: {
        "prices": [
            {
                "product_id": each,
                "oracle_price_x18": str(int(_market(venue, each).oracle)),
                "update_time": str(venue.now_ns() // 10**9),
            }
            for each in read_request(body, _Products).product_ids
        ]
    },
    "interest_and_funding": _interest_and_funding,
    "linked_signer_rate_limit": _linked_signer_rate_limit,
}
"""Every question of the archive, and what answers it. Raises `ExchangeRefusal`."""
