"""The key is nowhere: not in logs, ledger, CSV files, tracebacks, the JSON object, crash dumps or process
arguments, whatever goes wrong.
"""

import base64
import copy
import json
import os
import pickle
import subprocess
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import trio

from commands.access.signing_key import read_key
from commands.access.venue import access
from commands.config.effective import load
from commands.output.words import ConfigError
from tests.live.served import KEY, OWNER, Served, served
from tests.live.typed import rehearse, typed, written
from venue.nado.order_builder import NadoOrderBuilder
from venue.nado.signing import Signer
from venue.protocol import Order, SignedOrder

pytestmark = pytest.mark.filterwarnings(
    "ignore:'collections.abc.ByteString' is deprecated:DeprecationWarning"
)
ROOT = Path(__file__).resolve().parent.parent.parent
SHORTEST = 12
"""Hex digits: a shorter piece of a key may stand anywhere by chance."""


@pytest.fixture(scope="module")
def there() -> Iterator[Served]:
    with served() as venue:
        yield venue


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("NADO_PRIVATE_KEY", KEY.hex())


def shows(content: bytes | str, key: bytes = KEY) -> bool:
    """Is the key in there, whole or in part, in any way it could be written?"""
    data = content.encode("utf-8", "replace") if isinstance(content, str) else content
    lower, digits = data.lower(), key.hex().encode()
    pieces = {digits[start : start + SHORTEST] for start in range(len(digits) - SHORTEST + 1)}
    others = (
        key,
        base64.b64encode(key)[:20],
        str(int.from_bytes(key, "big")).encode(),
        repr(list(key)).encode()[1:40],
    )
    return any(piece in lower for piece in pieces) or any(other in data for other in others)


def files_under(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]


def arguments_of(pid: int) -> bytes:
    """The arguments of a process and of everything that it has started."""
    found = b""
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((path / "stat").read_text().rsplit(")", 1)[1].split()[1])
            if pid in {int(path.name), parent}:
                found += (path / "cmdline").read_bytes()
        except (OSError, IndexError):
            continue
    return found


def test_what_is_looked_for_is_found_where_it_is() -> None:
    """A search that finds nothing must be able to find something."""
    for text in (
        KEY.hex(),
        KEY.hex().upper(),
        f"key=0x{KEY.hex()[7:40]}!",
        str(int.from_bytes(KEY, "big")),
        base64.b64encode(KEY).decode(),
    ):
        assert shows(text), text
    assert shows(b"\0\0" + KEY)
    assert not shows(OWNER)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.process
