"""What a configuration can lose at worst, as far as it can be computed before the first order.

    leg         = min(limits.max_leg_notional, target x when_unbalanced's raise x (1 + max_deviation)); of SOL
                hedge_ratio times the target
    cycle       = 2 legs in and out: taker fees + max_spread of both legs once + max_slippage of all four
                orders
    lost leg    = the larger leg x the last of flatten_steps: one leg is alone and is closed at the worst
                price that is allowed
    disaster    = the lost leg, or what the most expensive drill of this very configuration has cost,
                whichever is more (`drill --all`)
    worst case  = cycles x cycle + disaster; without an end, for each UTC day: limits.max_daily_loss + cycle +
                disaster

Not in it: how ETH moves against SOL while a pair is held (limits.max_marked_imbalance ends the pair, and says
at what drift), a price that falls through every one of flatten_steps, and a venue that does not answer.
"""

import msgspec

from commands.output.words import COMMAND, ConfigError, iso_micros
from commands.setup.drill_results import Maxima, maxima_of
from messages.amounts import fixed, grouped, usd_up
from messages.settings import Settings
from messages.sizing import REST_MAX_MS
from messages.units import ONE, Ms, Quote, legs_of
from venue.protocol import PairTerms

BASIS = 10_000 * ONE


class WorstCase(msgspec.Struct, frozen=True):
    """The parts of the worst case, USD x18; the module's docstring says how each is computed."""

    leg: Quote
    """The larger of both."""
    fees: Quote
    spread: Quote
    slippage: Quote
    cycles: int | None
    daily_loss: Quote
    lost_leg: Quote
    drift: Quote
    """What a pair may drift before max_marked_imbalance ends it: beside the sum, because it can as well be
    a gain.
    """
    drilled: Maxima | None = None
    """What was measured in drills of this configuration; None: it was not drilled, or too long ago."""

    @property
    def disaster(self) -> Quote:
        """The dearer of a lost leg and the worst drill."""
        return Quote(max(self.lost_leg, self.drilled.costliest.cost if self.drilled else 0))

    @property
    def cycle(self) -> Quote:
        """One cycle in which every order fills at its limit and every book is as wide as allowed."""
        return Quote(self.fees + self.spread + self.slippage)

    @property
    def total(self) -> Quote:
        """The sum; of a UTC day when there is no end."""
        traded = self.daily_loss + self.cycle if self.cycles is None else self.cycles * self.cycle
        return Quote(traded + self.disaster)

    def text(self) -> str:
        """The sum with its parts: the line that a person accepts."""
        beside = (
            f"not in it: ETH against SOL while a pair is held (ended at {usd_up(self.drift)}), a fall through"
            " every flatten step, a silent venue"
        )
        return f"{self._sum()} ({beside}); {self._source()}"

    def _source(self) -> str:
        """What the figure of the disaster rests on: the lost leg as computed, or the most expensive drill."""
        if self.drilled is None:
            return f"computed, not rehearsed: {COMMAND} drill --all measures it"
        costly, long = self.drilled.costliest, self.drilled.longest
        than = (
            "the worst drill counts"
            if costly.cost > self.lost_leg
            else "the computed lost leg counts, no drill was more expensive"
        )
        when = iso_micros(self.drilled.drilled_ms * 1_000_000)[:10]
        return (
            f"{than}: drilled {when}, at most {usd_up(costly.cost)} USD ({costly.name}) and"
            f" {fixed(long.usd_s, 0)} USD·s unhedged ({long.name})"
        )

    def _sum(self) -> str:
        cycle = (
            f"{usd_up(self.cycle)} USD a cycle (fees {usd_up(self.fees)} + spread {usd_up(self.spread)} +"
            f" slippage {usd_up(self.slippage)})"
        )
        which = "one lost leg" if self.disaster == self.lost_leg else "the worst drill"
        lost = f"{which} {usd_up(self.disaster)}"
        total, parts = usd_up(self.total), f"{cycle} + {lost}"
        if self.cycles is None:
            return f"worst case of a UTC day {total} USD = max_daily_loss {usd_up(self.daily_loss)} + {parts}"
        return f"worst case {total} USD = {self.cycles} x {parts}"


def stated(settings: Settings, rules: PairTerms, now_ms: Ms) -> WorstCase:
    """The worst case as it is printed: with what drills of this configuration have measured, if they have."""
    return worst_case(settings, rules, maxima_of(settings, now_ms))


def worst_case(settings: Settings, rules: PairTerms, drilled: Maxima | None = None) -> WorstCase:
    """The worst case of `settings` at the fees of `rules`."""
    raised = settings.target * max(ONE, settings.when_unbalanced.raise_by) // ONE
    largest = legs_of(raised * (BASIS + settings.max_deviation) // BASIS, settings.hedge_ratio)
    eth, sol = (min(settings.limits.max_leg_notional, each) for each in largest)
    leg, both = max(eth, sol), eth + sol
    return WorstCase(
        leg=leg,
        fees=Quote(2 * (eth * rules.eth.taker_fee + sol * rules.sol.taker_fee) // ONE),
        spread=Quote(both * settings.max_spread // BASIS),
        slippage=Quote(2 * both * settings.max_slippage // BASIS),
        cycles=settings.cycles,
        daily_loss=settings.limits.max_daily_loss,
        lost_leg=Quote(leg * settings.flatten_steps[-1] // BASIS),
        drift=Quote(leg * settings.limits.max_marked_imbalance // BASIS),
        drilled=drilled,
    )


def left_by_a_kill(settings: Settings, worst: WorstCase) -> str:
    """What a kill may leave where orders rest and no guard closes it: how much, and until when it may come to
    be; "" where no order rests.
    """
    if not settings.execution.rests:
        return ""
    trades_s = (settings.recv_time + REST_MAX_MS) / 1000
    return (
        f"orders rest: of a kill without a guard, one leg of at most {usd_up(worst.leg)} USD may be left"
        f" unhedged; it may trade for {trades_s:g} s after the kill, and the next start closes it"
    )


def must_be_accepted(worst: WorstCase, accepted: Quote | None) -> None:
    """Raises `ConfigError` unless somebody has explicitly accepted at least the worst case."""
    if accepted is not None and accepted >= worst.total:
        return
    said = (
        f"{grouped(accepted)} USD is less than the worst case"
        if accepted is not None
        else "the worst case has not been accepted"
    )
    cure = "--accept-loss takes what you accept to lose at worst, at least that amount in USD"
    raise ConfigError(
        "LOSS_NOT_ACCEPTED",
        "--accept-loss",
        f"--accept-loss: {said}: {worst.text()}",
        cure,
        "no order was sent",
    )
