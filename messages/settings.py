"""The effective configuration, in units. Read by every actor, decided once at start (`commands/config.py` makes it from TOML, flags and defaults)."""

from typing import Literal

import msgspec

from messages.units import ONE, Bps, Ms, Quote, Rate


class WhenUnbalanced(msgspec.Struct, frozen=True):
    """What to do when no pair of quantities keeps the promise: skip, accept up to `accept`, or raise the target up to `raise_by` times."""

    action: Literal["skip", "accept", "raise"] = "skip"
    accept: Bps = Bps(0)
    raise_by: Rate = Rate(ONE)


class WeeklyWindow(msgspec.Struct, frozen=True):
    """The same minutes of every week, UTC: from `start_min` on, up to and without `end_min` (minutes since midnight)."""

    weekday: int
    """0 is Monday."""
    start_min: int
    end_min: int

    def text(self) -> str:
        """As it is written: `Mon 13:50-14:20`."""
        return f"{WEEKDAYS[self.weekday]} {_clock(self.start_min)}-{_clock(self.end_min)}"


WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


class Limits(msgspec.Struct, frozen=True):
    """`[limits]`."""

    max_leg_notional: Quote = Quote(1250 * ONE)
    max_gross: Quote = Quote(2500 * ONE)
    max_daily_loss: Quote = Quote(50 * ONE)
    """Of a UTC day. Live trading has no default for it."""
    max_drawdown: Quote = Quote(100 * ONE)
    """From the account's persisted peak."""
    max_failed_cycles: int = 3
    """In a row."""
    min_fill_rate: Rate = Rate(90 * ONE // 100)
    min_cycle_success: Rate = Rate(90 * ONE // 100)
    """Over the last 20 cycles that sent orders, judged from the 10th."""
    margin_buffer: Rate = Rate(20 * ONE // 100)
    min_liquidation_move: Rate = Rate(20 * ONE // 100)
    max_marked_imbalance: Bps = Bps(500 * ONE)
    max_hold: Ms = Ms(86_400_000)
    alarm_after_denying: Ms = Ms(600_000)


class VenueSettings(msgspec.Struct, frozen=True):
    """`[venue]`."""

    name: Literal["simulated", "testnet", "mainnet"] = "simulated"
    subaccount: str = "default"
    owner: str = ""
    key: str = "env:NADO_PRIVATE_KEY"


class Guard(msgspec.Struct, frozen=True):
    """`[guard]`."""

    enabled: bool = True
    dead_man: Ms = Ms(5_000)
    """A run whose heartbeat has stopped for this long is dead: the guard closes what it left open."""


class Files(msgspec.Struct, frozen=True):
    """`[files]`."""

    logs: str = "logs"
    ledger_sync: Literal["auto", "full", "normal"] = "auto"
    log_size: int = 10_000_000
    log_keep: int = 10
    min_free_disk: int = 500_000_000


class Settings(msgspec.Struct, frozen=True):
    """Every key with its default; `interface.md` has the reasons for the numbers."""

    target: Quote = Quote(1000 * ONE)
    max_imbalance: Bps = Bps(10 * ONE)
    planning_margin: Bps = Bps(25 * ONE // 10)
    max_deviation: Bps = Bps(2000 * ONE)
    when_unbalanced: WhenUnbalanced = WhenUnbalanced()
    direction: Literal["alternate", "long-eth", "long-sol"] = "alternate"
    cycles: int | None = 5
    """None = forever."""
    hold: Ms = Ms(2000)
    pause: Ms = Ms(500)
    max_slippage: Bps = Bps(10 * ONE)
    recv_time: Ms = Ms(2000)
    ready_deadline: Ms = Ms(100)
    legging_known: Ms = Ms(500)
    legging_unknown: Ms = Ms(6000)
    max_repair_steps: int = 3
    flatten_steps: tuple[Bps, ...] = (Bps(10 * ONE), Bps(25 * ONE), Bps(50 * ONE), Bps(100 * ONE), Bps(300 * ONE))
    venue_patience: Ms = Ms(600_000)
    max_quote_age: Ms = Ms(1000)
    max_quote_skew: Ms = Ms(500)
    max_spread: Bps = Bps(5 * ONE)
    min_depth: Rate = Rate(5 * ONE)
    max_oracle_gap: Bps = Bps(50 * ONE)
    max_clock_skew: Ms = Ms(250)
    no_entry_utc: tuple[WeeklyWindow, ...] = ()
    """Nothing is entered within these. Live venues get the exchange's maintenance windows; a simulated one has none."""
    limits: Limits = Limits()
    guard: Guard = Guard()
    venue: VenueSettings = VenueSettings()
    files: Files = Files()
