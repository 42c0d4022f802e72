"""What a run concludes from 2028, and from nothing else."""

from typing import Any

import pytest

from actors.risk.signer_status import REPLACED, SignerStatus
from messages.execution import Outcome
from messages.lifecycle import AccountStream
from messages.units import Ms
from tests.actors.fakes import held


def outcome_of_code(kind: Any, code: int | None) -> Outcome:
    return Outcome("sol", 1, 1, "0x88d0", kind, code, "", Ms(0), Ms(1))


@pytest.mark.parametrize(
    "heard",
    [
        outcome_of_code("refused", 2031),
        outcome_of_code("unknown", REPLACED),
        AccountStream(live=False, detail="2028 lost"),
    ],
)
def test_nothing_but_a_refusal_with_that_code_says_so(heard: Outcome | AccountStream) -> None:
    right = SignerStatus()
    assert not right.hear(heard)
    assert (right.lost, right.obstacle, right.over(held())) == ("", "", False)


def test_an_order_that_was_refused_ends_it_as_soon_as_nothing_is_in_flight() -> None:
    right = SignerStatus()
    assert right.hear(outcome_of_code("refused", REPLACED))
    assert not right.hear(outcome_of_code("refused", REPLACED)), "it is news once"
    assert "an order for SOL-PERP with 2028" in right.obstacle
    assert [right.over(held(phase=phase)) for phase in ("in_flight", "uneven", "open", "flat")] == [
        False,
        True,
        True,
        True,
    ]


def test_a_stream_that_was_refused_lets_a_pair_be_closed_first_and_stays_said_when_the_stream_comes_back() -> (  # noqa: E501
    None
):
    """Nothing enters any more from then on, so a run that forgot why would wait for ever."""
    right = SignerStatus()
    assert right.hear(AccountStream(live=False, detail="refused", refused=REPLACED))
    right.hear(AccountStream(live=True, detail=""))
    assert right.obstacle == "", "closing may still be tried"
    assert [right.over(held(phase=phase)) for phase in ("open", "flat")] == [False, True]
