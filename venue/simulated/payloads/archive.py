"""The archive (indexer): fills as the chain will remember them, visible some time after they happened.
An order that is absent from it may have traded.

Whoever asks it something else than `orders` and `matches` is answered by `archive_requests`.
"""

from collections.abc import Container, Iterable, Sequence
from typing import Any

import msgspec

from messages.units import Ns
from venue.nado.codec import Whole
from venue.simulated.engine.events import BalanceMoved, Filled, FundingCharged
from venue.simulated.engine.order_log import LoggedOrder, OrderLog
from venue.simulated.engine.rules import QUOTE_PRODUCT

LAG_NS = Ns(150_000_000)
"""Observed between engine and archive: 100 to 200 ms."""
LIMIT_DEFAULT, LIMIT_MAX = 100, 500


class _Filters(msgspec.Struct, frozen=True):
    """What `orders`, `matches` and `events` can be asked for alike; None = everything."""

    subaccounts: tuple[str, ...] | None = None
    product_ids: tuple[int, ...] | None = None
    idx: int | None = None
    """Newest submission index wanted; clients of different ages call it idx, max_idx or submission_idx."""
    max_idx: int | None = None
    submission_idx: int | None = None
    max_time: int | None = None
    """Seconds."""
    isolated: bool | None = None

    def pass_event(self, event: Filled | BalanceMoved, *names: str) -> bool:
        """Do all filters let it pass? `names` are the subaccounts it can be found under, in lower case."""
        newest = next((idx for idx in (self.idx, self.max_idx, self.submission_idx) if idx is not None), None)
        return (
            (
                self.subaccounts is None
                or not {event.subaccount, *names}.isdisjoint(name.lower() for name in self.subaccounts)
            )
            and (self.product_ids is None or event.product_id in self.product_ids)
            and (newest is None or event.submission_idx <= newest)
            and (self.max_time is None or event.at_ns <= self.max_time * 10**9)
            and self.isolated in {None, event.isolated}
        )


class ArchiveQuery(_Filters, frozen=True):
    """The parameters of `orders` and `matches` that are understood; the filter of triggers is ignored."""

    digests: tuple[str, ...] | None = None
    limit: int | None = None


class EventsLimit(msgspec.Struct, frozen=True):
    """One of the two is given: so many events, or all events of so many transactions."""

    raw: int | None = None
    txs: int | None = None


class EventsQuery(_Filters, frozen=True):
    """The parameters of `events` that are understood: filters, all of which must hold."""

    idx: Whole | None = None
    max_idx: Whole | None = None
    submission_idx: Whole | None = None
    event_types: tuple[str, ...] | None = None
    limit: EventsLimit | None = None


class _Match(msgspec.Struct, frozen=True):
    """One side of one match, with the order's running totals after it."""

    fill: Filled
    order: LoggedOrder
    base: int
    quote: int
    fee: int
    builder_fee: int


