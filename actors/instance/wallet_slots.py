"""The runs of one wallet: the venue lets it have five authenticated connections, of which each run holds one.

KEY.slot0 ... KEY.slot4    one lock each, held for the life of a run; in the file: whose run it is

KEY is the wallet's at one venue, whatever its subaccounts: no key, and no address. Only what shares a state
directory is seen here; a run on another machine is not.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import IO, NamedTuple

import msgspec

from actors.instance.state import NoState
from runtime.files import private_folder
from runtime.locks import first_free
from runtime.state_file import state_file

SLOTS = 5
"""Authenticated connections that the venue lets a wallet have at once."""


class SlotHolder(msgspec.Struct, frozen=True):
    """Whose run holds a slot."""

    subaccount: str = "unknown"
    pid: int = 0
    logs: str = "unknown"


class WalletFull(Exception):
    """`SLOTS` runs of this wallet are alive: the venue would refuse the account stream of one more."""

    def __init__(self, holders: tuple[SlotHolder, ...]) -> None:
        super().__init__(f"{len(holders)} runs of this wallet are alive")
        self.holders = holders


class WalletSlot(NamedTuple):
    """A slot that this process holds. The operating system frees it with the process."""

    number: int
    """0 to `SLOTS` - 1."""
    lock: IO[str]

    def close(self) -> None:
        """Give it back."""
        self.lock.close()


def take_slot(directory: Path, wallet: str, subaccount: str, logs: str) -> WalletSlot:
    """The first slot of `wallet` that is free; waits for nothing. Raises `WalletFull`, and `NoState` when
    the directory cannot be used.
    """
    base = state_file(directory, wallet)
    paths = [base.with_suffix(f".slot{number}") for number in range(SLOTS)]
    try:
        private_folder(directory)
        found = first_free(paths)
        if found is None:
            raise WalletFull(tuple(_holder(path) for path in paths))
        number, lock = found
        lock.truncate(0)
        lock.write(msgspec.json.encode(SlotHolder(subaccount, os.getpid(), logs)).decode())
        lock.flush()
    except OSError as error:
        raise NoState(f"{directory}: {error.strerror or error}") from error
    return WalletSlot(number, lock)


def _holder(path: Path) -> SlotHolder:
    """What the file says; "unknown" while its holder is just beginning to write, or when it is spoilt."""
    with suppress(OSError, msgspec.DecodeError, UnicodeError):
        return msgspec.json.decode(path.read_bytes(), type=SlotHolder)
    return SlotHolder()
