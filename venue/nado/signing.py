"""EIP-712 digests and signatures as Nado wants them, without web3: a few keccaks and one secp256k1 call.

    digest = keccak(0x1901 || domain || keccak(type hash || one 32-byte word per field))
    domain = keccak(domain type hash || keccak("Nado") || keccak("0.0.1") || chain id || verifying contract)

An order's verifying contract is its *product id* written as an address; everything else is verified by the
venue's endpoint contract. An array is the keccak of its words. An order's digest is the venue's id of the
order, so it is known before the first byte leaves.

nado-protocol is the authority: tests hold every digest and signature here equal to its own, byte for byte. It
takes 2.5 s to import and blocks for milliseconds per order, which is why it does not sign here itself.

Nothing is truncated, padded or rounded to fit: a value outside its field's type is a `ValueError` that names
the field.
"""

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import NoReturn, Self, TypeVar

from Crypto.Hash import keccak

from venue.nado import secp256k1
from venue.protocol import Order

T = TypeVar("T")

_RANGES = {
    "int128": (-(2**127), 2**127 - 1),
    "uint32": (0, 2**32 - 1),
    "uint64": (0, 2**64 - 1),
    "uint128": (0, 2**128 - 1),
    "uint256": (0, 2**256 - 1),
}
_WORD_MASK = 2**256 - 1
_NONCE_BITS = 20
_NAME_BYTES = 12


def _keccak(data: bytes) -> bytes:
    hashed: bytes = keccak.new(digest_bits=256, data=data).digest()
    return hashed


