"""The configuration: flags over environment over file over defaults, and sentences for everything that is
wrong.
"""

import re
import tomllib
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from commands.config.effective import (
    LIVE_RUN,
    ConfigError,
    Loaded,
    environment_name,
    load,
    must_be_written,
    printed,
)
from commands.config.keys import KEYS, complaints, written
from commands.parser import parser_tree
from commands.setup.worst_case import worst_case
from messages.execution_settings import Execution
from messages.ranges import MsRange, QuoteRange, least_of
from messages.settings import (
    AlertSettings,
    DailyWindow,
    EnterWhen,
    Files,
    Guard,
    Limits,
    Settings,
    VenueSettings,
    WeeklyWindow,
    WhenUnbalanced,
)
from messages.units import ONE, Bps, Ms, Quote, Rate, Ticks, legs_of
from tests.actors.fakes import RULES


def refused(text: str | None = None, tmp_path: Path | None = None, **overrides: str) -> ConfigError:
    file = None
    if text is not None and tmp_path is not None:
        file = tmp_path / "evenkeel.toml"
        file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        load(file, {}, {key.replace("__", "."): value for key, value in overrides.items()})
    return error.value


def test_without_anything_written_every_value_is_the_default() -> None:
    loaded = load(None, {}, {})
    assert loaded.settings == Settings()
    assert set(loaded.origins) == set(KEYS)
    assert set(loaded.origins.values()) == {"default"}


@pytest.mark.parametrize("goal", ["until_volume", "until_cost", "until_utc"])
def test_with_another_goal_cycles_are_without_end_unless_they_are_written(goal: str) -> None:
    """Five cycles would have ended the run long before it."""
    written_goal = {goal: "2026-12-01 18:00" if goal == "until_utc" else "1000000 USD"}
    loaded = load(None, {}, written_goal)
    assert loaded.settings.cycles is None
    assert loaded.origins["cycles"] == f"default with {goal}"
    assert load(None, {}, written_goal | {"cycles": "5"}).settings.cycles == 5


def test_whatever_grows_or_is_judged_by_the_most_takes_a_ranges_upper_end() -> None:
    ranged, upper = (load(None, {}, {"target": text}).settings for text in ("3000-5000 USD", "5000 USD"))
    assert ranged.limits == upper.limits
    assert worst_case(ranged, RULES.terms()).total == worst_case(upper, RULES.terms()).total
    error = refused(hold="1-3 h", limits__max_hold="2 h")
    assert error.sentence.startswith("limits.max_hold: 2 h is shorter than hold = 1-3 h")


def test_limits_that_grow_with_the_target_leave_room_for_the_larger_leg() -> None:
    """1,000 USD of ETH with 20 % more and 5 % in reserve are 1,250, and 1.5 times as many of SOL 1,875."""
    one, larger, smaller = (
        load(None, {}, {"hedge_ratio": text}).settings.limits for text in ("1", "1.5", "0.8")
    )
    assert (one.max_leg_notional, one.max_gross) == (Quote.of(1250), Quote.of(2500))
    assert (larger.max_leg_notional, larger.max_gross) == (Quote.of(1875), Quote.of(3125))
    assert (smaller.max_leg_notional, smaller.max_gross) == (Quote.of(1250), Quote.of(2500))
    error = refused(hedge_ratio="1.5", limits__max_leg_notional="1200 USD")
    words = "is less than the 1500.00 USD of SOL of target = 1000 USD with hedge_ratio = 1.5: no leg could"
    assert words in error.message
    error = refused(hedge_ratio="1.5", limits__max_gross="2499 USD")
    assert error.message.endswith("less than both legs of target = 1000 USD with hedge_ratio = 1.5")
    assert load(None, {}, {"hedge_ratio": "0.8", "limits.max_gross": "1800 USD"})


