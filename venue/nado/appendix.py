"""The appendix: one uint128 that says what kind of order this is (version 1 of the layout).

    127..64 value | 63..48 builder id | 47..38 builder rate | 37..14 zero | 13..12 trigger | 11 reduce only |
    10..9 kind | 8 isolated | 7..0 version

The SDK masks what does not fit, so that builder 70000 pays builder 4464. Here whatever does not fit is a
`ValueError`.
"""

from typing import Literal

import msgspec

VERSION = 1
"""Any other version is refused by the venue with 2095."""

OrderKind = Literal["default", "ioc", "fok", "post_only"]
Trigger = Literal["none", "price", "twap", "twap_custom"]

KINDS = ("default", "ioc", "fok", "post_only")
TRIGGERS = ("none", "price", "twap", "twap_custom")


class Appendix(msgspec.Struct, frozen=True):
    """Which kind of order this is, and on which margin. What the venue allows beside is here so that tests
    can hold every bit equal to the SDK's.
    """

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
        VERSION
        | appendix.isolated << 8
        | KINDS.index(appendix.kind) << 9
        | appendix.reduce_only << 11
        | TRIGGERS.index(appendix.trigger) << 12
        | appendix.builder_rate << 38
        | appendix.builder_id << 48
        | appendix.value << 64
    )
