"""The watcher's web server: one ASGI application for the page and the metrics, on hypercorn and Trio."""

import socket
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import trio

from runtime.outlive import outlive

if TYPE_CHECKING:
    from hypercorn.config import Config
    from starlette.types import ASGIApp

GRACE_S = 0.2
"""How long open connections may finish when the watcher ends."""
UNREAD_MS = 20_000
"""After this long without anything taken by the other side the system closes a connection (tcp(7))."""
MESSAGE_MAX = 16_384
"""Bytes of a WebSocket message that a browser has any reason to send."""


def bound(address: str) -> socket.socket:
    """A socket that listens at `HOST:PORT`. Raises `OSError` when it is taken or is no address of this
    machine.
    """
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Every connection has it too: hypercorn's shielded send would wait for a browser that never reads.
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_MS)
    try:
        made.bind((host, int(port)))
        made.listen(128)
    except OSError:
        made.close()
        raise
    return made


def url_of_socket(listening: socket.socket) -> str:
    """The base URL of what is served there."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def serve(
    app: "ASGIApp",
    listening: socket.socket,
    stop: trio.Event,
    certificate: str = "",
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve `app` until `stop`; over TLS where there is a PEM file with `certificate` and key. Started =
    connections are accepted. Raises `OSError` for a certificate that cannot be read.
    """
    from hypercorn.trio import serve as hypercorn

    _contain()
    async with trio.open_nursery() as nursery:
        config = _config(listening.detach(), certificate)
        serving = partial(hypercorn, app, config, shutdown_trigger=stop.wait)  # type: ignore[arg-type]
        with suppress(trio.Cancelled):
            await nursery.start(serving)
            task_status.started()


def _config(descriptor: int, certificate: str) -> "Config":
    """Warnings go to standard error, which is the watcher's log."""
    from hypercorn.config import Config

    config = Config()
    config.bind = [f"fd://{descriptor}"]
    config.certfile = config.keyfile = certificate or None
    config.loglevel = "WARNING"
    config.graceful_timeout = GRACE_S
    config.include_server_header = False
    config.websocket_max_message_size = MESSAGE_MAX
    return config


def _contain() -> None:
    """Have hypercorn outlive what a single connection does to it: data before a WebSocket is accepted, for
    one, raises in its HTTP/1.1 module, through the nursery of all connections. By name, in its Trio module.
    """
    from hypercorn.trio import run
    from hypercorn.trio.tcp_server import TCPServer

    class ContainedServer(TCPServer):
        """One connection. What is wrong with it ends it, and nothing else."""

        async def run(self) -> None:
            """As hypercorn's; never raises."""
            await outlive(super().run, lambda _why: None)

    run.TCPServer = ContainedServer  # type: ignore[attr-defined]
