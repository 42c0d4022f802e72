"""Who signed what arrives: the exchange's rules for a signature, before any question of permission."""

from venue.nado.signing import order_digest, recover
from venue.protocol import Order
from venue.simulated.engine.codes import refused, require

SIGNATURE_CHARS = 132
"""0x, and two digits for each of r || s || v's 65 bytes."""


def identified(order: Order, signature: str, chain_id: int) -> tuple[str, str]:
    """The order's digest and the address that signed it. Raises `ExchangeRefusal`: 2038 for an order that
    cannot be encoded, and what `signer_of` raises.
    """
    try:
        digest = order_digest(order, chain_id)
    except ValueError as error:
        raise refused(2038) from error
    return "0x" + digest.hex(), signer_of(digest, signature)


def signer_of(digest: bytes, signature: str) -> str:
    """The address that signed. Raises `ExchangeRefusal`: 2027 for a wrong length, 2034 for a wrong v,
    2035 for what is no signature at all.
    """
    require(len(signature) == SIGNATURE_CHARS and signature.startswith("0x"), 2027)
    require(signature[-2:].lower() in {"1b", "1c"}, 2034)
    try:
        return recover(digest, signature)
    except ValueError as error:
        raise refused(2035, error=error) from error
