"""What a guard tells over its run's channels: when it has closed what a dead run left, and while it cannot.

Bounded, after its work, and never in its way: closing waits for nothing in here, whatever a server does.
"""

import math
import os
from functools import partial

import trio

from commands.alerts.alert import Alert
from commands.alerts.outgoing import addressed, outgoing
from commands.guard.log_lines import GuardWords
from commands.watched.told import alerting
from messages.settings import Settings
from runtime.outlive import outlive

TELL_S = 20.0
"""How long one alert may take over all channels, tries included."""
AGAIN_S = 3_600.0
"""How often a guard that cannot close tells that it is still trying."""


class GuardAlerts:
    """What a guard tells people over its run's channels, after its work and never in its way."""

    def __init__(self, settings: Settings, words: GuardWords) -> None:
        self._settings, self._words = settings, words

    async def tell(self, alert: Alert) -> None:
        """Send it, in at most `TELL_S`. Raises nothing but a cancellation."""
        if alerting(self._settings.alerts):
            await outlive(
                partial(self._send, alert),
                lambda why: self._words.say(f"no alert: {why}", "error", once=True),
            )

    async def _send(self, alert: Alert) -> None:
        told = addressed(self._settings.alerts, os.environ)
        with trio.move_on_after(TELL_S):
            async with outgoing(self._settings, told, self._words.say) as out, trio.open_nursery() as nursery:
                nursery.start_soon(out.outbox.run)
                out.outbox.put(alert)
                await out.outbox.drained(math.inf)
                nursery.cancel_scope.cancel()
