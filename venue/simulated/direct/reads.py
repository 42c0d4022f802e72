"""Questions to the exchange, answered from the engine's own state. What each answer holds is what the client
on the wire reads out of the same engine's text (`venue/nado/http.py`, `queries.py`); a test holds both
together.
"""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import trio

from messages.execution import AccountSnapshot, Fill, Position
from messages.market import BookSnapshot, FundingRate
from messages.money import MoneyEvent, MoneyRead
from messages.units import Base, Ms, Ns, Price, Quote, Rate
from venue.nado.http import EVENTS_PAGE, PAGE, RULES_WEIGHT, TIME_WEIGHT
from venue.nado.queries import ETH, EVENT_KINDS, SOL
from venue.nado.weights import ACCOUNT_WEIGHT, Weights, archive_weight, query_weight
from venue.protocol import (
    ASKED_S,
    UNSAID,
    ArchivedOrder,
    Busy,
    Malformed,
    ProductRules,
    Refused,
    Tradable,
    Unreachable,
    VenueRules,
)
from venue.simulated.direct.streams import fill_of
from venue.simulated.engine.accounts import WEIGHTINGS, Account
from venue.simulated.engine.events import BalanceMoved, Filled, FundingCharged
from venue.simulated.engine.rules import QUOTE_PRODUCT, Product
from venue.simulated.engine.trading import Market
from venue.simulated.faults.order_faults import ConnectionCut
from venue.simulated.payloads.archive import LAG_NS
from venue.simulated.streams.publisher import rate_of
from venue.simulated.venue import SimulatedVenue

_SECOND = 10**9


def product_rules(product: Product, oracle: Price | None) -> ProductRules:
    """A product of the exchange as its client reads it; `oracle` None where there is no price yet."""
    only = f"{product.symbol} can only be traded with isolated margin, which is not supported"
    return ProductRules(
        symbol=product.symbol,
        product_id=product.product_id,
        price_tick=product.tick,
        size_step=product.step,
        min_notional=product.min_size,
        taker_fee=product.taker_fee,
        maker_fee=product.maker_fee,
        long_weight_initial=product.long_weight_initial,
        short_weight_initial=product.short_weight_initial,
        long_weight_maintenance=product.long_weight_maintenance,
        short_weight_maintenance=product.short_weight_maintenance,
        oracle=oracle,
        status=product.status,
        objections=(only,) if product.isolated_only else (),
        unsure=product.isolated_only,
    )


class Link(NamedTuple):
    """The way to the exchange: how long it takes, and what leaves on it against the rate limits."""

    venue: SimulatedVenue
    latency_s: float
    """One way, for everything: orders, answers, questions, events."""
    weights: Weights

    async def there(self) -> None:
        """A request arrives. Raises `Unreachable` while the host is down."""
        await self.venue.timetable.pause(self.latency_s)
        if self.venue.incidents.down:
            raise Unreachable("the exchange is down")

    async def back(self, request: str) -> None:
        """Its answer arrives. Raises `Unreachable` for one that is lost or cut, when that is staged."""
        try:
            brought = await self.venue.delivery.brings_answer(request)
        except ConnectionCut:
            brought = False
        if not brought:
            raise Unreachable(f"{request}: no answer")
        await self.venue.timetable.pause(self.latency_s)


