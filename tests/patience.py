"""How long tests with real processes wait: longer on a machine that has more to do than it can."""

import os

SLACK_MAX = 4.0


def slack() -> float:
    """By how much a deadline is stretched."""
    return min(SLACK_MAX, max(1.0, os.getloadavg()[0] / (2 * (os.cpu_count() or 1))))
