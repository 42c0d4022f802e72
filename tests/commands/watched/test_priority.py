"""A watcher leaves the processor to its run, where the system lets it."""

import os
import subprocess
import sys

import pytest

from commands.watched.priority import NICENESS, let_start_behind, stand_back

pytestmark = pytest.mark.skipif(not hasattr(os, "SCHED_IDLE"), reason="policies of Linux")


class PolicyAsked:
    """What was asked of the system, in place of asking it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, refusal: OSError | None = None) -> None:
        self.policies: list[int] = []
        self._refusal = refusal
        monkeypatch.setattr(os, "sched_setscheduler", self._set)

    def _set(self, pid: int, policy: int, _param: object) -> None:
        assert pid == 0
        if self._refusal is not None:
            raise self._refusal
        self.policies.append(policy)


@pytest.mark.parametrize("alerting", [False, True])
def test_it_waits_for_a_free_core_unless_somebody_has_to_be_alerted(
    monkeypatch: pytest.MonkeyPatch, alerting: bool
) -> None:
    asked = PolicyAsked(monkeypatch)
    stand_back(alerting=alerting)
    assert asked.policies == ([] if alerting else [os.SCHED_IDLE])


def test_where_it_is_forbidden_it_works_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = PolicyAsked(monkeypatch, PermissionError("sandbox"))
    stand_back(alerting=False)
    assert asked.policies == []
    monkeypatch.delattr(os, "sched_setscheduler")
    stand_back(alerting=False)
    let_start_behind(2**22 + 1)  # above every pid that there is: it has ended already


def test_one_that_starts_is_nicer_than_who_started_it() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        let_start_behind(process.pid)
        found = os.getpriority(os.PRIO_PROCESS, process.pid)
    assert found == min(19, os.getpriority(os.PRIO_PROCESS, 0) + NICENESS)
