"""The messages of both taps, as fills and the orders that hedge them. Nothing is decoded while timed."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from benches.tick.reading import entering, messages
from benches.tick.tap import Call


class Hedge(NamedTuple):
    """One fill and its hedge, all in `perf_counter_ns`, which both processes share."""

    written_ns: int
    """When the exchange's `send` of the fill's frame returned."""
    received_ns: int
    """When the run's `recv` of its last byte returned."""
    sent_ns: int
    """When the run's `send` of the hedge returned."""

    @property
    def began_ns(self) -> int:
        """When the fill's bytes had come."""
        return self.received_ns

    @property
    def ended_ns(self) -> int:
        """When the hedge had left."""
        return self.sent_ns

    @property
    def whole_us(self) -> float:
        """From the exchange's socket to ours."""
        return (self.sent_ns - self.written_ns) / 1000

    @property
    def own_us(self) -> float:
        """The same without the way from the exchange to us."""
        return (self.sent_ns - self.received_ns) / 1000


class Hedges(NamedTuple):
    """What one block comes to."""

    hedges: list[Hedge]
    missed: int
    """Fills after which nothing was sent before the next one came."""


def hedges(exchange: Sequence[Call], run: Sequence[Call], eth_id: int, sol_id: int) -> Hedges:
    """Each fill of an ETH order of ours that rested, in order, with the first order of SOL after it that
    makes a position larger. None is left out for having taken long.
    """
    # whoever serves a connection receives what its client sends
    mirrored = [(at_ns, descriptor, not sent, data) for at_ns, descriptor, sent, data in exchange]
    written = {
        each.text: each.at_ns for each in messages(mirrored) if not each.sent and _rested(each.text, eth_id)
    }
    found: list[Hedge] = []
    missed, fill = 0, None
    for passed in messages(list(run)):
        if not passed.sent and passed.text in written:
            missed += fill is not None
            fill = passed
        elif fill is not None and passed.sent and entering(passed.text) == sol_id:
            found.append(Hedge(written[fill.text], fill.at_ns, passed.at_ns))
            fill = None
    return Hedges(found, missed + (fill is not None))


def _rested(text: str, eth_id: int) -> bool:
    """Is it a fill of an order of this product that rested?"""
    if '"fill"' not in text:
        return False
    told: dict[str, Any] = msgspec.json.decode(text)
    return told.get("type") == "fill" and int(told["product_id"]) == eth_id and told["is_taker"] is False
