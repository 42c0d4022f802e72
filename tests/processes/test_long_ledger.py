"""A run on a ledger of 200,000 rows, none of them behind a snapshot, with its guard at the default
`dead_man`: nobody takes over a healthy run.
"""

import os
import signal
import time
from contextlib import closing

import pytest

from actors.ledger import Store
from benches.long_ledger import append
from tests.hostile.bed import ENDS_WITHIN_S, Bed
from tests.hostile.judge import false_claims, unlawful
from tests.patience import slack
from tests.processes.test_guards import TOOK_OVER
from tests.processes.waiting import LONG_S, pair_held, until

pytestmark = pytest.mark.process
ROWS = 200_000
DEFAULT = ("--set", "guard.dead_man=5 s")


def lengthened(bed: Bed) -> None:
    """The ledger's last reading of the account, again and again, as it stood there every 5 s before
    readings that say nothing new were left out.
    """
    ledger = bed.logs / "ledger.sqlite"
    with closing(Store.reading(ledger)) as store:
        opened = store.opened()
    assert opened is not None
    with closing(Store.open(ledger, opened, "normal")) as store:
        kind, body = next(
            (kind, body)
            for _, _, kind, body, *_ in reversed(store.rows(0, 10_000))
            if kind == "AccountSnapshot"
        )
        began_ns = store.last_ns()
        step_ns = (time.time_ns() - began_ns) // (ROWS + 1)
        append(store, [(began_ns + step_ns * number, kind, body) for number in range(1, ROWS + 1)])


def test_starts_with_a_pair_open_and_a_ledger_that_dies_in_mid_trade_are_no_reason_to_take_over(
    bed: Bed,
) -> None:
    """K6: two starts of two were taken over (`UNIQUE constraint failed: events.seq`), after six to twelve
    days of holding a pair.
    """
    assert bed.ended("run", bed.run(0.1), ENDS_WITHIN_S * slack()).code == 0
    lengthened(bed)
    for _ in range(2):  # the second start finds the pair that the first one was killed over
        run = bed.started(*bed.run_words(LONG_S), *DEFAULT, "--json")
        until(lambda: pair_held(bed), 90)
        for guard in bed.guards():
            os.kill(guard, signal.SIGKILL)
        run.kill()
        run.wait()
    again = bed.started(*bed.run_words(0.3, cycles=4), *DEFAULT, "--faults", "crashes", "--json")
    claim = bed.ended("run", again, 2 * ENDS_WITHIN_S * slack())
    assert claim.code == 0, claim.words
    assert any("ledger killed, the pair half answered" in str(staged) for staged in claim.told["staged"])  # type: ignore[attr-defined]
    assert TOOK_OVER.findall(bed.guard_words()) == []
    said = (bed.logs / "evenkeel.log").read_text()
    assert [words for words in ("GUARD_TOOK_OVER", "UNIQUE constraint") if words in said] == []
    assert [*false_claims(bed.claims, bed.log()), *unlawful(bed.log())] == []
