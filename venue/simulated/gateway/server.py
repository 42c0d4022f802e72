"""Serves a simulated venue on loopback, with hypercorn, and adds what hypercorn cannot do by itself.

It cannot tell when a client was last heard, nor cut a connection in the middle of a frame. It makes one
`WSStream` per WebSocket, by that name, in its HTTP/1.1 module: `_install` puts ours in its place, and a test
fails when the name goes. While the venue is staged to be down nobody listens.
"""

import socket
from functools import partial
from typing import TYPE_CHECKING, Any

import trio

from venue.simulated.gateway.asgi import TRUNCATED, application
from venue.simulated.gateway.request_limits import BODY_MAX, of_this_machine
from venue.simulated.gateway.sessions import truncated_frame

if TYPE_CHECKING:
    from hypercorn.config import Config

    from venue.simulated.venue import SimulatedVenue

LOOPBACK = "127.0.0.1"
GRACE_S = 0.1
"""How long open connections may finish."""


def listen(port: int) -> socket.socket:
    """A bound socket on loopback; never anywhere else. Raises `OSError` when the port is taken."""
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((LOOPBACK, port))
        bound.listen()
    except OSError:
        bound.close()
        raise
    return bound


async def serve(
    venue: "SimulatedVenue",
    listening: socket.socket,
    stop: trio.Event,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until `stop`, at the port that `listening` is bound to. Started = connections are accepted."""
    from hypercorn.trio import serve as hypercorn  # noqa: PLC0415 - slow to import

    _install()
    port, app = listening.getsockname()[1], of_this_machine(application(venue))
    async with trio.open_nursery() as nursery:
        first = True
        while not stop.is_set():
            until_down = partial(_wait_for, venue, stop, down=True)
            config = _config(listening.detach())
            await nursery.start(partial(hypercorn, app, config, shutdown_trigger=until_down))  # type: ignore[arg-type]
            if first:
                task_status.started()
            first = False
            await until_down()
            await _wait_for(venue, stop, down=False)
            if not stop.is_set():
                listening = listen(port)


def _config(descriptor: int) -> "Config":
    """Standard output stays clean; warnings go to standard error."""
    from hypercorn.config import Config  # noqa: PLC0415 - slow to import

    config = Config()
    config.bind = [f"fd://{descriptor}"]
    config.loglevel = "WARNING"
    config.graceful_timeout = GRACE_S
    config.include_server_header = False
    config.websocket_max_message_size = BODY_MAX
    return config


async def _wait_for(venue: "SimulatedVenue", stop: trio.Event, *, down: bool) -> None:
    """Until the host is down, or up again; or until `stop`."""
    while bool(venue.incidents.down) != down and not stop.is_set():
        await _any_of(venue.incidents.changed, stop)


async def _any_of(*events: trio.Event) -> None:
    async def wait(event: trio.Event) -> None:
        await event.wait()
        nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        for event in events:
            nursery.start_soon(wait, event)


def _install() -> None:
    """Make hypercorn serve WebSockets with our stream: by name, in its HTTP/1.1 module."""
    from hypercorn.protocol import h11  # noqa: PLC0415 - only `simulate` needs it
    from hypercorn.protocol.events import Data, StreamClosed  # noqa: PLC0415
    from hypercorn.protocol.ws_stream import WSStream  # noqa: PLC0415

    class HeardWebSocket(WSStream):
        """A WebSocket that notes when something came in."""

        async def handle(self, event: Any) -> None:
            """As hypercorn's; `heard_at` is in the state that the application sees."""
            if isinstance(event, Data) and hasattr(self, "scope"):
                self.scope["state"]["heard_at"] = trio.current_time()
            await super().handle(event)

        async def app_send(self, message: Any) -> None:
            """As hypercorn's; a `TRUNCATED` message sends half of a frame and ends the connection."""
            if message is None or message["type"] != TRUNCATED:
                await super().app_send(message)
            elif not self.closed:
                self.closed = True
                await self.send(Data(stream_id=self.stream_id, data=truncated_frame(message["text"])))
                await self.send(StreamClosed(stream_id=self.stream_id))

    h11.WSStream = HeardWebSocket  # type: ignore[attr-defined]
