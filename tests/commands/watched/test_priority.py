"""A watcher leaves the processor to its run, where the system lets it."""

import os
import subprocess
import sys

import pytest

from commands.watched.priority import NICENESS, let_start_behind, stand_back

pytestmark = pytest.mark.skipif(not hasattr(os, "SCHED_IDLE"), reason="policies of Linux")


class PolicyAsked:
    """What was asked of the system, in place of asking it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, cores: int, refusal: OSError | None = None) -> None:
        self.policies: list[int] = []
        self._refusal = refusal
        monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(cores)))
        monkeypatch.setattr(os, "sched_setscheduler", self._set)

    def _set(self, pid: int, policy: int, _param: object) -> None:
        assert pid == 0
        if self._refusal is not None:
            raise self._refusal
        self.policies.append(policy)


@pytest.mark.parametrize(("alerting", "cores"), [(False, 1), (False, 2), (True, 2)])
def test_it_works_only_while_nobody_else_wants_the_core(
    monkeypatch: pytest.MonkeyPatch, alerting: bool, cores: int
) -> None:
    asked = PolicyAsked(monkeypatch, cores)
    stand_back(alerting=alerting)
    assert asked.policies == [os.SCHED_IDLE]


def test_who_tells_of_a_run_that_hangs_does_not_wait_for_its_only_core(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = PolicyAsked(monkeypatch, 1)
    stand_back(alerting=True)
    assert asked.policies == []


def test_where_it_is_forbidden_it_works_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = PolicyAsked(monkeypatch, 2, PermissionError("sandbox"))
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
