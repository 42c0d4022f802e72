"""Tells the ledger what happened, one message after the other, with real plans, real digests and a clock
that moves by a millisecond.
"""

from typing import Any

import msgspec

from actors.ledger.clerk import Clerk
from actors.ledger.fold import Fold
from messages.execution import (
    AccountSnapshot,
    CancelAnswer,
    Fill,
    OrderUpdate,
    Outcome,
    PlanClosed,
    Position,
    PositionChange,
    Resolved,
)
from messages.lifecycle import AccountStream, CycleEnded, Held, Started
from messages.sizing import Abort, Leg, LegOrder, Place, Purpose, QuoteTerms, Ready, Sealed, SizingPlan
from messages.units import Base, Ms, Ns, Price, Quote, notional
from messages.wire import digest
from tests.actors.fakes import ORDER_BUILDER, START_MS, fake_plan, leg_order

PRODUCT: dict[Leg, int] = {"eth": 4, "sol": 8}
PRICE: dict[Leg, str] = {"eth": "2756.9", "sol": "115.86"}
LIMITS: dict[Leg, tuple[str, str]] = {"eth": ("3087.7", "2426.1"), "sol": ("129.76", "101.96")}
"""Worst prices of a purchase and of a sale: far away, so that a story may trade at any price it likes."""
ETH, SOL = "0.042", "-1"


