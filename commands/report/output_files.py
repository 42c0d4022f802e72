"""Where a report is written. A report that is there is replaced, as a whole; any other file stays as it
is.
"""

from pathlib import Path

from commands.output.words import ConfigError
from commands.report.account import NOTHING_MADE
from runtime.files import replace_file

PAGE_MARK = b'<meta name="generator" content="Evenkeel report">'
LOOKED_AT = 2_000
"""Bytes at the beginning of a file, by which it is known."""


def may_write(path: Path, mark: bytes) -> None:
    """Raises `ConfigError` for a file that is no report of ours (`mark` is not near its beginning), and for
    a folder that is not there. Asked before the ledgers are read, which takes time.
    """
    if not path.parent.is_dir():
        raise ConfigError(
            "BAD_VALUE", "--out", f"--out: there is no folder {path.parent}", "make it first", NOTHING_MADE
        )
    try:
        if path.is_dir():
            there: bytes | None = None
        elif path.exists():
            with path.open("rb") as file:
                there = file.read(LOOKED_AT)
        else:
            return
    except OSError as error:
        raise unwritable(path, error) from error
    if there is None or mark not in there:
        what = "is a folder" if there is None else "is there and is no report"
        raise ConfigError(
            "EXISTS", "--out", f"--out: {path} {what}", "type --out with another name", NOTHING_MADE
        )


def write(path: Path, content: bytes) -> None:
    """Have `content` at `path`, readable by its owner alone. Raises `ConfigError`."""
    try:
        replace_file(path, content, sync="none")
    except OSError as error:
        raise unwritable(path, error) from error


def unwritable(path: Path, error: OSError) -> ConfigError:
    """What is said of a file that cannot be used."""
    why = (error.strerror or str(error)).lower()
    return ConfigError(
        "UNWRITABLE",
        "--out",
        f"--out: {path} cannot be written: {why}",
        "type --out with a name in a folder of yours",
        NOTHING_MADE,
    )
