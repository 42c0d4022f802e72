"""Plans, positions, cycles and their figures, recomputed from the rows of a ledger one after the other.

    Sealed                 its digest is that of the plan's bytes
    Ready, Place           all name the same plan and the same two orders; the orders' digests are EIP-712
                           digests over what the plan says
    Fill, Resolved, ...    what each order did
    PlanClosed             says of both orders what their rows come to; the order of a quote goes on if it has
                           no ending
    CancelAnswer           what became of the cancellation of an order that rests
    QuoteEnded             says of it what its rows come to, and by its rows it has an ending
    PairSettled            what is held is the pair from now on
    CycleEnded             both legs are flat again; the unhedged USD x seconds are those of the trades
    FoldSnapshot           holds the position that the rows come to

What rests on numbers that the exchange told wrongly (`AuditedOrder.odd`) is counted in `unjudged`.
"""

import json
from collections.abc import Callable, Iterable
from fractions import Fraction
from hashlib import blake2b
from math import ceil, floor
from typing import Any

import msgspec

from commands.verify.costs import LEGS, Costs
from commands.verify.findings import ONE, DoesNotHold, must
from commands.verify.orders import AuditedCharges, AuditedOrder, OrderTrade, Sum
from commands.verify.rows import LedgerRow
from venue.nado.signing import typed_digest

ORDER = "Order(bytes32 sender,int128 priceX18,int128 amount,uint64 expiration,uint64 nonce,uint128 appendix)"
KINDS = ("default", "ioc", "fok", "post_only")
REMEMBERED = 4_096
"""Orders whose late rows are still recognised."""
NS = 1_000_000_000
FLAT = (0, 0)
Pair = tuple[int, int]


FORM = "evenkeel.ledger/2"
"""Of the rows that this version writes."""


class AuditedFlight(msgspec.Struct, eq=False):
    """A sealed plan and its two orders, ETH first."""

    row: int
    """Of its `Sealed`."""
    ready_row: int
    plan: dict[str, Any]
    digest: str
    orders: tuple[AuditedOrder, AuditedOrder]
    placed: bool = False
    place_row: int | None = None
    aborted: bool = False


