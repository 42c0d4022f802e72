"""From a configuration to a world: our lock, a venue that answers, what must be true first, our ledger."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import msgspec
import trio

from actors.instance.state import RunState, opened_state, state_directory
from actors.ledger import CERTIFICATES, Disk
from actors.ledger.locking import kept
from actors.tree import World
from commands.access.simulated import simulated_nado
from commands.access.venue import Access
from commands.checks.answered_venue import AnsweredVenue
from commands.checks.exit_costs import exits_clear_costs
from commands.config.options import RunOptions
from commands.open_state.evidence import Evidence, gathered
from commands.open_state.readings import venue_said
from commands.open_state.verdict import MEANT
from commands.output.words import Problem
from commands.setup.certificates import Certificates
from commands.setup.connecting import answering, place_and_rules
from commands.setup.preflight import ASK_S, legs_alike, must_know_what_is_open, preflight
from commands.setup.run_ledger import RunLedger
from commands.setup.wallet import in_wallet
from runtime.files import private_folder
from runtime.observe import Notes, Observe

CERTIFICATES_S = 2.0
"""How long the end of a run waits for the last certificates."""


@asynccontextmanager
async def world(
    options: RunOptions, here: Access, observe: Observe, replayed: trio.Event
) -> AsyncIterator[World]:
    """Everything a machine needs, torn down in reverse order; our own venue last. `replayed` is set when the
    recording that such a venue replays has ended.

    Raises `AlreadyRunning`, `NoState`, `LedgerError`, `UnreadableLedger`, `UnwritableLedger`, `ChildFailed`,
    `SlowDisk`, `VenueError`; where the rules of live trading hold, `Problem` for whatever must be true before
    the first order and is not.
    """
    logs = Path(options.settings.files.logs)
    if not logs.is_dir():
        private_folder(logs)
    own_venue = not here.gateway
    found = gathered(here, logs, state_directory())
    state = opened_state(state_directory(), here.identities(logs), logs)
    try:
        state.at_least(found.epoch)
        await state.begin()
        async with AsyncExitStack() as stack:
            if own_venue and here.paper is None:
                log = logs / "venue.log"
                child = simulated_nado(options.seed, options.market, options.faults, log, over=replayed)
                here = msgspec.structs.replace(here, gateway=await stack.enter_async_context(child))
            known = await answering(stack, options.settings, here, options.seed, observe)
            Notes(observe, known.clock, "run")("info", place_and_rules(here, known.rules))
            try:
                made = await _allowed(stack, options, known, found, state, observe, own_venue=own_venue)
            except Exception as error:
                if not (own_venue or (isinstance(error, Problem) and error.settled)):
                    files = gathered(here, logs, state.directory)
                    by_s = trio.current_time() + ASK_S
                    MEANT.said = await venue_said(known.reads.account, known.rules, by_s, files)
                raise
            with kept(made.ledger):
                yield made
    finally:
        state.close()


async def _allowed(
    stack: AsyncExitStack,
    options: RunOptions,
    known: AnsweredVenue,
    found: Evidence,
    state: RunState,
    observe: Observe,
    *,
    own_venue: bool,
) -> World:
    """The world, once all is true that must be before a machine is begun. Raises what `world` does."""
    here, settings, ledger = known.access, known.settings, found.ledger
    if not own_venue:
        await state.move_to(here.identity_at(known.rules, state.directory), known.rules.venue)
        await must_know_what_is_open(known, found, state, adopt=options.adopt)
        stack.enter_context(in_wallet(known, state.directory))
    # By the reading there is (without a snapshot each takes long): nothing to close is certain only where the
    # ledger can be read, and a rule that is missing is then a refusal to start.
    if ledger.state == "missing" or (ledger.held is not None and ledger.held.phase == "flat"):
        known.rules.terms()
    await exits_clear_costs(known, observe)
    if here.live:
        await preflight(known, options.accept_loss, observe)
    elif here.paper is not None:
        await legs_alike(known, observe)
    ours = RunLedger.of(known, observe)
    csvs = await ours.made_ready(state, own_venue=own_venue)
    certificates = Certificates(
        known.logs / CERTIFICATES, here.exchange, settings.files.certificate_keep, known.raw
    )
    stack.callback(certificates.close, CERTIFICATES_S)
    return World(
        settings,
        known.venue,
        known.rules,
        known.clock,
        ours.file.path,
        ours.file.opened,
        state,
        observe,
        options.seed,
        lambda: csvs,
        ours.file.sync,
        Disk(known.logs, settings.files.min_free_disk),
        "" if own_venue else here.gateway,
        here.signer.address if here.signer else "",
        certificates=certificates,
    )
