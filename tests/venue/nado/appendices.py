"""Appendices with everything that Nado allows in them, packed and read back: our own orders need two of the
fields (`venue/nado/appendix.py`), the orders of others may have them all.

The SDK masks what does not fit, so that builder 70000 pays builder 4464. Here whatever does not fit is a
`ValueError`, in both directions.
"""

from typing import Literal, cast

import msgspec

from venue.nado.appendix import KINDS, VERSION, OrderKind, appendix_of

Trigger = Literal["none", "price", "twap", "twap_custom"]
TRIGGERS = ("none", "price", "twap", "twap_custom")
RESERVED = (1 << 38) - (1 << 14)


class Appendix(msgspec.Struct, frozen=True):
    """Everything that an appendix can say."""

    kind: OrderKind
    reduce_only: bool = False
    """Clamped by the venue to the position; takers only (2067 with post_only)."""
    isolated: bool = False
    trigger: Trigger = "none"
    builder_id: int = 0
    """16 bits; 0 = no builder."""
    builder_rate: int = 0
    """10 bits, in 0.1 bp of notional, paid on each fill on top of the exchange's fee."""
    value: int = 0
    """64 bits: the margin x6 of an isolated order, or a TWAP's times << 32 | slippage x6."""


def pack(appendix: Appendix) -> int:
    """The uint128 to sign. Raises `ValueError` naming a field that does not fit or contradicts another."""
    for field, bits in (("builder_id", 16), ("builder_rate", 10), ("value", 64)):
        value = getattr(appendix, field)
        if not 0 <= value < 1 << bits:
            raise ValueError(f"{field}: {value} does not fit {bits} bits")
    if appendix.builder_rate and not appendix.builder_id:
        raise ValueError(f"builder_rate: {appendix.builder_rate} for no builder")
    twap = appendix.trigger.startswith("twap")
    if appendix.isolated and twap:
        raise ValueError("isolated: a TWAP order cannot be isolated")
    if appendix.value and not (appendix.isolated or twap):
        raise ValueError(
            f"value: {appendix.value} means nothing to an order that is neither isolated nor a TWAP"
        )
    return (
        appendix_of(appendix.kind, reduce_only=appendix.reduce_only)
        | appendix.isolated << 8
        | TRIGGERS.index(appendix.trigger) << 12
        | appendix.builder_rate << 38
        | appendix.builder_id << 48
        | appendix.value << 64
    )


def unpack(packed: int) -> Appendix:
    """What `packed` says; exactly what `pack` can make. Raises `ValueError` when it is no uint128, of another
    version, uses reserved bits, or contradicts itself.
    """
    if not 0 <= packed < 1 << 128:
        raise ValueError(f"appendix: {packed} does not fit 128 bits")
    if packed & 0xFF != VERSION:
        raise ValueError(f"version: {packed & 0xFF} is not {VERSION}")
    if packed & RESERVED:
        raise ValueError("reserved bits 37..14 are not zero")
    appendix = Appendix(
        kind=KINDS[packed >> 9 & 3],
        reduce_only=bool(packed >> 11 & 1),
        isolated=bool(packed >> 8 & 1),
        trigger=cast(Trigger, TRIGGERS[packed >> 12 & 3]),
        builder_id=packed >> 48 & 0xFFFF,
        builder_rate=packed >> 38 & 0x3FF,
        value=packed >> 64,
    )
    pack(appendix)
    return appendix
