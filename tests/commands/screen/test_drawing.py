"""The screen as text."""

import re

import msgspec
import pytest

from commands.output.words import fitted
from commands.screen.drawing import draw
from commands.screen.view import RunView
from messages.lifecycle import Legging, Totals
from messages.market import FundingRate, PairQuote
from messages.settings import Settings
from messages.units import Base, Ms, Price, Quote, Rate
from runtime import specs
from tests.actors.fakes import START_MS, held, quote
from tests.commands.scenes import (
    ALONE,
    SOL_ORDER,
    calm_entry,
    every_state,
    open_pair,
    plan,
    refused_and_repaired,
    statement,
    view_of,
)

STATES = every_state()


SIZES = [(80, 24), (100, 30), (120, 40), (200, 50)]
MEASURES = re.compile(r"(?<![\w.])\d[\d.,]* (?:USD·s|USD|bps|%|ms|s|m|h)(?![\w·])")


@pytest.mark.parametrize(("columns", "rows"), SIZES)
@pytest.mark.parametrize("state", STATES)
def test_in_every_state_it_fits_the_terminal(state: str, columns: int, rows: int) -> None:
    lines = draw(STATES[state], START_MS + 400, columns, rows)
    assert len(lines) <= rows
    assert max(len(line) for line in lines) < columns


@pytest.mark.parametrize("columns", [80, 100, 120, 200])
@pytest.mark.parametrize("state", STATES)
def test_nothing_with_a_unit_is_ever_cut_or_parted_from_it(state: str, columns: int) -> None:
    """Where there are rows enough, a narrow terminal shows every measure that an endless one shows, each
    whole on one line.
    """
    endless, narrow = (
        draw(STATES[state], START_MS + 400, 10_000, 9_000),
        draw(STATES[state], START_MS + 400, columns, 9_000),
    )
    assert [found for line in narrow for found in MEASURES.findall(line)] == [
        found for line in endless for found in MEASURES.findall(line)
    ]


def test_a_large_terminal_shows_more_events_and_whole_digests() -> None:
    view = STATES["repaired"]
    small, large = draw(view, START_MS + 400), draw(view, START_MS + 400, 200, 50)
    assert len(large) > len(small)
    assert any("cycle 4  ETH filled 0.357 at 2757.9" in line for line in large)
    assert not any("cycle 4  ETH filled 0.357 at 2757.9" in line for line in small)
    assert any(SOL_ORDER in line for line in large)


@pytest.mark.parametrize("state", STATES)
def test_the_second_line_says_what_it_is_doing(state: str) -> None:
    view = STATES[state]
    assert draw(view, START_MS + 400, 10_000)[1] == f" {view.doing(START_MS + 400)}".rstrip()


@pytest.mark.parametrize("state", STATES)
def test_in_every_state_it_fits_24_rows_of_80_columns(state: str) -> None:
    lines = draw(STATES[state], START_MS + 400)
    assert len(lines) <= 24
    assert max(len(line) for line in lines) < 80
    assert all(line == line.rstrip() and "\n" not in line for line in lines)
    assert lines[0].startswith(" EVENKEEL   SIMULATED, play money   seed 7")
    assert lines[-1] == " Ctrl-C: close both legs and stop           log: logs/evenkeel.log"


@pytest.mark.parametrize("state", STATES)
def test_for_another_terminal_it_is_the_same_picture_and_its_ctrl_c_ends_nothing(state: str) -> None:
    own, other = (draw(STATES[state], START_MS + 400, attached=attached) for attached in (False, True))
    assert other[:-1] == own[:-1]
    assert other[-1] == " Ctrl-C: leave, the run goes on             log: logs/evenkeel.log"


def test_drawing_changes_nothing() -> None:
    view = STATES["repaired"]
    assert draw(view, START_MS) == draw(view, START_MS)


def test_a_repaired_pair_looks_as_documented() -> None:
    money = statement(
        fees="-0.69", spread="-0.07", slippage="-0.01", hedge="0.41", lots="0.01", net="-0.35", funding="0.01"
    )
    counted = Totals(unhedged_worst=ALONE.worst, longest=ALONE, money=money)
    lines = draw(view_of([quote(), *refused_and_repaired(), open_pair(totals=counted)]), START_MS + 400)
    assert lines[1:4] == [
        " HOLDING: exits in 1.6 s",
        " [##########--------]  cycle 4 of 5   short ETH / long SOL",
        "-" * 79,
    ]
    assert lines[5:7] == [
        " ETH-PERP    2756.8    2756.9    0.36 bps   400 ms   live",
        " SOL-PERP    115.86    115.87    0.86 bps   400 ms   live",
    ]
    assert lines[7] == " funding    ETH unknown SOL unknown, pair unknown, next 15:00Z"
    digest = plan("repair", seq=8, eth="0").digest[:8]
    assert lines[9:20] == [
        f" PLAN 2.8  {digest}  repair  ETH nothing   SOL buy 8.5 = 984.81 USD",
        " votes     eth_leg READY   sol_leg READY   ledger READY, written   one digest",
        "         ordered   filled    VWAP          slip  order      after",
        " ETH     0.357     0.357     2757.90   0.00 bps  5f1c..a2   41 ms  filled",
        " SOL     8.5       0                             88d0..4e   38 ms  refused 2031",
        " repair  8.5       8.5       115.87    0.86 bps  b7e1..09          filled",
        " imbalance  planned 0.024 %   FILLED 0.028 %   marked 0.067 %   promise 0.100 %",
        " unhedged   now 0   worst 985 USD   longest 77 ms = 75.8 of 492 USD·s",
        " money USD  fees -0.69  spread -0.08  market +0.42  funding 0.01   NET -0.35",
        " actors     market_data ok  account ok  sizing ok  eth_leg ok  sol_leg ok",
        "            ledger ok, 214 rows  epoch 2  venue agrees  guard off",
    ]
    assert lines[-2] == " 14:13:20 cycle 4  STAGED SOL order refused: repaired, balanced in 118 ms"


