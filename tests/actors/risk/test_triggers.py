"""`enter_when`: what is waited for before anything is entered, without a skip."""

import msgspec
import pytest

from actors.risk.entry_wait import EntryWait
from actors.risk.triggers import EntryMoment, funding_denial, hours_denial, spread_denial
from actors.sizing.sizer import ENTRY_PATIENCE_MS, Look, Memory, Sizer
from commands.config.windows_text import DailyWindows
from messages.lifecycle import Denial, Waiting
from messages.market import FundingRate, PairQuote
from messages.settings import EnterWhen, Settings
from messages.sizing import SizingPlan, Skipped
from messages.units import ONE, Bps, Ms, Quote, Rate
from tests.actors.fakes import FREE, RULES, START_MS, held, quote

DAY_MS = 86_400_000
SPREAD = Bps.of("0.8635")
"""Of SOL, one tick of 0.01 USD; ETH's is 0.3627 bps."""


def waits_for(**triggers: object) -> Settings:
    return Settings(target=Quote(1000 * ONE), enter_when=EnterWhen(**triggers))  # type: ignore[arg-type]


def at(clock: str, written: object) -> Denial | None:
    hour, minute = (int(part) for part in clock.split(":"))
    now_ms = 20_000 * DAY_MS + (hour * 60 + minute) * 60_000
    return hours_denial(EntryMoment(waits_for(hours_utc=DailyWindows.read(written)), quote(now_ms), now_ms))


@pytest.mark.parametrize(
    ("clock", "written", "until"),
    [
        ("08:00", "8-16", None),
        ("15:59", "8-16", None),
        ("16:00", "8-16", "08:00"),
        ("07:59", "8-16", "08:00"),
        ("23:30", "22-4", None),
        ("03:59", "22-4", None),
        ("04:00", "22-4", "22:00"),
        ("12:00", ["08:00-09:00", "13:30-14:00"], "13:30"),
        ("14:00", ["08:00-09:00", "13:30-14:00"], "08:00"),
        ("00:00", [], None),
    ],
)
def test_hours_are_from_their_beginning_up_to_their_end(
    clock: str, written: object, until: str | None
) -> None:
    denial = at(clock, written)
    if until is None:
        assert denial is None
    else:
        assert denial is not None
        assert (denial.code, denial.brief) == ("ENTER_WHEN_HOURS", f"until {until} UTC")
        assert "enter_when.hours_utc" in denial.detail


def test_a_spread_at_its_limit_passes_and_a_hair_more_is_waited_for() -> None:
    assert spread_denial(EntryMoment(waits_for(), quote(), START_MS)) is None
    assert spread_denial(EntryMoment(waits_for(max_spread=SPREAD), quote(), START_MS)) is None
    denial = spread_denial(EntryMoment(waits_for(max_spread=Bps.of("0.5")), quote(), START_MS))
    detail = "the spread of SOL-PERP is 0.87 bps, limit 0.5 bps"
    assert denial == Denial("ENTER_WHEN_SPREAD", detail, "SOL 0.87 > 0.50 bps")
    both = spread_denial(EntryMoment(waits_for(max_spread=Bps.of("0.1")), quote(), START_MS))
    assert both is not None
    assert both.brief.startswith("ETH 0.37 > ")


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        (waits_for(max_spread=Bps.of("0.5")), "ENTER_WHEN_SPREAD"),
        (waits_for(hours_utc=DailyWindows.read("3-4")), "ENTER_WHEN_HOURS"),
    ],
)
def test_no_cycle_is_skipped_for_it_however_long_it_takes(settings: Settings, code: str) -> None:
    """A gate of the quote would have given the attempt up after 5 s."""
    sizer, memory = Sizer(settings, RULES), Memory()
    for after_ms in range(0, 10 * ENTRY_PATIENCE_MS, 500):
        now_ms = Ms(START_MS + after_ms)
        look = Look(quote(now_ms), held(), FREE, now_ms)
        memory, decision = sizer.step(memory, look)
        assert decision is None
        shown = sizer.waiting(memory, look)
        assert (shown.purpose, shown.code, shown.until_ms) == ("enter", code, 0)
    free = msgspec.structs.replace(sizer, settings=Settings(target=Quote(1000 * ONE)))
    assert isinstance(free.step(memory, look)[1], SizingPlan)


