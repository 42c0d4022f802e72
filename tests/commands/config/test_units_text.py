"""Quantities as people write them."""

import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commands.config.units_text import (
    BadText,
    Bytes,
    CostLadder,
    Cycles,
    Duration,
    DurationOrRange,
    Factor,
    Percent,
    Points,
    Share,
    Text,
    TickCount,
    Unbalanced,
    Usd,
    UsdOrNever,
    UsdOrRange,
    UtcTime,
    choice_of,
)
from commands.config.windows_text import DailyWindows, WeeklyWindows
from messages.ranges import MsRange, QuoteRange
from messages.settings import WhenUnbalanced
from messages.units import ONE, Bps, Ms, Quote, Rate, Ticks


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (Usd, "1000 USD", Quote(1000 * ONE)),
        (Usd, "1000USD", Quote(1000 * ONE)),
        (Usd, "1,234.5 USD", Quote.of("1234.5")),
        (Points, "2.5 bps", Bps.of("2.5")),
        (Points, "0.1 %", Bps.of(10)),
        (Percent, "0.1%", Bps.of(10)),
        (Percent, "20 %", Bps.of(2000)),
        (Duration, "2 s", Ms(2000)),
        (Duration, "0.5 s", Ms(500)),
        (Duration, "100 ms", Ms(100)),
        (Duration, "10 min", Ms(600_000)),
        (Duration, "24 h", Ms(86_400_000)),
        (Factor, "5x", Rate(5 * ONE)),
        (Factor, "1.2x", Rate.of("1.2")),
        (Share, "20 %", Rate.of("0.2")),
        (Bytes, "10 MB", 10_000_000),
        (Cycles, 5, 5),
        (Cycles, "5", 5),
        (Cycles, "forever", None),
        (Unbalanced, "skip", WhenUnbalanced()),
        (Unbalanced, "accept 0.5 %", WhenUnbalanced("accept", accept=Bps.of(50))),
        (Unbalanced, "raise 1.2x", WhenUnbalanced("raise", raise_by=Rate.of("1.2"))),
        (CostLadder, ["10 bps", "0.5 %"], (Bps.of(10), Bps.of(50))),
        (Usd, "1000 usd", Quote(1000 * ONE)),
        (Usd, "1000 USDT0", Quote(1000 * ONE)),
        (Usd, "1_000 USD", Quote(1000 * ONE)),
        (Usd, "1k USD", Quote(1000 * ONE)),
        (Usd, "2.5K usdt", Quote(2500 * ONE)),
        (Usd, "$1000", Quote(1000 * ONE)),
        (Usd, "$1.5k", Quote(1500 * ONE)),
        (Duration, "5m", Ms(300_000)),
        (Duration, "5 minutes", Ms(300_000)),
        (Duration, "2 mins", Ms(120_000)),
        (Duration, "1 Hour", Ms(3_600_000)),
        (Duration, "1d", Ms(86_400_000)),
        (Duration, "30sec", Ms(30_000)),
        (Points, "5 bp", Bps.of(5)),
        (Percent, "0.1 percent", Bps.of(10)),
        (Share, "20pct", Rate.of("0.2")),
        (Bytes, "10 mb", 10_000_000),
        (Cycles, "1_000", 1000),
        (DurationOrRange, "3-9 min", MsRange(180_000, 540_000)),
        (DurationOrRange, "90 s - 3 min", MsRange(90_000, 180_000)),
        (DurationOrRange, "3m to 9m", MsRange(180_000, 540_000)),
        (DurationOrRange, "2 s", Ms(2000)),
        (UsdOrRange, "900-1100 USD", QuoteRange(900 * ONE, 1100 * ONE)),
        (UsdOrRange, "$900-$1100", QuoteRange(900 * ONE, 1100 * ONE)),
        (UsdOrRange, "1k-2k USD", QuoteRange(1000 * ONE, 2000 * ONE)),
        (UsdOrRange, "1000 USD", Quote(1000 * ONE)),
        (TickCount, "3 ticks", Ticks(3)),
        (TickCount, "1 tick", Ticks(1)),
        (UsdOrNever, "1k USD", Quote(1000 * ONE)),
        (UsdOrNever, "never", None),
        (UtcTime, "2026-12-01 18:00", Ms(1_796_148_000_000)),
        (UtcTime, "2026-12-01T18:00:30Z", Ms(1_796_148_030_000)),
        (UtcTime, "2026-12-01 18:00 UTC", Ms(1_796_148_000_000)),
        (UtcTime, tomllib.loads("at = 2026-12-01 18:00:00")["at"], Ms(1_796_148_000_000)),
        (UtcTime, tomllib.loads("at = 2026-12-01T18:00:00Z")["at"], Ms(1_796_148_000_000)),
        (UtcTime, "never", None),
    ],
)
def test_a_number_and_its_unit_are_read_exactly(kind: type[Text], text: object, value: object) -> None:
    assert kind.read(text) == value


