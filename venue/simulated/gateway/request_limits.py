"""Who may speak to the simulated venue: programs on this machine, with requests of a sensible size.

It listens on loopback only, and a web page in a browser on this machine reaches loopback too: by a form or a
socket of its own (its `Origin` is another), or by a name of its own that it lets point here (DNS rebinding:
its `Host` is another). Either could inject faults in a rehearsal.
"""

from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "::1")
BODY_MAX = 256 * 1024
"""The longest request that a client has any reason to send is an archive question about 500 digests: 35
kB.
"""
JSON = "application/json"
_NOT_LOCAL = Response(
    '{"reason": "only programs on this machine may ask: Host or Origin is another"}', 403, media_type=JSON
)
TOO_LARGE = Response('{"reason": "the request is too large"}', 413, media_type=JSON)


class TooLarge(Exception):
    """More than `BODY_MAX` has come; the application answers it with `TOO_LARGE`."""


def always(response: Response) -> Callable[[Request, Exception], Awaitable[Response]]:
    """A handler of exceptions that answers with `response`. Nothing has been answered by then: every endpoint
    reads the whole body first.
    """

    async def handler(_request: Request, _error: Exception) -> Response:
        return response

    return handler


def of_this_machine(app: ASGIApp) -> ASGIApp:
    """`app`, for requests and sockets that name this machine and come from no web page: everybody else
    gets 403.
    """

    async def known(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"} or _comes_from_here(scope):
            await app(scope, receive, send)
        elif scope["type"] == "websocket":
            await WebSocket(scope, receive, send).send_denial_response(_NOT_LOCAL)
        else:
            await _NOT_LOCAL(scope, receive, send)

    return known


def _comes_from_here(scope: Scope) -> bool:
    hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
    origins = [value.decode("latin-1") for name, value in scope["headers"] if name == b"origin"]
    if len(hosts) != 1 or len(origins) > 1:
        return False
    try:
        by_name = urlsplit(f"//{hosts[0]}").hostname in LOOPBACK_NAMES
        return by_name and all(urlsplit(origin).netloc.lower() == hosts[0].lower() for origin in origins)
    except ValueError:
        return False


def bounded(app: ASGIApp) -> ASGIApp:
    """`app`, with 413 for a body of more than `BODY_MAX` bytes: announced, or counted as it comes."""

    async def measured(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        length = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
        # an announcement of 20 digits and more is not converted: what comes is counted anyway
        if length.isdigit() and len(length) < 20 and int(length) > BODY_MAX:
            await TOO_LARGE(scope, receive, send)
            return
        come = 0

        async def counted() -> Message:
            nonlocal come
            message = await receive()
            come += len(message.get("body", b""))
            if come > BODY_MAX:
                raise TooLarge
            return message

        await app(scope, counted, send)

    return measured
