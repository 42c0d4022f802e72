"""How each error code is provoked: one scene per code, over the real wire, and the faults under which it
plays.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
import trio

from messages.units import Base, Price, Quote
from tests.venue.simulated.desk import ETH, ME, OTHER, OURS, SOL, START_NS, THEIRS, Floor, levels, order
from tests.venue.simulated.engine.test_money import isolated
from venue.nado.signing import Signer, cancellation_digest, link_signer_digest, order_nonce, typed_digest
from venue.simulated.engine.accounts import Account
from venue.simulated.engine.rules import ISOLATED_MAX, VenueOptions, isolated_name
from venue.simulated.engine.treasury import LINKS_MAX
from venue.simulated.faults.incidents import GatewayMode, Incident, Status
from venue.simulated.faults.order_faults import Faults
from venue.simulated.gateway.money_executes import LIQUIDATE, TRANSFER, WITHDRAW

NOW_MS = START_NS // 1_000_000
NOBODY = "0x" + "33" * 20 + "00" * 12
NOT_FOUND = "0x" + "ab" * 32
Scene = Callable[["VenueStage"], Awaitable[Any]]


@dataclass
class VenueStage:
    """A running venue and short ways to ask it for something. Each gives the answer as an object."""

    place: Floor
    numbers: list[int] = field(default_factory=lambda: [0])

    @property
    def exchange(self) -> Any:
        return self.place.venue.exchange

    async def execute(self, name: str, body: object) -> Any:
        return await self.place.post("/v1/execute", {name: body})

    async def order(
        self,
        amount: str,
        price: str,
        kind: Any = "ioc",
        *,
        signer: Signer = OURS,
        unique: bool = True,
        **named: Any,
    ) -> Any:
        return await self.place.post(
            "/v1/execute", self.place.frame(order(amount, price, kind, **named), signer=signer, unique=unique)
        )

    def body(self, amount: str, price: str, kind: Any = "ioc", **named: Any) -> Any:
        """The body of a place_order."""
        signer = named.pop("signer", OURS)
        return json.loads(self.place.frame(order(amount, price, kind, **named), signer=signer))["place_order"]

    async def rests(self, **named: Any) -> str:
        """The digest of an order that rests."""
        digest: str = (await self.order("0.05", "2750", "post_only", **named))["data"]["digest"]
        return digest

    def cancellation(
        self,
        digests: list[str],
        *,
        products: list[int] | None = None,
        signer: Signer = OURS,
        sender: str = ME,
    ) -> tuple[Any, str]:
        self.numbers[0] += 1
        nonce = order_nonce(NOW_MS + 50_000, self.numbers[0])
        ids = [ETH] * len(digests) if products is None else products
        signed = cancellation_digest(
            sender, [ETH] * len(digests), digests, nonce, self.exchange.chain_id, self.exchange.endpoint
        )
        return {"sender": sender, "productIds": ids, "digests": digests, "nonce": str(nonce)}, signer.sign(
            signed
        )

    async def cancel(self, digests: list[str], **named: Any) -> Any:
        tx, signature = self.cancellation(digests, **named)
        return await self.execute("cancel_orders", {"tx": tx, "signature": signature})

    def nonce(self, sender: str = ME) -> int:
        return int(self.exchange.tx_nonces.get(sender[:42], 0))

    async def link(self, signer: str, *, sender: str = ME) -> Any:
        new, nonce = signer + "00" * 12, self.nonce(sender)
        signature = OURS.sign(
            link_signer_digest(sender, new, nonce, self.exchange.chain_id, self.exchange.endpoint)
        )
        return await self.execute(
            "link_signer",
            {"tx": {"sender": sender, "signer": new, "nonce": str(nonce)}, "signature": signature},
        )

    async def signed(
        self, name: str, kind: str, *, signer: Signer = OURS, extra: dict[str, Any] | None = None, **tx: Any
    ) -> Any:
        """Any other execute, signed as its type says."""
        values = {"sender": ME, "nonce": self.nonce(str(tx.get("sender", ME))), **tx}
        signature = signer.sign(typed_digest(kind, self.exchange.chain_id, self.exchange.endpoint, **values))
        wire = {
            key: value if isinstance(value, bool | str) or key == "productId" else str(value)
            for key, value in values.items()
        }
        return await self.execute(name, {"tx": wire, "signature": signature, **(extra or {})})

    async def transfer(self, amount: str, recipient: str = OTHER, **tx: Any) -> Any:
        return await self.signed(
            "transfer_quote", TRANSFER, recipient=recipient, amount=int(Quote.of(amount)), **tx
        )

    async def withdraw(self, tokens: int, **named: Any) -> Any:
        return await self.signed("withdraw_collateral", WITHDRAW, productId=0, amount=tokens, extra=named)

    async def liquidate(self, amount: str, product_id: int = ETH) -> Any:
        asked = {
            "sender": OTHER,
            "liquidatee": ME,
            "productId": product_id,
            "isEncodedSpread": False,
            "amount": int(Base.of(amount)),
        }
        return await self.signed("liquidate_subaccount", LIQUIDATE, signer=THEIRS, **asked)

    async def under_maintenance(self, oracle: str = "2715") -> None:
        """60 USDT0 behind 0.8 ETH; at 2715 maintenance health is just gone. The market's own oracle price
        would end it, so nothing moves here.
        """
        self.exchange.accounts[ME].usdt0 = int(Quote.of("60"))
        await self.order("0.8", "2756.9")
        self.exchange.set_oracle(ETH, Price.of(oracle))

    async def query(self, kind: str, **params: Any) -> Any:
        return await self.place.post("/v1/query", {"type": kind, **params})

    async def archive(self, name: str, **question: Any) -> Any:
        return await self.place.post("/archive/v1", {name: question})

    def product(self, **changes: Any) -> None:
        """Change ETH-PERP's rules."""
        market = self.exchange.markets[ETH]
        market.product = msgspec.structs.replace(market.product, **changes)


