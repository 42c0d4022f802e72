"""What a cycle cost, by cause, recomputed from its plans and trades (docs/money.md has the definitions).

Every amount that is held is revalued at the mids of each plan: what two legs hedge of each other is `hedge`,
what nothing hedges `adverse`, or `lots` while the pair is the one that was agreed. A trade pays `spread` from
the mid to the planned price, `slippage` from there to the price it got, and its fee. All in USD x18, > 0 =
gained.
"""

from collections.abc import Callable, Mapping
from typing import Any

from commands.verify.findings import ONE
from commands.verify.orders import Sum

GRAIN = 10**9
CYCLES_KEPT = 64
CAUSES = ("spread", "slippage", "adverse", "hedge", "lots", "fees", "funding", "liquidation")
AROUND_MS = 3_000
"""An event so near to the first reading of the account may be in it or not: the balances decide, and they are
not recomputed here.
"""
LEGS = ("eth", "sol")


class Costs:
    """The books of one ledger. `cycles`: by number, each cause's sum."""

    def __init__(self) -> None:
        self.cycles: dict[int, dict[str, int]] = {}
        self.sure = True
        """Is everything so far judged?"""
        self._spans: dict[int, tuple[int, int]] = {}
        self._began_ms = 0
        self._told: dict[bool, int] = {}
        self._held = dict.fromkeys(LEGS, 0)
        self._marks: dict[str, int] = {}
        self._marked_ms = 0

    def started(self) -> None:
        """A new invocation: cycles and their spans are counted anew."""
        self.cycles, self._spans = {}, {}

    def adopted(self, held: Mapping[str, int]) -> None:
        """A person has booked these amounts as ours: they count as held from here on."""
        self._held = dict(held)

    def placed(self, plan: dict[str, Any], *, paired: bool) -> None:
        """A plan's orders left: what is held is worth its mids from now on."""
        if plan["decided_ms"] < self._marked_ms:
            return
        self._marked_ms = plan["decided_ms"]
        self.cycles.setdefault(plan["cycle"], dict.fromkeys(CAUSES, 0))
        from_ms = self._spans.get(plan["cycle"], (plan["decided_ms"], 0))[0]
        self._spans[plan["cycle"]] = from_ms, 0
        mids = {leg: _grained(int(plan[leg]["mid"])) for leg in LEGS if int(plan[leg]["mid"]) > 0}
        moves = {leg: mid - self._marks[leg] for leg, mid in mids.items() if leg in self._marks}
        hedged = self._hedged()
        book = self.cycles[plan["cycle"]]
        book["hedge"] += sum(hedged[leg] * move // ONE for leg, move in moves.items())
        book["lots" if paired else "adverse"] += sum(
            (self._held[leg] - hedged[leg]) * move // ONE for leg, move in moves.items()
        )
        self._marks |= mids

    def _hedged(self) -> dict[str, int]:
        """Of each leg the amount that the other one hedges, at the marks before."""
        eth, sol = (self._held[leg] for leg in LEGS)
        if eth * sol >= 0 or len(self._marks) < len(LEGS):
            return dict.fromkeys(LEGS, 0)
        worth: Callable[[str], int] = lambda leg: abs(self._held[leg]) * self._marks[leg]  # noqa: E731
        smaller, larger = sorted(LEGS, key=worth)
        amount = _grained(worth(smaller) // self._marks[larger]) if self._marks[larger] else 0
        return {smaller: self._held[smaller], larger: amount if self._held[larger] > 0 else -amount}

    def traded(self, leg: str, plan: dict[str, Any], before: Sum, after: Sum) -> None:
        """An order's sum is now `after`: book what that adds to the costs, by cause."""
        order, amount = plan[leg], after.filled - before.filled
        mid = _grained(int(order["mid"]) or int(order["vwap"]) or int(order["limit"]))
        planned = _grained(int(order["vwap"])) or mid
        at_mid = after.filled * mid // ONE - before.filled * mid // ONE
        at_plan = after.filled * planned // ONE - before.filled * planned // ONE
        mark = self._marks.setdefault(leg, mid)
        book = self.cycles.get(plan["cycle"], {})
        for cause, change in (
            ("spread", at_mid - at_plan),
            ("slippage", at_plan + after.cash - before.cash),
            ("fees", before.fee - after.fee),
            ("adverse", amount * mark // ONE - at_mid),
        ):
            if book:
                book[cause] += change
        self._held[leg] += amount

    def ended(self, cycle: int, at_ms: int) -> None:
        """A cycle is over: what the archive tells of later moments is not its own."""
        if cycle in self._spans:
            self._spans[cycle] = self._spans[cycle][0], at_ms
        while len(self._spans) > CYCLES_KEPT:
            gone = next(iter(self._spans))
            del self._spans[gone], self.cycles[gone]

    def account(self, reading: Mapping[str, Any]) -> None:
        """A reading of the account: the books begin with the first one."""
        if not self._began_ms and reading["exists"] and reading["usdt0"] is not None:
            self._began_ms = reading["at_ms"]

    def told(self, answer: Mapping[str, Any]) -> None:
        """What the archive tells: each funding payment of our products once, by its index."""
        ours = answer["eth"], answer["sol"]
        for event in answer["events"] if self._began_ms else ():
            paid, at_ms = event["kind"] in {"funding", "interest"}, event["at_ns"] // 1_000_000
            if event["idx"] <= self._told.get(paid, -1) or event["product_id"] not in ours:
                continue
            if event["kind"] == "liquidation" or abs(at_ms - self._began_ms) <= AROUND_MS:
                self.sure = False
            cycle = next(
                (
                    number
                    for number, (from_ms, until_ms) in reversed(self._spans.items())
                    if from_ms <= at_ms + 999 and (not until_ms or at_ms <= until_ms)
                ),
                None,
            )
            if cycle is not None and event["kind"] == "funding" and at_ms > self._began_ms:
                self.cycles[cycle]["funding"] += int(event["quote"])
        for paid, through in ((False, "events_through"), (True, "payments_through")):
            self._told[paid] = max(self._told.get(paid, -1), answer[through])


def _grained(price: int) -> int:
    """A mark: cut to nine decimals."""
    return price // GRAIN * GRAIN
