"""evenkeel.log: what happened, in words, for reading afterwards. Rotated by us (`files.log_size` x
`files.log_keep`).

Every point that a plan passes is one line with the plan's number, its digest and both quantities in decimal,
so that two paths to the wire could never differ unseen (lesson S1). A log that cannot be written stops
nothing (lesson R11), and one that hangs (a network file system) holds a thread of its own and nobody else:
what it cannot take is dropped, counted, and said in the log as soon as it can be written again. Lines are
written a quarter of a second after they were said, together; errors at once, with all before them.
"""

import logging
import threading
from collections.abc import Callable
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

import msgspec

from commands.output.spool import Spool
from commands.output.words import iso_micros
from messages.execution import Fill, Outcome, PlanClosed, Resolved
from messages.lifecycle import AccountStream, Alarm, CycleEnded, Denied, Halted, Hop, Note, Restarted, Staged
from messages.sizing import Abort, Declined, Skipped
from runtime import specs
from runtime.clock import Clock

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


class _Quiet(RotatingFileHandler):
    """A rotating file that keeps its troubles to itself; `lost` counts the lines that could not be
    written.
    """

    terminator = ""
    """Lines come with their ends, several at once."""
    lost = 0

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name is logging's
        """Count instead of printing a traceback over the screen."""
        self.lost += record.getMessage().count("\n")


OPEN_S = 1.0
"""How long opening the file may take before a run goes on without knowing whether it can be written."""
CLOSE_S = 1.0
"""How long the last lines may take."""
GATHER_S = 0.2
"""How long lines are gathered: with `REPORT_S` of the recorder, what a SIGKILL loses."""
JOINED = 8_192
"""Characters that are written at once, at most; never more than a quarter of a file's size."""


