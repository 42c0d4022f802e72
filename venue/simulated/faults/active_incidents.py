"""Makes the incidents of a faults file happen: begins each at its moment and ends it after its time."""

import copy
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, Protocol, TypeVar

import msgspec
import trio

from messages.units import X18, Base, Ms, Ns, Price, Quote, Rate
from venue.simulated.engine.exchange import Exchange
from venue.simulated.engine.liquidation import liquidate_unhealthy, take_over_all
from venue.simulated.engine.rules import QUOTE_PRODUCT
from venue.simulated.engine.treasury import (
    TOKEN_UNIT,
    deposit,
    pay_funding,
    settle_results,
    transfer_quote,
    withdraw,
)
from venue.simulated.faults import incidents as of
from venue.simulated.faults.false_answers import AnswerFalsifier, leave_out, list_another

BPS = 10_000
OTHER_SUBACCOUNT = b"aside".ljust(12, b"\0").hex()
"""The name of the owner's other subaccount, which transfers come from and go to."""

T = TypeVar("T")


class FaultTarget(Protocol):
    """The venue that incidents happen to, as far as they touch it."""

    @property
    def exchange(self) -> Exchange:
        """Books, accounts and rules; the incidents change them in place."""

    def now_ns(self) -> int:
        """The exchange's time with its staged skew, nanoseconds of Unix time."""

    def product_id(self, symbol: str) -> int:
        """Raises `LookupError` for a symbol that is not traded here."""

    def cut_connections(self) -> None:
        """Close every connection at once, without a farewell."""

    def publish(self) -> None:
        """Send what has changed to the subscribers; after every change an incident makes."""

    def publish_funding_rates(self) -> None:
        """Send every product's funding rate of this moment to the subscribers."""

    def move_again(self, product_id: int) -> None:
        """Apply the market's newest move again, shifted as it is now."""


