"""Reading an appendix back: only tests do."""

from typing import cast

from venue.nado.appendix import KINDS, TRIGGERS, VERSION, Appendix, OrderKind, Trigger, pack

RESERVED = (1 << 38) - (1 << 14)


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
        kind=cast(OrderKind, KINDS[packed >> 9 & 3]),
        reduce_only=bool(packed >> 11 & 1),
        isolated=bool(packed >> 8 & 1),
        trigger=cast(Trigger, TRIGGERS[packed >> 12 & 3]),
        builder_id=packed >> 48 & 0xFFFF,
        builder_rate=packed >> 38 & 0x3FF,
        value=packed >> 64,
    )
    pack(appendix)
    return appendix
