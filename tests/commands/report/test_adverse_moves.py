"""Mids after fills, by a recording that a test can work out, and what they say against us."""

from pathlib import Path

import pytest

from commands.report.adverse_moves import AFTER_S, adverse_moves, mids_after
from commands.report.cycle_execution import OrderFill
from messages.sizing import Leg
from messages.units import ONE, Base, Price, Quote
from tests.commands.report.ledgers import last_object, ledger_traded, report_told
from tests.commands.run.test_replay_ends import recording
from tests.venue.simulated.markets.test_recording import book, recorded
from venue.simulated.markets.recording import RecordingMarket

S = 1_000_000_000


def eth_fill(at_ns: int, amount: str = "2", *, leg: Leg = "eth", mid: str = "100.05") -> OrderFill:
    size = int(Base.of(amount))
    return OrderFill(leg, at_ns, size, abs(size) * 100, int(Price.of(mid)), True)


def market(folder: Path) -> RecordingMarket:
    """ETH's mid is 100.05 at 1 s, 100.15 at 2 s and 99.85 at 12 s; SOL stands."""
    rows = [
        book(1 * S, "SOL-PERP", "20.00 9 20.01 9"),
        book(1 * S, "ETH-PERP", "100.0 9 100.1 9"),
        book(2 * S, "ETH-PERP", "100.1 9 100.2 9"),
        book(12 * S, "ETH-PERP", "99.8 9 99.9 9"),
        book(62 * S, "SOL-PERP", "20.00 9 20.02 9"),
    ]
    return RecordingMarket(recorded(folder, l2_20=rows))


def test_the_mid_at_a_moment_is_that_of_the_last_move_until_then(tmp_path: Path) -> None:
    here = market(tmp_path)
    mids = mids_after(here, here.began_ns, [eth_fill(1 * S), eth_fill(2 * S - 1)])
    shown = {at: Price(mid).text() for (_, at), mid in mids.items()}
    assert shown == {
        1 * S: "100.05",
        2 * S - 1: "100.05",
        2 * S: "100.15",
        3 * S - 1: "100.15",
        11 * S: "100.15",
        12 * S - 1: "100.15",
        61 * S: "99.85",
        62 * S - 1: "99.85",
    }


def test_a_moment_outside_of_the_recording_is_not_known(tmp_path: Path) -> None:
    here = market(tmp_path)
    early, late = eth_fill(S - 1), eth_fill(61 * S + 1)
    assert ("eth", S - 1) not in mids_after(here, here.began_ns, [early])
    assert set(mids_after(here, here.began_ns, [late])) == {("eth", 61 * S + 1)}


def test_bought_before_a_fall_and_sold_before_a_rise_is_adverse(tmp_path: Path) -> None:
    """USD per 1M of what traded: 2 ETH are 200 USD here."""
    here = market(tmp_path)
    bought, sold = eth_fill(1 * S), eth_fill(1 * S, "-2")
    mids = mids_after(here, here.began_ns, [bought, sold])
    for each, sign in ((bought, 1), (sold, -1)):
        moves = adverse_moves([[each]], mids)
        # 0.00, 0.10, 0.10 and -0.20 of 100
        assert [one.value for one in moves.per_million] == [
            sign * Quote.of(usd) for usd in ("0", "-1000", "-1000", "2000")
        ]
        assert moves.known == (1, 1, 1, 1)


def test_a_fill_without_a_mid_at_its_decision_or_after_it_is_left_out(tmp_path: Path) -> None:
    here = market(tmp_path)
    known, blind, late = eth_fill(1 * S), eth_fill(1 * S, "8", mid="0"), eth_fill(55 * S, "4")
    mids = mids_after(here, here.began_ns, [known, blind, late])
    assert adverse_moves([[known, blind], [], [late]], mids).known == (2, 2, 1, 1)


def test_without_a_market_nothing_is_known() -> None:
    moves = adverse_moves([[eth_fill(S)]], {})
    assert (moves.known, {each.value for each in moves.per_million}) == ((0,) * len(AFTER_S), {None})


def test_report_reads_the_recording_that_was_replayed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    logs, here = tmp_path / "logs", recording(tmp_path, 90)
    ledger_traded(logs, capsys, "--market", here, "--hold", "5 s")
    _, without = report_told(capsys, "--logs", str(logs))
    code, told = report_told(capsys, "--logs", str(logs), "--market", here)
    (policy,) = told["accounts"][0]["policies"]
    assert (code, policy["entry"], policy["exit"]) == (0, "taker-taker", "taker-taker")
    taken = policy["adverse_per_million_usd"]["taken"]
    # the last exit trades when the recording is over
    assert taken["0 s"]["fills"] == policy["orders_sent"] - 2
    assert 0 < taken["60 s"]["fills"] < taken["0 s"]["fills"]
    # prices go one tick up and one down: none is ever further from a decision
    tick = Quote.of("0.1") * 10**6 // Quote.of("115") * ONE // 10
    assert all(abs(Quote.of(taken[f"{after} s"]["value"])) <= tick for after in AFTER_S)
    (blind,) = without["accounts"][0]["policies"]
    assert {each["fills"] for each in blind["adverse_per_million_usd"]["taken"].values()} == {0}
    assert blind["per_million_usd"] == policy["per_million_usd"]


def test_what_is_no_recording_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from commands import cli

    for market_typed in ("synthetic", str(tmp_path / "nowhere")):
        assert cli.main(["report", "--json", "--market", market_typed]) == 2
        assert last_object(capsys)["error"]["key"] == "--market"
