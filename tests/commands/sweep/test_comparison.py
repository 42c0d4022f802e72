"""`replay --compare`: what it replays, and what is wrong with a file that says otherwise."""

from pathlib import Path
from typing import get_args

import pytest

from commands.output.words import ConfigError
from commands.parser import parser_tree
from commands.replay.options import ReplayOptions
from commands.sweep import point as point_module
from commands.sweep.comparison import FILLS, TARGETS, CompareFile, compare_file, compared_points, world_of
from commands.sweep.point import SweepPoint
from messages.execution_settings import Policy
from messages.units import Quote
from tests.commands.sweep.test_grid import FLAT
from venue.simulated.engine.rules import VenueOptions


def compared(file: CompareFile, *words: str) -> list[SweepPoint]:
    typed = (
        parser_tree().commands["replay"].parse_args(["--compare", "--market", FLAT, "--cycles", "1", *words])
    )
    typed.demo, typed.command = False, "replay"
    return compared_points(file, typed)


def named(folder: Path, text: str) -> CompareFile:
    path = folder / "policies.toml"
    path.write_text(text)
    return compare_file(str(path))


def test_without_a_file_every_policy_meets_every_size_rule_and_flow_once() -> None:
    points = compared(compare_file(""))
    assert [point.number for point in points] == list(range(1, 49))
    assert len({tuple(point.policy.items()) for point in points}) == 48
    assert {point.policy["policy"] for point in points} == set(get_args(Policy))
    assert [each.policy["policy"] for each in points[:3]] == list(get_args(Policy))
    assert {point.seed for point in points} == {7}


def test_a_point_has_its_policys_keys_its_target_and_its_rule_of_filling() -> None:
    for point in compared(compare_file("")):
        settings, world = point.loaded.settings, world_of(point.policy)
        assert settings.execution.entry == settings.execution.exit == point.policy["policy"]
        assert f"{int(settings.target) // 10**18} USD" == world.target
        assert point.venue == {"maker_fills": FILLS[world.fills], "one_trade_in": world.one_trade_in}
    assert "quote_through" not in FILLS["prints"]


def test_a_target_that_is_typed_is_the_only_one_and_a_files_targets_outweigh_it(tmp_path: Path) -> None:
    typed = compared(CompareFile(), "--target", "5000 USD")
    assert {point.policy["target"] for point in typed} == {"5000 USD"}
    assert {point.loaded.settings.target for point in typed} == {Quote.of(5_000)}
    file = named(tmp_path, 'targets = ["700 USD", "900 USD"]')
    assert [each.policy["target"] for each in compared(file, "--target", "5000 USD")][::12] == [
        "700 USD",
        "900 USD",
    ]
    assert {point.policy["target"] for point in compared(CompareFile())} == set(TARGETS)


def test_policies_of_a_file_are_compared_with_its_first(tmp_path: Path) -> None:
    text = 'fills = ["prints"]\none_trade_in = [3]\ntargets = ["500 USD"]\n[policies.long]\nhold = "9 s"\n'
    text += '[policies.short]\nhold = "4 s"\n[policies.short.limits]\nmax_hold = "1 min"'
    long, short = compared(named(tmp_path, text))
    assert (long.policy["policy"], short.policy["policy"]) == ("long", "short")
    assert (long.loaded.settings.hold, short.loaded.settings.hold) == (9_000, 4_000)
    assert short.loaded.settings.limits.max_hold == 60_000
    assert short.venue == {"maker_fills": FILLS["prints"], "one_trade_in": 3}


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ('[policies.one]\nhold = "1 s"', "two policies"),
        ("policies = 3", "policies"),
        ("[policies]\none = 3", "items"),
        ('fills = ["touch"]', "touch"),
        ("fills = []", "fills has no value"),
        ("one_trade_in = []", "one_trade_in has no value"),
        ("one_trade_in = [0]", "one_trade_in has no value"),
        ("rules = []", "rules"),
        ("fills = [", "Invalid value"),
    ],
)
def test_what_cannot_be_compared_is_named(tmp_path: Path, text: str, wrong: str) -> None:
    with pytest.raises(ConfigError) as refused:
        named(tmp_path, text)
    assert wrong in refused.value.sentence


def test_a_key_that_is_none_is_named_before_anything_is_replayed(tmp_path: Path) -> None:
    file = named(tmp_path, '[policies.one]\nhodl = "1 s"\n[policies.two]\nhold = "1 s"')
    with pytest.raises(ConfigError, match="hodl"):
        compared(file)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        compare_file(str(tmp_path / "policies.toml"))


def test_the_exchange_of_a_point_fills_by_its_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[VenueOptions] = []

    def replayed(options: ReplayOptions, *_: object) -> None:
        asked.append(options.faults.venue)
        raise RuntimeError("that was all")

    monkeypatch.setattr(point_module, "replay", replayed)
    for each in compared(CompareFile(), "--target", "500 USD")[::3]:
        assert "that was all" in point_module.run_point(each).why
    assert [(each.maker_fills, each.one_trade_in) for each in asked] == [
        (FILLS["through"], 1),
        (FILLS["through"], 10),
        (FILLS["prints"], 1),
        (FILLS["prints"], 10),
    ]
