"""Parameters of queries, leniently read, as the venue does."""

from collections.abc import Mapping
from typing import Any

from venue.simulated.engine.codes import ExchangeRefusal, refused, require
from venue.simulated.engine.trading import Engine, Market

Params = Mapping[str, Any]
_BOOLS = {"true": True, "false": False}


def whole(value: object) -> int:
    """A number or a string; what cannot be read is 0 (the venue's documented leniency)."""
    text = str(value)
    return int(text) if text.isascii() and text.removeprefix("-").isdigit() and len(text) <= 40 else 0


def market_of(engine: Engine, params: Params) -> Market:
    """The market of the parameter `product_id`. Raises `ExchangeRefusal` 2016 for an unknown product."""
    market = engine.markets.get(whole(params.get("product_id")))
    if market is None:
        raise refused(2016)
    return market


def subaccount_of(params: Params, name: str) -> str:
    """A bytes32 in lower case. Raises `ExchangeRefusal` 2038 for anything else."""
    return _hex_of(params, name, 32)


def address_of(params: Params, name: str) -> str:
    """An address in lower case. Raises `ExchangeRefusal` 2038 for anything else."""
    return _hex_of(params, name, 20)


def _hex_of(params: Params, name: str, size: int) -> str:
    text = params.get(name)
    if not isinstance(text, str) or len(text) != 2 + 2 * size or not text.startswith("0x"):
        raise ExchangeRefusal(2038, f"{refused(2038).text} {name} must be {size} bytes of hex")
    return text.lower()


def product_ids_of(engine: Engine, params: Params) -> list[int]:
    """A list of products, none twice. Raises `ExchangeRefusal`: 2062 for an empty list, 2060 for an
    unknown product or one named twice.
    """
    listed = params.get("product_ids")
    if not isinstance(listed, list) or not listed:
        raise refused(2062)
    found = [whole(item) for item in listed]
    require(len(set(found)) >= len(found) and set(found) <= {0, *engine.markets}, 2060)
    return found


def flag(params: Params, name: str, default: bool) -> bool:
    """A boolean, written as a string in queries. Raises `ExchangeRefusal` 2040."""
    value = params.get(name)
    if value is None:
        return default
    require(str(value).lower() in _BOOLS, 2040)
    return _BOOLS[str(value).lower()]
