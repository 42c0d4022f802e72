"""What a supervision tree is made of: specs, the ways to end, and what an observer is told. No task and no
clock here.

The errors, and what a supervisor does about each:

    Exception             a crash of that child: restarted if its spec says so, and counted (`MailboxFull` is
                          one of these)
    |-- GaveUp            the same: a nested supervisor crashed
    |-- Returned          the same: a permanent child came to its end
    |-- NotStarted        the same: a child ended, or took too long, before it said that it had started
    |-- Killed, Stalled   the same: somebody called `kill` or `stall`, and the child is gone
    `-- Fatal             never restarted: everything else is stopped and it goes up at once, through every
                          supervisor
        |-- Stuck             a child would not stop, so nothing that replaces it may be started
        `-- RestartRefused    `on_restart` raised, so what it prepares (an epoch) is not there
    any other BaseException   (KeyboardInterrupt, SystemExit) everything is stopped in order and it passes on
    Cancelled                 never a failure
"""

import math
from collections import Counter
from collections.abc import Awaitable, Callable, Container, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import msgspec

from runtime.backoff import Backoff

Restart = Literal["permanent", "transient", "temporary"]
Strategy = Literal["one_for_one", "one_for_all", "rest_for_one"]


class Fatal(Exception):
    """Restarting cannot help. Raise it (or a subclass) from an actor to end the whole tree, in order."""


class Stuck(Fatal):
    """A child ignored its cancellation for twice its time and is still running. The process must end; Trio
    cannot end a task by force.
    """


class RestartRefused(Fatal):
    """`on_restart` raised. Its error is in the message, the crash that wanted the restart is the cause."""


class NotStarted(Exception):
    """A child ended or ran out of time before `task_status.started()`."""


class Returned(Exception):
    """A permanent child returned. It is meant to live for ever, so that is a failure."""


class Killed(Exception):
    """Why a child ended that `Supervisor.kill` was called for: counted and restarted like a crash."""


class Stalled(Exception):
    """Why a child ended that made no progress (`Supervisor.stall`): counted and restarted like a crash."""


@dataclass(frozen=True)
class Failure:
    """One counted failure: when (seconds on Trio's clock), which child, how."""

    at_s: float
    child: str
    error: BaseException


class GaveUp(Exception):
    """More failures than a supervisor's intensity allows, or a significant child crashed. The first cause
    is `__cause__`.
    """

    def __init__(self, supervisor: str, reason: str, failures: tuple[Failure, ...]) -> None:
        first = failures[0]
        super().__init__(f"{supervisor} gave up: {reason}; first {first.child}: {told(first.error)}")
        self.supervisor = supervisor
        self.failures = failures


def told(error: BaseException) -> str:
    """An error in one line; a group as its members."""
    if isinstance(error, BaseExceptionGroup):
        return ", ".join(told(each) for each in error.exceptions)
    return f"{type(error).__name__}: {error}"


def first_cause_first(error: BaseException) -> str:
    """How a tree ended: what was on its way up already when a child turned out to be stuck, then that."""
    before = error.__context__
    if isinstance(error, Stuck) and isinstance(before, Exception | SystemExit | KeyboardInterrupt):
        return f"{first_cause_first(before)}; then {told(error)}"
    return told(error)


class ChildStarted(msgspec.Struct, frozen=True):
    """A child said that it has started. Incarnations count from 1."""

    supervisor: str
    child: str
    incarnation: int


class Exited(msgspec.Struct, frozen=True):
    """A child is proven gone. `why` is "" when it returned, or was told to stop and did; `trace` is the
    traceback.
    """

    supervisor: str
    child: str
    incarnation: int
    why: str
    trace: str


class Restarting(msgspec.Struct, frozen=True):
    """These children will be started again, in this order, `after_s` from now."""

    supervisor: str
    children: tuple[str, ...]
    after_s: float
    cause: str


