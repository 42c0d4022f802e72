"""From a configuration to a world: a venue that answers, its rules, its clock, our lock, our ledger."""

import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec
import trio

from actors.instance.state import RunState, opened_state, state_directory
from actors.ledger import (
    BrokenChain,
    CsvBooks,
    Disk,
    LedgerError,
    OtherIdentity,
    Store,
    archive_logs,
    catch_up,
    folded,
)
from actors.ledger.locking import kept
from actors.tree import World
from commands.access.disk import slow_commit_ms, sync_of
from commands.access.simulated import simulated_nado
from commands.access.venue import SIMULATED, Access
from commands.checks.answered_venue import AnsweredVenue
from commands.open_state.decision import RefusedWhileOpen, decide, starts_by_itself, trusted
from commands.open_state.evidence import Evidence, LedgerWord, gathered, ledger_word
from commands.open_state.readings import venue_said
from commands.open_state.verdict import MEANT
from commands.output.words import Problem
from commands.setup.preflight import preflight
from messages.amounts import rate_bps
from messages.lifecycle import Halted, Held, Note, Opened
from messages.settings import Settings
from messages.units import Quote
from runtime.clock import Clock, VenueClock, WallClock
from runtime.files import private_folder
from runtime.observe import Observe
from venue.nado.client import Addresses, NadoVenue, SigningAccount, Transports
from venue.nado.http import HttpReads
from venue.nado.socket import Dialer, TcpDialer
from venue.protocol import Busy, Malformed, Unreachable, VenueRules
from venue.venue_time import measure_clock

if TYPE_CHECKING:
    import httpx

SCHEMA = "evenkeel.ledger/1"


class UnreadableLedger(Exception):
    """The ledger's file is there and is no ledger: Evenkeel's part at the venue cannot be known from it."""


class UnwritableLedger(Exception):
    """Nothing can be written down, and nothing is open: so nothing is begun."""


BUSY_S = 30.0
"""How long a venue that is there and does not answer is asked again at the start."""
SAID_S = 5.0
"""How often it is said that an exchange is asked again."""
AGAIN_S = 1.0
ASK_S = 10.0
"""How long the venue is asked at a start what is open."""
RULES_TRIES = 3
RULES_AGAIN_S = 0.3
"""How often the rules are read at the start, and how long is waited between, while something is missing in
them.
"""


class SlowDisk(Exception):
    """The disk's commits do not fit into `ready_deadline`."""


class Wanted(msgspec.Struct, frozen=True):
    """What a run was asked for, beside its settings."""

    access: Access
    seed: int
    market: str
    faults: str
    accept_loss: Quote | None = None
    adopt: bool = False
    """A person says that what the venue holds is ours: a ledger that does not know of it is no reason not
    to start.
    """
    over: trio.Event | None = None
    """Set when the recording that a venue of our own replays has ended."""


@asynccontextmanager
async def world(settings: Settings, wanted: Wanted, observe: Observe) -> AsyncIterator[World]:
    """Everything a machine needs, torn down in reverse order; our own venue last.

    Raises `AlreadyRunning`, `NoState`, `LedgerError`, `UnreadableLedger`, `UnwritableLedger`, `ChildFailed`,
    `SlowDisk`, `VenueError`; where the rules of live trading hold, `Problem` for whatever must be true before
    the first order and is not.
    """
    logs = Path(settings.files.logs)
    if not logs.is_dir():
        private_folder(logs)
    here = wanted.access
    own_venue = not here.gateway
    found = gathered(here, logs, state_directory())
    state = opened_state(state_directory(), here.identities(logs), logs)
    try:
        state.at_least(found.epoch)
        await state.begin()
        async with AsyncExitStack() as stack:
            if own_venue:
                url = await stack.enter_async_context(
                    simulated_nado(
                        wanted.seed, wanted.market, wanted.faults, logs / "venue.log", over=wanted.over
                    )
                )
                here = msgspec.structs.replace(here, gateway=url)
            known = await _answering(stack, settings, here, wanted.seed, observe)
            observe(Note(known.clock.utc_ns(), "info", "run", f"{_place(here)} · {rules_read(known.rules)}"))
            try:
                prepared = await _allowed(settings, wanted, known, found, state, observe, own_venue=own_venue)
            except Exception as error:
                if not (own_venue or (isinstance(error, Problem) and error.settled)):
                    files = gathered(here, logs, state.directory)
                    MEANT.said = await venue_said(
                        known.reads.account, known.rules, trio.current_time() + ASK_S, files
                    )
                raise
            with kept(prepared.ledger):
                yield prepared
    finally:
        state.close()


