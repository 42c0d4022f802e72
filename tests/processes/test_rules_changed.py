"""The venue's rules change while a pair is held and nobody is at work: the next start, or the guard, closes
both legs or neither.

The engine itself goes by the new rules, not only its answers. Judged by its order log.
"""

import signal
import subprocess
import time

import httpx
import msgspec
import pytest

from messages.units import ONE
from tests.hostile.bed import Bed
from tests.hostile.judge import ETH, SOL, false_claims, uneven_s, unlawful
from tests.patience import slack
from tests.processes.waiting import LONG_S, pair_held, until
from venue.simulated.faults.incidents import FalseAnswer, Incident, Rules
from venue.simulated.faults.order_faults import Faults

pytestmark = pytest.mark.process
LASTS_MS = 3_600_000
SHORT = ("--set", "venue_patience=4 s")
WHOLE = ("flat",)
EITHER = ("flat", "hedged")
UNEVEN_USD = 5
"""A size step of ETH, and the imbalance of the entry."""
ALONE_S = 6.0
"""Between the legs of one exit there are an order's answer and a round or two; what nobody closes stands
for longer.
"""


def rules(product: str, **changes: object) -> Incident:
    return Rules(at_ms=0, for_ms=LASTS_MS, product=product, **changes)  # type: ignore[arg-type]


def unsaid(field: str) -> Incident:
    return FalseAnswer(at_ms=0, for_ms=LASTS_MS, request="all_products", of="ETH-PERP", field=field)


CASES: dict[str, tuple[Incident, tuple[str, ...]]] = {
    "SOL step 0.1 -> 1": (rules("SOL-PERP", step="1"), ("hedged",)),
    "ETH tick 0.1 -> 7.3": (rules("ETH-PERP", tick="7.3"), WHOLE),
    "SOL minimum 100 -> 2,000": (rules("SOL-PERP", min_size="2000", min_size_binds_takers=True), EITHER),
    "SOL isolated only": (rules("SOL-PERP", isolated_only=True), EITHER),
    "SOL delisted": (rules("SOL-PERP", listed=False), ("hedged",)),
    "no oracle price of ETH": (unsaid("oracle_price_x18"), WHOLE),
}
"""What changes, and how it may end: "hedged" with exit code 4, what stands named."""
BY_GUARD = ("SOL step 0.1 -> 1", "ETH tick 0.1 -> 7.3", "SOL delisted")


def stage(bed: Bed, *incidents: Incident) -> None:
    httpx.post(
        f"{bed.venue}/simulated/faults",
        content=msgspec.json.encode(Faults(incident=incidents)),
        trust_env=False,
    ).raise_for_status()


def holding(bed: Bed, *more: str) -> "subprocess.Popen[bytes]":
    """A run that holds its pair."""
    run = bed.started(*bed.run_words(LONG_S), *SHORT, *more, "--json")
    until(lambda: pair_held(bed))
    return run


def killed_run(run: "subprocess.Popen[bytes]") -> None:
    run.kill()
    run.wait()


def ending(bed: Bed) -> str:
    """`flat`, `hedged`, or the lone leg."""
    stands = bed.held()
    eth, sol = stands.get(ETH, 0), stands.get(SOL, 0)
    if eth * sol < 0 and abs(eth * 275_690 + sol * 11_586) < 100 * UNEVEN_USD * ONE:
        return "hedged"
    return f"{stands}" if stands else "flat"


@pytest.mark.parametrize("case", CASES)
def test_a_start_under_other_rules_closes_both_legs_or_keeps_both_and_says_so(bed: Bed, case: str) -> None:
    """K4: one leg was closed, or neither could ever be."""
    incident, may_end = CASES[case]
    killed_run(holding(bed, "--no-guard"))
    stage(bed, incident)
    again = bed.started(*bed.run_words(0.3), *SHORT, "--no-guard", "--json")
    until(lambda: again.poll() is not None or not bed.held(), 60)
    again.send_signal(signal.SIGTERM)  # one that is flat goes on, or waits for rules that are complete
    claim = bed.ended("run", again, 30 * slack())
    assert ending(bed) in may_end, claim.words
    assert claim.code in ({4} if ending(bed) == "hedged" else {0, 3, 143}), claim
    closed_in_the_end(bed)


@pytest.mark.parametrize("case", BY_GUARD)
def test_a_guard_that_closes_under_other_rules_closes_both_legs_or_keeps_both(bed: Bed, case: str) -> None:
    incident, may_end = CASES[case]
    run = holding(bed)
    stage(bed, incident)
    killed_run(run)
    until(lambda: not bed.guards() if may_end == WHOLE else "NOT FLAT" in bed.guard_words())
    assert ending(bed) in may_end, bed.guard_words()
    assert bool(bed.guards()) == (ending(bed) == "hedged")
    closed_in_the_end(bed)


def closed_in_the_end(bed: Bed) -> None:
    """`status` says how it is; what could not be closed is, under the old rules; no claim was false, and
    no leg without the other for long.
    """
    status = bed.asked("status")
    assert status.code == (4 if ending(bed) == "hedged" else 0), status
    stage(bed)
    if ending(bed) == "hedged":
        assert bed.asked("flatten", "--timeout", "20 s", within_s=60).code == 0
    assert [*false_claims(bed.claims, bed.log()), *unlawful(bed.log())] == []
    assert uneven_s(bed.log(), time.time_ns()) < ALONE_S * slack()
