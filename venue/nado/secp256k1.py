"""The three things asked of libsecp256k1, and the only module that knows by which binding: to change it,
change this file and `pyproject.toml`.

Keys, digests and public keys are plain bytes. Signatures are deterministic (RFC 6979, low s), so that every
binding gives the same bytes; tests hold this one equal to another (decision 025).
"""

from btclib_secp256k1 import keys, recovery

BINDING = "btclib-secp256k1"
"""The package, as it is installed."""


def public_key(key: bytes) -> bytes:
    """The 64 bytes x || y of a private key's public key. Raises `ValueError` unless `key` has 32 bytes
    between 1 and the order of the curve.
    """
    return keys.pubkey_from_prvkey(key, compressed=False)[1:]


def sign(key: bytes, digest: bytes) -> bytes:
    """The 65 bytes r || s || recovery id (0 to 3) of `digest`. Raises `ValueError` unless it has 32 bytes, or
    for a key that is none.

    It is not verified afterwards, which takes twice as long as signing: the exchange recovers the signer, and
    refuses what does not recover to ours.
    """
    signature, recovery_id = recovery.sign(digest, key, verify=False)
    return signature + bytes([recovery_id])


def recover(digest: bytes, signature: bytes) -> bytes:
    """The 64 bytes x || y of the key that made the 65-byte `signature` over `digest`. Raises `ValueError`
    when none can have made it.
    """
    return recovery.recover(digest, signature[:64], signature[64], compressed=False)[1:]
