"""What is said of a key of the configuration, beside its declaration."""

from typing import Literal

import msgspec


class ConfigKey(msgspec.Struct, frozen=True):
    """What stands beside a key of the configuration, and everything that is ever said about it.

    The bounds are both allowed and in the value's own integers (None: no bound). How the value is written
    follows from its type; `form` names another way where one type is written in several.
    """

    sentence: str
    """What it does."""
    least: int | None = None
    greatest: int | None = None
    form: Literal[
        "",
        "percent",
        "factor",
        "ratio",
        "bytes",
        "subaccount",
        "owner",
        "key",
        "folder",
        "times",
        "amounts",
        "address",
        "secret",
        "chat",
        "url",
        "command",
    ] = ""
    remark: str = ""
    """What its unit does not say: `per leg`."""
    live: bool = False
    """Must a run with real money be told it? Then no number that was chosen for the demo ever trades it."""
