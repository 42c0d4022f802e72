"""How often an alert is sent: each once, a repeated one again only after `repeat_after`, and so many a
minute.

Pure: it is told the time. What is held back is counted, and the next alert that is sent says how many.
"""

from collections import OrderedDict, deque

from commands.alerts.alert import Alert, Level, at_least

KEYS_MAX = 1_000
"""So many different alerts are told apart; beyond that the one that was heard longest ago is forgotten."""
MINUTE_S = 60.0


class Pacing:
    """One channel group's memory of what was sent when."""

    def __init__(self, least: Level, repeat_after_s: float, per_minute: int) -> None:
        self._least, self._repeat_after_s = least, repeat_after_s
        self._sent_s: deque[float] = deque(maxlen=per_minute)
        self._last: OrderedDict[str, tuple[float, int]] = OrderedDict()
        """Key -> when it was sent last, and how often it came since."""
        self.held_back = 0
        """Alerts beyond `per_minute` since the last one that was sent."""

    def due(self, alert: Alert, now_s: float) -> Alert | None:
        """The alert to send now, with what was held back before it; None: not now."""
        if not at_least(alert.level, self._least):
            return None
        at_s, again = self._last.get(alert.key, (-self._repeat_after_s, 0))
        if now_s - at_s < self._repeat_after_s:
            self._last[alert.key] = at_s, again + 1
            return None
        full = len(self._sent_s) == self._sent_s.maxlen and now_s - self._sent_s[0] < MINUTE_S
        # what is critical is sent however much was sent before it: it is bounded by its own repetition
        if full and alert.level != "critical":
            self.held_back += 1
            return None
        self._sent_s.append(now_s)
        self._last[alert.key] = now_s, 0
        self._last.move_to_end(alert.key)
        while len(self._last) > KEYS_MAX:
            self._last.popitem(last=False)
        notes = [f"{again} more like this meanwhile"] if again else []
        notes += [f"{self.held_back} others were held back, too many in a minute"] if self.held_back else []
        self.held_back = 0
        if not notes:
            return alert
        return Alert(alert.level, alert.code, f"{alert.text} ({'; '.join(notes)})", alert.subject)
