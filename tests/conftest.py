"""For every test: no process that a test started may outlive the test run. (Two guards did, for ten
minutes each.)
"""

import sys
import time
from itertools import count

import pytest

from tests.leftovers import end, left, mark, marked

GRACE_S = 3.0
"""How long a process that was told to end may take."""


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        mark()


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workerinput"):
        return
    until = time.monotonic() + GRACE_S
    while (found := left(marked())) and time.monotonic() < until:
        time.sleep(0.1)
    end(found)
    if found:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        sys.stderr.write("\n  ".join(["\nLEFT BEHIND by a test:", *found.values()]) + "\n")


_OWN = count()


@pytest.fixture(autouse=True)
def _state_of_its_own(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the state directory of whoever runs it, or of another test."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.getbasetemp() / f"state-{next(_OWN)}"))
