"""What a run is to come to: `cycles`, `until_volume`, `until_cost`, `until_utc`. Whichever is reached first
ends it, flat, with exit code 0, and is named.

    cycles         pairs entered and exited, skipped ones where `count_skips` says so
    until_volume   USD traded: the notionals of all fills, entries and exits of both legs (`Totals.traded`)
    until_cost     USD lost, net of everything: the trading result of the summary, NET, with its sign turned
                   (`Statement.net`)
    until_utc      a time of the exchange's clock

All are counted over this invocation, as the ledger's fold has it: a run that is started again begins at 0,
and what closing an earlier run's pair trades and costs is its own. The first three are judged while nothing
is open: a pair is entered and exited whole. At `until_utc` an open pair is closed at once.
"""

from typing import Literal

import msgspec

from messages.amounts import grouped, to_cents
from messages.lifecycle import Denial, Held
from messages.settings import Settings, utc_text
from messages.units import Quote

GoalKey = Literal["cycles", "until_volume", "until_cost", "until_utc"]
GOALS: tuple[GoalKey, ...] = ("cycles", "until_volume", "until_cost", "until_utc")
"""In the order in which they are asked."""


class Goal(msgspec.Struct, frozen=True):
    """One of them and how far it is, both in the key's own integers: a count, USD x18, or venue time in
    milliseconds.
    """

    key: GoalKey
    now: int | None
    """None: not known, and so not reached."""
    wanted: int
    early: int = 0
    """By how much less it counts as met while nothing is open: `min_hold` before a time."""

    @property
    def reached(self) -> bool:
        """Is the goal met, or as near as its `early` allows? What is not known yet never is."""
        return self.now is not None and self.now >= self.wanted - self.early

    @property
    def code(self) -> str:
        """The ending's code in events and `--json`, such as `UNTIL_VOLUME`."""
        return self.key.upper()

    @property
    def words(self) -> str:
        """`until_volume 12,031.55 of 1,000,000 USD`; of a time only the time."""
        if self.key == "until_utc":
            return f"until_utc {utc_text(self.wanted)} UTC"
        if self.key == "cycles":
            return f"{'?' if self.now is None else self.now} of {self.wanted} cycles"
        so_far = "?" if self.now is None else grouped(to_cents(self.now))
        return f"{self.key} {so_far} of {grouped(Quote(self.wanted))} USD"

    @property
    def said(self) -> tuple[str, str]:
        """Its code, and the sentence with which a run says that this ended it."""
        if self.key == "until_utc":
            came = self.now is not None and self.now >= self.wanted
            soon = "it is" if came else "a pair would be held for less than min_hold until"
            return self.code, f"{soon} {utc_text(self.wanted)} UTC (until_utc)"
        if self.key == "cycles":
            return self.code, f"{self.words} are done"
        done = "traded" if self.key == "until_volume" else "lost, net of everything"
        return self.code, f"{self.words.removeprefix(f'{self.key} ')} {done} ({self.key})"


def spent(held: Held) -> int | None:
    """USD x18 that this invocation has lost, net of everything; < 0 is a gain, None while it is unknown."""
    money = held.totals.money
    return None if money is None or money.net is None else -money.net


def goals(settings: Settings, held: Held, now_ms: int | None) -> tuple[Goal, ...]:
    """Those that are set, in the order in which they are asked. `now_ms`: venue time; None: not known."""
    found: list[Goal] = []
    # Sizing asks at every quote, and mostly one of them is set: nothing is reckoned for the others.
    if settings.cycles is not None:
        found.append(Goal("cycles", held.attempts(count_skips=settings.count_skips), settings.cycles))
    if settings.until_volume is not None:
        found.append(Goal("until_volume", held.totals.traded, settings.until_volume))
    if settings.until_cost is not None:
        found.append(Goal("until_cost", spent(held), settings.until_cost))
    if settings.until_utc is not None:
        found.append(Goal("until_utc", now_ms, settings.until_utc, settings.min_hold))
    return tuple(found)


def reached(settings: Settings, held: Held, now_ms: int) -> Goal | None:
    """The first that is; None while another cycle is wanted."""
    return next((goal for goal in goals(settings, held, now_ms) if goal.reached), None)


def closes_now(settings: Settings, now_ms: int) -> Goal | None:
    """`until_utc`, once that time has come: an open pair does not stay for its exit then."""
    if settings.until_utc is None or now_ms < settings.until_utc:
        return None
    return Goal("until_utc", now_ms, settings.until_utc)


def goals_set(settings: Settings) -> tuple[GoalKey, ...]:
    """The keys of those that are set; () for a run that only a person ends."""
    return tuple(key for key in GOALS if getattr(settings, key) is not None)


def goal_denial(settings: Settings, held: Held, now_ms: int) -> Denial | None:
    """Why no further cycle is wanted, or why nobody can say whether one is; None when one is."""
    for goal in goals(settings, held, now_ms):
        if goal.reached:
            return Denial(*goal.said)
        if goal.now is None:
            return Denial(goal.code, "what this run has cost is not known yet (until_cost)")
    return None
