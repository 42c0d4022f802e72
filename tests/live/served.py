"""A simulated venue behind real sockets on loopback, with or without TLS, in a thread with a Trio of its own: what a live run sees of a venue."""

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

import trio
import trustme

from actors.runtime.clock import WallClock
from commands.simulate import listen
from messages.units import Quote
from venue.nado.signing import Signer, subaccount_hex
from venue.simulated.asgi import application
from venue.simulated.exchange import Exchange
from venue.simulated.markets import market_named
from venue.simulated.rules import Knobs
from venue.simulated.venue import SimulatedVenue

T = TypeVar("T")

KEY = bytes.fromhex("5eed" * 16)
"""Nobody's: it exists in tests only."""
OWNER = Signer(KEY).address
SENDER = subaccount_hex(OWNER, "evenkeel")
FOUNDING = "flat:2756.9/115.86"


class Served:
    """The running venue; `do` works on it in its own thread."""

    def __init__(self, url: str, venue: SimulatedVenue, stop: trio.Event, token: trio.lowlevel.TrioToken) -> None:
        self.url = url
        self.venue = venue
        self._stop = stop
        self._token = token

    def stop(self) -> None:
        trio.from_thread.run_sync(self._stop.set, trio_token=self._token)

    def do(self, work: Callable[[SimulatedVenue], T]) -> T:
        return trio.from_thread.run_sync(work, self.venue, trio_token=self._token)


@contextmanager
def served(certificate: trustme.LeafCert | None = None, *, folder: Path | None = None, fund: Sequence[str] = (SENDER,)) -> Iterator[Served]:
    """A venue with the founding prices; each of `fund` has 10,000 USDT0. `folder` holds the certificate's files while it serves."""
    told: queue.Queue[Served | BaseException] = queue.Queue()
    thread = threading.Thread(target=_thread, args=(certificate, folder, fund, told), daemon=True)
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


def _thread(*details: object) -> None:
    told = details[3]
    assert isinstance(told, queue.Queue)
    try:
        trio.run(_serve, *details)
    except BaseException as error:  # noqa: BLE001 - handed to the test
        told.put(error)


async def _serve(certificate: trustme.LeafCert | None, folder: Path | None, fund: Sequence[str], told: "queue.Queue[Served]") -> None:
    from hypercorn.config import Config
    from hypercorn.trio import serve

    venue = SimulatedVenue(Exchange(knobs=Knobs(rate_limits=False)), market_named(FOUNDING, 7), WallClock())
    for sender in fund:
        venue.fund(sender, Quote.of(10_000))
    listening = listen(0)
    url = f"{'https' if certificate else 'http'}://localhost:{listening.getsockname()[1]}"
    config = Config()
    config.bind = [f"fd://{listening.detach()}"]
    config.loglevel = "CRITICAL"
    config.graceful_timeout = 0.1
    if certificate is not None:
        assert folder is not None
        config.certfile, config.keyfile = str(folder / "chain.pem"), str(folder / "key.pem")
        (folder / "chain.pem").write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
        certificate.private_key_pem.write_to_path(str(folder / "key.pem"))

    stop = trio.Event()
    async with trio.open_nursery() as nursery:
        await nursery.start(venue.run)
        await nursery.start(partial(serve, application(venue), config, shutdown_trigger=stop.wait))  # type: ignore[arg-type]
        told.put(Served(url, venue, stop, trio.lowlevel.current_trio_token()))
        await stop.wait()
        nursery.cancel_scope.cancel()
