"""Where the money went: every change of the account's balances is booked under the name of what made it
(docs/money.md).

The balances are USDT0 and the quote balance (`v_quote`) of each perp. `expected` says what each of them must
be: what the first reading said, plus everything booked since. A reading of the account that says otherwise
leaves a gap, which is never booked as anything:

    trades of ours    fills and fees, told by the stream or the archive            -> spread, slippage, fees,
                      and a position
    positions         revalued at the mids of every plan                            -> adverse, hedge, lots
    the archive       `events` and `interest_and_funding`, each entry once by index -> funding, deposits,
                      withdrawals, transfers, settlements, ...
    a gap             what is left: for a short time it may be something that the archive has not told yet,
                      then it is an alarm

Marks have nine decimals and amounts are on the size step, so every product of the two is a whole number of
10**-18 USD, and the terms add up exactly whatever the order in which events are heard.
"""

from collections.abc import Mapping

import msgspec

from actors.ledger.tally import OrderTotals, grained, reference, worth
from messages.execution import AccountSnapshot, Fill
from messages.lifecycle import Alarm
from messages.money import CycleMoney, MoneyAsk, MoneyEvent, MoneyKind, MoneyRead, Statement, Term
from messages.sizing import LEGS, Leg, SizingPlan
from messages.units import ONE, Ms, Quote, notional

USDT0 = 0
TRADING: tuple[Term, ...] = (
    "spread",
    "slippage",
    "adverse",
    "hedge",
    "lots",
    "fees",
    "funding",
    "liquidation",
)
FLOWS: tuple[Term, ...] = (
    "deposits",
    "withdrawals",
    "transfers",
    "isolated",
    "settlements",
    "third_party",
    "interest",
    "other",
)
MOVED: tuple[Term, ...] = ("deposits", "withdrawals", "transfers", "isolated")
"""Flows that change the account's value and are nobody's gain or loss."""
BOOKED_AS: dict[MoneyKind, Term] = {
    "deposit": "deposits",
    "withdrawal": "withdrawals",
    "transfer": "transfers",
    "settlement": "settlements",
    "liquidation": "liquidation",
    "isolated": "isolated",
    "funding": "funding",
    "interest": "interest",
    "other": "other",
}
WAIT_MS = 3_000
"""A gap is an alarm when it is this old and the archive was read after that: it lags by 100 to 200 ms."""
SILENT_MS = 60_000
"""When it is this old, whether or not the archive answers."""
PROVISIONAL_MS = 120_000
"""How long funding may be known by the venue's index alone."""
AROUND_MS = 3_000
"""How long after its moment the first reading may have been taken, at most: an event of that time may
stand on either side of it.
"""
CYCLES_KEPT = 64
UNEXPLAINED, NOT_TOLD = "MONEY_UNEXPLAINED", "FUNDING_NOT_TOLD"


class CycleBook(msgspec.Struct):
    """What the events between a cycle's entry and its end have moved, by term, USD x18."""

    terms: dict[Term, int] = msgspec.field(default_factory=dict)
    from_ms: int = 0
    until_ms: int = 0
    """0 while it is under way."""
    gap_before: int = 0
    gap_after: int = 0


