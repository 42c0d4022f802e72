"""The drills, as data: what goes wrong, when, and which of the three legging classes it may use up.

Written for a pair that is long ETH and short SOL, as the first cycle is unless the configuration says
otherwise; `faults_for` turns it round.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec

from commands.run.crashes import CYCLES as CRASHED_CYCLES
from messages.settings import Settings
from messages.sizing import REST_MAX_MS
from messages.units import ONE, Ms, Quote
from venue.simulated.engine.rules import ETH_PERP, SOL_PERP, Product
from venue.simulated.faults import incidents as of
from venue.simulated.faults.order_faults import (
    NO_FAULTS,
    Cut,
    DisturbEvent,
    Faults,
    Late,
    LoseAck,
    Refuse,
    Thin,
)

ETH, SOL = ETH_PERP.symbol, SOL_PERP.symbol
FLAT = "flat:2756.9/115.86"
"""A market at which 100 USD and 1,000 USD per leg can both be balanced, and every cost can be worked out
on paper.
"""
ALWAYS = 600_000
"""Milliseconds: longer than any drill."""

Legging = Literal["known", "unknown", "quote", "dead_man", "left"]
"""`left`: a run that is killed while an order rests, without a guard; the next start closes what it left."""


class Drill(msgspec.Struct, frozen=True, kw_only=True):
    """One disaster: what is staged at the venue, when, and what exposure it may cause."""

    name: str
    text: str
    """What goes wrong, in a sentence's words."""
    legging: Legging = "known"
    """The class that an exposure may use up."""
    faults: Faults = NO_FAULTS
    """Staged from the venue's start; they count orders."""
    moment: Literal["", "resting", "one leg", "held"] = ""
    """When what follows happens: an order rests; one leg has traded and the other has not; both are held."""
    then: Faults = NO_FAULTS
    """Staged at that moment, counted and timed from there."""
    kill: bool = False
    """The run is killed (SIGKILL) at that moment, and nobody starts it again."""
    again: bool = False
    """Without a guard: somebody starts it again once what is staged for that moment has happened."""
    rests: bool = False
    """Pairs are entered by an order that rests, as the configuration has it, or else by `maker-taker`. In
    every other drill both legs take.
    """
    crashes: bool = False
    """`run --faults crashes`."""
    margin_call: bool = False
    """The account has only just the margin for this pair, and at that moment the oracle price of the short
    leg takes it away.
    """
    drifts: bool = False
    """The pair itself loses: what it may drift apart counts as allowed."""
    market: str = FLAT
    cycles: int = 1
    hold_ms: int = 1_000