class LogFile:
    """An observer (call it with messages) that writes lines to a file. Close it when the run is over."""

    def __init__(self, path: Path, clock: Clock, *, log_size: int, log_keep: int) -> None:
        self._clock = clock
        self._handler = _Quiet(
            path,
            maxBytes=log_size,
            backupCount=max(0, log_keep - 1),
            encoding="utf-8",
            errors="backslashreplace",
            delay=True,
        )
        self._spool = Spool(
            f"writes {path.name}",
            lambda line: self._handler.handle(
                logging.LogRecord("evenkeel", logging.INFO, "", 0, line, None, None)
            ),
            lambda count: (
                f"{iso_micros(clock.utc_ns())} warning log: {count} lines before this one were dropped, the"
                " disk did not take them\n"
            ),
            gather_s=GATHER_S,
            join_max=min(JOINED, log_size // 4),
        )
        self._error: OSError | None = None
        self._opened = threading.Event()
        threading.Thread(target=self._open, name=f"opens {path.name}", daemon=True).start()
        self._opened.wait(OPEN_S)
        if self._error is not None:
            raise self._error

    def __call__(self, message: msgspec.Struct) -> None:
        """One line, or none for what comes too often. Never raises, never waits."""
        line = line_of(message, self._clock)
        if line is not None:
            self._spool.put(line[1] + "\n")
            if line[0] >= logging.ERROR:
                self._spool.hurry()

    @property
    def lost(self) -> int:
        """Lines that could not be written, by the file or because the disk was too slow."""
        return self._handler.lost + self._spool.lost

    def close(self) -> None:
        """Close the file once all lines are in it, at most `CLOSE_S` later; what is observed afterwards
        opens it again.
        """
        if self._spool.finish(CLOSE_S):
            self._handler.close()

    def _open(self) -> None:
        """In a thread: even opening a file can take for ever."""
        try:
            self._handler.acquire()
            try:
                self._handler.stream = self._handler._open()
            finally:
                self._handler.release()
        except OSError as error:
            self._error = error
        self._opened.set()


def log_observer(path: Path, clock: Clock, *, log_size: int = 10_000_000, log_keep: int = 10) -> LogFile:
    """An observer that writes lines to `path`: at most `log_keep` files of `log_size` bytes. Raises
    `OSError` when the file cannot be created.
    """
    return LogFile(path, clock, log_size=log_size, log_keep=log_keep)


def line_of(message: msgspec.Struct, clock: Clock) -> tuple[int, str] | None:
    """Level and line of one message; None for those that are too many to log.

    One clock for all lines, this machine's: the time of a note or a hop is its own, of everything else it is
    now. What the venue dates says so in its text.
    """
    words = _WORDS.get(type(message))
    if words is None:
        return None
    level, source, text = words(message)
    at_ns = message.at_ns if isinstance(message, Note | Hop) else clock.utc_ns()
    return (
        level,
        f"{iso_micros(at_ns)} {logging.getLevelName(level).lower():<7} {source}: {' '.join(text.split())}",
    )


Words = tuple[int, str, str]
"""Level, source, text."""


def _hop(hop: Hop) -> Words:
    plan = f"plan {hop.epoch}.{hop.seq} {hop.digest}" if hop.digest else "plan not sealed"
    return logging.INFO, hop.hop, f"{plan} ETH {hop.eth.text()} SOL {hop.sol.text()} {hop.note}"


def _note(note: Note) -> Words:
    return LEVELS[note.level], note.source, note.text


def _outcome(outcome: Outcome) -> Words:
    level = logging.INFO if outcome.kind in {"accepted", "none"} else logging.WARNING
    code = "" if outcome.code is None else f" {outcome.code}"
    waited = outcome.answered_ms - outcome.sent_ms
    text = (
        f"plan {outcome.epoch}.{outcome.seq} order {outcome.order_digest} {outcome.kind}{code} after {waited}"
        f" ms {outcome.detail}"
    )
    return level, f"{outcome.leg}_leg outcome", text


def _fill(fill: Fill) -> Words:
    text = (
        f"order {fill.order_digest} {fill.amount.text()} at {fill.price.text()}, fee {fill.fee.text()},"
        f" {fill.remaining.text()} left"
    )
    text += f", traded {iso_micros(fill.at_ns)} by the exchange's clock"
    return logging.INFO, f"fill of product {fill.product_id}", text


def _resolved(answer: Resolved) -> Words:
    text = (
        f"order {answer.order_digest} filled {answer.filled.text()} for {answer.quote.text()} USD, by"
        f" {answer.source}"
    )
    return logging.WARNING, "resolved", text + (", provisional" if answer.provisional else "")


def _stream(stream: AccountStream) -> Words:
    if stream.live:
        return logging.INFO, "account", "its stream is live"
    return (
        logging.WARNING,
        "account",
        f"its stream is gone, nothing is entered until it is back: {stream.detail}",
    )


def _closed(closed: PlanClosed) -> Words:
    legs = ", ".join(
        f"{name} {leg.filled.text()} of {leg.ordered.text()} at {leg.vwap.text()}"
        for name, leg in (("ETH", closed.eth), ("SOL", closed.sol))
    )
    return (
        logging.INFO,
        "plan closed",
        f"plan {closed.epoch}.{closed.seq} {'aborted' if closed.aborted else legs}",
    )


def _cycle(ended: CycleEnded) -> Words:
    unhedged = f", {ended.unhedged_usd_s.text()} USD s unhedged" if ended.unhedged_usd_s else ""
    text = f"cycle {ended.cycle} {ended.ending} {ended.detail}".rstrip() + unhedged
    return logging.INFO, "cycle ended", text


_WORDS: dict[type, Callable[[Any], Words]] = {
    Hop: _hop,
    Note: _note,
    Outcome: _outcome,
    Fill: _fill,
    Resolved: _resolved,
    AccountStream: _stream,
    PlanClosed: _closed,
    Declined: lambda m: (
        logging.WARNING,
        f"{m.who} declined",
        f"plan {m.epoch}.{m.seq} {m.code}: {m.detail}",
    ),
    Abort: lambda m: (
        logging.WARNING,
        "aborted",
        f"plan {m.epoch}.{m.seq} {m.code}: {m.detail}, 0 orders sent",
    ),
    Skipped: lambda m: (logging.WARNING, "skipped", f"cycle {m.cycle} {m.code}: {m.detail}"),
    CycleEnded: _cycle,
    Restarted: lambda m: (
        logging.WARNING,
        "restarted",
        f"{m.actor} after {m.after_ms} ms, epoch {m.epoch}: {m.why}",
    ),
    Denied: lambda m: (logging.WARNING, "denied", f"{m.code}: {m.detail}"),
    Alarm: lambda m: (logging.ERROR, "ALARM", f"{m.code}: {m.detail}"),
    Halted: lambda m: (logging.ERROR, "HALTED", f"{m.code}: {m.detail}"),
    Staged: lambda m: (logging.INFO, "STAGED", f"cycle {m.cycle} {m.text}"),
    specs.Exited: lambda m: (
        logging.WARNING if m.why else logging.DEBUG,
        "supervision",
        f"{m.child} {m.incarnation} ended {m.why} {m.trace}",
    ),
    specs.ChildStarted: lambda m: (logging.INFO, "supervision", f"{m.child} {m.incarnation} started"),
    specs.GivingUp: lambda m: (logging.ERROR, "supervision", f"{m.supervisor} gives up: {m.why}"),
}
