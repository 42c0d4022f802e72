"""A file that holds a secret: only its owner may read it. No message repeats what was found."""

import os
import stat
from pathlib import Path

from commands.output.words import ConfigError

SECRET_BYTES_MAX = 64 * 1024
"""A key file is 66 bytes and a keystore 500; whatever is larger is the wrong file."""


def private_text(path: Path, key: str) -> str:
    """What is in a file that only its owner may read; `key` of the configuration names it. Raises
    `ConfigError`.
    """
    try:
        # Not blocking: somebody's pipe of that name must not keep us waiting.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            _must_be_private(path, os.fstat(file.fileno()), key)
            content = file.read(SECRET_BYTES_MAX + 1)
    except OSError as error:
        why = (error.strerror or "unknown error").lower()
        raise unreadable(key, f"{path} cannot be read: {why}", f"check the path in {key}") from None
    if len(content) > SECRET_BYTES_MAX:
        what = "a key" if key == "venue.key" else "a secret"
        raise unreadable(key, f"{path} is too large to be {what}", f"check the path in {key}")
    return content.decode("utf-8", "replace")


def _must_be_private(path: Path, status: os.stat_result, key: str) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise unreadable(key, f"{path} is not a file", f"check the path in {key}")
    if status.st_uid != os.geteuid():
        raise unreadable(
            key, f"{path} belongs to another user", f"chown it: sudo chown {os.geteuid()} {path}"
        )
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o077:
        another = "key" if key == "venue.key" else "one"
        raise unreadable(
            key,
            f"{path} can be read by others (mode {mode:04o})",
            f"chmod 600 {path}, and use a new {another} if others have access to this machine",
        )


def unreadable(key: str, message: str, cure: str) -> ConfigError:
    """A secret that cannot be had, or is none."""
    code = "KEY_UNREADABLE" if key == "venue.key" else "NO_SECRET"
    return ConfigError(code, key, f"{key}: {message}", cure, "no order was sent")
