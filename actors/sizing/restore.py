"""Opening again a leg that has left, because the other one cannot leave: the pair is kept hedged until both
can.

It makes a position larger, so it is fenced more than any repair: at most once a cycle (the ledger counts and
votes), one FOK, by a run that may still enter, after everything that entering asks of the book and the
account. Never by ESCAPE, guard or `flatten`, and never after a risk halt.
"""

from actors.risk.gates import rules_denial
from actors.risk.limits import initial_taken
from actors.risk.may_enter import Outlook, entry_denial
from messages.lifecycle import Denial, Held
from messages.market import PairQuote
from messages.sizing import Leg, SizingPlan
from messages.units import Base, notional
from venue.protocol import ProductRules


def missing_counterpart(held: Held, stays: Leg, product: ProductRules) -> Base:
    """How much (signed) of the other leg, `product`, is missing beside what stays of `stays`: in the
    proportion of the entry, on its step; or 0.
    """
    kept, kept_wanted, other, other_wanted = (
        (held.eth.amount, held.eth.wanted, held.sol.amount, held.sol.wanted)
        if stays == "eth"
        else (held.sol.amount, held.sol.wanted, held.eth.amount, held.eth.wanted)
    )
    if kept * kept_wanted <= 0 or other * other_wanted < 0 or abs(kept) > abs(kept_wanted):
        return Base(0)
    step = product.size_step
    whole = abs(other_wanted) * abs(kept) // abs(kept_wanted) // step * step
    missing = max(0, whole - -(-abs(other) // step) * step)
    return Base(missing if other_wanted > 0 else -missing)


def restore_denial(plan: SizingPlan, quote: PairQuote, outlook: Outlook) -> Denial | None:
    """Why this restoring repair may not be: rules that nothing is entered by, the venue's minimum, initial
    health that would not stay >= 0, and the gates of entering for the leg it opens.
    """
    rules, held = outlook.rules, outlook.held
    if denial := rules_denial(rules, outlook.doubted_ms, outlook.now_ms):
        return denial
    terms = rules.terms()
    order, product, leg = (
        (plan.eth, terms.eth, quote.eth) if plan.eth.amount else (plan.sol, terms.sol, quote.sol)
    )
    if notional(order.limit, order.amount) < product.min_notional:
        return Denial("TOO_SMALL", f"{product.symbol} {order.amount.text()} is less than the venue takes")
    if held.initial_health is None or held.initial_health < initial_taken(plan, terms):
        return Denial(
            "MARGIN", f"opening {product.symbol} again would take more initial health than there is"
        )
    alone = PairQuote(quote.version, quote.at_ms, leg, leg, quote.venue_active, quote.read_ns)
    return entry_denial(alone, outlook.now_ms, outlook.settings, order.amount, 0)
