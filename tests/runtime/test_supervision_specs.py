"""A spec that cannot work is refused before anything starts, naming the field and what is wrong with it."""

import dataclasses
import math
import random
from collections.abc import Callable

import msgspec
import pytest

from runtime.backoff import Backoff
from runtime.specs import SupervisorSpec
from runtime.supervision import Supervisor, nested
from tests.runtime.kit import Stage

RNG = random.Random(1)
GOOD = Backoff(1, 2, 30, 0.2, 60)


def top(**changes: object) -> SupervisorSpec:
    stage = Stage()
    return dataclasses.replace(stage.spec(stage.child("a"), stage.child("b")), **changes)  # type: ignore[arg-type]


def child(**options: object) -> SupervisorSpec:
    auto = bool(options.pop("auto_shutdown", False))
    return top(children=(dataclasses.replace(Stage().child("a"), **options),), auto_shutdown=auto)  # type: ignore[arg-type]


def backoff(**changes: float) -> SupervisorSpec:
    return top(backoff=msgspec.structs.replace(GOOD, **changes))


def doubled_at_depth() -> SupervisorSpec:
    stage = Stage()
    return stage.spec(stage.child("a"), nested(stage.spec(stage.child("a"), name="b"), rng=RNG))


def bounded_supervisor() -> SupervisorSpec:
    stage = Stage()
    return stage.spec(dataclasses.replace(nested(stage.spec(name="b"), rng=RNG), shutdown_s=5))


BAD: dict[str, tuple[Callable[[], SupervisorSpec], str]] = {
    "no name": (lambda: top(name=""), "name: a supervisor needs one"),
    "unknown strategy": (
        lambda: top(strategy="simple_one_for_one"),
        "strategy: 'simple_one_for_one' is not one of one_for_one",
    ),
    "negative intensity": (lambda: top(intensity=-1), "intensity: -1 is negative"),
    "period 0": (lambda: top(period_s=0), "period_s: 0 is not a positive, finite time"),
    "negative period": (lambda: top(period_s=-1), "period_s: -1"),
    "infinite period": (lambda: top(period_s=math.inf), "period_s: inf is not a positive, finite time"),
    "a period that is no number": (lambda: top(period_s=math.nan), "period_s: nan"),
    "duplicate names": (lambda: top(children=top().children * 2), "children: the name 'a' is used 2 times"),
    "duplicate names at different depths": (doubled_at_depth, "children: the name 'a' is used 2 times"),
    "a child without a name": (lambda: child(name=""), "name: a child needs one"),
    "a child that cannot be called": (
        lambda: top(children=(dataclasses.replace(top().children[0], start=None),)),
        "child 'a': start: cannot be called",
    ),
    "unknown restart": (
        lambda: child(restart="always"),
        "child 'a': restart: 'always' is not one of permanent",
    ),
    "negative shutdown time": (lambda: child(shutdown_s=-1), "child 'a': shutdown_s: -1 is not a time"),
    "a shutdown time that is no number": (lambda: child(shutdown_s=math.nan), "child 'a': shutdown_s: nan"),
    "an actor that is waited for without end": (
        lambda: child(shutdown_s=math.inf),
        "child 'a': shutdown_s: must be math.inf for a nested",
    ),
    "a supervisor that is not waited for": (
        bounded_supervisor,
        "child 'b': shutdown_s: must be math.inf for a nested",
    ),
    "start time 0": (lambda: child(start_s=0), "child 'a': start_s: 0 is not a positive time"),
    "an actor that may start for ever": (lambda: child(start_s=math.inf), "child 'a': start_s: inf"),
    "permanent and significant": (
        lambda: child(significant=True, auto_shutdown=True),
        "child 'a': significant: a permanent child",
    ),
    "significant without auto-shutdown": (
        lambda: child(significant=True, restart="transient"),
        "child 'a': significant: needs auto_shutdown",
    ),
    "backoff from 0": (lambda: backoff(first_s=0), "backoff.first_s: 0"),
    "backoff that shrinks": (lambda: backoff(factor=0.5), "backoff.factor: 0.5"),
    "backoff without a cap": (lambda: backoff(cap_s=math.inf), "backoff.cap_s: inf"),
    "backoff capped below its start": (lambda: backoff(cap_s=0.5), "backoff.cap_s: 0.5"),
    "jitter of everything": (lambda: backoff(jitter=1), "backoff.jitter: 1"),
    "negative jitter": (lambda: backoff(jitter=-0.1), "backoff.jitter: -0.1"),
    "negative quiet time": (lambda: backoff(reset_after_s=-1), "backoff.reset_after_s: -1"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_spec_is_refused_before_anything_starts(name: str) -> None:
    build, complaint = BAD[name]
    with pytest.raises(ValueError) as refused:  # noqa: PT011 - the whole text is compared below
        Supervisor(build(), rng=RNG)
    assert complaint in str(refused.value)


def test_everything_that_is_wrong_is_named_at_once() -> None:
    with pytest.raises(ValueError, match=r"intensity: -1 is negative; period_s: 0 is not"):
        Supervisor(top(intensity=-1, period_s=0), rng=RNG)


def test_a_good_spec_is_taken() -> None:
    assert Supervisor(top(backoff=GOOD), rng=RNG).names == ["a", "b"]
