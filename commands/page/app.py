"""The page as an ASGI application: its files, the WebSocket that feeds it, what it can do, what it can open.

    GET  /, /page.css, /page.js ...   the page itself: nothing about the run is in it
    WS   /live                        the token first, then all of the state, then what changes
    POST /do/pause, /resume, ...      through the run's control socket: {"reason": "..."}
    GET  /documents                   which certificates there are
    POST /open                        {"name": "report"}, or a certificate's: an address for ten minutes
    GET  /opened/...                  what was opened

All but the files need the token (`gate.py`). Whoever has no right to an answer gets none: 403 or 404 with an
empty body, a WebSocket that is not accepted.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from importlib.resources import files
from typing import Any, Literal, get_args

import msgspec
import trio
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from commands.page.documents import Documents
from commands.page.gate import PageGate
from commands.page.hub import PageClient, PageHub, TooMany

Do = Literal["pause", "resume", "flatten", "halt"]
Act = Callable[[Do, str], Awaitable[str | None]]
"""Asks the run; its answer in words, None when it does not answer."""
BODY_MAX = 4_096
REASON_MAX = 200
TOKEN_S = 5.0
"""How long a connection may take to show the token."""
SEND_S = 10.0
"""How long one delta may take to leave: a browser that takes longer does not read."""
CLOSED_TOKEN, CLOSED_SLOW, CLOSED_FULL = 4401, 4408, 4429
"""Codes of our own (RFC 6455, 7.4.2): no token, did not read, too many look."""
TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "txt": "text/plain"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:;"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
OPENED_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"
"""Of a finished report: its style stands in the page, and it needs no script."""
HEADERS = {
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
ASSETS = (
    "index.html",
    "page.css",
    "page.js",
    "live.js",
    "charts.js",
    "uplot.js",
    "uplot.css",
    "uplot-licence.txt",
)


class _Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of an action."""

    reason: str = ""


class _Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `/open`."""

    name: str


class _Shown(msgspec.Struct, frozen=True):
    """The first text of a WebSocket."""

    token: str


def page_app(
    hub: PageHub, gate: PageGate, act: Act, documents: Documents, more: Sequence[BaseRoute] = ()
) -> ASGIApp:
    """The application. `hub` is fed by somebody else; `act` reaches the run; `more`: what else is served to
    whoever names us in `Host`.
    """
    page = _Page(hub, gate, act, documents)
    routes = [
        Route("/", _file("index.html"), methods=["GET"]),
        *(Route(f"/{name}", _file(name), methods=["GET"]) for name in ASSETS),
        Route("/documents", page.listed, methods=["GET"]),
        Route("/open", page.open, methods=["POST"]),
        Route("/opened/{ticket}/{name}", page.opened, methods=["GET"]),
        *(Route(f"/do/{word}", page.do(word), methods=["POST"]) for word in get_args(Do)),
        WebSocketRoute("/live", page.live),
        *more,
    ]
    handlers: dict[Any, Any] = {code: _nothing(code) for code in (404, 405, 500)}
    handlers[ClientDisconnect] = _nothing(400)
    return _guarded(Starlette(routes=routes, exception_handlers=handlers), gate)


def _nothing(code: int) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def answer(_request: Request, _error: Exception) -> Response:
        return Response(status_code=code)

    return answer


def _file(name: str) -> Callable[[Request], Awaitable[Response]]:
    content = (files("commands.page") / "assets" / name).read_bytes()
    kind = TYPES[name.rpartition(".")[2]]

    async def serve(_request: Request) -> Response:
        return Response(content, media_type=kind)

    return serve


def _guarded(app: ASGIApp, gate: PageGate) -> ASGIApp:
    """`app` for whoever names us in `Host`, with the headers that every answer has; nothing for others."""

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await app(scope, receive, send)
            return
        own = "websocket.http.response.start" if scope["type"] == "websocket" else "http.response.start"

        async def send_with(message: Message) -> None:
            if message["type"] == own:
                had = {name for name, _ in message.get("headers", ())}
                more = {**HEADERS, "content-security-policy": POLICY}
                message["headers"] = [
                    *message.get("headers", ()),
                    *((n.encode(), v.encode()) for n, v in more.items() if n.encode() not in had),
                ]
            await send(message)

        headers = _headers(scope)
        if not gate.knows(headers) or (scope["type"] == "websocket" and not gate.from_us(headers)):
            nothing = Response(status_code=403)
            if scope["type"] == "websocket":
                await WebSocket(scope, receive, send_with).send_denial_response(nothing)
            else:
                await nothing(scope, receive, send_with)
            return
        await app(scope, receive, send_with)

    return guarded


def _headers(scope: Scope) -> Mapping[str, str]:
    """Of several of one name none counts: what two readers could understand differently is refused."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        key = name.decode("latin-1").lower()
        found[key] = "" if key in found else value.decode("latin-1")
    return found


