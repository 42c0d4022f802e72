"""Who makes no progress is noticed after two seconds of being watched, and nobody else is."""

import trio
from trio.testing import MockClock

from runtime.mailbox import Mailbox
from runtime.pulse import GAP_S, LOOK_S, MAIL, STALL_S, Watch
from tests.runtime.kit import noticed


async def test_an_idle_actor_is_never_noticed(autojump_clock: MockClock) -> None:
    watch, box = Watch(), Mailbox[int]("box", 9)
    watch.fresh("a", box).done()
    watch.fresh("b")
    assert await noticed(watch, 300) is None


async def test_mail_that_nobody_takes_is_noticed_after_two_seconds_however_long_the_actor_had_been_idle(
    autojump_clock: MockClock,
) -> None:
    watch, box = Watch(), Mailbox[int]("box", 9)
    watch.fresh("a", box)
    assert await noticed(watch, 60) is None
    box.post(1)
    at_s = await noticed(watch, 60)
    assert at_s is not None
    assert STALL_S <= at_s <= STALL_S + 2 * LOOK_S


async def test_an_actor_that_finishes_steps_is_not_noticed_though_its_box_is_never_empty(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    watch, box = Watch(), Mailbox[int]("box", 9)
    pulse = watch.fresh("a", box)
    box.post(1)

    async def works() -> None:
        while True:
            await trio.sleep(1.5)
            pulse.done()

    nursery.start_soon(works)
    assert await noticed(watch, 60) is None
    nursery.cancel_scope.cancel()


async def test_a_bounded_wait_is_nobodys_business_until_its_bound_has_passed(
    autojump_clock: MockClock,
) -> None:
    watch = Watch()
    watch.fresh("a").expect("an answer", 7)
    at_s = await noticed(watch, 60)
    assert at_s is not None
    assert 7 + STALL_S <= at_s <= 7 + STALL_S + 2 * LOOK_S


async def test_mail_that_waits_behind_a_bounded_send_is_part_of_that_send(autojump_clock: MockClock) -> None:
    watch, box = Watch(), Mailbox[int]("box", 9)
    watch.fresh("a", box).expect(MAIL, 7)
    box.post(1)
    assert await noticed(watch, 7) is None


async def test_a_timer_of_one_loop_is_not_hidden_by_the_steps_of_another(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    watch = Watch()
    pulse = watch.fresh("a")
    pulse.expect("rules", 5)

    async def proves() -> None:
        while True:
            pulse.expect("proof", 0.1)
            await trio.sleep(0.1)

    nursery.start_soon(proves)
    at_s = await noticed(watch, 60)
    assert at_s is not None
    assert 5 + STALL_S <= at_s <= 5 + STALL_S + 2 * LOOK_S
    nursery.cancel_scope.cancel()


async def test_a_process_that_was_stopped_for_a_minute_blames_no_actor(autojump_clock: MockClock) -> None:
    watch = Watch()
    pulse = watch.fresh("a")
    pulse.expect("its next look")
    assert list(watch.stalled(trio.current_time(), lambda name: True)) == []
    await trio.sleep(60)
    assert list(watch.stalled(trio.current_time(), lambda name: True)) == []
    await trio.sleep(GAP_S)
    assert list(watch.stalled(trio.current_time(), lambda name: True)) == []
    pulse.expect("its next look", 0.1)
    assert await noticed(watch, STALL_S) is None


async def test_who_starts_or_stops_is_not_looked_at_and_a_new_incarnation_owes_nothing(
    autojump_clock: MockClock,
) -> None:
    watch = Watch()
    watch.fresh("a").expect("its next look")

    for _ in range(100):
        await trio.sleep(LOOK_S)
        assert list(watch.stalled(trio.current_time(), lambda name: False)) == []
    assert await noticed(watch, 1) is None
    watch.fresh("a")
    assert await noticed(watch, 60) is None
