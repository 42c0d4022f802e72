"""OTP supervision on Trio.

A supervisor starts its children in order, restarts those that fail, and when restarting does not help stops
everything in reverse and fails itself, so that whoever supervises *it* can try at a larger scale. The rules
are those of Erlang's `supervisor`; docs/supervision.md states them one by one, with what differs. `specs.py`
holds the words (specs, errors, events), `backoff.py` the pauses, `incarnation.py` one life of a child. Here
is what makes it work on Trio.

**Where children live.** A Trio nursery cancels all its children at once when its owner is cancelled, and
cannot end while one of them runs. Both are wrong here: children must stop one by one, in reverse, each with
time to clean up while those it depends on still run; and a child that refuses to stop must be reported and
not waited for. So each child is a task of Trio's own outermost nursery, under a shield of its own, and the
only way to end it is its incarnation's scope, which only this module holds. Ctrl-C never strikes inside such
a task either: Trio hands it to the main task, which is cancelled, and it arrives here as an orderly stop.

**The loop.** `run` is an ordinary task without a shield. It takes one incarnation at a time from a channel
("look at this one") and decides. An incarnation puts itself there when it is condemned and when it ends. The
loop is the only place where children are started, stopped and counted, so there is nothing to lock. A cancel
from outside strikes the loop wherever it waits (for news, for a start, during backoff, in the middle of a
stop) and ends in the one `finally`, where all that runs is stopped, in reverse, under a shield whose time is
bounded.

**Incarnations.** A failed child's group is stopped first, each member *proven* gone, then comes the pause,
then `on_restart`, and then the starts. News of an incarnation that is no longer the current one is dropped: a
sibling that crashed in the same tick, or while it was being stopped with its group, shares that group's one
failure and its one restart. No restart begins while news waits.

**What cannot be had.** Trio cannot end a task by force. A child that ignores its cancellation for
`shutdown_s` is reported (`Overdue`); after a second such time (at least a second) it is abandoned: nothing
that depends on its absence is started, the others are stopped, and `Stuck` goes up, which no supervisor
restarts. Whoever is on top must then end the process by `os._exit`, because `trio.run` still waits for that
task.
"""

import math
import random
from collections import deque
from contextlib import suppress

import trio

from runtime.backoff import Streak
from runtime.incarnation import Incarnation, is_loud
from runtime.specs import (
    ChildSpec,
    Event,
    Failure,
    GaveUp,
    GivingUp,
    Killed,
    NotStarted,
    Restart,
    Restarting,
    RestartRefused,
    Returned,
    Stalled,
    Stuck,
    SupervisorSpec,
    objections,
    told,
)