_DOMAIN = _keccak(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
_NAME_AND_VERSION = _keccak(b"Nado") + _keccak(b"0.0.1")
_ORDER = _keccak(
    b"Order(bytes32 sender,int128 priceX18,int128 amount,uint64 expiration,uint64 nonce,uint128 appendix)"
)


def _word(field: str, value: int, kind: str) -> bytes:
    """`value` as an ABI word: 32 bytes, two's complement. Raises `ValueError` naming `field` outside the
    Solidity type `kind`.
    """
    low, high = _RANGES[kind]
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ValueError(f"{field}: {value!r} is not a {kind}")
    return (value & _WORD_MASK).to_bytes(32, "big")


def _bytes(field: str, text: str, size: int) -> bytes:
    """The `size` bytes that 0x-hex `text` stands for. Raises `ValueError` naming `field`; never pads (the
    SDK does, silently).
    """
    if isinstance(text, str) and len(text) == 2 + 2 * size and text.startswith("0x"):
        with suppress(ValueError):
            decoded = bytes.fromhex(text[2:])
            if len(decoded) == size:  # fromhex skips blanks
                return decoded
    raise ValueError(f"{field}: {text!r} is not 0x and {2 * size} hex digits")


def _array(field: str, values: Sequence[int], kind: str) -> bytes:
    return _keccak(b"".join([_word(field, value, kind) for value in values]))


@lru_cache(maxsize=64, typed=True)
def _domain(chain_id: int, verifier: int | str) -> bytes:
    """The domain separator of one verifying contract, given as an order's product id or as the endpoint's
    address: a run has three of them, both products and the endpoint.
    """
    contract = (
        _bytes("endpoint", verifier, 20)
        if isinstance(verifier, str)
        else _word("product_id", verifier, "uint32")[12:]
    )
    return _keccak(
        _DOMAIN + _NAME_AND_VERSION + _word("chain_id", chain_id, "uint256") + contract.rjust(32, b"\0")
    )


def _digest(domain: bytes, *words: bytes) -> bytes:
    return _keccak(b"\x19\x01" + domain + _keccak(b"".join(words)))


def order_digest(order: Order, chain_id: int) -> bytes:
    """The venue's id of `order`, 32 bytes. Raises `ValueError` naming the field that does not fit its type.

    Does not ask whether the order makes sense: ticks, steps and sizes are `venue.nado.order_builder`'s
    business.
    """
    return _digest(
        _domain(chain_id, order.product_id),
        _ORDER,
        _bytes("sender", order.sender, 32),
        _word("price", order.price, "int128"),
        _word("amount", order.amount, "int128"),
        _word("expiration_s", order.expiration_s, "uint64"),
        _word("nonce", order.nonce, "uint64"),
        _word("appendix", order.appendix, "uint128"),
    )


def cancellation_digest(
    sender: str, product_ids: Sequence[int], digests: Sequence[str], nonce: int, chain_id: int, endpoint: str
) -> bytes:
    """What to sign to cancel the orders `digests`. The venue wants one product id per digest: other
    lengths raise `ValueError`.
    """
    if len(product_ids) != len(digests):
        raise ValueError(f"product_ids: {len(product_ids)} of them for {len(digests)} digests")
    return _digest(
        _domain(chain_id, endpoint),
        _keccak(b"Cancellation(bytes32 sender,uint32[] productIds,bytes32[] digests,uint64 nonce)"),
        _bytes("sender", sender, 32),
        _array("product_ids", product_ids, "uint32"),
        _keccak(b"".join([_bytes("digests", digest, 32) for digest in digests])),
        _word("nonce", nonce, "uint64"),
    )


def cancellation_products_digest(
    sender: str, product_ids: Sequence[int], nonce: int, chain_id: int, endpoint: str
) -> bytes:
    """What to sign to cancel every order on `product_ids`. To the venue an empty list means *all*
    products.
    """
    return _digest(
        _domain(chain_id, endpoint),
        _keccak(b"CancellationProducts(bytes32 sender,uint32[] productIds,uint64 nonce)"),
        _bytes("sender", sender, 32),
        _array("product_ids", product_ids, "uint32"),
        _word("nonce", nonce, "uint64"),
    )


def stream_authentication_digest(sender: str, expiration_ms: int, chain_id: int, endpoint: str) -> bytes:
    """What to sign to open the account's streams until `expiration_ms`. Milliseconds here, while an
    order's expiration is in seconds.
    """
    return _digest(
        _domain(chain_id, endpoint),
        _keccak(b"StreamAuthentication(bytes32 sender,uint64 expiration)"),
        _bytes("sender", sender, 32),
        _word("expiration_ms", expiration_ms, "uint64"),
    )


def link_signer_digest(sender: str, signer_bytes32: str, nonce: int, chain_id: int, endpoint: str) -> bytes:
    """What the owner signs to let another key act for `sender`: its address and any 12 bytes; all zero
    revokes. `nonce` is the account's tx nonce.
    """
    return _digest(
        _domain(chain_id, endpoint),
        _keccak(b"LinkSigner(bytes32 sender,bytes32 signer,uint64 nonce)"),
        _bytes("sender", sender, 32),
        _bytes("signer_bytes32", signer_bytes32, 32),
        _word("nonce", nonce, "uint64"),
    )


def typed_digest(kind: str, chain_id: int, endpoint: str, **values: int | bool | str) -> bytes:
    """The digest of any flat message, given by its EIP-712 type: `TransferQuote(bytes32 sender,bytes32
    recipient,uint128 amount,uint64 nonce)`.

    For messages this program checks or sends once in a while; orders have an encoder of their own. Raises
    `ValueError` naming the field that does not fit its type, `KeyError` for one that is missing.
    """
    fields = [field.split(" ") for field in kind[kind.index("(") + 1 : -1].split(",")]
    return _digest(
        _domain(chain_id, endpoint),
        _keccak(kind.encode()),
        *[
            _bytes(name, value, 20 if of == "address" else 32).rjust(32, b"\0")
            if isinstance(value := values[name], str)
            else _word(name, int(value), "uint32" if of == "bool" else of)
            for of, name in fields
        ],
    )


def _address_of(public_key: bytes) -> str:
    return "0x" + _keccak(public_key)[12:].hex()


class Signer:
    """A private key that can sign and nothing else: it shows its address, is neither pickled nor copied,
    and no message of ours contains it.
    """

    __slots__ = ("_address", "_key")

    def __init__(self, key: bytes) -> None:
        """`key`: 32 bytes. Raises `ValueError`, which does not say what was given."""
        if not isinstance(key, bytes) or len(key) != 32:
            raise ValueError("a private key has 32 bytes")
        try:
            self._address = _address_of(secp256k1.public_key(key))
        except ValueError:
            raise ValueError("a private key lies between 1 and the order of secp256k1") from None
        self._key = key

    @classmethod
    def from_hex(cls, text: str) -> Self:
        """The signer of a key written as 64 hex digits, with or without 0x, blanks around it ignored.
        Raises `ValueError` without the text.
        """
        digits = text.strip().removeprefix("0x")
        if not re.fullmatch("[0-9a-fA-F]{64}", digits):
            raise ValueError("a private key is written as 64 hex digits")
        return cls(bytes.fromhex(digits))

    @property
    def address(self) -> str:
        """The account this key signs for: 0x and 40 lowercase hex digits."""
        return self._address

    def sign(self, digest: bytes) -> str:
        """0x-hex of r || s || v with v 27 or 28. Deterministic (RFC 6979, low s). Raises `ValueError`
        unless `digest` has 32 bytes.
        """
        signature = secp256k1.sign(self._key, digest)
        return f"0x{signature[:64].hex()}{27 + signature[64]:02x}"

    def lend(self, to: Callable[[bytes], T]) -> T:
        """What `to` makes of the key itself. For nado-protocol's own account object, when it is asked
        whether it agrees with us; for nobody else.
        """
        return to(self._key)

    def __repr__(self) -> str:
        return f"Signer({self._address})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a signer is never pickled or copied: its key stays where it was read")


