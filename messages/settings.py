"""The effective configuration, in units. Read by every actor, decided once at start
(`commands/config/effective.py` makes it from TOML, flags and defaults).

Each key is declared here and nowhere else: its type, its default, one sentence that says what it does, how it
is written, and its least and greatest value; those of `[execution]` in `messages/execution_settings.py`.
`commands/config/keys.py` reads all of that, so
`--print-config`, the file that `--init-config` writes and docs/configuration.md say the same.
"""

from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec

from messages.config_key import ConfigKey
from messages.execution_settings import Execution
from messages.units import DOLLAR_NEUTRAL, ONE, Bps, Ms, Quote, Rate

HUNDRED_PERCENT = 10_000 * ONE
"""In basis points, x18."""
YEAR_MS = 366 * 86_400_000
LEAST_RATIO, GREATEST_RATIO = ONE // 5, 5 * ONE
"""Of the dollars of both legs. Beyond them the smaller leg hedges less than a fifth of the larger: that is a
position and no pair.
"""
RECV_LEFT_MS = 1_000
"""Of the receive window this much must be left when orders are placed (the barrier), so a shorter one can
never trade.
"""


class WhenUnbalanced(msgspec.Struct, frozen=True):
    """What to do when no pair of quantities keeps the promise: skip, accept up to `accept`, or raise the
    target up to `raise_by` times.
    """

    action: Literal["skip", "accept", "raise"] = "skip"
    accept: Bps = Bps(0)
    raise_by: Rate = Rate(ONE)


class WeeklyWindow(msgspec.Struct, frozen=True):
    """The same minutes of every week, UTC: from `start_min` on, up to and without `end_min` (minutes since
    midnight).
    """

    weekday: int
    """0 is Monday."""
    start_min: int
    end_min: int

    def text(self) -> str:
        """As it is written: `Mon 13:50-14:20`."""
        return f"{WEEKDAYS[self.weekday]} {clock_text(self.start_min)}-{clock_text(self.end_min)}"


class DailyWindow(msgspec.Struct, frozen=True):
    """The same minutes of every day, UTC: from `start_min` on, up to and without `end_min` (minutes since
    midnight). One that ends before it begins goes on after midnight.
    """

    start_min: int
    end_min: int

    def contains(self, minute: int) -> bool:
        """Does this minute of a day (0 to 1439) lie in it?"""
        after, before = minute >= self.start_min, minute < self.end_min
        return (after and before) if self.start_min < self.end_min else (after or before)

    def text(self) -> str:
        """As it is written: `08:00-16:30`."""
        return f"{clock_text(self.start_min)}-{clock_text(self.end_min)}"


