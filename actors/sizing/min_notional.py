"""What may be left of a leg below the venue's minimum, and how it is closed.

Both legs are entered at the minimum x 1.05 or more, so an entry never makes one. An exit that fills in part
can leave one, and so can a price that falls while a small pair is held. It is closed reduce-only like
anything else: the newest documents let such orders be small. Where the venue refuses that as too small
(2094), and only then, it takes two plans, each sealed, voted on and written down like any other:

    top_up    a FOK of the minimum x 1.05 in the direction of what is held, on the leg (or legs) that the
              venue would not close
    flatten   a reduce-only IOC of the whole

The first makes the position larger, so it is fenced: only when *every* leg that is held has been refused so,
at most `TOP_UPS` times a cycle, never beside a third party's position, no more than twice what the entry
wanted, and not in a market where the second could not follow.
"""

from actors.sizing.lattice import MINIMUM_PERCENT
from messages.lifecycle import Held
from messages.market import PairQuote
from messages.sizing import TOP_UPS
from messages.units import ONE, Base, Quote
from venue.protocol import PairTerms, ProductTerms


def topping_up(held: Held, quote: PairQuote, rules: PairTerms) -> tuple[Base, Base] | None:
    """Signed amounts of ETH and SOL to add before what is held can be closed; None when it can be closed
    as it is, or must not be added to.
    """
    amounts = {"eth": held.eth.amount, "sol": held.sol.amount}
    open_legs = {leg for leg, amount in amounts.items() if amount}
    if not open_legs or open_legs != set(held.too_small) or held.top_ups >= TOP_UPS or held.foreign:
        return None
    eth, sol = (
        _smallest(held.eth.amount, quote.eth.mid, rules.eth),
        _smallest(held.sol.amount, quote.sol.mid, rules.sol),
    )
    within = abs(eth) <= 2 * abs(held.eth.wanted) and abs(sol) <= 2 * abs(held.sol.wanted)
    return (eth, sol) if within else None


def _smallest(held: Base, mid: int, product: ProductTerms) -> Base:
    """The smallest order above the minimum, with the sign of `held`; 0 of nothing."""
    if not held:
        return Base(0)
    lots = -(-least_order(product) * ONE // (mid * product.size_step))
    return Base(lots * product.size_step * (1 if held > 0 else -1))


def least_order(product: ProductTerms) -> Quote:
    """USD of the smallest order that is planned: above the venue's minimum, so that a small fall does not
    make it unsendable.
    """
    return Quote(-(-product.min_notional * MINIMUM_PERCENT // 100))


def worst_top_up(rules: PairTerms) -> Quote:
    """USD of fees for topping up and closing a remainder just below the minimum, of the dearer leg."""
    return Quote(
        max(
            (2 * least_order(product) + product.min_notional) * product.taker_fee // ONE
            for product in (rules.eth, rules.sol)
        )
    )
