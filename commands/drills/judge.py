"""Was a drill inside the configuration's limits? Measured by the venue's log and account, compared with the
configuration's own numbers.

legging          the largest integral of |ETH + SOL| of one cycle <= the drill's class x the larger leg
cost             <= what the configuration allows so many cycles to cost: every order at its limit, the last
                 of flatten_steps for one leg, and where the pair itself loses, what it may drift apart; and
                 never more than max_daily_loss and max_drawdown
ending           nothing is open, the run said so itself or its guard did, and it did not halt for a limit
"""

import msgspec

from actors.risk.legging import allowed
from commands.drills.exposure import Unhedged, unhedged
from commands.drills.stage import Played
from commands.drills.table import Drill, class_ms
from commands.output.words import DONE, HALTED, REFUSED
from commands.setup.worst_case import worst_case
from messages.amounts import fixed, grouped, usd
from messages.settings import Settings
from messages.units import Ms, Quote
from venue.protocol import VenueRules

CLASSES = {
    "known": "legging_known",
    "unknown": "legging_unknown",
    "quote": "legging_quote",
    "dead_man": "guard.dead_man + 3 s",
    "left": "recv_time + 18 s",
}
"""What a person calls the legging classes."""
LIMIT_HALTS = {
    "LEGGING_BUDGET",
    "MAX_DAILY_LOSS",
    "MAX_DRAWDOWN",
    "FAILED_CYCLES",
    "FILL_RATE",
    "CYCLE_SUCCESS",
}
"""Halts that mean: by the run's own count, a limit of the configuration was exceeded."""


class Exceeded(msgspec.Struct, frozen=True):
    """A limit that was not kept: its name, and what was measured against it."""

    limit: str
    text: str


class Result(msgspec.Struct, frozen=True):
    """One drill, judged. USD x18; None = unknown."""

    name: str
    worst: Quote
    usd_s: Quote
    usd_s_allowed: Quote
    legging: str
    cost: Quote | None
    cost_allowed: Quote
    ending: str
    exit_code: int | None
    halt_code: str | None
    exceeded: tuple[Exceeded, ...]
    flat: bool = True
    """Is nothing open by the venue's own log?"""
    logs: str = ""
    """Where to look; "" when all is well and nothing was kept."""


def judged(drill: Drill, settings: Settings, played: Played) -> Result:
    """The verdict. What is still open was unhedged until the last reading of the account."""
    until_ms = (
        played.after.at_ms
        if played.after
        else max((change.at_ns // 1_000_000 for change in played.changes), default=0)
    )
    eth_product = played.rules.eth.product_id
    found = unhedged(played.changes, eth_product, Ms(until_ms), played.agreed, settings.hedge_ratio)
    usd_s_allowed = allowed(found.leg, class_ms(drill, settings))
    cost = (
        Quote(played.before - played.after.value) if played.after and played.after.value is not None else None
    )
    cost_allowed = allowed_cost(drill, settings, played.rules)
    exceeded = [*_cost(settings, cost, cost_allowed), *_ending(drill, found, played)]
    if found.usd_s > usd_s_allowed:
        text = f"{fixed(found.usd_s, 0)} USD·s unhedged, {fixed(usd_s_allowed, 0)} allowed"
        exceeded.insert(0, Exceeded(CLASSES[drill.legging], text))
    halt = played.told.get("halt_code")
    return Result(
        drill.name,
        found.worst,
        found.usd_s,
        usd_s_allowed,
        CLASSES[drill.legging],
        cost,
        cost_allowed,
        ending_words(found, played),
        played.code,
        str(halt) if halt else None,
        tuple(exceeded),
        not found.left,
    )


def allowed_cost(drill: Drill, settings: Settings, rules: VenueRules) -> Quote:
    """The USD x18 that the configuration lets this drill cost, at worst prices."""
    worst = worst_case(msgspec.structs.replace(settings, cycles=drill.cycles), rules.terms())
    return Quote(worst.total + (worst.drift if drill.drifts else 0))


def ending_words(found: Unhedged, played: Played) -> str:
    """How it ended, in a few words; what is open comes first."""
    if found.left:
        return f"OPEN: {_open_words(found, played.rules)}"
    if played.killed:
        return "flat, closed by the guard"
    if played.code == HALTED:
        return f"flat, halted {played.told.get('halt_code') or ''}".strip()
    error = played.told.get("error") or {}
    return f"flat, refused {error.get('code') or ''}".strip() if played.code == REFUSED else "flat"


def _open_words(found: Unhedged, rules: VenueRules) -> str:
    names = {rules.eth.product_id: rules.eth.symbol, rules.sol.product_id: rules.sol.symbol}
    return ", ".join(
        f"{names.get(product_id, product_id)} {amount.text()}" for product_id, amount in found.left
    )


def _cost(settings: Settings, cost: Quote | None, most: Quote) -> list[Exceeded]:
    if cost is None:
        return [Exceeded("cost", "unknown: the venue did not say what the account is worth")]
    limits = settings.limits
    named = (
        ("max_slippage and flatten_steps", most),
        ("limits.max_daily_loss", limits.max_daily_loss),
        ("limits.max_drawdown", limits.max_drawdown),
    )
    return [
        Exceeded(name, f"it cost {usd(cost)} USD, {grouped(limit)} allowed")
        for name, limit in named
        if cost > limit
    ]


def _ending(drill: Drill, found: Unhedged, played: Played) -> list[Exceeded]:
    if drill.moment and not played.struck:
        return [Exceeded("drill", f"its moment ({drill.moment}) never came: the run ended before")]
    if drill.rests and not played.rested:
        return [Exceeded("drill", "nothing of the order that rested has traded")]
    if found.left:
        missing = ": guard.enabled = false, nobody closes for a run that is dead" if played.killed else ""
        return [Exceeded("ending", f"{_open_words(found, played.rules)} left open{missing}")]
    halt = str(played.told.get("halt_code"))
    if halt in LIMIT_HALTS:
        return [Exceeded(halt, "the run halted for it, flat")]
    if played.killed or played.code in {DONE, REFUSED, HALTED}:
        return []
    said = (
        "did not end in time and was killed"
        if played.code is None or played.code < 0
        else f"ended with exit code {played.code}"
    )
    return [Exceeded("ending", f"flat at the venue, but the run {said}")]
