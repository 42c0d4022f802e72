"""Alerts on their way: a bounded queue and a task for each channel, so that one that hangs holds no other
one.

Each alert is tried `TRIES` times; what a channel does not take is a dead letter. Nobody who tells an alert
waits.
"""

from collections import deque
from collections.abc import Callable, Sequence

import trio

from commands.alerts.alert import Alert
from commands.alerts.channels import Channel
from commands.alerts.dead_letters import DeadLetters
from commands.alerts.post import NotSent
from commands.alerts.sending import Pacing
from messages.units import Ns
from runtime.outlive import one_line
from runtime.retry import until

TRIES = 3
PAUSE_S = (1.0, 4.0)
"""Before the second and the third try, unless the server asks for another pause."""
WAITING_MAX = 100
"""Alerts that wait for one channel; more than that, and the oldest is a dead letter."""
LOOK_S = 0.05


class Outbox:
    """Delivery from one process. `whose` stands before every alert; `say(text)` tells the log."""

    def __init__(
        self,
        channels: Sequence[Channel],
        pacing: Pacing,
        letters: DeadLetters,
        whose: str,
        utc_ns: Callable[[], Ns],
        say: Callable[[str], object],
    ) -> None:
        self._pacing, self._letters, self._whose = pacing, letters, whose
        self._utc_ns, self._say = utc_ns, say
        self._queues = tuple(_Queue(channel) for channel in channels)
        self.sent = 0
        """Deliveries: one for each channel that took an alert."""

    def put(self, alert: Alert) -> None:
        """Let it be sent, if it is due. Never waits, never raises."""
        due = self._pacing.due(alert, trio.current_time())
        if due is None:
            return
        for queue in self._queues:
            queue.waiting.append(due)
            while len(queue.waiting) > WAITING_MAX:
                self._letters.put(
                    queue.waiting.popleft(), queue.channel.name, "too many waited", self._utc_ns()
                )
            queue.came.set()

    async def run(self) -> None:
        """Send what comes, until cancelled: what still waits then is written down."""
        try:
            async with trio.open_nursery() as nursery:
                for queue in self._queues:
                    nursery.start_soon(self._serve, queue)
        finally:
            for queue in self._queues:
                for alert in (*queue.under_way, *queue.waiting):
                    self._letters.put(alert, queue.channel.name, "not sent in time", self._utc_ns())

    async def drained(self, within_s: float) -> bool:
        """Wait until nothing waits any more, at most so long; False when something still does."""
        with trio.move_on_after(within_s):
            await until(lambda: not any(queue.waiting or queue.under_way for queue in self._queues), LOOK_S)
            return True
        return False

    async def _serve(self, queue: "_Queue") -> None:
        while True:
            while not queue.waiting:
                queue.came = trio.Event()
                await queue.came.wait()
            alert = queue.waiting.popleft()
            queue.under_way = (alert,)
            why = await self._tried(queue.channel, alert)
            queue.under_way = ()
            if why:
                self._letters.put(alert, queue.channel.name, why, self._utc_ns())
                where = self._letters.path
                self._say(
                    f"alert {alert.code} not delivered by {queue.channel.name}: {why}; it is in {where}"
                )
            else:
                self.sent += 1

    async def _tried(self, channel: Channel, alert: Alert) -> str:
        """Why it was not delivered; "" when it was."""
        why = ""
        for number in range(TRIES):
            try:
                await channel.send(alert, alert.words(self._whose))
            except NotSent as error:
                why = str(error)
                if error.after_s is None:
                    break
                if number < TRIES - 1:
                    await trio.sleep(max(PAUSE_S[number], error.after_s))
            except Exception as error:  # noqa: BLE001 - a channel's defect must not end the others
                return (
                    f"{type(error).__name__}: {one_line(error)}"
                    if channel.name == "command"
                    else type(error).__name__
                )
            else:
                return ""
        return why


class _Queue:
    """What waits for one channel."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.waiting: deque[Alert] = deque()
        self.under_way: tuple[Alert, ...] = ()
        self.came = trio.Event()
