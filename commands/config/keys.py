"""Every key of the configuration and how its value is written; and what values make no sense, alone or
together.

Keys, defaults, sentences and bounds are declared in `messages/settings.py`, once: what is in here is read
from there.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec

from commands.config.ratio_text import Ratio
from commands.config.units_text import (
    Bytes,
    CostLadder,
    Count,
    Cycles,
    Duration,
    DurationOrRange,
    Factor,
    Percent,
    Points,
    PointsOrNever,
    Share,
    Switch,
    Text,
    TickCount,
    Unbalanced,
    Usd,
    UsdOrNever,
    UsdOrRange,
    UtcTime,
    choice_of,
    spelt,
)
from commands.config.windows_text import DailyWindows, WeeklyWindows
from messages.amounts import usd
from messages.config_key import ConfigKey
from messages.ranges import least_of
from messages.settings import (
    HUNDRED_PERCENT,
    RECV_LEFT_MS,
    DailyWindow,
    Settings,
    WeeklyWindow,
    WhenUnbalanced,
)
from messages.units import DOLLAR_NEUTRAL, ONE, Bps, Ms, Quote, Rate, Ticks, legs_of

FORMS: Mapping[str, type[Text]] = {
    "percent": Percent,
    "factor": Factor,
    "ratio": Ratio,
    "bytes": Bytes,
    "times": DurationOrRange,
    "amounts": UsdOrRange,
    # the venue packs a subaccount's name into 12 bytes
    "subaccount": spelt(
        "the subaccount's name, 1 to 12 ASCII characters",
        r"[!-~]{1,12}",
        "OUT_OF_RANGE",
        '"{}" is not 1 to 12 ASCII characters',
    ),
    # "" while trading is simulated
    "owner": spelt(
        "your wallet's address, 0x and 40 hex digits",
        r"(0x[0-9a-fA-F]{40})?",
        "WRONG_TYPE",
        "is not an address: 0x and 40 hex digits",
    ),
    # never the key itself, and a wrong text is never repeated: it may be one
    "key": spelt(
        "the place of the key: env:NAME, file:PATH or keystore:PATH",
        r"(env|file|keystore):\S.*",
        "BAD_CHOICE",
        "says where the key is (env:NAME, file:PATH or keystore:PATH), never the key itself",
    ),
    "address": spelt(
        'an address, HOST:PORT, or "off"',
        r"off|([\w.-]+|\[[0-9a-fA-F:.]+\]):(6553[0-5]|655[0-2]\d|65[0-4]\d\d|6[0-4]\d{3}|[1-5]?\d{1,4})",
        "WRONG_TYPE",
        '"{}" is not HOST:PORT, for example 127.0.0.1:8080',
    ),
    "name": spelt(
        'a name, HOST or HOST:PORT, or ""', r"([\w.-]+(:\d{1,5})?)?", "WRONG_TYPE", "is not HOST:PORT"
    ),
    "file": spelt('a path, or ""', r"(?s)[^\0]*", "WRONG_TYPE", "is not a path"),
    # never the secret itself, and a wrong text is never repeated: it may be one
    "secret": spelt(
        'the place of the secret: env:NAME or file:PATH, or "off"',
        r"off|(env|file):\S.*",
        "BAD_CHOICE",
        'says where the secret is (env:NAME or file:PATH), or "off"; never the secret itself',
    ),
    "chat": spelt(
        'the chat: its number, @name of a channel, or "off"',
        r"off|-?\d{1,20}|@\w{3,64}",
        "WRONG_TYPE",
        '"{}" is not the number of a chat, @name or "off"',
    ),
    "url": spelt(
        "an address, https://HOST", r"https?://[\w.\[\]:-]+/?", "WRONG_TYPE", '"{}" is not https://HOST'
    ),
    "command": spelt('a command, or "off"', r"[^\0]*\S[^\0]*", "WRONG_TYPE", "is not a command"),
    "folder": spelt("a path", r"(?s)(?=.*\S)[^\0]*", "WRONG_TYPE", "is not a path"),
}
"""What reads and writes the values of a key that names a form."""
TYPES: Mapping[object, type[Text]] = {
    Quote: Usd,
    Bps: Points,
    Rate: Share,
    Ms: Duration,
    Ticks: TickCount,
    bool: Switch,
    int: Count,
    int | None: Cycles,
    Quote | None: UsdOrNever,
    Bps | None: PointsOrNever,
    Ms | None: UtcTime,
    WhenUnbalanced: Unbalanced,
    tuple[Bps, ...]: CostLadder,
    tuple[WeeklyWindow, ...]: WeeklyWindows,
    tuple[DailyWindow, ...]: DailyWindows,
}
"""What reads and writes those of any other key, by their type; a `Literal` is a choice of its own words."""


def _declared(table: type, prefix: str) -> Iterator[tuple[str, ConfigKey, type[Text]]]:
    for name, hint in get_type_hints(table, include_extras=True).items():
        if get_origin(hint) is not Annotated:
            yield from _declared(hint, f"{prefix}{name}.")
            continue
        kind, key = get_args(hint)
        words = get_args(kind) if get_origin(kind) is Literal else ()
        yield f"{prefix}{name}", key, FORMS.get(key.form) or (choice_of(words) if words else TYPES[kind])


_ALL = tuple(_declared(Settings, ""))
DECLARED: Mapping[str, ConfigKey] = {key: declared for key, declared, _ in _ALL}
"""In the order of the file. Dots are tables."""
KEYS: Mapping[str, type[Text]] = {key: kind for key, _, kind in _ALL}
"""What reads and writes each key's value."""
DEMO_DEFAULTS = {"max_wait": "20 s", "page": "127.0.0.1:8080"}
"""What the demo does otherwise than a run, where nobody has written it: whoever watches it does not wait
for ten minutes, and has a page.
"""
LOOPBACKS = ("127.0.0.1", "localhost", "[::1]")
"""Hosts of a page that no other machine reaches."""
PAPER_DEFAULTS = {"files.logs": "logs/paper"}
"""What a paper run does otherwise than a run, where nobody has written it: its files are no real run's."""
MAINTENANCE = (WeeklyWindow(0, 830, 860), WeeklyWindow(3, 830, 860))
"""The exchange's own windows: Monday and Thursday 14:00 UTC, at most ten minutes (its documents), and ten
minutes on either side.
"""

