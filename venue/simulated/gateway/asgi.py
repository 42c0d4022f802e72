"""The venue as a web application: HTTP and WebSocket of one base URL. Served by hypercorn in `simulate`,
called in-process by tests.

GET|POST /v1/query   POST /v1/execute   GET /v1/time   GET /v1/symbols   POST /v1/edge/query   GET /v1/ip and
                     /v1/cf-check
POST /v1 and /archive/v1 (the archive)   GET /v2/assets, /v2/pairs, /v2/orderbook, /v2/apr, and /v2/tickers,
                                         /v2/contracts, /v2/trades, also under /archive
/v1/ws   /ws/v2   /v1/subscribe
GET /simulated/order_log   no question that Nado answers: every attempt to place an order, for whoever audits
                           a client from outside
GET /simulated/takeovers   the same for positions that were liquidated
POST /simulated/faults     inject faults from now on, for tests that wait for the right moment
POST /simulated/money      move money at once: {"kind": "deposit", "amount": "25"}, and withdraw, transfer,
                           settle, funding, liquidate
"""

from collections.abc import Awaitable, Callable
from functools import partial

import msgspec
import trio
from starlette.applications import Starlette
from starlette.datastructures import QueryParams
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from venue.nado.codec import write
from venue.nado.http import INSTANCE_HEADER
from venue.nado.socket import NO_DEFLATE, offers_deflate
from venue.simulated.engine.codes import ExchangeRefusal
from venue.simulated.faults.incidents import Money
from venue.simulated.faults.order_faults import AnswerLost, ConnectionCut, faults_of
from venue.simulated.gateway import public
from venue.simulated.gateway.answers import QUERY_ONLY, REQUESTS, Answer, answer, carried
from venue.simulated.gateway.archive_requests import archived
from venue.simulated.gateway.market_data import ARCHIVED, QUESTIONS, write_numbers
from venue.simulated.gateway.request_limits import TOO_LARGE, TooLarge, always, bounded
from venue.simulated.gateway.sessions import (
    Closed,
    Session,
    concurrent_session,
    gateway_session,
    serve_session,
)
from venue.simulated.gateway.subscriptions import subscribe_session
from venue.simulated.payloads.queries import symbol_json
from venue.simulated.venue import SimulatedVenue

JSON = "application/json"
COUNTRY_HEADER = "x-nado-country"
NOWHERE = "XX"
ENCODINGS = ("gzip", "br", "deflate", "*")
NO_ENCODING = {
    "reason": "Invalid compression headers: 'Accept-Encoding' must include 'gzip', 'br' or 'deflate'",
    "block": True,
}
TRUNCATED = "evenkeel.truncated"
"""The type of an ASGI message that only our own server understands: send half of a frame and cut the
connection.
"""
Endpoint = Callable[[Request], Awaitable[Response]]


def application(venue: SimulatedVenue) -> ASGIApp:
    """The ASGI application of `venue`: every route of this page, for requests of at most `BODY_MAX` bytes."""
    http = _Http(venue)
    get, post = ["GET"], ["POST"]
    routes = [
        Route("/v1/query", http.query, methods=[*get, *post]),
        Route("/v1/execute", http.execute, methods=post),
        Route("/v1/time", http.time, methods=get),
        Route("/v1/symbols", http.symbols, methods=get),
        Route("/v1/edge/query", http.edge, methods=[*get, *post]),
        Route("/v1/ip", http.ip, methods=get),
        Route("/v1/cf-check", http.ip, methods=get),
        Route("/v1", http.archive, methods=post),
        Route("/archive/v1", http.archive, methods=post),
        *(
            Route(f"{base}/{name}", _read(partial(find, venue), write_numbers), methods=get)
            for name, find in QUESTIONS.items()
            for base in (("/v2", "/archive/v2") if name in ARCHIVED else ("/v2",))
        ),
        Route("/simulated/order_log", _read(lambda _: list(venue.exchange.order_log)), methods=get),
        Route("/simulated/takeovers", _read(lambda _: list(venue.exchange.takeovers)), methods=get),
        Route("/simulated/faults", http.faults, methods=post),
        Route("/simulated/money", http.money, methods=post),
        WebSocketRoute("/v1/ws", _SocketEndpoint(venue, gateway_session)),
        WebSocketRoute("/ws/v2", _SocketEndpoint(venue, concurrent_session)),
        WebSocketRoute("/v1/subscribe", _SocketEndpoint(venue, subscribe_session)),
    ]
    # a client that went away before it had asked is answered too, which reaches nobody
    handlers = {ClientDisconnect: always(Response(status_code=400)), TooLarge: always(TOO_LARGE)}
    return bounded(_named(Starlette(routes=routes, exception_handlers=handlers), venue))


