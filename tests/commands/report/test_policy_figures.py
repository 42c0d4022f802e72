"""Cycles by policy: which one a run traded by, and what its cycles come to."""

from pathlib import Path

import msgspec

from commands.report.cycle_execution import BesideFold, CycleExecution, cycle_execution
from commands.report.cycle_row import CycleRow
from commands.report.history import history_of
from commands.report.policy_figures import EXECUTION_COST, MarketFacts, policy_figures
from messages.units import ONE, Quote
from tests.actors.ledger.story import Story
from tests.commands.report.executions import (
    STEPS,
    quote_terms,
    rested_cycle,
    rested_order,
    rested_plan,
)
from tests.commands.report.ledgers import ledger_told
from tests.commands.report.test_history import cycles_of


def executed_rows(tmp_path: Path, executions: list[tuple[int, CycleExecution]]) -> list[CycleRow]:
    """Cycles of a told ledger, each of that run and with that execution."""
    story = Story()
    cycles_of(story, len(executions))
    told = history_of(ledger_told(tmp_path / "logs", story.rows)).cycles
    return [
        msgspec.structs.replace(row, run=run, execution=execution)
        for row, (run, execution) in zip(told, executions, strict=True)
    ]


RESTED = CycleExecution(
    wanted=Quote.of(4_000),
    shortfall=Quote.of(1),
    rest_wanted=Quote.of(2_000),
    rest_filled=Quote.of(1_500),
    cancels=2,
    hedged_ms=(40, 70),
    entry_quotes=True,
)
TAKEN = CycleExecution(wanted=Quote.of(4_000), shortfall=Quote.of(2))
LEANED = msgspec.structs.replace(RESTED, entry_leans=True)


def test_a_run_traded_by_what_any_of_its_cycles_did(tmp_path: Path) -> None:
    """One whose quote never filled shows nothing of leaning, and is a cycle of a run that leans."""
    done = [(1, TAKEN), (2, RESTED), (2, TAKEN), (3, RESTED), (3, LEANED), (3, TAKEN), (4, TAKEN)]
    found = policy_figures(executed_rows(tmp_path, done), MarketFacts())
    assert [(each.entry, each.exit, each.cycles) for each in found] == [
        ("taker-taker", "taker-taker", 2),
        ("maker-taker", "taker-taker", 2),
        ("lean", "taker-taker", 3),
    ]
    assert [each.name for each in found] == [
        "taker-taker",
        "maker-taker in, taker-taker out",
        "lean in, taker-taker out",
    ]


def test_rates_are_sums_by_sums(tmp_path: Path) -> None:
    (found,) = policy_figures(executed_rows(tmp_path, [(1, RESTED), (1, TAKEN), (1, RESTED)]), MarketFacts())
    assert found.fill_rate == 75 * ONE // 100
    assert found.shortfall.value == Quote.of(4) * 10**6 // 12_000
    assert (found.cancels, found.orders, found.hedged_ms) == (4, 12, (40, 70, 40, 70))
    assert found.per_million["execution"].value == sum(
        found.per_million[cause].value or 0 for cause in EXECUTION_COST
    )


def test_a_cycle_that_was_given_up_counts_in_the_shortfall_and_not_in_costs(tmp_path: Path) -> None:
    given_up = cycle_execution(
        rested_cycle(
            [
                rested_order("eth", rested_plan(1, "quote", eth="1", mids="2000 100", quote=quote_terms())),
                rested_order("eth", rested_plan(2, "quote", eth="1", mids="2005 99.9", quote=quote_terms())),
            ]
        ),
        BesideFold(STEPS, 2),
    )
    whole = executed_rows(tmp_path, [(1, RESTED), (1, given_up)])
    nothing = msgspec.structs.replace(
        whole[1], traded=Quote(0), costs=dict.fromkeys(whole[1].costs, Quote(0)), entered=False
    )
    (one,) = policy_figures([whole[0]], MarketFacts())
    (both,) = policy_figures([whole[0], nothing], MarketFacts())
    assert both.per_million == one.per_million
    assert both.shortfall.value == Quote.of(8) * 10**6 // 8_000
    assert (both.cycles, both.entered) == (2, 1)


def test_the_commands_own_rows_have_the_taker_policy_and_its_volume(tmp_path: Path) -> None:
    story = Story()
    cycles_of(story, 3)
    told = history_of(ledger_told(tmp_path / "logs", story.rows)).cycles
    (found,) = policy_figures(told, MarketFacts())
    assert (found.name, found.cycles, found.fill_rate) == ("taker-taker", 3, None)
    assert found.traded == sum(row.traded for row in told)
    # entering and leaving each want what they traded; the story's prices never move
    assert found.shortfall.value == found.per_million["execution"].value
