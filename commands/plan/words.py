"""A plan for a person: a line for each thing that it says."""

from collections.abc import Iterator

from actors.risk.funding import funded_legs, pair_funding
from actors.sizing.attainability import Bound, RatioRoom
from commands.checks.volatility import RISK
from commands.output.funding_words import pair_words, rates_words
from commands.plan.basis import Basis
from commands.plan.cost import CycleCost
from commands.plan.planned import DirectionPlan, Planned
from commands.plan.sweep import Sweep
from messages.amounts import (
    bps,
    fixed,
    per_leg,
    percent,
    rate_bps,
    rate_percent,
    round_usd,
    short_percent,
    size,
    usd,
    usd_up,
)
from messages.market import LegQuote
from messages.settings import Settings
from messages.sizing import LegOrder
from messages.units import DOLLAR_NEUTRAL, ONE, Bps, Quote, Rate, notional

NAMES = {"long-eth": "long ETH, short SOL", "long-sol": "short ETH, long SOL"}
COLUMN = 13
"""Where the text of a line begins, and goes on when it is broken."""
FAR = Rate(ONE)
"""A move from which on its figure says nothing: no price falls by more than all of it."""


def lines(plan: Planned, basis: Basis, sweep: Sweep | None) -> list[str]:
    """The answer, each direction, the bounds, what was assumed, and the sweep."""
    quote, rules, bounds = basis.quote, basis.rules, plan.bounds
    told = [
        ("prices", f"{_book('ETH', quote.eth)}, {_book('SOL', quote.sol)} ({basis.source})"),
        ("answer", answer(plan)),
        *_hedge(plan.settings, basis),
    ]
    for each in plan.directions:
        told += [("", ""), *_direction(each, plan.settings, basis)]
    fees = [
        f"{product.symbol} {rate_bps(product.taker_fee)} bps"
        for product in (rules.eth, rules.sol)
        if product.taker_fee is not None
    ]
    told += [
        ("", ""),
        ("smallest", _bound(bounds.smallest) if bounds.smallest else "no target is known to be met here"),
        ("always", f"every target from {_bound(bounds.always)}" if bounds.always else "not known"),
        ("taker fees", f"{', '.join(fees)} ({basis.fees})"),
    ]
    if quote.eth.funding or quote.sol.funding:
        known = pair_funding(*funded_legs(quote, 0, 0), quote.at_ms)
        told.append(("funding", f"{rates_words(known)}; above 0 longs pay, a 24th at every full hour"))
    told += [("assumed", each) for each in basis.assumed]
    return [
        f"PLAN for {per_leg(plan.settings.target, plan.settings.hedge_ratio)}",
        *(f" {label:<{COLUMN - 1}}{text}".rstrip() for label, text in told),
        *(_table(sweep, plan.settings) if sweep else []),
    ]


def _hedge(settings: Settings, basis: Basis) -> Iterator[tuple[str, str]]:
    """What hedges what, and what holding such a pair costs in risk; nothing without a ratio of one's own and
    without an exchange that was asked.
    """
    ratio = settings.hedge_ratio
    if ratio != DOLLAR_NEUTRAL:
        share = ratio.text()
        yield "hedge ratio", f"{share} USD of SOL hedge 1 USD of ETH; imbalances are of ETH and SOL / {share}"
    if basis.volatility or ratio != DOLLAR_NEUTRAL:
        yield "risk", basis.volatility or f"{RISK}, with a hedge ratio of 1"


def answer(plan: Planned) -> str:
    """Would a run enter now? If not, why, and what to type instead."""
    denial, settings = plan.denial, plan.settings
    if denial is not None:
        return f"no, {denial.code}: {denial.detail} {plan.cure}".rstrip()
    where = "in both directions" if len(plan.directions) > 1 else NAMES[plan.directions[0].direction]
    worst = percent(max(each.verdict.imbalance for each in plan.directions))
    found = f"a run would enter now, {where}, at most {worst} apart"
    lets = {each.allowed_by for each in plan.directions} - {""}
    promise = short_percent(settings.max_imbalance)
    if "accept" in lets:
        return f"yes, because when_unbalanced accepts it: {found}, promise {promise}"
    because = ", because when_unbalanced raises the target" if lets else ""
    thin = any(each.verdict.thin for each in plan.directions)
    goal = f", planned above the goal of {short_percent(plan.goal)}" if thin else ""
    return f"yes{because}: {found}, promise {promise}{goal}"


def _book(coin: str, leg: LegQuote) -> str:
    return f"{coin} {leg.bids[0].price.text()} / {leg.asks[0].price.text()}"


def _bound(bound: Bound) -> str:
    """A target, and why a cent less is not met."""
    target = f"{round_usd(bound.target)} USD"
    return f"{target}; a cent less: {bound.reason.rstrip('.')}" if bound.reason else target