SCENES: dict[int, tuple[Scene, Faults]] = {}


def provokes(
    *codes: int, options: VenueOptions | None = None, incident: Incident | None = None
) -> Callable[[Scene], Scene]:
    """The scene ends with one of `codes`: its answers' codes, in this order."""

    def note(scene: Scene) -> Scene:
        faults = Faults(venue=options or VenueOptions(), incident=(incident,) if incident else ())
        SCENES.update(dict.fromkeys(codes, (scene, faults)))
        return scene

    return note


# -- the rate limit and the gates ----------------------------------------------------------------------------


@provokes(1000)
async def too_many_requests(on: VenueStage) -> Any:
    for _ in range(40):
        await on.query("isolated_positions", subaccount=ME)
    return await on.query("status")


@provokes(1015, options=VenueOptions(limited_by=1015))
async def too_many_requests_for_cloudflare(on: VenueStage) -> Any:
    return await too_many_requests(on)


@provokes(1002, incident=GatewayMode(at_ms=0, for_ms=9_000, answer="ip_query_only"))
async def only_reading_is_allowed(on: VenueStage) -> Any:
    await trio.sleep(0.1)
    async with on.place.socket("/v1/ws") as line:
        return await line.ask(on.place.frame(order("0.042", "2756.9")))


@provokes(1004, incident=GatewayMode(at_ms=0, for_ms=9_000, answer="unavailable"))
async def the_service_is_unavailable(on: VenueStage) -> Any:
    async with on.place.socket("/v1/ws") as line:
        await trio.sleep(0.1)
        return await line.ask({"type": "status"})


@provokes(2068, incident=Status(at_ms=0, for_ms=9_000))
async def the_engine_is_not_active(on: VenueStage) -> Any:
    await trio.sleep(0.1)
    return await on.order("0.042", "2756.9")


# -- an order by itself --------------------------------------------------------------------------------------


@provokes(2000, 2001, 2002, 2004, 2007, 2008, 2009, 2011, 2012, 2016, 2055, 2056, 2067, 2094, 2095, 2118)
async def orders_that_no_account_could_place(on: VenueStage) -> Any:
    return [
        await on.order("0.042", "2756.91"),
        await on.order("0.0425", "2756.9"),
        await on.order("0", "2756.9"),
        await on.order("0.042", "2756.9", expiration_s=1),
        await on.order("0.042", "500"),
        await on.order("0.042", "2756.9", "post_only"),
        await on.order("0.042", "2756.9", appendix=513 | 1 << 12),
        await on.order("0.042", "2756.9", recv_time_ms=NOW_MS - 1),
        await on.order("0.042", "2756.9", recv_time_ms=NOW_MS + 200_000),
        await on.order("0.042", "2756.9", product_id=6),
        await on.order("0.042", "-0.1"),
        await on.order("0.042", "2750"),
        await on.order("-0.042", "2756.8", "post_only", reduce_only=True),
        await on.order("0.02", "2750", "post_only"),
        await on.order("0.042", "2756.9", appendix=514),
        await on.order("0.042", "2756.9", appendix=513 | 7 << 48),
    ]


@provokes(2031)
async def a_fok_larger_than_the_book(on: VenueStage) -> Any:
    on.exchange.accounts[ME].usdt0 = int(Quote.of("100000000000"))
    return await on.order("20000", "2757", "fok")


