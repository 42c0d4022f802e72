"""Every key of the configuration and how its value is written; and what values make no sense, alone or
together.

Keys, defaults, sentences and bounds are declared in `messages/settings.py`, once: what is in here is read
from there.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, NamedTuple, get_args, get_origin, get_type_hints

import msgspec

from commands.config.units_text import (
    BadText,
    Bytes,
    CostLadder,
    Count,
    Cycles,
    Direction,
    Duration,
    Factor,
    LedgerSync,
    Percent,
    Points,
    Share,
    Switch,
    Text,
    Unbalanced,
    Usd,
    VenueName,
    WeeklyWindows,
    Words,
)
from messages.settings import HUNDRED_PERCENT, RECV_LEFT_MS, Form, Settings, WeeklyWindow
from messages.units import ONE, Ms, Quote


class KeyPlace(Words):
    """Where the signing key is. Never the key itself, and a wrong text is never repeated: it may be one."""

    name = "the place of the key: env:NAME, file:PATH or keystore:PATH"

    @classmethod
    def read(cls, written: object) -> Any:
        """The place."""
        if not isinstance(written, str) or not re.fullmatch(r"(env|file|keystore):\S.*", written):
            raise BadText(
                "BAD_CHOICE",
                "says where the key is (env:NAME, file:PATH or keystore:PATH), never the key itself",
            )
        return written


class Subaccount(Words):
    """A subaccount's name: at most 12 ASCII characters, because the venue packs it into 12 bytes."""

    name = "the subaccount's name, 1 to 12 ASCII characters"

    @classmethod
    def read(cls, written: object) -> Any:
        """The name."""
        if not isinstance(written, str) or not re.fullmatch(r"[!-~]{1,12}", written):
            raise BadText("OUT_OF_RANGE", f'"{written}" is not 1 to 12 ASCII characters')
        return written


class Owner(Words):
    """An address, or "" while trading is simulated."""

    name = "your wallet's address, 0x and 40 hex digits"

    @classmethod
    def read(cls, written: object) -> Any:
        """The address."""
        if not isinstance(written, str) or not re.fullmatch(r"(0x[0-9a-fA-F]{40})?", written):
            raise BadText("WRONG_TYPE", "is not an address: 0x and 40 hex digits")
        return written


class Folder(Words):
    """A path."""

    name = "a path"

    @classmethod
    def read(cls, written: object) -> Any:
        """The path."""
        if not isinstance(written, str) or not written.strip() or "\0" in written:
            raise BadText("WRONG_TYPE", "is not a path")
        return written


FORMS: Mapping[Form, type[Text]] = {
    "usd": Usd,
    "percent": Percent,
    "bps": Points,
    "share": Share,
    "factor": Factor,
    "duration": Duration,
    "bytes": Bytes,
    "count": Count,
    "switch": Switch,
    "cycles": Cycles,
    "direction": Direction,
    "unbalanced": Unbalanced,
    "steps": CostLadder,
    "windows": WeeklyWindows,
    "venue": VenueName,
    "subaccount": Subaccount,
    "owner": Owner,
    "key": KeyPlace,
    "folder": Folder,
    "sync": LedgerSync,
}
"""What reads and writes each form of value."""


class Declared(NamedTuple):
    """What `messages/settings.py` says about one key. Bounds: both allowed, in the value's own integers;
    None: no bound.
    """

    sentence: str
    kind: type[Text]
    least: int | None
    greatest: int | None


def _declared(table: type, prefix: str) -> Iterator[tuple[str, Declared]]:
    for name, hint in get_type_hints(table, include_extras=True).items():
        if get_origin(hint) is not Annotated:
            yield from _declared(hint, f"{prefix}{name}.")
            continue
        meta: msgspec.Meta = get_args(hint)[1]
        extra = meta.extra or {}
        yield (
            f"{prefix}{name}",
            Declared(str(meta.description), FORMS[extra["form"]], extra["least"], extra["greatest"]),
        )


DECLARED: Mapping[str, Declared] = dict(_declared(Settings, ""))
"""In the order of the file. Dots are tables."""

KEYS: Mapping[str, type[Text]] = {key: declared.kind for key, declared in DECLARED.items()}
"""What reads and writes each key's value."""

REMARKS = {
    "target": " (per leg)",
    "limits.max_leg_notional": " (per leg)",
    "limits.max_gross": " (both legs)",
}
"""What a unit does not say."""

MAINTENANCE = (WeeklyWindow(0, 830, 860), WeeklyWindow(3, 830, 860))
"""The exchange's own windows: Monday and Thursday 14:00 UTC, at most ten minutes (its documents), and ten
minutes on either side.
"""

Complaint = tuple[str, str, object | None]
"""A key, a sentence that begins after the key, and a value to write instead (as `Text.write` gives it):
made of the user's own values, or None.
"""


def value_of(settings: Settings, key: str) -> Any:
    """The effective value of a dotted key."""
    value: Any = settings
    for part in key.split("."):
        value = getattr(value, part)
    return value


def written(settings: Settings, key: str) -> object:
    """The value of a dotted key as it is written in TOML."""
    return KEYS[key].write(value_of(settings, key))


def complaints(settings: Settings) -> Iterator[Complaint]:
    """Everything about these values that makes no sense, most basic first."""
    for key, (_, _, least, greatest) in DECLARED.items():
        value = value_of(settings, key)
        if (
            least is not None
            and greatest is not None
            and value is not None
            and not least <= value <= greatest
        ):
            yield _out_of_bounds(key, value, least, greatest)
    yield from _flatten_steps(settings)
    yield from _unbalanced(settings)
    yield from _together(settings)


