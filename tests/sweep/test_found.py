"""What the sweep has found, once more by name: each failed before its repair."""

import pytest

from tests.sweep.one import Blow, one
from venue.simulated.faults import NO_FAULTS, DisturbEvent, Faults, LoseAck

DEAF = DisturbEvent(stream="fill", one_in=1, how="drop")


def test_a_run_ends_only_when_the_archive_has_named_the_fees_of_fills_that_were_never_heard_of() -> None:
    """The exit was proven by the engine's position, 100 ms before the archive knew of it: booked at the limit price, without a fee, for ever."""
    faults = Faults(lose_ack=(LoseAck(nth=3, increasing=False), LoseAck(nth=4, increasing=False)), event=(DEAF,))
    assert one(0, (), faults).wrong == ()


def test_an_exit_that_is_aborted_while_it_is_being_asked_about_is_closed_once() -> None:
    """The ledger died with the exit committed and unsaid; RESOLVE gave the aborted orders what the flatten after it traded."""
    appends = one(0, (), Faults(event=(DEAF,))).points["after_commit"]
    for point in range(appends // 3, appends + 1):
        assert one(0, (Blow("after_commit", point),), Faults(event=(DEAF,))).wrong == (), f"after_commit:{point}"


@pytest.mark.parametrize("point", range(2, 7))
def test_a_ledger_that_dies_with_the_accounts_word_in_its_hand_hears_it_again(point: int) -> None:
    """The stream was live and the ledger never knew: nothing was entered any more, for ever."""
    assert one(0, (Blow("ledger", point),), NO_FAULTS).wrong == ()
