"""The words: every error a person sees has the same three parts, and every number is written the same way.

    what happened · what it means for the money · what to type next

    Problem
    |-- ConfigError   wrong usage or configuration; exit 2
    `-- Refusal       understood, and not done; no Evenkeel position is open; exit 3

A `Problem` raised anywhere below `commands.cli.main` is printed by it, as a sentence or as the `error` of the
JSON object.
"""

import os
import re
import textwrap
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import TextIO

DONE, INTERNAL, USAGE, REFUSED, OPEN, HALTED = 0, 1, 2, 3, 4, 70
"""Exit codes (`docs/running.md`); a signal that ended flat is 130 (SIGINT) or 143 (SIGTERM, SIGHUP)."""

COMMAND = "python supervisor.py"
INSTALL = "pip install -c constraints.txt -e ."
RECORDING_OVER = "the recording has ended: its last prices stand still from here on"
"""What `simulate` says, on a line of its own, when it has replayed a recording to its end; a run that
started it ends then.
"""
PLAY_MONEY = "SIMULATED, play money"
"""What every screen says first where no money is in it."""


def stopped_code(signal: int) -> int:
    """The exit code of what a signal stopped, flat: SIGINT is 130; SIGTERM and SIGHUP are both 143."""
    return 130 if signal == 2 else 143


class Problem(Exception):
    """Something a person must know. `code` is a word, `key` the configuration key or option it is about
    (None: none).
    """

    exit_code = INTERNAL
    ended_by = "error"
    settled = False
    """Does it rest on the exchange's report of what is open? Then the files are not asked any more
    (`verdict.py`).
    """

    def __init__(
        self, code: str, key: str | None, message: str, cure: str, meaning: str = "nothing was started"
    ) -> None:
        super().__init__(code, key, message, cure, meaning)
        self.code = code
        self.key = key
        self.message = message
        self.cure = cure
        self.meaning = meaning

    @property
    def sentence(self) -> str:
        """What happened, what it means for the money, what to type next."""
        return " · ".join(part for part in (self.message, self.meaning, self.cure) if part)

    def __str__(self) -> str:
        return self.sentence

    def as_json(self) -> dict[str, str | None]:
        """The `error` object of the JSON line: code, key, message and cure."""
        return {"code": self.code, "key": self.key, "message": self.message, "cure": self.cure}


def exposure(*, unknown: bool) -> str:
    """What it means for the money not to be flat: what is not known may be open, and is not said to be."""
    return "exposure may be open now" if unknown else "exposure is open now"


class ConfigError(Problem):
    """A wrong key, value, option or command. Nothing was started."""

    exit_code = USAGE


class Refusal(Problem):
    """Understood, but not done; no Evenkeel position is open."""

    exit_code = REFUSED
    ended_by = "refused"


def nearest(wrong: str, right: Sequence[str]) -> str | None:
    """The one of `right` that `wrong` was probably meant to be; None when nothing is near.

    A dotted key is also found by its last part, because the table is what people forget: `max_gross` finds
    `limits.max_gross`.
    """
    last = wrong.rsplit(".", 1)[-1]
    for candidate in right:
        if candidate.rsplit(".", 1)[-1] == last:
            return candidate
    by_last = {candidate.rsplit(".", 1)[-1]: candidate for candidate in right}
    close = _close(wrong, right) or _close(last, list(by_last))
    return by_last.get(close, close) if close else None


def _close(wrong: str, right: Sequence[str]) -> str | None:
    """The nearest spelling: three letters of four in order, or the same letters in another. Less is
    another word: `yes` is no `cycles`.
    """
    return next(
        (
            each
            for each in get_close_matches(wrong, right, 3, 0.6)
            if sorted(each) == sorted(wrong) or get_close_matches(wrong, [each], 1, 0.75)
        ),
        None,
    )


def did_you_mean(wrong: str, right: Sequence[str], otherwise: str) -> str:
    """The cure for a mistyped word: the nearest of `right`, else `otherwise`."""
    found = nearest(wrong, right)
    return f"did you mean {found}?" if found else otherwise


def seconds(duration_ms: int, places: int = 1) -> str:
    """A duration of milliseconds, in seconds with its unit."""
    return f"{duration_ms / 1000:.{places}f} s"


