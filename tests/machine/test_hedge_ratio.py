"""A pair at a hedge ratio of 0.8, over sockets and on virtual time: balanced to under 0.1 % of E - S / 0.8 by
the exchange's own log, whatever happens on the way; proven by its certificate; kept over a restart.
"""

import json
from collections import defaultdict
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import pytest
from trio.testing import MockClock

from commands.run.adopting import adopt
from commands.verify.certificates import alone
from commands.verify.findings import DoesNotHold
from commands.verify.verifying import verified
from messages.lifecycle import Adopted, Held
from messages.settings import Settings
from messages.sizing import Sealed
from messages.units import ONE, Ms, Quote, Rate
from tests.machine.bench import Bench, bench
from tests.machine.test_certificates import certificates
from tests.machine.test_escape_and_recovery import (
    FLAT,
    killed,
    messages_of,
    next_start,
    opened,
    remove_ledger,
)
from venue.simulated.faults.order_faults import Faults, LoseAck, Refuse

ETH, SOL, SHARE = 4, 8, Fraction(4, 5)
AT_0_8 = Settings(target=Quote(1000 * ONE), hedge_ratio=Rate.of("0.8"), cycles=3, hold=Ms(300), pause=Ms(100))
STAGED = {
    "nothing": Faults(),
    "SOL refused once": Faults(refuse=(Refuse(product="SOL-PERP", nth=1, code=2031),)),
    "ETH refused once": Faults(refuse=(Refuse(product="ETH-PERP", nth=1, code=2031),)),
    "an answer lost": Faults(lose_ack=(LoseAck(product="SOL-PERP", nth=1),)),
}


def pairs(ready: Bench) -> list[tuple[Fraction, Fraction]]:
    """USD paid for ETH and for SOL of every pair that stood, by the exchange's log and nothing of ours. A
    leg that was closed before the other came is no pair.
    """
    held: dict[int, Fraction] = defaultdict(Fraction)
    paid: dict[int, Fraction] = defaultdict(Fraction)
    found: list[tuple[Fraction, Fraction]] = []
    fills = [(fill, order) for order in ready.venue.exchange.order_log for fill in order.fills]
    for fill, order in sorted(fills, key=lambda each: (each[0].at_ns, each[0].submission_idx)):
        leaves = order.reduce_only and all(held.values()) and len(held) == 2
        if leaves and (not found or found[-1] != (paid[ETH], paid[SOL])):
            found.append((paid[ETH], paid[SOL]))
        if not order.reduce_only:
            paid[order.product_id] += Fraction(abs(fill.amount) * fill.price, ONE * ONE)
        held[order.product_id] += fill.amount
        if not any(held.values()):
            held.clear()
            paid.clear()
    return found


def apart(eth: Fraction, sol: Fraction) -> Fraction:
    return abs(eth - sol / SHARE) / max(eth, sol / SHARE)


def of_now(ready: Bench) -> Held:
    held = ready.machine.channels.held.value
    assert held is not None
    return held


@pytest.mark.parametrize("market", ["flat:2756.9/115.86", "synthetic"])
@pytest.mark.parametrize("staged", STAGED)
async def test_every_pair_is_balanced_to_under_a_tenth_of_a_percent_of_the_weighted_sum(
    autojump_clock: MockClock, tmp_path: Path, staged: str, market: str
) -> None:
    async with bench(tmp_path, AT_0_8, faults=STAGED[staged], market=market) as ready:
        ending = await ready.run(within_s=120)
        assert (ending.by, opened(ready)) == ("done", FLAT)
        stood = pairs(ready)
        assert len(stood) == 3
        for eth, sol in stood:
            assert apart(eth, sol) < Fraction(1, 1_000), (staged, eth, sol)
            assert Fraction(15, 100) < 1 - sol / eth < Fraction(25, 100)
        totals = of_now(ready).totals
        worst = max(Fraction(value, ONE) for value in totals.filled_imbalances)
        assert abs(worst - max(apart(*pair) for pair in stood) * 10_000) < Fraction(1, 10**12)
        sealed = [said.plan for said in ready.said if isinstance(said, Sealed)]
        assert {plan.hedge_ratio for plan in sealed} == {Rate.of("0.8")}


async def test_certificates_ledger_and_csv_files_hold_and_one_that_says_another_ratio_does_not(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with bench(tmp_path, AT_0_8, faults=STAGED["SOL refused once"]) as ready:
        await ready.run(within_s=120)
    found = verified(tmp_path)
    assert (found.cycles, found.certificates, found.unjudged) == (3, 3, 0)
    path, said = certificates(tmp_path)[-1]
    assert alone(path)[0] == said
    assert said["hedge_ratio"] == "0.8"
    assert Fraction(said["imbalance_bps"]["filled"]) < 10
    for change in (lambda text: text.replace('"hedge_ratio":"0.8"', '"hedge_ratio":"0.9"'), without_ratio):
        with pytest.raises(DoesNotHold):
            alone(resealed(path, tmp_path / "forged.json", change))


def without_ratio(text: str) -> str:
    return text.replace('"hedge_ratio":"0.8",', "", 1)


def resealed(path: Path, copy: Path, change: Callable[[str], str]) -> Path:
    """The certificate with a change, and a hash of its own that fits it."""
    from actors.ledger.certificates import text_hash

    content: dict[str, Any] = json.loads(change(path.read_text("utf-8")))
    del content["hash"]
    whole = msgspec.json.encode(content).decode()
    copy.write_text(f'{whole[:-1]},"hash":"{text_hash(whole)}"}}\n', encoding="utf-8")
    return copy


async def test_a_pair_that_is_adopted_after_a_crash_keeps_its_ratio_under_another_configuration(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """Marked by the new configuration's ratio of 1 it would be 20 % apart and leave at once."""
    settings = msgspec.structs.replace(AT_0_8, cycles=1, hold=Ms(60_000))
    async with bench(tmp_path, settings) as ready:
        await killed(ready)
        one = msgspec.structs.replace(settings, hedge_ratio=Rate(ONE), cycles=2)
        async with next_start(tmp_path, ready, one) as again:
            assert (await again.run(within_s=600)).by == "done"
            plans = [said.plan for said in again.said if isinstance(said, Sealed)]
    shown = [(plan.purpose, plan.because, plan.hedge_ratio) for plan in plans[:3]]
    assert shown == [
        ("exit", "HOLD", Rate.of("0.8")),
        ("enter", "", None),
        ("exit", "HOLD", None),
    ]
    assert verified(tmp_path).unjudged == 0


async def test_a_pair_that_a_person_adopts_has_the_ratio_of_the_run_that_adopts_it(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """Its own ledger is gone, and with it the plan that said so."""
    settings = msgspec.structs.replace(AT_0_8, cycles=1, hold=Ms(60_000))
    async with bench(tmp_path, settings) as ready:
        await killed(ready)
        remove_ledger(tmp_path)
        async with next_start(tmp_path, ready, settings) as again:
            await adopt(again.world)
            booked = [row for row in messages_of(again.world.ledger) if isinstance(row, Adopted)]
            assert [row.hedge_ratio for row in booked] == [Rate.of("0.8")]
            assert (await again.run(within_s=600)).by == "done"
            left = next(said.plan for said in again.said if isinstance(said, Sealed))
    assert (left.purpose, left.because, left.hedge_ratio) == ("exit", "HOLD", Rate.of("0.8"))
