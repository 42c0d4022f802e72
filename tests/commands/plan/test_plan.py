"""`plan` as it is typed: prices, a market or an exchange; what is typed wrong; the object on every path."""

import gzip
import os
import socket
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from commands import cli
from commands.output.json_keys import keys_of
from commands.plan.basis import of_prices
from commands.plan.planned import planned as planned_at
from commands.plan.sweep import swept
from messages.settings import Settings
from messages.units import Bps, Price, Quote, Rate
from tests.commands.plan.page import PAGE, page
from tests.live.served import KEY, OWNER, served
from tests.live.typed import rehearse, typed, written
from venue.simulated.venue import SimulatedVenue

pytestmark = pytest.mark.filterwarnings(
    "ignore:'collections.abc.ByteString' is deprecated:DeprecationWarning"
)

ROOT = Path(__file__).resolve().parents[3]
PRICES = ("--eth-price", "2756.9", "--sol-price", "115.86")
COARSE = ("--eth-price", "4300", "--sol-price", "203")
"""Here the first target that both directions meet is 304.60 USD."""


def planned(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, dict[str, Any]]:
    ended = typed(capsys, "plan", *argv)
    assert tuple(ended.told) == keys_of("plan")
    return ended.code, ended.told


# -- what is known -------------------------------------------------------------------------------------------


def test_at_the_founding_prices_the_plan_is_the_designs(capsys: pytest.CaptureFixture[str]) -> None:
    """S1: 0.042 ETH against 1 SOL, 6.06 bps apart, 7.28 in the mirror."""
    code, told = planned(capsys, *PRICES, "--target", "100 USD")
    assert (code, told["ok"], told["error"], told["exit_code"]) == (0, True, None, 0)
    long, short = told["directions"]
    assert (long["direction"], long["eth"], long["sol"]) == ("long-eth", "0.042", "-1")
    assert (short["direction"], short["eth"], short["sol"]) == ("long-sol", "-0.042", "1")
    assert (long["planned_imbalance_bps"][:4], short["planned_imbalance_bps"][:4]) == ("6.05", "7.28")
    assert (long["eth_usd"], long["sol_usd"], long["eth_vwap"]) == ("115.7898", "115.86", "2756.9")
    assert (long["fees_usd"], long["fees_bps"], long["spread_usd"]) == ("0.16215689", "3.5", "0.0142")
    assert (long["slippage_usd"], long["cost_usd"], long["traded_usd"]) == ("0", "0.17635689", "463.3054")
    assert (told["smallest_target_usd"], told["always_from_usd"]) == ("96.56", "144.84")
    assert told["assumed"][0].startswith("one tick between bid and ask")


def test_the_margin_is_what_a_run_would_ask_the_account_for(capsys: pytest.CaptureFixture[str]) -> None:
    """Of 5 USDT0 a run would refuse 7.15: the limit prices x 2.5 % + two fees a leg, and a fifth more."""
    code, told = planned(capsys, *PRICES, "--target", "100 USD", "--deposit", "5 USD")
    assert (code, told["error"]["code"]) == (3, "MARGIN")
    assert told["error"]["message"].startswith("needs 7.14 USDT0 free, has 5.00: deposit 3")
    # x 1.2: (0.042 x 2759.6 + 1 x 115.75) x (0.025 + 2 x 0.00035)
    assert told["directions"][0]["margin_usd"] == "7.144184688"
    assert told["free_margin_usd"] == "5"


def test_the_nearer_the_deposit_is_to_the_margin_the_nearer_is_liquidation(
    capsys: pytest.CaptureFixture[str],
) -> None:
    moves = []
    for deposit in ("8 USD", "20 USD", "60 USD"):
        _, told = planned(capsys, *PRICES, "--target", "100 USD", "--deposit", deposit)
        moves.append(float(told["directions"][0]["liquidation_move"]))
    # (8 - 231.65 x (0.0125 + 0.00035)) / (115.9 x 1.0125 at the larger leg)
    assert moves == sorted(moves)
    assert 0.042 < moves[0] < 0.045


