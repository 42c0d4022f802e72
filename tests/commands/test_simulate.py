"""`simulate` as a process: what a parent sees of it."""

import gzip
import json
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.venue.simulated.desk import ME
from venue.throwaway import THROWAWAY_ADDRESS, THROWAWAY_KEY, THROWAWAY_SENDER

SUPERVISOR = Path(__file__).resolve().parent.parent.parent / "supervisor.py"
FLAT = "flat:2756.9/115.86"


@contextmanager
def simulate(*arguments: str) -> Iterator[tuple["subprocess.Popen[bytes]", str]]:
    """A running `simulate --market flat` and its base URL; killed at the end if it still lives."""
    command = [sys.executable, str(SUPERVISOR), "simulate", "--market", FLAT, *arguments]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            assert process.stdout is not None
            assert select.select([process.stdout], [], [], 20)[0]
            yield process, process.stdout.readline().decode().rstrip("\n")
        finally:
            process.kill()


def run_simulate(*arguments: str) -> "subprocess.CompletedProcess[bytes]":
    """Run one that cannot start, to its end."""
    command = [sys.executable, str(SUPERVISOR), "simulate", "--market", FLAT, *arguments]
    return subprocess.run(command, capture_output=True, timeout=20, check=False)


def query(url: str, **params: Any) -> Any:
    return httpx.post(f"{url}/v1/query", json=params, trust_env=False).json()["data"]


def test_it_prints_its_url_first_serves_the_funded_account_and_ends_with_its_standard_input() -> None:
    with simulate("--until-stdin-closes", "--seed", "11") as (process, url):
        assert url.startswith("http://127.0.0.1:")
        account = query(url, type="subaccount_info", subaccount=THROWAWAY_SENDER)
        assert account["healths"][0]["health"] == "10000000000000000000000"
        instance = httpx.get(f"{url}/v1/time", trust_env=False).headers["x-evenkeel-venue"]
        assert instance.startswith("simulated-11-")
        rest, said = process.communicate(timeout=10)
        assert (process.returncode, rest, said) == (0, b"", b"")


@pytest.mark.process
def test_another_subaccount_can_be_funded_to_rehearse_with_ones_own_key() -> None:
    owner = "0x" + "9f" * 20
    with simulate("--fund", f"{owner}/evenkeel") as (_, url):
        account = query(url, type="subaccount_info", subaccount=owner + b"evenkeel".ljust(12, b"\0").hex())
        assert (account["exists"], account["healths"][0]["health"]) == (True, "10000000000000000000000")


@pytest.mark.process
def test_the_account_begins_with_the_deposit_it_is_given() -> None:
    with simulate("--deposit", "250.5 USD") as (_, url):
        assert (
            query(url, type="subaccount_info", subaccount=THROWAWAY_SENDER)["healths"][0]["health"]
            == "250500000000000000000"
        )
    refused = run_simulate("--deposit", "250")
    assert (refused.returncode, b'--deposit: "250" has no unit' in refused.stderr) == (2, True)


@pytest.mark.process
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.process
def test_a_signal_ends_it_with_exit_0(number: signal.Signals) -> None:
    with simulate() as (process, url):
        assert query(url, type="status") == "active"
        process.send_signal(number)
        assert process.wait(timeout=10) == 0


@pytest.mark.process
def test_closing_standard_input_does_not_end_it_unless_asked() -> None:
    with simulate() as (process, url):
        assert process.stdin is not None
        process.stdin.close()
        assert query(url, type="status") == "active"
        assert process.poll() is None


@pytest.mark.process
def test_a_port_in_use_is_exit_3_and_says_so() -> None:
    with simulate() as (_, url):
        port = url.rsplit(":", 1)[1]
        second = subprocess.run(
            [sys.executable, str(SUPERVISOR), "simulate", "--market", FLAT, "--port", port],
            capture_output=True,
            timeout=20,
            check=False,
        )
        assert second.returncode == 3
        assert f"port {port} on 127.0.0.1 cannot be used" in second.stderr.decode()


