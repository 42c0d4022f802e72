"""What a run is doing, in one line, at every moment of it."""

import msgspec
import pytest

from commands.output.doing import Seen, doing, same, without_run
from messages.execution import Doubt
from messages.lifecycle import PAUSED, Halted, Legging, Stopping, Waiting
from messages.settings import Settings
from messages.units import Base, Ms, Price, Quote
from tests.actors.fakes import START_MS, held, resting_bid
from tests.commands.scenes import SKIPPED, open_pair, plan

NOW = START_MS
WIDE = Waiting(
    "enter",
    "SPREAD_WIDE",
    "the spread of SOL-PERP is 0.49 bps, limit 0.4 bps",
    "SOL 0.49 > 0.40 bps",
    Ms(NOW + 2_100),
)
ENTER = plan().plan
DOUBT = Doubt("sol", 2, 7, "0x88d0aabb", 8, Base.of("8.5"), Price.of("116"), Ms(NOW + 2_000), Base(0))
FLAT = Seen(Settings(), held(), quoted=True)
CLOSING = resting_bid(opens=False)
LONGER = msgspec.structs.replace(
    CLOSING, terms=msgspec.structs.replace(CLOSING.terms, give_up_ms=Ms(NOW + 60_000))
)
"""The attempt goes on for a minute, and the order expires before."""
OPEN = Seen(Settings(), open_pair(), quoted=True, plan=ENTER, fate="closed")


def seen(base: Seen = FLAT, **changes: object) -> Seen:
    return msgspec.structs.replace(base, **changes)


@pytest.mark.parametrize(
    ("state", "after_ms", "line"),
    [
        (Seen(Settings()), 0, "STARTING: reading the ledger and the account"),
        (seen(held=held(account_ok=False)), 0, "WAITING: the account has not been read yet"),
        (seen(quoted=False), 0, "WAITING: no books of ETH-PERP and SOL-PERP yet"),
        (FLAT, 0, "WAITING: for the next plan to enter"),
        (seen(waiting=WIDE), 0, "WAITING: SPREAD_WIDE SOL 0.49 > 0.40 bps, skips in 3 s"),
        (seen(waiting=WIDE), 1_700, "WAITING: SPREAD_WIDE SOL 0.49 > 0.40 bps, skips in 0.4 s"),
        (
            seen(waiting=Waiting("enter", "RULES_STALE", "the rules were last read 16000 ms ago")),
            0,
            "WAITING: RULES_STALE: the rules were last read 16000 ms ago",
        ),
        (
            seen(skipped=SKIPPED, held=held(last_change_ms=Ms(NOW))),
            100,
            "WAITING: skipped, UNBALANCED best 130.60 bps, tries again in 0.4 s",
        ),
        (seen(plan=ENTER), 0, "ENTERING: sell 0.357 ETH, buy 8.5 SOL, waiting for the votes"),
        (
            seen(plan=ENTER, fate="placed", held=held(phase="in_flight")),
            0,
            "ENTERING: sell 0.357 ETH, buy 8.5 SOL, waiting for fills",
        ),
        (
            seen(held=held(phase="working", working=(resting_bid(),))),
            0,
            "QUOTING: buy 0.4 ETH at 2756.8 rests to enter, given up in 10 s",
        ),
        (
            seen(held=held(phase="working", working=(resting_bid(filled=Base.of("0.1")),))),
            9_500,
            "QUOTING: buy 0.4 ETH at 2756.8 rests to enter, 0.1 traded, given up in 0.5 s",
        ),
        (
            seen(held=held(phase="working", working=(LONGER,))),
            0,
            "QUOTING: buy 0.4 ETH at 2756.8 rests to exit, expires in 17 s",
        ),
        (
            seen(held=held(phase="working", working=(resting_bid(hedges=True),))),
            0,
            "QUOTING: buy 0.4 ETH at 2756.8 rests to hedge, given up in 10 s",
        ),
        (
            seen(held=held(phase="working", working=(resting_bid(cancel_asked_ms=Ms(NOW)),))),
            0,
            "QUOTING: buy 0.4 ETH at 2756.8 is being cancelled",
        ),
        (
            seen(held=held(phase="working", working=(resting_bid(cancel_asked_ms=Ms(NOW)),))),
            17_001,
            "QUOTING: buy 0.4 ETH at 2756.8, asking the exchange what it did",
        ),
        (
            seen(plan=ENTER, fate="closed", held=held(phase="in_flight")),
            0,
            "SENDING: waiting for what became of both orders",
        ),
        (OPEN, 500, "HOLDING: exits in 1.5 s"),
        (seen(OPEN, settings=Settings(hold=Ms(55_400))), 400, "HOLDING: exits in 55.0 s"),
        (
            seen(
                OPEN,
                settings=Settings(hold=Ms(55_400)),
                waiting=Waiting("exit", "QUOTE_STALE", "old", "ETH 1500 > 1000 ms"),
            ),
            400,
            "HOLDING: exits in 55.0 s, QUOTE_STALE ETH 1500 > 1000 ms",
        ),
        (OPEN, 185_000, "HOLDING: hedged, exit overdue 3 m 03 s"),
        (
            seen(OPEN, waiting=Waiting("exit", "NOT_SEALED", "hedged, and kept: SOL-PERP is post_only")),
            5_000,
            "HOLDING: hedged, exit overdue 3.0 s, NOT_SEALED: hedged, and kept: SOL-PERP is post_only",
        ),
        (
            seen(
                OPEN,
                held=open_pair(
                    phase="uneven", sol=Base(0), legging=Legging(naked=Quote.of("985")), repairs=1
                ),
            ),
            0,
            "REPAIRING: ETH-PERP -0.357 open, 985 USD unhedged, 1 of 3 tried",
        ),
        (
            seen(
                OPEN,
                held=open_pair(
                    phase="uneven", sol=Base(0), legging=Legging(naked=Quote.of("985")), flattens=2
                ),
            ),
            0,
            "CLOSING: ETH-PERP -0.357 open, 985 USD unhedged, 2 tried",
        ),
        (
            seen(plan=plan("repair", seq=8, eth="0").plan, held=open_pair(phase="uneven")),
            0,
            "REPAIRING: buy 8.5 SOL, waiting for the votes",
        ),
        (
            seen(plan=plan("exit").plan, fate="placed", held=open_pair(phase="in_flight")),
            0,
            "EXITING: sell 0.357 ETH, buy 8.5 SOL, waiting for fills",
        ),
        (seen(held=held(awaiting_proof=True)), 0, "CHECKING: flat by our fills, asking the exchange"),
        (seen(held=held(completed=1, last_change_ms=Ms(NOW))), 100, "PAUSED: next cycle in 0.4 s"),
        (
            seen(held=held(completed=1), waiting=Waiting("enter", PAUSED, "by Telegram")),
            0,
            "PAUSED: by Telegram, nothing is entered until it is resumed",
        ),
        (seen(held=held(completed=5, skipped=9)), 0, "DONE: 5 of 5 cycles"),
        (seen(held=held(foreign="SOL-PERP 3 is not ours")), 0, "BLOCKED: SOL-PERP 3 is not ours"),
        (
            seen(OPEN, stopping=Stopping("SIGINT", Ms(15_000)), stops_by_ms=NOW + 15_000),
            3_000,
            "STOPPING: SIGINT, closing both legs, 12 s left",
        ),
        (
            seen(stopping=Stopping("SIGINT", Ms(15_000)), stops_by_ms=NOW + 15_000),
            3_000,
            "STOPPING: SIGINT, nothing is open",
        ),
        (
            seen(OPEN, halted=Halted("LEGGING_BUDGET", "too long")),
            0,
            "HALTED: LEGGING_BUDGET, closing what is open",
        ),
        (seen(halted=Halted("MAX_DAILY_LOSS", "x")), 0, "HALTED: MAX_DAILY_LOSS"),
    ],
)
def test_the_line_says_what_it_is_doing_and_what_it_waits_for(state: Seen, after_ms: int, line: str) -> None:
    assert doing(state, NOW + after_ms) == line


