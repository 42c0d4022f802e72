"""The SDK trades at the simulated venue: over HTTP and sockets, as owner and as linked signer, and our
ledger agrees with it to the last digit.
"""

import json
import time
from contextlib import closing

import msgspec
import pytest

from messages.execution import Fill
from messages.units import Price
from tests.actors.fakes import ORDER_BUILDER
from tests.actors.ledger.story import Story
from tests.contract.conftest import VICTIM
from tests.contract.sdk import ETH, SOL, Ear, SdkDesk, sdk_connected, x18
from venue.nado.counts import TroubleTally
from venue.nado.events import decode
from venue.nado.signing import Signer
from venue.throwaway import THROWAWAY_SENDER

OTHER_KEY = b"\x22" * 32


# -- orders --------------------------------------------------------------------------------------------------


def test_orders_are_placed_found_cancelled_and_replaced(desk: SdkDesk) -> None:
    engine, sdk = desk.engine, desk.sdk
    first, second = (desk.place(ETH, "0.05", price, "POST_ONLY") for price in ("2700", "2701"))
    assert engine.get_order(ETH, first).unfilled_amount == str(x18("0.05"))
    assert [order.digest for order in engine.get_subaccount_open_orders(ETH, desk.sender).orders] == [
        first,
        second,
    ]
    listed = engine.get_subaccount_multi_products_open_orders([ETH, SOL], desk.sender).product_orders
    assert {one.product_id: len(one.orders) for one in listed} == {ETH: 2, SOL: 0}
    cancelled = engine.cancel_orders(
        sdk.CancelOrdersParams(sender=desk.sender, productIds=[ETH], digests=[first])
    )
    assert [(order.digest, order.unfilled_amount) for order in cancelled.data.cancelled_orders] == [
        (first, str(x18("0.05")))
    ]
    request = sdk.CancelOrdersParams(sender=desk.sender, productIds=[ETH], digests=[second])
    replaced = engine.cancel_and_place(
        sdk.CancelAndPlaceParams(
            cancel_orders=request, place_order=desk.params(ETH, "0.06", "2702", "POST_ONLY")
        )
    )
    assert engine.get_order(ETH, replaced.data.digest).amount == str(x18("0.06"))
    swept = engine.cancel_product_orders(sdk.CancelProductOrdersParams(sender=desk.sender, productIds=[ETH]))
    assert [order.digest for order in swept.data.cancelled_orders] == [replaced.data.digest]


def test_a_position_is_opened_and_closed_with_the_sdks_own_shortcuts(desk: SdkDesk) -> None:
    market = desk.sdk.PlaceMarketOrderParams(
        product_id=SOL,
        market_order=desk.sdk.MarketOrderParams(sender=desk.sender, amount=-x18("1"), nonce=None),
        slippage=0.001,
    )
    desk.engine.place_market_order(market)
    assert int(desk.balance(SOL).amount) == -x18("1")
    desk.engine.close_position(desk.sender, SOL)
    assert int(desk.balance(SOL).amount) == 0


def test_refusals_carry_the_documented_codes(desk: SdkDesk) -> None:
    place = desk.engine.place_order
    assert desk.refusal(place, desk.params(ETH, "0.042", "2700", "IOC")) == 2056
    assert desk.refusal(place, desk.params(ETH, "100000", "2757")) in {2006, 2031}
    assert desk.refusal(place, desk.params(ETH, "0.042", "2756.9", "POST_ONLY")) == 2008
    assert desk.refusal(place, desk.params(ETH, "0.042", "2756.91")) == 2000
    assert desk.refusal(place, desk.params(ETH, "0.02", "2700", "DEFAULT")) == 2094
    assert desk.refusal(place, desk.params(ETH, "-0.1", "2756.8", "FOK", reduce_only=True)) == 2064
    assert desk.refusal(place, desk.params(ETH, "0.042", "2756.9", "FOK", spot_leverage=False)) == 0


def test_place_orders_succeeds_and_the_sdk_raises_all_the_same(desk: SdkDesk) -> None:
    """Nado's server answers a *list*; the SDK's model wants an object with a `place_orders` key, so it raises
    although both orders are live.

    We follow the server's documented shape. Were this test to fail because nothing is raised, the SDK would
    have been mended.
    """
    orders = [desk.params(ETH, "0.05", "2700", "POST_ONLY"), desk.params(SOL, "-1", "120", "POST_ONLY")]
    with pytest.raises(desk.sdk.ExecuteFailedException) as raised:
        desk.engine.place_orders(desk.sdk.PlaceOrdersParams(orders=orders))
    answer = json.loads(str(raised.value))
    assert (answer["status"], [one["error"] for one in answer["data"]]) == ("success", [None, None])
    for product_id, one in zip((ETH, SOL), answer["data"], strict=True):
        assert desk.engine.get_order(product_id, one["digest"]).digest == one["digest"]


