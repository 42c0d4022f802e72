"""Answers that are not what the engine goes by: a product more, a product less, a field that is null, absent,
unknown or another number. Pure.

The engine's own answer comes in as JSON values, and what is told instead goes out; who asks is told the same
over HTTP and over a socket.
"""

from collections.abc import Mapping
from typing import Any

from messages.units import Base
from venue.simulated.faults.incidents import FalseAnswer, Listing


class AnswerFalsifier:
    """A staged lie, and how many answers it has had the chance to spoil."""

    def __init__(self, answer: FalseAnswer) -> None:
        self._says = answer
        self._asked = 0

    def tell(self, kind: object, data: object, ids: Mapping[str, int]) -> object:
        """`data`, changed in place where its parts are meant, or what is said instead of all of it."""
        answer = self._says
        if kind != answer.request:
            return data
        self._asked += 1
        if (self._asked - 1) % answer.every:
            return data
        if not answer.field and not answer.of:
            return answer.value
        for entry in _entries(data, answer.of, ids):
            _put(entry, answer.field.split("."), answer)
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


def _put(entry: Any, path: list[str], answer: FalseAnswer) -> None:
    """Set or remove what `path` leads to; a path that leads nowhere in this entry changes nothing."""
    *way, last = path
    for step in way:
        entry = _at(entry, step)
    if isinstance(entry, list) and last.isdigit() and int(last) < len(entry):
        entry[int(last)] = answer.value
    elif isinstance(entry, dict) and answer.absent:
        entry.pop(last, None)
    elif isinstance(entry, dict):
        entry[last] = answer.value


def _at(entry: Any, step: str) -> Any:
    if isinstance(entry, list):
        return entry[int(step)] if step.isdigit() and int(step) < len(entry) else None
    return entry.get(step) if isinstance(entry, dict) else None


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
