"""The archive's answer to `funding_rates`: by product id (a text), the rate and when it was reckoned.

    {"4": {"product_id": 4, "funding_rate_x18": "120000000000000", "update_time": "1786360000"}, "8": ...}

`update_time` is in seconds (protocol sheet, indexer). One product's entry that cannot be read takes nothing
from the other one: that product has no rate then, and no rate is never 0.
"""

from collections.abc import Sequence

import msgspec

from messages.market import FundingRate
from messages.units import Ms, Rate
from venue.nado.codec import MOMENT_LIMIT, ProductId, Whole, read
from venue.protocol import Malformed

FundingRates = dict[str, msgspec.Raw]
RATE_LIMIT = Rate.of("0.02")
"""The contracts cap a rate at 2 % of the index in 24 hours: what is beyond is no rate."""


class _Entry(msgspec.Struct, frozen=True):
    product_id: ProductId
    funding_rate_x18: Rate
    update_time: Whole


def funding_rates_of(found: FundingRates, products: Sequence[int]) -> tuple[FundingRate, ...]:
    """The rates of `products` that can be read and are possible."""
    rates = (_rate(found.get(str(product)), product) for product in products)
    return tuple(rate for rate in rates if rate is not None)


def _rate(entry: msgspec.Raw | None, product: int) -> FundingRate | None:
    if entry is None:
        return None
    try:
        said = read(bytes(entry), _Entry)
    except Malformed:
        return None
    possible = abs(said.funding_rate_x18) <= RATE_LIMIT and 0 < said.update_time < MOMENT_LIMIT // 10**9
    if said.product_id != product or not possible:
        return None
    return FundingRate(product, said.funding_rate_x18, Ms(said.update_time * 1000))
