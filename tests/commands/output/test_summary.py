"""The last lines of a run, for a person and for a program."""

import json
import re
from decimal import Decimal

import msgspec
import pytest

from commands.output.ending import Report
from commands.output.run_json import KEYS, json_line, run_json
from commands.output.summary import text
from messages.execution import Doubt
from messages.lifecycle import Staged
from messages.settings import Settings
from messages.units import Base, Bps, Ms, Price, Quote
from tests.actors.fakes import held, resting_bid
from tests.commands.scenes import SKIPPED, statement, totals

DEMO = Report(
    Settings(),
    7,
    "done",
    17_800,
    totals(),
    held(account_ok=True),
    "",
    open_eth=Base(0),
    open_sol=Base(0),
    ledger="logs/ledger.sqlite",
    files=("logs/ledger.sqlite", "logs/DN_pair_eth_sol_nado_trades.csv"),
    staged=(
        Staged(3, "eth_leg killed after READY: 0 orders sent, back in 31 ms"),
        Staged(4, "SOL refused once: 985 USD unhedged for 77 ms, then repaired"),
    ),
    orders_twice=0,
    next='python supervisor.py run --target "100 USD"   # why 100 is hard',
)


def test_the_summary_of_the_demo_is_the_documented_one() -> None:
    assert text(DEMO) == [
        "FLAT. 5 of 5 pairs entered and exited in 17.8 s, 4 together (simulated, seed 7).",
        " balance   filled imbalance worst 0.061 %, median 0.031 % (promise: under 0.1 %)",
        " staged    eth_leg killed after READY: 0 orders sent, back in 31 ms",
        "           SOL refused once: 985 USD unhedged for 77 ms, then repaired",
        " orders    21 sent, each once, 21 resolved, 1 restart; venue and ledger agree",
        " money     fees -6.89  spread -0.64  market +0.31  funding 0.00 = NET -7.22 USD",
        "           spread: planned -0.58, slippage against the plan -0.06",
        "           market: hedge +0.32, unhedged 0.00, lots left over -0.01",
        "           residual 0.00 USD: balances -7.22 USD, all explained",
        "           382 USD per 1M traded. Evenkeel hedges; it does not find profit.",
        " open      0 ETH, 0 SOL, 0 orders (asked: cross, isolated, open orders)",
        " files     logs/ledger.sqlite   logs/DN_pair_eth_sol_nado_trades.csv",
        ' next      python supervisor.py run --target "100 USD"   # why 100 is hard',
    ]


def test_pairs_that_miss_the_promise_are_counted_beside_the_balance() -> None:
    missed = (Bps.of("3.1"), Bps.of("10"), Bps.of("10.2"))
    told = text(msgspec.structs.replace(DEMO, totals=totals(filled_imbalances=missed)))
    assert told[2] == "           1 of 3 pairs miss it"


def test_exits_are_told_by_rule_where_any_was_no_ordinary_one() -> None:
    assert not any("exits" in line for line in text(left_by(("HOLD", 5))))
    told = text(left_by(("HOLD", 3), ("STOP_LOSS", 1), ("TAKE_PROFIT", 1)))
    assert " exits     3 by HOLD, 1 by STOP_LOSS, 1 by TAKE_PROFIT" in told
    assert run_json(left_by(("HOLD", 5)))["exits"] == {"HOLD": 5}


def left_by(*exits: tuple[str, int]) -> Report:
    return msgspec.structs.replace(DEMO, totals=msgspec.structs.replace(totals(), exits=exits))


def test_no_line_of_the_summary_is_wider_than_a_terminal() -> None:
    assert max(len(line) for line in text(DEMO)) <= 80


def test_money_that_is_not_known_is_not_zero() -> None:
    unknown = text(msgspec.structs.replace(DEMO, totals=totals(pnl=None, funding=None)))
    assert " money     fees -6.89  spread -0.64  NET unknown" in unknown
    partly = text(
        msgspec.structs.replace(
            DEMO,
            totals=totals(
                money=statement(state="unread", residual=None, words="the archive has not been read")
            ),
        )
    )
    assert " money     fees -6.89  spread -0.64  market +0.31  funding unknown = NET -7.22 USD" in partly
    assert "           residual unknown: the archive has not been read" in partly


def test_the_money_line_adds_up() -> None:
    """fees + spread + market + funding = NET, whatever the parts are."""
    money = statement(hedge="-0.18", funding="-1.5", net="-9.22")
    lines = text(msgspec.structs.replace(DEMO, totals=totals(pnl=money.net, money=money)))
    assert " money     fees -6.89  spread -0.64  market -0.19  funding -1.50 = NET -9.22 USD" in lines