async def _allowed(
    settings: Settings,
    wanted: Wanted,
    known: AnsweredVenue,
    found: Evidence,
    state: RunState,
    observe: Observe,
    *,
    own_venue: bool,
) -> World:
    """All that must be true before a machine is begun. Raises what `world` does."""
    here, ledger = known.access, Path(settings.files.logs) / "ledger.sqlite"
    if not own_venue:
        await state.move_to(here.identity_at(known.rules, state.directory), known.rules.venue)
        await _knows_what_is_open(known, found, state.belongs_to, adopt=wanted.adopt)
    if _nothing_held(found.ledger):
        known.rules.terms()  # nothing to close: then a rule that is missing is a refusal to start
    if here.live:
        await preflight(known, wanted.accept_loss, observe)
    with readable(ledger):
        return await _prepared(settings, wanted, known, state, observe, own_venue=own_venue)


async def _answering(
    stack: AsyncExitStack, settings: Settings, here: Access, seed: int, observe: Observe
) -> AnsweredVenue:
    """A venue that answers. A busy one is asked again for `BUSY_S`; any that does not answer for
    `venue_patience`, while our fills say that something is open there: who could close it must not give up at
    the door. Raises `VenueError`.
    """
    began_s = said_s = trio.current_time()
    said_s -= SAID_S
    while True:
        try:
            return await stack.enter_async_context(connected(settings, here, seed, observe, TcpDialer()))
        except Unreachable as error:
            patience_s = _patience_s(settings, busy=isinstance(error, Busy))
            now_s = trio.current_time()
            if now_s - began_s >= patience_s:
                raise
            if now_s >= said_s + SAID_S:
                said_s = now_s
                left = f"trying again for at most {patience_s - (now_s - began_s):.0f} s"
                observe(Note(WallClock().utc_ns(), "warning", "run", f"{error}: {left}"))
        await trio.sleep(AGAIN_S)


def _patience_s(settings: Settings, *, busy: bool) -> float:
    with suppress(sqlite3.Error, LedgerError):
        if held_by(Path(settings.files.logs) / "ledger.sqlite") is not None:
            return settings.venue_patience / 1000
    return BUSY_S if busy else 0.0


@asynccontextmanager
async def connected(
    settings: Settings,
    here: Access,
    seed: int,
    observe: Observe,
    dialer: Dialer,
    transport: "httpx.AsyncBaseTransport | None" = None,
    local: Clock | None = None,
) -> AsyncIterator[AnsweredVenue]:
    """The venue at `here.gateway`, for as long as the context is open: its rules are read and its clock is
    measured. Raises `VenueError`.
    """
    clock = VenueClock(local or WallClock())
    async with HttpReads(
        here.gateway, here.sender, name=here.name, archive_url=here.archive, transport=transport
    ) as reads:
        reads.known(known_products(Path(settings.files.logs) / "ledger.sqlite"))
        rules = await _whole_rules(reads)
        async with NadoVenue(
            Addresses(here.gateway, here.archive),
            rules,
            SigningAccount(here.sender, here.signer),
            clock,
            Transports(dialer, transport, seed),
            observe,
        ) as venue:
            await measure_clock(venue, clock)
            yield AnsweredVenue(settings, here, venue, reads, dialer, rules, clock)