@provokes(2019, options=VenueOptions(spot_leverage_on_perps=False))
async def spot_leverage_on_a_perp(on: VenueStage) -> Any:
    return await on.execute("place_order", {**on.body("0.042", "2756.9"), "spot_leverage": True})


@provokes(2013)
async def the_same_bytes_twice(on: VenueStage) -> Any:
    await on.order("0.042", "2756.9", unique=False)
    return await on.order("0.042", "2756.9", unique=False)


@provokes(2064, 2069, 2070, 2122)
async def orders_that_the_market_does_not_want(on: VenueStage) -> Any:
    answers = [await on.order("-0.1", "2756.8", reduce_only=True)]
    for changes in (
        {"status": "not_tradable"},
        {"max_open_interest": Quote.of("100")},
        {"isolated_only": True},
    ):
        before = on.exchange.markets[ETH].product
        on.product(**changes)
        answers.append(await on.order("0.042", "2756.9"))
        on.exchange.markets[ETH].product = before
    return answers


@provokes(2005)
async def the_501st_open_order(on: VenueStage) -> Any:
    resting = on.exchange.markets[ETH].open_orders
    digest = await on.rests()
    resting.update({f"0x{number}": resting[digest] for number in range(499)})
    return await on.order("0.05", "2750", "post_only")


@provokes(2006)
async def an_order_without_the_margin(on: VenueStage) -> Any:
    on.exchange.accounts[ME].usdt0 = int(Quote.of("10"))
    return await on.order("1", "2757")


@provokes(2010)
async def margin_that_goes_away_at_the_speed_bump(on: VenueStage) -> Any:
    answers: list[Any] = []
    async with trio.open_nursery() as nursery:

        async def ask() -> None:
            answers.append(await on.order("1", "2757"))

        nursery.start_soon(ask)
        await trio.sleep(0.01)
        on.exchange.accounts[ME].usdt0 = 0
    return answers[0]


@provokes(2073, options=VenueOptions(self_match="refuse"))
async def an_order_that_would_meet_ones_own(on: VenueStage) -> Any:
    on.exchange.move(ETH, levels(("2756.8", "1")), (), START_NS)
    await on.order("-0.1", "2757", "post_only")
    return await on.order("0.1", "2757")


# -- who asks ------------------------------------------------------------------------------------------------


@provokes(2024, 2027, 2028, 2034, 2035)
async def signatures_and_senders_that_are_not_right(on: VenueStage) -> Any:
    body = on.body("0.042", "2756.9")
    return [
        await on.order("0.042", "2756.9", sender=ME[:-2] + "01"),
        await on.execute("place_order", {**body, "signature": "0x12"}),
        await on.order("0.042", "2756.9", signer=THEIRS),
        await on.execute("place_order", {**body, "signature": "0x" + "00" * 65}),
        await on.execute("place_order", {**body, "signature": "0x" + "00" * 64 + "1b"}),
    ]


@provokes(2050)
async def a_strangers_order_updates(on: VenueStage) -> Any:
    async with on.place.socket("/v1/subscribe") as line:
        return await line.ask(
            {"method": "subscribe", "stream": {"type": "order_update", "subaccount": ME}, "id": 1}
        )


# -- cancelling and batches ----------------------------------------------------------------------------------


@provokes(2014, 2020, 2039)
async def cancellations_that_cannot_be(on: VenueStage) -> Any:
    theirs = await on.rests(sender=OTHER, signer=THEIRS)
    return [
        await on.cancel([theirs]),
        await on.cancel([NOT_FOUND]),
        await on.cancel([NOT_FOUND], products=[ETH, SOL]),
    ]


@provokes(2066)
async def a_replacement_by_somebody_else(on: VenueStage) -> Any:
    tx, signature = on.cancellation([await on.rests()])
    body = on.body("0.05", "2750", "post_only", sender=OTHER, signer=THEIRS)
    return await on.execute(
        "cancel_and_place", {"cancel_tx": tx, "cancel_signature": signature, "place_order": body}
    )


@provokes(2111, 2114)
async def batches_that_are_too_long_or_mixed(on: VenueStage) -> Any:
    body, theirs = (
        on.body("0.05", "2750", "post_only"),
        on.body("0.05", "2750", "post_only", sender=OTHER, signer=THEIRS),
    )
    return [
        await on.execute("place_orders", {"orders": [body] * 51}),
        await on.execute("place_orders", {"orders": [body, theirs]}),
    ]


