"""Cycles whose orders rested, made of orders and fills: what a ledger would fold them to."""

from collections.abc import Sequence
from typing import Any

import msgspec

from actors.ledger.cycles import Cycle
from actors.ledger.orders import OurOrder
from commands.report.cycle_execution import BesideFold
from messages.execution import Fill
from messages.sizing import Leg, LegOrder, QuoteTerms, SizingPlan
from messages.units import Base, Ms, Ns, Price, Quote
from tests.actors.fakes import START_MS, fake_plan

PRODUCT: dict[Leg, int] = {"eth": 4, "sol": 8}
STEPS: dict[Leg, int] = {"eth": int(Base.of("0.001")), "sol": int(Base.of("0.1"))}

KNOWN = BesideFold(STEPS)
"""The size steps, and nothing of cancellations."""


def quote_terms(*, opens: bool = True, hedges: bool = False, eth: str = "1", sol: str = "-20") -> QuoteTerms:
    """ETH rests for 1 ETH against 20 SOL."""
    leg: Leg = "sol" if hedges else "eth"
    return QuoteTerms(leg, opens, Base.of(eth), Base.of(sol), Price.of("99"), Ms(15_000), Ms(0), hedges)


def rested_plan(
    seq: int, purpose: str, *, eth: str = "0", sol: str = "0", mids: str, **changes: Any
) -> SizingPlan:
    """`mids`: of ETH and SOL at the decision, `2000 100`."""
    rests = "quote" in changes
    eth_mid, sol_mid = mids.split()

    def order(leg: Leg, amount: str, mid: str) -> LegOrder:
        kind = "post_only" if rests else "ioc"
        closes = purpose in {"exit", "flatten"}
        return LegOrder(
            PRODUCT[leg], Base.of(amount), Price.of(mid), kind, closes, Price.of(mid), Price.of(mid)
        )

    whole = fake_plan(START_MS, seq=seq)
    return msgspec.structs.replace(
        whole, purpose=purpose, eth=order("eth", eth, eth_mid), sol=order("sol", sol, sol_mid), **changes
    )


def rested_order(leg: Leg, of: SizingPlan, *fills: tuple[int, str, str]) -> OurOrder:
    """`fills`: ms since the start, signed amount, price. Each costs a fee of 0.1 USD."""
    made = OurOrder(leg, of, f"{of.seq}-{leg}", 0)
    left = abs(int(of.leg(leg).amount))
    for at_ms, amount, price in fills:
        left -= abs(int(Base.of(amount)))
        made.take_fill(
            Fill(
                made.digest,
                PRODUCT[leg],
                Base.of(amount),
                Price.of(price),
                Quote.of("0.1"),
                Base(left),
                of.leg(leg).amount,
                False,
                0,
                Ns((START_MS + at_ms) * 1_000_000),
            )
        )
    return made


def rested_cycle(orders: Sequence[OurOrder]) -> Cycle:
    """Entered for 1 ETH against 20 SOL."""
    pair = int(Base.of("1")), int(Base.of("-20"))
    return Cycle(1, pair, pair, [pair], orders=list(orders), was_open=True)
