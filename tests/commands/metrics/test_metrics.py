"""`/metrics`: each figure is what the run's events say, what nobody knows has no sample, and the dashboard
and the rules ask for nothing that is not there.
"""

import json
import re
import shutil
import subprocess
from pathlib import Path

import httpx
import msgspec
import pytest
import trio
import yaml
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette
from trio.testing import MockClock

from commands.metrics.exposition import UP_S, RunMetrics
from commands.metrics.route import metrics_route
from commands.output.event_feed import line_of
from commands.output.events import (
    AnswerEvent,
    FillEvent,
    GaugesEvent,
    HopEvent,
    PlacedEvent,
    RunEvent,
    SealedEvent,
    StandingEvent,
)
from commands.output.words import iso_micros
from commands.watched.told import WatcherBrief
from commands.watched.watched import Watched
from messages.settings import Settings
from runtime.clock import WallClock
from tests.commands.metrics.dashboard import DASHBOARD, ROOT, board_text
from tests.commands.metrics.page import PAGE, metric_rows, page_with
from tests.commands.output.event_samples import sample_lines

OWN = ("default", "desk")
RULES = ROOT / "deploy" / "prometheus"
Samples = dict[tuple[str, ...], float]


def fed(*events: RunEvent) -> tuple[Watched, RunMetrics]:
    watched = Watched(WatcherBrief("run", 1, "t", True))
    metrics = RunMetrics(watched, OWN, Path("/no/ledger"))
    for event in events:
        watched.take(line_of(event).encode())
    return watched, metrics


def samples(metrics: RunMetrics) -> Samples:
    """(name, values of the labels by their names, but for the two of every sample) -> value."""
    found: Samples = {}
    for family in text_string_to_metric_families(metrics.text().decode()):
        for sample in family.samples:
            labels = dict(sample.labels)
            assert (labels.pop("subaccount"), labels.pop("host")) == OWN, sample
            found[(sample.name, *labels.values())] = sample.value
    return found


async def test_every_figure_of_the_samples_is_the_one_that_the_events_say() -> None:
    found = samples(fed(*sample_lines())[1])
    events = {type(line): line for line in sample_lines()}
    standing, gauges = events[StandingEvent], events[GaugesEvent]
    assert isinstance(standing, StandingEvent)
    assert isinstance(gauges, GaugesEvent)
    assert found[("evenkeel_stands", standing.stands)] == 1
    assert sum(value for (name, *_), value in found.items() if name == "evenkeel_stands") == 1
    assert {cause: found[("evenkeel_cost_usd", cause)] for cause in ("fees", "spread", "slippage")} == {
        line.cause: float(line.paid_usd)
        for line in standing.costs
        if line.cause in {"fees", "spread", "slippage"}
    }
    assert found[("evenkeel_traded_usd_total",)] == float(standing.traded_usd)
    assert found[("evenkeel_exposure_usd",)] == float(gauges.exposure_usd or "nan") == -0.27
    assert found[("evenkeel_queue_depth", "ledger")] == found[("evenkeel_ledger_lag_messages",)] == 3
    assert found[("evenkeel_weight_spent", "executes", "10s")] == 4
    assert found[("evenkeel_rejects_total", "2031", "sol")] == 1
    assert found[("evenkeel_promise_bps",)] == 10
    assert found[("evenkeel_actor_restarts_total", "eth_leg")] == 1
    assert found[("evenkeel_events_lost_total",)] == 412


async def test_what_nobody_knows_has_no_sample() -> None:
    """A mutant that writes 0 instead makes an unknown exposure look hedged."""
    every = sample_lines()
    unknown = [
        msgspec.structs.replace(each, exposure_usd=None, account_value_usd=None, residual_usd=None)
        if isinstance(each, GaugesEvent)
        else msgspec.structs.replace(each, eth=None, net_usd=None, unhedged=None)
        if isinstance(each, StandingEvent)
        else each
        for each in every
    ]
    names = {name for name, *_ in samples(fed(*unknown)[1])}
    absent = {"exposure_usd", "account_value_usd", "residual_usd", "net_usd", "unhedged_usd"}
    assert not {f"evenkeel_{each}" for each in absent} & names
    assert ("evenkeel_position", "eth") not in samples(fed(*unknown)[1])
    assert ("evenkeel_position", "eth") in samples(fed(*every)[1])


