"""What processes of one wallet tell one another of what they spend, and what becomes of it when the file is
spoilt.
"""

import random
from pathlib import Path

import pytest

from actors.instance.wallet_slots import SLOTS
from actors.instance.wallet_weights import (
    ENTRY,
    FILE_BYTES,
    RING,
    RunSpending,
    SpendingWithoutSlot,
    WalletFile,
)
from venue.nado.weights import EXECUTES, MINUTE_MS, Weights, unwind_weight

WINDOWS = tuple(length_ms for length_ms, _ in EXECUTES)


class WalletMachine:
    """One machine: a state directory, a clock and which start of it this is."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.ms = 5_000_000
        self.boot = b"first"

    def now_ms(self) -> int:
        return self.ms

    def file(self) -> WalletFile:
        return WalletFile(self.directory, "wallet", lambda: self.ms // 1000, self.boot)

    def run(self, slot: int) -> RunSpending:
        return RunSpending(self.file(), slot)


@pytest.fixture
def bed(tmp_path: Path) -> WalletMachine:
    return WalletMachine(tmp_path)


def test_a_run_sees_what_the_others_spent_within_each_window_and_not_what_it_spent_itself(
    bed: WalletMachine,
) -> None:
    one, two, three = (bed.run(slot) for slot in (0, 1, 4))
    one.spend(3)
    one.spend(2)
    bed.ms += 900
    two.spend(7)
    assert [each.elsewhere(WINDOWS) for each in (one, two, three)] == [(7, 7), (5, 5), (12, 12)]
    bed.ms += 10_000
    three.spend(1)
    assert (one.elsewhere(WINDOWS), two.elsewhere(WINDOWS)) == ((8, 8), (6, 6))
    bed.ms += 1_000
    assert (one.elsewhere(WINDOWS), two.elsewhere(WINDOWS)) == ((1, 8), (1, 6))
    bed.ms += 50_000
    assert (one.elsewhere(WINDOWS), two.elsewhere(WINDOWS)) == ((0, 1), (0, 1))
    bed.ms += 60_000
    assert three.elsewhere(WINDOWS) == (0, 0)


def test_what_a_run_has_spent_outlives_it_also_for_the_next_one_in_its_slot(bed: WalletMachine) -> None:
    first, other = bed.run(0), bed.run(1)
    first.spend(9)
    first.close()
    following = bed.run(0)
    assert (following.elsewhere(WINDOWS), other.elsewhere(WINDOWS)) == ((9, 9), (9, 9))
    following.spend(4)  # within the same second: neither takes the place of the other
    assert (following.elsewhere(WINDOWS), other.elsewhere(WINDOWS)) == ((9, 9), (13, 13))
    bed.ms += 61_000
    assert (following.elsewhere(WINDOWS), other.elsewhere(WINDOWS)) == ((0, 0), (0, 0))


def test_whoever_closes_holds_no_slot_and_is_counted_all_the_same(bed: WalletMachine) -> None:
    runs = [bed.run(slot) for slot in range(SLOTS)]
    guard, flatten = SpendingWithoutSlot(bed.file()), SpendingWithoutSlot(bed.file())
    guard.spend(10)
    flatten.spend(2)
    bed.ms += 1_000
    guard.spend(1)
    assert [run.elsewhere(WINDOWS) for run in runs] == [(13, 13)] * SLOTS
    assert guard.elsewhere(WINDOWS) == (0, 0)


def test_it_costs_no_more_than_one_page_readable_by_its_owner_alone(bed: WalletMachine) -> None:
    run, guard = bed.run(4), SpendingWithoutSlot(bed.file())
    for _ in range(1_000):
        run.spend(1)
        guard.spend(100_000)
        bed.ms += 700
    (file,) = bed.directory.iterdir()
    assert (file.stat().st_size, file.stat().st_mode & 0o777) == (FILE_BYTES, 0o600)
    assert FILE_BYTES <= 4_096
    assert RING * 1000 > MINUTE_MS + 2_000


def test_what_was_spent_before_the_machine_was_started_again_counts_as_nothing(bed: WalletMachine) -> None:
    bed.run(0).spend(50)
    bed.boot = b"second"
    assert bed.run(1).elsewhere(WINDOWS) == (0, 0)
    assert bed.run(0).elsewhere(WINDOWS) == (0, 0)


@pytest.mark.parametrize("seed", range(20))
def test_a_file_that_is_torn_or_spoilt_never_counts_for_more_than_was_spent(
    bed: WalletMachine, seed: int
) -> None:
    source = random.Random(seed)
    reader, writers = bed.run(0), [bed.run(slot) for slot in range(1, SLOTS)]
    total = 0
    for _ in range(40):
        weight = source.randrange(1, 10)
        source.choice(writers).spend(weight)
        total += weight
        bed.ms += source.randrange(1_000)
    path = bed.file().path
    whole = path.read_bytes()
    assert reader.elsewhere((MINUTE_MS,)) == (total,)
    for _ in range(50):
        spoilt = bytearray(whole)
        at = source.randrange(FILE_BYTES)
        match source.choice(("cut", "zeros", "bits")):
            case "cut":
                del spoilt[at:]
            case "zeros":
                spoilt[at : at + ENTRY.size] = bytes(len(spoilt[at : at + ENTRY.size]))
            case "bits":
                spoilt[at] ^= 1 << source.randrange(8)
        path.write_bytes(spoilt)
        (counted,) = reader.elsewhere((MINUTE_MS,))
        again = f"pytest -n 0 {__file__} -k 'never_counts_for_more and {seed}'"
        assert counted <= total, again
        reader.spend(1)
        path.write_bytes(whole)


def test_what_cannot_be_read_is_no_zero_and_what_could_not_be_written_is_written_later(
    bed: WalletMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = Weights(bed.now_ms), Weights(bed.now_ms)
    spending = bed.run(0)
    one.share(spending)
    two.share(bed.run(1))

    def full(*_arguments: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.pwrite", full)
        for _ in range(100 - unwind_weight() - 1):
            one.place()
            bed.ms += 50
        assert one.obstacle(1, 5).endswith("cannot be read: No space left on device")
        assert two.obstacle(2, 5) == ""
    assert one.obstacle(1, 5) == ""
    assert "65 of 100 in 10 s, 65 of 600 in 60 s used by all runs of this wallet" in two.obstacle(2, 5)
    spending.close()
    assert "cannot be read" in one.obstacle(1, 5)
    one.place()
    one.cancel([2, 4])
    one.limited_executes()


@pytest.mark.parametrize("runs", [2, SLOTS])
def test_runs_of_one_wallet_keep_to_its_600_a_minute_together(bed: WalletMachine, runs: int) -> None:
    """Each of them places whenever it is told that there is room; alone each would use it all."""
    clients = [Weights(bed.now_ms) for _ in range(runs)]
    for slot, client in enumerate(clients):
        client.share(bed.run(slot))
    sent: list[tuple[int, int]] = []
    for step in range(4 * MINUTE_MS // 50):
        at = step % runs
        if clients[at].obstacle(2, 5) == "":
            for _ in range(2):
                clients[at].place()
                sent.append((bed.ms, at))
        bed.ms += 50
    for length_ms, allowed in EXECUTES:
        most = max(sum(when - length_ms < each <= when for each, _ in sent) for when, _ in sent)
        assert allowed / 2 < most <= allowed, "each run also keeps what its own unwind may need"
    shares = [sum(each == at for _, each in sent) for at in range(runs)]
    assert min(shares) > 0


def test_a_rate_limit_that_the_venue_reports_is_reached_for_every_run_of_the_wallet(
    bed: WalletMachine,
) -> None:
    one, two = Weights(bed.now_ms), Weights(bed.now_ms)
    one.share(bed.run(0))
    two.share(bed.run(1))
    two.place()
    one.limited_executes()
    assert "100 of 100 in 10 s, 100 of 600" in two.obstacle(2, 5)
    two.limited_executes()
    assert "100 of 100 in 10 s, 100 of 600" in one.obstacle(2, 5)
    two.cancel([2, 4])
    bed.ms += 11_000
    assert (one.obstacle(2, 5), two.obstacle(2, 5)) == ("", "")
