"""The barrier's table, row by row, legal and illegal."""

import itertools

import msgspec
import pytest

from actors.barrier import (
    Barrier,
    EpochBumped,
    FillsDue,
    LegDown,
    Recovered,
    Resolve,
    Settle,
    Step,
    Tell,
    TellLedger,
    VotesDue,
    disagreement,
    step,
)
from messages.execution import LegFill, Outcome, PlanClosed
from messages.sizing import Abort, Declined, Place, Ready, Sealed
from messages.units import Base, Ms, Price, Quote
from tests.actors.fakes import START_MS, fake_plan

NOW = START_MS
IDLE = Barrier(3, 6, "idle")


def go(barrier: Barrier, *events: object, now_ms: int = NOW) -> Step:
    actions: tuple[object, ...] = ()
    for event in events:
        barrier, actions = step(barrier, event, now_ms, recv_time_ms=2000, ready_deadline_ms=100)  # type: ignore[arg-type]
    return barrier, actions  # type: ignore[return-value]


def sealed_by(barrier: Barrier) -> Sealed:
    assert barrier.sealed is not None
    return barrier.sealed


def three_votes(sealed: Sealed) -> dict[str, Ready]:
    where = (sealed.plan.epoch, sealed.plan.seq, sealed.digest)
    return {
        "eth": Ready("eth", *where, "0xe", None),
        "sol": Ready("sol", *where, None, "0x5"),
        "ledger": Ready("ledger", *where, "0xe", "0x5"),
    }


VOTING, _ = go(IDLE, fake_plan(NOW, epoch=0, seq=0))
VOTES = three_votes(sealed_by(VOTING))
PLACED, _ = go(VOTING, *VOTES.values())


def barrier_outcome(kind: str, **changes: object) -> Outcome:
    whole = Outcome("eth", 3, 7, "0xe", "accepted", None, "", Ms(NOW), Ms(NOW))
    return msgspec.structs.replace(whole, kind=kind, **changes)


def closed() -> PlanClosed:
    nothing = LegFill(4, "0xe", Base(0), Base(0), Price(0), Quote(0), "none", None)
    return PlanClosed(3, 7, False, nothing, nothing)


def test_a_proposal_is_sealed_with_the_next_number_and_told_to_all_three_as_one_object() -> None:
    barrier, (tell,) = go(IDLE, fake_plan(NOW, epoch=0, seq=0))
    assert isinstance(tell, Tell)
    assert (barrier.phase, barrier.seq) == ("voting", 7)
    assert tell.message is barrier.sealed
    assert sealed_by(barrier).plan.recv_time_ms == NOW + 2000


@pytest.mark.parametrize("order", list(itertools.permutations(["eth", "sol", "ledger"])), ids="-".join)
def test_three_equal_votes_in_any_order_make_one_place(order: tuple[str, ...]) -> None:
    barrier = VOTING
    for count, who in enumerate(order, 1):
        barrier, actions = go(barrier, VOTES[who])
        assert len(actions) == (count == 3)
    assert isinstance(actions[0], Tell)
    assert isinstance(actions[0].message, Place)
    assert barrier.phase == "placed"


@pytest.mark.parametrize(
    ("who", "change", "code"),
    [
        ("eth", {"plan_digest": "0"}, "PLAN_DIFFERS"),
        ("sol", {"plan_digest": "0"}, "PLAN_DIFFERS"),
        ("ledger", {"plan_digest": "0"}, "PLAN_DIFFERS"),
        ("eth", {"eth_order": "0xother"}, "ORDER_DIFFERS"),
        ("sol", {"sol_order": "0xother"}, "ORDER_DIFFERS"),
        ("ledger", {"eth_order": None}, "ORDER_DIFFERS"),
        ("ledger", {"sol_order": ""}, "ORDER_DIFFERS"),
    ],
)
def test_one_vote_that_differs_aborts_the_plan(who: str, change: dict[str, object], code: str) -> None:
    differing = VOTES | {who: msgspec.structs.replace(VOTES[who], **change)}
    barrier, (tell,) = go(VOTING, *differing.values())
    assert isinstance(tell, Tell)
    assert isinstance(tell.message, Abort)
    assert (tell.message.code, barrier.phase) == (code, "idle")


def test_two_votes_are_not_three_even_when_one_comes_twice() -> None:
    barrier, (tell,) = go(VOTING, VOTES["eth"], VOTES["eth"])
    assert isinstance(tell, Tell)
    assert isinstance(tell.message, Abort)
    assert barrier.phase == "idle"
    assert disagreement(sealed_by(VOTING), (VOTES["eth"], VOTES["ledger"])) is not None


def test_a_no_aborts_at_once() -> None:
    _, (tell,) = go(VOTING, VOTES["eth"], Declined("sol", 3, 7, "NOT_CONNECTED", "no socket"))
    assert isinstance(tell, Tell)
    assert isinstance(tell.message, Abort)
    assert tell.message.code == "NOT_CONNECTED"