def test_an_order_in_doubt_is_named_with_the_time_until_which_it_may_last() -> None:
    line = doing(seen(held=held(phase="in_flight", doubts=(DOUBT,))), NOW)
    assert line == "RESOLVING: SOL order 0x88d0 unknown until 14:13:22Z at the latest"


@pytest.mark.parametrize(
    ("halted", "words", "unknown", "pid", "line"),
    [
        (None, "", False, None, "STOPPED: no run is alive, nothing is open"),
        (("GAVE_UP", "x"), "", False, None, "HALTED: GAVE_UP, nothing is entered until clear-halt"),
        (
            ("GAVE_UP", "x"),
            "SOL-PERP -8.5",
            False,
            None,
            "NOT MANAGED: SOL-PERP -8.5 open, and no run is alive",
        ),
        (
            None,
            "unknown: the venue did not answer",
            True,
            None,
            "UNKNOWN: nobody can say what is open, and no run is alive",
        ),
        (None, "", False, 4123, "NOT RESPONDING: the run, pid 4123, does not answer"),
    ],
)
def test_without_a_run_it_says_how_things_stand(
    halted: tuple[str, str] | None, words: str, unknown: bool, pid: int | None, line: str
) -> None:
    assert without_run(halted, words, unknown=unknown, silent_pid=pid) == line


def test_a_countdown_is_the_same_line_and_another_reason_is_not() -> None:
    assert same("HOLDING: exits in 55 s", "HOLDING: exits in 4 s")
    assert not same(
        "WAITING: SPREAD_WIDE SOL 0.49 > 0.40 bps, skips in 3 s",
        "WAITING: DEPTH_THIN SOL 0.49 > 0.40 bps, skips in 3 s",
    )
