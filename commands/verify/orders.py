"""One order, recomputed from the rows that name its digest.

Fills add up, one by what was left after it. What RESOLVE found out replaces them where it says more. An order
of which something was said that does not fit it is `odd`: what the ledger then booked rests on questions to
the archive, and its price and fee are not judged here.
"""

from typing import Any, NamedTuple

import msgspec

from commands.verify.findings import ONE

ENTRY_TIER, ENTRY_MAKER_TIER = 35 * ONE // 100_000, ONE // 10_000
BETTER_BPS = 2_000
ROUNDING = 10**9
CLOCK_MS = 2_000
TOLD_KEPT = 256
LATE = "engine position, late"


class Sum(NamedTuple):
    """Signed amount, unsigned notional and fee of some trades, x18."""

    filled: int = 0
    quote: int = 0
    fee: int = 0

    def plus(self, other: "Sum") -> "Sum":
        """Both together: of two orders, or of two pieces of one."""
        return Sum(self.filled + other.filled, self.quote + other.quote, self.fee + other.fee)

    @property
    def vwap(self) -> int:
        """Average price, rounded down; 0 for nothing."""
        return self.quote * ONE // abs(self.filled) if self.filled else 0

    @property
    def cash(self) -> int:
        """Before fees: > 0 for a sale."""
        return -self.quote if self.filled > 0 else self.quote


class OrderTrade(NamedTuple):
    """A piece, at the exchange's time."""

    at_ns: int
    leg: str
    amount: int
    price: int


class AuditedCharges(NamedTuple):
    """The account's taker rate and the notional that is charged at least, x18; what an order that rests pays
    is `maker`, None where nobody says.
    """

    rate: int
    least: int
    maker: int | None = None


