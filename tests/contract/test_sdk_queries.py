"""Every question the SDK can ask about perps is answered in a shape that the SDK's own models accept."""

import json

import pytest

from tests.contract.sdk import ETH, SOL, SdkDesk, x18
from venue.nado.signing import Signer
from venue.simulated.engine.rules import CHAIN_ID, ENDPOINT
from venue.throwaway import THROWAWAY_ADDRESS, THROWAWAY_KEY


def test_the_client_is_set_up_from_the_venues_own_contracts(desk: SdkDesk) -> None:
    assert (desk.engine.chain_id, desk.engine.endpoint_addr) == (CHAIN_ID, ENDPOINT)
    assert desk.client.context.trigger_client is not None
    assert Signer(THROWAWAY_KEY).address == THROWAWAY_ADDRESS == desk.client.context.signer.address.lower()


def test_the_venue_its_products_and_its_books(desk: SdkDesk) -> None:
    engine = desk.engine
    assert engine.get_status().value == "active"
    assert engine.get_contracts().chain_id == str(CHAIN_ID)
    assert {symbol.symbol for symbol in engine.get_product_symbols()} == {"ETH-PERP", "SOL-PERP"}
    assert set(engine.get_symbols(product_type="perp", product_ids=[ETH]).symbols) == {"ETH-PERP"}
    assert {product.product_id for product in engine.get_all_products().perp_products} == {ETH, SOL}
    assert set(engine.get_edge_all_products().edge_all_products) == {str(CHAIN_ID)}
    assert engine.get_health_groups().health_groups == [[0, ETH], [0, SOL]]
    assert engine.get_insurance().insurance.lstrip("-").isdigit()
    liquidity = engine.get_market_liquidity(ETH, 5)
    assert (len(liquidity.bids), len(liquidity.asks), int(liquidity.asks[0][0])) == (5, 5, x18("2756.9"))
    assert engine.get_market_price(SOL).bid_x18 == str(x18("115.86"))
    assert [price.product_id for price in engine.get_market_prices([ETH, SOL]).market_prices] == [ETH, SOL]


def test_an_account(desk: SdkDesk) -> None:
    engine, sender = desk.engine, desk.sender
    info = engine.get_subaccount_info(sender)
    assert (info.exists, len(info.healths), info.spot_balances[0].product_id) == (True, 3, 0)
    delta = desk.sdk.ApplyDelta(
        product_id=ETH, subaccount=sender, amount_delta=str(x18("0.042")), v_quote_delta=str(-x18("115.7898"))
    )
    imagined = engine.get_subaccount_info(sender, [desk.sdk.ApplyDeltaTx(apply_delta=delta)], pre_state=True)
    assert int(imagined.parse_subaccount_balance(ETH).balance.amount) == x18("0.042")
    assert imagined.pre_state.perp_balances[0].balance.amount == "0"
    assert int(engine.get_nonces(THROWAWAY_ADDRESS).tx_nonce) >= 0
    assert engine.get_linked_signer(sender).linked_signer == "0x" + "00" * 20
    assert engine.get_isolated_positions(sender).isolated_positions == []
    assert len(engine.get_fee_rates(sender).taker_fee_rates_x18) > SOL
    assert int(engine.get_max_withdrawable(0, sender).max_withdrawable) > x18("9000")
    assert int(engine.get_max_withdrawable(0, sender, spot_leverage=False).max_withdrawable) > x18("9000")
    question = desk.sdk.QueryMaxOrderSizeParams(
        sender=sender,
        product_id=ETH,
        price_x18=str(x18("2756.9")),
        direction=desk.sdk.MaxOrderSizeDirection.LONG,
        spot_leverage=True,
    )
    assert int(engine.get_max_order_size(question).max_order_size) > x18("100")
    assert engine.get_nlp_pool_info().nlp_pools == []
    assert engine.get_nlp_locked_balances(sender).locked_balances == []
    assert engine.get_max_nlp_burnable(sender).max_nlp_amount == "0"


def test_the_clients_own_apis_reach_the_same_answers(desk: SdkDesk) -> None:
    assert desk.client.market.get_latest_market_price(ETH).ask_x18 == str(x18("2756.9"))
    assert desk.client.subaccount.get_engine_subaccount_summary(desk.sender).exists
    assert desk.client.perp.get_prices(ETH).index_price_x18 == str(x18("2756.85"))