class Money(msgspec.Struct):
    """The books. Amounts in USD x18, > 0 = received or gained."""

    products: dict[Leg, int] = msgspec.field(default_factory=dict)
    expected: dict[int, int] = msgspec.field(default_factory=dict)
    """By product, 0 = USDT0: what each balance must be. Empty until the account has been read."""
    began_ms: int = 0
    """Of the reading that it begins with."""
    sides: dict[int, bool] = msgspec.field(default_factory=dict)
    """Around that moment: is the event of this index later than the reading?"""
    booked: dict[int, int] = msgspec.field(default_factory=dict)
    """By product, since `Started`."""
    terms: dict[Term, int] = msgspec.field(default_factory=dict)
    """Since `Started`."""
    settled: int = 0
    moved: int = 0
    """Deposits, withdrawals, transfers and isolated margin since the ledger began: no limit counts them."""
    held: dict[Leg, int] = msgspec.field(default_factory=lambda: {"eth": 0, "sol": 0})
    """By our fills, what was adopted, and what a liquidator took."""
    marks: dict[Leg, int] = msgspec.field(default_factory=dict)
    """What a unit was worth last; a leg that is not in it has no mark yet."""
    marked_ms: int = 0
    """Of the plan whose mids they are."""
    cycles: dict[int, CycleBook] = msgspec.field(default_factory=dict)
    value_at_start: int = 0
    gaps_at_start: dict[int, int] = msgspec.field(default_factory=dict)
    """What an earlier invocation had given the alarm for already."""
    # -- what the venue says ---------------------------------------------------------------------------------
    events_after: int | None = None
    payments_after: int | None = None
    read_ms: int = 0
    judged_ms: int = 0
    exact_ms: int = 0
    """Of the last reading that everything explained."""
    gaps: dict[int, int] = msgspec.field(default_factory=dict)
    """By product: what the last reading had beyond what is expected, provisional funding apart."""
    gaps_since: int = 0
    alarmed: dict[int, int] = msgspec.field(default_factory=dict)
    provisional: dict[int, int] = msgspec.field(default_factory=dict)
    """By product: funding by the index."""
    provisional_since: int = 0
    indexed: dict[int, tuple[int, int]] = msgspec.field(default_factory=dict)
    """By product: the funding index and the amount held at the last reading without a gap; gone once
    something trades.
    """
    others: dict[int, tuple[int, int]] = msgspec.field(default_factory=dict)
    """Amount and quote balance of products that are not ours, at the last reading without a gap."""
    payments: int = 0
    """How many were booked: the venue may round each by 10**-18 USD."""
    hinted: bool = False
    """The account's stream spoke of money: the archive is to be asked."""

    # -- trades ----------------------------------------------------------------------------------------------

    def started(self) -> None:
        """A new invocation: its terms begin again, what is expected goes on."""
        self.terms, self.settled, self.cycles, self.booked = {}, 0, {}, {}
        self.value_at_start = self._value()
        self.gaps_at_start = dict(self.gaps) if self.gaps == self.alarmed else {}

    def placed(self, plan: SizingPlan, *, paired: bool) -> None:
        """A plan's orders may be on the wire: what is held is revalued at its mids. `paired`: it is the
        balanced pair of the cycle.
        """
        if int(plan.decided_ms) < self.marked_ms:
            return
        self.marked_ms = int(plan.decided_ms)
        book = self.cycles.setdefault(
            plan.cycle, CycleBook(from_ms=int(plan.decided_ms), gap_before=sum(self.gaps.values()))
        )
        while len(self.cycles) > CYCLES_KEPT:
            del self.cycles[next(iter(self.cycles))]
        book.until_ms = 0
        mids = {leg: grained(plan.leg(leg).mid) for leg in LEGS if plan.leg(leg).mid > 0}
        for term, amount in self._moves(mids, paired=paired).items():
            self._add(term, amount, plan.cycle)
        self._mark(mids)

    def _mark(self, marks: Mapping[Leg, int]) -> None:
        for leg, mark in marks.items():
            if leg not in self.marks:
                # what was held before anybody could say its price came in at this one
                self.value_at_start += worth(self.held[leg], mark)
            self.marks[leg] = mark

    def _moves(self, marks: Mapping[Leg, int], *, paired: bool) -> dict[Term, int]:
        """What the change to `marks` does to what is held."""
        moves = {leg: mark - self.marks[leg] for leg, mark in marks.items() if leg in self.marks}
        matched = self._matched()
        hedge = sum(worth(matched[leg], move) for leg, move in moves.items())
        rest = sum(worth(self.held[leg] - matched[leg], move) for leg, move in moves.items())
        return {"hedge": hedge, ("lots" if paired else "adverse"): rest}

    def _matched(self) -> dict[Leg, int]:
        """Of each leg the signed amount that the other one hedges at the last marks, cut to nine decimals."""
        eth, sol = self.held["eth"], self.held["sol"]
        if eth * sol >= 0 or len(self.marks) < len(LEGS):
            return {"eth": 0, "sol": 0}
        worths = {leg: abs(self.held[leg]) * self.marks[leg] for leg in LEGS}
        smaller, larger = sorted(LEGS, key=worths.__getitem__)
        amount = grained(worths[smaller] // self.marks[larger]) if self.marks[larger] else 0
        return {smaller: self.held[smaller], larger: amount if self.held[larger] > 0 else -amount}

    def traded(
        self, leg: Leg, product_id: int, plan: SizingPlan, before: OrderTotals, after: OrderTotals
    ) -> None:
        """An order's share of the sums has changed; its plan was `placed` before."""
        amount, cash, fees = after.filled - before.filled, after.cash - before.cash, after.fees - before.fees
        at_mid, at_plan = after.at_mid - before.at_mid, after.at_plan - before.at_plan
        if not (amount or cash or fees):
            return
        if leg not in self.marks:
            self._mark({leg: reference(plan.leg(leg))})
        self._add("spread", at_mid - at_plan, plan.cycle)
        self._add("slippage", at_plan + cash, plan.cycle)
        self._add("fees", -fees, plan.cycle)
        # News of an order whose plan is not the last one: its amount was held unknown while the mids moved.
        self._add("adverse", worth(amount, self.marks[leg]) - at_mid, plan.cycle)
        self.held[leg] += amount
        self._expect(product_id, cash - fees)

    def third_party(self, fill: Fill) -> None:
        """A trade on this account that is not ours, on cross margin."""
        quote = int(notional(fill.price, fill.amount))
        cash = (-quote if fill.amount > 0 else quote) - int(fill.fee)
        if self._leg(fill.product_id) is not None:
            self._add("third_party", cash)
            self._expect(fill.product_id, cash)

    def adopted(self, position: Mapping[Leg, int]) -> None:
        """A person says that all of `position` is ours: what is new of it comes in at the last mark, or at
        the next one.
        """
        for leg, amount in position.items():
            if leg in self.marks:
                self.value_at_start += worth(amount - self.held[leg], self.marks[leg])
            self.held[leg] = amount

    def cycle_ended(self, number: int, at_ms: int) -> None:
        """Cycle `number` ended at venue time `at_ms`: later entries of the archive are not its own."""
        if number in self.cycles:
            self.cycles[number].until_ms = at_ms
            self.cycles[number].gap_after = sum(self.gaps.values())

    def _add(self, term: Term, amount: int, cycle: int | None = None) -> None:
        if not amount:
            return
        self.terms[term] = self.terms.get(term, 0) + amount
        if cycle in self.cycles:
            terms = self.cycles[cycle].terms
            terms[term] = terms.get(term, 0) + amount

    def _expect(self, product_id: int, amount: int) -> None:
        self.booked[product_id] = self.booked.get(product_id, 0) + amount
        self.indexed.pop(product_id, None)
        if self.expected:
            self.expected[product_id] = self.expected.get(product_id, 0) + amount

    # -- what the archive tells ------------------------------------------------------------------------------

    def read(self, answer: MoneyRead) -> list[MoneyEvent]:
        """The archive's answer: each entry is booked once, whatever was asked twice. What was booked now."""
        booked = list[MoneyEvent]()
        self.products = {"eth": answer.eth, "sol": answer.sol}
        self.read_ms, self.hinted = max(self.read_ms, int(answer.asked_ms)), False
        # before there is anything to explain, all of it is in the reading that will begin it
        for event in answer.events if self.expected else ():
            paid = event.kind in {"funding", "interest"}  # the archive numbers these apart
            after = self.payments_after if paid else self.events_after
            if event.idx > (-1 if after is None else after) and self._later(event):
                self.book(event)
                booked.append(event)
        self.events_after = max(self.events_after or -1, answer.events_through)
        self.payments_after = max(self.payments_after or -1, answer.payments_through)
        return booked

    def _later(self, event: MoneyEvent) -> bool:
        """Is it later than the reading that the books begin with?

        Around that moment the balance tells: the one before the event is nearer to what is expected, or the
        one after it.
        """
        at_ms = event.at_ns // 1_000_000
        if at_ms > self.began_ms + AROUND_MS or event.after is None:
            return at_ms > self.began_ms
        if event.idx not in self.sides:
            expected = self.expected.get(event.product_id, 0)
            self.sides[event.idx] = abs(event.after - event.quote - expected) <= abs(event.after - expected)
        return self.sides[event.idx]

    def book(self, event: MoneyEvent) -> None:
        """Book one entry of the archive under its term; of products that are not ours, nothing."""
        leg, term = self._leg(event.product_id), BOOKED_AS[event.kind]
        if leg is None and event.product_id != USDT0:
            return
        at_ms, quote = event.at_ns // 1_000_000, int(event.quote)
        # the newest cycle that was under way in the second of the event
        cycle = next(
            (
                number
                for number, book in reversed(self.cycles.items())
                if book.from_ms <= at_ms + 999 and (not book.until_ms or at_ms <= book.until_ms)
            ),
            None,
        )
        self.moved += quote if term in MOVED else 0
        self.settled += quote if event.kind == "settlement" and event.product_id == USDT0 else 0
        self.payments += event.kind == "funding"
        if leg is not None and event.base:
            quote = self._taken_over(leg, int(event.base), quote, cycle)
        self._add(term, quote, cycle)
        index = self.indexed.get(event.product_id)
        self._expect(event.product_id, int(event.quote))
        if event.kind != "liquidation" and index is not None:
            self.indexed[event.product_id] = index
        if event.product_id in self.gaps:
            self.gaps[event.product_id] -= int(event.quote)
            if not self.gaps[event.product_id]:
                del self.gaps[event.product_id]
        if event.kind == "funding":
            self.provisional.pop(event.product_id, None)

    def _taken_over(self, leg: Leg, base: int, quote: int, cycle: int | None) -> int:
        """A liquidator took `base` (signed change) for `quote`; what that cost against the mark. More than
        this run held is a third party's.
        """
        held = self.held[leg]
        ours = max(-abs(held), min(abs(held), base)) if base * held < 0 else 0
        share = quote * ours // base
        self._add("third_party", quote - share, cycle)
        self.held[leg] += ours
        if leg not in self.marks:
            self.value_at_start += share  # what was held came in at the only price there is
            return 0
        return share + worth(ours, self.marks[leg])

    def _leg(self, product_id: int) -> Leg | None:
        return next((leg for leg, known in self.products.items() if known == product_id), None)

    # -- what the account says -------------------------------------------------------------------------------

    def seen(self, snapshot: AccountSnapshot, *, asking: bool) -> Alarm | None:
        """A reading that knows of everything we did. An alarm when money stays unexplained.

        `asking`: the archive is still being asked about prices and fees of our orders, which takes longer
        than what else it tells.
        """
        if (
            not snapshot.exists
            or snapshot.usdt0 is None
            or any(each.quote_unread for each in snapshot.positions)
        ):
            return None
        for leg, product in self.products.items():  # a leg without a mark yet gets the venue's oracle price
            oracle = snapshot.position(product).oracle
            if leg not in self.marks and oracle and self.held[leg]:
                self._mark({leg: grained(oracle)})
        if not self.expected:
            self.expected = {USDT0: int(snapshot.usdt0)} | {
                each.product_id: int(each.v_quote) for each in snapshot.positions
            }
            self.began_ms = int(snapshot.at_ms)
        if not self._readable(snapshot):
            return None
        now_ms = self.judged_ms = int(snapshot.at_ms)
        gaps = self.differences(snapshot)
        provisional = self._by_index(snapshot, gaps)
        for product, amount in provisional.items():
            gaps[product] -= amount
        gaps = {product: gap for product, gap in gaps.items() if gap}
        if gaps != self.gaps:
            self.gaps, self.gaps_since = gaps, now_ms
        if provisional and not self.provisional:
            self.provisional_since = now_ms
        self.provisional = provisional
        self._remember(snapshot)
        return self._alarm(now_ms, asking=asking)

    def _readable(self, snapshot: AccountSnapshot) -> bool:
        ours = [snapshot.position(product) for product in self.products.values()]
        return (
            snapshot.exists
            and snapshot.usdt0 is not None
            and bool(ours and self.expected)
            and not any(each.quote_unread for each in ours)
        )

    def differences(self, snapshot: AccountSnapshot) -> dict[int, int]:
        """By product: what a reading has beyond what is expected, where that is anything."""
        if not self._readable(snapshot):
            return {}
        balances = {USDT0: int(snapshot.usdt0 or 0)} | {
            product: int(snapshot.position(product).v_quote) for product in self.products.values()
        }
        gaps = {product: balance - self.expected.get(product, 0) for product, balance in balances.items()}
        return {product: gap for product, gap in gaps.items() if gap}

    def _by_index(self, snapshot: AccountSnapshot, gaps: Mapping[int, int]) -> dict[int, int]:
        """Funding by the venue's own index, where nothing was traded since the last reading without a gap
        and it is what the gap is.
        """
        found: dict[int, int] = {}
        for product, gap in gaps.items():
            position = snapshot.position(product)
            index, amount = self.indexed.get(product, (None, 0))
            if index is None or position.funding_index is None or position.cross != amount:
                continue
            paid = -_product(position.funding_index - index, amount)
            if paid and abs(gap - paid) <= 1:  # the venue rounds each payment once
                found[product] = paid
        return found

    def _remember(self, snapshot: AccountSnapshot) -> None:
        if self.gaps or self.provisional:
            return
        self.exact_ms, self.alarmed, self.gaps_at_start = int(snapshot.at_ms), {}, {}
        ours = set(self.products.values())
        for product in ours:
            position = snapshot.position(product)
            if position.funding_index is not None:
                self.indexed[product] = position.funding_index, int(position.cross)
        self.others = {
            each.product_id: (int(each.cross), int(each.v_quote))
            for each in snapshot.positions
            if each.product_id not in ours
        }

    def _alarm(self, now_ms: int, *, asking: bool) -> Alarm | None:
        age = now_ms - self.gaps_since
        # the venue rounds each payment once: so much is nothing
        rounding = self.payments + len(self.provisional)
        asked = self.read_ms >= self.gaps_since + WAIT_MS and not asking
        if (
            self.gaps
            and self.gaps != self.alarmed
            and any(abs(gap) > rounding for gap in self.gaps.values())
            and ((asked and age >= WAIT_MS) or age >= SILENT_MS)
        ):
            self.alarmed = dict(self.gaps)
            return Alarm(UNEXPLAINED, self.words, Ms(self.gaps_since))
        if (
            self.provisional
            and now_ms >= self.provisional_since + PROVISIONAL_MS
            and self.alarmed != self.provisional
        ):
            self.alarmed = dict(self.provisional)
            return Alarm(NOT_TOLD, self.words, Ms(self.provisional_since))
        return None

    def has_news(self, snapshot: AccountSnapshot) -> bool:
        """Does a reading say something of the balances that the last one did not, or is one waited for?"""
        if self.events_after is None:
            return False
        known = {
            product: self.gaps.get(product, 0) + self.provisional.get(product, 0)
            for product in (*self.gaps, *self.provisional)
        }
        return self._waiting or self.differences(snapshot) != known

    @property
    def _waiting(self) -> bool:
        """Is there money that nothing explains, and no alarm yet?"""
        return bool(self.gaps or self.provisional) and (self.gaps or self.provisional) != self.alarmed

    @property
    def ask(self) -> MoneyAsk:
        """Where the archive is to be asked from, and whether now."""
        due = self.events_after is None or self.hinted or self._waiting
        return MoneyAsk(due, self.events_after, self.payments_after)

    def adjusted(self, snapshot: AccountSnapshot) -> int | None:
        """The account's value without what was moved in or out, for the limits.

        Money that came or went and that nothing explains yet is left out as long as it gives no alarm; then
        it counts.
        """
        if snapshot.value is None:
            return None
        return int(snapshot.value) - self.moved - self._pending(snapshot)

    def _pending(self, snapshot: AccountSnapshot) -> int:
        gaps = self.differences(snapshot)
        if not gaps or gaps == self.alarmed:
            return 0
        if any(snapshot.position(product).cross != self.held[leg] for leg, product in self.products.items()):
            return 0  # a trade that is not booked yet moves a position too, and the account's value has both
        others = 0
        for product, (amount, quote) in self.others.items():
            position = snapshot.position(product)
            if position.cross != amount:
                return 0
            others += int(position.v_quote) - quote
        return sum(gaps.values()) - sum(self._by_index(snapshot, gaps).values()) + others

    # -- the statement ---------------------------------------------------------------------------------------

    def _value(self) -> int:
        return sum(worth(self.held[leg], mark) for leg, mark in self.marks.items())

    @property
    def words(self) -> str:
        """What is not explained, when it came, and what was read."""
        parts = [f"{Quote(gap).text()} USD in {self._name(product)}" for product, gap in self.gaps.items()]
        told = [
            f"{Quote(paid).text()} USD of {self._name(product)} by the funding index"
            for product, paid in self.provisional.items()
        ]
        if not (parts or told):
            return ""
        when = f"between {_clock(self.exact_ms)} and {_clock(self.judged_ms)}"
        archive = (
            f"the archive at {_clock(self.read_ms)} through event {self.events_after} and payment"
            f" {self.payments_after}"
        )
        what = [
            *([f"unexplained: {', '.join(parts)}"] if parts else []),
            *([f"not told by the archive: {', '.join(told)}"] if told else []),
        ]
        return f"{'; '.join(what)}; {when}; read: the account at {_clock(self.judged_ms)}, {archive}"

    def _name(self, product: int) -> str:
        leg = self._leg(product)
        return "USDT0" if leg is None else f"{leg.upper()}-PERP"

    def statement(
        self, prices: Mapping[Leg, int], *, paired: bool, complete: bool, cycles: bool = True
    ) -> Statement:
        """The money of the invocation at `prices` (oracle prices; where there is none, the last marks).

        `complete`: no order's price or fee is an estimate. `cycles`: with the last cycles' shares, which cost
        more than all the rest.
        """
        marks = {leg: grained(price) for leg, price in prices.items() if self.held[leg] and price}
        terms: dict[Term, int] = dict(self.terms)
        for term, amount in self._moves(marks, paired=paired).items():
            terms[term] = terms.get(term, 0) + amount
        provisional = sum(self.provisional.values())
        terms["funding"] = terms.get("funding", 0) + provisional
        valued = self.marks | marks
        known = complete and all(leg in valued for leg in LEGS if self.held[leg])
        before = self.value_at_start + sum(
            worth(self.held[leg], mark) for leg, mark in marks.items() if leg not in self.marks
        )
        value_change = sum(worth(self.held[leg], mark) for leg, mark in valued.items()) - before
        ours = (USDT0, *self.products.values())
        gaps = {product: self.gaps.get(product, 0) - self.gaps_at_start.get(product, 0) for product in ours}
        read = bool(self.judged_ms and self.products)
        balance = (
            sum(self.expected.get(product, 0) + self.gaps.get(product, 0) for product in ours) + provisional
            if read
            else None
        )
        change = (
            sum(self.booked.get(product, 0) + gaps[product] for product in ours) + provisional
            if read
            else None
        )
        residual = None if change is None else change + value_change - sum(terms.values())
        unread = residual is None
        waiting = not complete or (bool(self.gaps) and self.gaps != self.alarmed) or bool(self.provisional)
        state = (
            "unread"
            if unread
            else "provisional"
            if waiting
            else "unexplained"
            if any(gaps.values())
            else "exact"
        )
        why = {"unread": "the archive or the account has not been read", "exact": ""}.get(state, self.words)
        shown = {term: Quote(terms.get(term, 0)) for term in (*TRADING, *FLOWS)}
        usdt0, eth, sol = (
            None if unread else Quote(gaps.get(product, 0))
            for product in (USDT0, *(self.products.get(leg, -1) for leg in LEGS))
        )
        return Statement(
            **shown,
            net=Quote(sum(terms.get(term, 0) for term in TRADING)) if known else None,
            settled=Quote(self.settled),
            funding_provisional=Quote(provisional),
            balance=None if balance is None else Quote(balance),
            balance_change=None if change is None else Quote(change),
            value_change=Quote(value_change),
            residual=None if residual is None else Quote(residual),
            residual_usdt0=usdt0,
            residual_eth=eth,
            residual_sol=sol,
            state=state,  # type: ignore[arg-type]
            words=why or ("the price of an order is an estimate" if not complete else ""),
            read_ms=Ms(self.read_ms),
            judged_ms=Ms(self.judged_ms),
            cycles=tuple(self.share_of(number, book) for number, book in self.cycles.items() if cycles),
        )

    def share_of(self, number: int, book: CycleBook) -> CycleMoney:
        """What cycle `number` has in this invocation's money, by its `book`, which may be one that is kept
        no more.
        """
        shown = {term: Quote(book.terms.get(term, 0)) for term in TRADING}
        net, flows = (sum(book.terms.get(term, 0) for term in terms) for terms in (TRADING, FLOWS))
        after = book.gap_after if book.until_ms else sum(self.gaps.values())
        return CycleMoney(
            cycle=number, **shown, net=Quote(net), flows=Quote(flows), residual=Quote(after - book.gap_before)
        )


def _product(left: int, right: int) -> int:
    """Of two x18 numbers, rounded toward zero as the venue does."""
    magnitude = abs(left * right) // ONE
    return magnitude if (left < 0) == (right < 0) else -magnitude


def _clock(at_ms: int) -> str:
    """HH:MM:SS of a moment, UTC; `never` for none."""
    seconds = at_ms // 1000 % 86_400
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}Z" if at_ms else "never"
