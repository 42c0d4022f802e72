"""Staged accidents: what the simulated venue does wrong, and when. Frozen data, decoded strictly from TOML or JSON; the counting is apart.

    [[refuse]]
    product = "SOL-PERP"
    nth = 4
    code = 2031

    [[lose_ack]]
    nth = 2

    [[cut]]
    product = "ETH-PERP"
    nth = 1
    when = "before"        # the order never arrives | "after": it is processed, the answer is lost with the connection

An order is counted by every fault whose product (or "" = any) it belongs to; by default only orders count that could make the position larger.
"""

import tomllib
from pathlib import Path
from typing import Literal

import msgspec

from venue.simulated.rules import Refused


class Trigger(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The n-th order (from 1) of a product."""

    nth: int
    product: str = ""
    increasing: bool = True
    """Count only orders that could make the position larger."""

    def __post_init__(self) -> None:
        if self.nth < 1:
            raise ValueError(f"nth: orders are counted from 1, not {self.nth}")


class Refuse(Trigger, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Refuse the order with `code` after all its checks have passed."""

    code: int
    text: str = ""


class LoseAck(Trigger, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Process the order; if it is accepted the answer never comes."""


class Cut(Trigger, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Cut the connection that the order came on, before or after the order is processed."""

    when: Literal["before", "after"]


class Faults(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All staged accidents of a run."""

    refuse: tuple[Refuse, ...] = ()
    lose_ack: tuple[LoseAck, ...] = ()
    cut: tuple[Cut, ...] = ()

    def with_known_products(self, symbols: frozenset[str]) -> "Faults":
        """Itself; raises `ValueError` naming a product that the venue does not have: such a fault would silently never happen."""
        for trigger in (*self.refuse, *self.lose_ack, *self.cut):
            if trigger.product and trigger.product not in symbols:
                raise ValueError(f"faults: there is no product {trigger.product!r}, only {', '.join(sorted(symbols))}")
        return self


NO_FAULTS = Faults()
DEMO = Faults(refuse=(Refuse(product="SOL-PERP", nth=4, code=2031),))
"""The demo's accident: the SOL leg of the fourth cycle is refused once."""


def faults_named(spec: str) -> Faults:
    """`none`, `demo`, or the faults of a TOML or JSON file. Raises `OSError`, `ValueError` (also `msgspec.ValidationError`) naming what is wrong."""
    if spec in {"", "none"}:
        return NO_FAULTS
    if spec == "demo":
        return DEMO
    data = Path(spec).read_bytes()
    if spec.endswith(".json"):
        return msgspec.json.decode(data, type=Faults)
    return msgspec.convert(tomllib.loads(data.decode()), Faults)


class Staged(msgspec.Struct, frozen=True):
    """What is to go wrong with one order."""

    refusal: Refused | None = None
    lose_ack: bool = False
    cut_before: bool = False
    cut_after: bool = False


class FaultCounter:
    """Counts orders against the faults' triggers."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self._counts: dict[int, int] = {}

    def next(self, product: str, *, increasing: bool) -> Staged:
        """Count one order that came in, and say what is to go wrong with it."""
        refuse = [fault for fault in self.faults.refuse if self._is_due(fault, product, increasing)]
        cuts = [fault.when for fault in self.faults.cut if self._is_due(fault, product, increasing)]
        lost = [fault for fault in self.faults.lose_ack if self._is_due(fault, product, increasing)]
        return Staged(_refusal(refuse[0]) if refuse else None, bool(lost), "before" in cuts, "after" in cuts)

    def _is_due(self, trigger: Trigger, product: str, increasing: bool) -> bool:
        if trigger.product not in {"", product} or (trigger.increasing and not increasing):
            return False
        count = self._counts[id(trigger)] = self._counts.get(id(trigger), 0) + 1
        return count == trigger.nth


def _refusal(fault: Refuse) -> Refused:
    usual = f"the simulated venue refuses order {fault.nth} of {fault.product or 'any product'}"
    return Refused(fault.code, f"staged: {fault.text or usual}")