async def _body(request: Request) -> bytes:
    """The whole body. Raises `msgspec.DecodeError` for one that is too long."""
    content = b""
    async with aclosing(request.stream()) as pieces:
        async for piece in pieces:
            content += piece
            if len(content) > BODY_MAX:
                raise msgspec.DecodeError("too long")
    return content


class _Page:
    def __init__(self, hub: PageHub, gate: PageGate, act: Act, documents: Documents) -> None:
        self._hub, self._gate, self._act, self._documents = hub, gate, act, documents

    def _may(self, request: Request) -> bool:
        headers = _headers(request.scope)
        asked = request.method == "GET" and "origin" not in headers
        return self._gate.bearer(headers) and (asked or self._gate.from_us(headers))

    def do(self, word: Do) -> Callable[[Request], Awaitable[Response]]:
        """The endpoint that asks the run to do one thing: 403 without the token, 400 for a body that is no
        JSON.
        """

        async def act(request: Request) -> Response:
            if not self._may(request):
                return Response(status_code=403)
            try:
                asked = msgspec.json.decode(await _body(request), type=_Asked)
            except msgspec.DecodeError:
                return Response(status_code=400)
            answer = await self._act(word, " ".join(asked.reason.split())[:REASON_MAX])
            if answer is None:
                return _json(
                    {"done": False, "words": "The run does not answer. Type: python supervisor.py status"}
                )
            return _json({"done": True, "words": answer})

        return act

    async def listed(self, request: Request) -> Response:
        """The names of the newest certificates, newest first."""
        if not self._may(request):
            return Response(status_code=403)
        return _json({"certificates": await trio.to_thread.run_sync(self._documents.certificates)})

    async def open(self, request: Request) -> Response:
        """Make an address for a document that a new tab can ask for, which cannot show a token."""
        if not self._may(request):
            return Response(status_code=403)
        try:
            wanted = msgspec.json.decode(await _body(request), type=_Wanted)
        except msgspec.DecodeError:
            return Response(status_code=400)
        made = await self._documents.open(wanted.name)
        return _json({"url": made.url, "words": made.words})

    async def opened(self, request: Request) -> Response:
        """The document at an address that `open` made, until that expires; 404 for any other."""
        found = self._documents.opened(request.path_params["ticket"])
        if found is None or found.name != request.path_params["name"]:
            return Response(status_code=404)
        return Response(
            found.content, media_type=found.kind, headers={"content-security-policy": OPENED_POLICY}
        )

    async def live(self, socket: WebSocket) -> None:
        """All of the state, then what changes, as long as the browser reads it."""
        await socket.accept()
        shown = None
        with trio.move_on_after(TOKEN_S):
            shown = await _first(socket)
        if shown is None or not self._gate.opens(shown):
            await socket.close(CLOSED_TOKEN)
            return
        try:
            with self._hub.client() as (client, snapshot):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(_until_gone, socket, nursery.cancel_scope)
                    with client.dropped:
                        await _sent(socket, client, snapshot)
                        async for delta in client.deltas:
                            await _sent(socket, client, delta)
                    nursery.cancel_scope.cancel()
                if client.dropped.cancelled_caught:
                    await socket.close(CLOSED_SLOW)
        except TooMany:
            await socket.close(CLOSED_FULL)


async def _first(socket: WebSocket) -> str | None:
    try:
        message = await socket.receive()
        text = message.get("text") or ""
        return msgspec.json.decode(text[:BODY_MAX], type=_Shown).token
    except (msgspec.DecodeError, WebSocketDisconnect):
        return None


async def _sent(socket: WebSocket, client: PageClient, content: bytes) -> None:
    """Send it, or drop a client that does not take it in time."""
    with trio.move_on_after(SEND_S) as waited:
        await socket.send({"type": "websocket.send", "text": content.decode()})
    if waited.cancelled_caught:
        client.dropped.cancel()
        await trio.lowlevel.checkpoint()


async def _until_gone(socket: WebSocket, scope: trio.CancelScope) -> None:
    """A browser that looks has nothing to say. What it says all the same is dropped."""
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass
    scope.cancel()


def _json(content: object) -> Response:
    return Response(msgspec.json.encode(content), media_type="application/json")