async def _whole_rules(reads: HttpReads) -> VenueRules:
    """The rules; read again where an answer was lost on the way, because a rule that nobody could read is not
    one that is missing.

    Raises `VenueError`.
    """
    for left in reversed(range(RULES_TRIES)):
        try:
            rules = await reads.rules_now()
            if not (left and rules.incomplete()):
                return rules
        except Malformed:
            if not left:
                raise
        await trio.sleep(RULES_AGAIN_S)
    raise AssertionError("the last try returns or raises")


async def _knows_what_is_open(
    known: AnsweredVenue, found: Evidence, belongs_to: Callable[[str], None], *, adopt: bool
) -> None:
    """A start closes what its own ledger says is open. Where that cannot say it, the venue must say that
    nothing is, or a person that it is ours.

    Raises `RefusedWhileOpen` with the cure typed out. Nothing has been written by then.
    """
    # A state file that belongs to nobody yet is tied to this venue when the ledger is begun (`_prepared`): a
    # start that is refused before has left nothing behind that could be taken for a sign of a pair.
    # another instance: what was known of the one before is gone with it
    if found.saved.venue not in {"", known.rules.venue}:
        belongs_to(known.rules.venue)
        found = gathered(known.access, known.logs, state_directory())
    if starts_by_itself(found):
        return
    word = await venue_said(known.reads.account, known.rules, trio.current_time() + ASK_S, found)
    answer = decide(msgspec.structs.replace(found, venue=word, runner=None))
    if answer.flat or (adopt and trusted(found) in {None, found.ledger}):
        return
    raise RefusedWhileOpen(answer)


def _place(here: Access) -> str:
    """The venue, in a person's words."""
    where = here.gateway.partition("://")[2]
    return f"Nado {here.name} on {where}" if here.network else f"Nado simulated on {where}"


def rules_read(rules: VenueRules) -> str:
    """The rules this run trades by, as read from the venue, in one line: tick/step, minimum notional,
    taker fee.
    """
    eth, sol = rules.eth, rules.sol
    taker = rate_bps(eth.taker_fee) if eth.taker_fee is not None else "?"
    minimum = eth.min_notional.text() if eth.min_notional is not None else "?"
    lots = (
        f"ETH {eth.price_tick.text()}/{eth.size_step.text()}, SOL"
        f" {sol.price_tick.text()}/{sol.size_step.text()}"
    )
    return f"rules read: {lots}, min {minimum}, taker {taker} bp"


async def _prepared(
    settings: Settings,
    wanted: Wanted,
    known: AnsweredVenue,
    state: RunState,
    observe: Observe,
    *,
    own_venue: bool,
) -> World:
    """The ledger's identity, room for it, and a disk that is quick enough."""
    rules, clock = known.rules, known.clock
    state.belongs_to(rules.venue)
    opened = Opened(SCHEMA, rules.venue, rules.chain_id, known.access.sender)
    logs = Path(settings.files.logs)
    sync = sync_of(settings)
    ledger = logs / "ledger.sqlite"
    _make_way(logs, ledger, opened, sync, observe, clock, own_venue=own_venue)
    csvs = CsvBooks(logs, known.access.exchange)
    await catch_up(ledger, opened, sync, csvs, observe, clock)
    word = ledger_word(ledger, None, None if own_venue else known.access)
    state.recover(word.epoch, None if own_venue else word.halted)
    _write_down_halt(ledger, opened, sync, state, word, clock)
    fold = folded(ledger)
    if fold.phase == "flat":  # a slow disk is no reason to leave a pair open
        _measure_disk(logs, sync, settings)
    return World(
        settings,
        known.venue,
        rules,
        clock,
        ledger,
        opened,
        state,
        observe,
        wanted.seed,
        lambda: csvs,
        sync,
        Disk(logs, settings.files.min_free_disk),
        "" if own_venue else known.access.gateway,
        known.access.signer.address if known.access.signer else "",
    )


@contextmanager
def readable(ledger: Path) -> Iterator[None]:
    """Pages of the file may be spoilt beyond what its chain can tell: that is one refusal, with its cure.
    Raises `UnreadableLedger`.
    """
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise UnreadableLedger(f"{ledger}: {error}") from error