class AuditedCycle(msgspec.Struct, eq=False):
    """One pair, from its first order to its end."""

    number: int = 0
    wanted: Pair = FLAT
    pair: Pair = FLAT
    agreed: list[Pair] = []
    orders: list[AuditedOrder] = []
    flattens: int = 0
    was_open: bool = False
    over: bool = True
    booked: bool = False
    escaped: bool = False
    hedge_ratio: int = ONE
    """Dollars of SOL for one of ETH (x18), as its `enter` says, or who booked it."""

    @property
    def odd(self) -> bool:
        """Does any figure of it rest on numbers that are not judged?"""
        return self.escaped or any(order.odd for order in self.orders)

    def opening(self, leg: str) -> list[AuditedOrder]:
        """Every order that opened the pair or completed it."""
        return [order for order in self.orders if order.leg == leg and order.opens]

    def opened(self, leg: str, *, top_ups: bool = False) -> Sum:
        """What built the pair; what topped a remainder up, with `top_ups`."""
        return summed(
            order.total for order in self.opening(leg) if (order.plan["purpose"] == "top_up") == top_ups
        )

    def closed(self, leg: str) -> Sum:
        """What every order comes to that closed."""
        return summed(order.total for order in self.orders if order.leg == leg and not order.opens)

    @property
    def entered(self) -> bool:
        """Has it opened anything?"""
        return any(order.opens and order.total.filled for order in self.orders)

    @property
    def filled_imbalance(self) -> int | None:
        """Basis points x18 of what was paid for the pair; None when it never stood."""
        if not self.was_open or self.booked:
            return None
        paid = []
        for leg, held in zip(LEGS, self.pair, strict=True):
            opened = self.opened(leg)
            paid.append(opened.quote * abs(held) // abs(opened.filled) if opened.filled else 0)
        return imbalance(paid[0], paid[1], self.hedge_ratio)

    @property
    def exit_imbalance(self) -> int | None:
        """Basis points x18 of what closed it brought or cost; None when it never stood."""
        if not self.was_open:
            return None
        eth, sol = (self.closed(leg).quote - self.opened(leg, top_ups=True).quote for leg in LEGS)
        return imbalance(eth, sol, self.hedge_ratio)

    @property
    def unhedged(self) -> tuple[int, int, int]:
        """See `unhedged`, of all its trades by the exchange's clock."""
        trades = [trade for order in self.orders for trade in order.trades]
        return unhedged(trades, self.agreed, self.hedge_ratio, self.wanted if self.booked else FLAT)


class Audit:
    """Takes the rows of one ledger in order. `position` is by our fills; None from a number on that is not
    judged until both legs are flat again.
    """

    def __init__(
        self,
        closed: Callable[["Audit", Iterable[AuditedOrder]], None] = lambda *_: None,
        skipped: Callable[[LedgerRow, dict[str, Any]], None] = lambda *_: None,
        ended: Callable[["Audit", LedgerRow], None] = lambda *_: None,
    ) -> None:
        """`closed`, `skipped` and `ended` hear of the orders of each plan that closed, as far as they have
        their ending, of each attempt that was given up, and of each cycle that ended.
        """
        self._heard = closed, skipped, ended
        self.opened: dict[str, Any] = {}
        self.position = dict.fromkeys(LEGS, 0)
        self.sure = True
        """Is the position judged?"""
        self.cycle = AuditedCycle()
        self.costs = Costs()
        self.orders: dict[str, AuditedOrder] = {}
        self.flights: list[AuditedFlight] = []
        """Every plan since the cycle before, also those that were aborted."""
        self.signer = ""
        """Whose key signs, as the run said that is under way."""
        self.plans = self.cycles = self.unjudged = 0
        self._sealed: LedgerRow | None = None
        self._flight: AuditedFlight | None = None
        self._last: AuditedFlight | None = None
        self._working: list[AuditedFlight] = []
        """Quotes that have closed, and whose order has no ending."""
        self._charges: dict[str, AuditedCharges] = {}
        self._skip: LedgerRow | None = None

    def take(self, row: LedgerRow) -> None:
        """Recompute what one row says, from those before it. Raises `DoesNotHold` where it says otherwise."""
        handler = _HANDLERS.get(row.kind)
        try:
            if handler is not None:
                handler(self, row)
        except (KeyError, TypeError, ValueError, AttributeError, LookupError) as error:
            why = f"it is not what a {row.kind} looks like: {type(error).__name__} {error}"
            raise DoesNotHold(row.where, "body", why) from error
        pair = self.pair
        if not self._busy and 0 not in pair and pair == self.cycle.pair:
            self.cycle.was_open = True

    @property
    def _busy(self) -> bool:
        return self._flight is not None or bool(self._working)

    @property
    def pair(self) -> Pair:
        """What is held, ETH and SOL."""
        return self.position["eth"], self.position["sol"]

    # -- plans -----------------------------------------------------------------------------------------------

    def _on_opened(self, row: LedgerRow) -> None:
        if self.opened:  # the file goes on after another, perhaps of an earlier version
            whose, before = row.message | {"schema": ""}, self.opened | {"schema": ""}
            must(whose, before, row.where, "identity", "the file before it belongs to")
        self.opened = row.message

    @property
    def earlier(self) -> bool:
        """Did an earlier version write the rows of now?"""
        return bool(self.opened.get("schema") != FORM)

    def _on_sealed(self, row: LedgerRow) -> None:
        must(row.message["digest"], plan_digest(row.body), row.where, "digest")
        self._sealed = row

    def _on_ready(self, row: LedgerRow) -> None:
        vote, sealed = row.message, self._sealed
        if vote["who"] != "ledger" or sealed is None:
            return
        plan, digest = sealed.message["plan"], sealed.message["digest"]
        if (vote["epoch"], vote["seq"]) != (plan["epoch"], plan["seq"]):
            return
        self._sealed = None
        must(vote["plan_digest"], digest, row.where, "plan_digest", f"row {sealed.seq} says")
        self.plans += 1
        orders = tuple(
            AuditedOrder(leg, plan, vote[f"{leg}_order"] or "", self.position[leg]) for leg in LEGS
        )
        for order in orders:
            expected = self.order_digest(plan, digest, order.leg) if order.amount else ""
            must(order.digest, expected, row.where, f"{order.leg}_order")
            order.ended, order.signer, order.of_plan = order.amount == 0, self.signer, digest
            self._remember(order)
        self._flight = AuditedFlight(sealed.seq, row.seq, plan, digest, (orders[0], orders[1]))
        self.flights.append(self._flight)
        self.cycle.flattens += plan["purpose"] in {"exit", "flatten"}

    def order_digest(self, plan: dict[str, Any], digest: str, leg: str) -> str:
        """The exchange's id of one leg's order, from what the plan says."""
        verifier = f"0x{plan[leg]['product_id']:040x}"
        fields = self.order_fields(plan, digest, leg)
        return "0x" + typed_digest(ORDER, self.opened["chain_id"], verifier, **fields).hex()

    def order_fields(self, plan: dict[str, Any], digest: str, leg: str) -> dict[str, int | str]:
        """What is signed of one leg's order, by the exchange's names."""
        order, recv_ms, quote = plan[leg], plan["recv_time_ms"], plan.get("quote")
        low = int.from_bytes(blake2b((digest + leg).encode(), digest_size=3).digest(), "big") >> 4
        return {
            "sender": self.opened["subaccount"],
            "priceX18": int(order["limit"]),
            "amount": int(order["amount"]),
            "expiration": (recv_ms + quote["rest"]) // 1000 if quote else -(-recv_ms // 1000) + 1,
            "nonce": recv_ms << 20 | low,
            "appendix": 1 | KINDS.index(order["kind"]) << 9 | order["reduce_only"] << 11,
        }

    def _remember(self, order: AuditedOrder) -> None:
        if order.digest:
            self.orders[order.digest] = order
            if len(self.orders) > REMEMBERED:
                del self.orders[next(iter(self.orders))]

    def _on_decision(self, row: LedgerRow) -> None:
        said = row.message
        flight = self._begun(said)
        if flight is None:
            return
        if row.kind == "Place":
            for field, expected in (
                ("plan_digest", flight.digest),
                ("eth_order", flight.orders[0].digest),
                ("sol_order", flight.orders[1].digest),
            ):
                must(said[field], expected, row.where, field, "the three voters said")
            flight.place_row = row.seq
            self._placed(flight)
        elif not flight.placed:
            flight.aborted = True
            for order in flight.orders if flight in self._working else ():
                order.ended = True

    def _begun(self, said: dict[str, Any]) -> AuditedFlight | None:
        """The plan that a row names, if it is under way or its order works."""
        begun = [*self._working, *([self._flight] if self._flight is not None else [])]
        named = said["epoch"], said["seq"]
        return next((flight for flight in begun if flight.orders[0].plan_id == named), None)

    def _placed(self, flight: AuditedFlight) -> None:
        if flight.placed:
            return
        flight.placed, plan, cycle = True, flight.plan, self.cycle
        paired = 0 not in self.pair and self.pair == cycle.pair
        self.costs.placed(plan, paired=paired)
        if enters(plan):
            if cycle.over or cycle.number != plan["cycle"]:
                cycle = self.cycle = AuditedCycle(plan["cycle"], over=False)
            quote = plan.get("quote")
            if quote is None:
                cycle.wanted = int(plan["eth"]["amount"]), int(plan["sol"]["amount"])
            else:
                cycle.wanted = int(quote["eth"]), int(quote["sol"])
                cycle.agreed = cycle.agreed if cycle.entered else []
            cycle.hedge_ratio = ratio_said(plan)
            self._agree(cycle.wanted)
        cycle.orders.extend(order for order in flight.orders if order.amount)

    def _agree(self, pair: Pair) -> None:
        self.cycle.pair = pair
        if pair not in self.cycle.agreed:
            self.cycle.agreed.append(pair)

    def _on_closed(self, row: LedgerRow) -> None:
        flight, said = self._flight, row.message
        if flight is None or (said["epoch"], said["seq"]) != flight.orders[0].plan_id:
            raise DoesNotHold(row.where, "epoch and seq", "no such plan was in flight")
        must(said["aborted"], flight.aborted, row.where, "aborted")
        for order in flight.orders:
            self._check_leg(row, said[order.leg], order, aborted=flight.aborted)
            order.ended = order.ended or order.quote is None or flight.aborted
        self._flight, self._last = None, flight
        if not all(order.ended for order in flight.orders):
            self._working.append(flight)
        if flight.aborted:
            return
        asked = [order for order in flight.orders if order.amount]
        whole = all(order.total.filled == order.amount for order in asked)
        takes = any(order.asked["reduce_only"] for order in asked)
        if flight.plan["purpose"] == "repair" and whole and (takes or self.cycle.flattens > 0):
            self._agree(self.pair)
        self._heard[0](self, [order for order in flight.orders if order.ended])

    def _on_quote_ended(self, row: LedgerRow) -> None:
        said = row.message
        flight = self._begun(said)
        if flight is None or flight not in self._working:
            raise DoesNotHold(row.where, "epoch and seq", "no order of such a plan was working")
        (order,) = (order for order in flight.orders if order.amount)
        must(said["leg"], order.leg, row.where, "leg")
        self._check_leg(row, said["fill"], order, aborted=flight.aborted)
        must(order.ended or order.odd, True, row.where, "fill", "that its rows end it is")
        order.ended = True
        self._working.remove(flight)
        self._heard[0](self, [order])

    def _on_cancel_answer(self, row: LedgerRow) -> None:
        order = self.orders.get(row.message["order_digest"])
        if order is not None:
            asked = order
            self._change(asked, lambda: asked.take_cancel(row.message))

    def _on_settled(self, row: LedgerRow) -> None:
        said, cycle = row.message, self.cycle
        pair = int(said["eth"]), int(said["sol"])
        live = not cycle.over and (cycle.booked or cycle.entered)
        if live and not self._busy and said["cycle"] == cycle.number and pair == self.pair and 0 not in pair:
            self._agree(pair)

    def _check_leg(self, row: LedgerRow, said: dict[str, Any], order: AuditedOrder, *, aborted: bool) -> None:
        total = order.total
        facts = (
            ("product_id", order.asked["product_id"]),
            ("order_digest", order.digest),
            ("ordered", str(order.amount)),
            ("outcome", "none" if aborted else order.answer),
            ("code", order.code),
        )
        for field, expected in facts:
            must(said[field], expected, row.where, f"{order.leg}.{field}", "by the rows before it is")
        if order.odd:
            self.unjudged += 1
            self.sure = self.costs.sure = False
            return
        for field, amount in (("filled", total.filled), ("vwap", total.vwap), ("fee", total.fee)):
            must(said[field], str(amount), row.where, f"{order.leg}.{field}", "by its fills it is")

    # -- what orders did -------------------------------------------------------------------------------------

    def _change(self, order: AuditedOrder, take: Callable[[], None]) -> None:
        before = order.total
        take()
        after = order.total
        heard = order.outcome not in {"unknown", "none"} or bool(order.pieces) or bool(after.filled)
        for sent in (self._flight, *self._working):
            if sent is not None and order in sent.orders and order.amount and (heard or order.seen):
                self._placed(sent)
        self.position[order.leg] += after.filled - before.filled
        if after != before:
            self.costs.traded(order.leg, order.plan, before, after)
        if order.odd:
            self.sure = self.costs.sure = False

    def _on_outcome(self, row: LedgerRow) -> None:
        said = row.message
        order = self.orders.get(said["order_digest"])
        for flight in (self._flight, *self._working, self._last):
            if flight is not None and (said["epoch"], said["seq"]) == flight.orders[0].plan_id:
                if flight.aborted:
                    return
                self._placed(flight)
                order = flight.orders[LEGS.index(said["leg"])]
                break
        if order is not None:
            asked = order
            self._change(asked, lambda: asked.take_outcome(said))

    def _on_fill(self, row: LedgerRow) -> None:
        order = self.orders.get(row.message["order_digest"])
        if order is not None:
            asked = order
            self._change(asked, lambda: asked.take_fill(row.message, self._charges.get(asked.leg)))

    def _on_update(self, row: LedgerRow) -> None:
        order = self.orders.get(row.message["order_digest"])
        if order is not None:
            asked = order
            self._change(asked, lambda: asked.take_update(row.message))

    def _on_resolved(self, row: LedgerRow) -> None:
        order = self.orders.get(row.message["order_digest"])
        if order is not None:
            asked = order
            self._change(asked, lambda: asked.take_resolved(row.message, row.at_ns))

    def _on_escape(self, row: LedgerRow) -> None:
        plan = row.message["plan"]
        of_plan = plan_digest(row.body, "eth_order")
        self.cycle.escaped = True
        for leg in LEGS:
            digest = row.message[f"{leg}_order"]
            if digest:
                must(digest, self.order_digest(plan, of_plan, leg), row.where, f"{leg}_order")
            if digest and digest not in self.orders:
                order = AuditedOrder(leg, plan, digest, self.position[leg], of_plan=of_plan)
                self._remember(order)
                self.cycle.orders.append(order)
        self.costs.placed(plan, paired=0 not in self.pair and self.pair == self.cycle.pair)

    def _on_adopted(self, row: LedgerRow) -> None:
        for leg in LEGS:
            self.position[leg] += int(row.message[leg])
        self.costs.adopted(self.position)
        pair = self.pair
        lone = 0 in pair or (pair[0] > 0) == (pair[1] > 0)
        self.cycle = AuditedCycle(
            self.cycle.number + 1,
            pair,
            pair,
            [] if lone else [pair],
            flattens=int(lone),
            over=False,
            booked=True,
            hedge_ratio=ratio_said(row.message),
        )

    def _on_rules(self, row: LedgerRow) -> None:
        self._charges = {
            leg: AuditedCharges(int(read["taker_fee"]), int(read["min_notional"]), _maker(read))
            for leg in LEGS
            for read in [row.message[leg]]
            if read.get("taker_fee") is not None
            and read.get("min_notional") is not None
            and 0 <= int(read["taker_fee"]) < ONE
        }

    # -- cycles ----------------------------------------------------------------------------------------------

    def _on_started(self, row: LedgerRow) -> None:
        self.signer = row.message.get("signer", "")
        self.costs.started()
        live = not self.cycle.over and self.cycle.entered
        self.cycle.over = self.cycle.over or not (self._busy or live or self.cycle.booked)

    def _on_skipped(self, row: LedgerRow) -> None:
        self._skip = row

    def _on_ended(self, row: LedgerRow) -> None:
        said, skip, cycle = row.message, self._skip, self.cycle
        self._skip = None
        if skip is not None and skip.message["cycle"] == said["cycle"]:
            self._heard[1](row, said)
            if cycle.number != said["cycle"]:
                cycle = self.cycle = AuditedCycle(said["cycle"], over=False)
        must(said["cycle"], cycle.number, row.where, "cycle", "under way was")
        if self.sure:
            must(self.pair, FLAT, row.where, "position", "a cycle ends")
        must(len(self._working), 0, row.where, "working orders", "when a cycle ends there are")
        usd_s = cycle.unhedged[1]
        if cycle.odd:
            self.unjudged += 1
        else:
            must(said["unhedged_usd_s"], str(usd_s), row.where, "unhedged_usd_s", "by the trades it is")
        cycle.over = True
        self.cycles += 1
        self.costs.ended(cycle.number, row.at_ns // 1_000_000)
        self._heard[2](self, row)
        self.position, self.sure, self.costs.sure = dict.fromkeys(LEGS, 0), True, True
        self.flights = []

    def _on_snapshot(self, row: LedgerRow) -> None:
        if self.sure:  # its integers are larger than what msgspec reads without a type
            position = json.loads(row.body)["state"]["fields"]["position"]
            must(position, self.position, row.where, "state.fields.position")


def plan_digest(body: str, after: str = "digest") -> str:
    """BLAKE2b-128 of the plan's own bytes in the body of a row whose next field is `after`."""
    head, middle, _ = body.rpartition(f',"{after}":')
    if not middle or not head.startswith('{"plan":'):
        raise ValueError("a plan and its digest")
    return blake2b(head.removeprefix('{"plan":').encode(), digest_size=16).hexdigest()


def enters(plan: dict[str, Any]) -> bool:
    """Does a plan open a pair, at once or by an order that rests?"""
    quote = plan.get("quote")
    return plan["purpose"] == "enter" or (quote is not None and quote["opens"] and not quote["hedges"])


def _maker(read: dict[str, Any]) -> int | None:
    maker = int(read["maker_fee"]) if read.get("maker_fee") is not None else None
    return maker if maker is not None and abs(maker) < ONE else None


def summed(sums: Iterable[Sum]) -> Sum:
    """All of them together."""
    total = Sum()
    for each in sums:
        total = total.plus(each)
    return total


def ratio_said(said: dict[str, Any]) -> int:
    """The hedge ratio (x18) of a plan or of a pair that was booked; 1 where none is said. Raises `ValueError`
    for one that is said and is 1, or not above 0.
    """
    ratio = int(said.get("hedge_ratio", ONE))
    if ratio <= 0 or ("hedge_ratio" in said and ratio == ONE):
        raise ValueError(f"a hedge ratio of {said['hedge_ratio']}")
    return ratio


def imbalance(eth: int, sol: int, ratio: int) -> int:
    """|E - S / ratio| / max(E, S / ratio) in basis points x18, rounded up."""
    one, other = Fraction(abs(eth)), Fraction(abs(sol) * ONE, ratio)
    return ceil(abs(one - other) / max(one, other) * 10_000 * ONE) if one or other else 0


def unhedged(
    trades: Iterable[OrderTrade], agreed: Iterable[Pair], ratio: int, start: Pair
) -> tuple[int, int, int]:
    """The largest unhedged exposure (USD x18), its integral over time (USD x s, x18) and for how many ns
    there was any: |ETH + SOL / ratio| at each leg's last price while neither flat nor an agreed pair is held.
    """
    ordered = sorted(trades, key=lambda trade: (trade.at_ns, trade.leg, trade.price))
    held, hedged = dict(zip(LEGS, start, strict=True)), {FLAT, *agreed}
    price = {trade.leg: trade.price for trade in reversed(ordered)}
    now = worst = area = lasted_ns = 0
    since_ns = ordered[0].at_ns if ordered else 0
    for trade in ordered:
        if trade.at_ns > since_ns:
            if now:
                worst, lasted_ns = max(worst, now), lasted_ns + trade.at_ns - since_ns
                area += now * (trade.at_ns - since_ns)
            since_ns = trade.at_ns
        held[trade.leg], price[trade.leg] = held[trade.leg] + trade.amount, trade.price
        pair = held["eth"], held["sol"]
        eth, sol = (held[leg] * price.get(leg, 0) for leg in LEGS)
        now = 0 if pair in hedged else floor(abs(eth + Fraction(sol * ONE, ratio)) / ONE)
    return max(worst, now), area // NS, lasted_ns


_HANDLERS: dict[str, Callable[[Audit, LedgerRow], None]] = {
    "Opened": Audit._on_opened,
    "Sealed": Audit._on_sealed,
    "Ready": Audit._on_ready,
    "Place": Audit._on_decision,
    "Abort": Audit._on_decision,
    "PlanClosed": Audit._on_closed,
    "QuoteEnded": Audit._on_quote_ended,
    "CancelAnswer": Audit._on_cancel_answer,
    "PairSettled": Audit._on_settled,
    "Outcome": Audit._on_outcome,
    "Fill": Audit._on_fill,
    "OrderUpdate": Audit._on_update,
    "Resolved": Audit._on_resolved,
    "EscapeRound": Audit._on_escape,
    "Adopted": Audit._on_adopted,
    "RulesRead": Audit._on_rules,
    "Started": Audit._on_started,
    "Skipped": Audit._on_skipped,
    "AccountSnapshot": lambda audit, row: audit.costs.account(row.message),
    "MoneyRead": lambda audit, row: audit.costs.told(row.message),
    "CycleEnded": Audit._on_ended,
    "FoldSnapshot": Audit._on_snapshot,
}