@pytest.mark.process
@pytest.mark.parametrize(
    "wrong",
    [
        ["--market", "flat:1"],
        ["--faults", "/no/such"],
        ["--port", "http"],
        ["--host", "::"],
        ["--fund", "me"],
    ],
)
@pytest.mark.process
def test_a_wrong_option_is_exit_2_and_names_it(wrong: list[str]) -> None:
    ended = run_simulate(*wrong)
    assert ended.returncode == 2
    assert wrong[0] in ended.stderr.decode()


@pytest.mark.process
def test_a_client_that_stopped_reading_does_not_keep_it_alive() -> None:
    import socket

    with simulate() as (process, url):
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            body = json.dumps({"type": "market_liquidity", "product_id": 4, "depth": 100}).encode()
            request = (
                b"POST /v1/query HTTP/1.1\r\nHost: x\r\nContent-Length: "
                + str(len(body)).encode()
                + b"\r\n\r\n"
                + body
            )
            deaf.setblocking(False)
            try:
                for _ in range(20_000):
                    deaf.send(request)
            except BlockingIOError:
                pass
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=10) == 0


@pytest.mark.process
def test_a_client_that_goes_away_in_the_middle_of_a_question_is_no_trace_on_standard_error() -> None:
    """A run that is killed while it asks must not look like a defect of the venue."""
    with simulate("--until-stdin-closes") as (process, url):
        host, port = url.removeprefix("http://").split(":")
        for path in ("query", "execute"):
            with socket.create_connection((host, int(port))) as client:
                client.sendall(
                    f"POST /v1/{path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 100\r\n\r\nhalf".encode()
                )
                time.sleep(0.2)
        assert query(url, type="status") == "active"
        _, said = process.communicate(timeout=10)
        assert (process.returncode, said) == (0, b"")


@pytest.mark.process
def test_the_throw_away_constants_belong_together() -> None:
    from venue.nado.signing import Signer

    assert Signer(THROWAWAY_KEY).address == THROWAWAY_ADDRESS
    assert THROWAWAY_SENDER == ME


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("bad_l2_20.csv.gz", b"garbage", "--market: DIR/bad_l2_20.csv.gz is no recording: "),
        (
            "bad_l2_20.csv.gz",
            gzip.compress(b"a,b,c\n", mtime=0),
            "--market: DIR/bad_l2_20.csv.gz holds no moment at which both ETH and SOL have a book",
        ),
        ("bad_trades.csv.gz", b"", "--market: DIR/bad_trades.csv.gz is missing · "),
        ("faults.json", b"{", "--faults DIR/faults.json: is not valid JSON: "),
        ("faults.toml", b"x = ", "--faults DIR/faults.toml: is not valid TOML: "),
        ("faults.toml", b"x = 3", "--faults DIR/faults.toml: Object contains unknown field `x`"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_in_one_line(
    name: str, content: bytes, says: str, tmp_path: Path
) -> None:
    for kind in ("l2_20", "quotes", "trades"):
        (tmp_path / f"bad_{kind}.csv.gz").write_bytes(gzip.compress(b""))
    (tmp_path / name).write_bytes(content)
    if not content:
        (tmp_path / name).unlink()
    typed = ("--faults", str(tmp_path / name)) if "faults" in name else ("--market", str(tmp_path / "bad"))
    ended = run_simulate(*typed)
    told = ended.stderr.decode().replace(str(tmp_path), "DIR")
    assert (ended.returncode, told.count("\n")) == (2, 1), told
    assert told.startswith(says)
    assert "[Errno" not in told


def test_a_folder_that_is_not_there_cannot_keep_the_state() -> None:
    told = run_simulate("--keep-state", "/nowhere/state.json").stderr.decode()
    assert told.startswith(
        "--keep-state /nowhere/state.json: no such file or directory · nothing was started · name a file"
    )
