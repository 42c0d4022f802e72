"""The signing vectors, and what the signer refuses. `test_signing_equals_sdk` holds the same functions
against nado-protocol itself.
"""

import copy
import json
import pickle
from typing import Any

import msgspec
import pytest

from messages.units import Base, Price
from tests.shared_data import shared
from tests.venue.nado.appendices import Appendix, pack, unpack
from venue.nado.signing import (
    Signer,
    cancellation_digest,
    cancellation_products_digest,
    link_signer_digest,
    order_digest,
    order_nonce,
    recover,
    recv_time_of,
    stream_authentication_digest,
    subaccount_hex,
    subaccount_owner,
    typed_digest,
)
from venue.protocol import Order

KEY = b"\x11" * 32
OWNER = "0x19e7e376e7c213b7e7e7e46cc70a5dd086daff2a"
SENDER = "0x19e7e376e7c213b7e7e7e46cc70a5dd086daff2a64656661756c740000000000"
ENDPOINT = "0x05ec92D78ED421f3D3Ada77FFdE167106565974E"
ORDER = Order(4, SENDER, Price.of("2756.9"), Base.of("0.042"), 4294967295, 1873134317860815848, 1537)
NOT_OURS = {"TransferQuote"}
"""Vectors of executes that Evenkeel never sends."""


def golden() -> Any:
    return json.loads(shared("nado-messages/20_golden_eip712.json").read_bytes())


def digest_of_vector(vector: Any) -> bytes:
    message, chain, contract = vector["message"], vector["chainId"], vector["verifyingContract"]
    sender, nonce = message["sender"], int(message.get("nonce", 0))
    match vector["encodeType"].partition("(")[0]:
        case "Order":
            price, amount = Price(int(message["priceX18"])), Base(int(message["amount"]))
            order = Order(
                int(contract, 16),
                sender,
                price,
                amount,
                int(message["expiration"]),
                nonce,
                int(message["appendix"]),
            )
            return order_digest(order, chain)
        case "Cancellation":
            return cancellation_digest(
                sender, message["productIds"], message["digests"], nonce, chain, contract
            )
        case "CancellationProducts":
            return cancellation_products_digest(sender, message["productIds"], nonce, chain, contract)
        case "StreamAuthentication":
            return stream_authentication_digest(sender, int(message["expiration"]), chain, contract)
        case "LinkSigner":
            return link_signer_digest(sender, message["signer"], nonce, chain, contract)
        case other:
            raise AssertionError(f"no function signs {other}")


def test_every_golden_vector_has_our_digest_and_our_signature():
    signer, checked = Signer(KEY), set()
    for vector in golden()["vectors"]:
        kind = vector["encodeType"].partition("(")[0]
        if kind in NOT_OURS:
            continue
        digest = digest_of_vector(vector)
        assert "0x" + digest.hex() == vector["digest"], vector["name"]
        assert signer.sign(digest) == vector["signature"], vector["name"]
        assert recover(digest, vector["signature"]) == OWNER, vector["name"]
        checked.add(kind)
    assert checked == {"Order", "Cancellation", "CancellationProducts", "StreamAuthentication", "LinkSigner"}


APPENDICES = {
    "DEFAULT": Appendix("default"),
    "IOC": Appendix("ioc"),
    "FOK": Appendix("fok"),
    "POST_ONLY": Appendix("post_only"),
    "IOC+reduce_only": Appendix("ioc", reduce_only=True),
    "FOK+reduce_only": Appendix("fok", reduce_only=True),
    "POST_ONLY+isolated margin 50 USDT0": Appendix("post_only", isolated=True, value=50_000_000),
    "DEFAULT+builder 4500 rate 10 (1bp)": Appendix("default", builder_id=4500, builder_rate=10),
}


def test_every_golden_appendix_is_packed_and_read():
    rows = golden()["appendix"]
    assert {row["args"] for row in rows} == set(APPENDICES)
    for row in rows:
        assert pack(APPENDICES[row["args"]]) == int(row["value"]) == int(row["hex"], 16), row["args"]
        assert unpack(int(row["value"])) == APPENDICES[row["args"]], row["args"]


def test_the_golden_nonce_is_built_and_read():
    row = golden()["nonce"]
    assert order_nonce(int(row["recv_time_ms"]), row["random"]) == int(row["nonce"])
    assert recv_time_of(int(row["nonce"])) == int(row["recv_time_ms"])


