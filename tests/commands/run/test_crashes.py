"""Who dies when `--faults crashes` is typed: everybody who trades, once, at the moment that is named."""

import msgspec

from commands.run.crashes import CRASHES, CYCLES, Crashes
from messages.lifecycle import Staged
from tests.commands.scenes import calm_entry, hop, plan

Killed = list[tuple[str, str]]


def played(*messages: msgspec.Struct, alive: bool = True) -> tuple[Killed, list[Staged]]:
    """Who was killed upon which message, and what was told."""
    killed: Killed = []
    told: list[Staged] = []
    upon = ""

    def kill(actor: str) -> bool:
        killed.append((actor, upon))
        return alive

    crashes = Crashes(kill, told.append)
    for message in messages:
        upon = type(message).__name__
        crashes.watch(message)
    return killed, told


def entry(cycle: int) -> list[msgspec.Struct]:
    sealed = plan(cycle=cycle)
    return [sealed, hop("eth_leg sends", ""), hop("sol_leg sends", ""), *calm_entry(sealed)[1:]]


def test_on_a_ledger_with_earlier_cycles_this_runs_own_are_counted() -> None:
    """Nobody died at all on a ledger that had three cycles already."""
    assert [actor for actor, _ in played(*entry(41), *entry(42), *entry(43))[0]] == [
        crash.actor for crash in CRASHES
    ]


def test_everybody_dies_once_at_the_moment_of_the_table() -> None:
    killed, told = played(*entry(1), *entry(2), *entry(3), *entry(3))
    assert killed == [
        ("eth_leg", "Hop"),
        ("ledger", "Outcome"),
        ("sizing", "PlanClosed"),
        ("account", "PlanClosed"),
        ("market_data", "PlanClosed"),
    ]
    assert [staged.cycle for staged in told] == [crash.cycle for crash in CRASHES]
    assert told[1].text == "ledger killed, the pair half answered"
    assert CYCLES == 3


def test_an_exit_is_no_entry_and_whoever_could_not_be_killed_is_tried_again() -> None:
    leaving = plan("exit", cycle=1)
    assert played(leaving, hop("eth_leg sends", ""), *calm_entry(leaving)[1:]) == ([], [])
    killed, told = played(*entry(1), *entry(1), alive=False)
    assert (killed, told) == ([("eth_leg", "Hop")] * 2, [])
