"""`flatten`: close both legs, verify, report; also what `halt` does beside latching.

    a live run    is asked through its control socket: it makes no new entries, closes both legs through its
                  barrier and ends
    then, always  take the lock, start a new epoch, ESCAPE what the ledger explains, ask the venue (cross,
                  isolated, open orders), say what is left

A run that does not answer within 5 s is waited for by its lock. Entering stays paused until `run` is started
again, because no run is left.
"""

import os
import sys
from contextlib import closing

import trio

from actors.instance.state import AlreadyRunning, NoState, RunState, opened_state, state_directory
from commands.account.closing import FlattenRequest, closed, not_flat
from commands.account.open_now import observe
from commands.account.outcome import CommandOutcome
from commands.account.target_account import TargetAccount
from commands.control import ControlReply, ControlRequest, ask
from commands.output.words import COMMAND, DONE, ConfigError, say
from commands.setup.connecting import connected
from commands.setup.wallet import counted_without_slot
from commands.signals import SO_FAR
from commands.stopping import Stops
from venue.nado.socket import TcpDialer
from venue.protocol import VenueError

PROGRESS_S = 3.0
"""How often it is said what is waited for, and for how long at most."""
LOCK_S = 0.2
"""How often the lock is tried."""
AGAIN_S = 1.0
"""How often a venue that does not answer is tried."""


def confirm(target: TargetAccount, *, yes: bool) -> None:
    """Closing what is not ours needs the subaccount's name, typed, or --yes. Raises `ConfigError`."""
    name = target.settings.venue.subaccount
    if yes:
        return
    if not (sys.stdin and sys.stdin.isatty()):
        message = "--everything also closes what Evenkeel did not open"
        raise ConfigError(
            "NOT_CONFIRMED",
            "--everything",
            message,
            "add --yes, or type it at a terminal",
            "nothing was sent",
        )
    what = (
        "This closes every ETH-PERP and SOL-PERP position and order there, including those that Evenkeel did"
        " not open."
    )
    say(sys.stderr, [target.line, f"{what} Type {name} to continue:"])
    with SO_FAR:
        typed = sys.stdin.readline().strip()
    if typed != name:
        raise ConfigError(
            "NOT_CONFIRMED",
            "--everything",
            f"that is not {name}",
            "nothing to type: nothing was done",
            "nothing was sent",
        )


async def flattened_or_stopped(
    target: TargetAccount, request: FlattenRequest, stops: Stops
) -> CommandOutcome:
    """The same until the first signal: then nothing is waited for any more, and what is open is unknown."""
    outcome = None
    with trio.CancelScope() as scope:
        stops.hear(lambda _number, _count: scope.cancel())
        outcome = await flattened(target, request)
    why = f"unknown: stopped by {stops.first.name if stops.first else 'a signal'} before closing was over"
    return outcome or not_flat(request, why, f"{COMMAND} {request.command} again")


class Progress:
    """What is waited for, told to a person on standard error from time to time. `until`: Trio's time at
    which the waiting ends.
    """

    def __init__(self, until: float) -> None:
        self._until, self._last_s = until, trio.current_time()

    def waits(self, what: str) -> None:
        """It is still waiting for `what`; at most every `PROGRESS_S` that is said."""
        now_s = trio.current_time()
        if now_s >= self._last_s + PROGRESS_S:
            self._last_s = now_s
            say(sys.stderr, f"waiting for {what}, at most {max(0.0, self._until - now_s):.0f} s more")

    async def waits_for_ever(self, what: str) -> None:
        """The same until cancelled, where somebody else does the waiting."""
        while True:
            self.waits(what)
            await trio.sleep(LOCK_S)