class Story:
    """A ledger without a disk. `rows` is what would have been committed; `said` what would have been
    posted.
    """

    def __init__(self, *, ready: bool = True) -> None:
        self.clerk = Clerk(Fold(), ORDER_BUILDER, 1)
        self.now_ms = START_MS
        self.rows: list[tuple[int, msgspec.Struct]] = []
        self.said: list[msgspec.Struct] = []
        self.seq = 0
        self.sealed: Sealed | None = None
        if ready:
            self.tell(Started(7, Ns(START_MS * 1_000_000)), AccountStream(True, ""))
            self.snapshot()

    @property
    def fold(self) -> Fold:
        return self.clerk.fold

    @property
    def held(self) -> Held:
        return self.clerk.held

    def tell(self, *messages: msgspec.Struct) -> list[msgspec.Struct]:
        self.now_ms += 1
        batch = self.clerk.step(messages, self.now_ms * 1_000_000)
        self.rows += batch.rows
        self.said += batch.posts
        return batch.posts

    def said_of(self, kind: type[Any]) -> list[Any]:
        return [message for message in self.said if type(message) is kind]

    @property
    def closed(self) -> PlanClosed:
        last: PlanClosed = self.said_of(PlanClosed)[-1]
        return last

    @property
    def ended(self) -> list[tuple[int, str]]:
        return [(message.cycle, message.ending) for message in self.said_of(CycleEnded)]

    # -- plans -----------------------------------------------------------------------------------------------

    def plan(
        self,
        purpose: Purpose,
        eth: str = "0",
        sol: str = "0",
        *,
        cycle: int = 1,
        closing: bool | None = None,
        **changes: Any,
    ) -> SizingPlan:
        reduce_only = purpose in {"exit", "flatten"} if closing is None else closing
        self.seq += 1
        orders = {
            "eth": self.order("eth", eth, reduce_only=reduce_only),
            "sol": self.order("sol", sol, reduce_only=reduce_only),
        }
        return fake_plan(
            self.now_ms,
            seq=self.seq,
            purpose=purpose,
            cycle=cycle,
            **(orders | {"epoch": self.clerk.epoch} | changes),
        )

    def order(self, leg: Leg, amount: str, *, reduce_only: bool) -> LegOrder:
        whole = leg_order(PRODUCT[leg], amount, PRICE[leg], reduce_only=reduce_only)
        return (
            msgspec.structs.replace(whole, limit=Price.of(LIMITS[leg][whole.amount < 0]))
            if whole.amount
            else whole
        )

    def seal(self, whole: SizingPlan) -> list[msgspec.Struct]:
        self.sealed = Sealed(whole, digest(whole))
        return self.tell(self.sealed)

    def place(self) -> None:
        ready = self.said_of(Ready)[-1]
        self.tell(Place(ready.epoch, ready.seq, ready.plan_digest, ready.eth_order, ready.sol_order))

    def placed(self, purpose: Purpose, eth: str = "0", sol: str = "0", **changes: Any) -> None:
        """Seal and place a plan."""
        (vote,) = self.seal(self.plan(purpose, eth, sol, **changes))
        assert isinstance(vote, Ready), vote
        self.place()

    def quote(self, eth: str = "", sol: str = "", *, cycle: int = 1, **changes: Any) -> None:
        """Seal and place an order that rests. `changes`: of its terms, or `amount` for less than all."""
        self.tell_quote(self.quote_plan(eth, sol, cycle=cycle, **changes))

    def tell_quote(self, plan: SizingPlan) -> None:
        (vote,) = self.seal(plan)
        assert isinstance(vote, Ready), vote
        self.place()

    def quote_plan(
        self, eth: str = "", sol: str = "", *, cycle: int = 1, amount: str = "", **changes: Any
    ) -> SizingPlan:
        """A quote of the pair `eth`, `sol`, as its terms have it; ETH rests unless `leg` says otherwise."""
        leg: Leg = changes.pop("leg", "eth")
        whole: dict[Leg, Base] = {"eth": Base.of(eth or ETH), "sol": Base.of(sol or SOL)}
        opens = changes.pop("opens", True)
        rests = Base.of(amount) if amount else whole[leg] if opens else Base(-whole[leg])
        terms = QuoteTerms(
            leg,
            opens,
            whole["eth"],
            whole["sol"],
            Price.of(LIMITS["sol" if leg == "eth" else "eth"][rests > 0]),
            Ms(15_000),
            Ms(self.now_ms + 15_000),
        )
        plan = self.plan("quote", cycle=cycle, closing=False)
        order = msgspec.structs.replace(
            self.order(leg, rests.text(), reduce_only=False), kind="post_only", limit=Price.of(PRICE[leg])
        )
        terms = msgspec.structs.replace(terms, **changes)
        return msgspec.structs.replace(plan, quote=terms, **{leg: order})

    def hedge(self, leg: Leg, amount: str, *, closing: bool = False, **changes: Any) -> None:
        """Seal and place the other leg's answer to what of a quote has traded."""
        plan = self.plan("hedge", **({leg: amount} | changes), closing=closing)
        order = msgspec.structs.replace(plan.leg(leg), kind="ioc")
        self.tell_quote(msgspec.structs.replace(plan, **{leg: order}))

    def cancel_answer(self, leg: Leg, unfilled: str | None, *, gone: bool = False, digest: str = "") -> None:
        """What the venue says to the cancellation of the order with `digest`, or of the last plan's."""
        named = Base.of(unfilled) if unfilled is not None else None
        own = digest or self.order_digest(leg)
        self.tell(CancelAnswer(own, PRODUCT[leg], named, gone, "", Ms(self.now_ms)))

    def abort(self) -> None:
        assert self.sealed is not None
        self.tell(Abort(self.sealed.plan.epoch, self.sealed.plan.seq, "VOTES_LATE", "no vote in time"))

    def order_digest(self, leg: Leg) -> str:
        assert self.sealed is not None
        return ORDER_BUILDER.digest_of(ORDER_BUILDER.order_of(self.sealed.plan, self.sealed.digest, leg))

    # -- what the venue says ---------------------------------------------------------------------------------

    def a_fill(
        self,
        leg: Leg,
        amount: str = "",
        price: str = "",
        *,
        remaining: str = "0",
        fee: str = "0.04",
        at_ms: int = 0,
    ) -> Fill:
        """A fill of the last plan's order; all of it unless `amount` says less."""
        assert self.sealed is not None
        order = self.sealed.plan.leg(leg)
        filled = Base.of(amount) if amount else order.amount
        return Fill(
            self.order_digest(leg),
            PRODUCT[leg],
            filled,
            Price.of(price or PRICE[leg]),
            Quote.of(fee),
            Base.of(remaining),
            Base(abs(order.amount)),
            order.kind != "post_only",
            0,
            Ns((at_ms or self.now_ms) * 1_000_000),
        )

    def fill(self, leg: Leg, amount: str = "", price: str = "", **more: Any) -> None:
        self.tell(self.a_fill(leg, amount, price, **more))

    def outcome(self, leg: Leg, kind: Any, code: int | None = None) -> None:
        assert self.sealed is not None
        plan = self.sealed.plan
        own = self.order_digest(leg) if plan.leg(leg).amount else ""
        self.tell(Outcome(leg, plan.epoch, plan.seq, own, kind, code, "", Ms(self.now_ms), Ms(self.now_ms)))

    def update(self, leg: Leg, remaining: str, reason: Any) -> None:
        self.tell(
            OrderUpdate(
                self.order_digest(leg), PRODUCT[leg], Base.of(remaining), reason, Ns(self.now_ms * 1_000_000)
            )
        )

    def resolved(
        self, leg: Leg, filled: str, *, price: str = "", fee: str = "0", provisional: bool = False
    ) -> None:
        amount = Base.of(filled)
        quote = notional(Price.of(price or PRICE[leg]), amount)
        source = "engine position" if provisional else "archive"
        self.tell(
            Resolved(self.order_digest(leg), PRODUCT[leg], amount, quote, Quote.of(fee), provisional, source)
        )

    def position_change(self, leg: Leg, amount: str, *, isolated: bool = False) -> None:
        self.tell(
            PositionChange(
                PRODUCT[leg], isolated, Base.of(amount), Quote(0), "match_orders", Ns(self.now_ms * 1_000_000)
            )
        )

    def snapshot(
        self,
        eth: str | None = None,
        sol: str | None = None,
        *,
        isolated: str = "0",
        value: str = "10000",
        at_ms: int = 0,
    ) -> None:
        """The venue's word, a millisecond after the last thing we did; by default it says what we say."""
        self.now_ms += 1
        ours = self.fold.position
        amounts: dict[Leg, int] = {
            "eth": Base.of(eth) if eth is not None else ours["eth"],
            "sol": Base.of(sol) if sol is not None else ours["sol"],
        }
        apart = {"eth": Base(0), "sol": Base.of(isolated)}
        positions = tuple(
            Position(PRODUCT[leg], Base(amount), apart[leg], Quote(0)) for leg, amount in amounts.items()
        )
        money = Quote.of(value)
        self.tell(AccountSnapshot(Ms(at_ms or self.now_ms), True, money, money, money, money, positions, ()))

    # -- whole chapters --------------------------------------------------------------------------------------

    def enter(self, cycle: int = 1, eth: str = ETH, sol: str = SOL) -> None:
        """A pair, entered as planned."""
        self.placed("enter", eth, sol, cycle=cycle)
        self.fill("eth")
        self.fill("sol")

    def leave(self, cycle: int = 1, eth_price: str = "", sol_price: str = "") -> None:
        """Close exactly what is held, both legs."""
        eth, sol = (Base(-self.fold.position[leg]).text() for leg in ("eth", "sol"))
        self.placed("exit", eth, sol, cycle=cycle)
        self.fill("eth", price=eth_price)
        self.fill("sol", price=sol_price)

    def reread(self) -> Held:
        """What a new incarnation would hold after reading the same rows."""
        fold = Fold()
        for at_ns, message in self.rows:
            fold.apply(message, at_ns)
        fold.reopened()
        return fold.held(self.clerk.epoch)
