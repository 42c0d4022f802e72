"""One message of every kind that is published as an event, as actors say them."""

import msgspec

from commands.output.ending import Report
from commands.output.events import BeginEvent, BudgetLine, LostEvent, QueueLine, RunEvent, StandingEvent
from commands.output.gauges import RunGauges
from commands.output.published import event_of
from commands.output.said import SaidLine
from commands.output.standing import Shown, standing_facts
from commands.output.words import iso_micros
from messages.execution import Resolved
from messages.lifecycle import (
    AccountStream,
    Alarm,
    CycleEnded,
    Denied,
    Halted,
    Note,
    Staged,
    Stopping,
    Waiting,
)
from messages.settings import Settings
from messages.sizing import Abort, Declined, Skipped
from messages.units import Base, Bps, Ms, Ns, Quote
from runtime import specs
from runtime.clock import ClockShift
from tests.actors.fakes import RULES, START_MS, quote, resting_bid
from tests.commands.resting_scene import maker_fill, quote_ended, quote_of_eth
from tests.commands.scenes import (
    ETH_ORDER,
    SOL_ORDER,
    closed_plan,
    fill,
    hop,
    leg_fill,
    open_pair,
    outcome,
    place,
    plan,
    totals,
    votes,
)
from venue.protocol import rules_read

AT = Ns(START_MS * 1_000_000)
ASKED_MS = Ms(START_MS - 400)
SEALED = plan()
QUOTED = quote_of_eth(seq=8)
MESSAGES: tuple[msgspec.Struct, ...] = (
    Note(AT, "info", "run", "account 10,000 USDT0"),
    hop("eth_leg sends", ETH_ORDER),
    SEALED,
    votes(SEALED)[0],
    Declined("sol", 2, 7, "NOT_CONNECTED", "the leg has no connection"),
    place(SEALED),
    Abort(2, 7, "NOT_CONNECTED", "the leg has no connection"),
    outcome(SEALED, "sol", "refused", 2031),
    fill(ETH_ORDER, 4, "-0.357", "2757.9"),
    Resolved(SOL_ORDER, 8, Base.of("8.5"), Quote.of("984.81"), Quote.of("0.34"), False, "archive"),
    closed_plan(
        SEALED,
        leg_fill(SEALED.plan.eth, ETH_ORDER, "-0.357", "2757.9"),
        leg_fill(SEALED.plan.sol, SOL_ORDER, "0", "0", 2031),
    ),
    QUOTED,
    place(QUOTED, sol=""),
    maker_fill("-0.1", "0.257"),
    quote_ended(QUOTED, "-0.1"),
    CycleEnded(4, "completed", "", Quote.of("76.2")),
    Skipped(5, "SPREAD_WIDE", "the spread of SOL-PERP is 6.1 bps, limit 5 bps", None),
    Waiting("enter", "SPREAD_WIDE", "the spread of SOL-PERP is 6.1 bps, limit 5 bps"),
    Denied("MAX_DAILY_LOSS", "this UTC day has cost 50.10 USD, limit 50.00 USD; nothing more is entered"),
    Alarm("SPREAD_WIDE", "every entry has been denied for 10 min", Ms(START_MS)),
    Halted("LEGGING_BUDGET", "512 USD·s unhedged, limit 500 USD·s"),
    Stopping("SIGINT", Ms(15_000)),
    AccountStream(False, "the connection was lost"),
    specs.Exited("trading", "eth_leg", 1, "Killed", ""),
    specs.ChildStarted("trading", "eth_leg", 2),
    specs.GivingUp("root", "more than 5 failures within 60 s"),
    ClockShift(Ms(0), Ms(-4_000)),
    rules_read(RULES),
    Staged(3, "eth_leg killed after READY"),
    SaidLine(7, Ms(START_MS), 4, "plan 2.7 aborted, NOT_CONNECTED: 0 orders sent", True, "plan"),
    quote(),
    RunGauges(
        (QueueLine("supervisor", 0, 1_024), QueueLine("ledger", 3, 4_096)),
        (BudgetLine("executes", 10_000, 4, 100),),
        Quote.of("-0.27"),
        Bps.of("2.7"),
        Bps.of("2.4"),
        Quote.of("9994.91"),
        Quote.of("5.09"),
        Quote(0),
        21,
        21,
        0,
    ),
    Report(Settings(), 7, "halt", 9_400, totals(), None, "", code="LEGGING_BUDGET", detail="see the log"),
)
CANCELLED = resting_bid(ETH_ORDER, opens=False, filled=Base.of("0.1"), cancel_asked_ms=ASKED_MS)
RESTING = open_pair(totals=totals(), phase="working", working=(CANCELLED,))
SHOWN = Shown(
    Settings(), RESTING, "QUOTING: buy 0.4 ETH at 2756.8 rests to exit, given up in 10 s", 2, 4, "guard off"
)


def sample_lines() -> list[RunEvent]:
    """A line of every type that there is."""
    begin = BeginEvent(
        seq=0,
        at=iso_micros(AT),
        pid=4123,
        money="SIMULATED, play money",
        venue="simulated",
        subaccount="default",
        target_usd="1000",
        seed=7,
        cycles=5,
        max_imbalance_bps="10",
        max_quote_age_ms=1_000,
        logs="logs",
    )
    lost = LostEvent(seq=8_112, at=iso_micros(AT), count=412)
    standing = StandingEvent(seq=26, at=iso_micros(AT), **standing_facts(SHOWN, START_MS))
    return [
        begin,
        lost,
        standing,
        *(event_of(message, seq, AT) for seq, message in enumerate(MESSAGES, start=1)),
    ]
