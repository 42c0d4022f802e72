"""Over real sockets: what only a process can show of the accidents that it stages, and a state that
outlives it.
"""

import json
import socket
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.commands.test_simulate import query, run_simulate, simulate
from tests.venue.simulated.desk import ME, OTHER, OURS
from venue.nado.signing import typed_digest
from venue.simulated.engine.rules import CHAIN_ID, ENDPOINT
from venue.simulated.gateway.money_executes import TRANSFER

pytestmark = [pytest.mark.process, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
PATIENCE_S = 20.0
"""A loaded machine may be this slow; nothing here asserts a time."""


def faults(folder: Path, **staged: Any) -> str:
    (folder / "faults.json").write_text(json.dumps(staged))
    return str(folder / "faults.json")


def refused(url: str) -> bool:
    host, port = url.removeprefix("http://").split(":")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


def wait_until(happens: Any) -> None:
    until = time.monotonic() + PATIENCE_S
    while not happens():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_host_that_is_down_refuses_connections_and_comes_back_at_the_same_port(tmp_path: Path) -> None:
    down = {"kind": "down", "at_ms": 1500, "for_ms": 1500}
    with simulate("--faults", faults(tmp_path, incident=[down])) as (_, url):
        with connect(url.replace("http", "ws") + "/v1/ws") as line:
            wait_until(lambda: refused(url))
            with pytest.raises(ConnectionClosed):
                line.recv(timeout=PATIENCE_S)
        wait_until(lambda: not refused(url))
        assert query(url, type="status") == "active"


def test_a_frame_cut_in_the_middle_never_becomes_a_message(tmp_path: Path) -> None:
    cut = {"stream": "best_bid_offer", "nth": 1, "how": "cut"}
    address = "/v1/subscribe"
    with (
        simulate("--market", "synthetic", "--faults", faults(tmp_path, event=[cut])) as (_, url),
        connect(url.replace("http", "ws") + address) as line,
    ):
        line.send(
            json.dumps(
                {"method": "subscribe", "stream": {"type": "best_bid_offer", "product_id": 4}, "id": 1}
            )
        )
        assert json.loads(line.recv(timeout=PATIENCE_S)) == {"result": None, "id": 1}
        with pytest.raises(ConnectionClosed) as closed:
            line.recv(timeout=PATIENCE_S)
        assert closed.value.rcvd is None


def test_a_socket_from_which_nothing_comes_is_hung_up_on_and_a_ping_is_something(tmp_path: Path) -> None:
    """Fails when hypercorn no longer makes its WebSocket streams by the name that we replace."""
    with simulate("--faults", faults(tmp_path, venue={"ping_timeout_s": 1.0})) as (_, url):
        address = url.replace("http", "ws") + "/v1/subscribe"
        with connect(address) as silent, connect(address) as pinging:
            for _ in range(12):
                pinging.ping().wait(PATIENCE_S)
                time.sleep(0.2)
            pinging.send(json.dumps({"method": "list", "id": 3}))
            assert json.loads(pinging.recv(timeout=PATIENCE_S))["id"] == 3
            with pytest.raises(ConnectionClosed):
                silent.recv(timeout=PATIENCE_S)


def transfer(url: str, nonce: int) -> Any:
    tx = {"sender": ME, "recipient": OTHER, "amount": 7 * 10**18, "nonce": nonce}
    signature = OURS.sign(typed_digest(TRANSFER, CHAIN_ID, ENDPOINT, **tx))
    wire = {key: str(value) for key, value in tx.items()}
    return httpx.post(
        f"{url}/v1/execute", json={"transfer_quote": {"tx": wire, "signature": signature}}, trust_env=False
    ).json()


def test_a_kept_state_survives_kill_and_a_file_that_cannot_be_read_is_exit_2(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    with simulate("--keep-state", str(path)) as (process, url):
        assert transfer(url, 0)["status"] == "success"
        wait_until(lambda: "7000000000000000000" in path.read_text())
        process.kill()
        process.wait(timeout=PATIENCE_S)
    with simulate("--keep-state", str(path)) as (_, url):
        info = query(url, type="subaccount_info", subaccount=OTHER)
        assert info["spot_balances"][0]["balance"]["amount"] == str(7 * 10**18)
        assert transfer(url, 0)["error_code"] == 2022
        assert transfer(url, 1)["status"] == "success"
    path.write_text("{}")
    ended = run_simulate("--keep-state", str(path))
    assert ended.returncode == 2
    assert b"--keep-state" in ended.stderr
    assert b"schema" in ended.stderr