def test_the_second_rest_api_and_the_routes_beside_it(desk: SdkDesk) -> None:
    engine = desk.engine
    assert [asset.get("symbol") for asset in engine.get_assets()] == ["USDT0", "ETH-PERP", "SOL-PERP"]
    assert {pair["ticker_id"] for pair in engine.get_pairs()} == {"ETH-PERP_USDT0", "SOL-PERP_USDT0"}
    assert engine.get_spots_apr() == []
    book = engine.get_orderbook("SOL-PERP_USDT0", 3)
    assert (book.ticker_id, len(book.bids), book.bids[0][0]) == ("SOL-PERP_USDT0", 3, "115.86")
    with pytest.raises(Exception, match="2015"):
        engine.get_orderbook("BTC-PERP_USDT0", 3)
    web = desk.sdk.EngineWebClient(f"{desk.url}/v1")
    assert web.get_ip_block_status() is None
    assert web.get_country_code() == "XX"
    assert not web.get_requires_cloudflare_auth()
    assert web.get_time() > 1_700_000_000_000


def test_cached_reads(desk: SdkDesk) -> None:
    edge = desk.sdk.EngineEdgeQueryClient(desk.sdk.EngineClientOpts(url=f"{desk.url}/v1"))
    assert [price.product_id for price in edge.get_cached_market_prices([SOL]).market_prices] == [SOL]
    assert set(edge.get_cached_symbols(product_type="perp").symbols) == {"ETH-PERP", "SOL-PERP"}
    assert edge.get_cached_contracts().endpoint_addr == ENDPOINT
    # the SDK validates the status as a model, which it is not: no answer could please it
    with pytest.raises(AttributeError):
        edge.get_cached_status()
    assert len(edge.get_cached_all_products().perp_products) == 2
    assert len(edge.get_cached_health_groups().health_groups) == 2
    assert edge.get_cached_nlp_pool_info().nlp_pools == []
    assert {sample.product_id for sample in edge.get_cached_bbo_history(limit=1).history} == {ETH, SOL}
    assert int(edge.time(id=2)["server_time"]) > 1_700_000_000_000
    assert edge.ping(client_time="5", id=3)["client_time"] == "5"


def test_the_archive(desk: SdkDesk) -> None:
    digest = desk.place(ETH, "0.042", "2756.9")
    indexer = desk.indexer
    for _ in range(1000):
        found = indexer.get_historical_orders_by_digest([digest]).orders
        if found:
            break
    assert (found[0].base_filled, found[0].isolated) == (str(x18("0.042")), False)
    mine = desk.sdk.IndexerSubaccountHistoricalOrdersParams(subaccounts=[desk.sender], limit=5)
    assert digest in {order.digest for order in indexer.get_subaccount_historical_orders(mine).orders}
    matches = indexer.get_matches(
        desk.sdk.IndexerMatchesParams(subaccounts=[desk.sender], product_ids=[ETH], limit=1)
    ).matches
    assert matches[0].digest == digest
    assert indexer.get_perp_funding_rate(ETH).product_id == ETH
    assert set(indexer.get_perp_funding_rates([ETH, SOL])) == {str(ETH), str(SOL)}
    assert indexer.get_perp_prices(ETH).mark_price_x18 == str(x18("2756.85"))
    assert {price.product_id for price in indexer.get_oracle_prices([ETH, SOL]).prices} == {ETH, SOL}
    minute = desk.sdk.IndexerCandlesticksParams(
        product_id=ETH, granularity=desk.sdk.IndexerCandlesticksGranularity.ONE_MINUTE, limit=2
    )
    assert int(indexer.get_candlesticks(minute).candlesticks[0].volume) >= x18("0.042")
    paid = indexer.get_paginated_subaccount_interest_funding_payments(desk.sender, [ETH], limit=2)
    assert (paid.interest_payments, {payment.product_id for payment in paid.funding_payments} <= {ETH}) == (
        [],
        True,
    )
    assert int(indexer.get_linked_signer_rate_limits(desk.sender).total_tx_limit) == 50


def test_a_query_that_fails_is_the_sdks_exception_with_our_code_in_its_text(desk: SdkDesk) -> None:
    with pytest.raises(desk.sdk.QueryFailedException) as failed:
        desk.engine.get_order(ETH, "0x" + "00" * 32)
    assert json.loads(str(failed.value))["error_code"] == 2020
