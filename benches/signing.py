"""Signing one order: ours against nado-protocol's, in one process, so that the ratio does not depend on the
machine's mood.

The SDK is measured at its best: `coincurve` is installed, and its eth-keys picks that up by itself.

python benches/signing.py [rounds]
"""

import statistics
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from messages.units import Base, Price
from venue.nado.signing import Signer, order_digest, subaccount_hex
from venue.protocol import Order

KEY = b"\x11" * 32
CHAIN = 57073


def sdk_signer(order: Order) -> tuple[Callable[[], str], Callable[[], str]]:
    """The SDK's digest and signature of `order`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from eth_account import Account  # noqa: PLC0415 - timed apart: it takes seconds
        from nado_protocol.contracts import eip712  # noqa: PLC0415
        from nado_protocol.contracts.types import NadoTxType  # noqa: PLC0415
    account, contract = Account.from_key(KEY), "0x" + order.product_id.to_bytes(20, "big").hex()

    def typed() -> Any:
        message = {
            "sender": bytes.fromhex(order.sender[2:]),
            "priceX18": int(order.price),
            "amount": int(order.amount),
            "expiration": order.expiration_s,
            "nonce": order.nonce,
            "appendix": order.appendix,
        }
        return eip712.build_eip712_typed_data(NadoTxType.PLACE_ORDER, message, contract, CHAIN)

    return lambda: eip712.get_eip712_typed_data_digest(typed()), lambda: eip712.sign_eip712_typed_data(
        typed(), account
    )


def median_us(call: Callable[[], object], rounds: int) -> float:
    times = []
    for _ in range(rounds):
        before = time.perf_counter_ns()
        call()
        times.append(time.perf_counter_ns() - before)
    return statistics.median(times) / 1000


def main(rounds: int) -> None:
    signer = Signer(KEY)
    sender = subaccount_hex(signer.address, "default")
    order = Order(4, sender, Price.of("2756.9"), Base.of("0.042"), 4294967295, 1873134317860815848, 1025)
    before = time.perf_counter()
    sdk_digest, sdk_sign = sdk_signer(order)
    print(f"import of the SDK: {time.perf_counter() - before:.2f} s")
    if sdk_sign() != signer.sign(order_digest(order, CHAIN)):
        raise SystemExit("the two signatures differ: nothing to compare")
    for what, ours, theirs in (
        ("digest", lambda: order_digest(order, CHAIN), sdk_digest),
        ("digest + signature", lambda: signer.sign(order_digest(order, CHAIN)), sdk_sign),
    ):
        ours_us, theirs_us = median_us(ours, rounds), median_us(theirs, rounds)
        print(
            f"{what}: ours {ours_us:.1f} us, SDK {theirs_us:.1f} us, {theirs_us / ours_us:.0f} times as long"
            f" (medians of {rounds})"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
