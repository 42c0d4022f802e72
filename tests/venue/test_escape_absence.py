"""ESCAPE believes that nothing is open only when two readings say so: a reading of the account has no time
of its own.
"""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import trio

from messages.execution import AccountSnapshot
from messages.units import Base
from tests.venue.test_escape import PAIR, Accidents, Trial, trial
from venue.own_position import ClosingTask, OwnPosition

HELD = ClosingTask(
    OwnPosition(int(Base.of("0.042")), int(Base.of("0.042"))),
    OwnPosition(int(Base.of("-1")), int(Base.of("-1"))),
)
Told = Callable[[AccountSnapshot, int, float], AccountSnapshot]


def reading(told: Trial, lie: Told) -> None:
    """From now on readings are what `lie` makes of them; it is given their number, from 1, and how long
    this has been going on.
    """
    accidents, since_s, number = told.accidents, trio.current_time(), 0
    truth = Accidents.account

    async def account() -> AccountSnapshot:
        nonlocal number
        number += 1
        return lie(await truth(accidents), number, trio.current_time() - since_s)

    accidents.account = account  # type: ignore[method-assign]


def flat_reading(snapshot: AccountSnapshot) -> AccountSnapshot:
    nothing = (msgspec.structs.replace(position, cross=Base(0)) for position in snapshot.positions)
    return msgspec.structs.replace(snapshot, positions=tuple(nothing))


@pytest.mark.parametrize("which", [1, 2, 3])
async def test_one_reading_that_says_flat_is_not_believed(
    which: int, autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    """Seen: the first reading said flat, ESCAPE ended, and the pair was open. The second and third come
    after its own orders.
    """
    async with trial(tmp_path) as told:
        reading(told, lambda truth, number, _for_s: flat_reading(truth) if number == which else truth)
        escaped = await told.escape(PAIR)
        assert told.open_now() == (0, 0)
        assert escaped.flat


async def test_readings_that_are_6_s_late_do_not_hide_what_our_own_fills_say_is_held(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    async with trial(tmp_path) as told:
        reading(told, lambda truth, _number, for_s: flat_reading(truth) if for_s < 6 else truth)
        escaped = await told.escape(HELD)
        assert (told.open_now(), escaped.flat) == ((0, 0), True)


async def test_a_subaccount_that_is_flat_is_called_so_after_two_seconds(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    async with trial(tmp_path) as told:
        await told.escape(PAIR)
        began_s = trio.current_time()
        assert (await told.escape(ClosingTask(OwnPosition(0, 0), OwnPosition(0, 0)))).flat
        assert 2 <= trio.current_time() - began_s < 6  # up to 3 s of it are for the archive


async def test_a_subaccount_that_is_said_not_to_exist_is_not_flat_while_our_own_fills_hold_a_pair(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    """Seen: an exchange that said so for 15 s, over an open pair; the guard said FLAT and ended."""

    def vanished(truth: AccountSnapshot, _number: int, for_s: float) -> AccountSnapshot:
        return msgspec.structs.replace(flat_reading(truth), exists=False) if for_s < 15 else truth

    async with trial(tmp_path) as told:
        reading(told, vanished)
        escaped = await told.escape(HELD)
        assert told.open_now() == (0, 0)
        assert escaped.flat
