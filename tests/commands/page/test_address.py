"""Where the page is: on the screen and in `status`, with its token; in no log; at another port in the demo
where its own is taken.
"""

import signal
import socket
from pathlib import Path

import pytest

from commands.config.keys import DEMO_DEFAULTS
from commands.screen.drawing import COLUMNS, ROWS, draw
from tests.actors.fakes import START_MS
from tests.commands.scenes import every_state
from tests.leftovers import end, left
from tests.processes.test_processes import ended, started
from tests.processes.waiting import until

ADDRESS = "http://127.0.0.1:8080/#token=" + "t" * 32


@pytest.mark.parametrize("state", every_state())
def test_the_smallest_screen_shows_it_unbroken_in_every_state(state: str) -> None:
    view = every_state()[state]
    before = draw(view, START_MS)
    view.page = ADDRESS
    after = draw(view, START_MS)
    assert f" page: {ADDRESS}" in after
    assert len(after) <= ROWS
    assert all(len(line) < COLUMNS for line in after)
    # the head is still there: what makes room is at the end
    assert after[0] == before[0]


@pytest.mark.process
def test_the_demo_has_one_at_another_port_where_its_own_is_taken(tmp_path: Path) -> None:
    host, _, port = DEMO_DEFAULTS["page"].rpartition(":")
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind((host, int(port)))
            taken.listen()
        except OSError:
            pass  # somebody else has it, which is as good
        run = started(tmp_path, "--logs", str(tmp_path / "logs"), "--cycles", "forever", own_session=True)
        try:
            log = tmp_path / "logs" / "evenkeel.log"
            until(lambda: log.exists() and "page and metrics: http" in log.read_text())
            run.send_signal(signal.SIGINT)
            code, output, errors = ended(run)
        finally:
            run.kill()
            end(left(str(tmp_path), "supervisor.py"))
    assert code == 130, errors
    line = next(line for line in output.splitlines() if " page: http://127.0.0.1:" in line)
    token = line.partition("#token=")[2]
    assert len(token) == 32
    assert f"127.0.0.1:{port}/" not in line
    # whoever may read the log may not act
    assert not [file for file in (tmp_path / "logs").glob("*.log*") if token in file.read_text()]