def test_an_isolated_order_opens_a_position_of_its_own_and_is_closed_from_there(desk: SdkDesk) -> None:
    margin = 50 * 10**6
    desk.place(ETH, "0.1", "2756.9", "FOK", isolated=True, isolated_margin=margin)
    (isolated,) = desk.engine.get_isolated_positions(desk.sender).isolated_positions
    assert (isolated.base_balance.balance.amount, isolated.quote_balance.balance.amount) == (
        str(x18("0.1")),
        str(x18("50")),
    )
    assert isolated.subaccount.startswith(desk.sender[:42])
    assert isolated.subaccount.endswith("69736f")
    assert desk.balance(ETH).amount == "0"
    desk.place(ETH, "-0.1", "2756.8", "FOK", reduce_only=True, sender=isolated.subaccount)
    assert desk.engine.get_isolated_positions(desk.sender).isolated_positions == []


# -- money and power -----------------------------------------------------------------------------------------


def test_a_linked_signer_trades_for_the_owner_until_it_is_revoked(desk: SdkDesk) -> None:
    sdk, theirs = desk.sdk, Signer(OTHER_KEY).address
    linked = desk.engine.link_signer(sdk.LinkSignerParams(sender=desk.sender, signer=theirs + "00" * 12))
    assert linked.status.value == "success"
    assert desk.engine.get_linked_signer(desk.sender).linked_signer == theirs
    other = sdk_connected(sdk, desk.url, OTHER_KEY)
    other.place(ETH, "0.042", "2756.9", sender=THROWAWAY_SENDER)
    assert int(desk.balance(ETH).amount) == x18("0.042")
    desk.engine.link_signer(sdk.LinkSignerParams(sender=desk.sender, signer="0x" + "00" * 32))
    assert (
        other.refusal(
            other.engine.place_order, other.params(ETH, "-0.042", "2756.8", sender=THROWAWAY_SENDER)
        )
        == 2028
    )


def test_quote_is_transferred_and_withdrawn_and_every_such_request_uses_a_nonce(desk: SdkDesk) -> None:
    sdk, engine = desk.sdk, desk.engine
    before, nonce = int(desk.balance(0).amount), engine.tx_nonce(desk.sender)
    engine.transfer_quote(sdk.TransferQuoteParams(sender=desk.sender, recipient=VICTIM, amount=x18("25")))
    assert int(desk.balance(0, VICTIM).amount) >= x18("25")
    engine.withdraw_collateral(
        sdk.WithdrawCollateralParams(sender=desk.sender, productId=0, amount=2 * 10**6)
    )
    engine.withdraw_collateral_v2(
        sdk.WithdrawCollateralV2Params(sender=desk.sender, productId=0, amount=10**6, sendTo="0x" + "00" * 20)
    )
    assert int(desk.balance(0).amount) == before - x18("30")
    assert engine.tx_nonce(desk.sender) == nonce + 3
    small = sdk.TransferQuoteParams(sender=desk.sender, recipient=VICTIM, amount=x18("4"))
    assert desk.refusal(engine.transfer_quote, small) == 2077
    healthy = sdk.LiquidateSubaccountParams(
        sender=desk.sender, liquidatee=VICTIM, productId=ETH, isEncodedSpread=False, amount=x18("0.1")
    )
    assert desk.refusal(engine.liquidate_subaccount, healthy) == 2044
    assert desk.refusal(engine.mint_nlp, sdk.MintNlpParams(sender=desk.sender, quoteAmount=10**18)) == 4001


# -- sockets -------------------------------------------------------------------------------------------------


def test_the_sdks_gateway_socket_asks_and_trades(desk: SdkDesk) -> None:
    sdk = desk.sdk
    with sdk.NadoWebSocketClient(f"{desk.url}/v1") as socket:
        assert socket.query(sdk.QueryStatusParams())["data"] == "active"
        params = desk.params(ETH, "0.042", "2756.9", id=77)
        params.order = desk.engine.prepare_execute_params(params.order, True)
        params.signature = desk.engine._sign(sdk.NadoExecuteType.PLACE_ORDER, params.order.dict(), ETH)
        reply = socket.execute(params)
        assert (reply["status"], reply["id"], reply["request_type"]) == ("success", 77, "execute_place_order")
        assert socket.query(sdk.QuerySubaccountInfoParams(subaccount=desk.sender))["data"]["exists"]


