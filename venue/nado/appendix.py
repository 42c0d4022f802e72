"""The appendix: one uint128 that says what kind of order this is (version 1 of the layout).

    127..64 value | 63..48 builder id | 47..38 builder rate | 37..14 zero | 13..12 trigger | 11 reduce only |
    10..9 kind | 8 isolated | 7..0 version

Our orders are on cross margin, without trigger and builder: those bits are always 0.
"""

from typing import Literal

VERSION = 1
"""Any other version is refused by the venue with 2095."""

OrderKind = Literal["default", "ioc", "fok", "post_only"]
KINDS: tuple[OrderKind, ...] = ("default", "ioc", "fok", "post_only")


def appendix_of(kind: OrderKind, *, reduce_only: bool) -> int:
    """The uint128 to sign. `reduce_only`: the venue clamps the order to the position; takers only (2067 with
    post_only).
    """
    return VERSION | KINDS.index(kind) << 9 | reduce_only << 11
