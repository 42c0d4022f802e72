"""The venue's rules, told otherwise than they are: of products that are none of our business, and of our two.

Where closing needs nothing of what is told wrongly, it must succeed while the mode lasts (`closable`).
Nothing here changes the venue itself.
"""

import json
from collections.abc import Callable
from typing import Any

from tests.hostile.mode import SECONDS, Answer, Asked, Chance, Mode, OnHttp, Script

Change = Callable[[dict[str, Any]], None]
"""Changes the `data` of an answer in place."""
LASTS_S = 30.0
"""Longer than closing may take: it must succeed under it."""
ONE = 10**18


def rewriting(**changes: Change) -> OnHttp:
    """By the kind of question."""

    def hook(asked: Asked, answer: Answer, _chance: Chance) -> Script | None:
        change = changes.get(asked.kind)
        if change is None or not asked.path.endswith("/query"):
            return None
        said = json.loads(answer.body)
        if not isinstance(said.get("data"), dict):
            return None
        change(said["data"])
        return (answer.saying(json.dumps(said).encode()).raw(),)

    return hook


def stranger(**fields: object) -> Change:
    """One more perp in `symbols`, like SOL's but for these fields."""

    def change(data: dict[str, Any]) -> None:
        like = next(iter(data["symbols"].values()))
        data["symbols"]["DOGE-PERP"] = like | {"product_id": 54, "symbol": "DOGE-PERP"} | fields

    return change


def strange_product(change_it: Callable[[dict[str, Any]], object]) -> Change:
    """One more perp in `all_products`, first in the list."""

    def change(data: dict[str, Any]) -> None:
        other = json.loads(json.dumps(data["perp_products"][0])) | {"product_id": 54}
        change_it(other)
        data["perp_products"].insert(0, other)

    return change


def ours(*symbols: str, **fields: object) -> Change:
    """These fields of ours in `symbols`; None deletes one."""

    def change(data: dict[str, Any]) -> None:
        for name in symbols:
            data["symbols"][name].update(fields)
            for gone in [key for key, value in fields.items() if value is None]:
                del data["symbols"][name][gone]

    return change


def our_product(product: int, change_it: Callable[[dict[str, Any]], object]) -> Change:
    """Ours in `all_products`."""

    def change(data: dict[str, Any]) -> None:
        for perp in data["perp_products"]:
            if perp["product_id"] == product:
                change_it(perp)

    return change


def both(symbol: str, product: int, **fields: object) -> OnHttp:
    """The same in `symbols` and in `all_products`, so that they agree."""
    return rewriting(
        symbols=ours(symbol, **fields),
        all_products=our_product(product, lambda perp: perp["book_info"].update(fields)),
    )


def delisted(*names: str) -> Change:
    """Not in `symbols` any more."""

    def change(data: dict[str, Any]) -> None:
        for name in names:
            data["symbols"].pop(name, None)

    return change


def _said(kind: str, data: object) -> OnHttp:
    def hook(asked: Asked, answer: Answer, _chance: Chance) -> Script | None:
        if asked.kind != kind or not asked.path.endswith("/query"):
            return None
        return (answer.saying(json.dumps({"status": "success", "data": data}).encode()).raw(),)

    return hook


def _no_oracle(perp: dict[str, Any]) -> None:
    perp["oracle_price_x18"] = "0"