async def flattened(target: TargetAccount, request: FlattenRequest) -> CommandOutcome:
    """Carry it out. Raises nothing that means an open position: that is exit code 4 with what is known."""
    until = trio.current_time() + request.timeout_s
    last = await _leave_run(target, request, until) if target.runner() is not None else None
    if target.child:
        return await ended_with_its_venue(target, request, last, until)
    try:
        with closing(await _locked(target, until)) as state:
            target.logs.mkdir(parents=True, exist_ok=True)
            if request.halt:
                # first of all: whatever becomes of closing, nothing may be entered any more
                state.halt("HALTED_BY_HAND", request.halt)
            trouble, progress = "no answer", Progress(until)
            while True:
                try:
                    async with connected(
                        target.settings, target.access, os.getpid(), observe, TcpDialer()
                    ) as there:
                        counted_without_slot(there.venue, there.access, there.rules)
                        return await closed(target, request, state, there, until)
                except VenueError as error:
                    trouble = str(error)
                progress.waits(f"the exchange to answer ({trouble})")
                if trio.current_time() > until:
                    return not_flat(
                        request,
                        f"unknown: {trouble}",
                        f"{COMMAND} {request.command} again when the venue answers",
                    )
                await trio.sleep(AGAIN_S)
    except (AlreadyRunning, NoState) as error:
        return not_flat(
            request,
            f"unknown: {error}, and it did not end",
            f"kill {getattr(error, 'pid', '') or 'it'}, then {COMMAND} flatten again",
        )


async def _leave_run(target: TargetAccount, request: FlattenRequest, until: float) -> ControlReply | None:
    """Ask a live run to close both legs and end; its last answer. Whose exchange ends with it is not asked
    to latch a halt: nothing would obey it.
    """
    reason = f"asked by {request.command}"
    reason += f": {request.halt}" if request.halt and target.child else ""
    latches = request.halt and not target.child
    asked = ControlRequest("halt", request.halt) if latches else ControlRequest("flatten", reason)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Progress(until).waits_for_ever, "the run to close both legs and end")
        patience_s = max(0.0, until - trio.current_time())
        answer = await ask(target.state_name, asked, patience_s, _show_closing)
        nursery.cancel_scope.cancel()
    return answer


def _show_closing(answer: ControlReply) -> None:
    if not answer.ended:
        say(sys.stderr, f"the run (pid {answer.pid}) closes: {answer.open_legs or 'nothing is open'}")


async def ended_with_its_venue(
    target: TargetAccount, request: FlattenRequest, last: ControlReply | None, until: float
) -> CommandOutcome:
    """A simulated venue of a run's own is gone with it, and every position with the venue.

    The run's process lives on for a moment after its last answer: it is waited for, until `until` of Trio's
    time.
    """
    if last is not None and last.ended and last.open_legs:
        cure = "its simulated venue ended with the run: no real money was in it"
        return not_flat(request, last.open_legs, cure, unknown=last.unknown)
    progress = Progress(until)
    while (runner := target.runner()) is not None and trio.current_time() < until:
        progress.waits(f"pid {runner.pid} to end")
        await trio.sleep(LOCK_S)
    if runner is not None and not (last is not None and last.ended):
        return not_flat(
            request, f"unknown: the run did not {'end' if last else 'answer'}", f"stop it: kill {runner.pid}"
        )
    lines = [("open", "nothing: its simulated venue ended with its run")]
    if request.halt:  # whatever was latched would be gone with the next run: its exchange is a new one
        lines.append(
            ("halted", "not kept: the next run starts a simulated exchange of its own, which has no halt")
        )
    return CommandOutcome(
        request.command,
        DONE,
        lines,
        facts={"open": "", "open_eth": "0", "open_sol": "0", "halted": False if request.halt else None},
    )


async def _locked(target: TargetAccount, until: float) -> RunState:
    """The subaccount's lock, waited for. Raises `AlreadyRunning` when it is not given back in time."""
    progress = Progress(until)
    while True:
        try:
            return opened_state(state_directory(), target.access.identities(target.logs), target.logs)
        except AlreadyRunning as error:
            if trio.current_time() > until:
                raise
            progress.waits(f"pid {error.pid}, which still trades this subaccount")
        await trio.sleep(LOCK_S)