@pytest.mark.parametrize(
    ("prices", "target", "code", "instead"),
    [
        (PRICES, "50 USD", "TARGET_TOO_SMALL", "145 USD"),
        (PRICES, "1 USD", "TARGET_TOO_SMALL", "145 USD"),
        (COARSE, "100 USD", "UNBALANCED", "305 USD"),
        (COARSE, "150 USD", "UNBALANCED", "305 USD"),
    ],
)
def test_a_target_that_cannot_be_traded_says_why_and_which_can(
    prices: tuple[str, ...], target: str, code: str, instead: str, capsys: pytest.CaptureFixture[str]
) -> None:
    exit_code, told = planned(capsys, *prices, "--target", target)
    assert (exit_code, told["ok"], told["ended_by"], told["error"]["code"]) == (3, False, "refused", code)
    assert told["error"]["cure"].startswith(f"Try --target '{instead}'")
    # what is advised is tried
    assert planned(capsys, *prices, "--target", instead)[0] == 0


def test_when_unbalanced_is_heeded_as_a_run_does(capsys: pytest.CaptureFixture[str]) -> None:
    asked = (*COARSE, "--target", "150 USD", "--when-unbalanced")
    for way, by in (("raise 2.1x", "raise"), ("accept 1 %", "accept")):
        code, told = planned(capsys, *asked, way)
        assert (code, {each["allowed_by"] for each in told["directions"]}) == (0, {by})
    assert planned(capsys, *asked, "raise 2x")[0] == planned(capsys, *asked, "accept 0.1 %")[0] == 3
    assert cli.main(["plan", *asked, "accept 1 %"]) == 0
    said = capsys.readouterr().out
    assert "answer      yes, because when_unbalanced accepts it: " in said
    assert "outside of 0.1 % unless ETH moves by " in said


def test_one_direction_is_planned_alone(capsys: pytest.CaptureFixture[str]) -> None:
    _, told = planned(capsys, *PRICES, "--direction", "long-sol")
    assert [each["direction"] for each in told["directions"]] == ["long-sol"]


def test_a_limit_that_a_run_would_refuse_is_the_answer(capsys: pytest.CaptureFixture[str]) -> None:
    code, told = planned(capsys, *PRICES, "--set", "max_spread=0.1 bps")
    assert (code, told["error"]["code"]) == (3, "SPREAD_WIDE")
    assert told["directions"][0]["eth"] == "0.357"


# -- where prices come from ----------------------------------------------------------------------------------


def test_nothing_typed_is_the_market_of_the_demo(capsys: pytest.CaptureFixture[str]) -> None:
    code, told = planned(capsys)
    assert (code, told["target_usd"], told["eth_bid"]) == (0, "1000", "4300")
    assert told["source"] == "the first books of synthetic with seed 7"
    assert (told["venue"], told["subaccount"]) == (None, None)


def test_prices_are_those_of_the_flat_market(capsys: pytest.CaptureFixture[str]) -> None:
    given, flat = planned(capsys, *PRICES)[1], planned(capsys, "--market", "flat:2756.9/115.86")[1]
    assert given["directions"] == flat["directions"]
    assert (
        given["directions"]
        == planned(capsys, "--eth-price", "2,756.9 USD", "--sol-price", "$115.86")[1]["directions"]
    )


