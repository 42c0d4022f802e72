"""Money of a subaccount: positions, fees and cross-margin health, by the formulas of Nado's settlement
contracts. Pure, integers x18.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from messages.units import ONE, Base, Quote
from venue.simulated.engine.rules import NO_ADDRESS, Product

Weighting = Literal["initial", "maintenance", "unweighted"]
WEIGHTINGS: tuple[Weighting, ...] = ("initial", "maintenance", "unweighted")


class PerpPosition(NamedTuple):
    """A perp position. `v_quote` = -(what was paid) - fees - funding: value is amount x oracle + v_quote."""

    amount: Base = Base(0)
    v_quote: Quote = Quote(0)
    funding: int = 0
    """The cumulative funding per unit (x18) up to which it has been paid."""

    def changed(self, amount: int, quote: int) -> "PerpPosition":
        """The position after `amount` was traded for `quote` (both signed)."""
        return PerpPosition(Base(self.amount + amount), Quote(self.v_quote + quote), self.funding)

    def funded(self, cumulative: int) -> "PerpPosition":
        """The position after funding was paid up to `cumulative`: a positive difference is paid by longs
        (contracts: PerpEngineState).
        """
        if cumulative == self.funding:  # at all moves of the market but the first after a full hour
            return self
        paid = product_of_x18(cumulative - self.funding, self.amount)
        return PerpPosition(self.amount, Quote(self.v_quote - paid), cumulative)


@dataclass(slots=True)
class Account:
    """One subaccount. `usdt0` moves by deposits, transfers and settled results: fees and results of perps
    land in their v_quote first.
    """

    subaccount: str
    usdt0: int = 0
    positions: dict[int, PerpPosition] = field(default_factory=dict)
    linked_signer: str = NO_ADDRESS
    signer_links_ns: list[int] = field(default_factory=list)
    """When its signer was changed; only the last seven days are kept."""
    parent: str = ""
    """Of an isolated subaccount: whose margin it holds."""

    def position(self, product_id: int) -> PerpPosition:
        """The position in one perp, funding as of its last touch; all zeros when it never traded."""
        return self.positions.get(product_id, PerpPosition())


class Health(NamedTuple):
    """One of an account's three health figures, in USDT0 x18; what a `Weighting` counts in full or
    discounted.
    """

    assets: Quote
    liabilities: Quote

    @property
    def health(self) -> Quote:
        """Signed; below zero the account may not trade more (initial) or is liquidated (maintenance)."""
        return Quote(self.assets - self.liabilities)


def product_of_x18(left: int, right: int) -> int:
    """The product of two x18 numbers, rounded toward zero as the contracts do."""
    return divided_toward_zero(left * right, ONE)


def divided_toward_zero(numerator: int, denominator: int) -> int:
    """The integer quotient without its fraction, for a denominator above 0. Python's `//` would round a
    negative one down.
    """
    return numerator // denominator if numerator >= 0 else -(-numerator // denominator)


def fee_on(metered: int, rate: int) -> Quote:
    """The fee on a signed quote: a seller keeps m x (1 - f), a buyer pays m / (1 - f) (contracts:
    applyFee).
    """
    keep = ONE - rate
    after = product_of_x18(metered, keep) if metered > 0 else divided_toward_zero(metered * ONE, keep)
    return Quote(metered - after)


def taker_metered(quote: int, already: int, min_size: int) -> int:
    """The signed quote a taker's fee is charged on: the order's first fill pays for `min_size` in full, later
    ones only for what lies beyond it.

    `quote` is this fill's signed quote, `already` the unsigned quote the order took before.
    """
    flat = min_size if already == 0 else 0
    beyond = max(0, min(already + abs(quote) - min_size, abs(quote)))
    metered = flat + beyond
    return metered if quote > 0 else -metered


def weight(product: Product, amount: int, weighting: Weighting) -> int:
    """The product's weight for a position of `amount`."""
    if weighting == "unweighted":
        return ONE
    if weighting == "initial":
        return product.long_weight_initial if amount >= 0 else product.short_weight_initial
    return product.long_weight_maintenance if amount >= 0 else product.short_weight_maintenance


def weighted_value(position: PerpPosition, product: Product, oracle: int, weighting: Weighting) -> int:
    """What a position counts for in a health figure, USDT0 x18, without its v_quote."""
    return product_of_x18(
        product_of_x18(position.amount, weight(product, position.amount, weighting)), oracle
    )


def health_of(
    account: Account, products: Iterable[Product], oracles: Mapping[int, int], weighting: Weighting
) -> Health:
    """USDT0 plus amount x weight x oracle + v_quote of each perp. ETH and SOL do not net: they are
    different health groups.
    """
    terms = [account.usdt0]
    for product in products:
        position = account.position(product.product_id)
        # two terms, not their sum: a long is an asset and the debt it was bought with a liability
        terms += (
            weighted_value(position, product, oracles[product.product_id], weighting),
            position.v_quote,
        )
    return Health(
        Quote(sum(term for term in terms if term > 0)), Quote(-sum(term for term in terms if term < 0))
    )


def contribution(account: Account, product: Product, oracle: int, weighting: Weighting) -> Quote:
    """What one perp adds to the account's health, USDT0 x18, signed: `health_contributions` of Nado."""
    position = account.position(product.product_id)
    return Quote(weighted_value(position, product, oracle, weighting) + position.v_quote)


def imagined(account: Account, usdt0: int = 0, positions: Mapping[int, PerpPosition] = {}) -> Account:
    """A copy of `account` with `usdt0` more and some positions replaced, to ask its health."""
    return Account(
        account.subaccount, account.usdt0 + usdt0, {**account.positions, **positions}, parent=account.parent
    )


def increases(before: int, change: int) -> bool:
    """Does a trade of `change` make new exposure: a larger position or one of the other sign?"""
    after = before + change
    return abs(after) > abs(before) or (before != 0 and after != 0 and (before > 0) != (after > 0))
