"""The signals that came before anybody could act on them: counted from the first statement of the process.

Standard library only, and written for any Python 3.6 or later, like `begin.py`, which installs them.
"""

import signal

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Signals:
    """SIGINT, SIGTERM and SIGHUP of this process, counted. None ends it by itself."""

    def __init__(self) -> None:
        self.first = 0
        self.count = 0
        self.asking = False
        """Does a person type something in now? Then a signal must end the waiting: `KeyboardInterrupt`."""

    def install(self) -> None:
        """Count SIGINT, SIGTERM and SIGHUP from now on, instead of ending by them."""
        for number in SIGNALS:
            signal.signal(number, self.came)
        # else a terminal stops a background process that writes to it, guard or no guard
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)

    def __enter__(self) -> None:
        """A person is asked something: a signal, also one that has come already, ends the waiting. Raises
        `KeyboardInterrupt`.
        """
        self.asking = True
        if self.count:
            raise KeyboardInterrupt

    def __exit__(self, *_details: object) -> None:
        self.asking = False

    def came(self, number: int, _frame: object) -> None:
        """The handler. It may run between any two instructions."""
        self.count += 1
        self.first = self.first or number
        if self.asking:
            raise KeyboardInterrupt


SO_FAR = Signals()
"""Those of this process. Tests, which run in a process of their own, never install them."""