@pytest.mark.parametrize(
    ("changes", "naming"),
    [
        ({"builder_id": 70_000, "builder_rate": 10}, "builder_id"),
        ({"builder_id": -1}, "builder_id"),
        ({"builder_id": 1, "builder_rate": 1024}, "builder_rate"),
        ({"builder_rate": 10}, "builder_rate"),
        ({"isolated": True, "value": 2**64}, "value"),
        ({"value": 1}, "value"),
        ({"isolated": True, "trigger": "twap"}, "isolated"),
    ],
)
def test_an_appendix_that_does_not_fit_is_refused_rather_than_truncated(changes, naming):
    with pytest.raises(ValueError, match=naming):
        pack(Appendix("default", **changes))


@pytest.mark.parametrize(
    "packed", [-1, 0, 2, 513 | 1 << 14, 513 | 1 << 37, 1 | 1 << 38, 1 | 1 << 64, 1 << 128 | 1]
)
def test_an_appendix_nobody_could_have_packed_is_refused(packed):
    with pytest.raises(ValueError, match=r"appendix|version|reserved|builder_rate|value"):
        unpack(packed)


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("price", 2**127),
        ("price", -(2**127) - 1),
        ("amount", 2**127),
        ("amount", 0.042),
        ("expiration_s", -1),
        ("expiration_s", 2**64),
        ("nonce", 2**64),
        ("nonce", True),
        ("appendix", 2**128),
        ("product_id", 2**32),
        ("product_id", -1),
        ("product_id", 4.0),
        ("sender", SENDER[:-2]),
        ("sender", SENDER[2:] + "00"),
        ("sender", SENDER[:-2] + " 0"),
        ("sender", SENDER[:-2] + "zz"),
        ("sender", bytes.fromhex(SENDER[2:])),
    ],
)
def test_an_order_field_outside_its_type_is_refused_by_name(field, wrong):
    order_digest(ORDER, 57073)  # fills the caches: 4.0 must not be found under 4
    with pytest.raises(ValueError, match=f"^{field}: "):
        order_digest(msgspec.structs.replace(ORDER, **{field: wrong}), 57073)


@pytest.mark.parametrize("edge", [-(2**127), -1, 0, 2**127 - 1])
def test_the_edges_of_int128_are_signed(edge):
    assert (
        len(order_digest(msgspec.structs.replace(ORDER, price=Price(edge), amount=Base(edge)), 57073)) == 32
    )


@pytest.mark.parametrize("chain_id", [-1, 2**256, 57073.0, "57073"])
def test_a_chain_that_is_no_number_is_refused_by_name(chain_id):
    order_digest(ORDER, 57073)
    with pytest.raises(ValueError, match=r"^chain_id: "):
        order_digest(ORDER, chain_id)


def test_the_other_digests_refuse_by_name():
    digest = "0x" + "ab" * 32
    with pytest.raises(ValueError, match=r"^product_ids: 2 of them for 1"):
        cancellation_digest(SENDER, [4, 8], [digest], 1, 57073, ENDPOINT)
    with pytest.raises(ValueError, match=r"^product_ids: "):
        cancellation_products_digest(SENDER, [2**32], 1, 57073, ENDPOINT)
    with pytest.raises(ValueError, match=r"^digests: "):
        cancellation_digest(SENDER, [4], [digest[:-1]], 1, 57073, ENDPOINT)
    with pytest.raises(ValueError, match=r"^expiration_ms: "):
        stream_authentication_digest(SENDER, 2**64, 57073, ENDPOINT)
    with pytest.raises(ValueError, match=r"^endpoint: "):
        stream_authentication_digest(SENDER, 1, 57073, SENDER)
    with pytest.raises(ValueError, match=r"^signer_bytes32: "):
        link_signer_digest(SENDER, OWNER, 1, 57073, ENDPOINT)


def test_every_field_of_an_order_changes_its_digest():
    other = {
        "product_id": 8,
        "sender": subaccount_hex(OWNER, "other"),
        "price": Price(ORDER.price + 1),
        "amount": Base(-ORDER.amount),
        "expiration_s": 1,
        "nonce": 1,
        "appendix": 513,
    }
    assert set(other) == set(Order.__struct_fields__)
    digests = {
        order_digest(msgspec.structs.replace(ORDER, **{field: value}), 57073)
        for field, value in other.items()
    }
    digests |= {order_digest(ORDER, 57073), order_digest(ORDER, 763373)}
    assert len(digests) == len(other) + 2


def test_a_signer_never_shows_its_key():
    signer = Signer(KEY)
    assert signer.address == OWNER
    assert repr(signer) == str(signer) == f"Signer({OWNER})"
    assert not hasattr(signer, "__dict__")
    for copied in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="never pickled"):
            copied(signer)
    with pytest.raises(TypeError):
        msgspec.json.encode(signer)


