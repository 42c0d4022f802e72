"""The rules at a start: asked again while something is missing in them."""

import trio

from venue.nado.http import HttpReads
from venue.protocol import Malformed, VenueRules

RULES_TRIES = 3
RULES_AGAIN_S = 0.3
"""How often the rules are read at the start, and how long is waited between, while something is missing in
them.
"""


async def whole_rules(reads: HttpReads) -> VenueRules:
    """The rules; read again where an answer was lost on the way, because a rule that nobody could read is not
    one that is missing.

    Raises `VenueError`.
    """
    for left in reversed(range(RULES_TRIES)):
        try:
            rules = await reads.rules_now()
            if not (left and rules.incomplete()):
                return rules
        except Malformed:
            if not left:
                raise
        await trio.sleep(RULES_AGAIN_S)
    raise AssertionError("the last try returns or raises")
