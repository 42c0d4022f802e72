"""The same job as a script would do it: asyncio, websockets, and the exchange's own SDK (nado-protocol, with
coincurve, which makes its signatures quick). Run as a process:

    python benches/peers/sdk_script.py TAP URL KEY CHAIN COUNT ETH_ID SOL_ID NARROW_ASK

Reads `book_depth`; when the ETH ask is the narrow one it sizes both legs with Decimal, signs both orders with
the SDK and sends each on a connection of its own. It has no ledger, no votes, no check of age, depth or
limits, no repair, and never closes. Ends with 1 unless the exchange accepted every order.
"""

import asyncio
import json
import os
import sys
import time
import warnings
from decimal import Decimal
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:1] = [str(HERE), str(HERE.parent / "tick")]
import tap
from decimal_loop import sized

del sys.path[:2]
warnings.simplefilter("ignore")  # the SDK's own dependencies
import websockets
from eth_account import Account
from nado_protocol.contracts import eip712
from nado_protocol.contracts.types import NadoTxType

FILL_OR_KILL = 2 << 9
VERSION = 1
X18 = 10**18
SLIPPAGE = X18 * 10
"""USD, x18, beyond the price seen: none of these orders is to fail for having come late."""
TARGET = Decimal(1000)


class Orders:
    """Signs and frames orders of one account."""

    def __init__(self, key: str, chain: int) -> None:
        self._chain = chain
        self._account = Account.from_key(key)
        self._sender = bytes.fromhex(self._account.address[2:].lower()) + b"default".ljust(12, b"\0")
        self._last = 0

    def frame(self, product_id: int, price: int, amount: Decimal) -> str:
        """One `place_order`, signed by the SDK. `price` x18."""
        self._last += 1
        now_ms = int(time.time() * 1000)
        order = {
            "sender": self._sender,
            "priceX18": price,
            "amount": int(amount * X18),
            "expiration": now_ms // 1000 + 6,
            "nonce": ((now_ms + 5000) << 20) + self._last,
            "appendix": VERSION | FILL_OR_KILL,
        }
        contract = "0x" + product_id.to_bytes(20, "big").hex()
        typed = eip712.build_eip712_typed_data(NadoTxType.PLACE_ORDER, order, contract, self._chain)
        signature = eip712.sign_eip712_typed_data(typed, self._account)
        wire = {name: str(value) for name, value in order.items()} | {"sender": "0x" + self._sender.hex()}
        placing = {"product_id": product_id, "order": wire, "signature": signature, "id": self._last}
        return json.dumps({"place_order": placing}, separators=(",", ":"))


async def trade(url: str, orders: Orders, count: int, eth: int, sol: int, narrow_ask: str) -> int:
    """Enter `count` times; how many orders the exchange did not accept."""
    base, refused, sent = url.replace("http", "ws", 1), 0, 0

    async def answers(connection: "websockets.WebSocketClientProtocol") -> None:
        nonlocal refused
        async for answer in connection:
            if json.loads(answer).get("status") != "success":
                refused += 1
                print(answer, file=sys.stderr)

    async with (
        websockets.connect(f"{base}/v1/subscribe") as market,
        websockets.connect(f"{base}/v1/ws") as eth_orders,
        websockets.connect(f"{base}/v1/ws") as sol_orders,
    ):
        readers = [asyncio.create_task(answers(each)) for each in (eth_orders, sol_orders)]
        for number, product_id in enumerate((eth, sol), 1):
            stream = {"type": "book_depth", "product_id": product_id}
            await market.send(json.dumps({"method": "subscribe", "id": number, "stream": stream}))
        narrow, bid = False, 115_860_000_000_000_000_000
        async for text in market:
            batch = json.loads(text)
            if batch.get("type") != "book_depth" or int(batch["product_id"]) != eth:
                continue
            amounts = [int(amount) for price, amount in batch["asks"] if price == narrow_ask]
            before, narrow = narrow, amounts[-1] > 0 if amounts else narrow
            if before or not narrow:
                continue
            ask = int(narrow_ask)
            eth_amount, sol_amount = sized(TARGET, Decimal(ask) / X18, Decimal(bid) / X18)
            await eth_orders.send(orders.frame(eth, ask + SLIPPAGE, eth_amount))
            await sol_orders.send(orders.frame(sol, bid - SLIPPAGE, sol_amount))
            sent += 1
            if sent == count:
                break
        await asyncio.sleep(0.3)
        for reader in readers:
            reader.cancel()
    return refused


def main() -> None:
    path, url, key, *numbers = sys.argv[1:]
    tap.install(Path(path))
    chain, count, eth, sol = (int(each) for each in numbers[:4])
    refused = asyncio.run(trade(url, Orders(key, chain), count, eth, sol, numbers[4]))
    if refused:
        print(f"the exchange did not accept {refused} orders", file=sys.stderr)
    os._exit(1 if refused else 0)


if __name__ == "__main__":
    main()
