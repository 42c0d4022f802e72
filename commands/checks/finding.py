"""What one check found."""

from typing import Literal

import msgspec

from commands.output.words import Refusal

State = Literal["ok", "warn", "fail", "skip"]


class Finding(msgspec.Struct, frozen=True):
    """One line of `doctor`. `fail` means that a live run refuses to start, or would not get far; `skip`
    that it could not be asked.
    """

    check: str
    state: State
    found: str
    cure: str = ""
    """What to type or do; "" when all is well."""
    code: str = ""
    """A word for programs; "" when all is well."""
    meaning: str = "no order was sent"
    """What it means for the money."""

    def refusal(self) -> Refusal:
        """The refusal of a run that this finding stops."""
        return Refusal(self.code, None, self.found, self.cure, self.meaning)


def ok(check: str, found: str) -> Finding:
    """A check that has nothing to complain about: there is nothing to type."""
    return Finding(check, "ok", found)


def warn(check: str, found: str, cure: str, code: str) -> Finding:
    """Trading is possible, but somebody should look at this."""
    return Finding(check, "warn", found, cure, code)


def fail(check: str, found: str, cure: str, code: str, meaning: str = "no order was sent") -> Finding:
    """Not ready: a live run would refuse to start, or not get far. `code` is a word for programs."""
    return Finding(check, "fail", found, cure, code, meaning)


def skip(check: str, why: str, cure: str) -> Finding:
    """It could not be asked, so nobody knows: that is not ready either."""
    return Finding(check, "skip", why, cure, "UNKNOWN")


def short(hexadecimal: str) -> str:
    """An address or a digest as a person recognises it: `0x12ab…`."""
    return f"{hexadecimal[:6]}…"