def utc_text(at_ms: int) -> str:
    """A moment as it is written, without its seconds where they are 0: `2026-12-01 18:00`."""
    return datetime.fromtimestamp(at_ms // 1000, UTC).strftime("%Y-%m-%d %H:%M:%S").removesuffix(":00")


WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def clock_text(minute: int) -> str:
    """A minute of the day as it is written: `08:30`."""
    return f"{minute // 60:02d}:{minute % 60:02d}"


class EnterWhen(msgspec.Struct, frozen=True):
    """What an entry waits for, for as long as it takes: no cycle is skipped for it."""

    max_spread: Annotated[
        Bps | None,
        ConfigKey(
            "An entry waits until the spread of both books is at most this; max_wait ends the wait.",
            1,
            1_000 * ONE,
        ),
    ] = None
    """None = any, within the key `max_spread` beside this table."""
    hours_utc: Annotated[
        tuple[DailyWindow, ...],
        ConfigKey("Hours of the day, UTC, in which pairs are entered; an entry waits for them."),
    ] = ()
    """() = at any hour."""
    funding_over: Annotated[
        Bps | None,
        ConfigKey(
            "An entry waits until its pair would receive more funding than this in 24 hours, in parts of its"
            " ETH leg; max_wait ends the wait.",
            0,
            400 * ONE,
        ),
    ] = None
    """None = whatever it would receive or pay."""


class Limits(msgspec.Struct, frozen=True):
    """When a run stops entering, exits early, or halts."""

    max_leg_notional: Annotated[
        Quote,
        ConfigKey(
            "The most that one leg may be worth at the exchange; by default it grows with target.",
            1,
            10**9 * ONE,
            remark="per leg",
        ),
    ] = Quote(1250 * ONE)
    max_gross: Annotated[
        Quote,
        ConfigKey(
            "The most that both legs together may be worth; by default it grows with target.",
            1,
            2 * 10**9 * ONE,
            remark="both legs",
        ),
    ] = Quote(2500 * ONE)
    max_daily_loss: Annotated[
        Quote,
        ConfigKey(
            "A UTC day that has cost this much ends the run, flat and halted; a live run must set it.",
            1,
            10**9 * ONE,
            live=True,
        ),
    ] = Quote(50 * ONE)
    max_drawdown: Annotated[
        Quote,
        ConfigKey(
            "An account value this far below the highest one ever read ends the run, flat and halted.",
            1,
            10**9 * ONE,
        ),
    ] = Quote(100 * ONE)
    max_failed_cycles: Annotated[
        int,
        ConfigKey("This many failed cycles in a row end the run, flat and halted.", 1, 1_000),
    ] = 3
    min_fill_rate: Annotated[
        Rate,
        ConfigKey(
            "The least share of legs filled by their first order, over the last 20 cycles and from the"
            " 10th on.",
            0,
            ONE,
        ),
    ] = Rate(90 * ONE // 100)
    min_cycle_success: Annotated[
        Rate,
        ConfigKey(
            "The least share of cycles that were entered and exited, over the last 20 that sent orders and"
            " from the 10th on.",
            0,
            ONE,
        ),
    ] = Rate(90 * ONE // 100)
    margin_buffer: Annotated[
        Rate,
        ConfigKey(
            "Initial margin kept free beyond what both legs and their four fees need, as a share of that"
            " need.",
            0,
            10 * ONE,
        ),
    ] = Rate(20 * ONE // 100)
    min_liquidation_move: Annotated[
        Rate,
        ConfigKey(
            "How far either leg's price must be able to move before liquidation, as a share of the price.",
            0,
            10 * ONE,
        ),
    ] = Rate(20 * ONE // 100)
    max_marked_imbalance: Annotated[
        Bps,
        ConfigKey(
            "An open pair whose legs have drifted this far apart at current prices exits early.",
            1,
            HUNDRED_PERCENT,
            form="percent",
        ),
    ] = Bps(500 * ONE)
    max_hold: Annotated[
        Ms,
        ConfigKey("No pair is held for longer than this, whatever hold says.", 1, YEAR_MS),
    ] = Ms(86_400_000)
    alarm_after_denying: Annotated[
        Ms,
        ConfigKey(
            "When every entry has been denied for this long an ALARM says so, with the reason.",
            1_000,
            YEAR_MS,
        ),
    ] = Ms(600_000)


class VenueSettings(msgspec.Struct, frozen=True):
    """Where to trade, and whose account it is."""

    name: Annotated[
        Literal["simulated", "testnet", "mainnet"],
        ConfigKey("Where to trade: a simulated exchange with play money, or Nado's testnet or mainnet."),
    ] = "simulated"
    subaccount: Annotated[
        str,
        ConfigKey(
            "The subaccount to trade in, by its name of at most 12 ASCII characters; use a dedicated one.",
            form="subaccount",
            live=True,
        ),
    ] = "default"
    owner: Annotated[
        str,
        ConfigKey(
            "The address of the wallet that owns the subaccount; a live run must set it.",
            form="owner",
            live=True,
        ),
    ] = ""
    key: Annotated[
        str,
        ConfigKey(
            'Where the signing key is: "env:NAME", "file:PATH" (mode 0600) or "keystore:PATH"; never the key'
            " itself.",
            form="key",
        ),
    ] = "env:NADO_PRIVATE_KEY"


class Guard(msgspec.Struct, frozen=True):
    """The second process, which closes the pair when the run stops responding."""

    enabled: Annotated[
        bool,
        ConfigKey("Start a guard beside every run whose exchange outlives it."),
    ] = True
    apart: Annotated[
        bool,
        ConfigKey(
            "The guard is a process that something else keeps alive, as a systemd unit: the run starts none,"
            " and enters nothing without its heartbeat."
        ),
    ] = False
    dead_man: Annotated[
        Ms,
        ConfigKey(
            "After this long without a heartbeat the guard closes what the run left open; at least recv_time"
            " + 2 s.",
            1_000,
            600_000,
        ),
    ] = Ms(5_000)


class AlertSettings(msgspec.Struct, frozen=True):
    """Who hears of a run that nobody looks at, and how often (docs/alerts.md)."""

    telegram_token: Annotated[
        str,
        ConfigKey(
            'Where the token of a Telegram bot is: "env:NAME" or "file:PATH" (mode 0600); "off" for none.',
            form="secret",
        ),
    ] = "off"  # noqa: S105 - a place, not the token
    telegram_chat: Annotated[
        str,
        ConfigKey(
            "The one chat that is told and obeyed: its number, or @name of a channel.",
            form="chat",
        ),
    ] = "off"
    telegram_api: Annotated[
        str,
        ConfigKey("The address of the Bot API; another one is a Bot API server of your own.", form="url"),
    ] = "https://api.telegram.org"
    webhook: Annotated[
        str,
        ConfigKey(
            'Where the address of a webhook is (Slack, Discord and alike): "env:NAME" or "file:PATH" (mode'
            " 0600).",
            form="secret",
        ),
    ] = "off"
    alert_command: Annotated[
        str,
        ConfigKey(
            "A command that is run for each alert, without a shell: its words are the last argument, JSON is"
            " on its standard input.",
            form="command",
        ),
    ] = "off"
    heartbeat_url: Annotated[
        str,
        ConfigKey(
            'Where the address is that is asked as long as the run lives: "env:NAME" or "file:PATH" (mode'
            " 0600). Who serves it alerts you when that stops.",
            form="secret",
        ),
    ] = "off"
    heartbeat_every: Annotated[
        Ms,
        ConfigKey("How often heartbeat_url is asked.", 1_000, 86_400_000),
    ] = Ms(60_000)
    level: Annotated[
        Literal["info", "warning", "critical"],
        ConfigKey("The least level that is sent."),
    ] = "info"
    repeat_after: Annotated[
        Ms,
        ConfigKey("The same alert is sent again after this long at the earliest.", 1_000, YEAR_MS),
    ] = Ms(600_000)
    per_minute: Annotated[
        int,
        ConfigKey("So many alerts are sent in a minute; beyond that only critical ones.", 1, 600),
    ] = 20


class Files(msgspec.Struct, frozen=True):
    """Where the ledger and the logs are, and how much room they may take."""

    logs: Annotated[
        str,
        ConfigKey(
            "The folder of the ledger (your state, not a log), the CSV files, evenkeel.log and archive/.",
            form="folder",
        ),
    ] = "logs"
    ledger_sync: Annotated[
        Literal["auto", "full", "normal"],
        ConfigKey(
            'How durable a row is: "full" survives a power failure, "normal" a kill -9, "auto" is full with'
            " real money.",
        ),
    ] = "auto"
    log_size: Annotated[
        int, ConfigKey("The log file is rotated when it has this size.", 10_000, 10**12, form="bytes")
    ] = 10_000_000
    log_keep: Annotated[int, ConfigKey("How many rotated log files are kept.", 1, 1_000)] = 10
    certificate_keep: Annotated[
        int,
        ConfigKey("How many certificates are kept, one per cycle, about 25 kB each; 0 keeps none.", 0, 10**6),
    ] = 1_000
    min_free_disk: Annotated[
        int, ConfigKey("With less free disk space than this nothing is entered.", 0, 10**15, form="bytes")
    ] = 500_000_000


class Settings(msgspec.Struct, frozen=True):
    """Every key with its default; tables of the file are structs of their own."""

    target: Annotated[
        Quote,
        ConfigKey(
            "What each leg is to be worth, in USD per leg: both legs together are twice this. Of a range an"
            " amount is drawn for each cycle.",
            1,
            10**9 * ONE,
            form="amounts",
            remark="per leg",
            live=True,
        ),
    ] = Quote(1000 * ONE)
    max_imbalance: Annotated[
        Bps,
        ConfigKey(
            "The promise: how far the legs may differ when entered, at fill prices.",
            1,
            HUNDRED_PERCENT,
            form="percent",
        ),
    ] = Bps(10 * ONE)
    planning_margin: Annotated[
        Bps,
        ConfigKey(
            "A plan aims this far under max_imbalance, because prices move between the plan and the fills.",
            0,
            HUNDRED_PERCENT,
        ),
    ] = Bps(25 * ONE // 10)
    hedge_ratio: Annotated[
        Rate,
        ConfigKey(
            "How many dollars of SOL hedge one dollar of ETH: ETH is worth target, SOL this many times as"
            " much. 1 is the same dollars on both sides.",
            LEAST_RATIO,
            GREATEST_RATIO,
            form="ratio",
        ),
    ] = DOLLAR_NEUTRAL
    max_deviation: Annotated[
        Bps,
        ConfigKey(
            "How far a leg may be from target in order to balance the other one.",
            1,
            9_900 * ONE,
            form="percent",
        ),
    ] = Bps(2000 * ONE)
    when_unbalanced: Annotated[
        WhenUnbalanced,
        ConfigKey(
            'What to do when no quantities keep the promise: "skip", "accept N %" or "raise Nx" (a target up'
            " to N times as large).",
        ),
    ] = WhenUnbalanced()
    direction: Annotated[
        Literal["alternate", "long-eth", "long-sol", "funding"],
        ConfigKey(
            'Which leg is bought: "alternate" takes turns, "long-eth" and "long-sol" do not, "funding" takes'
            " the side that receives more of it (docs/funding.md)."
        ),
    ] = "alternate"
    cycles: Annotated[
        int | None,
        ConfigKey(
            'How many pairs to enter and exit, or "forever"; skipped attempts do not count unless'
            " count_skips.",
            1,
            10**9,
            live=True,
        ),
    ] = 5
    """None = forever."""
    until_volume: Annotated[
        Quote | None,
        ConfigKey(
            "The run ends, flat, once all its fills together are worth this much.",
            1,
            10**15 * ONE,
        ),
    ] = None
    """None = never, here and in the next two."""
    until_cost: Annotated[
        Quote | None,
        ConfigKey(
            "The run ends, flat, once it has lost this much, net of everything.",
            1,
            10**12 * ONE,
        ),
    ] = None
    until_utc: Annotated[
        Ms | None,
        ConfigKey("At this time the run closes both legs and ends."),
    ] = None
    count_skips: Annotated[
        bool,
        ConfigKey("Let a skipped attempt use up one of cycles."),
    ] = False
    hold: Annotated[
        Ms,
        ConfigKey(
            "How long a pair is held before it exits; of a range a time is drawn for each cycle.",
            0,
            YEAR_MS,
            form="times",
            live=True,
        ),
    ] = Ms(2000)
    min_hold: Annotated[
        Ms,
        ConfigKey(
            "No profit is taken earlier, and no pair is entered that until_utc would close sooner; at most"
            " the least of hold.",
            0,
            YEAR_MS,
        ),
    ] = Ms(0)
    take_profit: Annotated[
        Bps | None,
        ConfigKey(
            "A pair exits once closing it comes to this profit after all costs, in parts of what both legs"
            " were worth when entered.",
            1,
            HUNDRED_PERCENT,
        ),
    ] = None
    """None = never, here and in the next one."""
    stop_loss: Annotated[
        Bps | None,
        ConfigKey(
            "A pair exits once closing it comes to this loss, all costs included, in parts of what both legs"
            " were worth when entered.",
            1,
            HUNDRED_PERCENT,
        ),
    ] = None
    hold_for_funding: Annotated[
        Ms,
        ConfigKey(
            "How much longer than hold a pair may be kept over funding times, while they pay it more than"
            " waiting risks (docs/funding.md); 0 s: not at all.",
            0,
            YEAR_MS,
        ),
    ] = Ms(0)
    pause: Annotated[
        Ms,
        ConfigKey(
            "How long to wait after a cycle, and after a skipped attempt; of a range a time is drawn for"
            " each.",
            0,
            YEAR_MS,
            form="times",
        ),
    ] = Ms(500)
    max_wait: Annotated[
        Ms,
        ConfigKey(
            "With nothing entered for this long the run ends, flat, with exit code 3 and the commonest"
            " reason.",
            1_000,
            YEAR_MS,
        ),
    ] = Ms(600_000)
    max_slippage: Annotated[
        Bps,
        ConfigKey("How much worse than the planned average price an order's limit is.", 1, 1_000 * ONE),
    ] = Bps(10 * ONE)
    recv_time: Annotated[
        Ms,
        ConfigKey(
            "How long an order may take to arrive, which is also how long an unanswered one stays unknown.",
            RECV_LEFT_MS + 1,
            89_999,
        ),
    ] = Ms(2000)
    ready_deadline: Annotated[
        Ms,
        ConfigKey(
            "Both legs and the ledger must agree on a plan within this time, or nothing is sent.",
            1,
            89_999,
        ),
    ] = Ms(100)
    legging_known: Annotated[
        Ms,
        ConfigKey(
            "How long a whole leg may be unhedged while it is repaired; more USD x seconds than that halts"
            " the run.",
            1,
            600_000,
        ),
    ] = Ms(500)
    legging_unknown: Annotated[
        Ms,
        ConfigKey("The same while the outcome of an order is unknown.", 1, 600_000),
    ] = Ms(6000)
    legging_quote: Annotated[
        Ms,
        ConfigKey(
            "The same of a cycle with orders that rest (execution): what of them has traded waits for its"
            " hedge.",
            1,
            600_000,
        ),
    ] = Ms(6000)
    max_repair_steps: Annotated[
        int,
        ConfigKey(
            "How many orders may try to complete or trim an uneven pair before both legs are closed.",
            0,
            10,
        ),
    ] = 3
    flatten_steps: Annotated[
        tuple[Bps, ...],
        ConfigKey(
            "How much worse than the market each try to close is priced, in this order; the last one is"
            " repeated.",
        ),
    ] = (Bps(10 * ONE), Bps(25 * ONE), Bps(50 * ONE), Bps(100 * ONE), Bps(300 * ONE))
    venue_patience: Annotated[
        Ms,
        ConfigKey(
            "How long closing is tried against an exchange that refuses, before the run halts.",
            1,
            YEAR_MS,
        ),
    ] = Ms(600_000)
    max_quote_age: Annotated[
        Ms,
        ConfigKey(
            "Nothing is entered on a book that was last confirmed longer ago than this.",
            1,
            60_000,
        ),
    ] = Ms(1000)
    max_quote_skew: Annotated[
        Ms,
        ConfigKey(
            "Nothing is entered when the ages of the two books differ by more than this.",
            1,
            60_000,
        ),
    ] = Ms(500)
    max_spread: Annotated[
        Bps,
        ConfigKey("Nothing is entered while the spread of either book is wider than this.", 1, 1_000 * ONE),
    ] = Bps(5 * ONE)
    min_depth: Annotated[
        Rate,
        ConfigKey(
            "Either book must hold this many times the order size within max_slippage.",
            ONE,
            10**6 * ONE,
            form="factor",
        ),
    ] = Rate(5 * ONE)
    max_oracle_gap: Annotated[
        Bps,
        ConfigKey(
            "Nothing is entered while a book's mid is further than this from the oracle's price.",
            1,
            HUNDRED_PERCENT,
        ),
    ] = Bps(50 * ONE)
    max_clock_skew: Annotated[
        Ms,
        ConfigKey("How far the clocks of this machine and of the exchange may be apart.", 1, 60_000),
    ] = Ms(250)
    no_entry_utc: Annotated[
        tuple[WeeklyWindow, ...],
        ConfigKey(
            "Weekly windows, UTC, in which nothing is entered; by default, live has the exchange's"
            " maintenance windows.",
        ),
    ] = ()
    page: Annotated[
        str,
        ConfigKey(
            'Serve the page and the metrics at this address of this machine, HOST:PORT; "off" serves none.',
            form="address",
        ),
    ] = "off"
    metrics_token: Annotated[
        str,
        ConfigKey(
            'Where the token is that /metrics asks for: "env:NAME" or "file:PATH" (mode 0600); "off" answers'
            " this machine alone.",
            form="secret",
        ),
    ] = "off"  # noqa: S105 - a place, not the token
    page_name: Annotated[
        str,
        ConfigKey(
            'By which name browsers reach the page over TLS, its own or a proxy\'s, HOST or HOST:PORT; "" is'
            " for an address of this machine alone.",
            form="name",
        ),
    ] = ""
    page_certificate: Annotated[
        str,
        ConfigKey(
            "A PEM file with the certificate of page_name and its key: with it other machines may reach the"
            ' page; "" is none.',
            form="file",
        ),
    ] = ""
    enter_when: EnterWhen = EnterWhen()
    execution: Execution = Execution()
    limits: Limits = Limits()
    guard: Guard = Guard()
    venue: VenueSettings = VenueSettings()
    files: Files = Files()
    alerts: AlertSettings = AlertSettings()
