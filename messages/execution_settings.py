"""`[execution]`: do orders take what stands in the book, or rest in it (decision 046)?

Declared as every key is (`messages/settings.py`).
"""

from typing import Annotated, Literal

import msgspec

from messages.config_key import ConfigKey
from messages.sizing import Leg
from messages.units import ONE, Bps, Ms, Ticks

Policy = Literal["taker-taker", "maker-taker", "lean"]
"""`taker-taker`: both legs take, at the same moment. `maker-taker`: one leg rests, the other one takes what
hedges its fills, as they come. `lean`: what hedges the fills rests as well, for a while, and takes then.
"""


class Execution(msgspec.Struct, frozen=True):
    """How pairs are entered and exited. What it says of quotes is read only where a policy rests."""

    entry: Annotated[
        Policy,
        ConfigKey(
            "How pairs are entered: both legs at once, one leg that rests and is hedged as it trades, or the"
            " hedge rests for a while, too."
        ),
    ] = "taker-taker"
    exit: Annotated[
        Policy,
        ConfigKey(
            "How pairs exit when they need not hurry, in the same words; a stop, a limit and a loss always"
            " take."
        ),
    ] = "taker-taker"
    quote_leg: Annotated[
        Literal["eth", "sol", "auto"],
        ConfigKey(
            'Which leg rests; "auto" is ETH: that was cheaper by 40 +- 17 USD per 1M traded in a study on'
            " recordings."
        ),
    ] = "auto"
    quote_when: Annotated[
        Literal["fresh", "always"],
        ConfigKey(
            'When a quote is placed: "fresh" is within 0.3 s of our touch improving, or inside a spread of'
            " two or more ticks."
        ),
    ] = "fresh"
    slop: Annotated[
        Ticks,
        ConfigKey("A quote stays while its price is within this of where it would be placed now.", 0, 1_000),
    ] = Ticks(3)
    give_up: Annotated[
        Ms,
        ConfigKey("How long an entry tries with quotes before it is given up.", 1_000, 600_000),
    ] = Ms(15_000)
    after_give_up: Annotated[
        Literal["skip", "take"],
        ConfigKey("What follows then, where nothing has traded: the cycle is skipped, or both legs take."),
    ] = "skip"
    exit_take: Annotated[
        Ms,
        ConfigKey("How long an exit tries with quotes before both legs take.", 1_000, 3_600_000),
    ] = Ms(60_000)
    payup: Annotated[
        Ticks,
        ConfigKey(
            "Fills of a quote are hedged at prices up to this far beyond the other leg's touch at the quote's"
            " decision.",
            0,
            1_000,
        ),
    ] = Ticks(5)
    lean_wait: Annotated[
        Ms,
        ConfigKey("How long lean lets a hedge rest before it takes.", 100, 600_000),
    ] = Ms(30_000)
    lean_stop: Annotated[
        Bps,
        ConfigKey("A hedge that rests takes once its price has moved this far against it.", 1, 1_000 * ONE),
    ] = Bps(ONE)

    @property
    def leg(self) -> Leg:
        """The leg that rests."""
        return "eth" if self.quote_leg == "auto" else self.quote_leg

    @property
    def rests(self) -> bool:
        """May an order of this configuration rest?"""
        return self.entry != "taker-taker" or self.exit != "taker-taker"

    @property
    def leans(self) -> bool:
        """May a hedge rest, so that a whole leg is unhedged for up to `lean_wait`?"""
        return "lean" in {self.entry, self.exit}
