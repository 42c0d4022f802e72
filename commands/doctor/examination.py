"""The whole examination: every check in order, whatever the ones before it found. What cannot be asked is
unknown, and unknown is not well.
"""

import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import trio

from actors.ledger import SCHEMA
from commands.access.disk import slow_commit_ms, sync_of
from commands.access.simulated import ChildFailed, simulated_nado
from commands.access.venue import Access, access, place
from commands.checks import account, exit_costs, machine, venue
from commands.checks.answered_venue import AnsweredVenue
from commands.checks.finding import Finding, fail, ok, skip, warn
from commands.checks.volatility import volatility
from commands.config.effective import LIVE_RUN, Loaded, must_be_written
from commands.config.options import SEED
from commands.output.words import Problem
from commands.setup.connecting import connected
from commands.setup.worst_case import stated
from messages.lifecycle import Opened
from runtime.clock import Clock, slept_s
from venue.nado.http import HttpReads
from venue.nado.socket import Dialer, TcpDialer
from venue.protocol import Malformed, VenueError

if TYPE_CHECKING:
    import httpx

CHECK_S = 90.0
"""How long one check may take."""
CHECKS: Mapping[str, Callable[[AnsweredVenue], Awaitable[Finding]]] = {
    "contracts": venue.contracts,
    "status": venue.status,
    "sockets": venue.sockets,
    "products": venue.products,
    "fees": venue.fees,
    "minimum": venue.minimum,
    "volatility": volatility,
    "exits": exit_costs.exits,
    "windows": venue.windows,
    "key": account.key,
    "sdk": account.sdk,
    "clock": venue.clock,
    "subaccount": account.subaccount,
    "margin": account.margin,
    "positions": account.positions,
    "orders": account.orders,
}
"""In the order in which they are asked and told; the clock after the SDK, whose imports disturb it."""


class Subject(msgspec.Struct, frozen=True):
    """Who is examined, and by what means; tests put their own dialer, transport and clock."""

    loaded: Loaded
    url: str | None
    config: Path | None
    here: Access | None
    """None: not even the subaccount is known."""
    key_problem: Problem | None
    dialer: Dialer
    transport: "httpx.AsyncBaseTransport | None" = None
    clock: Clock | None = None
    """None: this machine's."""


def subject_of(
    loaded: Loaded,
    url: str | None,
    config: Path | None,
    environment: Mapping[str, str],
    passphrase: Callable[[str], str],
) -> Subject:
    """What is configured; a key that cannot be read is a finding and not the end."""
    here: Access | None = None
    problem: Problem | None = None
    try:
        here = place(loaded.settings, url)
        here = access(loaded.settings, url, environment, passphrase)
    except Problem as found:
        problem = found
    return Subject(loaded, url, config, here, problem, TcpDialer())


async def examine(subject: Subject) -> list[Finding]:
    """Every finding in the order of the checks. Raises nothing that a venue can cause."""
    findings = [*this_machine(subject), *configuration(subject)]
    if subject.here is None:
        return [*findings, *_not_asked("the owner of the subaccount is not known")]
    try:
        async with _gateway(subject.here) as here:
            return [*findings, *await _venue(subject, here)]
    except ChildFailed as error:
        return [
            *findings,
            fail(
                "reachability",
                f"the simulated venue did not start: {error.what}",
                error.cure,
                "VENUE_NOT_STARTED",
            ),
            *_not_asked("it"),
        ]


def this_machine(subject: Subject) -> list[Finding]:
    """What can be said without a venue: signing, disk, permissions, sleep."""
    settings = subject.loaded.settings
    folder = _existing(Path(settings.files.logs))
    return [
        machine.libsecp256k1(machine.signing_us()),
        machine.disk(settings, shutil.disk_usage(folder).free, slow_commit_ms(folder, sync_of(settings))),
        machine.permissions(settings, subject.config),
        machine.awake(slept_s(), machine.has_battery()),
    ]


def _existing(folder: Path) -> Path:
    """`folder`, or what it will be created in."""
    folder = folder.resolve()
    return folder if folder.is_dir() else _existing(folder.parent)


