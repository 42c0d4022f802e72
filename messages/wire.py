"""Messages to bytes and back. One canonical JSON form: its bytes are what digests and the ledger's hash chain
are taken over.

x18 integers travel as decimal strings (JSON readers round large numbers; Nado writes them the same way).
"""

from collections.abc import Hashable
from functools import lru_cache
from hashlib import blake2b
from typing import Any, TypeVar, cast

import msgspec

from messages.units import X18

T = TypeVar("T")


def encode_unit(value: Any) -> str:
    """Msgspec's `enc_hook`: an x18 integer as a decimal string."""
    if isinstance(value, X18):
        return int.__str__(value)
    raise NotImplementedError(f"{type(value).__name__} cannot be encoded")


def decode_unit(kind: type[Any], value: Any) -> Any:
    """Msgspec's `dec_hook`: an x18 integer out of a decimal string. Raises `ValueError` for anything else."""
    if issubclass(kind, X18) and isinstance(value, str):
        return kind.checked(int(value))
    raise ValueError(f"expected {kind.__name__} as a decimal string, got {value!r}")


_encoder = msgspec.json.Encoder(enc_hook=encode_unit)


@lru_cache(maxsize=64)
def _decoder(kind: Hashable) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(cast(Any, kind), dec_hook=decode_unit)


def encode(message: msgspec.Struct) -> bytes:
    """The canonical JSON bytes of a message: rows, digests and logs have the same."""
    return _encoder.encode(message)


def decode(data: bytes | str, kind: type[T]) -> T:
    """The message in `data`. Raises `msgspec.ValidationError` or `msgspec.DecodeError` when it is not a
    `kind`.
    """
    decoded: T = _decoder(cast(Hashable, kind)).decode(data)
    return decoded


def digest(message: msgspec.Struct) -> str:
    """BLAKE2b-128 of the canonical bytes, 32 hex digits: equal digests mean equal orders on both legs
    (design: the barrier).
    """
    return blake2b(encode(message), digest_size=16).hexdigest()