async def test_before_anything_was_heard_there_is_only_whether_it_is_up() -> None:
    assert {name for name, *_ in samples(fed()[1])} == {
        "evenkeel_up",
        "evenkeel_silent_seconds",
        "evenkeel_events_lost_total",
    }


async def test_a_run_that_is_silent_or_gone_is_not_up(autojump_clock: MockClock) -> None:
    watched, metrics = fed(*sample_lines())
    assert samples(metrics)[("evenkeel_up",)] == 1
    await trio.sleep(UP_S + 1)
    assert samples(metrics)[("evenkeel_up",)] == 0
    watched.take(line_of(sample_lines()[2]).encode())
    assert samples(metrics)[("evenkeel_up",)] == 1
    watched.gone.set()
    assert samples(metrics)[("evenkeel_up",)] == 0


def placed(**orders: str) -> PlacedEvent:
    at = sample_lines()[0].at
    return PlacedEvent(seq=1, at=at, plan="2.7", eth_order=orders.get("eth"), sol_order=orders.get("sol"))


async def test_a_fill_counts_once_for_its_leg_however_often_it_is_told() -> None:
    one = next(line for line in sample_lines() if isinstance(line, FillEvent))
    half = msgspec.structs.replace(one, remaining="0.1")
    stranger = msgspec.structs.replace(one, order="0xother")
    found = samples(fed(placed(eth=one.order), one, one, half, half, stranger)[1])
    assert found[("evenkeel_fills_total", "eth")] == 2
    assert found[("evenkeel_fills_total", "unknown")] == 1


async def test_a_leg_that_ordered_nothing_has_not_been_answered() -> None:
    answer = next(line for line in sample_lines() if isinstance(line, AnswerEvent))
    nothing = msgspec.structs.replace(answer, kind="none", code=None)
    assert not [key for key in samples(fed(nothing)[1]) if key[0] == "evenkeel_order_answers_total"]


async def every_metric() -> str:
    """All that can be told, from the samples and a plan that is over."""
    words = ("supervisor seals", "eth_leg votes", "sol_leg votes", "ledger intent", "eth_leg sends")
    one = next(line for line in sample_lines() if isinstance(line, HopEvent))
    hops = [msgspec.structs.replace(one, hop=word) for word in words]
    return fed(placed(eth="a", sol="b"), *hops, *sample_lines())[1].text().decode()


async def test_the_page_lists_every_metric_as_it_is_told() -> None:
    made = "python -m tests.commands.metrics.page"
    assert PAGE.read_text(encoding="utf-8") == page_with(metric_rows(await every_metric())), made


# -- who may ask ---------------------------------------------------------------------------------------------


async def status(settings: Settings, base: str, headers: dict[str, str]) -> int:
    watched = Watched(WatcherBrief("run", 1, "t", True))
    app = Starlette(routes=[metrics_route(settings, watched)])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=base) as client:
        return (await client.get("/metrics", headers=headers)).status_code


async def test_without_a_token_only_this_machine_is_answered() -> None:
    assert await status(Settings(), "http://127.0.0.1:8080", {}) == 200
    assert await status(Settings(), "https://desk.example.com", {}) == 403


async def test_with_a_token_nobody_is_answered_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCRAPE", "s3cret-s3cret")
    settings = Settings(metrics_token="env:SCRAPE")  # noqa: S106
    shown: tuple[dict[str, str], ...] = (
        {},
        {"authorization": "Bearer x"},
        {"authorization": "Bearer s3cret-s3cret"},
    )
    for base in ("https://desk.example.com", "http://127.0.0.1:8080"):
        assert [await status(settings, base, headers) for headers in shown] == [403, 403, 200]


# -- dashboard and rules -------------------------------------------------------------------------------------


def named_in(text: str) -> set[str]:
    return set(re.findall(r"\bevenkeel_[a-z_]+", text))


async def test_the_dashboard_and_the_rules_ask_for_nothing_that_is_not_there() -> None:
    ordered = [placed(eth="a", sol="b"), *sample_lines()]
    watched, metrics = fed(*ordered)
    # steps have samples once a plan is over
    text = metrics.text().decode()
    there = named_in(text) | {"evenkeel_step_seconds_bucket", "evenkeel_ledger_bytes"}
    assert watched.unread == 0
    rules = (RULES / "evenkeel-rules.yml").read_text()
    asked = {name for line in rules.splitlines() if "expr:" in line for name in named_in(line)}
    assert named_in(board_text()) | asked <= there
    assert len(asked) > 10