def _direction(each: DirectionPlan, settings: Settings, basis: Basis) -> Iterator[tuple[str, str]]:
    name = NAMES[each.direction]
    if each.plan is None:
        yield "pair", f"{name}: no quantities"
        return
    yield "pair", name
    for coin, order in (("ETH", each.plan.eth), ("SOL", each.plan.sol)):
        yield coin, _order(order)
    yield "imbalance", _kept(each, settings)
    if each.cost is None:
        yield "cost", "unknown: the visible book is too thin to enter and exit"
    else:
        yield from _cost(each.cost, settings)
    yield "funding", _funding(each)
    if each.margin is not None:
        has = basis.held.initial_health
        there = "the account's is not known" if has is None else f"{usd(has)} there"
        yield "margin", f"{usd_up(each.margin)} USDT0 needed, {there}"
    far = "distance not known without the account's margin"
    if each.liquidation is not None:
        move = "more than 100.00" if each.liquidation > FAR else rate_percent(each.liquidation)
        far = f"after a move of {move} % of one leg against it"
    yield "liquidation", f"{far}, least allowed {rate_percent(settings.limits.min_liquidation_move)} %"


def _funding(each: DirectionPlan) -> str:
    """What the pair receives at a funding time, and why a run takes this side first."""
    told = "unknown: nobody has said both rates" if each.per_hour is None else pair_words(each.per_hour)
    return f"{told}; {each.side.rule}: {each.side.detail}" if each.side.rule else told


def _order(order: LegOrder) -> str:
    what = "buy" if order.amount > 0 else "sell"
    worth = usd(notional(order.vwap, order.amount))
    return f"{what} {size(order.amount)} at {fixed(order.vwap, 4)} = {worth} USD, limit {order.limit.text()}"


def _kept(each: DirectionPlan, settings: Settings) -> str:
    planned, room = f"planned {percent(each.verdict.imbalance)}", each.room
    promise = short_percent(settings.max_imbalance)
    if room is None:
        return planned
    if each.verdict.imbalance > settings.max_imbalance:
        return f"{planned}, outside of {promise} unless ETH moves {_entering(room)} against SOL"
    up = "any rise" if room.up is None else f"+{_down_to(room.up)}"
    return f"{planned}, within {promise} while ETH moves from -{_down_to(room.down)} to {up} bps against SOL"


def _entering(room: RatioRoom) -> str:
    """By how much the ratio must move until the promise holds: to the end of its room that it is beyond."""
    if room.up is not None and room.up < 0:
        return f"by {_down_to(room.up)} bps or more"
    return f"by +{fixed(Bps(-room.down), 2, up=True)} bps or more"


def _down_to(room: Bps) -> str:
    """Two decimals, rounded down: no move looks allowed that is not."""
    return fixed(Bps(room // (ONE // 100) * (ONE // 100)), 2)


def _cost(cost: CycleCost, settings: Settings) -> Iterator[tuple[str, str]]:
    cycles = settings.cycles
    all_of_them = f", {cycles} cycles {usd(Quote(cost.total * cycles))} USD" if cycles and cycles > 1 else ""
    yield "cost", f"{usd(cost.total)} USD a cycle{all_of_them}"
    for name, part in (("fees", cost.fees), ("spread", cost.spread), ("slippage", cost.slippage)):
        yield "", f"{name} {usd(part)} USD = {bps(cost.bps(part))}"
    per_million = fixed(Quote(cost.total * 10**6 * ONE // cost.traded), 0)
    share = f"{bps(cost.bps(cost.total))} of the {usd(cost.traded)} USD that its four orders trade"
    yield "", f"{share}, {per_million} USD per 1M"


def _table(sweep: Sweep, settings: Settings) -> Iterator[str]:
    eth, sol = (" to ".join(price.text() for price in each) for each in (sweep.eth, sweep.sol))
    yield ""
    yield f"SWEEP over {sweep.pairs} pairs of prices: mid of ETH {eth}, of SOL {sol}"
    yield f" {'USD per leg':>12}  {'met at':>7}  {'median':>9}  {'worst':>9}  {'no pair':>7}"
    for row in sweep.rows:
        met = f"{fixed(Bps(row.met * 100 * ONE // sweep.pairs), 1)} %"
        apart = ["-" if each is None else percent(each) for each in (row.median, row.worst)]
        none = f"{fixed(Bps(row.unsized * 100 * ONE // sweep.pairs), 1)} %"
        mark = " <" if row.target == settings.target else ""
        yield f" {round_usd(row.target):>12}  {met:>7}  {apart[0]:>9}  {apart[1]:>9}  {none:>7}{mark}"
    least = f"from {round_usd(sweep.always)} USD on" if sweep.always else "by no target of the table"
    yield f" met at all of these prices {least}"