class DirectReads:
    """`venue.protocol.Reads` of one subaccount."""

    def __init__(self, link: Link, sender: str, name: str) -> None:
        """`name`: what the rules call the venue, its instance behind it."""
        self._link = link
        self._venue, self._weights = link.venue, link.weights
        self._sender = sender
        self._name = name
        self._eth, self._sol = self._venue.product_id(ETH), self._venue.product_id(SOL)

    async def _asked(self, request: str, weight: int) -> None:
        """A question has arrived and may be answered. Raises `Unreachable`, `Refused` as staged."""
        self._weights.ask(weight)
        await self._link.there()
        gates = self._venue.incidents.gates
        if "unavailable" in gates:
            raise Busy(f"{request}: HTTP 503")
        if "rate_limited" in gates or not self._venue.admission.may_ask("query", self._sender, weight):
            self._weights.limited_queries()
            raise Busy(f"{request}: HTTP {self._venue.exchange.options.limited_status}")

    def _only_routinely(self, weight: int) -> None:
        if not self._weights.routine(weight):
            raise Unreachable("not asked: the rest of the venue's rate limit is kept for closing")

    async def time_ms(self) -> Ms:
        """The exchange's clock, ms since the epoch."""
        await self._asked("time", TIME_WEIGHT)
        now_ms = self._venue.now_ms()
        await self._link.back("time")
        return now_ms

    async def status(self) -> str:
        """`active`, or why nobody can trade now."""
        weight = query_weight({"type": "status"})
        self._only_routinely(weight)
        await self._asked("status", weight)
        status = self._venue.status
        await self._link.back("status")
        return status

    async def rules(self) -> VenueRules:
        """Chain, endpoint and both products' rules. Raises `VenueError`."""
        self._only_routinely(RULES_WEIGHT)
        return await self.rules_now()

    async def rules_now(self) -> VenueRules:
        """The same, however little of the rate limit is left. Raises `VenueError`."""
        await self._asked("symbols", RULES_WEIGHT)
        exchange = self._venue.exchange
        eth, sol = (self._product(each) for each in (self._eth, self._sol))
        rules = VenueRules(self._name, exchange.chain_id, exchange.endpoint, eth, sol)
        await self._link.back("symbols")
        return rules

    def _product(self, product_id: int) -> ProductRules:
        market = self._venue.exchange.markets[product_id]
        product = market.product
        if product.symbol in self._venue.incidents.unlisted:
            raise Malformed(f"{product.symbol} has no price tick")
        return product_rules(product, market.oracle or None)

    async def tradable(self, within_s: float = ASKED_S) -> Tradable:
        """Can both products be traded now? What is not answered within `within_s` is not said."""
        weight = query_weight({"type": "status"}) + query_weight({"type": "symbols"})
        with trio.move_on_after(within_s):
            try:
                await self._asked("symbols", weight)
                eth, sol = (self._status(each) for each in (self._eth, self._sol))
                answer = Tradable(self._venue.status, eth, sol)
                await self._link.back("symbols")
            except (Unreachable, Refused):
                return UNSAID
            return answer
        return UNSAID

    def _status(self, product_id: int) -> str:
        product = self._venue.exchange.markets[product_id].product
        return "delisted" if product.symbol in self._venue.incidents.unlisted else product.status

    async def book(self, product_id: int, depth: int = 100) -> BookSnapshot:
        """A snapshot at an instant of the engine's clock of its own."""
        await self._asked("market_liquidity", query_weight({"type": "market_liquidity"}))
        now_ns, book = self._venue.exchange.tick(self._venue.now_ns()), self._market(product_id).book
        snapshot = BookSnapshot(product_id, now_ns, book.levels(True, depth), book.levels(False, depth))
        await self._link.back("market_liquidity")
        return snapshot

    def _market(self, product_id: int) -> Market:
        return self._venue.exchange.markets[product_id]

    async def account(self) -> AccountSnapshot:
        """Positions, healths and open orders at one instant of the engine's clock."""
        await self._asked("subaccount_info", ACCOUNT_WEIGHT)
        snapshot = self._snapshot(self._venue.exchange.tick(self._venue.now_ns()))
        await self._link.back("subaccount_info")
        return snapshot

    def _snapshot(self, now_ns: Ns) -> AccountSnapshot:
        exchange = self._venue.exchange
        kept = exchange.accounts.get(self._sender)
        account = exchange.funded(kept or Account(self._sender))
        initial, maintenance, value = (exchange.health(account, each).health for each in WEIGHTINGS)
        apart = [one for one in exchange.accounts.values() if one.parent == self._sender]
        orders = (
            order.digest
            for product_id in (self._eth, self._sol)
            for order in exchange.open_orders(self._sender, product_id)
        )
        return AccountSnapshot(
            at_ms=Ms(now_ns // 1_000_000),
            exists=kept is not None,
            usdt0=Quote(account.usdt0),
            initial_health=initial,
            maintenance_health=maintenance,
            value=value,
            positions=tuple(self._position(account, apart, each) for each in sorted(exchange.markets)),
            open_orders=tuple(orders),
        )

    def _position(self, account: Account, apart: Sequence[Account], product_id: int) -> Position:
        exchange = self._venue.exchange
        held = exchange.position(account, product_id)
        isolated = sum(one.position(product_id).amount for one in apart)
        oracle = exchange.markets[product_id].oracle or None
        return Position(product_id, held.amount, Base(isolated), held.v_quote, oracle, held.funding)

    # -- the archive -----------------------------------------------------------------------------------------

    async def _asked_archive(self, kind: str, **question: object) -> Ns:
        """A question to the archive has arrived; the moment up to which it knows what happened."""
        self._weights.ask_archive(archive_weight({kind: question}))
        await self._link.there()
        return Ns(self._venue.now_ns() - LAG_NS)

    async def funding_rates(self) -> tuple[FundingRate, ...]:
        """The pair's current rates, as the archive says them: of this second."""
        await self._asked_archive("funding_rates", product_ids=[self._eth, self._sol])
        now_ns = self._venue.now_ns()
        rates = tuple(
            FundingRate(each, Rate(rate_of(self._venue.exchange, each, now_ns)), Ms(now_ns // _SECOND * 1000))
            for each in (self._eth, self._sol)
            if each not in self._venue.incidents.rates_omitted
        )
        await self._link.back("archive_funding_rates")
        return rates

    async def archived(self, digests: Sequence[str]) -> tuple[ArchivedOrder, ...]:
        """Those of `digests` that the archive knows; it lags the engine."""
        if not digests:
            return ()
        until_ns = await self._asked_archive("orders", digests=list(digests))
        totals = (self._total(digest.lower(), until_ns) for digest in digests)
        found = tuple(total for total in totals if total is not None)
        await self._link.back("archive_orders")
        return found

    def _total(self, digest: str, until_ns: int) -> ArchivedOrder | None:
        fills = [one for one in self._venue.archive.fills_of(digest) if one.at_ns <= until_ns]
        if not fills:
            return None
        side = 1 if fills[-1].is_bid else -1
        fee = sum(one.fee for one in fills)
        return ArchivedOrder(
            digest,
            fills[-1].product_id,
            Base(side * sum(one.filled for one in fills)),
            Quote(abs(sum(one.quote for one in fills)) - side * fee),
            Quote(fee),
            fills[-1].submission_idx,
        )

    async def fills_since(self, after: int | None) -> tuple[Fill, ...]:
        """What the subaccount traded in the pair after submission index `after`, oldest first; with None
        only the newest fill.
        """
        limit = 1 if after is None else PAGE
        for product_id in (self._eth, self._sol):
            question = {"subaccounts": [self._sender], "product_ids": [product_id], "limit": limit}
            until_ns = await self._asked_archive("matches", **question)
        found = [
            _archived(one)
            for product_id in (self._eth, self._sol)
            for one in reversed(self._venue.archive.fills)
            if one.at_ns <= until_ns
            and one.subaccount == self._sender
            and one.product_id == product_id
            and (after is None or one.submission_idx > after)
        ]
        found.sort(key=lambda fill: fill.submission_idx)
        await self._link.back("archive_matches")
        return tuple(found[-1:] if after is None else found)

    async def money_since(self, events_after: int | None, payments_after: int | None) -> MoneyRead:
        """What moved the account's money otherwise than by a trade of the pair, after these submission
        indices, oldest first; with None the newest entries.
        """
        products = (QUOTE_PRODUCT, self._eth, self._sol)
        until_ns = await self._asked_archive("events", subaccounts=[self._sender], limit={"raw": EVENTS_PAGE})
        self._weights.ask_archive(archive_weight({"interest_and_funding": {}}))
        archive, omitted = self._venue.archive, self._venue.incidents.archive_omits
        moves = [
            one
            for one in reversed(archive.moves)
            if one.at_ns <= until_ns
            and one.subaccount == self._sender
            and one.product_id in products
            and not one.isolated
            and one.event not in omitted
        ]
        payments = [
            one
            for one in reversed(archive.charges)
            if one.at_ns <= until_ns
            and one.subaccount == self._sender
            and one.product_id in products
            and "funding_payment" not in omitted
        ]
        events = [
            *(
                _moved(one)
                for one in (moves[:EVENTS_PAGE] if events_after is None else moves)
                if events_after is None or one.submission_idx > events_after
            ),
            *(
                _paid(one)
                for one in (payments[:1] if payments_after is None else payments)
                if payments_after is None or one.submission_idx > payments_after
            ),
        ]
        read = MoneyRead(
            self._eth,
            self._sol,
            tuple(sorted(events, key=lambda one: one.idx)),
            max((one.submission_idx for one in moves), default=-1),
            max((one.submission_idx for one in payments), default=-1),
            first=events_after is None,
        )
        await self._link.back("archive_events")
        return read


def _whole_seconds(at_ns: int) -> Ns:
    return Ns(at_ns // _SECOND * _SECOND)


def _archived(event: Filled) -> Fill:
    """A fill as the client reads it out of the archive: in whole seconds, and not said to be isolated."""
    return msgspec.structs.replace(fill_of(event), at_ns=_whole_seconds(event.at_ns), isolated=False)


def _moved(event: BalanceMoved) -> MoneyEvent:
    kind, at_ns = EVENT_KINDS[event.event], _whole_seconds(event.at_ns)
    if event.product_id == QUOTE_PRODUCT:
        amount, after = Quote(event.amount), Quote(event.amount_after)
        return MoneyEvent(kind, QUOTE_PRODUCT, amount, event.submission_idx, at_ns, Base(0), after)
    base, quote, after = Base(event.amount), Quote(event.quote), Quote(event.quote_after)
    return MoneyEvent(kind, event.product_id, quote, event.submission_idx, at_ns, base, after)


def _paid(event: FundingCharged) -> MoneyEvent:
    at_ns = _whole_seconds(event.at_ns)
    return MoneyEvent("funding", event.product_id, event.amount, event.submission_idx, at_ns)
