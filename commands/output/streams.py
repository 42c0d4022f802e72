"""Standard output and standard error, written by threads: nothing that this program prints can hold it, fail
it or change its exit code.

`take_over` puts a `Queued` in place of `sys.stdout` and `sys.stderr`, so that what libraries print goes the
same way. `finish` is called once, at the end, and gives both of them a bounded time.
"""

import io
import os
import select
import sys
from typing import TextIO, cast

from commands.output.spool import Spool

FINISH_S = 2.0
"""How long the final output may take to be read before the process ends without them."""
LOOK_S = 0.5


class Queued(io.TextIOBase):
    """A text stream on a file descriptor. Writing puts into a queue, at once; a character that the
    encoding lacks becomes `?`.
    """

    def __init__(self, descriptor: int, encoding: str = "utf-8") -> None:
        super().__init__()
        self._descriptor, self._encoding = descriptor, encoding
        self._gone = False
        lost = "({} lines were not shown, they were not read in time; they are in the log)\n".format
        self.spool = Spool(f"writes to {descriptor}", self._written, lost)

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding that Python found for the stream that this one replaces."""
        return self._encoding

    @property
    def errors(self) -> str:  # type: ignore[override]
        """Characters that the encoding lacks become `?`; no error is raised."""
        return "replace"

    def write(self, text: str) -> int:
        """Put it into the queue; its length, as `io` wants it. Dropped once the reader has gone."""
        if text and not self._gone:
            self.spool.put(text)
        return len(text)

    def flush(self) -> None:
        """The thread writes as soon as it can: there is nothing to push."""

    def fileno(self) -> int:
        """The descriptor, for whoever asks about the terminal behind it."""
        return self._descriptor

    def isatty(self) -> bool:
        """Is the descriptor a terminal, so that lines are fitted to its width?"""
        return os.isatty(self._descriptor)

    def writable(self) -> bool:
        """Always: what cannot be written is dropped, not refused."""
        return True

    def _written(self, text: str) -> None:
        try:
            write_all(self._descriptor, text.encode(self._encoding, "replace"))
        except BrokenPipeError:  # nobody will ever read again
            self._gone = True
            raise


def write_all(descriptor: int, content: bytes) -> None:
    """Write all of it, however long that takes: only for a thread that may be held. Raises `OSError`."""
    rest = memoryview(content)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:  # somebody made the shared pipe non-blocking, or it is a socket of Trio's
            select.select([], [descriptor], [], LOOK_S)


def take_over() -> None:
    """Queue everything that is printed from now on."""
    sys.stdout = cast(TextIO, Queued(1, getattr(sys.stdout, "encoding", None) or "utf-8"))
    sys.stderr = cast(TextIO, Queued(2, getattr(sys.stderr, "encoding", None) or "utf-8"))


def finish(within_s: float = FINISH_S) -> bool:
    """Give what was printed its time to be read, both streams together; False when not all of it was."""
    from runtime.clock import stopwatch_ns

    began_ns = stopwatch_ns()
    done = True
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, Queued):
            done &= stream.spool.finish(max(0.0, within_s - (stopwatch_ns() - began_ns) / 1e9))
    return done


def stalled(stream: object) -> bool:
    """Does `stream` still have something to write that was printed before? Then another picture of the
    screen would only be dropped.
    """
    return isinstance(stream, Queued) and stream.spool.busy
