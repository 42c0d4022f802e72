"""What is kept of one subaccount beside its ledger, in the user's state directory, and how it is read and
written. No locks in here.

KEY.json     epoch, the venue's instance, halt            written whole: a temporary file, fsync, rename
KEY.taken    the epoch that a guard has started           by the guard alone, the same way: a run that was
             stopped in mid-write and goes on
                                                          writes KEY.json and cannot take it back
KEY.anchor   which ledger, its last row, may a pair be open   by the run, written over itself and not synced:
             after a power cut an older word or none is
                                                          found, which makes an answer stricter and never
                                                          laxer; one that is not whole counts as none
"""

import os
from contextlib import suppress
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path

import msgspec

from runtime.files import overwrite_file, replace_file

TAKEN = ".taken"
ANCHOR = ".anchor"
ANCHOR_BYTES = 1_024
"""The file's length is a multiple of it, blanks at the end, so that one word fits over the last one."""
ANCHOR_LOOKS = 3
"""How often an anchor that is not whole is read: it may be being written just now."""
UNREADABLE = "STATE_UNREADABLE"
"""Halt code of a state file that is not what was written."""


class Anchor(msgspec.Struct, frozen=True):
    """What this subaccount's ledger was when it was last written about here: a ledger without that row is
    another one, or an older one.
    """

    logs: str
    """Its folder, resolved."""
    last_hash: str
    """Its last row then, as `Store.last_hash` names it."""
    may_be_open: bool
    """True from before the vote on an order that can increase a position until the venue has said that
    nothing is open.
    """
    at_ms: int = 0
    """Venue time of this word."""
    until_ms: int = 0
    """Venue time after which no order that was intended by then can arrive any more."""
    check: str = ""
    """Of all the rest, by `checked`; "" in a file of an earlier version, which has no blanks at its end."""

    def checked(self) -> "Anchor":
        """The same with its `check`: 16 hex digits of BLAKE2b over the JSON without it."""
        bare = msgspec.structs.replace(self, check="")
        return msgspec.structs.replace(
            bare, check=blake2b(msgspec.json.encode(bare), digest_size=8).hexdigest()
        )


class Saved(msgspec.Struct, frozen=True):
    """What the state files of one subaccount hold, read together (`read_state`)."""

    epoch: int = 0
    venue: str = ""
    halt_code: str = ""
    halt_detail: str = ""
    anchor: Anchor | None = None
    """None: written by a version that did not know of it, or before the first ledger."""

    @property
    def unreadable(self) -> bool:
        """Is it what stands for a file that cannot be read?"""
        return self.halt_code == UNREADABLE


class _Taken(msgspec.Struct, frozen=True):
    epoch: int = 0


def state_directory() -> Path:
    """`$XDG_STATE_HOME/evenkeel`, by default under `~/.local/state`."""
    base = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    return Path(base) / "evenkeel"


def state_file(directory: Path, identity: str) -> Path:
    """Where the state of `identity` is kept. A hash: a URL is no file name."""
    return directory / f"{blake2b(identity.encode(), digest_size=12).hexdigest()}.json"


def read_state(path: Path) -> Saved:
    """What the files say: nothing yet when there is none, a halt when it cannot be read. Never raises."""
    try:
        saved = msgspec.json.decode(path.read_bytes(), type=Saved)
    except FileNotFoundError:
        saved = Saved()
    except (OSError, msgspec.DecodeError, UnicodeError) as error:
        saved = unreadable(
            f"{path} cannot be read ({error}): a halt in it would be lost, so nothing is entered"
        )
    return msgspec.structs.replace(
        saved, epoch=max(saved.epoch, taken_epoch(path)), anchor=read_anchor(path) or saved.anchor
    )


def file_epoch(path: Path) -> int:
    """What the state file itself says, a guard's epoch left out; 0 when it cannot be read."""
    with suppress(OSError, msgspec.DecodeError, UnicodeError):
        return msgspec.json.decode(_content(path), type=Saved).epoch
    return 0


def unreadable(why: str) -> Saved:
    """What stands for a file that cannot be read."""
    return Saved(halt_code=UNREADABLE, halt_detail=why)


def taken_epoch(path: Path) -> int:
    """The epoch that a guard has started; 0 when none has."""
    taken = _beside(path, TAKEN)
    # Asked before every plan. Mostly there is none, and an error costs ten times as much as this question.
    if not os.access(taken, os.F_OK):
        return 0
    with suppress(OSError, msgspec.DecodeError, UnicodeError):
        return msgspec.json.decode(_content(taken), type=_Taken).epoch
    return 0


def read_anchor(path: Path) -> Anchor | None:
    """What was last recorded about the ledger; None when there is none that can be read whole."""
    for _ in range(ANCHOR_LOOKS):
        try:
            content = path.with_suffix(ANCHOR).read_bytes()
        except OSError:
            return None
        with suppress(msgspec.DecodeError, UnicodeError):
            anchor = msgspec.json.decode(content, type=Anchor)
            by_earlier = not anchor.check and len(content) % ANCHOR_BYTES
            if by_earlier or anchor == anchor.checked():
                return anchor
    return None


def write_saved(path: Path, saved: Saved) -> None:
    """Replace the state file; it survives a power cut once this returns. Raises `OSError`."""
    replace_file(path, msgspec.json.encode(msgspec.structs.replace(saved, anchor=None)))


def write_taken(path: Path, epoch: int) -> None:
    """Write down which epoch a guard took over with; it survives a power cut once this returns. Raises
    `OSError`.
    """
    replace_file(path.with_suffix(TAKEN), msgspec.json.encode(_Taken(epoch)))


def write_anchor(path: Path, anchor: Anchor) -> None:
    """Record the state of the ledger: written over the last one, no sync. Raises `OSError`."""
    content = msgspec.json.encode(anchor.checked())
    length = -(-len(content) // ANCHOR_BYTES) * ANCHOR_BYTES
    overwrite_file(_beside(path, ANCHOR), content.ljust(length))


@lru_cache(maxsize=16)
def _beside(path: Path, suffix: str) -> Path:
    return path.with_suffix(suffix)


def _content(path: Path) -> bytes:
    """All of a small file. Asked before every plan, so with four calls of the system and nothing around
    them. Raises `OSError`.
    """
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(handle, os.fstat(handle).st_size)
    finally:
        os.close(handle)
