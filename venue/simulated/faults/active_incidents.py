"""Makes the incidents of a faults file happen: begins each at its moment and ends it after its time."""

import copy
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

import msgspec
import trio

from messages.units import X18, Base, Ms, Price, Quote
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
ASIDE = b"aside".ljust(12, b"\0").hex()
"""The name of the owner's other subaccount, which transfers come from and go to."""


class _Connections(Protocol):
    def cut_all(self) -> None:
        """Close every connection."""


class _Publisher(Protocol):
    def tell_funding_rates(self) -> None:
        """Publish the funding rates of now."""


class _Archive(Protocol):
    @property
    def omitted(self) -> list[str]:
        """Kinds of events that the archive leaves out."""


class FaultTarget(Protocol):
    """The exchange that incidents happen to, as far as they touch it."""

    @property
    def exchange(self) -> Exchange:
        """Books, accounts and rules."""

    @property
    def admission(self) -> _Connections:
        """Everybody who is connected."""

    @property
    def publisher(self) -> _Publisher:
        """What tells the subscribers."""

    @property
    def archive(self) -> _Archive:
        """What is answered of the past."""

    def now_ns(self) -> int:
        """The exchange's time, nanoseconds of Unix time."""

    def product_id(self, symbol: str) -> int:
        """Raises `KeyError` for a symbol that is not traded here."""

    def publish(self) -> None:
        """Send what has changed to the subscribers."""

    def move_again(self, product_id: int) -> None:
        """Apply the market's newest move again, shifted as it is now."""


