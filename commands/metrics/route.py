"""`/metrics` of a watcher: for programs on this machine, or for whoever has the token."""

import hmac
import os
import socket
from pathlib import Path

from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from commands.alerts.secrets import secret_of
from commands.metrics.exposition import RunMetrics
from commands.watched.watched import Watched
from messages.settings import Settings

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def metrics_route(settings: Settings, watched: Watched) -> Route:
    """The route. Without `metrics_token` it answers only requests that name this machine itself: one that a
    proxy passes on names another. Raises `ConfigError` where the token cannot be had.
    """
    token = secret_of("metrics_token", settings.metrics_token, os.environ)
    own = settings.venue.subaccount, socket.gethostname()
    metrics = RunMetrics(watched, own, Path(settings.files.logs) / "ledger.sqlite")

    async def serve(request: Request) -> Response:
        if token:
            shown = request.headers.get("authorization", "")
            may = hmac.compare_digest(shown.encode(), f"Bearer {token}".encode())
        else:
            may = request.url.hostname in LOOPBACK
        if not may:
            return Response(status_code=403)
        return Response(metrics.text(), headers={"content-type": CONTENT_TYPE_LATEST})

    return Route("/metrics", serve, methods=["GET"])
