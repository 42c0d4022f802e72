"""Which events are alerts: each kind by a sample, what lasts by the clock, and what a watcher that replaces
another does not tell twice.
"""

from datetime import datetime

import msgspec
import pytest

from commands.alerts.alert import Alert
from commands.alerts.rules import ACCOUNT_S, FRESH_S, SILENT_S, UNHEDGED_S, AlertRules
from commands.output.events import (
    AccountStreamEvent,
    BeginEvent,
    CycleEvent,
    EndedEvent,
    GaugesEvent,
    NoteEvent,
    RunEvent,
    StandingEvent,
)
from commands.watched.told import WatcherBrief
from tests.commands.output.event_samples import sample_lines

UTC_S = datetime.fromisoformat(sample_lines()[0].at).timestamp()


def rules(*, guarded: bool = True, number: int = 1) -> AlertRules:
    return AlertRules(WatcherBrief("run", 1, "t", guarded, number=number), "logs")


def told(event: RunEvent, of: AlertRules | None = None, now_s: float = 0.0) -> list[Alert]:
    return list((of or rules()).of_event(event, now_s, UTC_S))


def example_of(kind: type[RunEvent]) -> RunEvent:
    return next(line for line in sample_lines() if isinstance(line, kind))


def changed(kind: type[RunEvent], **fields: object) -> RunEvent:
    return msgspec.structs.replace(example_of(kind), **fields)


def test_what_each_kind_of_event_tells() -> None:
    found = {type(line).__name__: [f"{a.level} {a.text}" for a in told(line)] for line in sample_lines()}
    assert {kind: alerts for kind, alerts in found.items() if alerts} == {
        "BeginEvent": ["info started, SIMULATED, play money, 1000 USD per leg"],
        "LostEvent": ["info 412 events were dropped before they were read"],
        "AlarmEvent": ["warning ALARM SPREAD_WIDE: every entry has been denied for 10 min"],
        "HaltedEvent": ["critical HALTED LEGGING_BUDGET: 512 USD·s unhedged, limit 500 USD·s"],
        "StoppingEvent": ["info stopping (SIGINT): closing both legs"],
        "ActorEndedEvent": ["warning eth_leg died: Killed"],
        "GivingUpEvent": ["critical root gives up: more than 5 failures within 60 s"],
        "EndedEvent": [
            "critical ended with exit code 70: HALTED LEGGING_BUDGET: see the log · flat at the venue · read"
            ' docs/running.md#legging_budget, then python supervisor.py clear-halt --reason "..." --logs logs'
        ],
    }


@pytest.mark.parametrize(
    ("event", "texts"),
    [
        (changed(CycleEvent, ending="failed", detail="SOL refused"), ["cycle 4 failed: SOL refused"]),
        (changed(NoteEvent, level="error", text="GUARD_DOWN: gone"), ["run: GUARD_DOWN: gone"]),
        (changed(GaugesEvent, orders_twice=1), ["1 orders left more than once"]),
        (changed(StandingEvent, money="unexplained: 3 USD"), ["money unexplained: 3 USD"]),
    ],
)
def test_what_some_of_their_values_tell(event: RunEvent, texts: list[str]) -> None:
    assert [alert.text for alert in told(event)] == texts


@pytest.mark.parametrize(
    ("code", "level"),
    [
        (0, "info"),
        (1, "warning"),
        (3, "warning"),
        (4, "critical"),
        (70, "critical"),
        (130, "info"),
        (143, "info"),
    ],
)
def test_how_a_run_ended_is_told_by_its_exit_code(code: int, level: str) -> None:
    [alert] = told(changed(EndedEvent, exit_code=code))
    assert alert.level == level


def test_what_happened_before_a_watcher_replaced_another_is_not_told_again() -> None:
    late = rules(number=2)
    assert list(late.of_event(example_of(BeginEvent), 0, UTC_S)) == []
    for line in sample_lines():
        assert list(late.of_event(line, 0, UTC_S + FRESH_S + 1)) == []


def test_a_run_that_says_nothing_is_told_once_with_what_follows_and_again_when_it_speaks() -> None:
    of = rules()
    told(changed(StandingEvent, words="Hedged: long 1 ETH."), of)
    assert list(of.of_time(5, SILENT_S - 1)) == []
    [alert] = of.of_time(12, SILENT_S + 2)
    assert alert.level == "critical"
    assert alert.text == (
        "the run has said nothing for 12 s; it said last: Hedged: long 1 ETH. its guard closes what is open"
        " and tells of it · python supervisor.py status --logs logs"
    )
    assert list(of.of_time(20, SILENT_S + 10)) == []
    assert [each.code for each in told(example_of(GaugesEvent), of)] == ["SPEAKS_AGAIN"]
    assert "no guard watches it" in next(iter(rules(guarded=False).of_time(12, SILENT_S))).text


@pytest.mark.parametrize("stands", ["open", "unknown"])
def test_exposure_that_lasts_is_told_and_one_that_is_repaired_in_time_is_not(stands: str) -> None:
    of = rules()
    told(changed(StandingEvent, stands=stands, words="Not hedged: ETH-PERP 1."), of, now_s=100)
    assert list(of.of_time(100 + UNHEDGED_S - 1, 0)) == []
    [alert] = of.of_time(100 + UNHEDGED_S, 0)
    assert (alert.level, alert.code) == ("critical", "UNHEDGED")
    assert "Not hedged: ETH-PERP 1." in alert.text
    told(changed(StandingEvent, stands="flat"), of, now_s=120)
    assert list(of.of_time(500, 0)) == []


def test_an_account_stream_that_stays_away_is_told_once() -> None:
    of = rules()
    told(changed(AccountStreamEvent, live=False, detail="lost"), of, now_s=0)
    assert list(of.of_time(ACCOUNT_S - 1, 0)) == []
    assert [alert.code for alert in of.of_time(ACCOUNT_S, 0)] == ["ACCOUNT_GONE"]
    assert list(of.of_time(100, 0)) == []


def test_an_account_stream_that_comes_back_is_none() -> None:
    of = rules()
    told(changed(AccountStreamEvent, live=False), of, now_s=0)
    told(changed(AccountStreamEvent, live=True), of, now_s=ACCOUNT_S - 1)
    assert list(of.of_time(100, 0)) == []


def test_a_run_that_is_gone_without_a_word_is_critical() -> None:
    alert = rules().gone()
    assert (alert.level, alert.code) == ("critical", "GONE")