@pytest.mark.parametrize(
    ("kind", "text", "code"),
    [
        (TickCount, "3", "NO_UNIT"),
        (TickCount, "0.5 ticks", "TOO_FINE"),
        (UsdOrNever, "1000", "NO_UNIT"),
        (DurationOrRange, "9-3 min", "ENDS_SWAPPED"),
        (DurationOrRange, "3-9", "NO_UNIT"),
        (DurationOrRange, "3-9 USD", "WRONG_UNIT"),
        (DurationOrRange, "3-9-12 min", "WRONG_UNIT"),
        (DurationOrRange, "3- min", "WRONG_UNIT"),
        (UsdOrRange, "1100-900 USD", "ENDS_SWAPPED"),
        (UsdOrRange, "1e2-1e3 USD", "NOT_A_NUMBER"),
        (UtcTime, "18:00", "NOT_A_TIME"),
        (UtcTime, "2026-12-01", "NOT_A_TIME"),
        (UtcTime, "2026-13-01 18:00", "NOT_A_TIME"),
        (UtcTime, "2026-02-29 18:00", "NOT_A_TIME"),
        (UtcTime, "2026-12-01 25:00", "NOT_A_TIME"),
        (UtcTime, "2026-12-01 18:00+01:00", "NOT_A_TIME"),
        (Usd, "1000", "NO_UNIT"),
        (Usd, 1000, "NO_UNIT"),
        (Usd, 1000.5, "NO_UNIT"),
        (Usd, "1000 EUR", "WRONG_UNIT"),
        (Usd, "1000 %", "WRONG_UNIT"),
        (Usd, "", "NOT_A_NUMBER"),
        (Usd, "USD", "NOT_A_NUMBER"),
        (Usd, "nan USD", "NOT_A_NUMBER"),
        (Usd, "1,00,0 USD", "NOT_A_NUMBER"),
        (Usd, "0.0000000000000000001 USD", "TOO_FINE"),
        (Usd, "9" * 39 + " USD", "OUT_OF_RANGE"),
        (Usd, "9" * 41 + " USD", "NOT_A_NUMBER"),
        (Duration, "2", "NO_UNIT"),
        (Duration, "2 months", "WRONG_UNIT"),
        (Usd, "1k", "NO_UNIT"),
        (Usd, "1 kg", "WRONG_UNIT"),
        (Duration, "0.1 ms", "TOO_FINE"),
        (Points, "10 USD", "WRONG_UNIT"),
        (Factor, "5", "NO_UNIT"),
        (Cycles, "five", "WRONG_TYPE"),
        (WeeklyWindows, "Mon 13:50-14:20", "WRONG_TYPE"),
        (WeeklyWindows, ["13:50-14:20"], "BAD_CHOICE"),
        (WeeklyWindows, ["Moo 13:50-14:20"], "BAD_CHOICE"),
        (WeeklyWindows, ["Mon 14:20-13:50"], "OUT_OF_RANGE"),
        (WeeklyWindows, ["Mon 13:60-14:20"], "OUT_OF_RANGE"),
        (WeeklyWindows, ["Mon 23:00-24:01"], "OUT_OF_RANGE"),
        (DailyWindows, 8, "BAD_CHOICE"),
        (DailyWindows, "Mon 08:00-09:00", "BAD_CHOICE"),
        (DailyWindows, ["8:60-9:00"], "OUT_OF_RANGE"),
        (DailyWindows, "24-4", "OUT_OF_RANGE"),
        (DailyWindows, "8-8", "OUT_OF_RANGE"),
        (Cycles, 1.5, "WRONG_TYPE"),
        (Cycles, True, "WRONG_TYPE"),
        (Unbalanced, "accept", "BAD_CHOICE"),
        (Unbalanced, "accept 5", "NO_UNIT"),
        (Unbalanced, "skip 5 %", "BAD_CHOICE"),
        (CostLadder, "10 bps", "WRONG_TYPE"),
        (CostLadder, ["10"], "NO_UNIT"),
    ],
)
def test_what_is_not_certain_is_refused_with_a_word(kind: type[Text], text: object, code: str) -> None:
    with pytest.raises(BadText) as refused:
        kind.read(text)
    assert refused.value.code == code