def test_the_sdks_subscriptions_hear_every_stream(desk: SdkDesk) -> None:
    sdk = desk.sdk
    expiration = time.time_ns() // 1_000_000 + 60_000
    message = {"sender": sdk.hex_to_bytes32(desk.sender), "expiration": expiration}
    signature = desk.engine._sign(sdk.NadoTxType.AUTHENTICATE_STREAM, message)
    mine = {"subaccount": desk.sender}
    streams = [
        sdk.TradeStream(product_id=ETH),
        sdk.BestBidOfferStream(product_id=ETH),
        sdk.BookDepthStream(product_id=ETH),
        sdk.FillStream(**mine),
        sdk.PositionChangeStream(**mine, product_id=ETH),
        sdk.OrderUpdateStream(**mine),
        sdk.LiquidationStream(),
        sdk.LatestCandlestickStream(product_id=ETH, granularity=60),
        sdk.FundingPaymentStream(product_id=ETH),
        sdk.FundingRateStream(product_id=ETH),
        sdk.AllBboStream(),
    ]
    desk.engine.transfer_quote(
        sdk.TransferQuoteParams(sender=desk.sender, recipient=VICTIM, amount=x18("50"))
    )
    with closing(sdk.NadoSubscriptionClient(f"{desk.url}/v1")) as socket:
        socket.connect()
        auth = sdk.StreamAuthenticationParams(sender=desk.sender, expiration=expiration, signature=signature)
        assert socket.authenticate(auth) == {"result": None, "id": 1}
        assert socket.ping("123")["result"]["client_time"] == "123"
        assert int(socket.time()["result"]) > 1_700_000_000_000
        assert socket.subscribe(sdk.TradeStream(product_id=SOL))["result"] is None
        assert socket.unsubscribe(sdk.TradeStream(product_id=SOL))["result"] is None
        assert socket.list_subscriptions()["result"] == [{"type": "default"}]
        assert socket.subscribe_multi(streams)["result"] is None
        ear = Ear(socket)
        desk.place(ETH, "0.042", "2756.9", sender=VICTIM)
        digest = desk.place(ETH, "0.042", "2756.9", id=5)
        found = ear.wait_for(*(stream.type for stream in streams))
        assert found["fill"]["order_digest"] == digest == found["order_update"]["digest"]
        assert found["fill"]["id"] == 5
        assert found["liquidation"]["liquidatee"] == VICTIM
        assert set(found["all_bbo"]["bbos"]) == {str(ETH), str(SOL)}


# -- the round trip ------------------------------------------------------------------------------------------


def test_the_sdk_trades_a_pair_and_our_ledger_agrees_with_its_subaccount_info_to_the_last_digit(
    desk: SdkDesk,
) -> None:
    """R9: the first bot's fakes had the field names that its handler had invented. Here the exchange's own
    client reads and writes our fake's wire.

    The plan is ours, the orders and signatures are the SDK's, the fills come over the SDK's socket: nothing
    of ours trades.
    """
    sdk, story = desk.sdk, Story()
    story.now_ms = time.time_ns() // 1_000_000
    products = {"eth": ETH, "sol": SOL}
    before = {leg: int(desk.balance(product_id).v_quote_balance) for leg, product_id in products.items()}
    with closing(sdk.NadoSubscriptionClient(f"{desk.url}/v1")) as socket:
        socket.connect()
        socket.subscribe(sdk.FillStream(subaccount=desk.sender))
        ear = Ear(socket)
        for purpose, eth, sol in (("enter", "0.357", "-8.5"), ("exit", "-0.357", "8.5")):
            plan = story.plan(purpose, eth, sol, recv_time_ms=story.now_ms + 60_000)  # type: ignore[arg-type]
            prices = (
                {"eth": "2757", "sol": "115.5"} if purpose == "enter" else {"eth": "2756", "sol": "116.5"}
            )
            limits = {
                leg: msgspec.structs.replace(plan.leg(leg), limit=Price.of(prices[leg])) for leg in products
            }  # type: ignore[arg-type]
            story.seal(msgspec.structs.replace(plan, **limits))
            story.place()
            for leg, product_id in products.items():
                ours = ORDER_BUILDER.order_of(story.sealed.plan, story.sealed.digest, leg)  # type: ignore[union-attr]
                params = sdk.OrderParams(
                    sender=ours.sender,
                    priceX18=int(ours.price),
                    amount=int(ours.amount),
                    expiration=ours.expiration_s,
                    nonce=ours.nonce,
                    appendix=ours.appendix,
                )
                placed = desk.engine.place_order(sdk.PlaceOrderParams(product_id=product_id, order=params))
                assert placed.data.digest == story.order_digest(leg)
            _hear(ear, story, 2 if purpose == "enter" else 4)
            for leg, product_id in products.items():
                assert story.fold.position[leg] == int(desk.balance(product_id).amount), leg
    for leg, product_id in products.items():
        total = [order.total for order in story.fold.orders.values() if order.leg == leg]
        cash = sum(one.cash - one.fee for one in total)
        assert int(desk.balance(product_id).v_quote_balance) - before[leg] == cash, leg


def _hear(ear: Ear, story: Story, count: int) -> None:
    """Tell the ledger `count` fills in all, each once, as our own decoder reads them."""
    until = time.monotonic() + 10
    while len([event for event in ear.events if event.get("type") == "fill"]) < count:
        assert time.monotonic() < until, ear.events
        time.sleep(0.02)
    for event in ear.events:
        fill = (
            decode(json.dumps(event), {"fill"}, THROWAWAY_SENDER, TroubleTally())
            if event.get("type") == "fill"
            else None
        )
        if isinstance(fill, Fill):
            story.tell(fill)