def span(duration_ms: int) -> str:
    """A short duration: `38 ms`, `1.2 s`, `3 m 05 s`, `2 h 04 m`."""
    if duration_ms < 1000:
        return f"{duration_ms} ms"
    if duration_ms < 60_000:
        return seconds(duration_ms)
    minutes, rest = divmod(duration_ms // 1000, 60)
    return f"{minutes} m {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} m"


def clock_time(at_ms: int) -> str:
    """HH:MM:SS of a time in milliseconds, UTC, rounded down."""
    return datetime.fromtimestamp(at_ms // 1000, UTC).strftime("%H:%M:%S")


def date_time(at_ms: int) -> str:
    """YYYY-MM-DD HH:MM:SSZ of a time in milliseconds, rounded down."""
    return datetime.fromtimestamp(at_ms // 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def iso_micros(at_ns: int) -> str:
    """ISO-8601 with microseconds and Z, of a time in nanoseconds, rounded down."""
    whole, rest = divmod(at_ns, 1_000_000_000)
    return datetime.fromtimestamp(whole, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{rest // 1000:06d}Z"


def iso_of_ms(at_ms: int) -> str:
    """The same of a time in milliseconds."""
    return iso_micros(at_ms * 1_000_000)


UNITS = frozenset(
    {
        "USD",
        "USD·s",
        "USDT0",
        "bps",
        "bp",
        "%",
        "ms",
        "s",
        "m",
        "h",
        "min",
        "ETH",
        "SOL",
        "rows",
        "x",
        "MB",
        "GB",
        "kB",
    }
)
"""What stands behind a figure and is never parted from it."""
_KEPT_SPACE = "\N{NO-BREAK SPACE}"
_BEFORE_UNIT = re.compile(
    r"(?<=\d) (?=(?:"
    + "|".join(re.escape(unit) for unit in sorted(UNITS, key=len, reverse=True))
    + r")(?![\w·]))"
)


def fitted(text: str, width: int, indent: int = 1) -> list[str]:
    """`text` on lines of at most `width` characters, broken between words and never between a figure and its
    unit; what goes on is indented.

    A single word that is longer than a line is broken, so that nothing is lost.
    """
    flat = " ".join(text.splitlines()).rstrip()
    if len(flat) <= width:
        return [flat]
    lead = len(flat) - len(flat.lstrip())
    together = _BEFORE_UNIT.sub(_KEPT_SPACE, flat.strip())
    lines = textwrap.wrap(
        together, width, initial_indent=" " * lead, subsequent_indent=" " * indent, break_on_hyphens=False
    )
    return [line.replace(_KEPT_SPACE, " ").rstrip() for line in lines]


NARROWEST = 20
"""In fewer columns nothing is broken between words."""


def fitted_to(stream: TextIO | None, lines: Iterable[str], columns: int, indent: int = 1) -> list[str]:
    """`lines` as they are where `stream` is no terminal, or one whose columns (0) nobody knows; else
    broken between words at its width.
    """
    if stream is None or not stream.isatty() or columns <= NARROWEST:
        return list(lines)
    return [part for line in lines for part in fitted(line, columns, indent)]


def say(stream: TextIO | None, lines: str | Iterable[str]) -> bool:
    """Write lines to a person, now; False when nobody can hear them. Never raises: an exit code is about
    money, not about who listens.

    A terminal that lacks a character gets `?` for it. Where nothing can be written (a full disk, a closed
    pipe, no stream at all) the words are lost. In a process of ours the stream is a queue (`streams.Queued`),
    so that nobody is waited for either.
    """
    text = lines if isinstance(lines, str) else "\n".join(lines)
    try:
        if stream is not None:
            encoding = getattr(stream, "encoding", None) or "utf-8"
            stream.write(text.encode(encoding, "replace").decode(encoding) + "\n")
            stream.flush()
            return True
    except Exception:  # noqa: BLE001 - whatever is wrong with a stream, the caller has something more important to return
        with suppress(Exception):
            # Python flushes the stream again when it goes down, and ends with exit code 120 when that fails:
            # from here on it points at nothing.
            number = stream.fileno() if stream is not None else -1
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, number)
            os.close(nowhere)
    return False