class ActiveIncidents:
    """What is wrong with the venue at the moment. Whoever answers asks here first."""

    def __init__(self) -> None:
        self.status = "active"
        self.gates: list[str] = []
        self.frozen: list[int] = []
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
        self.said: list[AnswerFalsifier] = []
        self._staged: tuple[of.Incident, ...] = ()
        self._restart = trio.Event()

    def obey(self, staged: tuple[of.Incident, ...]) -> None:
        """Other incidents, counting from now. Those that last end at once."""
        self._staged = staged
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
        end = self._begin(incident, venue)
        if isinstance(incident, of.Lasting):
            try:
                await trio.sleep(incident.for_ms / 1000)
            finally:
                end()
                venue.publish()

    def _begin(self, incident: of.Incident, venue: FaultTarget) -> Callable[[], None]:
        """Begin; what ends it."""
        match incident:
            case of.Status():
                self.status = incident.status
                end = self._active
            case of.GatewayMode():
                self.gates.append(incident.answer)
                end = _remover(self.gates, incident.answer)
            case of.Freeze():
                product_id = venue.product_id(incident.product)
                self.frozen.append(product_id)
                end = _remover(self.frozen, product_id)
            case of.Down():
                self._go_down(1)
                venue.admission.cut_all()
                end = self._come_back
            case of.ClockSkew():
                end = self._skew(incident.skew_ms)
            case of.Trading():
                end = _changed(venue, incident.product, status=incident.status)
            case of.Rules():
                end = self._rules(venue, incident)
            case of.Listing() | of.FalseAnswer():
                end = self._lie(incident)
            case _:
                end = self._begin_in_engine(incident, venue)
        venue.publish()
        return end

    def _active(self) -> None:
        self.status = "active"

    def _go_down(self, by: int) -> None:
        self.down += by
        self.changed.set()
        self.changed = trio.Event()

    def _come_back(self) -> None:
        self._go_down(-1)

    def _skew(self, skew_ms: int) -> Callable[[], None]:
        self.skew_ms = Ms(self.skew_ms + skew_ms)

        def end() -> None:
            self.skew_ms = Ms(self.skew_ms - skew_ms)

        return end

    def _begin_in_engine(self, incident: of.Incident, venue: FaultTarget) -> Callable[[], None]:
        exchange, now = venue.exchange, venue.now_ns()
        match incident:
            case of.Oracle():
                return self._jump(venue, venue.product_id(incident.product), incident.by_bps)
            case of.PriceShift():
                return self._shift(venue, venue.product_id(incident.product), incident.by_bps)
            case of.Crossed():
                self.crossed.append(venue.product_id(incident.product))
            case of.LiquidateNow():
                only = venue.product_id(incident.product) if incident.product else None
                take_over_all(exchange, incident.subaccount.lower(), now, only)
            case of.SettleResults():
                settle_results(exchange, now)
            case of.ChargeFunding():
                venue.publisher.tell_funding_rates()
                pay_funding(exchange, now)
            case of.Deposit() | of.WithdrawNow() | of.Transfer():
                self._move_money(incident, venue)
            case of.ArchiveOmits():
                venue.archive.omitted.append(incident.event)
                return _remover(venue.archive.omitted, incident.event)
        return _nothing

    def now(self, incident: of.Money, venue: FaultTarget) -> None:
        """Let something happen at once. Raises `Refused` where the venue would refuse it."""
        self._begin(incident, venue)

    def _move_money(self, incident: of.Deposit | of.WithdrawNow | of.Transfer, venue: FaultTarget) -> None:
        exchange, now, amount = venue.exchange, venue.now_ns(), Quote.of(incident.amount)
        named = (
            [incident.subaccount.lower()]
            if incident.subaccount
            else [one.subaccount for one in exchange.accounts.values() if not one.parent]
        )
        for name in (each for each in named if incident.subaccount or not each.endswith(ASIDE)):
            match incident:
                case of.Deposit():
                    deposit(exchange, name, amount, now)
                case of.WithdrawNow():
                    withdraw(exchange, name, QUOTE_PRODUCT, amount // TOKEN_UNIT, now)
                case of.Transfer(into=False):
                    transfer_quote(exchange, name, name[:42] + ASIDE, amount, now)
                case of.Transfer():
                    deposit(exchange, name[:42] + ASIDE, amount, now)
                    transfer_quote(exchange, name[:42] + ASIDE, name, amount, now)

    def _lie(self, incident: of.Listing | of.FalseAnswer) -> Callable[[], None]:
        if isinstance(incident, of.Listing):
            self.listed.append(incident)
            return partial(self.listed.remove, incident)
        said = AnswerFalsifier(incident)
        self.said.append(said)
        return partial(self.said.remove, said)

    def _rules(self, venue: FaultTarget, incident: of.Rules) -> Callable[[], None]:
        texts: tuple[tuple[str, type[X18]], ...] = (("tick", Price), ("step", Base), ("min_size", Quote))
        changes: dict[str, Any] = {
            name: unit.of(getattr(incident, name)) for name, unit in texts if getattr(incident, name)
        }
        if incident.isolated_only is not None:
            changes["isolated_only"] = incident.isolated_only
        if not incident.listed:
            changes["status"] = "not_tradable"
            self.unlisted.append(incident.product)
        ends = [_changed(venue, incident.product, **changes)]
        if incident.min_size_binds_takers is not None:
            ends.append(_bound(venue, binds=incident.min_size_binds_takers))

        def end() -> None:
            if not incident.listed:
                self.unlisted.remove(incident.product)
            for undo in ends:
                undo()

        return end

    def bend(self, params: Mapping[str, Any], data: object, exchange: Exchange) -> object:
        """The answer `data` to a query as it is told: products listed, left out, and lied about as staged."""
        if not (self.listed or self.unlisted or self.said):
            return data
        kind, told = params.get("type"), copy.deepcopy(data)
        ids = {market.product.symbol: product_id for product_id, market in exchange.markets.items()}
        ids |= {listing.symbol: listing.product_id for listing in self.listed}
        for listing in self.listed:
            list_another(kind, told, listing)
        for symbol in self.unlisted:
            leave_out(kind, told, symbol, ids[symbol])
        for said in self.said:
            told = said.tell(kind, told, ids)
        return told

    def _jump(self, venue: FaultTarget, product_id: int, by_bps: int) -> Callable[[], None]:
        honest = venue.exchange.markets[product_id].oracle

        def set_to(price: int) -> None:
            venue.exchange.set_oracle(product_id, Price(price), venue.now_ns())
            liquidate_unhealthy(venue.exchange, venue.now_ns())

        def end() -> None:
            moved = venue.exchange.markets[product_id].oracle
            del self.oracle_bps[product_id]
            set_to(moved * BPS // (BPS + by_bps) if moved != shifted_by_bps(honest, by_bps) else honest)

        self.oracle_bps[product_id] = by_bps
        set_to(shifted_by_bps(honest, by_bps))
        return end

    def _shift(self, venue: FaultTarget, product_id: int, by_bps: int) -> Callable[[], None]:
        def move(by: int) -> None:
            self.shift_bps[product_id] = self.shift_bps.get(product_id, 0) + by
            venue.move_again(product_id)

        move(by_bps)
        return partial(move, -by_bps)


def shifted_by_bps(price: int, by_bps: int) -> int:
    """A price moved by basis points."""
    return price * (BPS + by_bps) // BPS


def _changed(venue: FaultTarget, symbol: str, **changes: Any) -> Callable[[], None]:
    """The product by other rules; what ends it takes back these fields and no others."""
    market = venue.exchange.markets[venue.product_id(symbol)]
    before = {name: getattr(market.product, name) for name in changes}
    market.product = msgspec.structs.replace(market.product, **changes)

    def end() -> None:
        market.product = msgspec.structs.replace(market.product, **before)

    return end


def _bound(venue: FaultTarget, *, binds: bool) -> Callable[[], None]:
    """Takers are held to the minimum, or not."""
    exchange, before = venue.exchange, venue.exchange.options.min_size_binds_takers
    exchange.options = msgspec.structs.replace(exchange.options, min_size_binds_takers=binds)

    def end() -> None:
        exchange.options = msgspec.structs.replace(exchange.options, min_size_binds_takers=before)

    return end


def _remover(staged: list[str] | list[int], one: str | int) -> Callable[[], None]:
    def remove() -> None:
        staged.remove(one)  # type: ignore[arg-type]

    return remove


def _nothing() -> None:
    """What happens once has no end."""
