"""Digests and signatures held against nado-protocol 2.0.0, byte for byte, over random and extreme messages.

`SEED=123 CASES=2000 pytest tests/venue/nado/test_signing_equals_sdk.py` repeats a failure, or looks further.
The SDK is imported inside a fixture: it takes 2.5 s and its dependencies warn.
"""

import importlib
import os
import random
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from messages.units import Base, Price
from messages.wire import digest as digest_of_plan
from tests.thinned import thinned
from tests.venue.nado.appendices import Appendix, pack, unpack
from tests.venue.nado.test_order_builder import ORDER_BUILDER, SENDER, quote_to_build
from venue.nado.signing import (
    Signer,
    cancellation_digest,
    cancellation_products_digest,
    link_signer_digest,
    order_digest,
    order_nonce,
    stream_authentication_digest,
    subaccount_hex,
)
from venue.protocol import Order

SEED = int(os.environ.get("SEED", "20"))
CASES = int(os.environ.get("CASES", "400"))
CHAINS = (57073, 763373)
KINDS = ("default", "ioc", "fok", "post_only")
TRIGGERS = ("none", "price", "twap", "twap_custom")

pytestmark = pytest.mark.filterwarnings(
    "ignore:'collections.abc.ByteString' is deprecated:DeprecationWarning"
)
"""The SDK's eth-account asks for it at its first signature on Python 3.12 and 3.13."""


@pytest.fixture(scope="module")
def sdk() -> SimpleNamespace:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        modules = (
            "contracts.eip712",
            "contracts.types",
            "utils.order",
            "utils.nonce",
            "utils.bytes32",
            "engine_client",
            "engine_client.types.execute",
        )
        names = {
            name: value
            for module in modules
            for name, value in vars(importlib.import_module(f"nado_protocol.{module}")).items()
        }
        names["Account"] = importlib.import_module("eth_account").Account
    return SimpleNamespace(**names)


@contextmanager
def repeatable(case: int, sampled: object) -> Iterator[None]:
    try:
        yield
    except BaseException:
        print(  # noqa: T201
            f"case {case}: {sampled}\nrepeat with: SEED={SEED} CASES={case + 1} pytest"
            f" {os.path.relpath(__file__)}"
        )
        raise


def cases(salt: str, count: int = CASES) -> Iterator[tuple[int, random.Random]]:
    """One generator for each case, so that a case does not depend on the number of those before it."""
    for case in range(count):
        yield case, random.Random(f"{SEED}/{salt}/{case}")


def whole(dice: random.Random, low: int, high: int) -> int:
    """An integer in [low, high]: its ends, small ones, and any length of bits in between."""
    near = dice.choice(
        (
            low,
            high,
            0,
            1,
            dice.randint(low, high),
            dice.getrandbits(dice.randint(1, 128)),
            -dice.getrandbits(dice.randint(1, 128)),
        )
    )
    return min(max(near, low), high)


def hex_words(dice: random.Random, size: int) -> str:
    return "0x" + dice.randbytes(size).hex()


def random_sender(dice: random.Random) -> str:
    name = "".join(dice.choices("abcXYZ_0189 ", k=dice.randint(0, 12)))
    return dice.choice((subaccount_hex(hex_words(dice, 20), name), hex_words(dice, 32)))


def random_appendix(dice: random.Random) -> Appendix:
    trigger = dice.choice(TRIGGERS)
    isolated = dice.random() < 0.3 and not trigger.startswith("twap")
    has_value = isolated or trigger.startswith("twap")
    builder = whole(dice, 1, 2**16 - 1) if dice.random() < 0.5 else 0
    return Appendix(
        kind=dice.choice(KINDS),
        reduce_only=dice.random() < 0.5,
        isolated=isolated,
        trigger=trigger,
        builder_id=builder,
        builder_rate=whole(dice, 0, 2**10 - 1) if builder else 0,
        value=whole(dice, 0, 2**64 - 1) if has_value else 0,
    )


def appendix_of_sdk(sdk: Any, wanted: Appendix) -> int:
    """`wanted`, built by the SDK. It takes a TWAP's slippage as a float, which does not hold it exactly:
    that half is put in here.
    """
    twap = wanted.trigger.startswith("twap")
    packed = sdk.build_appendix(
        sdk.OrderType[wanted.kind.upper()],
        isolated=wanted.isolated,
        reduce_only=wanted.reduce_only,
        trigger_type=(
            None if wanted.trigger == "none" else sdk.OrderAppendixTriggerType(TRIGGERS.index(wanted.trigger))
        ),
        isolated_margin=wanted.value if wanted.isolated else None,
        twap_times=wanted.value >> 32 if twap else None,
        twap_slippage_frac=0.0 if twap else None,
        builder_id=wanted.builder_id or None,
        builder_fee_rate=wanted.builder_rate if wanted.builder_id else None,
    )
    return int(packed) | ((wanted.value & 0xFFFFFFFF) << 64 if twap else 0)