def test_money_that_was_moved_is_a_line_of_its_own_and_so_is_what_nothing_explains() -> None:
    moved = text(
        msgspec.structs.replace(
            DEMO, totals=totals(money=statement(deposits="25", withdrawals="-15", settled="4.2"))
        )
    )
    assert "           deposits +25.00  withdrawals -15.00  settled into USDT0 +4.20 USD, not in NET" in moved
    odd = statement(
        residual="25",
        state="unexplained",
        words="unexplained: 25 USD in USDT0; between 12:00:00Z and 12:00:05Z; read: the account",
    )
    lines = text(msgspec.structs.replace(DEMO, totals=totals(money=odd)))
    assert "           residual 25 USD, unexplained: 25 USD in USDT0" in lines
    assert "           between 12:00:00Z and 12:00:05Z" in lines


@pytest.mark.parametrize(
    ("twice", "words"),
    [
        (0, "21 sent, each once, 21 resolved"),
        (2, "21 sent, 2 of them twice, 21 resolved"),
        (None, "21 sent, 21 resolved"),
    ],
)
def test_orders_that_left_twice_are_counted_in_words(twice: int | None, words: str) -> None:
    """None: nobody counted, and nothing is claimed."""
    assert any(
        f" orders    {words}, 1 restart" in line
        for line in text(msgspec.structs.replace(DEMO, orders_twice=twice))
    )


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"balance_change": "-7.67", "value_change": "0.45"},
            "balances -7.67, value of positions +0.45 = NET -7.22 USD",
        ),
        ({"balance_change": "17.78", "deposits": "25"}, "balances +17.78 = NET -7.22, not in NET +25.00 USD"),
        (
            {"balance_change": "-992.35", "value_change": "1000.13", "deposits": "25", "withdrawals": "-10"},
            "balances -992.35, value of positions +1000.13 = NET -7.22, not in NET +15.00 USD",
        ),
        # Each rounded by itself they would be a cent apart: -7.674 + 0.454 = -7.22, shown -7.67 + 0.45.
        (
            {"balance_change": "-7.676", "value_change": "0.456"},
            "balances -7.68, value of positions +0.46 = NET -7.22 USD",
        ),
        (
            {"balance_change": "-7.674", "value_change": "0.459", "net": "-7.215"},
            "balances -7.67, value of positions +0.45 = NET -7.22 USD",
        ),
    ],
)
def test_the_balances_and_net_add_up_on_one_line(changes: dict[str, str], line: str) -> None:
    """Seen after an adoption: "balances -2.64 USD, all explained" beside "NET -2.19". What the pair taken
    over was worth is the difference.
    """
    money = statement(**changes)
    lines = text(msgspec.structs.replace(DEMO, totals=totals(pnl=money.net, money=money)))
    assert f"           residual 0.00 USD: {line}" in lines
    figures = [Decimal(each) for each in re.findall(r"[+-]\d+\.\d\d", line)]
    equals = line[: line.index(" = ")].count(".")
    assert sum(figures[:equals]) == sum(figures[equals:])


def test_that_it_is_not_flat_comes_first_and_what_is_open_and_what_to_type_last() -> None:
    """The last line is what stands above the prompt."""
    lines = text(msgspec.structs.replace(DEMO, open_legs="SOL-PERP -8.5"))
    assert lines[0] == "NOT FLAT after 17.8 s (simulated, seed 7)."
    assert lines[-1].startswith("NOT FLAT: SOL-PERP -8.5 at simulated/default · exposure is open now · ")
    assert not any(line.startswith(("FLAT", " open ")) for line in lines)


def test_what_the_venue_did_not_answer_for_is_never_called_agreed() -> None:
    lines = text(
        msgspec.structs.replace(
            DEMO,
            open_legs="unknown, the venue did not answer; by our fills: nothing",
            unknown=True,
            held=held(account_ok=True),
        )
    )
    assert any(line.endswith("venue and ledger not compared") for line in lines)


def test_nothing_traded_says_why_and_what_to_type() -> None:
    empty = totals(
        completed=0,
        skipped=5,
        entered=0,
        together=0,
        filled_imbalances=(),
        exit_imbalances=(),
        orders_sent=0,
        legs_ordered=0,
        traded=Quote(0),
    )
    lines = text(msgspec.structs.replace(DEMO, totals=empty, skips=(SKIPPED,), staged=()))
    assert lines[0] == "FLAT. Nothing was traded in 17.8 s (simulated, seed 7)."
    assert "best 1.31 % (0.024 ETH / 0.5 SOL)" in lines[1]
    assert "Try --target '813 USD' or --when-unbalanced 'accept 1.5 %'." in lines[1]
    assert not any("money" in line for line in lines)


def test_skips_and_failures_are_counted() -> None:
    assert " cycles    3 completed, 1 skipped, 1 failed" in text(
        msgspec.structs.replace(DEMO, totals=totals(completed=3, skipped=1, failed=1))
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"account_ok": False}, "venue and ledger not compared"),
        ({"foreign": "ETH 1"}, "venue and ledger DISAGREE: ETH 1"),
    ],
)
def test_agreement_is_only_claimed_when_it_was_seen(changes: dict[str, object], words: str) -> None:
    lines = text(msgspec.structs.replace(DEMO, held=held(**({"account_ok": True} | changes))))
    assert any(words in line for line in lines)


