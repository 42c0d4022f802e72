"""A plan on the page: three votes on one digest, and what became of each leg's order.

An order is ordered, acknowledged, filled; the three are never one. What is pieced together from fills is
replaced by the ledger's own figures once the plan is closed.
"""

from typing import Any

from commands.output.events import (
    AnswerEvent,
    FillEvent,
    LegLine,
    OrderLine,
    SealedEvent,
    VoteEvent,
    WorkingLine,
)
from commands.output.sentences import slippage_bps
from commands.output.words import span
from messages.amounts import bps, fixed, percent, size, usd
from messages.units import Base, Bps, Price, Quote, notional

VOTERS = ("eth", "sol", "ledger")
SEEN_MAX = 64
"""Fills of one order that are told from their repetitions."""


class OrderShown:
    """One leg's order: as planned, as placed, and what the exchange and the ledger say of it since."""

    def __init__(self, order: OrderLine) -> None:
        self.amount = Base.of(order.amount)
        self.expected = Price.of(order.vwap)
        self.digest = ""
        self._limit, self._kind, self._reduce_only = order.limit, order.kind, order.reduce_only
        self._answer = ""
        self._after_ms: int | None = None
        self._filled = self._cost = 0
        self._vwap: Price | None = None
        self._fee: str | None = None
        self._seen: dict[str, None] = {}
        self._closed = False

    def answered(self, answer: AnswerEvent) -> None:
        """What the exchange said to it; `accepted` is not filled."""
        self.digest = answer.order or self.digest
        self._after_ms = answer.waited_ms
        self._answer = (
            f"refused {answer.code}"
            if answer.kind == "refused"
            else "not sent"
            if answer.kind == "none"
            else answer.kind
        )

    def filled(self, fill: FillEvent) -> None:
        """A piece of it traded. The exchange may say so twice: (`order`, `remaining`) is one piece."""
        if self._closed or fill.remaining in self._seen or len(self._seen) >= SEEN_MAX:
            return
        self._seen[fill.remaining] = None
        amount = abs(Base.of(fill.amount))
        self._filled += amount
        self._cost += amount * Price.of(fill.price)
        self._vwap = Price(self._cost // self._filled)

    def closed(self, line: LegLine) -> None:
        """What the ledger says that it came to: this takes the place of what its fills added up to."""
        self._closed, self._filled = True, abs(Base.of(line.filled))
        self._vwap = None if line.vwap is None else Price.of(line.vwap)
        self._fee = usd(Quote.of(line.fee_usd))

    def shown(self) -> dict[str, Any] | None:
        """As the page writes it; None where nothing is ordered of this leg."""
        if not self.amount:
            return None
        full = self._filled >= abs(self.amount)
        return {
            "side": "buy" if self.amount > 0 else "sell",
            "ordered": size(self.amount),
            "worth": fixed(notional(self.expected, self.amount), 2),
            "limit": self._limit,
            "kind": f"{self._kind.upper()}{', reduce-only' if self._reduce_only else ''}",
            "acknowledged": self._answer or "waiting",
            "after": None if self._after_ms is None else span(self._after_ms),
            "filled": size(self._filled),
            "part": str(self._filled * 1000 // abs(self.amount)),
            "vwap": None if self._vwap is None else fixed(self._vwap, 2),
            "slippage": None
            if self._vwap is None
            else bps(slippage_bps(self.amount, self.expected, self._vwap)),
            "fee": self._fee,
            "order": self.digest,
            "mood": "good"
            if full
            else "bad"
            if self._answer.startswith(("refused", "unknown")) or self._closed
            else "wait",
        }


def working_shown(line: WorkingLine) -> dict[str, str]:
    """An order that rests, in texts: a row of the page's table of them."""
    amount = Base.of(line.ordered)
    cancel = "asked" if line.cancel_asked_at else "not asked"
    hedges = ", hedges the other leg" if line.hedges else ""
    return {
        "leg": f"{line.leg.upper()}-PERP",
        "ordered": f"{'buy' if amount > 0 else 'sell'} {size(amount)}",
        "price": line.price,
        "filled": size(Base.of(line.filled)),
        "until": f"{min(line.given_up_at, line.expires_at)[11:19]} UTC",
        "cancel": "asking what it did" if line.resolving else cancel,
        "state": f"{'rests' if line.acknowledged else 'may rest, not answered'}{hedges}",
        "order": line.order,
    }


class PlanShown:
    """A sealed plan and all that has been said of it."""

    def __init__(self, sealed: SealedEvent) -> None:
        self.name, self.cycle = sealed.plan, sealed.cycle
        self._sealed = sealed
        self._votes: dict[str, VoteEvent] = {}
        self._fate = "voting"
        self._why = ""
        self.orders = {"eth": OrderShown(sealed.eth), "sol": OrderShown(sealed.sol)}

    def voted(self, vote: VoteEvent) -> None:
        """One of the three has voted."""
        self._votes[vote.who] = vote

    def placed(self, eth: str | None, sol: str | None) -> None:
        """All agreed; these orders leave."""
        self._fate = "placed"
        self.orders["eth"].digest, self.orders["sol"].digest = eth or "", sol or ""

    def aborted(self, code: str, detail: str) -> None:
        """It ended without an order sent."""
        if self._fate == "voting":
            self._fate, self._why = "aborted", f"{code}: {detail}"

    def closed(self, eth: LegLine, sol: LegLine, *, aborted: bool) -> None:
        """Both orders have their endings; that of a quote may rest, and has its ending later."""
        if aborted:
            return
        quote = self._sealed.quote
        done = None if quote is None else eth if quote.leg == "eth" else sol
        if done is not None and done.outcome in {"accepted", "unknown"} and done.filled != done.ordered:
            self._fate = "resting"
        else:
            self._fate = "closed"
            self.orders["eth"].closed(eth)
            self.orders["sol"].closed(sol)

    def quote_ended(self, leg: str, fill: LegLine) -> None:
        """The order that rested has its ending."""
        self._fate = "closed"
        self.orders[leg].closed(fill)

    def shown(self) -> dict[str, Any]:
        """The plan as the page's script takes it: texts, and the rows of both orders."""
        sealed = self._sealed
        votes = [self._vote(who) for who in VOTERS]
        return {
            "plan": self.name,
            "cycle": self.cycle,
            "purpose": sealed.purpose,
            "rule": sealed.rule,
            "digest": sealed.digest,
            "planned": percent(Bps.of(sealed.planned_imbalance_bps)),
            "votes": votes,
            "agreed": all(vote["mood"] == "good" for vote in votes),
            "fate": self._fate,
            "why": self._why,
            "eth": self.orders["eth"].shown(),
            "sol": self.orders["sol"].shown(),
        }

    def _vote(self, who: str) -> dict[str, str]:
        vote = self._votes.get(who)
        if vote is None:
            return {"who": who, "word": "waiting", "mood": "wait", "digest": "", "why": ""}
        if not vote.ready:
            return {
                "who": who,
                "word": vote.code or "no",
                "mood": "bad",
                "digest": "",
                "why": vote.detail or "",
            }
        same = vote.digest == self._sealed.digest
        return {
            "who": who,
            "word": "READY" if same else "OTHER DIGEST",
            "mood": "good" if same else "bad",
            "digest": vote.digest or "",
            "why": "",
        }