def test_the_worst_case_is_of_both_legs_own_dollars() -> None:
    """0.8: ETH 1,200 USD and SOL 960, in and out at 3.5 bps each; what is lost with a leg is the larger."""
    settings = load(None, {}, {"hedge_ratio": "0.8"}).settings
    worst, equal = worst_case(settings, RULES.terms()), worst_case(Settings(), RULES.terms())
    assert worst.fees == Quote.of("1.512") == equal.fees * 9 // 10
    assert (worst.spread, worst.slippage) == (equal.spread * 9 // 10, equal.slippage * 9 // 10)
    assert (worst.leg, worst.lost_leg) == (equal.leg, equal.lost_leg)
    larger = load(None, {}, {"hedge_ratio": "1.25"}).settings
    assert worst_case(larger, RULES.terms()).lost_leg == equal.lost_leg * 5 // 4


def test_every_setting_has_a_key_and_every_key_a_setting() -> None:
    names = set()
    for field in msgspec.structs.fields(Settings):
        value = getattr(Settings(), field.name)
        inner = (
            value.__struct_fields__
            if isinstance(
                value, AlertSettings | EnterWhen | Execution | Limits | Guard | VenueSettings | Files
            )
            else None
        )
        names |= {f"{field.name}.{each}" for each in inner} if inner else {field.name}
    assert names == set(KEYS)


def test_the_default_configuration_makes_sense() -> None:
    assert list(complaints(Settings())) == []


def test_flags_beat_the_environment_which_beats_the_file_which_beats_the_default(tmp_path: Path) -> None:
    file = tmp_path / "evenkeel.toml"
    file.write_text(
        'target = "200 USD"\nhold = "3 s"\npause = "4 s"\n[limits]\nmax_gross = "9000 USD"\n',
        encoding="utf-8",
    )
    loaded = load(
        file, {"EVENKEEL_TARGET": "300 USD", "EVENKEEL_HOLD": "5 s", "HOME": "/"}, {"target": "400 USD"}
    )
    assert loaded.settings.target == Quote(400 * ONE)
    assert (loaded.settings.hold, loaded.settings.pause) == (5000, 4000)
    assert loaded.settings.limits.max_gross == Quote(9000 * ONE)
    assert [loaded.origins[key] for key in ("target", "hold", "pause", "limits.max_gross", "recv_time")] == [
        "flag",
        "environment EVENKEEL_HOLD",
        "file line 3",
        "file line 5",
        "default",
    ]


def test_a_variable_that_is_no_key_is_answered_with_the_variable_that_is() -> None:
    with pytest.raises(ConfigError) as error:
        load(None, {"EVENKEEL_LIMITS__MAX_GROS": "3000 USD"}, {})
    assert error.value.cure == "did you mean EVENKEEL_LIMITS__MAX_GROSS?"
    assert load(None, {"EVENKEEL_LIMITS__MAX_GROSS": "3000 USD"}, {}).settings.limits.max_gross == Quote.of(
        3000
    )


def test_the_environment_reaches_tables_with_two_underscores() -> None:
    assert environment_name("limits.max_gross") == "EVENKEEL_LIMITS__MAX_GROSS"
    loaded = load(
        None, {"EVENKEEL_LIMITS__MAX_GROSS": "3000 USD", "EVENKEEL_FLATTEN_STEPS": '["1 bps", "2 bps"]'}, {}
    )
    assert loaded.settings.limits.max_gross == Quote(3000 * ONE)
    assert loaded.settings.flatten_steps == (Bps(ONE), Bps(2 * ONE))


@pytest.mark.parametrize("text", ['target = "1000"', "target = 1000", "target = '1000'"])
def test_a_bare_number_is_refused_with_the_unit_to_write(text: str, tmp_path: Path) -> None:
    assert (
        refused(text, tmp_path).sentence
        == 'target: "1000" has no unit · nothing was started · write target = "1000 USD" (per leg)'
    )


def test_an_unknown_key_is_refused_with_its_line_and_the_nearest_right_one(tmp_path: Path) -> None:
    error = refused('# mine\n\n\nmax_imbalence = "0.1 %"\n', tmp_path)
    assert (
        error.sentence
        == "max_imbalence: unknown key in evenkeel.toml line 4 · nothing was started · did you mean"
        " max_imbalance?"
    )
    assert (error.code, error.key, error.exit_code) == ("UNKNOWN_KEY", "max_imbalence", 2)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            '[limits]\nmax_gros = "1 USD"',
            (
                "limits.max_gros: unknown key in evenkeel.toml line 2 · nothing was started · did you mean"
                " limits.max_gross?"
            ),
        ),
        ('max_gross = "1 USD"', "did you mean limits.max_gross?"),
        ('limits = {max_gros = "3 USD"}', "evenkeel.toml line 1"),
        ('limits.max_gros = "3 USD"', "evenkeel.toml line 1"),
        ("[guards]\nenabled = true", "guards.enabled: unknown key in evenkeel.toml line 2"),
        ("[guards]", "guards: unknown key in evenkeel.toml line 1"),
        ('zebra = "24 h"', "--print-config lists every key"),
        ("target = = 3", "evenkeel.toml line 1: not valid TOML"),
        ("hold = '2 s'\n\n[limits", "evenkeel.toml line 3: not valid TOML"),
        (
            "target = '1 USD'\ntarget = '2 USD'",
            "evenkeel.toml line 2: not valid TOML (cannot overwrite a value) · nothing was started",
        ),
        ("target = '1 USD'\ntarget = '2 USD'", "write each key and each [table] once"),
        ("[limits]\n[guard]\n[limits]", "write each key and each [table] once"),
        ('target = "1 USD\nhold = "1 s"\n', 'close the quote that begins the value: name = "value"'),
        ('target = "1 USD', 'close the quote that begins the value: name = "value"'),
        ('target = "1', "evenkeel.toml line 1: not valid TOML"),
        ("limits = 3", "limits: is a table of keys, not a value"),
        ("[target]\nx = 1", "target.x: unknown key in evenkeel.toml line 2"),
        ('max_imbalance = "0.1 USD"', 'max_imbalance: "0.1 USD" is not a part of the whole'),
        ('direction = "both"', "not one of alternate, long-eth, long-sol"),
        ("cycles = 0", "cycles: 0 is out of range, it must be above 0"),
        ("cycles = 2.5", 'cycles: "2.5" is not a whole number or "forever"'),
    ],
)
def test_what_is_wrong_in_a_file_is_named(text: str, wanted: str, tmp_path: Path) -> None:
    sentence = refused(text, tmp_path).sentence
    assert wanted in sentence
    assert sentence.count(" · ") == 2


