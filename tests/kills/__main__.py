"""`python -m tests.kills`: real runs against real venues, struck by SIGKILL (or other signals), each ending
audited against the venue.

Prints every strike with its phase, then counts per phase, runs, failures, the seed, and 3/n: with no failure
in n strikes, the rate of failures is below 3/n with 95 % confidence. Exit code 1 when anything failed; what
failed keeps its files and is told with the command that repeats it.
"""

import argparse
import shutil
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import get_args

from messages.execution_settings import Policy
from tests.kills.rounds import HOWS, KillBed, Round, play_round
from tests.kills.venue import hostile, simulated
from venue.simulated.faults.order_faults import NO_FAULTS

BEDS = (
    ("flat:2756.9/115.86", "100 USD", True),
    ("synthetic", "1000 USD", False),
    ("flat:2756.9/115.86", "100 USD", False),
)
"""Market, target and whether the venue is a hostile one, in turn: prices that always can be entered on,
and prices that move.
"""
RESTING_BEDS = (
    ("synthetic", "500 USD", False),
    ("synthetic", "1000 USD", True),
    ("synthetic", "5000 USD", False),
)
"""The same where orders rest: they trade only where prices move."""
ROUNDS_PER_VENUE = 6
BREATH_S = 0.2


class Tally:
    """Rounds handed out and rounds back, for several threads."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.strikes: Counter[str] = Counter()
        self.rounds = 0
        self.failed: list[Round] = []
        self._numbers = count(0) if options.only is None else iter([options.only])
        self._until = time.monotonic() + options.minutes * 60 if options.minutes else None
        self._lock = threading.Lock()

    def next_number(self) -> int | None:
        """The next round's; None when there is nothing left to do."""
        with self._lock:
            return None if self._enough() else next(self._numbers, None)

    def _enough(self) -> bool:
        if self.options.only is not None:
            return False
        if self._until is not None:
            return time.monotonic() >= self._until
        return sum(self.strikes.values()) >= self.options.runs

    def take(self, result: Round, kept: Path) -> None:
        """Count and print one round."""
        with self._lock:
            self.rounds += 1
            self.strikes.update(strike.phase for strike in result.strikes)
            for strike in result.strikes:
                print(f"round {result.number}: {strike.signal} {strike.moment}: {strike.phase}", flush=True)
            if result.faults:
                self.failed.append(result)
                print(
                    f"round {result.number} FAILED, files in {kept}", *result.faults, sep="\n    ", flush=True
                )
                print(
                    f"    repeat: python -m tests.kills --how {self.options.how} --policy"
                    f" {self.options.policy} --seed {self.options.seed} --only {result.number}",
                    flush=True,
                )

    def report(self) -> str:
        """The whole in numbers."""
        total = sum(self.strikes.values())
        lines = [
            f"  {times:5d}  {phase}"
            for phase, times in sorted(self.strikes.items(), key=lambda item: -item[1])
        ]
        bound = f"3/n = {3 / total:.4f}" if total else "nothing was struck"
        last = (
            f"{total} strikes ({self.options.how}, {self.options.policy}) in {self.rounds} rounds,"
            f" {len(self.failed)} failed, seed {self.options.seed}, {bound}"
        )
        return "\n".join(["strikes by phase:", *lines, last])


def main() -> int:
    """Play until enough; 1 when anything failed or nothing was struck."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.kills",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--runs", type=int, default=20, metavar="N", help="strikes, 20")
    parser.add_argument("--minutes", type=float, default=0, metavar="M", help="strike for this long instead")
    parser.add_argument("--seed", type=int, default=7, metavar="N", help="what is chosen, 7")
    parser.add_argument(
        "--how",
        choices=HOWS,
        default="kill",
        help="SIGKILL; SIGINT, SIGTERM, SIGHUP; SIGSTOP and SIGCONT; a guard alone",
    )
    parser.add_argument(
        "--policy",
        choices=get_args(Policy),
        default="taker-taker",
        help="how pairs are entered and exited, taker-taker",
    )
    parser.add_argument("--only", type=int, metavar="ROUND", help="this round alone, on a venue of its own")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="venues at once, 2")
    options = parser.parse_args()
    tally = Tally(options)
    began = time.monotonic()
    with ThreadPoolExecutor(options.workers) as pool:
        for worker in [pool.submit(_work, tally, number) for number in range(options.workers)]:
            worker.result()
    print(tally.report())
    print(f"{time.monotonic() - began:.0f} s")
    return 1 if tally.failed or not tally.strikes else 0


def _work(tally: Tally, worker: int) -> None:
    """Venue after venue, until there is nothing to do."""
    for venue in count(worker):
        if not _on_one_venue(tally, venue):
            return


def _on_one_venue(tally: Tally, venue: int) -> bool:
    """Up to `ROUNDS_PER_VENUE` rounds on one venue and one --logs; a failure ends them, and its files
    stay. False: there was nothing to do.
    """
    options, folder = tally.options, Path(tempfile.mkdtemp(prefix="kills-"))
    beds = BEDS if options.policy == "taker-taker" else RESTING_BEDS
    market, target, is_hostile = beds[venue % len(beds)]
    seed, played, failed = options.seed + venue, 0, False
    with ExitStack() as stack:
        bed = KillBed(
            folder,
            stack.enter_context(simulated(folder, market, seed, hostile(seed) if is_hostile else NO_FAULTS)),
            policy=options.policy,
        )
        while played < ROUNDS_PER_VENUE and not failed and (number := tally.next_number()) is not None:
            result = _played(bed, number, options, target)
            tally.take(result, folder)
            played, failed = played + 1, bool(result.faults)
            time.sleep(BREATH_S)
    if not failed:
        shutil.rmtree(folder, ignore_errors=True)
    return played > 0


def _played(bed: KillBed, number: int, options: argparse.Namespace, target: str) -> Round:
    """One round. Whatever goes wrong with it is its failure, a broken ledger and a venue that is gone
    included.
    """
    try:
        return play_round(bed, number, options.seed, options.how, target)
    except Exception:  # noqa: BLE001 - the others go on
        return Round(number, (), (traceback.format_exc(),))


if __name__ == "__main__":
    sys.exit(main())