DRILLS = (
    Drill(
        name="one-leg-reject",
        text="one leg is rejected, the other fills; first SOL, then ETH",
        faults=Faults(refuse=(Refuse(product=SOL, nth=1, code=2031), Refuse(product=ETH, nth=2, code=2031))),
        cycles=2,
    ),
    Drill(
        name="one-leg-partial",
        text="on exit, the SOL book has only three lots",
        faults=Faults(thin=(Thin(product=SOL, nth=2, increasing=False, lots=3),)),
    ),
    Drill(
        name="ack-lost",
        text="SOL fills and the answer is lost; then ETH's order is lost in transit",
        legging="unknown",
        faults=Faults(lose_ack=(LoseAck(product=SOL, nth=1),), cut=(Cut(product=ETH, nth=2, when="before"),)),
        cycles=2,
    ),
    Drill(
        name="venue-down",
        text="ETH has filled, SOL's order is lost, and the venue is unreachable for 1.5 s",
        legging="unknown",
        faults=Faults(cut=(Cut(product=SOL, nth=1, when="before"),)),
        moment="one leg",
        then=Faults(incident=(of.Down(at_ms=0, for_ms=1_500),)),
    ),
    Drill(
        name="feed-frozen",
        text="both books move but no update is sent for 3 s, during an exit and the next entry",
        moment="held",
        then=Faults(
            incident=(
                of.Freeze(at_ms=0, for_ms=3_000, product=ETH),
                of.Freeze(at_ms=0, for_ms=3_000, product=SOL),
            )
        ),
        market="synthetic",
        cycles=2,
        hold_ms=500,
    ),
    Drill(
        name="flash-crash",
        text="while the pair is held ETH falls by 8 % and SOL by 6 % at once",
        moment="held",
        then=Faults(
            incident=(
                of.PriceShift(at_ms=0, for_ms=ALWAYS, product=ETH, by_bps=-800),
                of.PriceShift(at_ms=0, for_ms=ALWAYS, product=SOL, by_bps=-600),
            )
        ),
        drifts=True,
    ),
    Drill(
        name="margin-call",
        text="the short leg's oracle price rises until the account has less than initial margin",
        moment="held",
        margin_call=True,
        hold_ms=12_000,
    ),
    Drill(
        name="actor-crash",
        text="every actor that trades crashes once, at the worst moment",
        legging="unknown",
        crashes=True,
        cycles=CRASHED_CYCLES,
        hold_ms=500,
    ),
    Drill(
        name="process-kill",
        text="ETH has filled, SOL has not and is rejected later; the run is killed and not restarted",
        legging="dead_man",
        faults=Faults(
            late=(Late(product=SOL, nth=1, delay_ms=4_000),), refuse=(Refuse(product=SOL, nth=1, code=2031),)
        ),
        moment="one leg",
        kill=True,
    ),
    Drill(
        name="rate-limited",
        text="every request is rate-limited for 3 s when the exit is due",
        moment="held",
        then=Faults(incident=(of.GatewayMode(at_ms=0, for_ms=3_000, answer="rate_limited"),)),
        hold_ms=500,
    ),
    Drill(
        name="clock-skew",
        text="the venue's clock jumps 3 s ahead when the exit is due, and stays there",
        moment="held",
        then=Faults(incident=(of.ClockSkew(at_ms=0, for_ms=ALWAYS, skew_ms=3_000),)),
        hold_ms=500,
    ),
    Drill(
        name="liquidation",
        text="the venue liquidates the short leg while the pair is held",
        moment="held",
        then=Faults(incident=(of.LiquidateNow(at_ms=0, product=SOL),)),
        hold_ms=5_000,
    ),
    Drill(
        name="quote-filled-in-pieces",
        text="the order that rests is filled in six pieces within 1.5 s",
        legging="quote",
        moment="resting",
        then=Faults(
            incident=tuple(
                of.TradeThrough(at_ms=at_ms, product=ETH, percent=percent)
                for at_ms, percent in ((0, 7), (5, 30), (40, 1), (300, 20), (305, 12), (1_500, 100))
            )
        ),
        rests=True,
    ),
    Drill(
        name="cancel-lost-the-race",
        text="the order that rests trades unheard as SOL runs away, and its cancellation finds nothing",
        legging="quote",
        moment="resting",
        then=Faults(
            incident=(
                of.TradeThrough(at_ms=0, product=ETH, percent=100),
                of.PriceShift(at_ms=1, for_ms=ALWAYS, product=SOL, by_bps=-20),
            ),
            event=tuple(
                DisturbEvent(nth=1, how="delay", stream=stream, delay_ms=1_500)
                for stream in ("fill", "order_update", "position_change")
            ),
        ),
        rests=True,
    ),
    Drill(
        name="hedge-refused",
        text="the order that rests is filled at once, and its first two hedges are refused",
        legging="quote",
        moment="resting",
        then=Faults(
            refuse=(Refuse(product=SOL, nth=1, code=2056), Refuse(product=SOL, nth=2, code=2006)),
            incident=(of.TradeThrough(at_ms=0, product=ETH, percent=100),),
        ),
        rests=True,
    ),
    Drill(
        name="hedge-in-doubt-while-the-quote-fills",
        text="of the order that rests more and more trades while nobody knows what became of its first hedge",
        legging="quote",
        moment="resting",
        then=Faults(
            lose_ack=(LoseAck(product=SOL, nth=1),),
            incident=tuple(
                of.TradeThrough(at_ms=at_ms, product=ETH, percent=percent)
                for at_ms, percent in ((0, 40), (100, 20), (230, 10), (500, 100))
            ),
            event=tuple(
                DisturbEvent(nth=1, how="drop", stream=stream, product=SOL)
                for stream in ("fill", "order_update")
            ),
        ),
        rests=True,
    ),
    Drill(
        name="feed-frozen-while-quoting",
        text="no update of either book is sent for 3 s, and half of the order that rests trades meanwhile",
        legging="quote",
        moment="resting",
        then=Faults(
            incident=(
                of.Freeze(at_ms=0, for_ms=3_000, product=ETH),
                of.Freeze(at_ms=0, for_ms=3_000, product=SOL),
                of.TradeThrough(at_ms=20, product=ETH, percent=50),
            )
        ),
        market="synthetic",
        rests=True,
    ),
    Drill(
        name="killed-while-quoting",
        text="the run is killed while its order rests, which is filled by half after that; its guard closes",
        legging="dead_man",
        moment="resting",
        then=Faults(incident=(of.TradeThrough(at_ms=300, product=ETH, percent=50),)),
        kill=True,
        rests=True,
    ),
    Drill(
        name="killed-while-quoting-unguarded",
        text="the same without a guard; the run is started again 2 s later",
        legging="left",
        moment="resting",
        then=Faults(incident=(of.TradeThrough(at_ms=300, product=ETH, percent=50),)),
        kill=True,
        again=True,
        rests=True,
    ),
)
NAMES = tuple(drill.name for drill in DRILLS)
BY_NAME: Mapping[str, Drill] = {drill.name: drill for drill in DRILLS}


