"""Rate limits as Nado documents them: weights over a window of ten seconds and one of a minute, queries by
address, executes by wallet. Pure.

Nado does not say whether its windows slide; these do, which is the stricter reading at their edges.
"""

from collections import deque
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from venue.nado.codec import read
from venue.protocol import Malformed

Budget = Literal["query", "execute", "archive"]
SHORT_S, LONG_S = 10.0, 60.0
KEYS_MAX = 1000
LIMITS: dict[Budget, tuple[int, int]] = {"query": (400, 2400), "execute": (100, 600), "archive": (2400, 2400)}
"""Weight in ten seconds and in a minute. The archive documents no short window."""

QUERY_WEIGHTS = {
    "nonces": 2,
    "symbols": 2,
    "fee_rates": 2,
    "health_groups": 2,
    "insurance": 2,
    "subaccount_info": 2,
    "all_products": 5,
    "edge_all_products": 5,
    "max_order_size": 5,
    "max_withdrawable": 5,
    "linked_signer": 5,
    "isolated_positions": 10,
    "nlp_pool_info": 20,
    "nlp_locked_balances": 20,
    "max_nlp_burnable": 20,
}
"""Those that are not listed weigh 1."""
EXECUTE_WEIGHTS = {
    "link_signer": 30,
    "liquidate_subaccount": 20,
    "transfer_quote": 10,
    "withdraw_collateral": 10,
    "withdraw_collateral_v2": 10,
}
NO_LEVERAGE = 20
"""An order without spot leverage; a withdrawal without it weighs as much."""
ALL_PRODUCTS = 50
"""`cancel_product_orders` for every product at once."""
HISTORY = {"orders": 20, "matches": 10, "events": 10}
"""Of the archive's weight: limit x subaccounts / this."""


class BudgetWindows:
    """What one address or wallet has used of one budget."""

    def __init__(self, short: int, long: int) -> None:
        self._limits = ((SHORT_S, short), (LONG_S, long))
        self._used: deque[tuple[float, int]] = deque()

    def used_since(self, at_s: float) -> bool:
        """Was anything used after `at_s` (seconds)? What was not may be forgotten."""
        return bool(self._used) and self._used[-1][0] > at_s

    def take(self, weight: int, now_s: float) -> bool:
        """Use `weight` if every window allows it at `now_s` (seconds); False uses nothing."""
        while self._used and self._used[0][0] <= now_s - LONG_S:
            self._used.popleft()
        for length_s, limit in self._limits:
            if weight + sum(used for at_s, used in self._used if at_s > now_s - length_s) > limit:
                return False
        self._used.append((now_s, weight))
        return True


class Limiter:
    """All budgets of all addresses and wallets. When they become many, those idle for a minute are
    forgotten.
    """

    def __init__(self) -> None:
        self._windows: dict[tuple[Budget, str], BudgetWindows] = {}

    def take(self, budget: Budget, key: str, weight: int, now_s: float) -> bool:
        """Use `weight` of what `key` may; False when it is over the limit, and then nothing is used."""
        if len(self._windows) >= KEYS_MAX:
            self._windows = {
                kept: windows for kept, windows in self._windows.items() if windows.used_since(now_s - LONG_S)
            }
        windows = self._windows.setdefault((budget, key), BudgetWindows(*LIMITS[budget]))
        return windows.take(weight, now_s)


def query_weight(params: Mapping[str, Any]) -> int:
    """The weight of a query, by its type and how many products it names; 1 for an unknown one."""
    kind, listed = params.get("type"), params.get("product_ids")
    if kind in {"market_prices", "orders"}:
        return (len(listed) if isinstance(listed, list) else 1) * (2 if kind == "orders" else 1)
    if kind == "subaccount_info" and params.get("txns"):
        return 15 if str(params.get("pre_state")).lower() == "true" else 10
    return QUERY_WEIGHTS.get(str(kind), 1)


class _Tx(msgspec.Struct, frozen=True):
    sender: str = ""
    digests: tuple[str, ...] = ()
    productIds: tuple[msgspec.Raw, ...] = ()  # noqa: N815 - the wire's name


class _Order(msgspec.Struct, frozen=True):
    sender: str = ""


class _Body(msgspec.Struct, frozen=True):
    tx: _Tx = _Tx()
    cancel_tx: _Tx = _Tx()
    order: _Order = _Order()
    orders: tuple["_Body", ...] = ()
    spot_leverage: bool | None = None


def execute_weight(name: str, body: bytes) -> tuple[int, str]:
    """The weight of an execute and the wallet it counts for; ("" = unreadable: it will be refused for
    that).
    """
    try:
        request = read(body, _Body)
    except Malformed:
        return 1, ""
    first = request.orders[0].order.sender if request.orders else ""
    sender = request.tx.sender or request.cancel_tx.sender or request.order.sender or first
    weight = EXECUTE_WEIGHTS.get(name, 1)
    match name:
        case "place_order" | "withdraw_collateral" | "withdraw_collateral_v2":
            weight = NO_LEVERAGE if request.spot_leverage is False else weight
        case "place_orders":
            weight = max(1, sum(NO_LEVERAGE if each.spot_leverage is False else 1 for each in request.orders))
        case "cancel_orders":
            weight = max(1, len(request.tx.digests))
        case "cancel_product_orders":
            weight = 5 * len(request.tx.productIds) or ALL_PRODUCTS
        case "cancel_and_place":
            weight = max(1, len(request.cancel_tx.digests)) + 1
    return weight, sender[:42].lower()


def archive_weight(name: str, limit: int, subaccounts: int) -> int:
    """The weight of a question to the archive."""
    if name in HISTORY:
        return 2 + limit * subaccounts // HISTORY[name]
    return 1 + limit // 20 if name == "candlesticks" else 2
