"""nado-protocol as the tests use it: imported once, pointed at one simulated venue, with orders that are
short to write.
"""

import importlib
import json
import threading
import time
import warnings
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from venue.nado.signing import order_nonce
from venue.throwaway import THROWAWAY_KEY, THROWAWAY_SENDER

MODULES = (
    "client",
    "client.context",
    "contracts.types",
    "engine_client",
    "engine_client.types",
    "engine_client.types.execute",
    "engine_client.types.models",
    "engine_client.types.query",
    "engine_client.types.stream",
    "indexer_client",
    "indexer_client.types",
    "indexer_client.types.query",
    "utils.bytes32",
    "utils.exceptions",
    "utils.execute",
    "utils.expiration",
    "utils.math",
    "utils.order",
    "ws.client",
    "ws.streams",
)
ETH, SOL = 4, 8
ONE = 10**18
NEVER = 4_294_967_295


def imported() -> SimpleNamespace:
    """Every public name of the SDK; its dependencies warn while they are imported."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        names = {
            name: value
            for module in MODULES
            for name, value in vars(importlib.import_module(f"nado_protocol.{module}")).items()
        }
        names["Account"] = importlib.import_module("eth_account").Account
    return SimpleNamespace(**names)


def x18(text: str) -> int:
    """An exact x18 number."""
    whole, _, fraction = text.partition(".")
    sign = -1 if whole.startswith("-") else 1
    return sign * (abs(int(whole)) * ONE + int(fraction.ljust(18, "0")))


@dataclass
class SdkDesk:
    """One client of the SDK at one venue."""

    sdk: SimpleNamespace
    url: str
    client: Any
    sender: str = THROWAWAY_SENDER
    _numbers: list[int] = field(default_factory=lambda: [0])

    @property
    def engine(self) -> Any:
        """Its EngineClient."""
        return self.client.context.engine_client

    @property
    def indexer(self) -> Any:
        """Its IndexerClient."""
        return self.client.context.indexer_client

    def order(self, amount: str, price: str, kind: str = "FOK", *, sender: str = "", **appendix: Any) -> Any:
        """OrderParams with a nonce of its own (the SDK draws one of a thousand, which collide)."""
        self._numbers[0] += 1
        return self.sdk.OrderParams(
            sender=sender or self.sender,
            priceX18=x18(price),
            amount=x18(amount),
            expiration=NEVER,
            nonce=order_nonce(time.time_ns() // 1_000_000 + 60_000, self._numbers[0]),
            appendix=self.sdk.build_appendix(getattr(self.sdk.OrderType, kind), **appendix),
        )

    def params(self, product_id: int, *order: str, **named: Any) -> Any:
        """PlaceOrderParams."""
        extra = {name: named.pop(name) for name in ("id", "spot_leverage") if name in named}
        return self.sdk.PlaceOrderParams(product_id=product_id, order=self.order(*order, **named), **extra)

    def place(self, product_id: int, *order: str, **named: Any) -> str:
        """Place an order; its digest."""
        digest: str = self.engine.place_order(self.params(product_id, *order, **named)).data.digest
        return digest

    def refusal(self, call: Any, *arguments: Any) -> int:
        """The error code that the SDK buries in an exception's text."""
        try:
            call(*arguments)
        except self.sdk.ExecuteFailedException as error:
            return int(json.loads(str(error))["error_code"])
        return 0

    def balance(self, product_id: int, sender: str = "") -> Any:
        """The SDK's balance of one product."""
        return (
            self.engine.get_subaccount_info(sender or self.sender)
            .parse_subaccount_balance(product_id)
            .balance
        )

    def close_out(self) -> None:
        """Leave nothing open for the next test."""
        self.engine.cancel_product_orders(
            self.sdk.CancelProductOrdersParams(sender=self.sender, productIds=[])
        )
        for product_id in (ETH, SOL):
            if int(self.balance(product_id).amount):
                self.engine.close_position(self.sender, product_id)


def sdk_connected(sdk: SimpleNamespace, url: str, key: bytes = THROWAWAY_KEY) -> SdkDesk:
    """A client made as the SDK's users make it, with the addresses of a local venue."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        opts = sdk.NadoClientContextOpts(
            engine_endpoint_url=f"{url}/v1",
            indexer_endpoint_url=f"{url}/archive/v1",
            trigger_endpoint_url=f"{url}/v1",
            rpc_node_url=url,
        )
        client = sdk.create_nado_client(sdk.NadoClientMode.TESTNET, "0x" + key.hex(), opts)
    return SdkDesk(sdk, url, client)


class Ear:
    """Reads a subscription socket in a thread: events apart from answers, which the SDK's own `recv` would
    mix up.
    """

    def __init__(self, socket: Any) -> None:
        self._socket = socket
        self.events: list[dict[str, Any]] = []
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        try:
            for message in self._socket.listen(timeout=30):
                self.events.append(message)
        except Exception:  # noqa: BLE001, S110 - the socket was closed, or the test is over
            pass

    def wait_for(self, *kinds: str, within_s: float = 15.0) -> dict[str, dict[str, Any]]:
        """The newest event of each kind, once all have come."""
        until = time.monotonic() + within_s
        while True:
            found = {str(event.get("type")): event for event in tuple(self.events)}
            if set(kinds) <= set(found) or time.monotonic() > until:
                assert set(kinds) <= set(found), f"only {sorted(found)} came"
                return found
            time.sleep(0.02)
