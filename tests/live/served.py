"""A simulated venue behind real sockets on loopback, with or without TLS, in a thread with a Trio of its
own: what a live run sees of a venue.
"""

import queue
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

import trio
import trustme

from messages.units import Quote
from runtime.clock import WallClock
from venue.nado.signing import Signer, subaccount_hex
from venue.simulated.engine.exchange import Exchange
from venue.simulated.engine.rules import VenueOptions
from venue.simulated.gateway.server import LOOPBACK, listen, serve
from venue.simulated.markets import market_named
from venue.simulated.venue import SimulatedVenue

T = TypeVar("T")

KEY = bytes.fromhex("5eed" * 16)
"""Nobody's: it exists in tests only."""
OWNER = Signer(KEY).address
SENDER = subaccount_hex(OWNER, "evenkeel")
FOUNDING = "flat:2756.9/115.86"


class Served:
    """The running venue; `do` works on it in its own thread."""

    def __init__(
        self, url: str, venue: SimulatedVenue, stop: trio.Event, token: trio.lowlevel.TrioToken
    ) -> None:
        self.url = url
        self.venue = venue
        self._stop = stop
        self._token = token

    def stop(self) -> None:
        trio.from_thread.run_sync(self._stop.set, trio_token=self._token)

    def do(self, work: Callable[[SimulatedVenue], T]) -> T:
        return trio.from_thread.run_sync(work, self.venue, trio_token=self._token)


Told = queue.Queue[Served | BaseException]


@contextmanager
def served(
    certificate: trustme.LeafCert | None = None, *, fund: Sequence[str] = (SENDER,)
) -> Iterator[Served]:
    """A venue with the founding prices; each of `fund` has 10,000 USDT0. With a certificate it is behind
    TLS.
    """
    told: Told = queue.Queue()
    thread = threading.Thread(target=_thread, args=(certificate, fund, told), daemon=True)
    thread.start()
    found = told.get(timeout=20)
    if isinstance(found, BaseException):
        raise found
    try:
        yield found
    finally:
        found.stop()
        thread.join(timeout=20)
        assert not thread.is_alive()


def _thread(certificate: trustme.LeafCert | None, fund: Sequence[str], told: Told) -> None:
    try:
        trio.run(_serve, certificate, fund, told)
    except BaseException as error:  # noqa: BLE001 - handed to the test
        told.put(error)


async def _serve(certificate: trustme.LeafCert | None, fund: Sequence[str], told: Told) -> None:
    venue = SimulatedVenue(
        Exchange(options=VenueOptions(rate_limits=False)), market_named(FOUNDING, 7), WallClock()
    )
    for sender in fund:
        venue.fund(sender, Quote.of(10_000))
    listening, stop = listen(0), trio.Event()
    url = f"http://localhost:{listening.getsockname()[1]}"
    async with trio.open_nursery() as nursery:
        await nursery.start(venue.run)
        await nursery.start(serve, venue, listening, stop)
        if certificate is not None:
            port = await nursery.start(_behind_tls, certificate, int(url.rsplit(":", 1)[1]))
            url = f"https://localhost:{port}"
        told.put(Served(url, venue, stop, trio.lowlevel.current_trio_token()))
        await stop.wait()
        nursery.cancel_scope.cancel()


async def _behind_tls(certificate: trustme.LeafCert, port: int, *, task_status: trio.TaskStatus[int]) -> None:
    """Take the TLS off every connection and pass it on to `port`, as the proxy in front of the exchange
    does.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)

    async def relay(outside: trio.SSLStream[trio.SocketStream]) -> None:
        async with await trio.open_tcp_stream(LOOPBACK, port) as inside, trio.open_nursery() as nursery:
            nursery.start_soon(_pump, inside, outside, nursery.cancel_scope)
            await _pump(outside, inside, nursery.cancel_scope)

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(
            partial(trio.serve_ssl_over_tcp, relay, 0, context, host=LOOPBACK, https_compatible=True)
        )
        task_status.started(listeners[0].transport_listener.socket.getsockname()[1])


async def _pump(source: trio.abc.Stream, sink: trio.abc.Stream, over: trio.CancelScope) -> None:
    try:
        while data := await source.receive_some(65_536):
            await sink.send_all(data)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        pass
    over.cancel()