class DrillSetup(msgspec.Struct, frozen=True):
    """What a drill comes to for one configuration. `funds` None: what the practice account has anyway."""

    first: Faults
    then: Faults
    funds: Quote | None = None


def staging_for(drill: Drill, settings: Settings) -> DrillSetup:
    """The drill for this configuration's direction and margin."""
    first, then, funds = drill.faults, drill.then, None
    if drill.margin_call:
        funds, jump_bps = margin_call(settings, ETH_PERP, SOL_PERP)
        then = Faults(incident=(of.Oracle(at_ms=0, for_ms=ALWAYS, product=SOL, by_bps=jump_bps),))
    if drill.rests:
        execution, long_eth = settings.execution, settings.direction != "long-sol"
        if execution.leg == "sol":
            first, then = mirrored(first), mirrored(then)
        if long_eth != (execution.leg == "eth"):  # the order that rests sells
            then = upside_down(then)
    elif settings.direction == "long-sol":
        first, then = mirrored(first), mirrored(then)
    return DrillSetup(first, then, funds)


def mirrored(faults: Faults) -> Faults:
    """The same for ETH as for SOL, and the other way round."""
    other = {ETH: SOL, SOL: ETH}

    def turned(fault: msgspec.Struct) -> msgspec.Struct:
        product = getattr(fault, "product", "")
        return msgspec.structs.replace(fault, product=other[product]) if product else fault

    changed = {
        name: tuple(turned(each) for each in value)
        for name in faults.__struct_fields__
        if isinstance(value := getattr(faults, name), tuple)
    }
    return msgspec.structs.replace(faults, **changed)


def upside_down(faults: Faults) -> Faults:
    """The same with prices that rise where they fell."""
    turned = tuple(
        msgspec.structs.replace(each, by_bps=-each.by_bps) if isinstance(each, of.PriceShift) else each
        for each in faults.incident
    )
    return msgspec.structs.replace(faults, incident=turned)


HEADROOM_PERCENT = 1
"""Of a leg, above the least that an entry asks for: limits, fees and lots are never exact."""


def margin_call(settings: Settings, long: Product, short: Product) -> tuple[Quote, int]:
    """Funds with which a pair of `target` may just be entered, and by how many bps the short leg's oracle
    price must then rise.

    The least an entry asks for: margin for both legs with four fees and `margin_buffer` (MARGIN), and
    `min_liquidation_move` of one leg until the maintenance health is used up (LIQUIDATION_NEAR). The rise
    lies half-way between where initial and where maintenance health end: the account may not open anything
    more and is not liquidated yet. With a long leg of 1, a short one of r (`hedge_ratio`: it is SOL), and
    weights w away from 1:

        funds - r rise - w_long - r (1 + rise) w_short = 0
    """
    limits, ratio = settings.limits, int(settings.hedge_ratio)
    initial = [int(ONE - long.long_weight_initial), int(short.short_weight_initial - ONE) * ratio // ONE]
    maintenance = [
        int(ONE - long.long_weight_maintenance),
        int(short.short_weight_maintenance - ONE) * ratio // ONE,
    ]
    fees = 2 * int(long.taker_fee + short.taker_fee * ratio // ONE)
    buffered = (sum(initial) + fees) * (ONE + limits.margin_buffer) // ONE
    slope = max(ONE, ratio) + max(maintenance)
    distant = sum(maintenance) + fees + limits.min_liquidation_move * slope // ONE
    share = max(buffered, distant) + HEADROOM_PERCENT * ONE // 100
    rises = [
        (share - fees - sum(weights)) * 10_000 // (ratio + weights[1]) for weights in (initial, maintenance)
    ]
    return Quote(settings.target * share // ONE), int(sum(rises) // 2)


def class_ms(drill: Drill, settings: Settings) -> Ms:
    """For how long a whole leg may be unhedged in this drill (interface: three classes)."""
    if drill.legging == "dead_man":
        return Ms(settings.guard.dead_man + CLOSES_MS)
    if drill.legging == "left":
        return Ms(settings.recv_time + REST_MAX_MS + CLOSES_MS)
    if drill.legging == "quote":
        return settings.legging_quote
    return settings.legging_unknown if drill.legging == "unknown" else settings.legging_known


CLOSES_MS = 3_000
"""How long a guard may take to close, once it knows that the run is dead."""
AGAIN_MS = 2_000
"""After a kill, the run is started again so much later."""
