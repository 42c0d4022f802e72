"""How a watcher leaves the processor to its run: who trades is woken at once, whatever the watcher does then.

On Linux that takes two things (sched(7)). Both stand in the *same scheduling group*: a session of its own is
a group of its own (autogroups), as large as the run's, in which niceness counts only among its members. So a
watcher has a process group of its own, which is enough against the terminal's signals, and stays in the
session of its run. And it has the *idle policy*: a process that was just woken keeps its core for a slice of
some milliseconds, however nice it is, and only an idle one is interrupted at once.

Nobody needs a right for either; neither can be taken back without one. Where the system does not know them,
or a sandbox forbids them, the watcher works as before.
"""

import os
from contextlib import suppress

NICENESS = 10
"""Of a watcher, above its run's, from its start on."""


def let_start_behind(pid: int) -> None:
    """Have the process that was just started, a child of this one, yield from its first moment on."""
    with suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, pid, os.getpriority(os.PRIO_PROCESS, 0) + NICENESS)


def stand_back(*, alerting: bool) -> None:
    """Have this process run only while nobody else of its group wants the core.

    Who has to tell of a run that hangs must not wait for it: where nobody rests, an idle process waits for
    ever. So where somebody is alerted, it is only nice.
    """
    with suppress(OSError, AttributeError):
        if not alerting:
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
