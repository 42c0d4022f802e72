"""A run's events as its page is told of them, and a page as a browser keeps it."""

import random
from collections.abc import Iterable
from typing import Any

import msgspec

from commands.output.events import BeginEvent, RunEvent, StandingEvent
from commands.output.published import event_of
from commands.output.standing import Shown, standing_facts
from commands.output.words import iso_micros
from messages.settings import Settings
from runtime import specs
from tests.actors.fakes import START_MS, held, quote
from tests.commands.output.event_samples import AT, sample_lines
from tests.commands.scenes import calm_entry, open_pair, plan, refused_and_repaired, totals


def begun() -> BeginEvent:
    """The first line."""
    first = sample_lines()[0]
    assert isinstance(first, BeginEvent)
    return first


def events_told(messages: Iterable[msgspec.Struct], first: int = 1) -> list[RunEvent]:
    """Each message as an event, numbered from `first`."""
    return [event_of(message, seq, AT) for seq, message in enumerate(messages, start=first)]


def stands_now(seq: int, held_now: Any = None, doing: str = "HOLDING: exits in 1.6 s") -> StandingEvent:
    """How the run stands, as event `seq`."""
    shown = Shown(Settings(), held_now, doing, 2, held_now.cycle if held_now else 0, "guard off")
    return StandingEvent(seq=seq, at=iso_micros(AT), **standing_facts(shown, START_MS))


def eventful_run(seed: int, count: int) -> list[RunEvent]:
    """`count` events of a run that nobody would trade: everything that is ever told, in any order."""
    chance = random.Random(seed)
    samples = [*calm_entry(plan()), *refused_and_repaired(), quote()]
    actors = ("market_data", "account", "ledger", "eth_leg", "sol_leg", "sizing")
    found: list[RunEvent] = [begun()]
    for seq in range(1, count):
        kind = chance.randrange(5)
        if kind == 0:
            completed = seq // 9
            state = chance.choice(
                [held(cycle=completed), open_pair(cycle=completed, totals=totals(completed=completed))]
            )
            found.append(stands_now(seq, state, f"line {chance.randrange(4)}"))
        elif kind == 1:
            who, number = chance.choice(actors), chance.randrange(1, 9)
            up = specs.ChildStarted("trading", who, number)
            found += events_told(
                [chance.choice([up, specs.Exited("trading", who, number, "Killed", "")])], seq
            )
        elif kind == 2:
            sample = chance.choice(sample_lines()[3:])
            found.append(msgspec.structs.replace(sample, seq=seq))
        else:
            found += events_told([chance.choice(samples)], seq)
    return found


class Browser:
    """What `live.js` keeps, by the same rules."""

    def __init__(self) -> None:
        self.seq = -1
        self.sections: dict[str, Any] = {}
        self.rows: dict[str, dict[int, Any]] = {}

    def take(self, content: bytes) -> None:
        """A snapshot, or the next delta; raises `AssertionError` for one that is not the next."""
        told = msgspec.json.decode(content)
        if told.get("all"):
            self.sections, self.rows = told["set"], {kind: dict(rows) for kind, rows in told["rows"].items()}
        else:
            assert told["seq"] == self.seq + 1
            self.sections |= told["set"]
            for kind, rows in told["rows"].items():
                kept = self.rows[kind]
                kept |= dict(rows)
                for key in sorted(kept)[: max(0, len(kept) - self.sections["kept"][kind])]:
                    del kept[key]
        self.seq = told["seq"]