@pytest.mark.parametrize(
    ("key", "text", "wanted"),
    [
        ("target", "-5 USD", "target: -5 USD is out of range, it must be above 0"),
        ("target", "0 USD", "must be above 0"),
        ("hold", "5", 'write hold = "5 s"'),
        ("hold", "-1 s", "must be 0 or more"),
        ("max_imbalance", "0.02 %", "max_imbalance: 0.02 % must be above planning_margin = 2.5 bps"),
        ("max_imbalance", "2.5 bps", "must be above planning_margin"),
        ("planning_margin", "-1 bps", "must be 0 or more"),
        ("max_deviation", "100 %", "at most 99 %"),
        ("hedge_ratio", "0", "hedge_ratio: 0 is out of range, it must be above 0"),
        ("hedge_ratio", "-0.8", "hedge_ratio: -0.8 is out of range, it must be above 0"),
        ("hedge_ratio", "0.19", "hedge_ratio: 0.19 is out of range, it must be at least 0.2"),
        ("hedge_ratio", "5.1", "hedge_ratio: 5.1 is out of range, it must be at most 5"),
        ("hedge_ratio", "0.81234", 'hedge_ratio: "0.81234" has more than 4 decimals'),
        ("hedge_ratio", "1:0.8", 'hedge_ratio: "1:0.8" is not a number'),
        ("hedge_ratio", "nan", 'hedge_ratio: "nan" is not a number'),
        ("hedge_ratio", "1e0", 'hedge_ratio: "1e0" is not a number'),
        ("hedge_ratio", "80 %", "hedge_ratio takes a number of at most 4 decimals, like 0.8"),
        ("hedge_ratio", "0,8", 'write hedge_ratio = "0.8"'),
        ("ready_deadline", "2 s", "ready_deadline: 2 s leaves no second of recv_time = 2 s"),
        ("ready_deadline", "1 s", "ready_deadline"),
        ("recv_time", "90 s", "at most"),
        ("recv_time", "1 s", "at least"),
        ("max_clock_skew", "1 s", "max_clock_skew: 1 s twice is not less than recv_time = 2 s"),
        ("min_depth", "0.5x", "at least 1x"),
        ("flatten_steps", "[]", "1 to 20"),
        ("flatten_steps", '["10 bps", "5 bps"]', 'write flatten_steps = ["5 bps", "10 bps"]'),
        ("flatten_steps", '["10 bps"', "not a list"),
        ("when_unbalanced", "accept 0.05 %", "max_imbalance = 0.1 %"),
        ("when_unbalanced", "raise 1x", "above 1x"),
        ("when_unbalanced", "ignore", 'when_unbalanced takes "skip", "accept N %" or "raise Nx"'),
        ("when_unbalanced", "accept 0.5", 'write when_unbalanced = "accept 0.5 %"'),
        ("target", "-1000", 'write target = "1000 USD" (per leg)'),
        ("target", "-1000 USD", 'write target = "1000 USD" (per leg)'),
        ("max_deviation", "100 %", "max_deviation takes a number and % or bps"),
        (
            "limits.max_leg_notional",
            "500 USD",
            "limits.max_leg_notional: 500 USD is less than target = 1000 USD",
        ),
        ("limits.max_gross", "1999 USD", "less than both legs"),
        ("take_profit", "5", 'write take_profit = "5 bps"'),
        ("take_profit", "-5 bps", "take_profit: -5 bps is out of range, it must be above 0"),
        ("stop_loss", "0 bps", "must be above 0"),
        ("stop_loss", "30 USD", 'stop_loss takes a number and bps or %, or "never"'),
        ("min_hold", "25 h", "min_hold: 25 h is longer than limits.max_hold = 24 h"),
        ("enter_when.max_spread", "1", 'write enter_when.max_spread = "1 bps"'),
        ("enter_when.hours_utc", "8:00", "enter_when.hours_utc takes a list like"),
        ("enter_when.max_sprad", "1 bps", "did you mean enter_when.max_spread?"),
        ("venue.name", "MAINNET", "not one of simulated, testnet, mainnet"),
        ("venue.subaccount", "thirteenchars", "1 to 12 ASCII"),
        ("venue.owner", "me", "is not an address"),
        ("files.log_size", "1 kB", "at least 10 kB"),
        ("files.log_keep", "0", "above 0"),
        ("targt", "1 USD", "targt: unknown key given by a flag · nothing was started · did you mean target?"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_with_its_key_and_a_cure(
    key: str, text: str, wanted: str
) -> None:
    error = refused(None, None, **{key.replace(".", "__"): text})
    assert wanted in error.sentence
    assert error.key == key
    assert error.cure


@pytest.mark.parametrize(
    ("key", "typed", "wanted"),
    [
        ("execution.entry", {"execution.entry": "maker"}, "not one of taker-taker, maker-taker, lean"),
        ("execution.slop", {"execution.slop": "3"}, 'write execution.slop = "3 ticks"'),
        ("execution.slop", {"execution.slop": "1.5 ticks"}, "more digits than can be kept"),
        ("execution.slop", {"execution.slop": "3 bps"}, "is not a count of ticks: the unit is ticks"),
        ("execution.payup", {"execution.payup": "1001 ticks"}, "must be at most 1000 ticks"),
        (
            "legging_quote",
            {"execution.exit": "lean", "legging_quote": "30 s"},
            "legging_quote: 30 s is less than execution.lean_wait = 30 s and legging_known = 500 ms",
        ),
        (
            "execution.give_up",
            {"execution.entry": "lean", "max_wait": "15 s"},
            "execution.give_up: 15 s is not less than max_wait = 15 s",
        ),
        (
            "execution.exit_take",
            {"execution.exit": "maker-taker", "hold": "24 h"},
            "execution.exit_take: 1 min after hold = 24 h is longer than limits.max_hold = 24 h",
        ),
    ],
)
def test_what_orders_that_rest_are_told_is_refused_where_it_makes_no_sense(
    key: str, typed: dict[str, str], wanted: str
) -> None:
    error = refused(None, None, **{name.replace(".", "__"): text for name, text in typed.items()})
    assert wanted in error.sentence
    assert error.key == key
    assert error.cure


def test_the_budget_of_quotes_that_nobody_wrote_leaves_room_for_a_hedge_that_rests() -> None:
    """0.5 s as for any repair, after the 30 s that it may rest."""
    plain, leans = (load(None, {}, {"execution.entry": text}) for text in ("maker-taker", "lean"))
    assert (plain.settings.legging_quote, leans.settings.legging_quote) == (Ms(6_000), Ms(30_500))
    assert leans.origins["legging_quote"] == "default, grown with execution.lean_wait"


def test_an_unknown_environment_variable_is_refused_by_name() -> None:
    with pytest.raises(
        ConfigError,
        match=r"targt: unknown key in environment EVENKEEL_TARGT · .* · did you mean EVENKEEL_TARGET\?",
    ):
        load(None, {"EVENKEEL_TARGT": "1 USD"}, {})


def test_what_may_be_a_private_key_is_never_repeated() -> None:
    secret = "0x" + "deadbeef" * 8
    error = refused(venue__key=secret)
    assert secret not in error.sentence
    assert "env:NAME" in error.sentence


def test_a_file_that_is_missing_or_no_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError,
        match=r"gone\.toml cannot be read: no such file or directory · nothing was started · check the path",
    ):
        load(tmp_path / "gone.toml", {}, {})
    (tmp_path / "bytes.toml").write_bytes(b"target = '\xff'")
    with pytest.raises(ConfigError, match=r"bytes\.toml is not UTF-8"):
        load(tmp_path / "bytes.toml", {}, {})


def test_limits_nobody_wrote_grow_with_the_target_and_never_shrink() -> None:
    large, small = load(None, {}, {"target": "5000 USD"}), load(None, {}, {"target": "100 USD"})
    assert large.settings.limits.max_leg_notional == Quote(6250 * ONE)
    assert large.settings.limits.max_gross == Quote(12_500 * ONE)
    assert large.origins["limits.max_leg_notional"] == "default, grown with target"
    assert small.settings.limits == Limits()


def test_the_greatest_target_is_not_refused_for_a_limit_that_nobody_wrote() -> None:
    limits = load(None, {}, {"target": "1000000000 USD"}).settings.limits
    assert (limits.max_leg_notional, limits.max_gross) == (Quote.of(10**9), Quote.of(2 * 10**9))


def test_limits_that_were_written_stay_as_written() -> None:
    loaded = load(None, {}, {"target": "2000 USD", "limits.max_leg_notional": "2100 USD"})
    assert loaded.settings.limits.max_leg_notional == Quote(2100 * ONE)


def test_a_live_venue_has_the_exchanges_maintenance_windows_unless_others_are_written() -> None:
    live = load(None, {}, {"venue.name": "mainnet"})
    assert [window.text() for window in live.settings.no_entry_utc] == ["Mon 13:50-14:20", "Thu 13:50-14:20"]
    assert live.origins["no_entry_utc"] == "default of a live venue"
    own = load(None, {}, {"venue.name": "mainnet", "no_entry_utc": '["Sun 00:00-24:00"]'})
    assert [window.text() for window in own.settings.no_entry_utc] == ["Sun 00:00-24:00"]
    assert load(None, {}, {}).settings.no_entry_utc == ()


def test_a_daily_loss_nobody_wrote_leaves_room_for_long_runs_with_play_money_only() -> None:
    assert load(None, {}, {"cycles": "1000"}).settings.limits.max_daily_loss == Quote(10_000 * ONE)
    assert load(None, {}, {"cycles": "forever"}).settings.limits.max_daily_loss == Quote(10**7 * ONE)
    assert load(
        None, {}, {"cycles": "1000", "limits.max_daily_loss": "60 USD"}
    ).settings.limits.max_daily_loss == Quote(60 * ONE)
    assert load(
        None, {}, {"cycles": "1000", "venue.name": "testnet"}
    ).settings.limits.max_daily_loss == Quote(50 * ONE)


def test_print_config_is_toml_that_says_where_each_value_came_from(tmp_path: Path) -> None:
    file = tmp_path / "evenkeel.toml"
    file.write_text('\nhold = "1 h"\n', encoding="utf-8")
    lines = printed(load(file, {"EVENKEEL_PAUSE": "1 s"}, {"cycles": "forever"}))
    for line in (
        'hold = "1 h"  # file line 2',
        'pause = "1 s"  # environment EVENKEEL_PAUSE',
        'cycles = "forever"  # flag',
        "[limits]",
    ):
        assert line in lines
    assert '# target = "1000 USD"  # default' in lines
    tomllib.loads("\n".join(lines))


def test_what_print_config_prints_decides_nothing_that_nobody_had_decided(tmp_path: Path) -> None:
    """`--print-config > file`: what was a default stays one, so real money still asks for its amounts, and
    live defaults still apply.
    """
    file = tmp_path / "printed.toml"
    file.write_text("\n".join(printed(load(None, {}, {"target": "700 USD"}))), encoding="utf-8")
    live = {"venue.name": "mainnet"}
    again = load(file, {}, live)
    assert again.settings == load(None, {}, live | {"target": "700 USD"}).settings
    assert [window.text() for window in again.settings.no_entry_utc] == ["Mon 13:50-14:20", "Thu 13:50-14:20"]
    with pytest.raises(ConfigError) as error:
        must_be_written(again, LIVE_RUN, "mainnet requires explicit settings")
    missing = [key for key in LIVE_RUN if key != "target"]
    assert error.value.message == f"{', '.join(missing)}: not set, and mainnet requires explicit settings"


@pytest.mark.parametrize("text", ["-1000", "-1000 USD", "-1k", "-5 EUR", " -20 USD"])
def test_a_target_with_a_sign_is_told_which_option_says_what_is_bought(text: str) -> None:
    error = answered(target=text)
    assert error is not None
    assert (
        "; a target has no sign: --direction long-eth or long-sol says which leg is bought" in error.message
    )
    run = parser_tree().commands["run"]
    assert run.parse_args(["--direction", "long-sol"]).overrides == {"direction": "long-sol"}


def test_a_minus_sign_is_not_spoken_of_where_there_is_none() -> None:
    for key, text in (("target", "1000"), ("target", "0 USD"), ("hold", "-5 s")):
        error = answered(**{key: text})
        assert error is not None
        assert "sign" not in error.message


def test_a_number_with_an_exponent_is_said_to_be_one() -> None:
    error = answered(target="1e3 USD")
    assert error is not None
    assert error.message == 'target: "1e3 USD" has an exponent: write the number in full'
    assert error.cure == "target takes a number, or FROM-TO, and USD (per leg)"


amounts = st.integers(1, 10**26).map(Quote)
small_parts = st.integers(1, 1_000 * ONE).map(Bps)
spans = st.integers(1, 600_000).map(Ms)
policies = ("taker-taker", "maker-taker", "lean")
ticks = st.integers(0, 1_000).map(Ticks)
unbalanced = st.one_of(
    st.just(WhenUnbalanced()),
    st.integers(9_000 * ONE, 9_999 * ONE).map(lambda accept: WhenUnbalanced("accept", accept=Bps(accept))),
    st.integers(ONE + 1, 100 * ONE).map(lambda factor: WhenUnbalanced("raise", raise_by=Rate(factor))),
)
windows = st.tuples(st.integers(0, 6), st.integers(0, 1438)).flatmap(
    lambda at: st.integers(at[1] + 1, 1440).map(lambda end: WeeklyWindow(at[0], at[1], end))
)
hours = (
    st.tuples(st.integers(0, 1439), st.integers(0, 1440))
    .filter(lambda ends: ends[0] != ends[1])
    .map(lambda ends: DailyWindow(*ends))
)
names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1).filter(str.strip)


times = st.integers(0, 10**9).map(Ms) | st.lists(st.integers(0, 10**9), min_size=2, max_size=2).map(
    lambda ends: Ms(MsRange(*sorted(ends)))
)


@st.composite
def configurations(draw: st.DrawFn) -> Settings:
    target = draw(amounts)
    if draw(st.booleans()):
        target = QuoteRange(draw(st.integers(1, int(target))), int(target))
    margin = draw(st.integers(0, 4_000 * ONE))
    steps = sorted(draw(st.lists(small_parts, min_size=1, max_size=20)))
    recv = draw(st.integers(3_000, 89_999))
    hold = draw(times)
    ratio = draw(
        st.just(Rate(ONE)) | st.integers(2_000, 50_000).map(lambda parts: Rate(parts * ONE // 10_000))
    )
    legs = legs_of(target, ratio)
    max_wait = draw(st.integers(1_001, 600_001))
    return Settings(
        target=target,
        planning_margin=Bps(margin),
        max_imbalance=Bps(margin + draw(st.integers(1, 4_000 * ONE))),
        hedge_ratio=ratio,
        max_deviation=draw(small_parts),
        when_unbalanced=draw(unbalanced),
        direction=draw(st.sampled_from(("alternate", "long-eth", "long-sol", "funding"))),
        cycles=draw(st.none() | st.integers(1, 10**9)),
        until_volume=draw(st.none() | st.integers(1, 10**15 * ONE).map(Quote)),
        until_cost=draw(st.none() | st.integers(1, 10**12 * ONE).map(Quote)),
        until_utc=draw(st.none() | st.integers(0, 250_000_000_000).map(lambda at_s: Ms(at_s * 1000))),
        count_skips=draw(st.booleans()),
        hold=hold,
        min_hold=Ms(draw(st.integers(0, least_of(hold)))),
        take_profit=draw(st.none() | small_parts),
        stop_loss=draw(st.none() | small_parts),
        hold_for_funding=Ms(draw(st.integers(0, 10**6))),
        pause=draw(times),
        max_wait=Ms(max_wait),
        max_slippage=draw(small_parts),
        recv_time=Ms(recv),
        ready_deadline=Ms(draw(st.integers(1, recv - 1_001))),
        legging_known=Ms(draw(st.integers(1, 300_000))),
        legging_unknown=draw(spans),
        legging_quote=Ms(600_000),
        max_repair_steps=draw(st.integers(0, 10)),
        flatten_steps=tuple(steps),
        venue_patience=draw(spans),
        max_quote_age=draw(st.integers(1, 60_000).map(Ms)),
        max_quote_skew=draw(st.integers(1, 60_000).map(Ms)),
        max_spread=draw(small_parts),
        min_depth=draw(st.integers(ONE, 10**24).map(Rate)),
        max_oracle_gap=draw(small_parts),
        max_clock_skew=Ms(draw(st.integers(1, recv // 2 - 1))),
        no_entry_utc=draw(st.lists(windows, max_size=3).map(tuple)),
        enter_when=EnterWhen(
            max_spread=draw(st.none() | small_parts),
            hours_utc=draw(st.lists(hours, max_size=3).map(tuple)),
            funding_over=draw(st.none() | st.integers(0, 400 * ONE).map(Bps)),
        ),
        execution=Execution(
            entry=draw(st.sampled_from(policies)),
            exit=draw(st.sampled_from(policies)),
            quote_leg=draw(st.sampled_from(("eth", "sol", "auto"))),
            quote_when=draw(st.sampled_from(("fresh", "always"))),
            slop=draw(ticks),
            give_up=Ms(draw(st.integers(1_000, max_wait - 1))),
            after_give_up=draw(st.sampled_from(("skip", "take"))),
            exit_take=Ms(draw(st.integers(1_000, 10**6))),
            payup=draw(ticks),
            lean_wait=Ms(draw(st.integers(100, 300_000))),
            lean_stop=draw(small_parts),
        ),
        limits=Limits(
            max_leg_notional=Quote(max(legs) + draw(st.integers(0, ONE))),
            max_gross=Quote(sum(legs) + draw(st.integers(0, ONE))),
            max_daily_loss=Quote(draw(st.integers(1, 10**9 * ONE))),
            max_drawdown=Quote(draw(st.integers(1, 10**9 * ONE))),
            max_failed_cycles=draw(st.integers(1, 1_000)),
            min_fill_rate=Rate(draw(st.integers(0, ONE))),
            min_cycle_success=Rate(draw(st.integers(0, ONE))),
            min_liquidation_move=Rate(draw(st.integers(0, 10 * ONE))),
            max_marked_imbalance=Bps(draw(st.integers(1, 10_000 * ONE))),
            max_hold=Ms(draw(st.integers(10**9 + 10**6, 366 * 86_400_000))),
            alarm_after_denying=Ms(draw(st.integers(1_000, 10**9))),
            margin_buffer=Rate(draw(st.integers(0, 10 * ONE))),
        ),
        guard=Guard(enabled=draw(st.booleans()), dead_man=Ms(recv + draw(st.integers(2_000, 400_000)))),
        venue=VenueSettings(
            draw(st.sampled_from(("simulated", "testnet", "mainnet"))),
            draw(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=12)),
            draw(st.just("") | st.from_regex(r"0x[0-9a-fA-F]{40}", fullmatch=True)),
            draw(st.sampled_from(("env:KEY", 'file:/a b/"c\\d', "keystore:/k"))),
        ),
        files=Files(
            logs=draw(names),
            ledger_sync=draw(st.sampled_from(("auto", "full", "normal"))),
            log_size=draw(st.integers(10_000, 10**12)),
            log_keep=draw(st.integers(1, 1000)),
            certificate_keep=draw(st.integers(0, 1_000_000)),
            min_free_disk=draw(st.integers(0, 10**15)),
        ),
    )


@hypothesis(deadline=None, print_blob=True, max_examples=200)
@given(configurations())
@pytest.mark.long
def test_every_configuration_that_can_be_printed_reads_back_the_same(settings: Settings) -> None:
    lines = printed(Loaded(settings, dict.fromkeys(KEYS, "flag")))
    with TemporaryDirectory() as folder:
        file = Path(folder) / "evenkeel.toml"
        file.write_text("\n".join(lines), encoding="utf-8", newline="")
        assert load(file, {}, {}).settings == settings
    typed = {
        key: each if isinstance(each := written(settings, key), str) else str(each).replace("'", '"')
        for key in KEYS
    }
    assert load(None, {}, typed).settings == settings
    assert load(None, {environment_name(key): text for key, text in typed.items()}, {}).settings == settings


TYPED = (
    *("", "5", "-5", "0", "1000", "1k", "-1000 USD", "5 EUR", "5m", "0.5", "1e3", "0x12", "TESTNET"),
    *("long eth", "yes", "5 %", "99999999 %", "many", "5x"),
)
"""What people may write at any key."""


def answered(**typed: str) -> ConfigError | None:
    try:
        load(None, {}, {key.replace("__", "."): text for key, text in typed.items()})
    except ConfigError as error:
        return error
    return None


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("text", TYPED)
def test_every_value_that_an_error_proposes_is_taken_and_holds_no_number_of_ours(key: str, text: str) -> None:
    """A suggestion is typed as it stands by somebody in a hurry, so it is the user's own value or none at
    all.
    """
    error = answered(**{key: text})
    proposed = (
        re.search(r"write (\S+) = (.+?)(?: \((?:per leg|both legs)\))?$", error.cure) if error else None
    )
    if error is None or proposed is None:
        return
    value = tomllib.loads(f"value = {proposed[2]}")["value"]
    again = answered(**{key: text, proposed[1]: value if isinstance(value, str) else str(value)})
    assert again is None or again.key != proposed[1], again  # another key may need its own answer
    if proposed[1] == key:
        digits = set(re.findall(r"\d+", text.replace("1k", "1000")))
        assert set(re.findall(r"\d+", str(value))) <= digits, error.sentence


def test_an_editors_byte_order_mark_is_no_part_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "evenkeel.toml").write_bytes(b"\xef\xbb\xbf" + b'target = "500 USD"\n')
    assert load(tmp_path / "evenkeel.toml", {}, {}).settings.target == Quote.of(500)
