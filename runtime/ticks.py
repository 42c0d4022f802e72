"""When a timer that looks at something again and again is due: at the whole multiples of its period on Trio's
clock. So timers of 0.125, 0.25 and 0.5 s wake an idle process together, eight times a second and not twenty.
"""

import trio


def next_tick_s(period_s: float) -> float:
    """Trio's time of the next whole multiple of `period_s`: never later than a period from now."""
    return (trio.current_time() // period_s + 1) * period_s