def test_the_patience_with_a_gate_begins_where_the_wait_ends() -> None:
    """The spread is too wide for the trigger, then for nothing but the book's age."""
    sizer, memory = Sizer(waits_for(max_spread=Bps.of("0.5")), RULES), Memory()
    narrow = {"sol": msgspec.structs.replace(quote().sol, asks=quote().sol.bids)}
    now_ms = Ms(START_MS + 20_000)
    memory, _ = sizer.step(memory, Look(quote(now_ms), held(), FREE, now_ms))
    for after_ms in (0, ENTRY_PATIENCE_MS - 1):
        seen = msgspec.structs.replace(quote(START_MS), **narrow)
        memory, decision = sizer.step(memory, Look(seen, held(), FREE, Ms(now_ms + after_ms)))
        assert not isinstance(decision, Skipped)


def test_hours_use_up_nothing_of_max_wait_and_a_spread_does() -> None:
    for code, over in (("ENTER_WHEN_HOURS", False), ("ENTER_WHEN_SPREAD", True)):
        wait = EntryWait(20)
        for turn in range(300):
            wait.look(turn / 10, held(), Waiting("enter", code, "why"), resting=False)
        assert wait.over is over


def rates(eth: str | None, sol: str | None, age_ms: int = 0) -> PairQuote:
    """A quote of now with these funding rates, per 24 hours; None: never said."""
    seen = quote()
    one, other = (
        msgspec.structs.replace(
            leg,
            funding=None
            if rate is None
            else FundingRate(leg.product_id, Rate.of(rate), Ms(START_MS - age_ms)),
        )
        for leg, rate in ((seen.eth, eth), (seen.sol, sol))
    )
    return msgspec.structs.replace(seen, eth=one, sol=other)


@pytest.mark.parametrize(
    ("eth", "sol", "sign", "brief"),
    [
        ("0.0002", "0.0005", 1, None),
        ("0.0002", "0.0004", 1, "long ETH 2.00 <= 2.00 bps/day"),
        ("0.0005", "0.0002", -1, None),
        ("0.0005", "0.0002", 1, "long ETH -3.00 <= 2.00 bps/day"),
        (None, "0.0005", 1, "unknown"),
        ("0.0002", None, 1, "unknown"),
    ],
)
def test_a_side_must_receive_more_than_the_limit_and_an_unknown_rate_is_waited_for(
    eth: str | None, sol: str | None, sign: int, brief: str | None
) -> None:
    settings = waits_for(funding_over=Bps(2 * ONE))
    denial = funding_denial(EntryMoment(settings, rates(eth, sol), START_MS, sign))
    assert (denial and (denial.code, denial.brief)) == (brief and ("ENTER_WHEN_FUNDING", brief))
    assert funding_denial(EntryMoment(waits_for(), rates(eth, sol), START_MS, sign)) is None


def test_an_old_rate_opens_nothing_and_a_hedge_ratio_counts_the_legs_as_large_as_they_are() -> None:
    settings = waits_for(funding_over=Bps(0))
    old = funding_denial(EntryMoment(settings, rates("0", "0.001", 3_600_001), START_MS, 1))
    assert old is not None
    assert old.detail == "ETH's funding rate is 60 min old"
    half = msgspec.structs.replace(settings, hedge_ratio=Rate.of("0.5"))
    assert funding_denial(EntryMoment(half, rates("0.0005", "0.001"), START_MS, 1)) is not None
    assert funding_denial(EntryMoment(settings, rates("0.0005", "0.001"), START_MS, 1)) is None


@pytest.mark.parametrize(
    ("direction", "enters"), [("long-eth", False), ("long-sol", True), ("funding", True)]
)
def test_the_side_that_is_judged_is_the_one_that_would_be_entered(direction: str, enters: bool) -> None:
    settings = msgspec.structs.replace(waits_for(funding_over=Bps(2 * ONE)), direction=direction)
    memory, decision = Sizer(settings, RULES).step(
        Memory(), Look(rates("0.0005", "0"), held(), FREE, Ms(START_MS))
    )
    if not enters:
        assert memory.denial is not None
        assert (decision, memory.denial.code, memory.waiting_since_ms) == (None, "ENTER_WHEN_FUNDING", 0)
        return
    assert isinstance(decision, SizingPlan)
    assert decision.eth.amount < 0
    assert (decision.eth_funding, decision.sol_funding) == (Rate.of("0.0005"), 0)
    assert decision.because == ("FUNDING_MORE" if direction == "funding" else "")