@pytest.mark.parametrize("text", ["11" * 32, "0x" + "11" * 32, " 0x" + "11" * 32 + "\n"])
def test_a_key_is_read_from_hex(text):
    assert Signer.from_hex(text).address == OWNER


@pytest.mark.parametrize(
    "text",
    ["", "secret", "11" * 31, "11" * 33, "1" * 63, "11" * 31 + "zz", "11" * 31 + " 1", "00" * 32, "ff" * 32],
)
def test_a_wrong_key_is_refused_without_being_repeated(text):
    with pytest.raises(ValueError, match="private key") as caught:
        Signer.from_hex(text)
    assert not text or text not in repr(caught.value)
    assert not text or text not in repr(caught.value.__context__)


@pytest.mark.parametrize("key", [b"", b"\x11" * 31, b"\x11" * 33, b"\0" * 32, b"\xff" * 32, "11" * 16])
def test_bytes_that_are_no_key_are_refused(key):
    with pytest.raises(ValueError, match="private key"):
        Signer(key)


def test_a_digest_of_another_length_is_not_signed():
    with pytest.raises(ValueError, match="32 bytes"):
        Signer(KEY).sign(b"\x22" * 31)


def test_another_keys_signature_recovers_to_another_address():
    digest = order_digest(ORDER, 57073)
    assert recover(digest, Signer(b"\x22" * 32).sign(digest)) == Signer(b"\x22" * 32).address != OWNER
    assert recover(order_digest(ORDER, 763373), Signer(KEY).sign(digest)) != OWNER


@pytest.mark.parametrize(
    "signature",
    [
        "",
        "0x",
        "0x" + "00" * 64,
        "0x" + "zz" * 65,
        "0x" + "00" * 64 + "1b",
        "0x" + "ff" * 64 + "1b",
        "0x" + "11" * 64 + "00",
        "0x" + "11" * 64 + "1d",
    ],
)
def test_what_cannot_be_a_signature_is_a_value_error(signature):
    with pytest.raises(ValueError, match=r"signature|recover"):
        recover(b"\x22" * 32, signature)


def test_a_subaccount_is_owner_and_name():
    assert subaccount_hex(OWNER, "default") == subaccount_hex("0x" + OWNER[2:].upper(), "default") == SENDER
    assert subaccount_hex(OWNER, "exactly12chr").endswith(b"exactly12chr".hex())
    assert subaccount_owner(SENDER) == OWNER


@pytest.mark.parametrize(
    ("owner", "name"),
    [(OWNER, "thirteen_char"), (OWNER, "größe"), (OWNER[2:], "default"), (SENDER, "default")],
)
def test_a_subaccount_the_venue_could_not_have_is_refused(owner, name):
    with pytest.raises(ValueError, match=r"subaccount name|owner"):
        subaccount_hex(owner, name)


@pytest.mark.parametrize(("recv_time_ms", "low20"), [(-1, 0), (2**44, 0), (1, -1), (1, 2**20)])
def test_a_nonce_that_does_not_fit_is_refused(recv_time_ms, low20):
    with pytest.raises(ValueError, match=r"recv_time_ms|low20"):
        order_nonce(recv_time_ms, low20)


def test_a_nonce_outside_uint64_has_no_receive_time():
    assert recv_time_of(order_nonce(2**44 - 1, 2**20 - 1)) == 2**44 - 1
    for nonce in (-1, 2**64):
        with pytest.raises(ValueError, match="nonce"):
            recv_time_of(nonce)


# -- any flat message ----------------------------------------------------------------------------------------

LINK = "LinkSigner(bytes32 sender,bytes32 signer,uint64 nonce)"


def test_a_message_given_by_its_type_has_the_digest_of_its_own_encoder():
    sender, signer = "0x" + "11" * 32, "0x" + "22" * 32
    assert typed_digest(LINK, 763373, ENDPOINT, sender=sender, signer=signer, nonce=7) == link_signer_digest(
        sender, signer, 7, 763373, ENDPOINT
    )


def test_a_message_given_by_its_type_refuses_what_does_not_fit_by_name():
    right: dict[str, Any] = {"sender": "0x" + "11" * 32, "signer": "0x" + "22" * 32, "nonce": 7}
    for name, wrong in (("nonce", 2**64), ("sender", "0x11"), ("signer", "0x" + "22" * 20)):
        with pytest.raises(ValueError, match=name):
            typed_digest(LINK, 763373, ENDPOINT, **{**right, name: wrong})
    with pytest.raises(KeyError, match="nonce"):
        typed_digest(LINK, 763373, ENDPOINT, sender=right["sender"], signer=right["signer"])
