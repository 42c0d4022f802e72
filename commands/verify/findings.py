"""What does not hold, by its place and its field; the first one ends the verification."""

ONE = 10**18
LONGEST = 120
"""Of a value, as it is quoted."""


class DoesNotHold(Exception):
    """`where` says which row, line or file; `field` which part of it; `why` what it is and should be."""

    def __init__(self, where: str, field: str, why: str) -> None:
        super().__init__(f"{where}: {field}: {why}")
        self.where, self.field, self.why = where, field, why


def must(found: object, expected: object, where: str, field: str, what: str = "recomputed it is") -> None:
    """Raise `DoesNotHold` unless both are the same."""
    if found != expected:
        raise DoesNotHold(where, field, f"{_shown(found)}, {what} {_shown(expected)}")


def _shown(value: object) -> str:
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return text if len(text) <= LONGEST else text[:LONGEST] + "..."


def text(amount: int) -> str:
    """An x18 integer as a decimal number: no exponent, no trailing zeros."""
    whole, rest = divmod(abs(amount), ONE)
    sign = "-" if amount < 0 else ""
    return f"{sign}{whole}.{rest:018}".rstrip("0") if rest else f"{sign}{whole}"
