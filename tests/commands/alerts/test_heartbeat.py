"""The heartbeat to a dead man's switch: asked while the run lives and not a moment longer; what does not take
it is told, and asked again.
"""

import pytest
import trio

from commands.alerts import post
from commands.alerts.heartbeat import beat_outside
from commands.alerts.post import new_client
from runtime.retry import until
from tests.commands.alerts.servers import NONSENSE, alert_server
from tests.patience import slack


async def test_it_is_asked_while_the_run_lives_and_not_when_it_does_not() -> None:
    lives = True
    failed: list[str] = []
    with alert_server() as server, trio.fail_after(20 * slack()):
        async with new_client() as client, trio.open_nursery() as nursery:
            url = f"{server.url}/ping/uuid"
            nursery.start_soon(beat_outside, client, url, 0.02, lambda: lives, failed.append)
            await until(lambda: len(server.requests) >= 3, 0.01)
            lives = False
            await trio.sleep(0.3)
            stopped = len(server.requests)
            await trio.sleep(0.3)
            assert len(server.requests) == stopped
            lives = True
            await until(lambda: len(server.requests) > stopped, 0.01)
            nursery.cancel_scope.cancel()
    assert {(request.method, request.path) for request in server.requests} == {("GET", "/ping/uuid")}
    assert failed == []


@pytest.mark.parametrize("what", ["500", "404", "closes", "bytes", "hangs"])
async def test_what_does_not_take_it_is_told_and_asked_again(
    what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(post, "TRY_S", 0.2)
    failed: list[str] = []
    with alert_server(NONSENSE[what]) as server, trio.fail_after(20 * slack()):
        async with new_client() as client, trio.open_nursery() as nursery:
            nursery.start_soon(beat_outside, client, server.url, 0.02, lambda: True, failed.append)
            await until(lambda: len(failed) >= 2 and len(server.requests) >= 2, 0.01)
            nursery.cancel_scope.cancel()
    assert server.url not in repr(failed)
