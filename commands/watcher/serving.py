"""What a watcher serves: the page, and beside it, behind the same check of `Host`, what else there is."""

from collections.abc import Sequence
from pathlib import Path

import trio
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from commands.access.simulated import SUPERVISOR
from commands.control import ControlRequest, ask
from commands.output.words import COMMAND
from commands.page.app import Do, page_app
from commands.page.documents import Documents
from commands.page.gate import PageGate
from commands.page.hub import PageHub
from commands.watched.watched import Watched
from messages.settings import Settings

GONE = f"The run is gone and has not said how it ended: what is open is not known. Type: {COMMAND} status"
LAST_S = 0.5
"""How long browsers may take to hear how the run ended."""


def page_of(
    settings: Settings, watched: Watched, address: tuple[str, int], more: Sequence[BaseRoute] = ()
) -> tuple[ASGIApp, PageHub]:
    """The application that listens at `address`, and the hub that `followed` feeds."""
    run, hub = watched.brief.run, PageHub()

    async def act(do: Do, reason: str) -> str | None:
        answer = await ask(run, ControlRequest(do, reason), 0)
        return None if answer is None else answer.doing or f"the run is {answer.phase}"

    host, port = address
    encrypted = bool(settings.page_certificate)
    gate = PageGate.of(host, port, watched.brief.token, name=settings.page_name, encrypted=encrypted)
    documents = Documents(Path(settings.files.logs), SUPERVISOR)
    return page_app(hub, gate, act, documents, more), hub


async def followed(hub: PageHub, watched: Watched) -> None:
    """Show what the run says until it is gone, and then how it ended."""
    for event in tuple(watched.events):
        hub.take(event)
    watched.hearers.append(hub.take)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hub.run)
        await watched.gone.wait()
        hub.gone(GONE)
        hub.flush()
        await trio.sleep(LAST_S)
        nursery.cancel_scope.cancel()
