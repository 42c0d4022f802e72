"""The venue as a web application: HTTP and WebSocket of one base URL. Served by hypercorn in `simulate`, called in-process by tests.

GET|POST /v1/query   POST /v1/execute   GET /v1/time   GET /v1/symbols   POST /v1 and /archive/v1 (the archive)   /v1/ws   /v1/subscribe
GET /simulated/order_log   no question that Nado answers: every attempt to place an order, for whoever audits a client from outside
"""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from venue.nado.codec import write
from venue.nado.http import INSTANCE_HEADER
from venue.nado.socket import NO_DEFLATE, offers_deflate
from venue.simulated.archive import ArchiveQuery
from venue.simulated.codes import Refused
from venue.simulated.queries import symbol_json
from venue.simulated.sessions import Closed, Frames, answer, answer_query, carried, gateway_session, subscribe_session
from venue.simulated.venue import AnswerLost, ConnectionCut, SimulatedVenue
from venue.simulated.wire import read_request

JSON = "application/json"
Endpoint = Callable[[Request], Awaitable[Response]]


def application(venue: SimulatedVenue) -> ASGIApp:
    """The ASGI application of `venue`."""
    http = _Http(venue)
    routes = [
        Route("/v1/query", http.query, methods=["GET", "POST"]),
        Route("/v1/execute", http.execute, methods=["POST"]),
        Route("/v1/time", http.time, methods=["GET"]),
        Route("/v1/symbols", http.symbols, methods=["GET"]),
        Route("/v1", http.archive, methods=["POST"]),
        Route("/archive/v1", http.archive, methods=["POST"]),
        Route("/simulated/order_log", http.order_log, methods=["GET"]),
        WebSocketRoute("/v1/ws", _socket(venue, gateway_session)),
        WebSocketRoute("/v1/subscribe", _socket(venue, subscribe_session)),
    ]
    return _named(Starlette(routes=routes), venue.instance)


def _named(app: ASGIApp, instance: str) -> ASGIApp:
    """`app` with the venue's instance id on every HTTP answer, errors included."""

    async def named(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_named(message: Message) -> None:
            if message["type"] in {"http.response.start", "websocket.http.response.start"}:
                message["headers"] = [*message.get("headers", ()), (INSTANCE_HEADER.encode(), instance.encode())]
            await send(message)

        await app(scope, receive, send_named)

    return named


class _Http:
    """The endpoints. A refusal of the protocol is HTTP 200 with status failure, as at Nado."""

    def __init__(self, venue: SimulatedVenue) -> None:
        self._venue = venue

    async def query(self, request: Request) -> Response:
        """`/v1/query`: parameters in the URL or in a JSON body."""
        if request.method == "GET":
            params = {"type": "", **request.query_params}
            return await self._carried(params["type"], answer_query(self._venue, params))
        return await self._answered(answer(self._venue, await request.body()))

    async def execute(self, request: Request) -> Response:
        """`/v1/execute`."""
        return await self._answered(answer(self._venue, await request.body()))

    async def _carried(self, request: str, reply: str) -> Response:
        return await self._answered(carried(self._venue, request, reply))

    async def _answered(self, reply: Awaitable[str]) -> Response:
        try:
            return _text(await reply)
        except (AnswerLost, ConnectionCut):
            return _text(write({"reason": "staged: the answer was lost"}), 504)

    async def time(self, _request: Request) -> Response:
        """`/v1/time`: a bare number of milliseconds."""
        return await self._carried("time", str(self._venue.now_ms()))

    async def symbols(self, _request: Request) -> Response:
        """`/v1/symbols`: a bare list."""
        return await self._carried("symbols", write([symbol_json(product) for product in self._venue.exchange.products]))

    async def order_log(self, _request: Request) -> Response:
        """`/simulated/order_log`: a list of `order_log.LoggedOrder`, in the order of arrival."""
        return _text(write(list(self._venue.exchange.order_log)))

    async def archive(self, request: Request) -> Response:
        """The archive: one key, no envelope."""
        try:
            name, found = self._archived(await request.body())
        except Refused as no:
            return _text(write({"error": no.text, "error_code": no.code}), 400)
        return await self._carried(name, write(found))

    def _archived(self, body: bytes) -> tuple[str, dict[str, Any]]:
        asked = read_request(body, dict[str, msgspec.Raw])
        readers = {"orders": self._venue.archive.orders, "matches": self._venue.archive.matches}
        for name, reader in readers.items():
            if set(asked) == {name}:
                return name, reader(read_request(bytes(asked[name]), ArchiveQuery), self._venue.now_ns())
        raise Refused(3000, f"The archive answers orders and matches, not {', '.join(asked)[:64]}")


def _text(text: str, status: int = 200) -> Response:
    return Response(text, status, media_type=JSON)


class WebSocketFrames:
    """`sessions.Frames` on an ASGI WebSocket."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket

    async def receive(self) -> str:
        """The next frame, text or UTF-8. Raises `Closed`."""
        message = await self._socket.receive()
        if message["type"] != "websocket.receive":
            raise Closed
        text: str | None = message.get("text")
        return text if text is not None else message["bytes"].decode("utf-8", "replace")

    async def send(self, text: str) -> None:
        """Send one frame. Raises `Closed`."""
        try:
            await self._socket.send_text(text)
        except (WebSocketDisconnect, RuntimeError) as error:
            raise Closed from error


def _socket(venue: SimulatedVenue, session: Callable[[Frames, SimulatedVenue], Awaitable[None]]) -> Callable[[WebSocket], Awaitable[None]]:
    """An endpoint that runs `session`; 403 with the venue's own body for a client that does not offer permessage-deflate."""

    async def endpoint(socket: WebSocket) -> None:
        if not offers_deflate(socket.headers.raw):
            await socket.send_denial_response(_text(write(NO_DEFLATE), 403))
            return
        await socket.accept()
        await session(WebSocketFrames(socket), venue)

    return endpoint