def test_votes_that_do_not_come_in_time_abort_and_name_who_is_missing() -> None:
    _, (tell,) = go(VOTING, VOTES["eth"], VotesDue(3, 7))
    assert isinstance(tell, Tell)
    assert isinstance(tell.message, Abort)
    assert "ledger, sol" in tell.message.detail


def test_a_leg_that_died_after_its_vote_aborts_by_a_row_of_its_own() -> None:
    """No voter has declined, so none is named as if it had."""
    idle, (tell,) = go(VOTING, VOTES["eth"], VOTES["ledger"], LegDown(3, 7))
    assert idle.phase == "idle"
    assert tell == Tell(Abort(3, 7, "LEG_DOWN", "a leg died after the votes began"))


@pytest.mark.parametrize(("late_ms", "placed"), [(100, True), (101, False)])
def test_the_third_vote_counts_until_the_deadline_inclusive(late_ms: int, placed: bool) -> None:
    barrier, _ = go(VOTING, VOTES["eth"], VOTES["sol"])
    barrier, _ = go(barrier, VOTES["ledger"], now_ms=NOW + late_ms)
    assert (barrier.phase == "placed") == placed


def test_stale_quotes_abort_at_the_last_moment() -> None:
    barrier, _ = go(IDLE, fake_plan(NOW, quote_deadline_ms=Ms(NOW + 10)))
    _, (tell,) = go(barrier, *three_votes(sealed_by(barrier)).values(), now_ms=NOW + 11)
    assert isinstance(tell, Tell)
    assert isinstance(tell.message, Abort)
    assert tell.message.code == "QUOTE_STALE"


def test_a_receive_window_that_is_nearly_over_is_not_used() -> None:
    barrier, _ = step(IDLE, fake_plan(NOW), NOW, recv_time_ms=1050, ready_deadline_ms=100)
    _, (tell,) = go(barrier, *three_votes(sealed_by(barrier)).values(), now_ms=NOW + 51)
    assert isinstance(tell, Tell)
    assert isinstance(tell.message, Abort)
    assert tell.message.code == "WINDOW_SHORT"


def test_a_second_plan_is_not_sealed_while_one_is_in_flight() -> None:
    for busy in (VOTING, PLACED, Barrier(3, 6, "recovering")):
        assert go(busy, fake_plan(NOW)) == (busy, ())


def test_messages_of_another_plan_change_nothing() -> None:
    for event in (
        msgspec.structs.replace(VOTES["eth"], epoch=2),
        msgspec.structs.replace(VOTES["eth"], seq=6),
        Declined("eth", 2, 7, "X", ""),
        VotesDue(3, 6),
        LegDown(3, 6),
    ):
        assert go(VOTING, event) == (VOTING, ())
    assert go(PLACED, barrier_outcome("unknown", seq=6)) == (PLACED, ())


def test_an_unknown_outcome_is_told_to_the_ledger_and_resolved() -> None:
    _, actions = go(PLACED, barrier_outcome("unknown"))
    assert isinstance(actions[0], TellLedger)
    assert isinstance(actions[1], Resolve)


@pytest.mark.parametrize("kind", ["accepted", "refused", "none"])
def test_a_definite_outcome_is_told_to_the_ledger_only(kind: str) -> None:
    barrier, (action,) = go(PLACED, barrier_outcome(kind))
    assert isinstance(action, TellLedger)
    assert barrier.phase == "placed"


def test_an_outcome_during_voting_is_nobodys() -> None:
    assert go(VOTING, barrier_outcome("accepted")) == (VOTING, ())


def test_fills_that_do_not_come_are_resolved() -> None:
    assert go(PLACED, FillsDue(3, 7))[1] == (Resolve(),)


def test_the_ledgers_word_ends_a_plan() -> None:
    barrier, (action,) = go(PLACED, closed())
    assert isinstance(action, Settle)
    assert (barrier.phase, barrier.sealed) == ("idle", None)


def test_a_crash_while_voting_aborts_and_sends_nothing() -> None:
    barrier, (action,) = go(VOTING, VOTES["eth"], EpochBumped(4, "eth_leg"))
    assert isinstance(action, TellLedger)
    assert isinstance(action.message, Abort)
    assert (barrier.phase, barrier.epoch) == ("recovering", 4)
    assert go(barrier, VOTES["sol"], VOTES["ledger"]) == (barrier, ())


def test_a_crash_after_place_is_resolved_and_the_late_outcome_still_counts() -> None:
    barrier, actions = go(PLACED, EpochBumped(4, "sol_leg"))
    assert actions == (Resolve(),)
    _, late = go(barrier, barrier_outcome("refused", code=2031))
    assert isinstance(late[0], TellLedger)
    barrier, settled = go(barrier, closed())
    assert isinstance(settled[0], Settle)
    assert barrier.phase == "recovering"
    assert go(barrier, Recovered())[0].phase == "idle"


def test_an_older_epoch_never_comes_back() -> None:
    assert go(PLACED, EpochBumped(3, "late")) == (PLACED, ())


def test_numbers_only_rise() -> None:
    barrier, _ = go(PLACED, closed())
    barrier, _ = go(barrier, fake_plan(NOW, epoch=0, seq=0))
    assert sealed_by(barrier).plan.seq == 8