@pytest.mark.parametrize(
    ("configured", "of_the_pair", "shown"),
    [("0.8", "0.8", "hedge ratio 0.8"), ("1", "0.8", "hedge ratio 0.8"), ("0.8", "1", ""), ("1", "1", "")],
)
def test_a_pair_is_marked_by_its_own_hedge_ratio_and_says_so(
    configured: str, of_the_pair: str, shown: str
) -> None:
    """984.2 USD of ETH with 787.9 of SOL, 0.07 % apart at 0.8 and 20 % in dollars; without a pair it is the
    configured one. All of it is on a screen of 80 columns.
    """
    settings = msgspec.structs.replace(Settings(), hedge_ratio=Rate.of(configured))
    pair = open_pair(sol=Base.of("6.8"), hedge_ratio=Rate.of(of_the_pair))
    told = " ".join(" ".join(draw(view_of([quote(), pair], settings=settings), START_MS + 400)).split())
    assert ("marked 0.067 %" in told) == (of_the_pair == "0.8"), told
    assert ("marked 19." in told) == (of_the_pair == "1")
    assert ("hedge ratio" in told) == bool(shown)
    assert shown in told
    flat = " ".join(" ".join(draw(view_of([quote(), held()], settings=settings), START_MS)).split())
    assert ("hedge ratio 0.8" in flat) == (configured == "0.8")


def test_a_book_that_is_too_old_is_called_stale_and_one_that_cannot_trade_by_its_status() -> None:
    old = draw(view_of([quote()]), START_MS + 1001)[5]
    assert old.endswith("1.0 s   STALE")
    halted = msgspec.structs.replace(quote(), sol=msgspec.structs.replace(quote().sol, status="not_tradable"))
    assert draw(view_of([halted]), START_MS)[6].endswith("not_tradable")


def test_what_is_unhedged_now_is_the_ledgers_word_and_unknown_where_it_has_none() -> None:
    """The screen has no ruler of its own: it shows the figures by which LEGGING_BUDGET judges, doubt and
    its larger budget included.
    """
    now = msgspec.structs.replace(ALONE, naked=Quote.of("15"), doubted=True)
    totals = Totals(unhedged_worst=now.worst, longest=now)
    view = view_of([open_pair(phase="uneven", legging=now, totals=totals)])
    assert " unhedged   now 15   worst 985 USD   longest 77 ms = 75.8 of 5909 USD·s" in draw(view, START_MS)
    booked = view_of([open_pair(phase="uneven", legging=Legging(priced=False), totals=Totals())])
    assert " unhedged   now ?   worst 0 USD" in draw(booked, START_MS)
    assert " unhedged   ?" in draw(view_of(), START_MS)


def test_actors_are_shown_down_and_with_their_restarts() -> None:
    view = view_of(
        [
            specs.Exited("legs", "eth_leg", 1, "x", ""),
            specs.ChildStarted("legs", "eth_leg", 2),
            specs.Exited("legs", "sol_leg", 1, "y", ""),
        ]
    )
    lines = draw(view, START_MS)
    assert any("eth_leg ok (1 restart)" in line for line in lines)
    assert any("sol_leg DOWN" in line for line in lines)


def test_actors_that_all_restarted_take_another_line_and_lose_nothing() -> None:
    both = [specs.ChildStarted("legs", name, life) for life in (1, 2) for name in ("eth_leg", "sol_leg")]
    shown = [
        line
        for line in draw(view_of([*both, held()]), START_MS)
        if "eth_leg ok" in line or "guard" in line or "epoch" in line
    ]
    assert "sol_leg ok (1 restart)" in " ".join(shown)
    assert shown[-1].endswith("guard off")


def test_prices_of_one_book_have_the_same_number_of_decimals() -> None:
    book = quote()
    whole = msgspec.structs.replace(
        book.eth, bids=(msgspec.structs.replace(book.eth.bids[0], price=Price.of("2756")),)
    )
    assert "2756.0    2756.9" in draw(view_of([msgspec.structs.replace(book, eth=whole)]), START_MS)[5]


