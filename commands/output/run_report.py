"""What a run has come to, in counts and words: the one place where screen, summary, `--json`, `status` and
log take them from.

Everything here is a pure function of `Totals`, which is a fold of the ledger's rows, and of what the exchange
said last. A cycle is counted by the run that entered it. A pair that an earlier run entered, or that a person
booked, is closed by this one and is in no count but `adopted`.
"""

import msgspec

from actors.risk.goals import Goal, goals
from commands.output.words import span
from messages.lifecycle import TAKEN_OVER, Held, Totals
from messages.settings import Settings


class RunReport(msgspec.Struct, frozen=True):
    """One run. `held` None: the ledger has not spoken yet."""

    settings: Settings
    totals: Totals
    held: Held | None = None
    code: str = ""
    """Of a halt or a refusal that ended it; "" while it runs."""

    @classmethod
    def of(cls, settings: Settings, held: Held | None, code: str = "") -> "RunReport":
        """A run as it stands now, by what its ledger says is held; None: it has not spoken yet."""
        return cls(settings, held.totals if held else Totals(), held, code)

    @property
    def used_up(self) -> int:
        """How many of `cycles` are used up: skipped ones only where they count."""
        return self.held.attempts(count_skips=self.settings.count_skips) if self.held else 0

    @property
    def traded(self) -> bool:
        """Did any order of this run fill, an earlier run's pair included?"""
        return bool(self.totals.traded or self.totals.entered)

    @property
    def of_earlier_run(self) -> bool:
        """Is what is held, or awaited, a pair that this run did not enter?"""
        held = self.held
        return (
            held is not None
            and held.adopted
            and bool(held.eth.amount or held.sol.amount or held.awaiting_proof or held.doubts or held.working)
        )

    @property
    def cycle_words(self) -> str:
        """`cycle 2 of 5`: the cycle under way, or the next one, or the last when all are done. Counted by
        this run, not by the ledger's numbers.
        """
        if self.of_earlier_run:
            return "an earlier run's pair"
        number, cycles = self.used_up + 1, self.settings.cycles
        return (
            f"cycle {number}, until stopped" if cycles is None else f"cycle {min(number, cycles)} of {cycles}"
        )

    def progress_words(self, now_ms: int) -> str:
        """`cycle 12, until stopped` where that is all; with goals `cycle 12   until_volume 44,120.50 of
        1,000,000 USD   until_utc 2026-12-01 18:00 UTC, 3 h 4 min left`. `now_ms`: venue time.
        """
        wanted = goals(self.settings, self.held, now_ms) if self.held is not None else ()
        told = [_progress(goal) for goal in wanted if goal.key != "cycles"]
        words = self.cycle_words.removesuffix(", until stopped") if told else self.cycle_words
        return "   ".join([words, *told])

    # -- the end ---------------------------------------------------------------------------------------------

    def headline(self, took: str, where: str) -> str:
        """What was traded, for a run that has ended flat. `took`: `in 17.2 s`; `where`: `(simulated, seed
        7)`.
        """
        totals, sentences = self.totals, [self._pairs(took, where)]
        still_held = self.held is not None and bool(self.held.eth.amount or self.held.sol.amount)
        closed = "by others: by hand, or by the exchange" if still_held else "as the run ended"
        closed = "by the guard" if self.code == TAKEN_OVER else closed
        if totals.unfinished and totals.entered:  # flat, although the cycle has no ending
            sentences.append(f"The last pair was closed {closed}.")
        if totals.adopted:
            many = totals.adopted > 1
            sentences.append(
                f"{f'{totals.adopted} pairs' if many else 'A pair'} of an earlier run"
                f" {'were' if many else 'was'} closed."
            )
        elif self.of_earlier_run:
            sentences.append(f"A pair of an earlier run was closed {closed}.")
        return " ".join(sentences)

    def _pairs(self, took: str, where: str) -> str:
        totals = self.totals
        if not (totals.entered or totals.completed or totals.failed):
            if self.traded or self.of_earlier_run or totals.adopted:
                return f"No new pair was entered {took} {where}."
            return f"{'No order was filled' if totals.orders_sent else 'Nothing was traded'} {took} {where}."
        begun = (
            totals.completed
            + totals.failed
            + (totals.skipped if self.settings.count_skips else 0)
            + totals.unfinished
        )
        if totals.completed == totals.together:
            return f"{totals.completed} of {begun} pairs entered and exited together {took} {where}."
        execution = self.settings.execution
        if execution.entry != "taker-taker" or execution.exit != "taker-taker":
            # where orders rest the legs trade one after the other: nothing of it is "together"
            ways = f"entry {execution.entry}, exit {execution.exit}"
            return f"{totals.completed} of {begun} pairs entered and exited {took}, {ways} {where}."
        return (
            f"{totals.completed} of {begun} pairs entered and exited {took}, {totals.together} together"
            f" {where}."
        )

    def count_words(self) -> str:
        """`3 completed, 1 skipped, 1 failed`, and what is in none of these; "" where all have completed,
        or there was nothing to count.
        """
        totals = self.totals
        if not (totals.skipped or totals.failed or totals.unfinished or totals.adopted):
            return ""
        parts = [f"{totals.completed} completed", f"{totals.skipped} skipped", f"{totals.failed} failed"]
        parts += ["1 without an end"] if totals.unfinished else []
        parts += [f"{totals.adopted} of an earlier run"] if totals.adopted else []
        return ", ".join(parts)


def _progress(goal: Goal) -> str:
    """Of a time also how long it still is."""
    if goal.key != "until_utc" or goal.now is None:
        return goal.words
    return f"{goal.words}, {span(max(0, goal.wanted - goal.now))} left"


def rounds_words(rounds: int) -> str:
    """How many rounds of closing orders were sent."""
    return (
        "no order was needed"
        if rounds == 0
        else f"{rounds} round{'s' if rounds > 1 else ''} of reduce-only orders"
    )