def test_a_whole_live_run_shows_it_nowhere(there: Served, tmp_path: Path) -> None:
    argv = [
        "run",
        "--venue",
        "testnet",
        "--url",
        there.url,
        "--logs",
        str(tmp_path / "logs"),
        *written("cycles=2", "hold=500 ms"),
        "--json",
    ]
    process = subprocess.Popen(
        [sys.executable, "supervisor.py", *argv], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    arguments = b""
    while process.poll() is None:
        arguments += arguments_of(process.pid)
        try:
            process.wait(0.2)
        except subprocess.TimeoutExpired:
            continue
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    assert json.loads(output.splitlines()[-1])["completed"] == 2
    assert b"supervisor.py" in arguments
    files = files_under(tmp_path)
    assert {"ledger.sqlite", "evenkeel.log", "DN_pair_eth_sol_nado_trades.csv"} <= {
        path.name for path in files
    }
    assert OWNER.encode() in errors + b"".join(path.read_bytes() for path in files)
    assert [
        name
        for name, content in (("stdout", output), ("stderr", errors), ("arguments", arguments))
        if shows(content)
    ] == []
    assert [path.name for path in files if shows(path.read_bytes())] == []


def test_a_run_whose_signing_fails_shows_it_nowhere(
    there: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    signs, failures = NadoOrderBuilder.sign, iter(range(1))

    def fails_once(order_builder: NadoOrderBuilder, wanted: Order) -> SignedOrder:
        if next(failures, None) is not None:
            raise RuntimeError(f"cannot sign with {vars(order_builder)}")
        return signs(order_builder, wanted)

    monkeypatch.setattr(NadoOrderBuilder, "sign", fails_once)
    ended = rehearse(capsys, tmp_path / "logs", there.url)
    assert (ended.code, ended.told["restarts"] > 0) == (0, True), ended.errors
    log = (tmp_path / "logs" / "evenkeel.log").read_text()
    assert "cannot sign with" in log
    assert not shows(ended.output)
    assert not shows(ended.errors)
    assert [path.name for path in files_under(tmp_path) if shows(path.read_bytes())] == []


BAD = {
    "one digit too many": KEY.hex() + "0",
    "one digit too few": KEY.hex()[:-1],
    "a word before it": f"key: {KEY.hex()}",
    "a letter that is no digit": KEY.hex()[:-1] + "g",
    "twice": KEY.hex() * 2,
    "in quotes": f'"{KEY.hex()}"',
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD.keys())
@pytest.mark.parametrize("command", ["run", "doctor", "link-signer"])
def test_a_key_that_is_written_wrongly_is_not_repeated(
    command: str,
    text: str,
    there: Served,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NADO_PRIVATE_KEY", text)
    more = ("--revoke",) if command == "link-signer" else ()
    who = written() if command != "link-signer" else ["--set", f"venue.owner={OWNER}"]
    ended = typed(
        capsys,
        command,
        "--venue",
        "testnet",
        "--url",
        there.url,
        "--logs",
        str(tmp_path / "logs"),
        *who,
        *more,
    )
    assert ended.code == (3 if command == "doctor" else 2)
    assert "a private key is written as 64 hex digits" in ended.errors
    assert not shows(ended.output)
    assert not shows(ended.errors)


def test_a_key_typed_where_its_place_belongs_is_not_repeated(
    there: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for place in (KEY.hex(), f"0x{KEY.hex()}", f"key:{KEY.hex()}"):
        ended = rehearse(capsys, tmp_path / "logs", there.url, changes=(f"venue.key={place}",))
        assert (ended.code, ended.told["error"]["key"]) == (2, "venue.key")
        assert not shows(ended.output)
        assert not shows(ended.errors)


def test_nothing_that_holds_the_key_shows_it_or_lets_it_be_copied() -> None:
    settings = load(None, {}, {"venue.name": "testnet", "venue.owner": OWNER}).settings
    here = access(settings, None, {"NADO_PRIVATE_KEY": KEY.hex()}, lambda _path: "")
    signer = here.signer
    assert signer is not None
    for holder in (signer, here, [signer], {"signer": signer}):
        assert not shows(repr(holder) + str(holder) + f"{holder!r:>100}")
    for copying in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="never pickled or copied"):
            copying(signer)  # type: ignore[operator]
    with pytest.raises(TypeError):
        msgspec.json.encode(here)
    with pytest.raises(TypeError):
        vars(signer)


def test_a_traceback_through_the_reading_of_a_key_shows_it_not(tmp_path: Path) -> None:
    """As Python prints it, and the group that Trio makes of it."""

    async def reads() -> None:
        async with trio.open_nursery():
            read_key("env:KEY", {"KEY": KEY.hex() + "0"}, lambda _path: "")

    with pytest.raises(BaseExceptionGroup) as group:
        trio.run(reads)
    assert "read_key" in "".join(traceback.format_exception(group.value))
    assert not shows("".join(traceback.format_exception(group.value)))
    with pytest.raises(ConfigError) as error:
        read_key(f"file:{tmp_path}", {}, lambda _path: "")
    assert error.value.__cause__ is None


CRASH = """
import os, resource, sys
sys.path.insert(0, os.getcwd())
resource.setrlimit(resource.RLIMIT_CORE, resource.getrlimit(resource.RLIMIT_CORE)[1:] * 2)
from commands.access.signing_key import read_key
signer = read_key("env:NADO_PRIVATE_KEY", os.environ, lambda _path: "")
import ctypes
print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), signer, flush=True)
os.abort()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks the kernel with prctl")
def test_a_crash_dumps_no_memory_and_python_s_own_dump_has_no_values(tmp_path: Path) -> None:
    dying = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", CRASH],
        cwd=ROOT,
        capture_output=True,
        check=False,
        env=os.environ,
    )
    assert dying.returncode == -6, dying.stderr
    assert dying.stdout.decode().split(" Signer")[0] == "(0, 0) 0"
    assert b"Fatal Python error: Aborted" in dying.stderr
    assert not shows(dying.stdout + dying.stderr)


def test_a_signer_signs_as_ever_after_all_this() -> None:
    assert Signer(KEY).address == OWNER