Complaint = tuple[str, str, object | None]
"""A key, a sentence that begins after the key, and a value to write instead (as `Text.write` gives it):
made of the user's own values, or None.
"""


def remark(key: str) -> str:
    """What a unit does not say, to stand behind a value: ` (per leg)`; "" where it says everything."""
    return f" ({DECLARED[key].remark})" if DECLARED[key].remark else ""


def value_of(settings: Settings, key: str) -> Any:
    """The effective value of a dotted key, in the type that actors read."""
    value: Any = settings
    for part in key.split("."):
        value = getattr(value, part)
    return value


def with_value(settings: Settings, key: str, value: Any) -> Settings:
    """`settings` with another value for a dotted key."""
    table, _, name = key.rpartition(".")
    if table:
        name, value = table, msgspec.structs.replace(getattr(settings, table), **{name: value})
    return msgspec.structs.replace(settings, **{name: value})


def written(settings: Settings, key: str) -> object:
    """The value of a dotted key as it is written in TOML."""
    return KEYS[key].write(value_of(settings, key))


def complaints(settings: Settings) -> Iterator[Complaint]:
    """Everything about these values that makes no sense, most basic first."""
    yield from _out_of_bounds(settings)
    steps, choice = settings.flatten_steps, settings.when_unbalanced
    if not 1 <= len(steps) <= 20:
        yield "flatten_steps", f"has {len(steps)} steps, it must have 1 to 20", None
    elif any(not 0 < step <= 5_000 * ONE for step in steps):
        yield "flatten_steps", "has a step out of range, each must be above 0 and at most 5000 bps", None
    elif list(steps) != sorted(steps):
        yield "flatten_steps", "must go from better to worse prices", CostLadder.write(sorted(steps))
    if choice.action == "accept" and not settings.max_imbalance <= choice.accept < HUNDRED_PERCENT:
        promise = written(settings, "max_imbalance")
        saying = f"accepts {Percent.write(choice.accept)}, not between max_imbalance = {promise} and 100 %"
        yield "when_unbalanced", saying, None
    if choice.action == "raise" and not ONE < choice.raise_by <= 100 * ONE:
        saying = f"raises {Factor.write(choice.raise_by)}, it must be above 1x and at most 100x"
        yield "when_unbalanced", saying, None
    yield from _contradictions(settings)


