"""The switches: the protocol as it is, with all of them off. `mutants.py` says what each one breaks."""

from collections.abc import Callable
from typing import NamedTuple

from tests.model import real
from tests.model.real import Answer
from tests.model.state import Bar, Message, Plan, Told


class Rules(NamedTuple):
    """How the modelled parts behave, and which functions decide in them. `plans`: how many plans may be
    placed in one run.
    """

    plans: int = 2
    prompt: bool = True
    """Act at once when nothing is left to go wrong (`transitions.py`)."""
    step: Callable[[Bar, Message, bool], Answer] = real.step
    believes: Callable[[Plan, str, int, int, bool], tuple[int, bool] | None] = real.believes
    told: Callable[[Plan, str, Told, Message], Told] = real.told
    acts_on_receipt: bool = False
    votes_before_writing: bool = False
    nobody_compares: bool = False
    resends: str = ""
    """"fresh" = with another nonce, "same" = the identical bytes."""
    no_epochs: bool = False
    old_keeps_running: bool = False
    awaited_sends: bool = False
    forgets_repair: bool = False
    sizing_bumps: bool = False
    acts_on_late_place: bool = False
    forgets_doubts: bool = False
    never_asks: bool = False
    ignores_flight: bool = False

    @property
    def symmetric(self) -> bool:
        """Are ETH and SOL treated alike?"""
        return not self.awaited_sends


SOUND = Rules()
