"""Questions over HTTP: `venue.protocol.Reads` on the gateway and the archive, and the one execute that is not an order.

Every request has a deadline; no answer, a status other than 200 and a text that is no JSON are errors, never an empty result (lesson R2). httpx is
imported where it is used: `import supervisor` must stay cheap.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

import trio

from messages.execution import AccountSnapshot
from messages.market import BookSnapshot
from messages.units import Ms
from venue.nado import queries
from venue.nado.codec import CancelledOrders, Whole, payload, read, write
from venue.nado.tls import trusted
from venue.protocol import ArchivedOrder, Malformed, Unreachable, VenueRules

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")

DEADLINE_S = 2.0
INSTANCE_HEADER = "x-evenkeel-venue"
"""How a simulated venue names its instance: each start of it is another venue with another history."""
_QUOTED = 160


class HttpReads:
    """Answers about one subaccount. Use it in `async with`, or call `aclose`."""

    def __init__(
        self,
        base_url: str,
        sender: str,
        *,
        name: str,
        archive_url: str | None = None,
        products: tuple[int, int] | None = None,
        transport: "httpx.AsyncBaseTransport | None" = None,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        """`base_url` without `/v1`. The archive has a host of its own live (`archive_url`), and the gateway's when simulated.

        `name` is the venue's, for `VenueRules.venue`. `products`: the pair's ids (ETH, SOL) when they are known already.
        """
        self._gateway = base_url.rstrip("/") + "/v1"
        self._archive = (archive_url or base_url).rstrip("/") + "/v1"
        self._sender = sender
        self._name = name
        self._products = products
        self._transport = transport
        self._deadline_s = deadline_s
        self._client: httpx.AsyncClient | None = None

    async def __aenter__(self) -> "HttpReads":
        return self

    async def __aexit__(self, *_details: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections that are kept."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def time_ms(self) -> Ms:
        """The venue's clock: `GET /v1/time`, a bare number of milliseconds."""
        text, _ = await self._fetch("GET", f"{self._gateway}/time")
        return Ms(int(read(text, Whole)))

    async def status(self) -> str:
        """`active` or why not."""
        return await self._query({"type": "status"}, str)

    async def rules(self) -> VenueRules:
        """Chain, endpoint, both products' rules and this subaccount's fees. Raises `Malformed` naming what is missing."""
        text, instance = await self._fetch("POST", f"{self._gateway}/query", write({"type": "contracts"}))
        rules = queries.rules_of(
            f"{self._name}:{instance}" if instance else self._name,
            payload(text, queries.Contracts),
            await self._symbols(),
            await self._query({"type": "all_products"}, queries.AllProducts),
            await self._query({"type": "fee_rates", "sender": self._sender}, queries.FeeRates),
        )
        self._products = rules.eth.product_id, rules.sol.product_id
        return rules

    async def book(self, product_id: int, depth: int = 100) -> BookSnapshot:
        """A snapshot of at most 100 levels a side; its timestamp is the engine's clock."""
        question = {"type": "market_liquidity", "product_id": product_id, "depth": depth}
        return queries.book_of(await self._query(question, queries.Liquidity), product_id)

    async def account(self) -> AccountSnapshot:
        """Positions, health and open orders, all asked for *after* the engine named the timestamp that the snapshot carries."""
        eth, sol = self._products or await self._find_products()
        at_ms = Ms((await self.book(eth, depth=1)).at_ns // 1_000_000)
        return queries.account_of(
            at_ms,
            await self._query({"type": "subaccount_info", "subaccount": self._sender}, queries.SubaccountInfo),
            await self._query({"type": "isolated_positions", "subaccount": self._sender}, queries.IsolatedPositions),
            await self._query({"type": "orders", "sender": self._sender, "product_ids": [eth, sol]}, queries.Orders),
            self._sender,
        )

    async def archived(self, digests: Sequence[str]) -> tuple[ArchivedOrder, ...]:
        """Those of `digests` that the archive knows; it lags the engine by 100 to 200 ms."""
        if not digests:
            return ()
        text, _ = await self._fetch("POST", self._archive, write({"orders": {"digests": list(digests)}}))
        return queries.archived_of(read(text, queries.HistoricalOrders), digests, self._sender)

    async def execute(self, frame: str) -> tuple[str, ...]:
        """Send a cancellation; the digests that it cancelled. Raises `Refused` with the venue's code. Orders never leave through here."""
        text, _ = await self._fetch("POST", f"{self._gateway}/execute", frame)
        return tuple(order.digest for order in payload(text, CancelledOrders).cancelled_orders)

    async def _find_products(self) -> tuple[int, int]:
        symbols = await self._symbols()
        found = int(queries.symbol_of(queries.ETH, symbols).product_id), int(queries.symbol_of(queries.SOL, symbols).product_id)
        self._products = found
        return found

    async def _symbols(self) -> queries.Symbols:
        return await self._query({"type": "symbols", "product_type": "perp"}, queries.Symbols)

    async def _query(self, question: dict[str, object], kind: type[T]) -> T:
        text, _ = await self._fetch("POST", f"{self._gateway}/query", write(question))
        try:
            return payload(text, kind)
        except Malformed as error:
            raise Malformed(f"{question['type']}: {error}") from None

    async def _fetch(self, method: str, url: str, body: str | None = None) -> tuple[bytes, str]:
        """The body of a 200, and the venue's instance id if it names one. Everything else is `Unreachable`."""
        with trio.move_on_after(self._deadline_s):
            response = await self._request(method, url, body)
            if response.status_code != 200:
                raise Unreachable(f"{url}: HTTP {response.status_code} {response.text[:_QUOTED]}".strip())
            return response.content, response.headers.get(INSTANCE_HEADER, "")
        raise Unreachable(f"{url}: no answer in {self._deadline_s:g} s")

    async def _request(self, method: str, url: str, body: str | None) -> "httpx.Response":
        import httpx  # noqa: PLC0415 - see the module's docstring

        if self._client is None:
            # No proxies from the environment: the sockets would not use them either. No timeout: `_fetch` bounds the whole request.
            self._client = httpx.AsyncClient(transport=self._transport, verify=trusted(), trust_env=False, timeout=None)  # noqa: S113
        headers = {"content-type": "application/json"} if body is not None else None
        try:
            return await self._client.request(method, url, content=body, headers=headers)
        except httpx.RequestError as error:
            raise Unreachable(f"{url}: {error or type(error).__name__}") from None