def _out_of_bounds(settings: Settings) -> Iterator[Complaint]:
    """Of a range both ends count."""
    for key, declared in DECLARED.items():
        value, least, greatest = value_of(settings, key), declared.least, declared.greatest
        if least is None or greatest is None or value is None:
            continue
        if least <= least_of(value) and value <= greatest:
            continue
        if value > greatest:
            wanted = f"at most {bound(key, greatest)}"
        elif least == 0:
            wanted = "0 or more"
        else:
            wanted = "above 0" if least_of(value) <= 0 else f"at least {bound(key, least)}"
        text = KEYS[key].write(value)
        saying = f"{text} is out of range, it must be {wanted}{sign_remark(key, text)}"
        yield key, saying, KEYS[key].suggest(text, value)


def sign_remark(key: str, text: object) -> str:
    """What a minus sign before the target gets: somebody who types one means the other side, which is
    another key. "" for everything else.
    """
    signed = key == "target" and str(text).lstrip().startswith("-")
    return (
        "; a target has no sign: --direction long-eth or long-sol says which leg is bought" if signed else ""
    )


def bound(key: str, scaled: int) -> object:
    """A bound of `key` as it is written."""
    like = value_of(Settings(), key)
    return KEYS[key].write(scaled if like is None else type(like)(scaled))


