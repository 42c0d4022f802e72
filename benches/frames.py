"""`frames`: a plan becomes two signed `place_order` frames: build, check, digest, sign, encode; and the same
two orders by the exchange's SDK, at its best (coincurve is installed, and it picks that up by itself).

hot: back to back. cold: 20 ms of sleep before each, as between two quotes.
"""

import json
import time
import warnings
from collections.abc import Callable
from typing import Any

from benches.asked import Asked
from benches.figures import Taken
from messages.sizing import LegOrder, SizingPlan
from messages.units import Base, Bps, Ms, Price
from messages.wire import digest
from tests.actors.fakes import ORDER_BUILDER, RULES
from venue.nado.codec import place_order
from venue.nado.signing import order_digest
from venue.protocol import Order
from venue.throwaway import THROWAWAY_KEY

PAUSE_S = 0.02
BATCH = 10
NOW_MS = 1_790_000_000_000
OURS, THEIRS = "Evenkeel", "SDK with coincurve"
WHAT = "plan to two signed frames"


def plan(number: int) -> SizingPlan:
    """A sealed entry of 1,000 USD; every `number` gives other nonces."""
    eth, sol = Price.of("2756.9"), Price.of("115.86")
    return SizingPlan(
        epoch=1,
        seq=number,
        cycle=number,
        step=0,
        purpose="enter",
        decided_ms=Ms(NOW_MS),
        recv_time_ms=Ms(NOW_MS + 5_000 + number),
        eth_age_ms=Ms(20),
        sol_age_ms=Ms(30),
        quote_deadline_ms=Ms(NOW_MS + 900),
        planned_imbalance=Bps.of("6"),
        eth=LegOrder(4, Base.of("0.363"), Price.of("2759.6"), "fok", False, eth, eth),
        sol=LegOrder(8, Base.of("-8.6"), Price.of("115.75"), "fok", False, sol, sol),
    )


def ours(number: int) -> list[str]:
    """As the legs do it."""
    sealed = plan(number)
    name = digest(sealed)
    orders = [ORDER_BUILDER.order_of(sealed, name, leg) for leg in ("eth", "sol")]
    return [place_order(ORDER_BUILDER.sign(order), number) for order in orders]


def sdk() -> tuple[Callable[[int], list[str]], Callable[[Order], str]]:
    """The SDK's two frames of the same plan, and its signature of one order."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from eth_account import Account  # noqa: PLC0415 - it takes seconds
        from nado_protocol.contracts import eip712  # noqa: PLC0415
        from nado_protocol.contracts.types import NadoTxType  # noqa: PLC0415
    account = Account.from_key(THROWAWAY_KEY)

    def signature(order: Order) -> str:
        message = {
            "sender": bytes.fromhex(order.sender[2:]),
            "priceX18": int(order.price),
            "amount": int(order.amount),
            "expiration": order.expiration_s,
            "nonce": order.nonce,
            "appendix": order.appendix,
        }
        contract = "0x" + order.product_id.to_bytes(20, "big").hex()
        typed = eip712.build_eip712_typed_data(NadoTxType.PLACE_ORDER, message, contract, RULES.chain_id)
        return str(eip712.sign_eip712_typed_data(typed, account))

    def frames(number: int) -> list[str]:
        sealed = plan(number)
        found = []
        for leg in ("eth", "sol"):
            order = ORDER_BUILDER.order_of(sealed, "0" * 64, leg)
            wire: dict[str, Any] = {
                "sender": order.sender,
                "priceX18": str(int(order.price)),
                "amount": str(int(order.amount)),
                "expiration": str(order.expiration_s),
                "nonce": str(order.nonce),
                "appendix": str(order.appendix),
            }
            placing = {
                "product_id": order.product_id,
                "order": wire,
                "signature": signature(order),
                "id": number,
            }
            found.append(json.dumps({"place_order": placing}))
        return found

    return frames, signature


def measure(asked: Asked) -> Taken:
    """Both in turns, ten at a time, in one process. Raises `ValueError` where the two sign differently."""
    taken = Taken()
    theirs, signature = sdk()
    order = ORDER_BUILDER.order_of(plan(1), "0" * 64, "eth")
    if signature(order) != ORDER_BUILDER.sign(order).signature:
        raise ValueError(f"the two signatures of {order_digest(order, RULES.chain_id).hex()} differ")
    for mode in ("hot", "cold"):
        times: dict[str, list[float]] = {OURS: [], THEIRS: []}
        number = 0
        while len(times[OURS]) < asked.n:
            for name, work in ((OURS, ours), (THEIRS, theirs)):
                for _ in range(BATCH):
                    number += 1
                    if mode == "cold":
                        time.sleep(PAUSE_S)
                    began = time.perf_counter_ns()
                    work(number)
                    times[name].append((time.perf_counter_ns() - began) / 1000)
        for name, values in times.items():
            taken.add(name, WHAT, "us", values, mode=mode)
    return taken