def random_order(dice: random.Random) -> Order:
    return Order(
        product_id=whole(dice, 1, 2**32 - 1),
        sender=random_sender(dice),
        price=Price(whole(dice, -(2**127), 2**127 - 1)),
        amount=Base(whole(dice, -(2**127), 2**127 - 1)),
        expiration_s=whole(dice, 0, 2**64 - 1),
        nonce=whole(dice, 0, 2**64 - 1),
        appendix=dice.choice((pack(random_appendix(dice)), whole(dice, 0, 2**128 - 1))),
    )


def fields_of(order: Order) -> dict[str, object]:
    """The order as the SDK signs it: the sender as bytes, or it raises."""
    return {
        "sender": bytes.fromhex(order.sender[2:]),
        "priceX18": int(order.price),
        "amount": int(order.amount),
        "expiration": order.expiration_s,
        "nonce": order.nonce,
        "appendix": order.appendix,
    }


Case = tuple[bytes, str, dict[str, object], str]
"""Our digest, and for the SDK: kind, message, verifying contract."""


def order_case(dice: random.Random, chain: int, endpoint: str) -> Case:
    del endpoint
    order = random_order(dice)
    return (
        order_digest(order, chain),
        "PLACE_ORDER",
        fields_of(order),
        "0x" + order.product_id.to_bytes(20, "big").hex(),
    )


def cancellation_case(dice: random.Random, chain: int, endpoint: str) -> Case:
    sender, count, nonce = random_sender(dice), dice.randint(0, 5), whole(dice, 0, 2**64 - 1)
    products, digests = (
        [whole(dice, 0, 2**32 - 1) for _ in range(count)],
        [hex_words(dice, 32) for _ in range(count)],
    )
    message = {
        "sender": bytes.fromhex(sender[2:]),
        "productIds": products,
        "digests": [bytes.fromhex(d[2:]) for d in digests],
        "nonce": nonce,
    }
    return (
        cancellation_digest(sender, products, digests, nonce, chain, endpoint),
        "CANCEL_ORDERS",
        message,
        endpoint,
    )


def cancellation_products_case(dice: random.Random, chain: int, endpoint: str) -> Case:
    sender, nonce = random_sender(dice), whole(dice, 0, 2**64 - 1)
    products = [whole(dice, 0, 2**32 - 1) for _ in range(dice.randint(0, 5))]
    message = {"sender": bytes.fromhex(sender[2:]), "productIds": products, "nonce": nonce}
    return (
        cancellation_products_digest(sender, products, nonce, chain, endpoint),
        "CANCEL_PRODUCT_ORDERS",
        message,
        endpoint,
    )


def stream_case(dice: random.Random, chain: int, endpoint: str) -> Case:
    sender, expiration = random_sender(dice), whole(dice, 0, 2**64 - 1)
    message = {"sender": bytes.fromhex(sender[2:]), "expiration": expiration}
    return (
        stream_authentication_digest(sender, expiration, chain, endpoint),
        "AUTHENTICATE_STREAM",
        message,
        endpoint,
    )