CLOSABLE: dict[str, OnHttp] = {
    "stranger of unknown status": rewriting(symbols=stranger(trading_status="dormant")),
    "stranger without status": rewriting(symbols=stranger(trading_status=None)),
    "stranger without minimum": rewriting(symbols=stranger(min_size=None)),
    "stranger without id": rewriting(symbols=stranger(product_id=None)),
    "stranger with a float": rewriting(symbols=stranger(size_increment=0.1)),
    "stranger that is null": rewriting(symbols=lambda data: data["symbols"].update({"DOGE-PERP": None})),
    "stranger's product empty": rewriting(all_products=strange_product(dict.clear)),
    "stranger's product without oracle": rewriting(
        all_products=strange_product(lambda it: it.update(oracle_price_x18=None))
    ),
    "stranger's product without risk": rewriting(all_products=strange_product(lambda it: it.pop("risk"))),
    "stranger's product without book": rewriting(
        all_products=strange_product(lambda it: it.update(book_info={}))
    ),
    "a product that is null": rewriting(all_products=lambda data: data["perp_products"].insert(0, None)),
    "spot products broken": rewriting(all_products=lambda data: data.update(spot_products=[None, 1])),
    "no oracle price of ETH": rewriting(all_products=our_product(4, _no_oracle)),
    "no oracle price of SOL": rewriting(all_products=our_product(8, _no_oracle)),
    "oracle price null": rewriting(all_products=our_product(8, lambda it: it.update(oracle_price_x18=None))),
    "weights gone": rewriting(all_products=our_product(4, lambda it: it.pop("risk"))),
    "weights null": rewriting(
        all_products=our_product(8, lambda it: it["risk"].update(long_weight_initial_x18=None))
    ),
    "ETH isolated only": rewriting(symbols=ours("ETH-PERP", isolated_only=True)),
    "SOL isolated only": rewriting(symbols=ours("SOL-PERP", isolated_only=True)),
    "SOL reduce only": rewriting(symbols=ours("SOL-PERP", trading_status="reduce_only")),
    "both soft reduce only": rewriting(
        symbols=ours("ETH-PERP", "SOL-PERP", trading_status="soft_reduce_only")
    ),
    "SOL of unknown status": rewriting(symbols=ours("SOL-PERP", trading_status="waning")),
    "SOL without status": rewriting(symbols=ours("SOL-PERP", trading_status=None)),
    "SOL without minimum": rewriting(symbols=ours("SOL-PERP", min_size=None)),
    "minimum of SOL 2,000": both("SOL-PERP", 8, min_size=str(2000 * ONE)),
    "tick of ETH 7.3": both("ETH-PERP", 4, price_increment_x18=str(73 * ONE // 10)),
    "tick told twice": rewriting(symbols=ours("ETH-PERP", price_increment_x18=str(ONE))),
    "minimum told twice": rewriting(symbols=ours("SOL-PERP", min_size=str(50 * ONE))),
    "no fees": rewriting(fee_rates=dict.clear),
    "fees too short": rewriting(fee_rates=lambda data: data.update(taker_fee_rates_x18=["0"])),
    "fees null": _said("fee_rates", None),
    "fields never seen": rewriting(
        symbols=ours("SOL-PERP", novelty={"a": [1]}), contracts=lambda data: data.update(novelty=1)
    ),
}
"""Closing needs nothing of it: id, tick and step are told, and the position."""
PASSING: dict[str, OnHttp] = {
    "ETH delisted": rewriting(symbols=delisted("ETH-PERP")),
    "SOL delisted": rewriting(symbols=delisted("SOL-PERP")),
    "both delisted": rewriting(symbols=delisted("ETH-PERP", "SOL-PERP")),
    "SOL's product gone": rewriting(
        all_products=lambda data: data.update(
            perp_products=[it for it in data["perp_products"] if it["product_id"] != 8]
        )
    ),
    "SOL post only": rewriting(symbols=ours("SOL-PERP", trading_status="post_only")),
    "ETH not tradable": rewriting(symbols=ours("ETH-PERP", trading_status="not_tradable")),
    "both not tradable": rewriting(symbols=ours("ETH-PERP", "SOL-PERP", trading_status="not_tradable")),
    "step of SOL 1": both("SOL-PERP", 8, size_increment=str(ONE)),
    "step of SOL 10": both("SOL-PERP", 8, size_increment=str(10 * ONE)),
    "step of ETH 0.1": both("ETH-PERP", 4, size_increment=str(ONE // 10)),
    "step zero": both("SOL-PERP", 8, size_increment="0"),
    "step negative": both("SOL-PERP", 8, size_increment="-1"),
    "tick zero": both("ETH-PERP", 4, price_increment_x18="0"),
    "tick null": rewriting(symbols=ours("ETH-PERP", price_increment_x18=None)),
    "tick larger than the price": both("ETH-PERP", 4, price_increment_x18=str(10_000 * ONE)),
    "step told twice": rewriting(symbols=ours("SOL-PERP", size_increment=str(ONE))),
    "ids exchanged": rewriting(
        symbols=lambda data: [
            data["symbols"][name].update(product_id=product)
            for name, product in (("ETH-PERP", 8), ("SOL-PERP", 4))
        ]
    ),
    "id of another product": rewriting(symbols=ours("SOL-PERP", product_id=54)),
    "another chain": rewriting(contracts=lambda data: data.update(chain_id="1")),
    "no contract": rewriting(contracts=dict.clear),
    "another contract": rewriting(contracts=lambda data: data.update(endpoint_addr="0x" + "11" * 20)),
    "status maintenance": _said("status", "maintenance"),
    "status null": _said("status", None),
}
"""Closing may wait until it is over; then everything must be closed."""

MODES = (
    *(Mode(f"rules {name}", http=hook, closable=True, seconds=LASTS_S) for name, hook in CLOSABLE.items()),
    *(Mode(f"rules {name}", http=hook, seconds=SECONDS + 3) for name, hook in PASSING.items()),
)