@provokes(2038, 4001)
async def messages_that_mean_nothing(on: VenueStage) -> Any:
    return [await on.execute("withdraw_everything", {}), await on.execute("mint_nlp", {"tx": {"sender": ME}})]


# -- money and power -----------------------------------------------------------------------------------------


@provokes(2022, 2033)
async def nonces_that_are_not_next(on: VenueStage) -> Any:
    missing = await on.execute(
        "transfer_quote", {"tx": {"sender": ME, "recipient": OTHER, "amount": "1"}, "signature": "0x"}
    )
    return [await on.transfer("5", nonce=7), missing]


@provokes(2025, 2026, 2030, 2089)
async def signers_that_are_not_linked(on: VenueStage) -> Any:
    account = on.exchange.accounts[ME]
    child = isolated_name(ME[:42], ETH, 0)
    on.exchange.accounts[child] = Account(child, parent=ME)
    account.usdt0 = int(Quote.of("4"))
    poor = await on.link(THEIRS.address)
    account.usdt0 = int(Quote.of("40"))
    await on.link(THEIRS.address)
    again = await on.link(THEIRS.address)
    account.signer_links_ns = [START_NS] * LINKS_MAX
    await trio.sleep(10)  # a link weighs 30 of the 100 that a wallet has in ten seconds
    return [poor, again, await on.link(OURS.address), await on.link(THEIRS.address, sender=child)]


@provokes(2017, 2036, 2077, 2079, 2091)
async def money_that_does_not_move(on: VenueStage) -> Any:
    return [
        await on.withdraw(10**11, spot_leverage=False),
        await on.withdraw(10**11),
        await on.transfer("4.9"),
        await on.transfer("5", ME),
        await on.withdraw(10**33),
    ]


@provokes(2042, 2043, 2044, 2045, 2046, 2047)
async def liquidations_that_are_refused(on: VenueStage) -> Any:
    healthy = await on.liquidate("0.1")
    await on.under_maintenance("2740")
    between = await on.liquidate("0.1")
    on.exchange.set_oracle(ETH, Price.of("2715"))
    wrong = [await on.liquidate("0.1", 0), await on.liquidate("0.0005"), await on.liquidate("-0.1")]
    on.exchange.accounts[OTHER].usdt0 = 0
    await trio.sleep(10)  # a liquidation weighs 20
    return [between, await on.liquidate("0.1"), healthy, *wrong]


# -- isolated margin -----------------------------------------------------------------------------------------


@provokes(2081, 2082, 2084, 2085, 2087, 2088)
async def isolated_orders_that_cannot_be(on: VenueStage) -> Any:
    await on.order("0.1", "2756.9", appendix=isolated("50"))
    child = isolated_name(ME[:42], ETH, 0)
    answers = [
        await on.order("-0.1", "2756.8", sender=child, appendix=isolated("1")),
        await on.order("-1", "115.86", sender=child, product_id=SOL, reduce_only=True),
        await on.order("0.1", "2756.9", appendix=isolated("50") | 1 << 12),
        await on.order("0.1", "2756.9", appendix=isolated("50") | 1 << 11),
    ]
    unmarked = await on.order("-0.1", "2756.8", sender=child)
    for number in range(1, ISOLATED_MAX):
        name = isolated_name(ME[:42], ETH, number)
        on.exchange.accounts[name] = Account(name, parent=OTHER)
    full = await on.order("1", "115.87", product_id=SOL, appendix=isolated("50"))
    return [*answers, full, unmarked]


# -- questions -----------------------------------------------------------------------------------------------


@provokes(2015, 2040, 2060, 2061, 2062)
async def questions_about_nothing(on: VenueStage) -> Any:
    sizes = {
        "sender": ME,
        "product_id": ETH,
        "price_x18": str(10**21),
        "direction": "long",
        "reduce_only": "perhaps",
    }
    return [
        (await on.place.http.get("http://venue/v2/orderbook?ticker_id=BTC-PERP_USDT0")).json(),
        await on.query("max_order_size", **sizes),
        await on.query("market_prices", product_ids=[ETH, ETH]),
        await on.query("symbols", product_type="option"),
        await on.query("orders", sender=ME, product_ids=[]),
    ]


@provokes(3000, 3001, 3002, 3003)
async def questions_that_the_archive_refuses(on: VenueStage) -> Any:
    return [
        await on.archive("orders", digests=[NOT_FOUND], subaccounts=[ME]),
        await on.archive("orders", digests=[NOT_FOUND] * 501),
        await on.archive("interest_and_funding", product_ids=[ETH], limit=5),
        await on.archive("candlesticks", product_id=ETH, granularity=61),
    ]