def configuration(subject: Subject) -> list[Finding]:
    """Is written down what live trading must be told, and can the key be read?"""
    settings = subject.loaded.settings
    if settings.venue.name == "simulated":
        return [ok("configuration", "simulated: no key is read, no setting is required")]
    try:
        must_be_written(subject.loaded, LIVE_RUN, f"{settings.venue.name} requires explicit settings")
        said = ok("configuration", f"set explicitly: {', '.join(LIVE_RUN)}")
    except Problem as found:
        said = fail("configuration", found.message, found.cure, found.code)
    findings = [said, machine.key_file(settings.venue.key)]
    if subject.key_problem is not None:
        problem = subject.key_problem
        findings.append(fail("key_read", problem.message, problem.cure, problem.code, problem.meaning))
    return findings


@asynccontextmanager
async def _gateway(here: Access) -> AsyncIterator[Access]:
    """The venue to ask; one of our own where none is named."""
    if here.gateway:
        yield here
        return
    with tempfile.TemporaryDirectory() as folder:
        async with simulated_nado(SEED, "synthetic", "none", Path(folder) / "venue.log") as url:
            yield msgspec.structs.replace(here, gateway=url)


async def _venue(subject: Subject, here: Access) -> list[Finding]:
    reached = await _reached(subject, here)
    if reached.state == "fail":
        return [reached, *_not_asked("the venue cannot be reached")]
    try:
        async with connected(
            subject.loaded.settings,
            here,
            SEED,
            lambda _message: None,
            subject.dialer,
            subject.transport,
            subject.clock,
        ) as known:
            findings = [await checked(name, check, known) for name, check in CHECKS.items()]
            return [reached, *findings, *_last(known)]
    except Malformed as error:
        cure = "look for a newer release: the exchange sent something that this one does not understand"
        return [
            reached,
            fail("products", str(error), cure, "RULES_UNREADABLE"),
            *_not_asked("the rules cannot be read", but="products"),
        ]
    except VenueError as error:
        return [reached, *_not_asked(str(error))]


async def _reached(subject: Subject, here: Access) -> Finding:
    async with HttpReads(
        here.gateway, here.sender, name=here.name, archive_url=here.archive, transport=subject.transport
    ) as reads:
        try:
            await reads.time_ms()
            await reads.archived(["0x" + "00" * 32])
        except VenueError as error:
            return fail(
                "reachability",
                str(error),
                "check this machine's network, its clock (certificates) and --url",
                "VENUE_UNREACHABLE",
            )
    return ok("reachability", f"{here.gateway} and its archive answer")


async def checked(
    name: str, check: Callable[[AnsweredVenue], Awaitable[Finding]], known: AnsweredVenue
) -> Finding:
    """What `check` finds; a venue that does not answer it is a finding too."""
    with trio.move_on_after(CHECK_S):
        try:
            return await check(known)
        except VenueError as error:
            return fail(name, str(error), "try again; an unknown result counts as failed", "UNKNOWN")
    return fail(
        name, f"no answer in {CHECK_S:g} s", "try again; an unknown result counts as failed", "UNKNOWN"
    )


def _not_asked(why: str, but: str = "") -> list[Finding]:
    """Unknown is not well, and it is no failure of what was not asked."""
    return [skip(name, f"not asked: {why}", "fix the failures above first") for name in CHECKS if name != but]


def _last(known: AnsweredVenue) -> list[Finding]:
    """The ledger, now that it is known whose it must be; and what this configuration can lose."""
    rules = known.rules
    wanted = Opened(SCHEMA, rules.venue, rules.chain_id, known.access.sender)
    findings = [machine.ledger(known.logs / "ledger.sqlite", wanted)]
    if known.access.live and not rules.incomplete():
        findings.append(
            warn(
                "worst_case",
                stated(known.settings, rules.terms(), known.clock.now_ms()).text(),
                "can you afford that?",
                "WORST_CASE",
            )
        )
    return findings
