"""Questions over HTTP: `venue.protocol.Reads` on the gateway and the archive, and the executes that are no
orders.

Every request has a deadline and every answer a size; no answer, a status other than 200 and a text that is no
JSON are errors, never an empty result (lesson R2). Every question is counted against the venue's rate limits
before it leaves; `status` and `rules` are routine, so they are left out when they would take from what an
unwind needs. httpx is imported where it is used: `import supervisor` must stay cheap.

Whatever comes of a request, and whatever a library makes of the answer's bytes, is a `VenueError`: `_request`
is the one place that says so.
"""

import re
import zlib
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

import msgspec
import trio

from messages.execution import AccountSnapshot, Fill
from messages.market import BookSnapshot, FundingRate
from messages.money import MoneyEvent, MoneyKind, MoneyRead
from messages.units import Base, Ms, Price
from venue.nado import queries
from venue.nado.candles import Candlesticks, closes_of
from venue.nado.codec import (
    MOMENT_LIMIT,
    RATE_LIMITED,
    CancelledOrder,
    CancelledOrders,
    Whole,
    payload,
    read,
    unfilled_of,
    write,
)
from venue.nado.counts import TroubleTally
from venue.nado.funding_rates import FundingRates, funding_rates_of
from venue.nado.reasons import reason
from venue.nado.tls import nobody, trusted
from venue.nado.weights import Metering, Weights, archive_weight, query_weight
from venue.protocol import (
    ASKED_S,
    ArchivedOrder,
    Busy,
    Malformed,
    OutOfRange,
    Refused,
    Tradable,
    Unreachable,
    VenueError,
    VenueRules,
)
from venue.raw_messages import RawMessages

if TYPE_CHECKING:
    from http.cookiejar import CookieJar

    import httpx

T = TypeVar("T")

