"""What all processes of one wallet on this machine have spent of the venue's limit for executes, in one file
that never grows: KEY.weights in the state directory.

    6 rings      one for each slot (`wallet_slots`), one for whatever closes without: guard, `flatten`
    64 entries   in each ring, one for each second, at the place of the second modulo 64
    8 bytes      in each entry: seconds since the machine was started, weight spent in that second, a check

The check is over both numbers and over which start of the machine they were counted in: an entry that is
torn, spoilt or from before a restart counts as nothing. Nothing is synced, because after a power cut the
machine has another start. Nothing waits in here, and no lock is held: each ring has one writer, and two
processes that close without a slot in the same second may count as one of them.
"""

import os
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from actors.instance.wallet_slots import SLOTS
from runtime.clock import WallClock
from runtime.files import private, private_folder
from runtime.state_file import state_file

WEIGHTS = ".weights"
RING = 64
"""Seconds in a ring: more than the longest window, with both its edges."""
ENTRY = struct.Struct("<IHH")
PRIME = 65_521
"""The largest that fits into an entry's check: no single bit of it can change unseen."""
MOST = 0xFFFF
"""Weight of a second that an entry can tell: far more than the venue allows in a minute."""
RING_BYTES = RING * ENTRY.size
UNUSED = bytes(RING_BYTES)
FILE_BYTES = (SLOTS + 1) * RING_BYTES
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

Second = int
"""Seconds since the machine was started, sleep included."""


def seconds_since_boot() -> Second:
    """Now, by the clock that all processes of this machine share and that nobody can set."""
    return WallClock().steady_ns() // 1_000_000_000


def boot_id() -> bytes:
    """Which start of the machine this is; empty where the operating system does not tell."""
    with suppress(OSError):
        return BOOT_ID.read_bytes()
    return b""


class WalletFile:
    """The file of one wallet. `now_s`: a clock that all who share it read."""

    def __init__(
        self,
        directory: Path,
        wallet: str,
        now_s: Callable[[], Second] = seconds_since_boot,
        boot: bytes | None = None,
    ) -> None:
        self.path = state_file(directory, wallet).with_suffix(WEIGHTS)
        self.now_s = now_s
        self._boot = zlib.crc32(boot_id() if boot is None else boot)

    def opened(self) -> int:
        """A handle on it, with all its bytes there, so that writing needs no more room on the disk. Raises
        `OSError`.
        """
        private_folder(self.path.parent)
        handle = private(str(self.path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
        try:
            there = os.fstat(handle).st_size
            if there < FILE_BYTES:
                os.pwrite(handle, bytes(FILE_BYTES - there), there)
        except OSError:
            os.close(handle)
            raise
        return handle

    def entries(self, handle: int) -> Iterator[tuple[int, Second, int]]:
        """Ring, second and weight of each entry that a window of now may count. Raises `OSError`."""
        now_s = self.now_s()
        content = os.pread(handle, FILE_BYTES, 0)
        for start in range(0, len(content), RING_BYTES):
            ring = content[start : start + RING_BYTES]
            if ring == UNUSED:  # asked before every entry, and most wallets have one run
                continue
            whole = len(ring) // ENTRY.size * ENTRY.size
            for second, weight, check in ENTRY.iter_unpack(ring[:whole]):
                # whoever writes may have read its clock after we read ours
                if now_s - RING < second <= now_s + 1 and check == self._check(second, weight):
                    yield start // RING_BYTES, second, weight

    def write(self, handle: int, ring: int, second: Second, weight: int) -> None:
        """Have `weight` as what was spent in `second`. Raises `OSError`."""
        weight = min(weight, MOST)
        content = ENTRY.pack(second, weight, self._check(second, weight))
        os.pwrite(handle, content, (ring * RING + second % RING) * ENTRY.size)

    def _check(self, second: Second, weight: int) -> int:
        return ((second << 16) + weight + self._boot) % PRIME


class RunSpending:
    """What the run in `slot` spends, for the others, and what they spend, for it. Close it.

    Satisfies `venue.nado.weights.WalletSpending`. What a run before it in the same slot has spent counts as
    somebody else's.
    """

    def __init__(self, file: WalletFile, slot: int) -> None:
        """Raises `OSError`."""
        self._file, self._slot = file, slot
        self._handle = file.opened()
        self._before = {second: weight for ring, second, weight in file.entries(self._handle) if ring == slot}
        self._own: dict[Second, int] = {}
        """Of the last minute or so."""
        self._unwritten: set[Second] = set()

    def spend(self, weight: int) -> None:
        """Note that `weight` leaves now: one write of eight bytes. Never raises: what cannot be written is
        written before the next look.
        """
        second = self._file.now_s()
        if second not in self._own:
            self._own = {each: spent for each, spent in self._own.items() if each > second - RING}
            self._unwritten &= self._own.keys()
        self._own[second] = self._own.get(second, 0) + weight
        self._unwritten.add(second)
        with suppress(OSError):
            self._write_down(second)

    def elsewhere(self, lengths_ms: Sequence[int]) -> tuple[int, ...]:
        """What all others have spent within each of these windows, whose edges count as inside. Raises
        `OSError` when that cannot be read, or when the others cannot be told what was spent here.
        """
        now_s = self._file.now_s()
        for second in sorted(self._unwritten):
            self._write_down(second)
        spent = [
            (now_s - second, weight)
            for ring, second, weight in self._file.entries(self._handle)
            if ring != self._slot
        ]
        spent += [(now_s - second, weight) for second, weight in self._before.items()]
        return tuple(
            sum(weight for age_s, weight in spent if age_s * 1000 <= length_ms) for length_ms in lengths_ms
        )

    def close(self) -> None:
        """What is spent from here on is not told to the others."""
        handle, self._handle = self._handle, -1
        if handle >= 0:
            os.close(handle)

    def _write_down(self, second: Second) -> None:
        if second in self._own:
            total = self._own[second] + self._before.get(second, 0)
            self._file.write(self._handle, self._slot, second, total)
        self._unwritten.discard(second)


class SpendingWithoutSlot:
    """What a guard or `flatten` spends, for the runs of the wallet: it is held back by nothing in here.

    Satisfies `venue.nado.weights.WalletSpending`.
    """

    def __init__(self, file: WalletFile) -> None:
        self._file = file

    def spend(self, weight: int) -> None:
        """Note that `weight` leaves now. Never raises."""
        with suppress(OSError):
            handle = self._file.opened()
            try:
                second = self._file.now_s()
                before = sum(
                    spent
                    for ring, when, spent in self._file.entries(handle)
                    if (ring, when) == (SLOTS, second)
                )
                self._file.write(handle, SLOTS, second, before + weight)
            finally:
                os.close(handle)

    def elsewhere(self, lengths_ms: Sequence[int]) -> tuple[int, ...]:
        """Nothing: whoever closes does not ask whether there is room."""
        return (0,) * len(lengths_ms)
