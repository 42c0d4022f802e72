"""The venue's rate limits, kept on our side so that the weight for getting out is still there when it is
needed (lesson O12).

    executes   per wallet       600 in any minute, 100 in any 10 seconds
    queries    per IP          2400 in any minute, 400 in any 10 seconds
    archive    per IP          2400 in any minute, a budget of its own

HTTP and sockets count together (protocol sheet, rate limits). What leaves is always counted. What closes, and
what is asked in order to close, is never held back in here; entering is, and so are the routine questions, as
soon as they would take from what an unwind needs. What other processes on this machine execute for the same
wallet counts as well, where there is somebody who tells it (`WalletSpending`). Other programs behind the same
address spend the same budget unseen: when the venue itself says that it was asked too much, the budget counts
as spent.

Opening a connection has no documented weight. It is counted as one query, so that a connection that does not
hold is seen in the budget too.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, Protocol

import trio

from venue.nado.counts import TroubleTally

Limits = tuple[tuple[int, int], ...]
"""(length of a window in ms, weight allowed within it), the shortest first."""

MINUTE_MS = 60_000
EXECUTES: Limits = ((10_000, 100), (MINUTE_MS, 600))
QUERIES: Limits = ((10_000, 400), (MINUTE_MS, 2_400))
ARCHIVE: Limits = ((MINUTE_MS, 2_400),)

PLACE_WEIGHT = 1
CANCEL_WEIGHT = 1
"""Of an order that is cancelled by its digest."""
CANCEL_TRIES = 6
"""How often one order that rests may have to be cancelled before it cannot trade any more: at once and then
after 1, 2, 4, 8 and 16 s, each without an answer.
"""
CANCEL_WEIGHT_PER_PRODUCT = 5
CONNECT_WEIGHT = 1
RESTING_MINUTE = 120
"""Of the executes of a minute, as much may have left before and with an order that rests: a price that is
followed must not use up what a wallet has.
"""

_QUERY_WEIGHTS = {
    "status": 1,
    "contracts": 1,
    "order": 1,
    "market_liquidity": 1,
    "market_price": 1,
    "nonces": 2,
    "symbols": 2,
    "fee_rates": 2,
    "health_groups": 2,
    "insurance": 2,
    "subaccount_info": 2,
    "all_products": 5,
    "max_order_size": 5,
    "max_withdrawable": 5,
    "linked_signer": 5,
    "isolated_positions": 10,
}
_DEAREST_QUERY = 20
"""What a question that is not in the table counts as: as much as the most expensive documented one."""
_ARCHIVE_PARTS = {"orders": 20, "matches": 10, "events": 10, "candlesticks": 20}
_ARCHIVE_LIMIT = 100
"""Entries that the archive gives when no limit is asked for."""


def query_weight(question: Mapping[str, Any]) -> int:
    """What a query weighs, by its type and its lists."""
    kind = question.get("type")
    if kind == "orders":
        return 2 * len(question["product_ids"])
    if kind == "market_prices":
        return len(question["product_ids"])
    if kind == "subaccount_info" and question.get("txns"):
        return 15 if question.get("pre_state") else 10
    return _QUERY_WEIGHTS.get(str(kind), _DEAREST_QUERY)


def archive_weight(question: Mapping[str, Mapping[str, Any]]) -> int:
    """What a question to the archive weighs: 2 + limit x subaccounts / 20 (orders) or / 10 (matches,
    events), rounded up; 2 for the rest.
    """
    ((kind, details),) = question.items()
    parts = _ARCHIVE_PARTS.get(kind)
    if parts is None:
        return 2
    limit = details.get("limit")
    entries = (
        (limit.get("raw") if isinstance(limit, dict) else limit)
        or len(details.get("digests", ()))
        or _ARCHIVE_LIMIT
    )
    return 2 - (-entries * max(1, len(details.get("subaccounts", ()))) // parts)


ACCOUNT_WEIGHT = (
    query_weight({"type": "market_liquidity"})
    + query_weight({"type": "subaccount_info"})
    + query_weight({"type": "isolated_positions"})
    + query_weight({"type": "orders", "product_ids": (0, 0)})
)
"""One reading of the account (`HttpReads.account`)."""


def unwind_weight(flatten_steps: int = 5, products: int = 2) -> int:
    """What closing both legs may cost at worst in executes, from any state.

    Flattening: one order per leg and step. ESCAPE, should that fail: twice (now, and once more after the last
    receive window), each time one cancellation of both products and one order per leg. With 5 steps and 2
    products: 5 x 2 + 2 x (2 x 5 + 2) = 34.
    """
    flatten = flatten_steps * products * PLACE_WEIGHT
    escape = 2 * products * (CANCEL_WEIGHT_PER_PRODUCT + PLACE_WEIGHT)
    return flatten + escape


def unwind_questions(products: int = 2) -> int:
    """What closing both legs may cost at worst in queries within one window of 10 s.

    Both orders of a step in doubt: RESOLVE reads the account three times for each (`venue/resolve.py`). Then
    one more step (account, both books), and one round of ESCAPE (account before and after, both books). 6 x
    17 + 19 + 36 = 157.
    """
    resolve = 3 * products * ACCOUNT_WEIGHT
    step = ACCOUNT_WEIGHT + products
    return resolve + step + step + ACCOUNT_WEIGHT


def since_boot_ms() -> int:
    """Milliseconds on Trio's clock: windows are durations, and no step of the wall clock may empty or fill
    them.
    """
    return int(trio.current_time() * 1000)


class _Window:
    """What was spent within the last `length_ms`. The sum is kept and not made anew: it is asked for before
    every plan, and a minute has a thousand entries.
    """

    def __init__(self, length_ms: int, allowed: int) -> None:
        self.length_ms, self.allowed = length_ms, allowed
        self._spent: deque[tuple[int, int]] = deque()
        self._sum = 0

    def add(self, weight: int, now_ms: int) -> None:
        """Count `weight` from `now_ms` on."""
        self._sum += weight
        if self._spent and self._spent[-1][0] == now_ms:
            weight += self._spent.pop()[1]
        self._spent.append((now_ms, weight))

    def sum(self, now_ms: int) -> int:
        """What of it still counts at `now_ms`; the rest is forgotten."""
        while self._spent and self._spent[0][0] < now_ms - self.length_ms:
            self._sum -= self._spent.popleft()[1]
        return self._sum


class WalletSpending(Protocol):
    """What other processes spend of the same limits. `spend` is called where an order is about to leave, so
    it waits for nothing; `elsewhere` only where somebody asks for room.
    """

    def spend(self, weight: int) -> None:
        """Tell the others that `weight` leaves now. Never raises."""
        ...

    def elsewhere(self, lengths_ms: Sequence[int]) -> tuple[int, ...]:
        """What the others have spent within each of these windows. Raises `OSError` when nobody knows."""
        ...


class WeightBudget:
    """What was spent within each window. Time is always given, in ms of any steady clock that never goes
    back: this reads none.
    """

    def __init__(self, limits: Limits = EXECUTES) -> None:
        self.limits = limits
        self.shared: WalletSpending | None = None
        """Who else spends of these limits; None: nobody."""
        self._windows = {length_ms: _Window(length_ms, allowed) for length_ms, allowed in limits}

    def spend(self, weight: int, now_ms: int) -> None:
        """Note that `weight` left at `now_ms`. It is a fact, so it is noted even beyond the budget."""
        for window in self._windows.values():
            window.sum(now_ms)
            window.add(weight, now_ms)
        if self.shared is not None and weight:
            self.shared.spend(weight)

    def affords(self, weight: int, now_ms: int) -> bool:
        """May `weight` leave at `now_ms` without exceeding a window? The edges count as inside: the
        venue's clock is not quite ours. Raises `OSError` when nobody knows what the others have spent.
        """
        used = zip(self.used(now_ms), self.limits, strict=True)
        return all(spent + weight <= allowed for spent, (_, allowed) in used)

    def exhaust(self, now_ms: int) -> None:
        """The venue says that the budget is spent: for the length of the shortest window it is."""
        length, allowed = self.limits[0]
        used = self.spent(length, now_ms)
        with suppress(OSError):
            used = self.used(now_ms)[0]
        self.spend(max(0, allowed - used), now_ms)

    def spent(self, length_ms: int, now_ms: int) -> int:
        """The weight that left within the last `length_ms`, which is the length of one of the windows;
        without the others'.
        """
        return self._windows[length_ms].sum(now_ms)

    def used(self, now_ms: int) -> tuple[int, ...]:
        """The weight that left within each window, the others' too. Raises `OSError` when nobody knows
        theirs.
        """
        others = self.shared.elsewhere(tuple(self._windows)) if self.shared is not None else None
        own = tuple(window.sum(now_ms) for window in self._windows.values())
        return own if others is None else tuple(map(sum, zip(own, others, strict=True)))


class Weights:
    """The three budgets of one client. `now_ms` is a steady clock."""

    def __init__(self, now_ms: Callable[[], int] = since_boot_ms) -> None:
        self.executes, self.queries, self.archive = (
            WeightBudget(limits) for limits in (EXECUTES, QUERIES, ARCHIVE)
        )
        self._now_ms = now_ms

    def share(self, wallet: WalletSpending) -> None:
        """From now on the executes are counted together with those of others, who are told of ours."""
        self.executes.shared = wallet

    def place(self) -> None:
        """Count one order that leaves, against the executes."""
        self.executes.spend(PLACE_WEIGHT, self._now_ms())

    def cancel_order(self) -> None:
        """A cancellation of one order leaves."""
        self.executes.spend(CANCEL_WEIGHT, self._now_ms())

    def cancel(self, product_ids: Sequence[int]) -> None:
        """A cancellation of everything on these products leaves."""
        self.executes.spend(CANCEL_WEIGHT_PER_PRODUCT * len(product_ids), self._now_ms())

    def connect(self) -> None:
        """Count a connection that is being opened, as a query."""
        self.queries.spend(CONNECT_WEIGHT, self._now_ms())

    def ask(self, weight: int) -> None:
        """Count a query that leaves; `weight` by `query_weight`."""
        self.queries.spend(weight, self._now_ms())

    def ask_archive(self, weight: int) -> None:
        """Count a question to the archive that leaves; `weight` by `archive_weight`."""
        self.archive.spend(weight, self._now_ms())

    def routine(self, weight: int) -> bool:
        """May a question leave that can as well be asked later? Not out of what an unwind needs."""
        return self.queries.affords(weight + unwind_questions(), self._now_ms())

    def obstacle(self, orders: int, flatten_steps: int, legs: int = 2, rests: int = 0) -> str:
        """Why `orders` more orders and then closing everything may not fit into the limits; "" when they do.

        `legs`: how many of the orders sent may come to be in doubt. `rests`: how many of `orders` rest; each
        may have to be cancelled `CANCEL_TRIES` times, and all that has left in a minute is then to be no more
        than `RESTING_MINUTE`.
        """
        now_ms = self._now_ms()
        own = orders * PLACE_WEIGHT + rests * CANCEL_TRIES * CANCEL_WEIGHT
        try:
            if not self.executes.affords(own + unwind_weight(flatten_steps), now_ms):
                return _full("orders", self.executes, now_ms)
        except OSError as error:
            why = error.strerror or error
            return f"what other runs of this wallet use of its rate limit cannot be read: {why}"
        if not self.queries.affords(unwind_questions(legs), now_ms):
            return _full("questions", self.queries, now_ms)
        left = self.executes.spent(MINUTE_MS, now_ms)
        if rests and left + own > RESTING_MINUTE:
            return (
                f"orders that rest may use {RESTING_MINUTE} a minute of the venue's rate limit for orders:"
                f" {left} are used, and this one with its hedges and cancellations may need {own}"
            )
        return ""

    def spent(self) -> tuple[tuple[str, int, int, int], ...]:
        """Of each budget and window: name, length in ms, weight spent within it, weight allowed."""
        now_ms = self._now_ms()
        named = (("executes", self.executes), ("queries", self.queries), ("archive", self.archive))
        return tuple(
            (name, length_ms, budget.spent(length_ms, now_ms), allowed)
            for name, budget in named
            for length_ms, allowed in budget.limits
        )

    def limited_executes(self) -> None:
        """The venue refused an execute for its rate."""
        self.executes.exhaust(self._now_ms())

    def limited_queries(self) -> None:
        """The venue refused a question for its rate."""
        self.queries.exhaust(self._now_ms())


class Metering(NamedTuple):
    """Where a connection's traffic is counted: its troubles, and its weight against the rate limits, which
    all connections of one client share.
    """

    tally: TroubleTally
    weights: Weights


def _full(what: str, budget: WeightBudget, now_ms: int) -> str:
    used = ", ".join(
        f"{spent} of {allowed} in {length // 1000} s"
        for spent, (length, allowed) in zip(budget.used(now_ms), budget.limits, strict=True)
    )
    whose = " by all runs of this wallet" if budget.shared is not None else ""
    return (
        f"the venue's rate limit for {what} leaves no room for this plan and for closing everything ({used}"
        f" used{whose})"
    )