def _contradictions(settings: Settings) -> Iterator[Complaint]:
    """Values that are in range, and cannot be kept together."""
    limits, recv_time = settings.limits, settings.recv_time
    said = {key: written(settings, key) for key in KEYS}
    if settings.max_imbalance <= settings.planning_margin:
        saying = f"{said['max_imbalance']} must be above planning_margin = {said['planning_margin']}"
        yield "max_imbalance", saying, Percent.write(4 * settings.planning_margin)
    if settings.ready_deadline + RECV_LEFT_MS >= recv_time:
        saying = (
            f"{said['ready_deadline']} leaves no second of recv_time = {said['recv_time']} for the orders to"
            " arrive"
        )
        instead = max(1, min(100, (recv_time - RECV_LEFT_MS) // 2))
        yield "ready_deadline", saying, Duration.write(instead)
    if 2 * settings.max_clock_skew >= recv_time:
        saying = f"{said['max_clock_skew']} twice is not less than recv_time = {said['recv_time']}"
        yield "max_clock_skew", saying, Duration.write(recv_time // 8)
    wanted, rooms = legs_of(settings.target, settings.hedge_ratio), rooms_for(settings)
    ratio = "" if settings.hedge_ratio == DOLLAR_NEUTRAL else f" with hedge_ratio = {said['hedge_ratio']}"
    if limits.max_leg_notional < max(wanted):
        least = f"target = {said['target']}"
        least = least if wanted[0] >= wanted[1] else f"the {usd(wanted[1])} USD of SOL of {least}{ratio}"
        saying = f"{said['limits.max_leg_notional']} is less than {least}: no leg could be sent"
        yield "limits.max_leg_notional", saying, Usd.write(max(rooms))
    if limits.max_gross < sum(wanted):
        saying = f"{said['limits.max_gross']} is less than both legs of target = {said['target']}{ratio}"
        yield "limits.max_gross", saying, Usd.write(Quote(sum(rooms)))
    yield from _hold_contradictions(settings, said)
    yield from _page_contradictions(settings, said)
    yield from _quote_contradictions(settings, said)
    if settings.guard.dead_man < least_dead_man(settings):
        saying = (
            f"{said['guard.dead_man']} is less than recv_time = {said['recv_time']} and 2 s: orders may still"
            " arrive"
        )
        yield "guard.dead_man", saying, Duration.write(least_dead_man(settings))


def _page_contradictions(settings: Settings, said: Mapping[str, object]) -> Iterator[Complaint]:
    """A page beyond this machine needs TLS: its token lets whoever reads it close the pair."""
    alone = settings.page == "off" or settings.page.rpartition(":")[0] in LOOPBACKS
    if not alone and not settings.page_certificate:
        saying = (
            f"{said['page']} is reached by other machines, and without page_certificate nothing is encrypted"
        )
        yield "page", saying, f"127.0.0.1:{settings.page.rpartition(':')[2]}"
    if settings.page_certificate and not settings.page_name:
        yield "page_name", "is needed with page_certificate: the name that the certificate is for", None


def _hold_contradictions(settings: Settings, said: Mapping[str, object]) -> Iterator[Complaint]:
    """Those about how long a pair is held."""
    limits = settings.limits
    if settings.min_hold > limits.max_hold:
        saying = f"{said['min_hold']} is longer than limits.max_hold = {said['limits.max_hold']}"
        yield "min_hold", saying, None
    if settings.hold > limits.max_hold:
        saying = f"{said['limits.max_hold']} is shorter than hold = {said['hold']}"
        yield "limits.max_hold", saying, Duration.write(settings.hold)
    if settings.hold_for_funding and settings.hold + settings.hold_for_funding > limits.max_hold:
        saying = (
            f"{said['hold_for_funding']} after hold = {said['hold']} is longer than limits.max_hold ="
            f" {said['limits.max_hold']}"
        )
        yield "hold_for_funding", saying, None
    if settings.min_hold > least_of(settings.hold):
        yield "min_hold", f"{said['min_hold']} is longer than hold = {said['hold']} may be", None


def _quote_contradictions(settings: Settings, said: Mapping[str, object]) -> Iterator[Complaint]:
    """Those about orders that rest, where any does."""
    execution, limits = settings.execution, settings.limits
    if execution.leans and settings.legging_quote < least_legging_quote(settings):
        saying = (
            f"{said['legging_quote']} is less than execution.lean_wait = {said['execution.lean_wait']} and"
            f" legging_known = {said['legging_known']}: for so long lean leaves a leg unhedged"
        )
        yield "legging_quote", saying, Duration.write(least_legging_quote(settings))
    if execution.entry != "taker-taker" and execution.give_up >= settings.max_wait:
        saying = (
            f"{said['execution.give_up']} is not less than max_wait = {said['max_wait']}: the run would end"
            " while its first entry is quoted"
        )
        yield "execution.give_up", saying, Duration.write(settings.max_wait // 2)
    if execution.exit != "taker-taker" and settings.hold + execution.exit_take > limits.max_hold:
        saying = (
            f"{said['execution.exit_take']} after hold = {said['hold']} is longer than limits.max_hold ="
            f" {said['limits.max_hold']}"
        )
        yield "execution.exit_take", saying, None


def least_legging_quote(settings: Settings) -> Ms:
    """A hedge may rest for all of `lean_wait`, and it takes as long as any repair then."""
    return Ms(settings.execution.lean_wait + settings.legging_known if settings.execution.leans else 1)


def least_dead_man(settings: Settings) -> Ms:
    """Until an order can no longer arrive, and two seconds more: a guard that acts earlier could act
    beside a run that is alive.
    """
    return Ms(settings.recv_time + 2_000)


def rooms_for(settings: Settings) -> tuple[Quote, Quote]:
    """The largest legs, ETH's and SOL's, that this target can lead to: raised and deviating as allowed, and
    5 % for slippage and one lot. USD x18.
    """
    raised = settings.target * max(ONE, settings.when_unbalanced.raise_by) // ONE
    largest = raised * (settings.max_deviation + 10_500 * ONE) // HUNDRED_PERCENT
    return legs_of(largest, settings.hedge_ratio)
