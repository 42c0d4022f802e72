"""Everything public of some products, for whoever writes a market down: book batches, the best bid and
ask, trades.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from venue.nado.codec import public_streams
from venue.nado.counts import TroubleTally
from venue.nado.socket import Dialer
from venue.nado.streams import Subscription, subscribed


@asynccontextmanager
async def public_stream(
    base_url: str, dialer: Dialer, product_ids: Sequence[int], tally: TroubleTally
) -> AsyncIterator[Subscription]:
    """`BookDelta`, `Touch` and `PublicTrade` of the products, for one connection's life. No key is needed.
    Raises `Refused` or `Unreachable`.

    `base_url` without `/v1`.
    """
    streams = [stream for product_id in product_ids for stream in public_streams(product_id)]
    async with subscribed(f"{base_url.rstrip('/')}/v1/subscribe", dialer, streams, tally) as events:
        yield events
