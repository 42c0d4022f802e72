"""What drills measured is used for the same configuration, complete and fresh; else the formula stands,
and says so.
"""

from pathlib import Path

import msgspec
import pytest

from commands.setup.drill_results import (
    FRESH_MS,
    DrillResultsFile,
    Measured,
    fingerprint_of,
    maxima_of,
    remember,
)
from commands.setup.worst_case import stated, worst_case
from messages.settings import Files, Guard, Limits, Settings, VenueSettings
from messages.units import Ms, Quote
from messages.wire import decode
from tests.actors.fakes import RULES

NOW = Ms(1_764_000_000_000)
NAMES = ("calm", "storm")


def in_folder(folder: Path) -> Settings:
    return Settings(files=Files(logs=str(folder)))


def figures(name: str, cost: str = "3", usd_s: str = "50", at_ms: int = NOW) -> Measured:
    return Measured(name, Ms(at_ms), Quote.of(985), Quote.of(usd_s), Quote.of(cost))


def test_a_rehearsal_counts_for_the_live_run_of_the_same_configuration() -> None:
    demo = Settings()
    live = msgspec.structs.replace(
        demo,
        cycles=None,
        hold=Ms(3_600_000),
        venue=VenueSettings("mainnet", "pair", "0x" + "9f" * 20),
        files=Files("live"),
    )
    assert fingerprint_of(demo) == fingerprint_of(live)


@pytest.mark.parametrize(
    "other",
    [
        Settings(target=Quote.of(2_000)),
        Settings(legging_known=Ms(501)),
        Settings(guard=Guard(enabled=False)),
        Settings(limits=Limits(max_daily_loss=Quote.of(51))),
    ],
)
def test_any_other_change_is_another_configuration(other: Settings) -> None:
    assert fingerprint_of(other) != fingerprint_of(Settings())


def test_the_maxima_need_every_drill_and_fresh_ones(tmp_path: Path) -> None:
    settings = in_folder(tmp_path)
    assert maxima_of(settings, NOW) is None
    remember(settings, NAMES, [figures("calm", cost="5")])
    assert maxima_of(settings, NOW) is None
    remember(settings, NAMES, [figures("storm", cost="4", usd_s="6000", at_ms=NOW - 1)])
    found = maxima_of(settings, NOW)
    assert found is not None
    assert (found.costliest.name, found.longest.name, found.drilled_ms) == ("calm", "storm", NOW - 1)
    assert maxima_of(settings, Ms(NOW + FRESH_MS - 1)) is not None
    assert maxima_of(settings, Ms(NOW + FRESH_MS)) is None, "the older of the two is too old"
    assert maxima_of(msgspec.structs.replace(settings, target=Quote.of(500)), NOW) is None


def test_drilling_another_configuration_begins_again_and_a_broken_file_is_none(tmp_path: Path) -> None:
    settings = in_folder(tmp_path)
    remember(settings, NAMES, [figures("calm"), figures("storm")])
    path = remember(msgspec.structs.replace(settings, target=Quote.of(500)), NAMES, [figures("calm")])
    assert [each.name for each in decode(path.read_bytes(), DrillResultsFile).drills] == ["calm"]
    path.write_text("{")
    assert maxima_of(settings, NOW) is None
    remember(settings, NAMES, [figures("calm"), figures("storm")])
    assert maxima_of(settings, NOW) is not None


def test_the_worst_case_says_whether_it_was_rehearsed(tmp_path: Path) -> None:
    settings = in_folder(tmp_path)
    plain = stated(settings, RULES, NOW)
    assert plain == worst_case(settings, RULES)
    assert plain.text().endswith("computed, not rehearsed: python supervisor.py drill --all measures it")
    remember(settings, NAMES, [figures("calm"), figures("storm", cost="21.05", usd_s="6022.5")])
    drilled = stated(settings, RULES, NOW)
    assert drilled.total == plain.total, "the computed lost leg of 36 is more than any drill cost"
    said = (
        "the computed lost leg counts, no drill was more expensive: drilled 2025-11-24, at most 21.05 USD"
        " (storm) and 6022 USD·s unhedged (storm)"
    )
    assert drilled.text().endswith(said)


def test_a_drill_that_cost_more_than_the_formula_takes_its_place(tmp_path: Path) -> None:
    settings = in_folder(tmp_path)
    remember(settings, NAMES, [figures("calm"), figures("storm", cost="41.2")])
    worst = stated(settings, RULES, NOW)
    assert (worst.disaster, worst.total) == (Quote.of("41.2"), Quote.of("79.6"))
    assert "+ the worst drill 41.20 (not in it: " in worst.text()
    assert "the worst drill counts: drilled " in worst.text()