class Archive:
    """Every match, oldest first, and where to find an order's."""

    def __init__(self, orders: OrderLog, omitted: Sequence[str] = ()) -> None:
        """`omitted`: event types, and `funding_payment`, that are not reported while they stand there."""
        self._orders = orders
        self._omitted = omitted
        self._matches: list[_Match] = []
        self.charges: list[FundingCharged] = []
        """Every funding payment of an account, oldest first."""
        self.moves: list[BalanceMoved] = []
        """Every deposit, withdrawal, transfer, settlement, liquidation and isolated margin, oldest first."""
        self._by_digest: dict[str, list[_Match]] = {}

    @property
    def fills(self) -> list[Filled]:
        """Every fill, oldest first, invisible ones too: what `persistence` saves."""
        return [match.fill for match in self._matches]

    def fills_of(self, digest: str) -> list[Filled]:
        """The fills of one order, oldest first, invisible ones too."""
        return [match.fill for match in self._by_digest.get(digest, ())]

    def forget(self, before_ns: int, resting: Container[str]) -> None:
        """Forget fills of before `before_ns`, but for those of orders that rest, whose totals go on; and what
        moved money before then, but for the newest of each kind, by which whoever asks knows where it is.
        """
        self.moves[:-1] = [one for one in self.moves[:-1] if one.at_ns >= before_ns]
        self.charges[:-1] = [one for one in self.charges[:-1] if one.at_ns >= before_ns]
        for digest in [
            digest
            for digest, mine in self._by_digest.items()
            if mine[-1].fill.at_ns < before_ns and digest not in resting
        ]:
            del self._by_digest[digest]
        self._matches = [match for match in self._matches if match.fill.digest in self._by_digest]

    def record_money(self, event: FundingCharged | BalanceMoved) -> None:
        """Take in what moved money of one account without a match."""
        if isinstance(event, BalanceMoved):
            self.moves.append(event)
        else:
            self.charges.append(event)

    def events(self, query: EventsQuery, now_ns: int) -> dict[str, Any]:
        """`events`: newest first, all but matches. `limit.txs` counts submission indices, `limit.raw`
        events.
        """
        found = [
            one
            for one in reversed(self.moves)
            if one.event not in self._omitted
            and one.at_ns + LAG_NS <= now_ns
            and (query.event_types is None or one.event in query.event_types)
            and query.pass_event(one)
        ]
        if query.limit is not None and query.limit.txs is not None:
            wanted = list(dict.fromkeys(one.submission_idx for one in found))[: query.limit.txs]
            found = [one for one in found if one.submission_idx in wanted]
        raw = query.limit.raw if query.limit is not None else None
        found = found[: max(0, min(LIMIT_MAX if raw is None else raw, LIMIT_MAX))]
        txs = {one.submission_idx: one for one in found}
        return {
            "events": [_moved_json(one) for one in found],
            "txs": [
                {
                    "submission_idx": str(one.submission_idx),
                    "timestamp": str(one.at_ns // 10**9),
                    "tx": {one.event: {}},
                }
                for one in txs.values()
            ],
        }

    def funding(
        self, subaccount: str, product_ids: Sequence[int], newest: int | None, limit: int, now_ns: int
    ) -> dict[str, Any]:
        """`interest_and_funding`: newest first; there is no interest. `next_idx` is where the next page
        begins, "" on the last.
        """
        visible = [
            one
            for one in reversed(self.charges)
            if one.subaccount == subaccount
            and "funding_payment" not in self._omitted
            and one.product_id in product_ids
            and one.at_ns + LAG_NS <= now_ns
            and (newest is None or one.submission_idx <= newest)
        ]
        limit = max(0, min(limit, LIMIT_MAX))
        return {
            "interest_payments": [],
            "funding_payments": [
                {
                    "product_id": one.product_id,
                    "idx": str(one.submission_idx),
                    "timestamp": str(one.at_ns // 10**9),
                    "amount": str(int(one.amount)),
                    "balance_amount": str(int(one.held)),
                    "rate_x18": str(one.rate),
                    "oracle_price_x18": str(int(one.oracle)),
                }
                for one in visible[:limit]
            ],
            "next_idx": str(visible[limit].submission_idx) if visible[limit:] else "",
        }

    def record(self, fill: Filled) -> None:
        """Take a fill in; it can be asked for `LAG_NS` later."""
        order = self._orders.known(fill.digest)
        if order is None:
            raise LookupError(f"a fill of {fill.digest}, which never arrived")
        mine = self._by_digest.setdefault(fill.digest, [])
        before = mine[-1] if mine else _Match(fill, order, 0, 0, 0, 0)
        match = _Match(
            fill,
            order,
            before.base + (fill.filled if fill.is_bid else -fill.filled),
            before.quote + fill.quote,
            before.fee + fill.fee,
            before.builder_fee + fill.builder_fee,
        )
        mine.append(match)
        self._matches.append(match)

    def matches(self, query: ArchiveQuery, now_ns: int) -> dict[str, Any]:
        """`matches`: newest first, once they are `LAG_NS` old."""
        found = (match for match in reversed(self._matches) if _visible(match, query, now_ns))
        shown = _first(found, query)
        txs = {match.fill.submission_idx: match.fill for match in shown}
        return {
            "matches": [_match_json(match) for match in shown],
            "txs": [
                {
                    "submission_idx": str(idx),
                    "product_id": fill.product_id,
                    "timestamp": str(fill.at_ns // 10**9),
                    "tx": {"match_orders": {"product_id": fill.product_id}},
                }
                for idx, fill in txs.items()
            ],
        }

    def orders(self, query: ArchiveQuery, now_ns: int) -> dict[str, Any]:
        """`orders`: those that have traded, with their totals, newest first."""
        digests = reversed(self._by_digest) if query.digests is None else map(str.lower, query.digests)
        visible = (
            [match for match in self._by_digest.get(digest, ()) if _visible(match, query, now_ns)]
            for digest in digests
        )
        return {
            "orders": [
                _order_json(match, self._by_digest[match.fill.digest][0].fill)
                for match in _first((mine[-1] for mine in visible if mine), query)
            ]
        }


def _visible(match: _Match, query: ArchiveQuery, now_ns: int) -> bool:
    return match.fill.at_ns + LAG_NS <= now_ns and query.pass_event(match.fill, match.fill.also)


def _first(matches: Iterable[_Match], query: ArchiveQuery) -> list[_Match]:
    limit = min(LIMIT_DEFAULT if query.limit is None else query.limit, LIMIT_MAX)
    return [match for _, match in zip(range(limit), matches, strict=False)]


def _match_json(match: _Match) -> dict[str, Any]:
    fill, order = match.fill, match.order
    return {
        "digest": fill.digest,
        "order": {
            "sender": order.sender,
            "priceX18": str(int(order.price)),
            "amount": str(int(order.amount)),
            "expiration": str(order.expiration_s),
            "nonce": str(order.nonce),
            "appendix": str(order.appendix),
        },
        "base_filled": str(int(fill.filled) if fill.is_bid else -int(fill.filled)),
        "quote_filled": str(int(fill.quote)),
        "fee": str(int(fill.fee)),
        "builder_fee": str(int(fill.builder_fee)),
        "sequencer_fee": "0",
        "cumulative_fee": str(match.fee),
        "cumulative_base_filled": str(match.base),
        "cumulative_quote_filled": str(match.quote),
        "submission_idx": str(fill.submission_idx),
        "timestamp": str(fill.at_ns // 10**9),
        "isolated": fill.isolated,
        "is_taker": fill.is_taker,
    }


def _moved_json(moved: BalanceMoved) -> dict[str, Any]:
    before = _balance_json(moved, moved.amount_after - moved.amount, moved.quote_after - moved.quote)
    return {
        "subaccount": moved.subaccount,
        "product_id": moved.product_id,
        "submission_idx": str(moved.submission_idx),
        "timestamp": str(moved.at_ns // 10**9),
        "event_type": moved.event,
        "isolated": moved.isolated,
        "pre_balance": before,
        "post_balance": _balance_json(moved, moved.amount_after, moved.quote_after),
        "net_interest_unrealized": "0",
        "net_interest_cumulative": "0",
        "net_funding_unrealized": "0",
        "net_funding_cumulative": "0",
        "net_entry_unrealized": "0",
        "net_entry_cumulative": "0",
        "quote_volume_cumulative": "0",
    }


def _balance_json(moved: BalanceMoved, amount: int, quote: int) -> dict[str, Any]:
    if moved.product_id == QUOTE_PRODUCT:
        return {"spot": {"product_id": moved.product_id, "balance": {"amount": str(amount)}}}
    balance = {
        "amount": str(amount),
        "v_quote_balance": str(quote),
        "last_cumulative_funding_x18": str(moved.funding),
    }
    return {"perp": {"product_id": moved.product_id, "balance": balance}}


def _order_json(match: _Match, first: Filled) -> dict[str, Any]:
    fill, order = match.fill, match.order
    return {
        "digest": fill.digest,
        "subaccount": fill.subaccount,
        "product_id": fill.product_id,
        "submission_idx": str(fill.submission_idx),
        "amount": str(int(order.amount)),
        "price_x18": str(int(order.price)),
        "expiration": str(order.expiration_s),
        "nonce": str(order.nonce),
        "appendix": str(order.appendix),
        "base_filled": str(match.base),
        "quote_filled": str(match.quote),
        "fee": str(match.fee),
        "builder_fee": str(match.builder_fee),
        "first_fill_timestamp": str(first.at_ns // 10**9),
        "last_fill_timestamp": str(fill.at_ns // 10**9),
        "timestamp": str(fill.at_ns // 10**9),
        "isolated": fill.isolated,
    }
