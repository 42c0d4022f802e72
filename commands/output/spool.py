"""A bounded queue with a thread behind it: how the program speaks without ever waiting for whoever listens.

A terminal that was stopped (Ctrl-S), a pipe that nobody reads, a dropped connection and a disk that hangs all
hold a `write` for as long as they like. The thread may be held; who puts something in is not. When the queue
is full the oldest is dropped, counted, and said as soon as writing goes on: what was said last (how it ended,
what is open) is what a person needs most.

Nothing that trades runs in such a thread, and nothing that trades waits for one. A thread that is woken for
every text takes turns with the loop that trades, so that a log is gathered: the thread is woken by the first
text and by `hurry`, and writes what has come some time later.
"""

import threading
from collections import deque
from collections.abc import Callable

BYTES_MAX = 256 * 1024
"""How much may wait: some 3,000 lines, or 60 pictures of the live screen."""


class Spool:
    """Texts in, `write(text)` called in a thread. `notice(count)` makes the text that says how many were
    dropped.
    """

    def __init__(
        self,
        name: str,
        write: Callable[[str], object],
        notice: Callable[[int], str],
        bytes_max: int = BYTES_MAX,
        *,
        gather_s: float = 0.0,
        join_max: int = 0,
    ) -> None:
        """`gather_s`: how long texts are gathered before they are written. `join_max`: up to so many
        characters of them are written at once.
        """
        self.lost = 0
        """Texts that were dropped, because the queue was full, `write` failed, or no thread could be had."""
        self._write, self._notice, self._bytes_max = write, notice, bytes_max
        self._gather_s, self._join_max = gather_s, join_max
        self._hurried = False
        """Is nothing to be gathered until the queue is empty?"""
        self._last: Callable[[], object] | None = None
        self._waiting: deque[str] = deque()
        self._size = self._unsaid = 0
        self._writing = False
        self._change = threading.Condition()
        self._thread: threading.Thread | None = None
        self._name = name

    def put(self, text: str) -> None:
        """Let `text` be written in its turn. Never blocks, never raises; drops the oldest when it is full."""
        with self._change:
            self._waiting.append(text)
            self._size += len(text)
            while self._size > self._bytes_max and len(self._waiting) > 1:
                self._size -= len(self._waiting.popleft())
                self._unsaid += 1
                self.lost += 1
            self._begin()
            if len(self._waiting) == 1 or not self._gather_s:
                self._change.notify_all()

    def hurry(self) -> None:
        """Have the writer begin at once with what waits, instead of letting it collect."""
        with self._change:
            self._hurried = True
            self._change.notify_all()

    @property
    def busy(self) -> bool:
        """Is something still to be written, or being written now?"""
        return self._writing or bool(self._waiting)

    def finish(self, within_s: float) -> bool:
        """Wait until all is written, at most so long; False when it was not. Not for the loop that trades."""
        self.hurry()
        with self._change:
            return self._change.wait_for(lambda: not self.busy, within_s)

    def close(self, last: Callable[[], object]) -> None:
        """End the thread: what waits is dropped, and `last` is called in the thread once it has written what
        it is writing. Never waits.
        """
        with self._change:
            self._waiting.clear()
            self._size, self._last = 0, last
            self._begin()
            self._change.notify_all()
            if self._thread is None:
                last()

    def _begin(self) -> None:
        """The thread is started by the first text. Where the system gives no thread everything is dropped."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
            try:
                self._thread.start()
            except RuntimeError:
                self._thread = None
                self.lost += len(self._waiting)
                self._waiting.clear()
                self._size = 0

    def _work(self) -> None:
        gathered = False
        while True:
            with self._change:
                self._writing = False
                if not self._waiting:
                    gathered = self._hurried = False
                    self._change.notify_all()
                    self._change.wait_for(lambda: bool(self._waiting) or self._last is not None)
                if self._gather_s and not gathered:
                    self._change.wait_for(lambda: self._hurried or self._last is not None, self._gather_s)
                    gathered = True
                if self._last is not None:
                    break
                self._writing = True
                text, joined = self._waiting.popleft(), 1
                while self._waiting and len(text) + len(self._waiting[0]) <= self._join_max:
                    text, joined = text + self._waiting.popleft(), joined + 1
                self._size -= len(text)
                if self._unsaid:
                    text = self._notice(self._unsaid) + text
                    self._unsaid = 0
            try:
                self._write(text)
            except Exception:  # noqa: BLE001 - speaking may fail in any way, and what trades must not hear of it
                self.lost += joined
        self._last()