def held_by(ledger: Path) -> Held | None:
    """What is open or in doubt by the ledger's rows; None when nothing. Raises `sqlite3.Error`,
    `LedgerError`.
    """
    fold = folded(ledger)
    fold.reopened()
    return fold.held(0) if fold.phase != "flat" else None


def _nothing_held(ledger: LedgerWord) -> bool:
    """Is there certainly nothing to close by the ledger? Not where it cannot be read. By the reading there
    is: without a snapshot each takes long.
    """
    return ledger.state == "missing" or (ledger.held is not None and ledger.held.phase == "flat")


def known_products(ledger: Path) -> tuple[int, int] | None:
    """Ids of ETH and SOL by the ledger's last plan, for a product that the venue does not list any more;
    None when no ledger says.
    """
    with (
        suppress(sqlite3.Error, LedgerError, OSError, msgspec.MsgspecError),
        closing(Store.reading(ledger)) as store,
    ):
        return store.products()
    return None


def _write_down_halt(
    ledger: Path,
    opened: Opened,
    sync: Literal["full", "normal"],
    state: RunState,
    word: LedgerWord,
    clock: VenueClock,
) -> None:
    """A halt stands in both places, so that neither can be lost alone."""
    if state.halted is None or word.halted is not None or word.state != "good":
        return
    with suppress(sqlite3.Error, OSError, LedgerError), closing(Store.open(ledger, opened, sync)) as store:
        store.append_all([(clock.now_ns(), Halted(*state.halted))])


def _make_way(
    logs: Path,
    ledger: Path,
    opened: Opened,
    sync: Literal["full", "normal"],
    observe: Observe,
    clock: VenueClock,
    *,
    own_venue: bool,
) -> None:
    """A ledger that can be gone on with. A venue of our own is new each time: the files of the one before go
    to `archive/`.

    A broken chain is gone on with, to close what is open. Raises `OtherIdentity`, `NewerSchema`,
    `UnreadableLedger`, `UnwritableLedger`.
    """
    try:
        Store.open(ledger, opened, sync).close()
    except (OtherIdentity, BrokenChain, sqlite3.Error) as error:
        if own_venue and not (isinstance(error, OtherIdentity) and _outlives(ledger)):
            stamp = datetime.fromtimestamp(clock.utc_ns() / 1_000_000_000, UTC).strftime("%Y%m%dT%H%M%S%fZ")
            archive_logs(logs, stamp)
            Store.open(ledger, opened, sync).close()
            observe(
                Note(
                    clock.utc_ns(),
                    "info",
                    "run",
                    f"a new simulated venue: the files of the previous one are in {logs / 'archive' / stamp}",
                )
            )
        elif isinstance(error, OtherIdentity):
            raise
        elif isinstance(error, sqlite3.Error):
            _only_to_close(ledger, error)


def _outlives(ledger: Path) -> bool:
    """Is this the ledger of a venue that is still there when its run is gone, or was real money in it?
    Then it is no demo's to put away.
    """
    word = ledger_word(ledger, None, None)
    simulated = word.opened is not None and word.opened.venue.partition(":")[0] == SIMULATED
    return not word.child and (not simulated or (word.held is not None and word.held.phase != "flat"))


def _only_to_close(ledger: Path, error: sqlite3.Error) -> None:
    """The ledger cannot be written. If it can be read and something is open the run goes on: it will end
    in ESCAPE.
    """
    try:
        busy = held_by(ledger) is not None
    except (sqlite3.Error, BrokenChain) as unreadable:
        raise UnreadableLedger(f"{ledger}: {unreadable}") from unreadable
    if not busy:
        raise UnwritableLedger(f"{ledger}: {error}") from error


def _measure_disk(logs: Path, sync: Literal["full", "normal"], settings: Settings) -> None:
    """Refuse to start when a commit takes more than half of `ready_deadline`."""
    slowest = slow_commit_ms(logs, sync)
    if slowest > settings.ready_deadline / 2:
        raise SlowDisk(
            f"a commit took {slowest:.0f} ms, more than half of ready_deadline = {settings.ready_deadline} ms"
        )