class GivingUp(msgspec.Struct, frozen=True):
    """The supervisor stops everything and fails itself; `why` names its first failure."""

    supervisor: str
    why: str


class Overdue(msgspec.Struct, frozen=True):
    """A child was told to stop `waited_s` ago and is still there. `abandoned`: nobody waits any longer,
    and `Stuck` is on its way up.
    """

    supervisor: str
    child: str
    incarnation: int
    waited_s: float
    abandoned: bool


Event = ChildStarted | Exited | Restarting | GivingUp | Overdue


@dataclass(frozen=True)
class ChildSpec:
    """One child. `start` is called as `await start(task_status=...)` in a task of its own and must call
    `task_status.started()`.

    `shutdown_s` is its time for cleaning up once cancelled, `start_s` its time until it says started. A
    nested supervisor (`start` is the bound `run` of another `Supervisor`) bounds its own children, so it gets
    `math.inf` for the first and may for the second; nobody else may.
    """

    name: str
    start: Callable[..., Awaitable[None]]
    restart: Restart = "permanent"
    shutdown_s: float = 5.0
    significant: bool = False
    start_s: float = 30.0


@dataclass(frozen=True)
class SupervisorSpec:
    """A supervisor and its children, in start order. More than `intensity` failures within `period_s` and it
    gives up.

    `on_restart` is called with the names about to be started again, after every old incarnation concerned is
    proven gone and before any new one exists; it must not wait. `on_event` watches; what it raises changes
    nothing. `auto_shutdown`: the end of a significant child ends the rest.
    """

    name: str
    strategy: Strategy
    intensity: int
    period_s: float
    children: tuple[ChildSpec, ...]
    backoff: Backoff | None = None
    auto_shutdown: bool = False
    on_restart: Callable[[tuple[str, ...]], None] | None = None
    on_event: Callable[[Event], None] | None = None


def objections(spec: SupervisorSpec, nested: Container[str], names: Iterable[str]) -> Iterator[str]:
    """Why this spec cannot be run, each beginning with the field at fault. `nested`: supervisors among the
    children; `names`: the whole tree's.
    """
    if not spec.name:
        yield "name: a supervisor needs one"
    if spec.strategy not in get_args(Strategy):
        yield f"strategy: {spec.strategy!r} is not one of {', '.join(get_args(Strategy))}"
    if spec.intensity < 0:
        yield f"intensity: {spec.intensity} is negative"
    if not 0 < spec.period_s < math.inf:
        yield f"period_s: {spec.period_s} is not a positive, finite time"
    for name, times in Counter(names).items():
        if times > 1:
            yield f"children: the name {name!r} is used {times} times in this tree"
    if spec.backoff is not None:
        yield from spec.backoff.objections()
    for child in spec.children:
        for reason in _child_objections(child, nested=child.name in nested, auto_shutdown=spec.auto_shutdown):
            yield f"child {child.name!r}: {reason}"


def _child_objections(child: ChildSpec, *, nested: bool, auto_shutdown: bool) -> Iterator[str]:
    if not child.name:
        yield "name: a child needs one"
    if not callable(child.start):
        yield "start: cannot be called"
    if child.restart not in get_args(Restart):
        yield f"restart: {child.restart!r} is not one of {', '.join(get_args(Restart))}"
    if not child.shutdown_s >= 0:
        yield f"shutdown_s: {child.shutdown_s} is not a time"
    elif nested != (child.shutdown_s == math.inf):
        yield (
            "shutdown_s: must be math.inf for a nested supervisor, which bounds its own children, and finite"
            " for anything else"
        )
    if not child.start_s > 0 or (child.start_s == math.inf and not nested):
        yield f"start_s: {child.start_s} is not a positive time (math.inf is for nested supervisors)"
    if child.significant and child.restart == "permanent":
        yield "significant: a permanent child never ends by itself, so its end can mean nothing"
    if child.significant and not auto_shutdown:
        yield "significant: needs auto_shutdown on its supervisor"