class Supervisor:
    """Keeps the children of `spec` running. Raises `ValueError`, naming the field, for a spec that cannot
    work. `rng` is for jitter only.
    """

    def __init__(self, spec: SupervisorSpec, *, rng: random.Random) -> None:
        self.spec = spec
        trees = {child.name: tree for child in spec.children if (tree := _supervisor_of(child))}
        self.names: list[str] = [child.name for child in spec.children] + [
            name for tree in trees.values() for name in tree.names
        ]
        """Every child below here, at any depth."""
        against = list(objections(spec, trees, self.names))
        if against:
            raise ValueError("; ".join(against))
        self._owners: dict[str, Supervisor] = {child.name: self for child in spec.children}
        for tree in trees.values():
            self._owners |= tree._owners
        self._rng = rng
        self._numbers = {child.name: 0 for child in spec.children}
        self._runs = False
        self.unheard = 0
        """How often `on_event` raised."""
        self._forget()

    def _forget(self) -> None:
        """A new life: no child, no failure, no pause. Incarnation numbers go on, so that no two lives
        share one.
        """
        self._current: dict[str, Incarnation] = {}
        self._due_s: dict[str, float] = {}
        """When each child that waits for its restart is due."""
        self._failures: deque[Failure] = deque()
        self._loud: list[BaseException] = []
        """What must go up at once, in the order of its coming."""
        self._streaks = {child.name: Streak(self.spec.backoff, self._rng) for child in self.spec.children}
        # Restarts begin only when the channel is empty, and nobody reports more than twice.
        self._reports, self._news = trio.open_memory_channel[Incarnation](2 * len(self.spec.children))

    # -- what may be asked from any task; a name that is not below here is a KeyError ------------------------

    def running(self, name: str) -> bool:
        """Whether this child, at any depth, has started, has not ended and was not told to stop."""
        child = self._find(name)
        return child is not None and child.running

    def kill(self, name: str) -> bool:
        """End a child at any depth; its end counts as the failure `Killed`. False when it does not run or
        is being stopped already.
        """
        child = self._find(name)
        return child is not None and child.condemn(Killed(f"{name} was killed"))

    def stall(self, name: str, why: str) -> bool:
        """Like `kill`, for a child that makes no progress; counts as the failure `Stalled`."""
        child = self._find(name)
        return child is not None and child.condemn(Stalled(f"{name}: {why}"))

    def _find(self, name: str) -> Incarnation | None:
        return self._owners[name]._current.get(name)

    # -- a life ----------------------------------------------------------------------------------------------

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Start every child, say started, and keep them running until cancelled. Returns only when a
        significant child ended without failing.

        Raises what a child raised that fails to start at first boot; later `GaveUp`, `Fatal`, or what passes
        through (KeyboardInterrupt, SystemExit). However it ends, no child runs any more, except one that a
        `Stuck` names.
        """
        if self._runs:
            raise RuntimeError(f"supervisor {self.spec.name} runs already")
        self._runs = True
        self._forget()
        try:
            for spec in self.spec.children:
                child = await self._start(spec)
                if not child.up:
                    await self._end(child)
                    raise child.error or NotStarted(f"{spec.name} did not start")
            task_status.started()
            while await self._step():
                pass
        finally:
            with trio.CancelScope(shield=True):
                await self._stop_all()
            self._runs = False

    async def _step(self) -> bool:
        """One piece of news or, when there is none, the restarts that are due. False when a significant
        child has ended: the rest must follow.
        """
        child = await self._next()
        if child is not None:
            return await self._look_at(child)
        await self._restart()
        return True

    async def _next(self) -> Incarnation | None:
        """The next incarnation to look at; None when a restart is due and nothing waits."""
        with trio.move_on_at(min(self._due_s.values(), default=math.inf)):
            return await self._news.receive()
        with suppress(trio.WouldBlock):
            return self._news.receive_nowait()
        return None

    async def _look_at(self, child: Incarnation) -> bool:
        """A child has ended or is condemned: decide what follows. False when the rest must follow it."""
        spec = child.spec
        if self._current.get(spec.name) is not child:
            return True  # late news of an older incarnation
        await self._end(child)
        if spec.restart == "permanent" or (spec.restart == "transient" and child.error is not None):
            await self._plan_restart(
                spec, child.error or Returned(f"{spec.name} returned, and it is permanent")
            )
            return True
        if spec.significant and child.error is not None:
            raise self._gave_up(
                f"{spec.name}, which is significant, ended",
                (Failure(trio.current_time(), spec.name, child.error),),
            )
        return not spec.significant

    # -- restarting ------------------------------------------------------------------------------------------

    async def _plan_restart(self, failed: ChildSpec, error: BaseException) -> None:
        """Count a failure, see all that share its fate gone, and note when they are due."""
        self._count(failed.name, error)
        group = self._sharing_fate_with(failed)
        for spec in reversed(group):
            if spec.name in self._current:
                await self._end(self._current[spec.name])
        again = tuple(spec.name for spec in group if spec.restart != "temporary")
        now_s = trio.current_time()
        due_s = max(
            [
                now_s + self._streaks[failed.name].pause_s(now_s),
                *(self._due_s.get(name, 0.0) for name in again),
            ]
        )
        self._due_s |= dict.fromkeys(again, due_s)
        self._tell(Restarting(self.spec.name, again, due_s - now_s, f"{failed.name}: {told(error)}"))

    def _sharing_fate_with(self, failed: ChildSpec) -> tuple[ChildSpec, ...]:
        if self.spec.strategy == "one_for_one":
            return (failed,)
        if self.spec.strategy == "one_for_all":
            return self.spec.children
        return self.spec.children[self.spec.children.index(failed) :]

    def _count(self, name: str, error: BaseException) -> None:
        now_s = trio.current_time()
        self._failures.append(Failure(now_s, name, error))
        while now_s - self._failures[0].at_s > self.spec.period_s:
            self._failures.popleft()
        if len(self._failures) > self.spec.intensity:
            raise self._gave_up(
                f"{len(self._failures)} failures within {self.spec.period_s:g} s", tuple(self._failures)
            )

    def _gave_up(self, reason: str, failures: tuple[Failure, ...]) -> GaveUp:
        error = GaveUp(self.spec.name, reason, failures)
        error.__cause__ = failures[0].error
        self._tell(GivingUp(self.spec.name, str(error)))
        return error

    async def _restart(self) -> None:
        """Start what is due, in order. One that fails to start is the next news, and one more failure;
        those behind it stay due.
        """
        now_s = trio.current_time()
        due = [spec for spec in self.spec.children if self._due_s.get(spec.name, math.inf) <= now_s]
        names = tuple(spec.name for spec in due)
        if self.spec.on_restart is not None:
            try:
                self.spec.on_restart(names)
            except Exception as error:  # noqa: BLE001 - whatever it is, what the restart needs is not there
                cause = self._failures[-1].error
                raise RestartRefused(f"on_restart{names} raised {told(error)}") from cause
        for spec in due:
            del self._due_s[spec.name]
            if not (await self._start(spec)).up:
                return

    # -- starting and stopping one ---------------------------------------------------------------------------

    async def _start(self, spec: ChildSpec) -> Incarnation:
        """A new incarnation, once it is up, gone, or condemned for taking too long."""
        self._numbers[spec.name] += 1
        child = Incarnation(
            spec, self._numbers[spec.name], self.spec.name, self._reports.send_nowait, self._tell
        )
        self._current[spec.name] = child
        await child.start()
        if child.up:
            self._streaks[spec.name].up(trio.current_time())
        return child

    async def _end(self, child: Incarnation) -> None:
        """See a child gone. Raises what must go up: `Stuck`, or how it ended if that is no ordinary crash."""
        await self._stop(child)
        if self._loud:
            raise self._loud[0]

    async def _stop(self, child: Incarnation) -> None:
        """See a child gone or abandoned. What must go up is kept: the others are stopped first."""
        await child.stop()
        if not child.abandoned:
            del self._current[child.spec.name]
        if child.error is not None and is_loud(child.error):
            self._loud.append(child.error)

    async def _stop_all(self) -> None:
        """Everything that runs, one by one, last started first. What must go up does so when all are gone;
        `Stuck` before the rest.
        """
        try:
            for spec in reversed(self.spec.children):
                child = self._current.get(spec.name)
                if child is not None and not child.abandoned:
                    await self._stop(child)
        finally:  # a second Ctrl-C ends the order, not the children
            for child in self._current.values():
                child.scope.cancel()
        if self._loud:
            raise min(self._loud, key=lambda error: not isinstance(error, Stuck))

    def _tell(self, event: Event) -> None:
        """Tell the observer. What it raises changes nothing (it is not an actor's failure) but is counted."""
        if self.spec.on_event is None:
            return
        try:
            self.spec.on_event(event)
        except Exception:  # noqa: BLE001 - a watcher has no say
            self.unheard += 1


def nested(
    spec: SupervisorSpec, *, rng: random.Random, restart: Restart = "permanent", significant: bool = False
) -> ChildSpec:
    """A supervisor as a child of another one, under its own name. It bounds its own children, so it is
    itself waited for.
    """
    return ChildSpec(spec.name, Supervisor(spec, rng=rng).run, restart, math.inf, significant, math.inf)


def _supervisor_of(child: ChildSpec) -> Supervisor | None:
    owner = getattr(child.start, "__self__", None)
    return owner if isinstance(owner, Supervisor) else None
