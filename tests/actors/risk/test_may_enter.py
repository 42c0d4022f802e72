"""The order in which entering is asked about: what the table declares happens, and the page says it."""

from typing import Any

import pytest

from actors.risk.may_enter import FOLLOWS, NOT_SEALED, ORDER, Condition, EntryStage, may_enter
from actors.risk.page import PAGE, page
from messages.lifecycle import Denial

CONDITIONS: list[Condition[Any]] = [condition for stage in ORDER for condition in stage.conditions]


def condition(code: str, *, holds: bool, every_plan: bool = False) -> Condition[list[str]]:
    """One that notes in its facts that it was asked."""

    def rule(asked: list[str]) -> Denial | None:
        asked.append(code)
        return None if holds else Denial(code, "")

    return Condition(code, (code,), rule, "", every_plan=every_plan)


def test_the_first_denial_decides_and_nothing_after_it_is_asked() -> None:
    asked: list[str] = []
    conditions = [condition(code, holds=code == "A") for code in "ABC"]
    stage = EntryStage("", "", tuple(conditions))
    assert may_enter(stage, asked) == Denial("B", "")
    assert asked == ["A", "B"]


def test_when_every_condition_holds_there_is_no_denial() -> None:
    assert may_enter(EntryStage("", "", (condition("A", holds=True),)), []) is None


def test_a_plan_that_closes_is_asked_only_what_concerns_every_plan() -> None:
    asked: list[str] = []
    stage = EntryStage("", "", (condition("A", holds=False), condition("B", holds=False, every_plan=True)))
    assert may_enter(stage, asked, "exit") == Denial("B", "")
    assert asked == ["B"]


def test_only_what_entering_needs_ends_a_run_or_knows_a_limit() -> None:
    """Closing waits for no limit, no window and no guard."""
    closing = {code for each in CONDITIONS if each.every_plan for code in each.codes}
    assert closing.isdisjoint({code for code, follows in FOLLOWS.items() if follows == "ends"})
    assert closing.isdisjoint({"NO_ENTRY_WINDOW", "MAX_DAILY_LOSS", "GUARD_DOWN", "QUOTE_STALE"})


@pytest.mark.parametrize("each", CONDITIONS, ids=lambda each: each.name)
def test_every_condition_says_in_a_sentence_why_it_is_asked_there(each: Condition[Any]) -> None:
    assert each.codes
    assert all(code.isupper() for code in each.codes)
    assert 30 < len(each.why) < 180
    assert each.why.endswith(".")
    assert each.cures.keys() <= set(each.codes)


def test_what_only_waits_has_no_consequence() -> None:
    assert NOT_SEALED not in FOLLOWS


def test_the_page_is_what_comes_of_the_declarations() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "python -m actors.risk.page"