class ActiveIncidents:
    """What is wrong with the venue at the moment. Whoever answers asks here first."""

    def __init__(self) -> None:
        self.status = "active"
        self.gates: list[str] = []
        """How the gateway refuses: see `incidents.GatewayMode`."""
        self.frozen: list[int] = []
        """Products whose books are not published."""
        self.crossed: list[int] = []
        """Products whose next batch is to be crossed."""
        self.skew_ms = Ms(0)
        self.oracle_bps: dict[int, int] = {}
        self.shift_bps: dict[int, int] = {}
        self.down = 0
        """How many incidents keep the host down."""
        self.changed = trio.Event()
        """Set, and replaced, whenever `down` changes."""
        self.listed: list[of.Listing] = []
        """Products that only the answers know of."""
        self.unlisted: list[str] = []
        """Symbols that no answer names any more."""
        self.falsifiers: list[AnswerFalsifier] = []
        self.archive_omits: list[str] = []
        """Event types, and `funding_payment`, that the archive does not report."""
        self.rates_omitted: list[int] = []
        """Products of which neither archive nor stream name a funding rate."""
        self._staged: tuple[of.Incident, ...] = ()
        self._restart = trio.Event()

    def stage(self, incidents: tuple[of.Incident, ...]) -> None:
        """Replace the staged incidents, counting from now. Those that last end at once."""
        self._staged = incidents
        self._restart.set()

    async def run(self, venue: FaultTarget) -> None:
        """Let everything happen that is staged, for ever."""
        while True:
            self._restart = trio.Event()
            async with trio.open_nursery() as nursery:
                for incident in self._staged:
                    nursery.start_soon(self._play, incident, venue)
                await self._restart.wait()
                nursery.cancel_scope.cancel()

    async def _play(self, incident: of.Incident, venue: FaultTarget) -> None:
        await trio.sleep(incident.at_ms / 1000)
        with ExitStack() as undo:
            if isinstance(incident, of.Lasting):
                undo.callback(venue.publish)  # runs last, when all has been undone
            self._begin(incident, venue, undo)
            if isinstance(incident, of.Lasting):
                await trio.sleep(incident.for_ms / 1000)

    def now(self, incident: of.Money, venue: FaultTarget) -> None:
        """Let something happen at once. Raises `ExchangeRefusal` where the venue would refuse it,
        `LookupError` for an unknown product.
        """
        self._begin(incident, venue, ExitStack())

    def _begin(self, incident: of.Incident, venue: FaultTarget, undo: ExitStack) -> None:
        """Begin an incident; what ends it goes into `undo`."""
        match incident:
            case of.Status():
                self.status = incident.status
                undo.callback(setattr, self, "status", "active")
            case of.GatewayMode():
                _add(self.gates, incident.answer, undo)
            case of.Down():
                self.go_down(1)  # before the connections are cut, so that no client comes back at once
                undo.callback(self.go_down, -1)
                venue.cut_connections()
            case of.Freeze():
                _add(self.frozen, venue.product_id(incident.product), undo)
            case of.ClockSkew():
                self._skew(incident.skew_ms)
                undo.callback(self._skew, -incident.skew_ms)
            case of.Listing():
                _add(self.listed, incident, undo)
            case of.FalseAnswer():
                _add(self.falsifiers, AnswerFalsifier(incident), undo)
            case of.ArchiveOmits():
                _add(self.archive_omits, incident.event, undo)
            case of.QuotedFunding():
                self._quote_funding(incident, venue, undo)
            case _:
                self._begin_in_engine(incident, venue, undo)
        venue.publish()

    def _begin_in_engine(self, incident: of.Incident, venue: FaultTarget, undo: ExitStack) -> None:
        exchange, now = venue.exchange, venue.now_ns()
        match incident:
            case of.Trading():
                market = exchange.markets[venue.product_id(incident.product)]
                _replace(market, "product", undo, status=incident.status)
            case of.Rules():
                self._change_rules(incident, venue, undo)
            case of.Oracle():
                self._jump(venue, venue.product_id(incident.product), incident.by_bps, undo)
            case of.PriceShift():
                product_id = venue.product_id(incident.product)
                self._shift(venue, product_id, incident.by_bps)
                undo.callback(self._shift, venue, product_id, -incident.by_bps)
            case of.Crossed():
                self.crossed.append(venue.product_id(incident.product))
            case of.TradeThrough():
                _trade_through(incident, venue.product_id(incident.product), exchange, now)
            case of.LiquidateNow():
                only = venue.product_id(incident.product) if incident.product else None
                take_over_all(exchange, incident.subaccount.lower(), now, only)
            case of.SettleResults() | of.ChargeFunding():
                _settle(incident, venue, now)
            case of.Deposit() | of.WithdrawNow() | of.Transfer():
                _move_money(incident, exchange, now)

    def _quote_funding(self, incident: of.QuotedFunding, venue: FaultTarget, undo: ExitStack) -> None:
        product_id = venue.product_id(incident.product)
        funding = venue.exchange.markets[product_id].funding
        if not incident.rate:
            _add(self.rates_omitted, product_id, undo)
            return
        undo.callback(setattr, funding, "quoted", funding.quoted)
        funding.quoted = Rate.of(incident.rate)
        venue.publish_funding_rates()

    def go_down(self, by: int) -> None:
        """One more reason (1) or one less (-1) why the host is down; who waits for a change hears of it."""
        self.down += by
        self.changed.set()
        self.changed = trio.Event()

    def _skew(self, by_ms: int) -> None:
        self.skew_ms = Ms(self.skew_ms + by_ms)

    def _change_rules(self, rules: of.Rules, venue: FaultTarget, undo: ExitStack) -> None:
        units: dict[str, type[X18]] = {"tick": Price, "step": Base, "min_size": Quote}
        changes: dict[str, Any] = {
            name: unit.of(getattr(rules, name)) for name, unit in units.items() if getattr(rules, name)
        }
        if rules.isolated_only is not None:
            changes["isolated_only"] = rules.isolated_only
        if not rules.listed:
            changes["status"] = "not_tradable"
            _add(self.unlisted, rules.product, undo)
        _replace(venue.exchange.markets[venue.product_id(rules.product)], "product", undo, **changes)
        if rules.min_size_binds_takers is not None:
            binds = rules.min_size_binds_takers
            _replace(venue.exchange, "options", undo, min_size_binds_takers=binds)

    def falsified(self, params: Mapping[str, Any], data: object, exchange: Exchange) -> object:
        """The answer to a query as clients get it, from the honest `data`, which stays as it is: products
        listed, left out and falsified as staged.
        """
        if not (self.listed or self.unlisted or self.falsifiers):
            return data
        kind, answer = params.get("type"), copy.deepcopy(data)
        ids = {market.product.symbol: product_id for product_id, market in exchange.markets.items()}
        ids |= {listing.symbol: listing.product_id for listing in self.listed}
        for listing in self.listed:
            list_another(kind, answer, listing)
        for symbol in self.unlisted:
            leave_out(kind, answer, symbol, ids[symbol])
        for falsifier in self.falsifiers:
            answer = falsifier.falsified(kind, answer, ids)
        return answer

    def _jump(self, venue: FaultTarget, product_id: int, by_bps: int, undo: ExitStack) -> None:
        honest = venue.exchange.markets[product_id].oracle

        def set_to(price: int) -> None:
            venue.exchange.set_oracle(product_id, Price(price), venue.now_ns())
            liquidate_unhealthy(venue.exchange, venue.now_ns())

        def end() -> None:
            moved = venue.exchange.markets[product_id].oracle
            del self.oracle_bps[product_id]
            # a market that moved meanwhile is not put back to where it was, and no rounding is left otherwise
            set_to(moved * BPS // (BPS + by_bps) if moved != shifted_by_bps(honest, by_bps) else honest)

        self.oracle_bps[product_id] = by_bps
        undo.callback(end)
        set_to(shifted_by_bps(honest, by_bps))

    def _shift(self, venue: FaultTarget, product_id: int, by_bps: int) -> None:
        self.shift_bps[product_id] = self.shift_bps.get(product_id, 0) + by_bps
        venue.move_again(product_id)


def shifted_by_bps(price: int, by_bps: int) -> int:
    """`price` and `by_bps` ten-thousandths of it (signed), rounded down; in the unit of `price`."""
    return price * (BPS + by_bps) // BPS


def _settle(incident: of.SettleResults | of.ChargeFunding, venue: FaultTarget, now_ns: int) -> None:
    if isinstance(incident, of.SettleResults):
        settle_results(venue.exchange, now_ns)
    else:
        venue.publish_funding_rates()
        pay_funding(venue.exchange, now_ns)


def _trade_through(incident: of.TradeThrough, product_id: int, exchange: Exchange, now_ns: int) -> None:
    market = exchange.markets[product_id]
    tick, step = market.product.tick, market.product.step
    for order in list(market.open_orders.values()):
        size = abs(order.order.amount) * incident.percent // 100 // step * step
        beyond = Price(order.order.price - tick if order.is_bid else order.order.price + tick)
        amount = Base(min(max(size, step), order.remaining))
        exchange.market_trade(product_id, beyond, amount, Ns(now_ns), is_taker_buyer=not order.is_bid)


def _move_money(incident: of.Deposit | of.WithdrawNow | of.Transfer, exchange: Exchange, now_ns: int) -> None:
    amount = Quote.of(incident.amount)
    everybody = [one.subaccount for one in exchange.accounts.values() if not one.parent]
    named = [incident.subaccount.lower()] if incident.subaccount else everybody
    for name in (each for each in named if incident.subaccount or not each.endswith(OTHER_SUBACCOUNT)):
        match incident:
            case of.Deposit():
                deposit(exchange, name, amount, now_ns)
            case of.WithdrawNow():
                withdraw(exchange, name, QUOTE_PRODUCT, amount // TOKEN_UNIT, now_ns)
            case of.Transfer(into=False):
                transfer_quote(exchange, name, name[:42] + OTHER_SUBACCOUNT, amount, now_ns)
            case of.Transfer():
                deposit(exchange, name[:42] + OTHER_SUBACCOUNT, amount, now_ns)
                transfer_quote(exchange, name[:42] + OTHER_SUBACCOUNT, name, amount, now_ns)


def _add(staged: list[T], one: T, undo: ExitStack) -> None:
    staged.append(one)
    undo.callback(staged.remove, one)


def _replace(owner: object, name: str, undo: ExitStack, **changes: Any) -> None:
    """Replace fields of the frozen struct `owner.name`; undone, these fields and no others are as before."""
    before = {field: getattr(getattr(owner, name), field) for field in changes}

    def put(fields: dict[str, Any]) -> None:
        setattr(owner, name, msgspec.structs.replace(getattr(owner, name), **fields))

    put(changes)
    undo.callback(put, before)
