"""The grid of a sweep: a TOML file, and the points that it comes to.

    markets = ["data/evening", "synthetic"]      recordings, as of --market
    bars = ["data/bars.csv.gz"]                  1-minute bars, as of --bars
    seeds = [7, 8]

    [grid]                                       any key of the configuration, and the values to try
    hold = ["5 s", "10 s"]
    max_slippage = ["5 bps", "10 bps"]

Each combination of values is a policy; each policy is replayed on each market with each seed. What is not in
the grid is as the command line and the configuration say.
"""

import argparse
import copy
import os
import tomllib
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import msgspec

from commands.config import effective
from commands.config.options import SEED
from commands.output.words import ConfigError
from commands.replay.options import defaults_of, options_of
from commands.sweep.point import SweepPoint

POINTS_MAX = 100_000


class Grid(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a grid file holds: which markets, which seeds, and which values of which keys."""

    markets: tuple[str, ...] = ()
    bars: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (SEED,)
    grid: dict[str, tuple[str | int | float | bool, ...]] = {}


def grid_of(path: Path) -> Grid:
    """The grid in `path`. Raises `ConfigError` naming what is wrong with it."""
    try:
        return msgspec.convert(_flat(tomllib.loads(path.read_text(encoding="utf-8"))), Grid)
    except OSError as error:
        raise _bad(path, (error.strerror or str(error)).lower()) from error
    except (ValueError, msgspec.ValidationError) as error:
        raise _bad(path, str(error)) from error


def _flat(content: dict[str, Any]) -> dict[str, Any]:
    """`[grid.limits] max_gross = [...]` and `"limits.max_gross" = [...]` mean the same key."""
    grid = content.get("grid")
    return content | {"grid": dict(_lists(flattened(grid)))} if isinstance(grid, dict) else content


def flattened(table: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Keys with dots, and their values."""
    for name, value in table.items():
        if isinstance(value, dict):
            yield from flattened(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


def _lists(leaves: Iterator[tuple[str, Any]]) -> Iterator[tuple[str, list[Any]]]:
    for name, value in leaves:
        if not isinstance(value, list):
            raise ValueError(f"{name}: {value!r} is no list of values to try")
        yield name, value


def points_of(grid: Grid, typed: argparse.Namespace) -> list[SweepPoint]:
    """Every point, policy by policy, each checked as far as it can be before it is replayed. Raises
    `ConfigError`.
    """
    path = Path(typed.sweep)
    markets = [("--market", each) for each in grid.markets] + [("--bars", each) for each in grid.bars]
    if not markets:
        markets = [("--bars", typed.bars) if typed.bars else ("--market", typed.market)]
    if not grid.seeds or not all(grid.grid.values()):
        empty = next((key for key, values in grid.grid.items() if not values), "seeds")
        raise _bad(path, f"{empty} has no values")
    policies = [dict(zip(grid.grid, values, strict=True)) for values in product(*grid.grid.values())]
    count = len(policies) * len(markets) * len(grid.seeds)
    if count > POINTS_MAX:
        raise _bad(path, f"{count:,} points are more than {POINTS_MAX:,}")
    combinations = product(policies, markets, grid.seeds)
    points = []
    for number, (policy, market, seed) in enumerate(combinations, 1):
        values = {key: value_text(value) for key, value in policy.items()}
        seeded = copy.copy(typed)
        seeded.seed = str(seed)
        points.append(point_of(number, values, values, market, seeded, {}))
    return points


def point_of(
    number: int,
    policy: Mapping[str, str],
    values: Mapping[str, str],
    market: tuple[str, str],
    typed: argparse.Namespace,
    venue: Mapping[str, Any],
) -> SweepPoint:
    """One point. `policy`: what the table says of it. `values`: keys of the configuration. `venue`: options
    of the exchange. Raises `ConfigError` for what can be found before it is replayed.
    """
    here = copy.copy(typed)
    flag, spec = market
    here.market, here.bars = ("synthetic", spec) if flag == "--bars" else (spec, None)
    here.json, here.quiet = False, True
    kept = {key: text for key, text in typed.overrides.items() if key != "files.logs"}
    here.overrides = kept | dict(values)
    config = Path(typed.config) if typed.config is not None else None
    loaded = effective.load(config, os.environ, here.overrides, defaults_of(here))
    seed = options_of(here, loaded).run.seed
    return SweepPoint(number, policy, spec, seed, here, loaded, venue)


def value_text(value: str | float | bool) -> str:
    """As it would be typed at `--set`."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _bad(path: Path, why: str) -> ConfigError:
    return ConfigError("BAD_VALUE", "--sweep", f"--sweep {path}: {why}", "docs/replay.md#sweeps has a grid")
