"""Looks at orders that rest: settings, holdings with an order that works, and the step of sizing on them."""

from typing import Any

import msgspec

from actors.sizing.quoting import BestPrice, Quoting
from actors.sizing.sizer import Decision, Look, Memory, Sizer
from messages.execution import Doubt
from messages.execution_settings import Execution
from messages.lifecycle import Directive, Held, Legging, WorkingOrder
from messages.market import PairQuote
from messages.settings import Settings
from messages.sizing import Leg, QuoteTerms
from messages.units import Base, Ms, Price, Quote
from tests.actors.fakes import FREE, RULES, START_MS, held, quote

NOW = START_MS + 10_000
ETH, SOL = Base.of("0.42"), Base.of("-10")
"""A pair of about 1,158 USD each."""
DIGEST = "0x" + "ab" * 32


def resting(target: str = "1158", **execution: Any) -> Settings:
    """Entries and exits of ETH at rest, unless told otherwise."""
    policy = {"entry": "maker-taker", "exit": "maker-taker"} | execution
    return Settings(target=Quote.of(target), execution=Execution(**policy), legging_quote=Ms(60_000))


def terms(*, opens: bool = True, leg: Leg = "eth", worst: str = "115.81", **changes: Any) -> QuoteTerms:
    whole = QuoteTerms(leg, opens, ETH, SOL, Price.of(worst), Ms(15_000), Ms(NOW + 12_000))
    return msgspec.structs.replace(whole, **changes)


def resting_order(
    of: QuoteTerms, *, filled: str = "0", limit: str = "2756.8", **changes: Any
) -> WorkingOrder:
    whole = of.whole(of.leg)
    amount = whole if of.opens else Base(-whole)
    product = RULES.product(of.leg).product_id
    until = Ms(NOW + 17_000)
    doubt = Doubt(
        of.leg, 1, 1, DIGEST, product, amount, Price.of(limit), Ms(NOW), Base(0), rests_until_ms=until
    )
    order = WorkingOrder(doubt, of, Ms(NOW - 3_000), Base.of(filled), acknowledged=True)
    return msgspec.structs.replace(order, **changes)


def works(*orders: WorkingOrder, eth: str = "0", sol: str = "0", **changes: Any) -> Held:
    """What is held while `orders` work, in the first cycle."""
    fields = {
        "phase": "working" if orders else "uneven",
        "working": orders,
        "eth": Base.of(eth),
        "sol": Base.of(sol),
        "eth_wanted": ETH,
        "sol_wanted": SOL,
        "eth_vwap": Price.of("2756.8"),
        "sol_vwap": Price.of("115.86"),
        "cycle": 1,
        "enters": 1,
        "last_purpose": "quote",
        "filled_imbalance": None,
        "legging": Legging(leg=Quote.of(1158)),
    }
    return held(**(fields | changes))


def fresh(**changes: Any) -> Memory:
    """Both sides of ETH have improved just now."""
    quoting = Quoting(
        bid=BestPrice(Price.of("2756.8"), NOW - 100), ask=BestPrice(Price.of("2756.9"), NOW - 100)
    )
    return Memory(quoting=msgspec.structs.replace(quoting, **changes))


def one_step(
    holding: Held,
    settings: Settings,
    memory: Memory = Memory(),  # noqa: B008 - frozen
    *,
    look_at: PairQuote | None = None,
    now_ms: int = NOW,
    directive: Directive = FREE,
) -> tuple[Memory, Decision]:
    look = Look(look_at or quote(now_ms), holding, directive, Ms(now_ms))
    return Sizer(settings, RULES).step(memory, look)
