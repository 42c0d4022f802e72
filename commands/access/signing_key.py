"""The signing key: read once, from where the configuration says it is, into a `Signer` that shows nothing but
its address.

    env:NAME         an environment variable: 64 hex digits, with or without 0x
    file:PATH        a file with the same text; only its owner may read it (0600), else it is refused
    keystore:PATH    an encrypted file (web3 secret storage, version 3); the passphrase is asked for at the
                     terminal

No message repeats what was found: it may be a key with one digit too many. Python's own tracebacks show lines
of code and no values, so an exception on this path cannot carry one either; `forget_crash_dumps` keeps the
operating system from writing the process's memory to disk.
"""

import json
import os
import resource
import sys
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from commands.access.private_text import private_text, unreadable
from commands.output.words import ConfigError
from commands.signals import SO_FAR
from venue.nado.signing import Signer

KEY = "venue.key"
"""The key of the configuration that says where it is."""


def read_key(place: str, environment: Mapping[str, str], passphrase: Callable[[str], str]) -> Signer:
    """The signer whose key is at `place` (`env:`, `file:` or `keystore:`). Raises `ConfigError`, which
    never says what was found.
    """
    forget_crash_dumps()
    kind, _, where = place.partition(":")
    if kind == "env":
        named = f"the environment variable {where}"
        if not environment.get(where, "").strip():
            cure = f'export {where}=..., or write venue.key = "file:PATH"'
            raise _refused(f"{named} is not set", cure)
        return _signer(environment[where], named)
    path = Path(where).expanduser()
    text = private_text(path, KEY)
    if kind == "file":
        return _signer(text, str(path))
    return _decrypted(path, text, passphrase)


def ask_passphrase(path: str) -> str:
    """Ask at the terminal, without showing what is typed. Raises `ConfigError` where there is no terminal
    to ask at.
    """
    from getpass import GetPassWarning, getpass

    with warnings.catch_warnings():
        warnings.simplefilter("error", GetPassWarning)  # it would show what is typed
        try:
            with SO_FAR:
                return getpass(f"passphrase of {path}: ", stream=sys.stderr)
        except (GetPassWarning, EOFError, OSError):
            cure = (
                'run it at a terminal, or use venue.key = "file:PATH" with a file that only you may read'
                " (0600)"
            )
            raise _refused(
                f"{path} is encrypted, and there is no terminal to ask for its passphrase", cure
            ) from None


def forget_crash_dumps() -> None:
    """From here on a crash leaves no copy of this process's memory, and other processes of this user
    cannot read it (Linux).
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        import ctypes

        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE


def write_key(path: Path, key: bytes) -> None:
    """A new key file, 0600 and on disk before this returns. Raises `ConfigError` when there is a file
    already: it is never overwritten.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise ConfigError(
            "FILE_EXISTS", "--new", f"--new: {path} exists already and may hold a key", "type another path"
        ) from None
    except OSError as error:
        raise ConfigError(
            "FILE_UNWRITABLE",
            "--new",
            f"--new: {path} cannot be written: {_words(error)}",
            "type another path",
        ) from None
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(f"0x{key.hex()}\n")
        file.flush()
        os.fsync(file.fileno())


def _signer(text: str, where: str) -> Signer:
    try:
        return Signer.from_hex(text)
    except ValueError as error:
        raise _refused(
            f"what {where} holds is no key: {error}", "a key is 64 hex digits, with or without 0x"
        ) from None


def _decrypted(path: Path, text: str, passphrase: Callable[[str], str]) -> Signer:
    try:
        content = json.loads(text)
    except ValueError:
        content = None
    if not isinstance(content, dict) or content.get("version") != 3:
        cure = 'check the path, or write venue.key = "file:PATH"'
        raise _refused(f"{path} is no keystore (web3 secret storage, version 3)", cure)
    secret = passphrase(str(path)).encode()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its pkg_resources
        from eth_keyfile import decode_keyfile_json

        try:
            return Signer(bytes(decode_keyfile_json(content, secret)))
        except Exception:  # noqa: BLE001 - the library raises a dozen kinds, and none of its texts may be shown: they may quote what was read
            raise _refused(
                f"{path} was not opened: the passphrase is wrong or the file is damaged", "try again"
            ) from None


def _words(error: OSError) -> str:
    return (error.strerror or "unknown error").lower()


def _refused(message: str, cure: str) -> ConfigError:
    return unreadable(KEY, message, cure)
