"""Whether a target can be traded has one answer: doctor's, a run's and the documents' are the same at the
same prices.
"""

import re
from pathlib import Path

import msgspec
import pytest
import trio

from actors.sizing.sizer import ENTRY_PATIENCE_MS, Look, Memory, Sizer
from commands.access.prices import books_now
from commands.checks import venue
from commands.output.sentences import advice, skip_sentence
from messages.settings import Settings
from messages.sizing import SizingPlan, Skipped
from messages.units import ONE, Bps, Ms, Quote
from tests.actors.fakes import FREE, RULES, SETTINGS, START_MS, held, quote
from tests.live.test_doctor import asked, funded

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("direction", ["alternate", "long-eth", "long-sol"])
@pytest.mark.parametrize("unbalanced", ["skip", "accept 30 %", "raise 1.5x"])
@pytest.mark.parametrize(
    "target", ["40", "80", "90", "96.54", "97", "100", "110", "130", "139", "140", "300", "1000"]
)
async def test_doctor_says_what_the_first_cycle_of_a_run_would(
    target: str, unbalanced: str, direction: str, autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    changes = (
        f"target={target} USD",
        f"when_unbalanced={unbalanced}",
        f"direction={direction}",
        "max_deviation=3 %",
    )
    async with funded() as there, asked(there, *changes, logs=tmp_path) as known:
        finding, now_ms = await venue.minimum(known), known.clock.now_ms()
        books = await books_now(known.reads, known.rules, now_ms)
    settings = msgspec.structs.replace(known.settings, no_entry_utc=())
    look = Look(books, held(), FREE, now_ms)
    decision = Sizer(settings, known.rules).step(Memory(Ms(now_ms - ENTRY_PATIENCE_MS)), look)[1]
    assert isinstance(decision, SizingPlan | Skipped)
    assert (finding.state == "fail") == isinstance(decision, Skipped)
    if isinstance(decision, Skipped):
        assert decision.code == "UNBALANCED"
        assert f"{finding.found} {finding.cure}" == skip_sentence(settings, decision)


def test_a_run_advises_a_target_that_its_next_cycle_can_trade_too() -> None:
    """20 cents lie between the sides of SOL's book: 166.76 USD is met in one direction, 100 USD in the
    other, and both only from 185.60 USD on.
    """
    bids, asks = (quote(START_MS, eth_ask="2272.7", sol_bid=bid) for bid in ("222.34", "222.53"))
    books = msgspec.structs.replace(bids, sol=msgspec.structs.replace(bids.sol, asks=asks.sol.asks))
    sizer = Sizer(msgspec.structs.replace(SETTINGS, target=Quote(100 * ONE), max_spread=Bps.of(20)), RULES)
    alone = [sizer.attainable(books, [sign]).smallest for sign in (1, -1)]
    assert [each.target.text() for each in alone if each is not None] == ["166.76", "100"]
    decision = sizer.step(Memory(), Look(books, held(), FREE, Ms(START_MS)))[1]
    assert isinstance(decision, Skipped)
    assert decision.verdict is not None
    assert decision.verdict.smallest_target == Quote.of("185.6")
    assert [sizer.size(books, sign, Quote.of("185.6")).kind for sign in (1, -1)] == ["met", "met"]


def test_a_target_beyond_the_limits_of_the_configuration_is_not_advised() -> None:
    sizer = Sizer(msgspec.structs.replace(SETTINGS, target=Quote(90 * ONE)), RULES)
    verdict = sizer.attainable(quote(START_MS), [1]).verdict
    limits = msgspec.structs.replace(SETTINGS.limits, max_leg_notional=Quote(96 * ONE))
    assert advice(SETTINGS, verdict).startswith("Try --target '")
    tight = msgspec.structs.replace(SETTINGS, limits=limits)
    assert advice(tight, msgspec.structs.replace(verdict, kind="impossible")).startswith(
        "No such target is within limits.max_leg_notional = 96 USD"
    )


def test_a_target_that_the_documents_show_at_prices_is_met_at_these_prices() -> None:
    shown = re.compile(r"--market flat:([\d.]+)/([\d.]+) --target .(\d+) USD")
    found = [
        match
        for name in ("README.md", "docs/running.md")
        for match in shown.findall((ROOT / name).read_text(encoding="utf-8"))
    ]
    assert found
    for eth, sol, target in found:
        sizer = Sizer(msgspec.structs.replace(Settings(), target=Quote.of(target)), RULES)
        assert sizer.attainable(quote(START_MS, eth_ask=eth, sol_bid=sol), (1, -1)).met, (eth, sol, target)


def test_a_target_that_the_documents_show_without_prices_is_met_there_and_above_at_prices_far_apart() -> None:
    shown = re.compile(r"""(?:--target ['"]|target = ")(\d+) USD""")
    lines = [
        line
        for name in ("README.md", "docs/running.md")
        for line in (ROOT / name).read_text(encoding="utf-8").splitlines()
    ]
    found = [match for line in lines if "flat:" not in line for match in shown.findall(line)]
    assert found
    for target in found:
        sizer = Sizer(msgspec.structs.replace(Settings(), target=Quote.of(target)), RULES)
        for eth, sol in (("2756.9", "115.86"), ("4299.8", "203.02"), ("2700.3", "101.13")):
            answer = sizer.attainable(quote(START_MS, eth_ask=eth, sol_bid=sol), (1, -1))
            assert answer.always is not None
            assert answer.always.target == Quote.of(target), (target, eth, sol, answer.always)