def test_a_run_without_an_end_has_no_bar() -> None:
    settings = msgspec.structs.replace(Settings(), cycles=None)
    assert (
        draw(view_of([held(cycle=11, completed=11)], settings=settings), START_MS)[2]
        == " cycle 12, until stopped"
    )


def test_the_bar_is_full_when_all_cycles_are_done() -> None:
    assert "[##################]  cycle 5 of 5" in draw(view_of([held(cycle=5, completed=5)]), START_MS)[2]


def test_real_money_is_called_real_money() -> None:
    view = RunView(Settings(), 7, lambda: START_MS, whose="MAINNET, real money")
    assert "MAINNET, real money" in draw(view, START_MS)[0]


def test_what_is_not_known_is_not_zero() -> None:
    lines = draw(view_of(), START_MS)
    assert any("market ?  funding ?   NET ?" in line for line in lines)
    assert any("venue not compared" in line for line in lines)


def test_the_direction_is_that_of_the_pair_held() -> None:
    exit_plan = plan("exit", seq=9, eth="0.357", sol="-8.5")
    view = view_of([*calm_entry(plan()), open_pair(), exit_plan])
    assert "short ETH / long SOL" in draw(view, START_MS)[2]
    long_eth = open_pair(
        direction="long-eth", eth=Base.of("0.357"), sol=Base.of("-8.5"), entered_ms=Ms(START_MS)
    )
    assert "long ETH / short SOL" in draw(view_of([long_eth]), START_MS)[2]


def test_a_long_line_goes_on_between_words_and_a_long_word_loses_nothing() -> None:
    assert fitted("x" * 100, 79) == ["x" * 79, " " + "x" * 21]
    assert fitted("two\nlines ", 79) == ["two lines"]
    assert fitted(" " + "word " * 15 + "12.5 USD·s", 79) == [" " + "word " * 14 + "word", " 12.5 USD·s"]


@pytest.mark.parametrize(
    ("eth", "sol", "age_ms", "shown"),
    [
        ("-0.00012", "0.00004", 0, "ETH -1.20 SOL +0.40 bps/day, pair pays 0.01 USD/h, next 15:00Z"),
        ("0.02", "-0.02", 0, "ETH +200.00 SOL -200.00 bps/day, pair earns 1.64 USD/h, next 15:00Z"),
        ("0.02", None, 0, "ETH +200.00 SOL unknown bps/day, pair unknown, next 15:00Z"),
        ("0", "0", 3_900_000, "ETH old (65 min) SOL old (65 min), pair unknown, next 15:00Z"),
        ("0", "0.0000000001", 0, "ETH 0.00 SOL 0.00 bps/day, pair pays 0.00 USD/h, next 15:00Z"),
    ],
)
def test_both_rates_and_what_the_pair_comes_to_by_them_fit_on_a_line(
    eth: str, sol: str | None, age_ms: int, shown: str
) -> None:
    """Short ETH, long SOL, of about 985 USD each; a rate that is old or was never said is not 0."""
    seen = quote_with_rates(eth, sol, age_ms)
    lines = draw(view_of([seen, *refused_and_repaired(), open_pair()]), START_MS)
    assert lines[7] == f" funding    {shown}"
    assert len(lines) <= 24
    assert max(map(len, lines)) < 80


def test_without_a_pair_only_the_rates_are_shown_and_without_a_book_nothing() -> None:
    assert (
        draw(view_of([quote_with_rates("-0.00012", "0", 0)]), START_MS)[7]
        == " funding    ETH -1.20 SOL 0.00 bps/day"
    )
    assert draw(view_of([]), START_MS)[7] == " funding    ?"


def quote_with_rates(eth: str, sol: str | None, age_ms: int) -> PairQuote:
    said = [
        None if rate is None else FundingRate(product, Rate.of(rate), Ms(START_MS - age_ms))
        for product, rate in ((4, eth), (8, sol))
    ]
    seen = quote()
    one, other = (
        msgspec.structs.replace(leg, funding=each)
        for leg, each in zip((seen.eth, seen.sol), said, strict=True)
    )
    return msgspec.structs.replace(seen, eth=one, sol=other)


def test_both_orders_that_rest_are_shown_with_price_fills_end_and_cancellation() -> None:
    lines = draw(STATES["two rest"], START_MS + 1_000, 80, 24)
    place = next(number for number, line in enumerate(lines) if line.startswith(" RESTS"))
    assert lines[place : place + 3] == [
        " RESTS  ordered       filled    at         until      order     cancel asked",
        " ETH    buy 0.4       0.1       2756.8     14:13:30Z  5f1c..a2  14:13:20Z",
        " SOL    sell 123456.7 0         123456.78  14:13:30Z  88d0..4e  resolving",
    ]
    assert len(lines) <= 24
    assert lines[-1].startswith(" Ctrl-C")


def test_where_nothing_rests_the_screen_has_no_rows_of_it() -> None:
    assert not [line for line in draw(STATES["held"], START_MS, 80, 24) if "RESTS" in line]
