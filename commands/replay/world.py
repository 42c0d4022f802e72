"""What the machine of a replay knows and reaches: the exchange in its own process, by function calls."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

from actors.instance.state import RunState
from actors.ledger import CERTIFICATES, SCHEMA, CsvBooks
from actors.tree import World
from commands.access.venue import SIMULATED
from commands.replay.options import ReplayOptions
from commands.run.session import Session
from commands.setup.certificates import Certificates
from messages.lifecycle import Opened
from runtime.clock import RunClock, VenueClock
from venue.nado.weights import Weights
from venue.simulated.direct.client import connected_directly
from venue.simulated.direct.reads import Link
from venue.simulated.venue import SimulatedVenue
from venue.venue_time import measure_clock


async def replay_world(
    stack: AsyncExitStack,
    session: Session,
    venue: SimulatedVenue,
    options: ReplayOptions,
    passing: Path,
    local: RunClock,
) -> World:
    """A `World` of this exchange, reached by function calls and `options.latency` away, for as long as
    `stack` is open. Its run state is kept in the folder `passing`. Raises `VenueError`.
    """
    state = RunState(passing, "replay", "replay")
    stack.callback(state.close)
    here, clock = session.access, VenueClock(local)
    name = f"{SIMULATED}:{venue.instance}"
    link = Link(venue, options.latency / 1000, Weights())
    assert here.signer is not None  # noqa: S101 - given right above
    client = await stack.enter_async_context(connected_directly(link, here.sender, here.signer, clock, name))
    rules = await client.reads.rules_now()
    await measure_clock(client, clock)
    folder = Path(session.settings.files.logs)
    csvs: Callable[[], CsvBooks] | None = None
    certificates: Certificates | None = None
    if options.logs is not None:
        books = CsvBooks(folder, here.exchange)
        csvs = lambda: books  # noqa: E731
        keep = session.settings.files.certificate_keep
        certificates = Certificates(folder / CERTIFICATES, here.exchange, keep, None, at_once=True)
    opened = Opened(SCHEMA, rules.venue, rules.chain_id, here.sender)
    return World(
        session.settings,
        client,
        rules,
        clock,
        folder / "ledger.sqlite",
        opened,
        state,
        session.recorder.observe,
        options.run.seed,
        csvs,
        signer=here.signer.address,
        slack=options.slack,
        virtual=True,
        certificates=certificates,
    )