def test_an_exchange_is_asked_for_the_accounts_own_fees_and_margin_without_a_key(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NADO_PRIVATE_KEY", raising=False)
    values = (f"venue.owner={OWNER}", "venue.subaccount=evenkeel", "no_entry_utc=[]")
    mine = [word for value in values for word in ("--set", value)]
    with served() as exchange:
        where = ("--venue", "testnet", "--url", exchange.url, "--target", "100 USD")
        code, told = planned(capsys, *where, *mine)
        assert (code, told["venue"], told["subaccount"]) == (0, "testnet", "evenkeel")
        assert (told["free_margin_usd"], told["assumed"]) == ("10000", [])
        same = planned(capsys, *PRICES, "--target", "100 USD")[1]
        # nobody was asked for the funding of given prices; that of a market which stands still is 0
        assert {each.pop("funding_per_hour_usd") for each in told["directions"]} == {"0"}
        assert {each.pop("funding_per_hour_usd") for each in same["directions"]} == {None}
        assert told["directions"] == same["directions"]
        _, nobody = planned(capsys, *where)
        assert nobody["free_margin_usd"] is None
        assert {each["liquidation_move"] for each in nobody["directions"]} == {None}
        assert {each["margin_usd"] for each in nobody["directions"]} == {
            each["margin_usd"] for each in same["directions"]
        }
        assert nobody["assumed"] == ["the fees of a new account: no venue.owner is configured"]
        exchange.do(dearer)
        _, dear = planned(capsys, *where, *mine)
        assert (dear["eth_taker_fee"], dear["sol_taker_fee"]) == ("0.0005", "0.00035")
        assert dear["directions"][0]["fees_usd"] > same["directions"][0]["fees_usd"]


def test_the_rates_of_now_say_what_each_side_would_receive_and_which_one_is_taken_first(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """An absent rate is null and unknown, and the side then is the one that `alternate` begins with."""
    with served() as exchange:
        where = ("--venue", "testnet", "--url", exchange.url, "--direction", "funding")
        always = ("--set", "no_entry_utc=[]")
        exchange.do(lambda venue: quote_rates(venue, "0.0024", "-0.0024"))
        _, told = planned(capsys, *where, *always)
        assert (told["eth_funding_rate"], told["sol_funding_rate"]) == ("0.0024", "-0.0024")
        first, second = told["directions"]
        assert (first["direction"], first["side_rule"]) == ("long-sol", "FUNDING_MORE")
        assert Quote.of(first["funding_per_hour_usd"]) > 0
        assert Quote.of(second["funding_per_hour_usd"]) < 0
        assert second["side_rule"] is None
        assert cli.main(["plan", *where, *always]) == 0
        said = capsys.readouterr().out
        assert "funding     pair earns 0.20 USD/h; FUNDING_MORE: long SOL receives 9.60 USD a day" in said
        assert "funding     ETH +24.00 SOL -24.00 bps/day; above 0 longs pay" in said
        exchange.do(lambda venue: venue.incidents.rates_omitted.append(8))
        _, told = planned(capsys, *where, *always)
        assert (told["eth_funding_rate"], told["sol_funding_rate"]) == ("0.0024", None)
        first, second = told["directions"]
        assert (first["direction"], first["side_rule"]) == ("long-eth", "FUNDING_UNKNOWN")
        assert (first["funding_per_hour_usd"], second["funding_per_hour_usd"]) == (None, None)


def test_an_entry_that_would_wait_for_its_funding_is_not_planned_as_one_that_enters(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with served() as exchange:
        where = ("--venue", "testnet", "--url", exchange.url, "--direction", "long-eth")
        waits = ("--set", "no_entry_utc=[]", "--set", "enter_when.funding_over=1 bps")
        code, told = planned(capsys, *where, *waits)
        assert (code, told["error"]["code"]) == (3, "ENTER_WHEN_FUNDING")
        exchange.do(lambda venue: quote_rates(venue, "0", "0.0002"))
        assert planned(capsys, *where, *waits)[0] == 0


def quote_rates(venue: SimulatedVenue, eth: str, sol: str) -> None:
    for product_id, rate in ((4, eth), (8, sol)):
        venue.exchange.markets[product_id].funding.quoted = Rate.of(rate)


def dearer(venue: SimulatedVenue) -> None:
    market = venue.exchange.markets[4]
    market.product = msgspec.structs.replace(market.product, taker_fee=Rate.of("0.0005"))


def test_a_run_trades_what_was_planned_and_pays_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The exchange takes a buyer's fee of what he pays with it (f / (1 - f)): 0.035 % of the fee more."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("NADO_PRIVATE_KEY", KEY.hex())
    asked = ("target=100 USD", "direction=long-eth")
    with served() as exchange:
        where = ("--venue", "testnet", "--url", exchange.url)
        _, told = planned(capsys, *where, *written(*asked))
        ended = rehearse(capsys, tmp_path / "logs", exchange.url, changes=asked)
    assert ended.code == 0, ended.errors
    [plan] = told["directions"]
    paid = {
        name: Decimal(ended.told[f"{name}_usd"]) for name in ("fees", "spread_planned", "slippage", "traded")
    }
    assert paid["spread_planned"] == Decimal(plan["spread_usd"]) + Decimal(plan["slippage_usd"])
    assert paid["slippage"] == 0
    assert paid["traded"] == Decimal(plan["traded_usd"])
    assert 1 <= paid["fees"] / Decimal(plan["fees_usd"]) < Decimal("1.0004")
    assert Decimal(ended.told["filled_imbalance_max_bps"]) == Decimal(plan["planned_imbalance_bps"])


def test_an_exchange_that_does_not_answer_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    code, told = planned(capsys, "--url", url)
    assert (code, told["error"]["code"]) == (3, "VENUE_UNREACHABLE")
    assert cli.main(["plan", "--url", url]) == 3
    assert len(capsys.readouterr().err.splitlines()) == 1


# -- what is typed wrong -------------------------------------------------------------------------------------

WRONG = (
    ("--target 100", 'target: "100" has no unit', "type --target '100 USD'"),
    ("--target", "--target: expected one argument", "--help shows how"),
    ("--target 100 USD", "USD: unexpected argument", "type --target '100 USD'"),
    ("--eth-price 2756.9", "--sol-price: is needed with --eth-price", "add --sol-price and a price in USD"),
    ("--sol-price 115.86", "--eth-price: is needed with --sol-price", "add --eth-price and a price in USD"),
    ("--eth-price 0 --sol-price 115.86", '--eth-price: "0" is not above 0', "takes a price in USD"),
    ("--eth-price=-5 --sol-price 115.86", '--eth-price: "-5" is not above 0', "takes a price in USD"),
    ("--eth-price cheap --sol-price 115.86", '"cheap USD" does not begin with a number', "takes a number"),
    ("--eth-price 5EUR --sol-price 115.86", "is not an amount of money", "--eth-price"),
    ("--eth-price 2756.95 --sol-price 115.86", "2756.95 is not a multiple of the tick 0.1", "2757"),
    ("--eth-price 1 --sol-price 115.86", "1 leaves no room for 40 price levels of 0.1", "--eth-price 4.2"),
    (f"--eth-price {'9' * 39} --sol-price 115.86", "too large", "--eth-price"),
    ("--eth-price 2756.9 --sol-price 115.86 --market synthetic", "cannot be those of --market", "leave one"),
    ("--eth-price 2756.9 --sol-price 115.86 --venue mainnet", "cannot be those of --venue", "leave one"),
    ("--market synthetic --url http://127.0.0.1:1", "cannot be those of --url", "leave one"),
    ("--market nowhere/monday", 'no recording begins with "nowhere/monday"', "type --market synthetic"),
    ("--market flat:1", '--market: "flat:1" is not flat:ETH/SOL', "type --market flat:2756.9/115.86"),
    ("--market flat:1/1", "the ETH price 1 leaves no room", "type --market synthetic"),
    ("--url http://example.com:80", "example.com is not this machine", "type --venue testnet"),
    ("--venue binance", "venue.name", ""),
    ("--sweep 0%", '--sweep: "0%" is not above 0 %', "type --sweep '10 %'"),
    ("--sweep 10", '--sweep: "10" has no unit', "type --sweep '10 %'"),
    ("--deposit lots", '--deposit: "lots"', "--deposit takes"),
    ("--eth-prize 5", "--eth-prize: unknown option", "did you mean --eth-price?"),
)


@pytest.mark.parametrize(("words", "said", "cure"), WRONG, ids=[words for words, _, _ in WRONG])
def test_what_is_typed_wrong_is_one_sentence_with_its_cure(
    words: str, said: str, cure: str, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = words.split()
    assert cli.main(["plan", *argv]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    [sentence] = err.splitlines()
    assert said in sentence
    assert cure in sentence.rpartition(" · ")[2]
    code, told = planned(capsys, *argv)
    assert (code, told["ok"], told["ended_by"], told["directions"]) == (2, False, "error", None)
    assert told["error"]["message"] in sentence


def test_a_recording_that_nobody_can_read_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for kind in ("quotes", "l2_20", "trades"):
        (tmp_path / f"monday_{kind}.csv.gz").write_bytes(b"not a recording")
    code, told = planned(capsys, "--market", str(tmp_path / "monday"))
    assert (code, told["error"]["code"]) == (2, "BAD_VALUE")
    assert "is no recording" in told["error"]["message"]
    for kind in ("quotes", "l2_20", "trades"):
        (tmp_path / f"monday_{kind}.csv.gz").write_bytes(gzip.compress(b"header\n"))
    assert "holds no moment" in planned(capsys, "--market", str(tmp_path / "monday"))[1]["error"]["message"]
    (tmp_path / "monday_trades.csv.gz").unlink()
    assert "is missing" in planned(capsys, "--market", str(tmp_path / "monday"))[1]["error"]["message"]


# -- what is written about it --------------------------------------------------------------------------------


def test_the_page_is_what_comes_of_the_command() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "python -m tests.commands.plan.page"


# -- how it looks --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [60, 80])
def test_on_a_terminal_no_line_is_wider_than_it_and_none_is_coloured(columns: int) -> None:
    argv = [sys.executable, "supervisor.py", "plan", *COARSE, "--target", "150 USD", "--sweep"]
    far, near = os.openpty()
    environment = {**os.environ, "COLUMNS": str(columns), "NO_COLOR": "1"}
    child = subprocess.Popen(argv, cwd=ROOT, stdout=near, stderr=near, stdin=near, env=environment)
    os.close(near)
    said = b""
    try:
        while piece := os.read(far, 65_536):
            said += piece
    except OSError:  # how Linux says that the near end is closed
        pass
    assert child.wait() == 3
    os.close(far)
    assert b"\x1b" not in said
    shown = said.decode().splitlines()
    assert max(map(len, shown)) <= columns
    assert any(line.startswith(" answer      no, UNBALANCED: 150 USD per leg cannot") for line in shown)
    # what goes on stands below its beginning
    assert all(line.startswith((" ", "PLAN", "SWEEP")) for line in shown if line)


def test_the_sweep_counts_what_sizing_meets(capsys: pytest.CaptureFixture[str]) -> None:
    _, told = planned(capsys, *PRICES, "--target", "100 USD", "--sweep", "5 %")
    sweep = told["sweep"]
    assert (sweep["pairs"], sweep["eth_low"][:4], sweep["eth_high"][:4]) == (441, "2618", "2894")
    rows = {row["target_usd"]: row for row in sweep["rows"]}
    assert list(rows) == [
        "20",
        "30",
        "50",
        "70",
        "100",
        "150",
        "200",
        "300",
        "500",
        "700",
        "1000",
        "1500",
        "2000",
    ]
    assert rows["50"] == {
        "target_usd": "50",
        "met": 0,
        "without_quantities": 441,
        "median_bps": None,
        "worst_bps": None,
    }
    shares = [row["met"] for row in sweep["rows"]]
    assert shares[-1] == 441
    assert shares == sorted(shares)
    assert float(rows["2000"]["worst_bps"]) <= 7.5
    assert sweep["always_from_usd"] in rows


def test_a_pair_of_prices_counts_when_a_plan_there_is_met_in_both_directions() -> None:
    """Moving the books of given prices is giving other prices."""
    settings, eth, sol = Settings(target=Quote.of(200)), Price.of("2756.9"), Price.of("115.86")
    table = swept(settings, of_prices(eth, sol, None), Bps.of(1000))
    [row] = [row for row in table.rows if row.target == settings.target]
    moved = [
        [Price(price + mid * step // 100 // tick * tick) for step in range(-10, 11)]
        for price, mid, tick in (
            (eth, Price.of("2756.85"), Price.of("0.1")),
            (sol, Price.of("115.865"), Price.of("0.01")),
        )
    ]
    met = [
        [each.verdict.kind == "met" for each in planned_at(settings, of_prices(one, other, None)).directions]
        for one in moved[0]
        for other in moved[1]
    ]
    assert row.met == sum(all(each) for each in met)
    assert row.met < sum(any(each) for each in met)
