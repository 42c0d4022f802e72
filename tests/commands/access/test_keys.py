"""Where a key may be, and that a file which others could read is refused."""

import json
import os
import pty
import stat
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from commands.access.signing_key import ask_passphrase, read_key, write_key
from commands.output.words import ConfigError
from venue.nado.signing import Signer

KEY = bytes.fromhex("c0de" * 16)
ADDRESS = Signer(KEY).address
ROOT = Path(__file__).resolve().parent.parent.parent.parent


def nobody_asks(path: str) -> str:
    raise AssertionError(f"asked for the passphrase of {path}")


def refused(place: str, environment: dict[str, str] | None = None, answer: str | None = None) -> str:
    with pytest.raises(ConfigError) as error:
        read_key(place, environment or {}, nobody_asks if answer is None else lambda _path: answer)
    assert (error.value.code, error.value.key, error.value.exit_code) == ("KEY_UNREADABLE", "venue.key", 2)
    assert KEY.hex() not in error.value.sentence
    return error.value.sentence


def private(path: Path, text: str) -> Path:
    path.touch(0o600)
    path.write_text(text)
    return path


@pytest.mark.parametrize("text", [KEY.hex(), "0x" + KEY.hex(), f" {KEY.hex().upper()}\n"])
def test_a_key_is_read_from_the_environment_or_a_private_file(text: str, tmp_path: Path) -> None:
    assert read_key("env:ANY_NAME", {"ANY_NAME": text}, nobody_asks).address == ADDRESS
    assert read_key(f"file:{private(tmp_path / 'key', text)}", {}, nobody_asks).address == ADDRESS


def test_a_variable_that_is_not_set_or_empty_is_named() -> None:
    for environment in ({}, {"KEY": " "}):
        assert "the environment variable KEY is not set · no order was sent · export KEY=" in refused(
            "env:KEY", environment
        )


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o620])
def test_a_file_that_others_can_read_or_write_is_refused_with_the_cure(mode: int, tmp_path: Path) -> None:
    path = private(tmp_path / "key", KEY.hex())
    path.chmod(mode)
    sentence = refused(f"file:{path}")
    assert f"can be read by others (mode {mode:04o})" in sentence
    assert f"chmod 600 {path}" in sentence


def test_a_file_that_is_missing_a_folder_too_large_or_no_key_is_named(tmp_path: Path) -> None:
    assert "no such file or directory" in refused(f"file:{tmp_path / 'gone'}")
    (tmp_path / "folder").mkdir(0o700)
    assert "is a directory" in refused(f"file:{tmp_path / 'folder'}")
    os.mkfifo(tmp_path / "pipe", 0o600)
    assert "is not a file" in refused(f"file:{tmp_path / 'pipe'}")
    assert "too large to be a key" in refused(f"file:{private(tmp_path / 'large', 'a' * 70_000)}")
    assert "is no key: a private key is written as 64 hex digits" in refused(
        f"file:{private(tmp_path / 'words', 'hello')}"
    )
    assert "between 1 and the order of secp256k1" in refused(f"file:{private(tmp_path / 'zero', '00' * 32)}")


# -- keystores -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def keystore() -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from eth_keyfile import create_keyfile_json
    return json.dumps(create_keyfile_json(KEY, "öpen sésame".encode(), kdf="pbkdf2", iterations=2))


def test_a_keystore_opens_with_its_passphrase_and_with_no_other(keystore: str, tmp_path: Path) -> None:
    path = private(tmp_path / "store.json", keystore)
    assert read_key(f"keystore:{path}", {}, lambda _path: "öpen sésame").address == ADDRESS
    sentence = refused(f"keystore:{path}", answer="open sesame")
    assert "was not opened: the passphrase is wrong or the file is damaged · no order was sent" in sentence
    assert "sesame" not in sentence


def test_a_keystore_is_private_too_and_is_a_keystore(keystore: str, tmp_path: Path) -> None:
    path = private(tmp_path / "store.json", keystore)
    path.chmod(0o644)
    assert "can be read by others" in refused(f"keystore:{path}")
    for text in ("{}", "[]", "no json", '{"version": 1}', KEY.hex()):
        assert "is no keystore" in refused(f"keystore:{private(tmp_path / f'{len(text)}.json', text)}")
    damaged = json.loads(keystore)
    damaged["crypto"]["kdfparams"] = {}
    assert "was not opened" in refused(
        f"keystore:{private(tmp_path / 'damaged.json', json.dumps(damaged))}", answer="öpen sésame"
    )


ASK = (
    "from commands.access.signing_key import ask_passphrase\nprint('got', len(ask_passphrase('/store.json')))"
)


def test_the_passphrase_is_asked_for_at_the_terminal_and_not_shown() -> None:
    ours, theirs = pty.openpty()
    asking = subprocess.Popen(
        [sys.executable, "-c", ASK],
        cwd=ROOT,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    shown = b""
    while b"passphrase of /store.json: " not in shown:
        shown += os.read(ours, 1024)
    os.write(ours, b"sesame\n")
    while b"got 6" not in shown:
        shown += os.read(ours, 1024)
    assert asking.wait(20) == 0
    os.close(ours)
    assert b"sesame" not in shown


def test_without_a_terminal_the_cure_is_a_private_file(monkeypatch: pytest.MonkeyPatch) -> None:
    asking = subprocess.run(
        [sys.executable, "-c", ASK],
        cwd=ROOT,
        input=b"sesame\n",
        capture_output=True,
        check=False,
        start_new_session=True,
    )
    assert asking.returncode == 1
    assert b"there is no terminal to ask for its passphrase" in asking.stderr
    assert b"sesame" not in asking.stderr
    assert callable(ask_passphrase)


# -- writing one ---------------------------------------------------------------------------------------------


def test_a_new_key_file_is_private_from_its_first_moment_and_reads_back(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        write_key(tmp_path / "new", KEY)
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o600
    assert read_key(f"file:{tmp_path / 'new'}", {}, nobody_asks).address == ADDRESS


def test_a_key_file_is_never_overwritten(tmp_path: Path) -> None:
    path = private(tmp_path / "old", "somebody's")
    with pytest.raises(ConfigError, match="exists already and may hold a key"):
        write_key(path, KEY)
    assert path.read_text() == "somebody's"
    with pytest.raises(ConfigError, match="cannot be written"):
        write_key(tmp_path / "nowhere" / "key", KEY)