def sign_remark(key: str, text: object) -> str:
    """What a minus sign before the target gets: somebody who types one means the other side, which is
    another key. "" for everything else.
    """
    signed = key == "target" and str(text).lstrip().startswith("-")
    return (
        "; a target has no sign: --direction long-eth or long-sol says which leg is bought" if signed else ""
    )


def _out_of_bounds(key: str, value: Any, least: int, greatest: int) -> Complaint:
    if value > greatest:
        wanted = f"at most {bound(key, greatest)}"
    elif least == 0:
        wanted = "0 or more"
    else:
        wanted = "above 0" if value <= 0 else f"at least {bound(key, least)}"
    text = KEYS[key].write(value)
    return (
        key,
        f"{text} is out of range, it must be {wanted}{sign_remark(key, text)}",
        KEYS[key].suggest(text, value),
    )


def bound(key: str, scaled: int) -> object:
    """A bound of `key` as it is written."""
    like = value_of(Settings(), key)
    return KEYS[key].write(type(like)(scaled))


def _flatten_steps(settings: Settings) -> Iterator[Complaint]:
    steps = settings.flatten_steps
    if not 1 <= len(steps) <= 20:
        yield "flatten_steps", f"has {len(steps)} steps, it must have 1 to 20", None
    elif any(not 0 < step <= 5_000 * ONE for step in steps):
        yield "flatten_steps", "has a step out of range, each must be above 0 and at most 5000 bps", None
    elif list(steps) != sorted(steps):
        yield "flatten_steps", "must go from better to worse prices", CostLadder.write(sorted(steps))


def _unbalanced(settings: Settings) -> Iterator[Complaint]:
    choice = settings.when_unbalanced
    if choice.action == "accept" and not settings.max_imbalance <= choice.accept < HUNDRED_PERCENT:
        promise = written(settings, "max_imbalance")
        yield (
            "when_unbalanced",
            f"accepts {Percent.write(choice.accept)}, not between max_imbalance = {promise} and 100 %",
            None,
        )
    if choice.action == "raise" and not ONE < choice.raise_by <= 100 * ONE:
        yield (
            "when_unbalanced",
            f"raises {Factor.write(choice.raise_by)}, it must be above 1x and at most 100x",
            None,
        )


def _together(settings: Settings) -> Iterator[Complaint]:
    if settings.max_imbalance <= settings.planning_margin:
        yield (
            "max_imbalance",
            (
                f"{written(settings, 'max_imbalance')} must be above planning_margin ="
                f" {written(settings, 'planning_margin')}"
            ),
            Percent.write(4 * settings.planning_margin),
        )
    if settings.ready_deadline + RECV_LEFT_MS >= settings.recv_time:
        saying = (
            f"{written(settings, 'ready_deadline')} leaves no second of recv_time ="
            f" {written(settings, 'recv_time')} for the orders to arrive"
        )
        yield (
            "ready_deadline",
            saying,
            Duration.write(max(1, min(100, (settings.recv_time - RECV_LEFT_MS) // 2))),
        )
    if 2 * settings.max_clock_skew >= settings.recv_time:
        saying = (
            f"{written(settings, 'max_clock_skew')} twice is not less than recv_time ="
            f" {written(settings, 'recv_time')}"
        )
        yield "max_clock_skew", saying, Duration.write(settings.recv_time // 8)
    yield from _limits(settings)
    yield from _times(settings)


def _limits(settings: Settings) -> Iterator[Complaint]:
    leg, gross = settings.limits.max_leg_notional, settings.limits.max_gross
    if leg < settings.target:
        saying = f"{Usd.write(leg)} is less than target = {written(settings, 'target')}: no leg could be sent"
        yield "limits.max_leg_notional", saying, Usd.write(room_for(settings))
    if gross < 2 * settings.target:
        saying = f"{Usd.write(gross)} is less than both legs of target = {written(settings, 'target')}"
        yield "limits.max_gross", saying, Usd.write(Quote(2 * room_for(settings)))


def _times(settings: Settings) -> Iterator[Complaint]:
    if settings.hold > settings.limits.max_hold:
        saying = f"{written(settings, 'limits.max_hold')} is shorter than hold = {written(settings, 'hold')}"
        yield "limits.max_hold", saying, Duration.write(settings.hold)
    if settings.guard.dead_man < least_dead_man(settings):
        saying = (
            f"{written(settings, 'guard.dead_man')} is less than recv_time = {written(settings, 'recv_time')}"
            " and 2 s: orders may still arrive"
        )
        yield "guard.dead_man", saying, Duration.write(least_dead_man(settings))


def least_dead_man(settings: Settings) -> Ms:
    """Until an order can no longer arrive, and two seconds more: a guard that acts earlier could act
    beside a run that is alive.
    """
    return Ms(settings.recv_time + 2_000)


def room_for(settings: Settings) -> Quote:
    """The largest leg that this target can lead to: raised and deviating as allowed, and 5 % for slippage
    and one lot. USD x18.
    """
    raised = settings.target * max(ONE, settings.when_unbalanced.raise_by) // ONE
    return Quote(raised * (settings.max_deviation + 10_500 * ONE) // HUNDRED_PERCENT)
