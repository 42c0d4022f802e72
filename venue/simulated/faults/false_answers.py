"""Answers that are not what the engine goes by: a product more, a product less, a field that is null, absent,
unknown or another number. Pure.

The engine's own answer comes in as JSON values, and what is sent instead goes out, the same over HTTP and
over a socket.
"""

from collections.abc import Mapping
from typing import Any

from messages.units import Base
from venue.simulated.faults.incidents import FalseAnswer, Listing


class AnswerFalsifier:
    """Spoils every n-th answer of one kind, as a `FalseAnswer` says; counts the answers of that kind."""

    def __init__(self, answer: FalseAnswer) -> None:
        self._answer = answer
        self._asked = 0

    def falsified(self, kind: object, data: object, ids: Mapping[str, int]) -> object:
        """`data`, changed in place where its parts are meant, or the value that takes the place of all of it.
        `kind` is the query's type, `ids` the product ids by symbol.
        """
        answer = self._answer
        if kind != answer.request:
            return data
        self._asked += 1
        if (self._asked - 1) % answer.every:
            return data
        if not answer.field and not answer.of:
            return answer.value
        for entry in _entries(data, answer.of, ids):
            _put(entry, answer)
        return data


def _entries(data: Any, symbol: str, ids: Mapping[str, int]) -> list[Any]:
    """The parts of an answer that are about `symbol`; the answer itself for ""."""
    if not symbol:
        return [data]
    if "symbols" in data:
        return [entry for name, entry in data["symbols"].items() if name == symbol]
    listed = [entry for part in ("perp_products", "perp_balances") for entry in data.get(part, ())]
    apart = [
        entry
        for entry in data.get("isolated_positions", ())
        if entry["base_balance"]["product_id"] == ids.get(symbol)
    ]
    return [entry for entry in listed if entry["product_id"] == ids.get(symbol)] + apart


def _put(entry: Any, answer: FalseAnswer) -> None:
    """Set or remove what the field's path leads to; nothing where it leads nowhere in this entry."""
    *parents, last = answer.field.split(".")
    for step in parents:
        if isinstance(entry, list):
            entry = entry[int(step)] if step.isdigit() and int(step) < len(entry) else None
        else:
            entry = entry.get(step) if isinstance(entry, dict) else None
    if isinstance(entry, list) and last.isdigit() and int(last) < len(entry):
        entry[int(last)] = answer.value
    elif isinstance(entry, dict) and answer.absent:
        entry.pop(last, None)
    elif isinstance(entry, dict):
        entry[last] = answer.value


def list_another(kind: object, data: Any, listing: Listing) -> None:
    """One more perp in the answers that list perps, made from the first that is there."""
    if kind == "symbols" and data["symbols"]:
        like = next(iter(data["symbols"].values()))
        data["symbols"][listing.symbol] = {**like, "symbol": listing.symbol, "product_id": listing.product_id}
    for part in ("perp_products", "perp_balances"):
        if isinstance(data, dict) and data.get(part):
            data[part].append({**data[part][0], "product_id": listing.product_id})
    if kind == "subaccount_info":
        data["perp_balances"][-1]["balance"] = {
            "amount": str(int(Base.of(listing.held))),
            "v_quote_balance": "0",
            "last_cumulative_funding_x18": "0",
        }


def leave_out(kind: object, data: Any, symbol: str, product_id: int) -> None:
    """A product that is not listed any more. What is held of it is still shown."""
    if kind == "symbols":
        data["symbols"].pop(symbol, None)
    if kind == "all_products":
        data["perp_products"] = [
            entry for entry in data["perp_products"] if entry["product_id"] != product_id
        ]