def link_case(dice: random.Random, chain: int, endpoint: str) -> Case:
    sender, other, nonce = random_sender(dice), hex_words(dice, 32), whole(dice, 0, 2**64 - 1)
    message = {"sender": bytes.fromhex(sender[2:]), "signer": bytes.fromhex(other[2:]), "nonce": nonce}
    return link_signer_digest(sender, other, nonce, chain, endpoint), "LINK_SIGNER", message, endpoint


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize(
    "make", [order_case, cancellation_case, cancellation_products_case, stream_case, link_case]
)
@pytest.mark.parametrize("count", thinned((CASES // 4, CASES), 2))
def test_digest_and_signature_are_those_of_the_sdk(sdk, make: Callable[..., Case], chain, count: int):
    for case, dice in cases(f"{make.__name__}/{chain}", count):
        key = dice.randbytes(32)
        ours, kind, message, contract = make(dice, chain, hex_words(dice, 20))
        with repeatable(case, (kind, message, contract)):
            typed = sdk.build_eip712_typed_data(sdk.NadoTxType[kind], message, contract, chain)
            account = sdk.Account.from_key(key)
            assert "0x" + ours.hex() == sdk.get_eip712_typed_data_digest(typed)
            assert Signer(key).sign(ours) == sdk.sign_eip712_typed_data(typed, account)
            assert Signer(key).address == account.address.lower()


def test_an_appendix_is_that_of_the_sdk_and_is_read_back(sdk):
    for case, dice in cases("appendix"):
        wanted = random_appendix(dice)
        with repeatable(case, wanted):
            assert pack(wanted) == appendix_of_sdk(sdk, wanted)
            assert unpack(pack(wanted)) == wanted
            assert sdk.order_builder_info(pack(wanted)) == (
                (wanted.builder_id, wanted.builder_rate) if wanted.builder_id else None
            )
            assert sdk.order_isolated_margin(pack(wanted)) == (wanted.value if wanted.isolated else None)
            slippage = (wanted.value & 0xFFFFFFFF) / 1_000_000
            assert sdk.order_twap_data(pack(wanted)) == (
                (wanted.value >> 32, slippage) if wanted.trigger.startswith("twap") else None
            )


def test_where_the_sdk_truncates_a_builder_we_refuse(sdk):
    assert (
        sdk.order_builder_id(sdk.build_appendix(sdk.OrderType.IOC, builder_id=70_000, builder_fee_rate=10))
        == 4464
    )
    with pytest.raises(ValueError, match="builder_id: 70000"):
        pack(Appendix("ioc", builder_id=70_000, builder_rate=10))


def test_nonces_and_subaccounts_are_those_of_the_sdk(sdk):
    for case, dice in cases("names"):
        recv_time, low, owner = whole(dice, 0, 2**44 - 1), whole(dice, 0, 2**20 - 1), hex_words(dice, 20)
        name = "".join(dice.choices("abcXYZ_0189 ", k=dice.randint(0, 12)))
        with repeatable(case, (recv_time, low, owner, name)):
            assert order_nonce(recv_time, low) == sdk.gen_order_nonce(recv_time, low)
            assert subaccount_hex(owner, name) == sdk.subaccount_to_hex(owner, name)


@pytest.mark.parametrize("chain", CHAINS)
def test_the_sdks_own_client_would_sign_the_same_order(sdk, chain):
    """Through EngineClient (which opens no connection), from the hex sender that a person configures to
    the signature that goes out.
    """
    key, dice = b"\x11" * 32, random.Random(f"{SEED}/client/{chain}")
    sender, endpoint = subaccount_hex(Signer(key).address, "default"), hex_words(dice, 20)
    opts = sdk.EngineClientOpts(
        url="http://127.0.0.1:1/v1", signer=sdk.Account.from_key(key), chain_id=chain, endpoint_addr=endpoint
    )
    client = sdk.EngineClient(opts)
    order = Order(
        4,
        sender,
        Price.of("2756.9"),
        Base.of("-0.042"),
        1_790_000_003,
        order_nonce(1_790_000_002_000, 77),
        pack(Appendix("fok")),
    )
    params = sdk.OrderParams(**fields_of(order) | {"sender": sender})
    digest = order_digest(order, chain)
    assert client.get_order_digest(params, 4) == "0x" + digest.hex()
    assert client._sign(sdk.NadoExecuteType.PLACE_ORDER, params.dict(), 4) == Signer(key).sign(digest)


def test_the_sdks_own_client_would_sign_the_same_order_that_rests(sdk):
    """Its appendix and its expiration are the SDK's own, so the digest by which it is cancelled is, too."""
    opts = sdk.EngineClientOpts(
        url="http://127.0.0.1:1/v1",
        signer=sdk.Account.from_key(b"\x11" * 32),
        chain_id=57073,
        endpoint_addr="0x" + "05" * 20,
    )
    client = sdk.EngineClient(opts)
    for case, dice in cases("quote", 20):
        plan = quote_to_build(1_790_000_000_000 + dice.randrange(10_000), dice.randrange(1_000, 15_001))
        with repeatable(case, plan):
            signed = ORDER_BUILDER.sign(ORDER_BUILDER.order_of(plan, digest_of_plan(plan), "eth"))
            params = sdk.OrderParams(
                sender=SENDER,
                priceX18=int(plan.eth.limit),
                amount=int(plan.eth.amount),
                expiration=plan.last_trade_ms // 1000,
                nonce=sdk.gen_order_nonce(plan.recv_time_ms, signed.order.nonce % 2**20),
                appendix=sdk.build_appendix(sdk.OrderType.POST_ONLY),
            )
            assert client.get_order_digest(params, 4) == signed.digest
            assert client._sign(sdk.NadoExecuteType.PLACE_ORDER, params.dict(), 4) == signed.signature
