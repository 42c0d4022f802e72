"""What `replay --compare` replays: policies of execution, at several sizes, under rules of filling from kind
to strict. A TOML file may say otherwise; every key may be left out.

    targets = ["500 USD", "20000 USD"]     else --target, where it is typed
    fills = ["through", "prints"]          what fills an order that rests; see `FILLS`
    one_trade_in = [1, 10]                 of the market's trades, every n-th happens

    [policies.taker-taker]                 the first one is what the others are compared with
    "execution.entry" = "taker-taker"
    [policies.maker-taker]
    "execution.entry" = "maker-taker"
"""

import argparse
import tomllib
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec

from commands.output.words import ConfigError
from commands.sweep.grid import flattened, point_of, value_text
from commands.sweep.point import SweepPoint
from messages.execution_settings import Policy
from venue.simulated.engine.rules import MakerFill

FillRule = Literal["through", "prints"]
FILLS: Mapping[FillRule, tuple[MakerFill, ...]] = {
    "through": ("queue", "print_through", "quote_through"),
    "prints": ("queue", "print_through"),
}
"""`through`: a trade at an order's price once the queue ahead has traded, a trade beyond its price, or an
opposite quote strictly beyond it. `prints`: trades only. docs/simulated.md has `maker_fills`.
"""
TARGETS = ("500 USD", "1000 USD", "5000 USD", "20000 USD")
POINTS_MAX = 10_000


class CompareFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file, decoded."""

    targets: tuple[str, ...] = ()
    fills: tuple[FillRule, ...] = ("through", "prints")
    one_trade_in: tuple[int, ...] = (1, 10)
    policies: dict[str, dict[str, Any]] = msgspec.field(
        default_factory=lambda: {
            word: {"execution.entry": word, "execution.exit": word} for word in get_args(Policy)
        }
    )


class ComparedWorld(msgspec.Struct, frozen=True):
    """What all policies of one comparison meet."""

    target: str
    fills: FillRule
    one_trade_in: int


def compare_file(path: str) -> CompareFile:
    """The file at `path`; "" is none. Raises `ConfigError` naming what is wrong with it."""
    if not path:
        return CompareFile()
    try:
        content = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        policies = content.get("policies")
        if isinstance(policies, dict):
            content |= {"policies": {name: dict(flattened(each)) for name, each in policies.items()}}
        found = msgspec.convert(content, CompareFile)
    except OSError as error:
        raise _bad(path, (error.strerror or str(error)).lower()) from error
    except (AttributeError, ValueError, msgspec.ValidationError) as error:
        raise _bad(path, str(error)) from error
    if len(found.policies) < 2:
        raise _bad(path, "two policies at least are compared")
    empty = next((key for key in ("fills", "one_trade_in") if not getattr(found, key)), None)
    if empty is not None or (found.one_trade_in and min(found.one_trade_in) < 1):
        raise _bad(path, f"{empty or 'one_trade_in'} has no value that can be replayed")
    return found


def compared_points(asked: CompareFile, typed: argparse.Namespace) -> list[SweepPoint]:
    """Every point, world by world, each checked as far as it can be before it is replayed. Raises
    `ConfigError`.
    """
    targets: Sequence[str] = asked.targets or TARGETS
    if not asked.targets and "target" in typed.overrides:
        targets = (str(typed.overrides["target"]),)
    market = ("--bars", typed.bars) if typed.bars else ("--market", typed.market)
    worlds = [ComparedWorld(*each) for each in product(targets, asked.fills, asked.one_trade_in)]
    count = len(worlds) * len(asked.policies)
    if count > POINTS_MAX:
        raise _bad(typed.compare, f"{count:,} points are more than {POINTS_MAX:,}")
    points = []
    for number, (world, (name, keys)) in enumerate(product(worlds, asked.policies.items()), 1):
        values = {"target": world.target} | {key: value_text(value) for key, value in keys.items()}
        told = {"policy": name, **_told(world)}
        venue = {"maker_fills": FILLS[world.fills], "one_trade_in": world.one_trade_in}
        points.append(point_of(number, told, values, market, typed, venue))
    return points


def _told(world: ComparedWorld) -> dict[str, str]:
    return {name: str(getattr(world, name)) for name in ComparedWorld.__struct_fields__}


def world_of(policy: Mapping[str, str]) -> ComparedWorld:
    """Of a point's own words."""
    return msgspec.convert(
        {name: policy[name] for name in ComparedWorld.__struct_fields__}, ComparedWorld, strict=False
    )


def _bad(path: str, why: str) -> ConfigError:
    named = f"--compare {path}".rstrip()
    return ConfigError("BAD_VALUE", "--compare", f"{named}: {why}", "docs/replay.md#comparing has a file")