class AuditedOrder(msgspec.Struct, eq=False):
    """One leg of one plan. `plan` and `asked` are the messages as they stand in the row."""

    leg: str
    plan: dict[str, Any]
    digest: str
    before: int
    """What was held when the plan was sealed."""
    pieces: dict[int, dict[str, Any]] = {}
    resolved: dict[str, Any] | None = None
    resolved_ns: int = 0
    outcome: str = "unknown"
    code: int | None = None
    of_plan: str = ""
    """The plan's digest."""
    signer: str = ""
    """Whose key was to sign it; "" when nobody says."""
    told: list[dict[str, Any]] = []
    """Every fill that a row tells of it, also one that does not fit."""
    answered: bool = False
    """Has the leg said what became of it?"""
    left: int | None = None
    cancelled: bool = False
    ended: bool = False
    seen: bool = False
    """Of an order that rests: has the exchange told that it arrived?"""
    unfilled: int | None = None
    """What had not traded when it was cancelled, as the answer to that says."""
    gone_ms: int = 0
    """When the exchange said that it does not rest, where it had taken it."""
    misfit: bool = False
    amount: int = 0
    """Signed, as the plan asks."""
    pieced: Sum = Sum()
    """What its pieces come to."""

    def __post_init__(self) -> None:
        self.amount = int(self.asked["amount"])

    @property
    def asked(self) -> dict[str, Any]:
        """The order as the plan has it."""
        asked: dict[str, Any] = self.plan[self.leg]
        return asked

    @property
    def increases(self) -> bool:
        """Can it make a position larger?"""
        return self.amount != 0 and not self.asked["reduce_only"]

    @property
    def quote(self) -> dict[str, Any] | None:
        """The terms of an order that rests."""
        return self.plan.get("quote") if self.amount else None

    @property
    def opens(self) -> bool:
        """Does it open the pair, or complete it?"""
        return self.increases and (self.quote is None or self.quote["opens"])

    @property
    def last_trade_ms(self) -> int:
        """When it can trade last."""
        rests_ms = 0 if self.quote is None else self.quote["rest"]
        return self.gone_ms or int(self.plan["recv_time_ms"] + rests_ms)

    @property
    def acknowledged(self) -> bool:
        """Has the exchange taken it, as far as it has said?"""
        return self.answer == "accepted" or self.seen

    @property
    def plan_id(self) -> tuple[int, int]:
        """Epoch and number of its plan."""
        return self.plan["epoch"], self.plan["seq"]

    def take_outcome(self, outcome: dict[str, Any]) -> None:
        """What the leg heard; the first definite answer stands."""
        self.answered = True
        if self.outcome == "unknown":
            self.outcome, self.code = outcome["kind"], outcome["code"]
        self._judge()

    def take_fill(self, fill: dict[str, Any], charges: AuditedCharges | None) -> None:
        """A piece, unless it was told before or does not fit."""
        self.told = [*self.told[1 - TOLD_KEPT :], fill]
        if not self._fits(fill, charges):
            self.misfit = True
            return
        left, amount, price = (int(fill[name]) for name in ("remaining", "amount", "price"))
        if left not in self.pieces:
            self.pieces[left] = fill
            self.pieced = self.pieced.plus(Sum(amount, abs(amount * price) // ONE, int(fill["fee"])))
        self._judge()

    def take_update(self, update: dict[str, Any]) -> None:
        """Something changed; only with what had traded does a cancellation end it."""
        least, rests = 1 if update["reason"] == "filled" else 0, self.quote is not None
        left = int(update["remaining"])
        if update["product_id"] != self.asked["product_id"] or not 0 <= left <= abs(self.amount) - least:
            return
        if update["reason"] == "filled":
            self.left = left if self.left is None else min(self.left, left)
        self.cancelled = self.cancelled or update["reason"] == "cancelled"
        self.seen = self.seen or rests
        self._judge()

    def take_cancel(self, answer: dict[str, Any]) -> None:
        """What the exchange said to the cancellation of an order that rests."""
        left, gone = answer["unfilled"], answer["gone"]
        if self.quote is None or self.ended:
            return
        if left is not None and not 0 <= int(left) <= abs(self.amount) - abs(self.total.filled):
            left, gone = None, True
        if left is not None:
            self.seen = gone = True
            self.unfilled = int(left) if self.unfilled is None else self.unfilled
        if gone and self.acknowledged:
            self.gone_ms = self.gone_ms or answer["at_ms"]
        self._judge()

    def take_resolved(self, answer: dict[str, Any], at_ns: int) -> None:
        """RESOLVE's word on all of it. A presence replaces an absence, never the other way round."""
        filled, provisional = int(answer["filled"]), answer["provisional"]
        if filled and ((filled > 0) != (self.amount > 0) or abs(filled) > abs(self.amount)):
            self.misfit = True
            return
        may_trade = self.quote is not None and at_ns // 1_000_000 <= self.last_trade_ms
        if may_trade and not self.ended and abs(filled) < abs(self.amount):
            return
        of_record, now = bool(filled) and not provisional, self.total
        more = of_record and abs(filled) > abs(now.filled)
        estimated = self.resolved is not None and self.resolved["provisional"]
        absent = self.resolved is not None and self.resolved["by_absence"] and not now.filled
        if self.ended and not (estimated or absent or more):
            other = Sum(filled, int(answer["quote"]), int(answer["fee"]))
            self.misfit = self.misfit or (of_record and other != now)
            return
        if self.ended and (not filled or (provisional and not (absent and answer["source"] == LATE))):
            return
        if abs(filled) >= abs(self.pieced.filled):
            self.resolved, self.resolved_ns, self.ended = answer, at_ns, True
        else:
            self.ended = self.ended or not provisional

    def _judge(self) -> None:
        traded, whole = abs(self.pieced.filled), abs(self.amount)
        never = self.outcome in {"refused", "none"} and not self.pieces
        left = self.left if self.cancelled else None
        left = left if self.quote is None else self.unfilled
        all_told = left is not None and traded == whole - left
        self.ended = self.ended or never or traded == whole or all_told

    def _fits(self, fill: dict[str, Any], charges: AuditedCharges | None) -> bool:
        """Does a fill fit what was signed? Told again, it must be the same."""
        amount, left, price, fee = (int(fill[name]) for name in ("amount", "remaining", "price", "fee"))
        known, whole, limit = self.pieces.get(left), abs(self.amount), int(self.asked["limit"])
        if known is not None:
            return all(known[name] == fill[name] for name in ("amount", "product_id", "price", "fee"))
        beyond = price - limit if amount > 0 else limit - price
        at_ms, before = fill["at_ns"] // 1_000_000, whole - left - abs(amount)
        rests = self.asked["kind"] == "post_only"
        last_ms = self.plan["recv_time_ms"] + (self.quote["rest"] if self.quote is not None else 0)
        shared = any(
            other < left + abs(amount) and left < other + abs(int(piece["amount"]))
            for other, piece in self.pieces.items()
        )
        return (
            fill["product_id"] == self.asked["product_id"]
            and int(fill["original"]) == whole
            and amount != 0
            and (amount > 0) == (self.amount > 0)
            and left >= 0
            and before >= 0
            and not shared
            and beyond <= limit // ROUNDING + 1
            and (-beyond <= limit // ROUNDING + 1 if rests else -beyond * 10_000 <= limit * BETTER_BPS)
            and fill["is_taker"] != rests
            and self.plan["decided_ms"] - CLOCK_MS <= at_ms <= last_ms + CLOCK_MS
            and _likely(fee, abs(price * amount) // ONE, price * before // ONE, charges, rests=rests)
        )

    @property
    def by_answer(self) -> bool:
        """Do its numbers come from RESOLVE and not from its fills?"""
        if self.resolved is None:
            return False
        pieced, answered = abs(self.pieced.filled), abs(int(self.resolved["filled"]))
        return pieced <= answered and not (
            self.resolved["provisional"] and self.pieces and pieced == answered
        )

    @property
    def total(self) -> Sum:
        """What it has done, as far as it is known by now."""
        answer = self.resolved
        if answer is None or not self.by_answer:
            return self.pieced
        return Sum(int(answer["filled"]), int(answer["quote"]), int(answer["fee"]))

    @property
    def odd(self) -> bool:
        """Are its price and fee not judged here?"""
        estimated = self.by_answer and self.resolved is not None and self.resolved["provisional"]
        return self.misfit or estimated

    @property
    def source(self) -> str:
        """Whose numbers these are: `fills`, or the source that an answer to RESOLVE names."""
        return str(self.resolved["source"]) if self.resolved is not None and self.by_answer else "fills"

    @property
    def answer(self) -> str:
        """What the exchange answered, as a closed plan names it."""
        if self.amount == 0:
            return "none"
        return self.outcome if self.outcome != "unknown" or not self.total.filled else "accepted"

    @property
    def trades(self) -> list[OrderTrade]:
        """Its pieces; one at the time of the answer where only that is known."""
        total = self.total
        if self.by_answer and total.filled != self.pieced.filled:
            return [OrderTrade(self.resolved_ns, self.leg, total.filled, total.vwap)] if total.filled else []
        return [
            OrderTrade(piece["at_ns"], self.leg, int(piece["amount"]), int(piece["price"]))
            for piece in self.pieces.values()
        ]


def _likely(fee: int, quote: int, before: int, charges: AuditedCharges | None, *, rests: bool) -> bool:
    """Can it be the fee of a piece of `quote` USD, of an order that had traded for `before`?"""
    if charges is not None and rests:
        charges = None if charges.maker is None else AuditedCharges(charges.maker, 0)
    if charges is None:
        return abs(fee) <= quote // 100 + ONE
    free = max(0, charges.least - before) if before else 0
    beyond = charges.rate * max(0, quote - 2 * free) // ONE
    low = beyond // 2 if beyond >= 0 else beyond * 2  # a rebate may be larger, by the same factor
    entry = ENTRY_MAKER_TIER if rests else ENTRY_TIER
    high = max(charges.rate, entry) * (quote + charges.least) // ONE * 2
    return low - ROUNDING <= fee <= high + ROUNDING
