"""The whole plan against brute force: quantities, verdicts and both bounds, in both directions at once."""

import random
from fractions import Fraction

import msgspec
import pytest

from actors.sizing.lattice import REACH
from commands.plan.basis import Basis, of_prices
from commands.plan.planned import DirectionPlan, planned
from commands.plan.sweep import swept
from messages.settings import Settings
from messages.units import ONE, Bps, Price, Quote, Rate
from tests.actors.sizing.test_attainability import CENT, common, is_served, meets, two_way
from tests.actors.sizing.test_lattice import EIGHT_TENTHS, SEED, Case, best_of_all, cent, gap

FOUNDING = of_prices(Price.of("2756.9"), Price.of("115.86"), None)


def repeat(name: str) -> None:
    print(f"EVENKEEL_SEED={SEED} pytest -m '' tests/commands/plan/test_planned.py -k {name}")  # noqa: T201 - captured, shown with a failure


def books_of(long: Case, short: Case) -> Basis:
    """Long ETH takes its asks and SOL's bids, short ETH the other two sides. Prices are whole USD."""
    rules, quote = FOUNDING.rules, FOUNDING.quote
    eth, sol = (
        msgspec.structs.replace(
            product, price_tick=Price(ONE), size_step=leg.side().step, min_notional=leg.side().min_notional
        )
        for product, leg in ((rules.eth, long.eth), (rules.sol, long.sol))
    )
    return msgspec.structs.replace(
        FOUNDING,
        rules=msgspec.structs.replace(rules, eth=eth, sol=sol),
        quote=msgspec.structs.replace(
            quote,
            eth=msgspec.structs.replace(quote.eth, asks=long.eth.side().levels, bids=short.eth.side().levels),
            sol=msgspec.structs.replace(quote.sol, bids=long.sol.side().levels, asks=short.sol.side().levels),
        ),
    )


def settings_of(case: Case) -> Settings:
    return Settings(
        target=Quote(int(case.target * ONE)),
        max_imbalance=Bps(int(case.promise * 10_000 * ONE)),
        planning_margin=Bps(int(case.margin * 10_000 * ONE)),
        max_deviation=Bps(int(case.deviation * 10_000 * ONE)),
        hedge_ratio=Rate(int(case.ratio * ONE)),
    )


def is_the_best(found: DirectionPlan, case: Case, sign: int) -> str:
    """The kind of its verdict, after its quantities were compared with those of brute force."""
    kind, thin, m, n = best_of_all(case)
    assert (found.verdict.kind, found.verdict.thin) == (kind, thin), case
    assert (found.plan is None) == (kind == "impossible"), case
    if found.plan is not None:
        amounts = (sign * m * case.eth.lot * ONE, -sign * n * case.sol.lot * ONE)
        assert (found.plan.eth.amount, found.plan.sol.amount) == amounts, case
        e, s = case.eth.costs()[m - 1], case.sol.costs()[n - 1]
        apart = gap(e, s / case.ratio) * 10_000
        # the plan's VWAPs are rounded to 18 decimals, and its imbalance is made of them
        assert abs(Fraction(found.plan.planned_imbalance, ONE) - apart) < Fraction(1, 10**9), case
    assert (found.denial is None) or kind == "met" or found.denial.code in {"UNBALANCED", "TARGET_TOO_SMALL"}
    return kind


def equals_brute_force(count: int, salt: int, ratio: Fraction = Fraction(1)) -> set[str]:
    random_, kinds, bounded = random.Random(SEED + salt), [], 0
    for _ in range(count):
        long, short = (case._replace(ratio=ratio) for case in two_way(random_))
        short = short._replace(
            eth=short.eth._replace(minimum=long.eth.minimum, lot=long.eth.lot),
            sol=short.sol._replace(minimum=long.sol.minimum, lot=long.sol.lot),
        )
        plan = planned(settings_of(long), books_of(long, short))
        for found, case, sign in zip(plan.directions, (long, short), (1, -1), strict=True):
            kinds.append(is_the_best(found, case, sign))
        # bounds are looked for as far up as 100 times what could be sent
        reach = max(long.target, Fraction(long.eth.minimum), long.sol.minimum / ratio)
        cases = [case._replace(target=reach) for case in (long, short)]
        smallest, always = common(cases, CENT)
        bounds, served = plan.bounds, [is_served(case) for case in cases]
        assert (bounds.smallest and Fraction(bounds.smallest.target, ONE)) == smallest, cases
        assert (bounds.always and Fraction(bounds.always.target, ONE)) == always, cases
        if smallest is not None and smallest > CENT:
            bounded += 1
            assert meets(smallest, served), cases
            # the next target below it that could begin to be met: the nearest end of a span, or a cent less
            ends = {cent(low) for spans in served for low, _ in spans if CENT <= cent(low) < smallest}
            for below in {smallest - CENT, *ends}:
                assert not meets(below, served), (below, cases)
    assert bounded > count // (4 if ratio == 1 else 8)
    return {kind for kind in kinds if kinds.count(kind) > count // 50}


def test_a_plan_equals_brute_force() -> None:
    repeat("a_plan_equals_brute_force")
    assert equals_brute_force(150, 1) == {"met", "best_effort", "impossible"}


def test_a_plan_at_a_hedge_ratio_equals_brute_force() -> None:
    repeat("plan_at_a_hedge_ratio")
    assert equals_brute_force(80, 3, EIGHT_TENTHS) == {"met", "best_effort", "impossible"}


def test_a_sweep_counts_by_the_hedge_ratio() -> None:
    """With 0.2 a target of 1,000 USD has 200 USD of SOL, whose lots are coarse: it is met at fewer prices."""
    equal, fifth = (
        swept(Settings(hedge_ratio=Rate.of(ratio)), FOUNDING, Bps.of(1000)) for ratio in ("1", "0.2")
    )
    met = [next(row.met for row in table.rows if row.target == Quote.of(1000)) for table in (equal, fifth)]
    assert equal.pairs == fifth.pairs == 441
    assert met[0] > met[1]


@pytest.mark.long
def test_a_plan_equals_brute_force_on_10_000_cases() -> None:
    repeat("10_000_cases")
    assert equals_brute_force(10_000, 2) == {"met", "best_effort", "impossible"}


def test_the_reach_of_the_bounds_is_the_lattices() -> None:
    """A target under the minimum still learns of targets above it; nothing is looked at further up."""
    plan = planned(Settings(target=Quote.of(1)), FOUNDING)
    assert plan.bounds.always is not None
    assert Quote.of(96) < plan.bounds.always.target <= REACH * Quote.of(100)
