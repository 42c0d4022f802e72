"""The grid of a sweep: which points it comes to, and what is wrong with one that cannot be replayed."""

from pathlib import Path

import pytest

from commands.output.words import ConfigError
from commands.parser import parser_tree
from commands.sweep.grid import grid_of, points_of
from commands.sweep.point import SweepPoint

FLAT = "flat:2756.9/115.86"


def points(folder: Path, text: str, *words: str) -> list[SweepPoint]:
    """The points of a grid, as `replay --sweep` makes them."""
    path = folder / "grid.toml"
    path.write_text(text)
    typed = parser_tree().commands["replay"].parse_args(["--sweep", str(path), *words])
    typed.demo, typed.command = False, "replay"
    return points_of(grid_of(path), typed)


def test_every_policy_meets_every_market_with_every_seed_once(tmp_path: Path) -> None:
    grid = f"""
    markets = ["{FLAT}", "synthetic"]
    seeds = [1, 2, 3]
    [grid]
    hold = ["1 s", "2 s"]
    max_slippage = ["5 bps", "10 bps"]
    """
    found = points(tmp_path, grid, "--cycles", "2")
    assert [point.number for point in found] == list(range(1, 25))
    told = {(tuple(point.policy.items()), point.market, point.seed) for point in found}
    assert len(told) == 24
    first = found[0]
    assert (first.policy, first.market, first.seed) == ({"hold": "1 s", "max_slippage": "5 bps"}, FLAT, 1)
    assert (first.loaded.settings.hold, first.loaded.settings.cycles) == (1_000, 2)


def test_a_table_below_the_grid_names_the_same_keys_as_dots_do(tmp_path: Path) -> None:
    nested = points(tmp_path, '[grid.limits]\nmax_hold = ["1 min"]', "--cycles", "1")
    dotted = points(tmp_path, '[grid]\n"limits.max_hold" = ["1 min"]', "--cycles", "1")
    assert nested[0].policy == dotted[0].policy == {"limits.max_hold": "1 min"}


def test_without_markets_and_values_it_is_the_command_lines_replay(tmp_path: Path) -> None:
    (only,) = points(tmp_path, "", "--market", FLAT, "--cycles", "1", "--hold", "3 s")
    assert (only.policy, only.market, only.seed, only.loaded.settings.hold) == ({}, FLAT, 7, 3_000)


@pytest.mark.parametrize(
    ("grid", "named"),
    [
        ("marktes = []", "marktes"),
        ('seeds = ["a"]', "seeds"),
        ("seeds = []", "seeds has no values"),
        ("[grid]\nhold = []", "hold has no values"),
        ('[grid]\nhold = "5 s"', "hold"),
        ('[grid]\nhodl = ["5 s"]', "hodl"),
        ('[grid]\nhold = ["5 parsecs"]', "hold"),
        ('markets = ["nowhere"]', "nowhere"),
        (f"seeds = {list(range(1000))}\n[grid]\ncycles = {list(range(1, 102))}", "101,000 points"),
        ("grid = [", "Invalid value"),
    ],
)
def test_what_cannot_be_swept_is_named_before_anything_is_replayed(
    tmp_path: Path, grid: str, named: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        points(tmp_path, grid, "--market", FLAT, "--cycles", "1")
    assert named in refused.value.sentence


def test_a_grid_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        grid_of(tmp_path / "grid.toml")