def test_the_dashboard_is_what_comes_of_its_declaration() -> None:
    made = "python -m tests.commands.metrics.dashboard"
    assert DASHBOARD.read_text(encoding="utf-8") == board_text(), made
    board = json.loads(board_text())
    assert all("$subaccount" in each["expr"] for panel in board["panels"] for each in panel["targets"])


def test_every_rule_has_a_severity_and_names_whose_run_it_is() -> None:
    rules = yaml.safe_load((RULES / "evenkeel-rules.yml").read_text())["groups"][0]["rules"]
    for rule in rules:
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert "$labels.subaccount" in rule["annotations"]["summary"]


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not here (on Debian: prometheus)")
@pytest.mark.parametrize(
    "words",
    [
        ("check", "rules", "evenkeel-rules.yml"),
        ("test", "rules", "evenkeel-rules-test.yml"),
        ("check", "config", "scrape.yml"),
    ],
)
def test_promtool_takes_the_rules(words: tuple[str, ...]) -> None:
    ran = subprocess.run(["promtool", *words], cwd=RULES, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not here (on Debian: prometheus)")
async def test_promtool_takes_what_is_served() -> None:
    served = fed(*sample_lines())[1].text()
    ran = await trio.run_process(
        ["promtool", "check", "metrics"], stdin=served, capture_stdout=True, capture_stderr=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


# -- orders that rest ----------------------------------------------------------------------------------------


def standing_with(**changes: str | None) -> StandingEvent:
    """The sample, whose one order that rests differs so."""
    one = next(line for line in sample_lines() if isinstance(line, StandingEvent))
    (order,) = one.working or ()
    return msgspec.structs.replace(one, working=(msgspec.structs.replace(order, **changes),))


async def test_orders_that_rest_are_counted_and_one_beyond_its_expiration_is_overdue() -> None:
    now_ns = WallClock().utc_ns()
    soon, long_ago = (iso_micros(now_ns + each * 10**9) for each in (3_600, -3_600))
    alive = samples(fed(standing_with(expires_at=soon))[1])
    assert (alive[("evenkeel_resting_orders", "eth")], alive[("evenkeel_resting_orders", "sol")]) == (1, 0)
    assert alive[("evenkeel_resting_overdue_seconds", "eth")] == 0
    late = samples(fed(standing_with(expires_at=long_ago))[1])
    assert late[("evenkeel_resting_overdue_seconds", "eth")] >= 3_600


async def test_before_the_ledger_has_spoken_nobody_says_that_nothing_rests() -> None:
    unknown = msgspec.structs.replace(standing_with(), working=None)
    names = {name for name, *_ in samples(fed(unknown)[1])}
    assert not {"evenkeel_resting_orders", "evenkeel_resting_overdue_seconds"} & names


async def test_a_cancellation_counts_once_for_each_time_that_it_was_sent() -> None:
    first, again = standing_with(), standing_with(cancel_asked_at="2026-09-21T14:13:25.000000Z")
    none = standing_with(cancel_asked_at=None)
    found = samples(fed(none, first, first, again, none)[1])
    assert found[("evenkeel_cancels_total", "eth")] == 2


async def test_quotes_count_when_they_are_placed_and_fills_of_theirs_as_the_makers() -> None:
    sealed = next(line for line in sample_lines() if isinstance(line, SealedEvent) and line.quote)
    fills = [line for line in sample_lines() if isinstance(line, FillEvent)]
    (made,) = [each for each in fills if each.maker]
    taken = next(each for each in fills if not each.maker)
    entry = placed(eth=made.order)
    assert ("evenkeel_quotes_placed_total", "eth") not in samples(fed(sealed)[1])
    quoted = msgspec.structs.replace(entry, plan=sealed.plan)
    found = samples(fed(entry, sealed, quoted, quoted, made, made, taken)[1])
    assert found[("evenkeel_quotes_placed_total", "eth")] == 1
    assert found[("evenkeel_maker_fills_total", "eth")] == 1
    assert found[("evenkeel_fills_total", "eth")] == 2
