"""The binding of libsecp256k1 that signs, held against others: the same bytes for every key and digest,
the same refusals.
"""

import os
import random
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest

from tests.thinned import thinned
from venue.nado import secp256k1
from venue.nado.signing import Signer, recover

SEED = int(os.environ.get("SEED", "20"))
CASES = int(os.environ.get("CASES", "10000"))
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
EDGE_KEYS = (1, 2, 3, ORDER // 2, ORDER // 2 + 1, ORDER - 2, ORDER - 1)
EDGE_DIGESTS = (0, 1, ORDER // 2, ORDER - 1, ORDER, ORDER + 1, 2**256 - 1)


def word(number: int) -> bytes:
    return number.to_bytes(32, "big")


def cases(count: int = CASES) -> Iterator[tuple[bytes, bytes]]:
    """(key, digest): every edge with every edge, then random ones."""
    yield from ((word(key), word(digest)) for key in EDGE_KEYS for digest in EDGE_DIGESTS)
    random_ = random.Random(SEED)
    yield from ((word(random_.randrange(1, ORDER)), random_.randbytes(32)) for _ in range(count))


@pytest.mark.parametrize("count", thinned((CASES // 10, CASES), 2))
def test_every_signature_and_recovered_key_is_that_of_coincurve(count: int) -> None:
    """10,000 random keys and digests, a tenth of them in a plain `pytest`, and the edges of both."""
    other: Any = pytest.importorskip("coincurve", reason="coincurve has no wheel for this Python")
    print(f"SEED={SEED} CASES={CASES} pytest tests/venue/nado/test_secp256k1.py")  # noqa: T201 - captured, shown with a failure
    ids = set()
    for key, digest in cases(count):
        theirs = other.PrivateKey(key)
        signature, public = secp256k1.sign(key, digest), secp256k1.public_key(key)
        assert signature == theirs.sign_recoverable(digest, hasher=None), (key.hex(), digest.hex())
        assert public == theirs.public_key.format(compressed=False)[1:], key.hex()
        assert secp256k1.recover(digest, signature) == public, (key.hex(), digest.hex())
        ids.add(signature[64])
    assert ids == {0, 1}


def test_edges_and_some_random_ones_are_those_of_a_signer_in_pure_python() -> None:
    """eth-keys' own arithmetic shares no code with libsecp256k1. It is a hundred times slower, so there are
    fewer.

    Digests from the order of the curve on (one in 2**128) are left out: libsecp256k1 draws the nonce from the
    digest as it is, eth-keys from the digest modulo the order.
    """
    native = pytest.importorskip("eth_keys.backends.native.ecdsa")
    known = [(key, digest) for key, digest in islice(cases(), 80) if int.from_bytes(digest, "big") < ORDER]
    assert len(known) > 50
    for key, digest in known:
        v, r, s = native.ecdsa_raw_sign(digest, key)
        assert secp256k1.sign(key, digest) == word(r) + word(s) + bytes([v]), (key.hex(), digest.hex())
        assert secp256k1.public_key(key) == native.private_key_to_public_key(key)


@pytest.mark.parametrize("number", [0, ORDER, ORDER + 1, 2**256 - 1])
def test_what_is_no_key_is_refused_without_being_shown(number: int) -> None:
    key = word(number)
    with pytest.raises(ValueError, match=r".") as refused:
        Signer(key)
    assert key.hex() not in str(refused.value)
    with pytest.raises(ValueError, match=r"."):
        secp256k1.sign(key, word(1))


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_a_digest_has_32_bytes(size: int) -> None:
    with pytest.raises(ValueError, match="32"):
        Signer(word(7)).sign(bytes(size))


def test_a_signature_that_no_key_can_have_made_is_refused() -> None:
    for r, s in ((0, 1), (1, 0), (ORDER, 1), (1, ORDER), (2**256 - 1, 2**256 - 1)):
        with pytest.raises(ValueError, match=r"."):
            recover(word(5), "0x" + (word(r) + word(s)).hex() + "1b")