@settings(deadline=None, print_blob=True)
@given(st.integers(-(10**30), 10**30))
def test_every_amount_is_written_so_that_it_reads_back_the_same(scaled: int) -> None:
    for kind, unit in ((Usd, Quote), (Points, Bps), (Percent, Bps), (Factor, Rate), (Share, Rate)):
        assert kind.read(kind.write(unit(scaled))) == scaled


@settings(deadline=None, print_blob=True)
@given(st.integers(0, 10**15))
def test_every_duration_and_size_is_written_so_that_it_reads_back_the_same(value: int) -> None:
    for kind in (Duration, Bytes):
        assert kind.read(kind.write(value)) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 s"), (500, "500 ms"), (2000, "2 s"), (90_000, "90 s"), (600_000, "10 min"), (86_400_000, "24 h")],
)
def test_a_duration_is_written_in_its_largest_whole_unit(value: int, text: str) -> None:
    assert Duration.write(value) == text


@pytest.mark.parametrize(
    ("kind", "text", "like", "meant"),
    [
        (Usd, "5", Quote(ONE), "5 USD"),
        (Usd, "1k", Quote(ONE), "1000 USD"),
        (Usd, "-1000", Quote(ONE), "1000 USD"),
        (Usd, "1000 EUR", Quote(ONE), None),
        (Usd, "500 ETH", Quote(ONE), None),
        (Usd, "5 kg", Quote(ONE), None),
        (Usd, "500 dolars", Quote(ONE), "500 USD"),
        (Share, "20 bps", Rate.of("0.2"), None),
        (Factor, "5 %", Rate.of("5"), None),
        (choice_of(("long-eth", "long-sol")), "Short SOL", None, "long-eth"),
        (choice_of(("long-eth", "long-sol")), "short-btc", None, None),
        (choice_of(("skip", "flatten")), "short-eth", None, None),
        (Usd, "a lot", Quote(ONE), None),
        (Duration, "5", Ms(2000), "5 s"),
        (Duration, "2 months", Ms(600_000), None),
        (Duration, "2 minuets", Ms(2000), "2 min"),
        (Duration, "5 secnds", Ms(600_000), "5 s"),
        (Duration, "5 parsecs", Ms(2000), None),
        (Points, "5 USD", Bps.of(5), None),
        (Percent, "5 percnt", Bps.of(5), "5 %"),
        (Points, "10", Bps.of(5), "10 bps"),
        (Percent, "0.1", Bps.of(10), "0.1 %"),
        (Factor, "5", Rate.of("5"), "5x"),
        (Cycles, "5 cycles", 5, 5),
        (Cycles, "five", 5, None),
        (Cycles, "Forever", 5, "forever"),
        (Cycles, "for ever", 5, "forever"),
        (Unbalanced, "accept 0.5", None, "accept 0.5 %"),
        (Unbalanced, "raise 1.2", None, "raise 1.2x"),
        (Unbalanced, "ignore", None, None),
    ],
)
def test_a_suggestion_repeats_the_number_that_was_typed_in_a_unit_that_is_taken(
    kind: type[Text], text: object, like: object, meant: object
) -> None:
    assert kind.suggest(text, like) == meant
    if meant is not None:
        kind.read(meant)