# -- the object ----------------------------------------------------------------------------------------------


def test_the_object_has_every_key_in_order_and_its_types() -> None:
    told = json.loads(json_line(run_json(DEMO)))
    assert tuple(told) == KEYS
    expected = {
        "schema": "evenkeel.run/1",
        "ok": True,
        "exit_code": 0,
        "ended_by": "done",
        "error": None,
        "cycles": 5,
        "completed": 5,
        "skipped": 0,
        "fill_rate": "0.9",
        "filled_imbalance_max_bps": "6.05",
        "filled_imbalance_median_bps": "3.1",
        "exit_imbalance_max_bps": "7.2",
        "orders_sent": 21,
        "restarts": 1,
        "open_eth": "0",
        "open_sol": "0",
        "pnl_usd": "-7.22",
        "fees_usd": "6.89",
        "funding_usd": "0",
        "halted": False,
        "seed": 7,
        "ledger": "logs/ledger.sqlite",
        "venue": "simulated",
        "subaccount": "default",
    }
    assert {key: told[key] for key in expected} == expected


def test_what_nobody_knows_is_null() -> None:
    told = run_json(
        msgspec.structs.replace(DEMO, totals=None, held=None, ledger=None, open_eth=None, open_sol=None)
    )
    for key in ("cycles", "pnl_usd", "fees_usd", "open_eth", "open_sol", "fill_rate", "halted", "ledger"):
        assert told[key] is None
    assert tuple(told) == KEYS


def test_no_entry_has_no_imbalance_and_no_fill_rate() -> None:
    told = run_json(
        msgspec.structs.replace(
            DEMO, totals=totals(filled_imbalances=(), exit_imbalances=(), legs_ordered=0, completed=0)
        )
    )
    for key in (
        "filled_imbalance_max_bps",
        "filled_imbalance_median_bps",
        "exit_imbalance_max_bps",
        "fill_rate",
    ):
        assert told[key] is None


def test_a_leg_in_doubt_is_not_zero() -> None:
    doubt = Doubt("sol", 1, 1, "0x1", 8, Base(1), Price(1), Ms(1), Base(0))
    told = run_json(
        msgspec.structs.replace(DEMO, held=held(doubts=(doubt,)), open_legs="sol order 0x1 unknown")
    )
    assert (told["open_eth"], told["open_sol"], told["exit_code"], told["ok"]) == ("0", None, 4, False)
    assert told["error"]["code"] == "NOT_FLAT"


def test_amounts_and_sentence_are_one_answer() -> None:
    """Seen: "NOT FLAT: unknown whose: ETH-PERP 0.357" beside "open_eth": "0", which was the ledger's word."""
    told = run_json(
        msgspec.structs.replace(
            DEMO,
            open_legs="unknown whose: ETH-PERP 0.357, SOL-PERP -8.5",
            unknown=True,
            open_eth=Base.of("0.357"),
            open_sol=Base.of("-8.5"),
        )
    )
    assert (told["open_eth"], told["open_sol"], told["exit_code"]) == ("0.357", "-8.5", 4)


def test_a_fill_rate_is_never_rounded_up_to_its_limit() -> None:
    told = run_json(
        msgspec.structs.replace(DEMO, totals=totals(legs_ordered=100_000, legs_filled_first=94_999))
    )
    assert told["fill_rate"] == "0.9499"


def test_a_skip_carries_its_verdict_and_numbers() -> None:
    told = run_json(msgspec.structs.replace(DEMO, skips=(SKIPPED,) * 150))
    assert len(told["skips"]) == 100
    skip = told["skips"][0]
    assert (skip["verdict"], skip["best_bps"], skip["eth"], skip["sol"]) == (
        "best_effort",
        "130.6",
        "0.024",
        "0.5",
    )
    assert (skip["smallest_target_usd"], skip["always_from_usd"]) == ("117.25", "812.4")


def test_money_travels_to_the_last_digit() -> None:
    told = run_json(msgspec.structs.replace(DEMO, totals=totals(pnl=Quote(-7_220_000_000_000_000_001))))
    assert told["pnl_usd"] == "-7.220000000000000001"


def test_orders_that_may_still_rest_at_the_end_are_listed_and_unknown_is_null() -> None:
    resting = held(phase="working", working=(resting_bid(filled=Base.of("0.1")),))
    (told,) = json.loads(json_line(run_json(msgspec.structs.replace(DEMO, held=resting))))["resting"]
    assert (told["leg"], told["ordered"], told["price"], told["filled"]) == ("eth", "0.4", "2756.8", "0.1")
    assert run_json(DEMO)["resting"] == []
    assert run_json(msgspec.structs.replace(DEMO, held=None))["resting"] is None