def _named(app: ASGIApp, venue: SimulatedVenue) -> ASGIApp:
    """`app` with the venue's instance id and the client's country on every HTTP answer, errors included;
    and gone while the host is down.
    """
    headers = [
        (INSTANCE_HEADER.encode(), venue.instance.encode()),
        (COUNTRY_HEADER.encode(), NOWHERE.encode()),
    ]

    async def named(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_named(message: Message) -> None:
            if message["type"] in {"http.response.start", "websocket.http.response.start"}:
                message["headers"] = [*message.get("headers", ()), *headers]
            await send(message)

        closed = (
            _GONE
            if venue.incidents.down
            else _UNAVAILABLE
            if "unavailable" in venue.incidents.gates
            else None
        )
        if closed is not None and scope["type"] == "websocket":
            await WebSocket(scope, receive, send_named).send_denial_response(closed)
        else:
            await (closed or app)(scope, receive, send_named)

    return named


_GONE = Response('{"reason": "staged: the host is down"}', 502, media_type=JSON)
_UNAVAILABLE = Response('{"reason": "staged: the service is unavailable"}', 503, media_type=JSON)


class _Http:
    """The endpoints. A refusal of the protocol is HTTP 200 with status failure, as at Nado."""

    def __init__(self, venue: SimulatedVenue) -> None:
        self._venue = venue

    async def query(self, request: Request) -> Response:
        """`/v1/query`: parameters in the URL or in a JSON body."""
        if request.method == "GET":
            return await self._answered(request, write({"type": "", **request.query_params}))
        return await self._answered(request, await request.body())

    async def execute(self, request: Request) -> Response:
        """`/v1/execute`: one signed request as JSON, answered in the envelope, refusals too."""
        return await self._answered(request, await request.body())

    async def _answered(self, request: Request, body: bytes | str) -> Response:
        accepted = request.headers.get("accept-encoding", "").lower()
        if self._venue.exchange.options.needs_encoding and not any(each in accepted for each in ENCODINGS):
            return _text(write(NO_ENCODING), 403)
        return await _sent(answer(self._venue, body, _address(request)))

    async def _carried(self, request: str, reply: str) -> Response:
        return await _sent(carried(self._venue, request, reply))

    async def time(self, _request: Request) -> Response:
        """`/v1/time`: the venue's clock as a bare number of milliseconds of Unix time."""
        return await self._carried("time", str(self._venue.now_ms()))

    async def symbols(self, _request: Request) -> Response:
        """`/v1/symbols`: the rules of every product as a bare list, without an envelope."""
        return await self._carried(
            "symbols", write([symbol_json(product) for product in self._venue.exchange.products])
        )

    async def edge(self, request: Request) -> Response:
        """`/v1/edge/query`: cached reads, and pings; parameters in the URL or in a JSON body, 400 for a body
        that is no JSON object.
        """
        if request.method == "GET":
            return _text(public.answer_edge(self._venue, request.query_params))
        try:
            params = msgspec.json.decode(await request.body(), type=dict[str, object])
        except msgspec.DecodeError as error:
            return _text(write({"reason": f"no JSON object: {error}"}), 400)
        return _text(public.answer_edge(self._venue, params))

    async def ip(self, _request: Request) -> Response:
        """`/v1/ip`, `/v1/cf-check`: 403 for an address that may only read, else nothing of interest."""
        return (
            _text(write(QUERY_ONLY), 403) if "ip_query_only" in self._venue.incidents.gates else _text("{}")
        )

    async def faults(self, request: Request) -> Response:
        """`/simulated/faults`: a `faults.Faults` as JSON takes the place of what is staged; everything is
        counted, and timed, from now on.
        """
        try:
            self._venue.faults = faults_of(await request.body()).with_known(
                frozenset(p.symbol for p in self._venue.exchange.products), REQUESTS
            )
        except ValueError as error:
            return _text(write({"error": str(error)}), 400)
        return _text("{}")

    async def money(self, request: Request) -> Response:
        """`/simulated/money`: one of `incidents.Money` as JSON, without a moment: it happens now."""
        try:
            asked = msgspec.json.decode(await request.body(), type=dict[str, object])
            incident = msgspec.convert(asked | {"at_ms": 0}, Money)
            self._venue.incidents.now(incident, self._venue)
        except (msgspec.DecodeError, ValueError, LookupError) as error:
            return _text(write({"error": str(error)}), 400)
        except ExchangeRefusal as no:
            return _refusal(no)
        return _text("{}")

    async def archive(self, request: Request) -> Response:
        """The archive: one key that names the question, no envelope; a refusal is a 400, over the limit a
        429.
        """
        try:
            name, found = archived(self._venue, await request.body(), _address(request))
        except ExchangeRefusal as no:
            return _refusal(no, self._venue.exchange.options.limited_status if no.code < 2000 else 400)
        return await self._carried(f"archive_{name}", write(found))


def _read(find: Callable[[QueryParams], object], to_text: Callable[[object], str] = write) -> Endpoint:
    """An endpoint that answers with what `find` makes of the parameters, as JSON without an envelope."""

    async def endpoint(request: Request) -> Response:
        try:
            return _text(to_text(find(request.query_params)))
        except ExchangeRefusal as no:
            return _refusal(no)

    return endpoint


def _refusal(no: ExchangeRefusal, status: int = 400) -> Response:
    return _text(write({"error": no.text, "error_code": no.code}), status)


async def _sent(reply: Awaitable[Answer]) -> Response:
    try:
        sent = await reply
    except (AnswerLost, ConnectionCut):
        return _text(write({"reason": "staged: the answer was lost"}), 504)
    return _text(sent.text if sent.body is None else sent.body, sent.status)


def _address(connection: Request | WebSocket) -> str:
    return connection.client.host if connection.client else ""


def _text(text: str, status: int = 200) -> Response:
    return Response(text, status, media_type=JSON)


class WebSocketFrames:
    """`sessions.Frames` on an ASGI WebSocket that has been accepted."""

    def __init__(self, socket: WebSocket, send: Send) -> None:
        self._socket = socket
        self._send = send
        self._heard: dict[str, float] = socket.scope.setdefault("state", {})
        self._heard.setdefault("heard_at", trio.current_time())

    @property
    def address(self) -> str:
        """The client's IP address, which rate limits count by; "" where the server does not know it."""
        return _address(self._socket)

    @property
    def heard_at(self) -> float:
        """Trio's time of the last byte where our server notes it (see `server`), else of the last frame."""
        return self._heard["heard_at"]

    async def receive(self) -> str:
        """The next frame, text or UTF-8. Raises `Closed`."""
        message = await self._socket.receive()
        if message["type"] != "websocket.receive":
            raise Closed
        self._heard["heard_at"] = trio.current_time()
        text: str | None = message.get("text")
        return text if text is not None else message["bytes"].decode("utf-8", "replace")

    async def send(self, text: str) -> None:
        """Send one text frame. Raises `Closed` when the client is gone."""
        try:
            await self._socket.send_text(text)
        except (WebSocketDisconnect, RuntimeError) as error:
            raise Closed from error

    async def send_truncated(self, text: str) -> None:
        """Staged: half a frame, where the server can do that (see `server`); elsewhere it ignores the
        message.
        """
        await self._send({"type": TRUNCATED, "text": text})


class _SocketEndpoint:
    """An endpoint that runs `session`; 403 with the venue's own body for a client that does not offer
    permessage-deflate.
    """

    def __init__(self, venue: SimulatedVenue, session: Session) -> None:
        self._venue = venue
        self._session = session

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        socket = WebSocket(scope, receive, send)
        if not offers_deflate(socket.headers.raw):
            await socket.send_denial_response(_text(write(NO_DEFLATE), 403))
        else:
            await socket.accept()
            await serve_session(self._session, WebSocketFrames(socket, send), self._venue)