def recover(digest: bytes, signature: str) -> str:
    """The address whose key made `signature` over `digest`, lowercase. Raises `ValueError` when it cannot be
    a signature.

    A well-formed signature by anybody recovers to *some* address: the caller compares it with the one it
    expects.
    """
    raw = _bytes("signature", signature, 65)
    if raw[64] not in {27, 28}:
        raise ValueError(f"signature: v is {raw[64]}, not 27 or 28")
    return _address_of(secp256k1.recover(digest, raw[:64] + bytes([raw[64] - 27])))


def subaccount_hex(owner: str, name: str) -> str:
    """The venue's bytes32 for a subaccount: the owner's address, then up to 12 ASCII bytes of name, zeros
    after. Lowercase 0x-hex.

    Raises `ValueError` for a longer name: the SDK makes a 42-byte "bytes32" of it.
    """
    if not name.isascii() or len(name) > _NAME_BYTES:
        raise ValueError(
            f"subaccount name {name!r} is longer than {_NAME_BYTES} ASCII characters or not ASCII"
        )
    return "0x" + (_bytes("owner", owner, 20) + name.encode().ljust(_NAME_BYTES, b"\0")).hex()


def subaccount_owner(sender: str) -> str:
    """The owner's address in a bytes32 subaccount, lowercase."""
    return "0x" + _bytes("sender", sender, 32)[:20].hex()


def order_nonce(recv_time_ms: int, low20: int) -> int:
    """recv_time << 20 | 20 bits. The venue reads it as a *deadline*: it takes the order only before
    recv_time, at most 100 s ahead (2011, 2012).

    Raises `ValueError` when either part does not fit.
    """
    if not 0 <= recv_time_ms < 1 << 64 - _NONCE_BITS:
        raise ValueError(f"recv_time_ms: {recv_time_ms} does not fit 44 bits")
    if not 0 <= low20 < 1 << _NONCE_BITS:
        raise ValueError(f"low20: {low20} does not fit {_NONCE_BITS} bits")
    return recv_time_ms << _NONCE_BITS | low20


def recv_time_of(nonce: int) -> int:
    """The venue time in milliseconds until which an order with this nonce may arrive. Raises `ValueError`
    when `nonce` is no uint64.
    """
    if not 0 <= nonce < 1 << 64:
        raise ValueError(f"nonce: {nonce} is not a uint64")
    return nonce >> _NONCE_BITS