DEADLINE_S = 2.0
ANSWER_BYTES_MAX = 4 * 2**20
"""Of an answer, decompressed. Everything about all products is a few hundred kB."""
TOO_MANY_REQUESTS = 429
SERVER_FAULT = 500
TIME_WEIGHT = 1
"""Not documented; as much as the cheapest query."""
EVENTS_PAGE = 20
"""Deposits and the like asked for at once."""
PAGE, PAGES_MAX = 100, 10
"""Matches asked for at once, and how many times: a pair trades a handful of fills a minute."""
RULES_WEIGHT = sum(
    query_weight({"type": kind}) for kind in ("contracts", "symbols", "all_products", "fee_rates")
)
INSTANCE_HEADER = "x-evenkeel-venue"
"""How a simulated venue names its instance: each start of it is another venue with another history."""
_INSTANCE = re.compile(r"[A-Za-z0-9._:-]{1,80}", re.ASCII)
"""It becomes part of a name that the state is kept under."""
CLOSE_S = 1.0
"""How long connections may take to be closed."""
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
        transport: "httpx.AsyncBaseTransport | None" = None,
        metering: Metering | None = None,
    ) -> None:
        """`base_url` without `/v1`. The archive has a host of its own live (`archive_url`), and the gateway's
        when simulated.

        `name` is the venue's, for `VenueRules.venue`. `metering`: its weights are shared with the sockets of
        the same client; None = its own.
        """
        self._gateway = base_url.rstrip("/") + "/v1"
        self._archive = (archive_url or base_url).rstrip("/") + "/v1"
        self._sender = sender
        self._name = name
        self._products: tuple[int, int] | None = None
        self._transport = transport
        self._tally, self._weights = metering or Metering(TroubleTally("http"), Weights())
        self._client: httpx.AsyncClient | None = None
        self.raw = RawMessages()
        """What the archive said of our orders, word for word; a client gives it its own."""

    async def __aenter__(self) -> "HttpReads":
        return self

    async def __aexit__(self, *_details: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections that are kept; the next question makes new ones."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def time_ms(self) -> Ms:
        """The venue's clock: `GET /v1/time`, a bare number of milliseconds."""
        self._weights.ask(TIME_WEIGHT)
        text, _ = await self._fetch("GET", f"{self._gateway}/time")
        now_ms = int(self._read(text, Whole))
        if not 0 < now_ms < MOMENT_LIMIT // 1_000_000:
            raise self._counted(OutOfRange(f"{now_ms} is no moment in milliseconds"))
        return Ms(now_ms)

    async def status(self) -> str:
        """`active`, or why nobody can trade now. A routine question."""
        self._only_routinely(query_weight({"type": "status"}))
        return await self.ask({"type": "status"}, str)

    async def rules(self) -> VenueRules:
        """Chain, endpoint, both products' rules and the fees, as far as they can be read. Raises
        `Malformed` naming what closing misses.
        """
        self._only_routinely(RULES_WEIGHT)
        return await self.rules_now()

    def known(self, products: tuple[int, int] | None) -> None:
        """The pair's ids (ETH, SOL) as a ledger knows them: by these a product is still found that the
        venue does not list any more.
        """
        self._products = products

    async def rules_now(self) -> VenueRules:
        """The same, however little of the rate limit is left: for whoever is closing, or starting. Raises
        `Unreachable` when what closing misses stands in a question that had no answer.
        """
        contracts, instance = await self._asked({"type": "contracts"}, queries.Contracts)
        unanswered: list[Unreachable] = []
        symbols = (
            await self._symbols()
            if self._products is None
            else await self._said(self._symbols(), unanswered.append)
        )
        products = await self._said(
            self.ask({"type": "all_products"}, queries.AllProducts), unanswered.append
        )
        fees = await self._said(self.ask({"type": "fee_rates", "sender": self._sender}, queries.FeeRates))
        name = f"{self._name}:{instance}" if instance else self._name
        try:
            rules = queries.rules_of(name, contracts, symbols, products, fees, self._products)
        except Malformed as error:
            if unanswered:  # nobody said that it is missing: whoever asks again may hear it
                raise unanswered[0] from error
            raise
        self._products = rules.eth.product_id, rules.sol.product_id
        return rules

    async def tradable(self, within_s: float = ASKED_S) -> Tradable:
        """Can both products be traded now? What was not said within `within_s` counts as not said. Never
        raises `VenueError`.
        """
        said: dict[str, str] = {}

        async def ask_status() -> None:
            with suppress(VenueError):
                said["venue"] = await self.ask({"type": "status"}, str)

        async def ask_symbols() -> None:
            with suppress(VenueError):
                symbols = await self._symbols()
                said.update(
                    eth=queries.status_of(queries.ETH, symbols), sol=queries.status_of(queries.SOL, symbols)
                )

        with trio.move_on_after(within_s):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(ask_status)
                nursery.start_soon(ask_symbols)
        return Tradable(said.get("venue", "active"), said.get("eth", "unsaid"), said.get("sol", "unsaid"))

    async def _said(
        self, asked: Awaitable[T], unanswered: Callable[[Unreachable], None] = lambda _error: None
    ) -> T | None:
        """An answer that one can do without; None when there is none, or none that can be read. `unanswered`
        is told when nobody answered.
        """
        try:
            return await asked
        except Unreachable as error:
            unanswered(error)
        except VenueError:
            pass
        return None

    async def book(self, product_id: int, depth: int = 100) -> BookSnapshot:
        """A snapshot of at most 100 levels a side; its timestamp is the engine's clock."""
        question = {"type": "market_liquidity", "product_id": product_id, "depth": depth}
        return queries.book_of(await self.ask(question, queries.Liquidity), product_id)

    async def account(self) -> AccountSnapshot:
        """Positions, health and open orders, all asked for *after* the engine named the timestamp that the
        snapshot carries, and open orders before positions: an order that fills in between is then seen twice,
        and never not at all.
        """
        eth, sol = await self.pair()
        try:
            clock = await self.book(eth, depth=1)
        except (Refused, Malformed):  # a market that is gone has no clock either: the other one's is as good
            clock = await self.book(sol, depth=1)
        resting = await self._said(
            self.ask({"type": "orders", "sender": self._sender, "product_ids": [eth, sol]}, queries.Orders)
        )
        return queries.account_of(
            Ms(clock.at_ns // 1_000_000),
            await self.ask({"type": "subaccount_info", "subaccount": self._sender}, queries.SubaccountInfo),
            await self._said(
                self.ask(
                    {"type": "isolated_positions", "subaccount": self._sender}, queries.IsolatedPositions
                )
            ),
            resting,
            self._sender,
            (eth, sol),
        )

    async def funding_rates(self) -> tuple[FundingRate, ...]:
        """The pair's current rates; of a product that the archive leaves out, or that cannot be read, there
        is none.
        """
        pair = await self.pair()
        found = await self._ask_archive({"funding_rates": {"product_ids": list(pair)}}, FundingRates)
        return funding_rates_of(found, pair)

    async def archived(self, digests: Sequence[str]) -> tuple[ArchivedOrder, ...]:
        """Those of `digests` that the archive knows; it lags the engine by 100 to 200 ms."""
        if not digests:
            return ()
        question: dict[str, dict[str, object]] = {"orders": {"digests": list(digests)}}
        text = await self._archive_text(question)
        found = queries.archived_of(self._read(text, queries.HistoricalOrders), digests, self._sender)
        for each in found:
            self.raw.keep(each.digest, "archive", text.decode("utf-8", "replace"))
        return found

    async def fills_since(self, after: int | None) -> tuple[Fill, ...]:
        """What the subaccount traded in the pair after submission index `after`, oldest first; with None only
        the newest fill.

        A match does not name its product, so each product is asked for by itself.
        """
        fills = [fill for product_id in await self.pair() for fill in await self._fills_of(product_id, after)]
        fills.sort(key=lambda fill: fill.submission_idx)
        return tuple(fills[-1:] if after is None else fills)

    async def _fills_of(self, product_id: int, after: int | None) -> list[Fill]:
        """Pages from the newest back to `after`. Raises `Malformed` when that takes more than `PAGES_MAX`."""
        fills: dict[tuple[str, int], Fill] = {}
        question: dict[str, object] = {
            "subaccounts": [self._sender],
            "product_ids": [product_id],
            "limit": 1 if after is None else PAGE,
        }
        for _ in range(PAGES_MAX):
            found = await self._ask_archive({"matches": question}, queries.Matches)
            page = [
                fill
                for fill in queries.fills_of(found, product_id, self._sender)
                if after is None or fill.submission_idx > after
            ]
            known = len(fills)
            fills |= {(fill.order_digest, int(fill.remaining)): fill for fill in page}
            if after is None or len(page) < PAGE or len(fills) == known:
                return list(fills.values())
            # inclusive: several matches may share an index
            question = {**question, "idx": page[-1].submission_idx}
        raise Malformed(f"more than {PAGES_MAX * PAGE} fills of product {product_id} since {after}")

    async def money_since(self, events_after: int | None, payments_after: int | None) -> MoneyRead:
        """What moved money after these indices, oldest first; with None the newest entries. Raises
        `Malformed` beyond `PAGES_MAX` pages.
        """
        eth, sol = await self.pair()
        events, through = await self._events(eth, sol, events_after)
        payments, paid_through = await self._payments(eth, sol, payments_after)
        found = sorted([*events, *payments], key=lambda one: one.idx)
        return MoneyRead(eth, sol, tuple(found), through, paid_through, first=events_after is None)

    async def _events(self, eth: int, sol: int, after: int | None) -> tuple[list[MoneyEvent], int]:
        """Pages from the newest back to `after`, inclusive of the last index each time: several events may
        share one.
        """
        found: dict[tuple[int, int, MoneyKind], MoneyEvent] = {}
        question: dict[str, object] = {
            "subaccounts": [self._sender],
            "product_ids": [0, eth, sol],
            "event_types": list(queries.EVENT_KINDS),
            "limit": {"raw": EVENTS_PAGE},
        }
        through = -1
        for _ in range(PAGES_MAX):
            page = queries.moved_of(
                answer := await self._ask_archive({"events": question}, queries.ArchiveEvents), self._sender
            )
            through = max([through, *(event.idx for event in page)])
            wanted = {
                (one.idx, one.product_id, one.kind): one for one in page if after is None or one.idx > after
            }
            known = len(found)
            found |= wanted
            if (
                after is None
                or len(wanted) < len(page)
                or len(answer.events) < EVENTS_PAGE
                or len(found) == known
            ):
                return list(found.values()), through
            question = {**question, "idx": page[-1].idx}
        raise Malformed(f"more than {PAGES_MAX} pages of events since {after}")

    async def _payments(self, eth: int, sol: int, after: int | None) -> tuple[list[MoneyEvent], int]:
        found: list[MoneyEvent] = []
        question: dict[str, object] = {
            "subaccount": self._sender,
            "product_ids": [0, eth, sol],
            "limit": 1 if after is None else PAGE,
        }
        through = -1
        for _ in range(PAGES_MAX):
            answer = await self._ask_archive({"interest_and_funding": question}, queries.Payments)
            page = queries.paid_of(answer)
            through = max(through, answer.newest)
            found += [one for one in page if after is None or one.idx > after]
            following = answer.following()
            if after is None or following is None or following <= after:
                return found, through
            question = {**question, "max_idx": str(following)}
        raise Malformed(f"more than {PAGES_MAX} pages of payments since {after}")

    async def closes(self, product_id: int, span_s: int, count: int) -> dict[int, Price]:
        """The last prices of the newest `count` spans of `span_s` seconds in which the product traded: second
        of Unix time at which each began -> price, oldest first.
        """
        question: dict[str, object] = {"product_id": product_id, "granularity": span_s, "limit": count}
        return closes_of(await self._ask_archive({"candlesticks": question}, Candlesticks))

    async def execute(self, frame: str) -> tuple[CancelledOrder, ...]:
        """Send a cancellation; the orders that it cancelled. Raises `Refused` with the venue's code. Orders
        never leave through here.
        """
        text, _ = await self._fetch("POST", f"{self._gateway}/execute", frame)
        return self._payload(text, CancelledOrders, self._weights.limited_executes).cancelled_orders

    async def cancelled(self, frame: str, digest: str) -> Base:
        """Send the cancellation of `digest` alone; what of it had not traded, unsigned. Raises `Malformed`
        for an answer that does not say so, though the order may then be cancelled.
        """
        orders = await self.execute(frame)
        try:
            return unfilled_of(orders, digest)
        except Malformed as error:
            raise self._counted(error) from None

    async def ask(self, question: dict[str, object], kind: type[T]) -> T:
        """The answer to any one query, also to those that only a command asks. Raises `VenueError`."""
        return (await self._asked(question, kind))[0]

    async def submit(self, frame: str) -> None:
        """Send an execute whose answer carries nothing but yes. Raises `Refused` with the venue's code."""
        text, _ = await self._fetch("POST", f"{self._gateway}/execute", frame)
        payload(text, msgspec.Raw)

    async def pair(self) -> tuple[int, int]:
        """The products' ids, ETH first. Raises `Malformed` when the venue does not list one of them."""
        if self._products is None:
            symbols = await self._symbols()
            self._products = queries.id_of(queries.ETH, symbols), queries.id_of(queries.SOL, symbols)
        return self._products

    async def _symbols(self) -> queries.Symbols:
        return await self.ask({"type": "symbols", "product_type": "perp"}, queries.Symbols)

    async def _asked(self, question: dict[str, object], kind: type[T]) -> tuple[T, str]:
        """The answer to a query, and the instance that gave it."""
        self._weights.ask(query_weight(question))
        text, instance = await self._fetch("POST", f"{self._gateway}/query", write(question))
        try:
            return self._payload(text, kind, self._weights.limited_queries), instance
        except Malformed as error:
            raise type(error)(f"{question['type']}: {error}") from None
        except Refused as error:
            if error.code in RATE_LIMITED:  # said with a status of 200: it passes, as HTTP 429 does
                raise Busy(f"{question['type']}: {error}") from None
            raise

    async def _ask_archive(self, question: dict[str, dict[str, object]], kind: type[T]) -> T:
        return self._read(await self._archive_text(question), kind)

    async def _archive_text(self, question: dict[str, dict[str, object]]) -> bytes:
        self._weights.ask_archive(archive_weight(question))
        text, _ = await self._fetch("POST", self._archive, write(question))
        return text

    def _only_routinely(self, weight: int) -> None:
        """Raises `Unreachable` when a question that can wait would take from what an unwind needs."""
        if not self._weights.routine(weight):
            raise Unreachable("not asked: the rest of the venue's rate limit is kept for closing")

    def _payload(self, text: bytes, kind: type[T], limited: Callable[[], None]) -> T:
        """The answer's data. Raises `Malformed` or `Refused`, counted; `limited` is called when the refusal
        is for our rate.
        """
        try:
            return payload(text, kind)
        except Malformed as error:
            raise self._counted(error) from None
        except Refused as refused:
            over = refused.code in RATE_LIMITED
            self._tally.trouble("limited" if over else "refused", str(refused))
            if over:
                limited()
            raise

    def _read(self, text: bytes, kind: type[T]) -> T:
        try:
            return read(text, kind)
        except Malformed as error:
            raise self._counted(error) from None

    def _counted(self, error: Malformed) -> Malformed:
        self._tally.trouble("out_of_range" if isinstance(error, OutOfRange) else "unreadable", str(error))
        return error

    async def _fetch(self, method: str, url: str, body: str | None = None) -> tuple[bytes, str]:
        """The body of a 200, and the venue's instance id if it names one. Everything else is
        `Unreachable`.
        """
        self._tally.counts.attempts += 1
        with trio.move_on_after(DEADLINE_S):
            status, content, instance = await self._request(method, url, body)
            if status == TOO_MANY_REQUESTS:
                self._tally.trouble("limited", f"{url}: HTTP {status}")
                executes = url == f"{self._gateway}/execute"
                (self._weights.limited_executes if executes else self._weights.limited_queries)()
            if status != 200:
                kind = Busy if status == TOO_MANY_REQUESTS or status >= SERVER_FAULT else Unreachable
                raise kind(f"{url}: HTTP {status} {_quoted(content)}".strip())
            self._tally.counts.events += 1
            return content, instance
        raise Unreachable(f"{url}: no answer in {DEADLINE_S:g} s")

    async def _request(self, method: str, url: str, body: str | None) -> tuple[int, bytes, str]:
        """Status, body and instance. Raises `Unreachable`, also for a body beyond `ANSWER_BYTES_MAX`,
        which is read no further than that.
        """
        import httpx  # noqa: PLC0415 - see the module's docstring

        try:
            headers = {"accept-encoding": "gzip"}
            if body is not None:
                headers["content-type"] = "application/json"
            async with self._connected(url).stream(method, url, content=body, headers=headers) as response:
                content = await self._body(response)
                instance = response.headers.get(INSTANCE_HEADER, "")
                if instance and not _INSTANCE.fullmatch(instance):
                    raise Malformed(f"a venue does not call itself {instance[:_QUOTED]!r}")
                return response.status_code, content, instance
        except VenueError:
            raise
        except httpx.RequestError as error:
            raise Unreachable(f"{url}: {reason(error)[:_QUOTED]}") from None
        except Exception as error:  # noqa: BLE001 - httpx, httpcore, h11, ssl and zlib raise over the far side's bytes what none of them lists
            # what failed in a way that nobody foresaw keeps no connection: the next question makes new ones
            with trio.move_on_after(CLOSE_S), suppress(Exception):  # closing what is broken may fail, too
                await self.aclose()
            raise Unreachable(f"{url}: {reason(error)[:_QUOTED]}") from None

    def _connected(self, url: str) -> "httpx.AsyncClient":
        """The client, made on first use.

        No proxies from the environment: the sockets would not use them either. No timeout: `_fetch` bounds
        the whole request. No cookies: a venue that sets them would be sent ever more.
        """
        if self._client is None:
            import httpx  # noqa: PLC0415 - see the module's docstring

            verify = trusted() if url.startswith("https:") else nobody()
            self._client = httpx.AsyncClient(
                transport=self._transport,
                verify=verify,
                trust_env=False,
                timeout=None,  # noqa: S113 - each question has a deadline of its own
                cookies=_no_cookies(),
            )
        return self._client

    async def _body(self, response: "httpx.Response") -> bytes:
        """The whole body, inflated here and not by httpx: a small answer that inflates without end must cost
        no more than the limit.

        Reading is stopped by a cancellation and not by leaving the loop: httpx's generators inside it must
        end in order.
        """
        body = _Body(response.headers.get("content-encoding", ""))
        with trio.CancelScope() as enough:
            async for piece in response.aiter_raw():
                body.take(piece)
                if body.problem:
                    enough.cancel()
        body.end()
        if len(body.content) > ANSWER_BYTES_MAX:
            self._tally.trouble("oversized", f"{response.url}: {body.problem}")
        if body.problem:
            raise Unreachable(f"{response.url}: {body.problem}")
        return bytes(body.content)


def _no_cookies() -> "CookieJar":
    from http.cookiejar import CookieJar  # noqa: PLC0415 - see the module's docstring

    class NoCookies(CookieJar):
        """Does not even read them: a jar has no bound, and its parser of dates is slow on what is made for
        it.
        """

        def extract_cookies(self, _response: object, _request: object) -> None:
            return

    return NoCookies()


def _quoted(content: bytes) -> str:
    """The beginning of an answer that is no good, for a sentence; of a web page only that it is one."""
    text = content[:_QUOTED].decode("utf-8", "replace").strip()
    return "(a web page)" if text.startswith("<") else text


class _Body:
    """An answer's bytes as they come; `problem` says why no more of them are wanted."""

    def __init__(self, encoding: str) -> None:
        self.content = bytearray()
        self.problem = (
            ""
            if encoding in {"", "identity", "gzip"}
            else f"compressed with {encoding[:_QUOTED]!r}, which was not offered"
        )
        self._gzip = zlib.decompressobj(zlib.MAX_WBITS | 16) if encoding == "gzip" else None

    def take(self, piece: bytes) -> None:
        """One piece. It is inflated no further than the limit."""
        if self.problem:
            return
        room = ANSWER_BYTES_MAX + 1 - len(self.content)
        try:
            self.content += self._gzip.decompress(piece, room) if self._gzip else piece[:room]
        except zlib.error as error:
            self.problem = f"its compression is broken: {error}"
        if len(self.content) > ANSWER_BYTES_MAX:
            self.problem = f"an answer of more than {ANSWER_BYTES_MAX} bytes"
        elif self._gzip and self._gzip.unused_data:  # zlib would keep all of it
            self.problem = "its compression is broken: something follows its end"

    def end(self) -> None:
        """No more will come: what was compressed must have ended, too."""
        if not self.problem and self._gzip and not self._gzip.eof:
            self.problem = "its compression is broken: it has no end"
