"""Every attempt to place an order, in the order of arrival, and what became of it: what an auditor reads to
judge a client.

Nothing is removed but by `forget`, which a replay of weeks asks for.
"""

from collections.abc import Container
from dataclasses import dataclass, field
from typing import Literal

from messages.units import Base, Ns, Price, Quote
from venue.protocol import Order
from venue.simulated.engine.rules import AppendixTerms, Kind


@dataclass(frozen=True, slots=True)
class LoggedFill:
    """One piece of an order that traded: amount signed, price and fee x18."""

    amount: Base
    price: Price
    fee: Quote
    is_taker: bool
    submission_idx: int
    at_ns: Ns


@dataclass(slots=True)
class LoggedOrder:
    """One place attempt. `pending` = waiting at the speed bump."""

    digest: str
    sender: str
    signer: str
    product_id: int
    amount: Base
    price: Price
    kind: Kind
    reduce_only: bool
    appendix: int
    nonce: int
    expiration_s: int
    increasing: bool
    """Could it have made the position larger when it arrived? Reduce-only orders cannot."""
    arrived_ns: Ns
    result: Literal["pending", "accepted", "refused"] = "pending"
    code: int | None = None
    text: str = ""
    fills: list[LoggedFill] = field(default_factory=list)
    taken_in: bool = False
    """Did it get past all checks of its arrival, so that its digest is used up?"""

    @property
    def filled(self) -> Base:
        """What has traded so far, x18; below zero for a sell order."""
        return Base(sum(fill.amount for fill in self.fills))


class OrderLog(list[LoggedOrder]):
    """The log, with an index by digest of the attempts that got past the duplicate check."""

    def __init__(self) -> None:
        super().__init__()
        self._known: dict[str, LoggedOrder] = {}

    def attempt(
        self, order: Order, digest: str, signer: str, terms: AppendixTerms, *, increasing: bool, now_ns: int
    ) -> LoggedOrder:
        """Append an attempt, still `pending`; `signer` is the address that the signature yields."""
        entry = LoggedOrder(
            digest=digest,
            sender=order.sender,
            signer=signer,
            product_id=order.product_id,
            amount=order.amount,
            price=order.price,
            kind=terms.kind,
            reduce_only=terms.reduce_only,
            appendix=order.appendix,
            nonce=order.nonce,
            expiration_s=order.expiration_s,
            increasing=increasing,
            arrived_ns=Ns(now_ns),
        )
        self.append(entry)
        return entry

    def take_in(self, entry: LoggedOrder) -> None:
        """Remember the digest: a second order with it is a duplicate."""
        entry.taken_in = True
        self._known[entry.digest] = entry

    def forget(self, before_ns: int, resting: Container[str]) -> None:
        """Remove what arrived before `before_ns` and has ended, as the digests in `resting` have not."""
        old = [entry for entry in self if entry.arrived_ns < before_ns and _ended(entry, resting)]
        self[:] = [entry for entry in self if entry.arrived_ns >= before_ns or not _ended(entry, resting)]
        for entry in old:
            if self._known.get(entry.digest) is entry:
                del self._known[entry.digest]

    def known(self, digest: str) -> LoggedOrder | None:
        """The attempt that has used `digest` up; None when none got past the checks of its arrival."""
        return self._known.get(digest)


def _ended(entry: LoggedOrder, resting: Container[str]) -> bool:
    return entry.result != "pending" and entry.digest not in resting
