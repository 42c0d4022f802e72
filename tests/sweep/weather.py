"""What the venue does wrong in the runs of a seed: accidents to orders, and disturbances of events and
answers.
"""

import random
from itertools import accumulate

import msgspec

from venue.simulated.engine.rules import VenueOptions
from venue.simulated.faults.incidents import PriceShift, TradeThrough
from venue.simulated.faults.order_faults import (
    Cut,
    DisturbEvent,
    DisturbReply,
    Faults,
    Late,
    LoseAck,
    Pieces,
    Refuse,
    Thin,
)

STREAMS = ("fill", "order_update", "position_change", "book_depth")
REQUESTS = (
    "place_order",
    "subaccount_info",
    "isolated_positions",
    "market_liquidity",
    "orders",
    "archive_orders",
    "time",
    "subscribe",
)
DUSTY = 9
OTHERS_MS = 8_000
"""For so long other traders trade; from then on what rests is given up, and both legs take."""


def weather(seed: int) -> Faults:
    """Calm for every fourth seed; else an accident, a few disturbances, or both. Every tenth leaves a
    remainder that the venue will not close.
    """
    chance = random.Random(f"weather {seed}")
    if seed % 10 == DUSTY:
        return Faults(**dust(chance), seed=seed)  # type: ignore[arg-type]
    kind = seed % 4
    accident = accidents(chance) if kind in {2, 3} else {}
    disturbed = disturbances(chance) if kind in {1, 3} else {}
    return Faults(**accident, **disturbed, seed=seed)  # type: ignore[arg-type]


def accidents(chance: random.Random) -> dict[str, object]:
    """Something happens to one of the four orders that a clean cycle has, or to two of them."""
    nth = chance.randint(1, 4)
    entering = nth <= 2
    code = chance.choice((2031, 2006, 5000) if entering else (2056, 2064, 5000))
    return chance.choice(
        (
            {"lose_ack": (LoseAck(nth=nth, increasing=entering),)},
            {"refuse": (Refuse(nth=nth, increasing=entering, code=code),)},
            {"cut": (Cut(nth=nth, increasing=entering, when=chance.choice(("before", "after"))),)},
            {"refuse": (Refuse(nth=1, code=5000),), "lose_ack": (LoseAck(nth=2),)},
            {"thin": tuple(Thin(nth=late, increasing=False, lots=chance.randint(1, 5)) for late in (3, 4))},
            {"late": (Late(nth=nth, increasing=entering, delay_ms=chance.choice((100, 700, 1_500, 2_100))),)},
            {
                "split": tuple(
                    Pieces(nth=each, lots=(1, 2, 3), increasing=each < 3) for each in (1, 2, 3, 4)
                ),
                "lose_ack": (LoseAck(nth=nth),),
            },
            {
                "split": (Pieces(nth=3, lots=(1, 1, 2), only=True, increasing=False),),
                "late": (Late(nth=4, increasing=False, delay_ms=900),),
            },
            {
                "thin": (Thin(nth=chance.randint(3, 4), increasing=False, lots=2),),
                "lose_ack": (LoseAck(nth=nth, increasing=entering),),
            },
        )
    )


def dust(chance: random.Random) -> dict[str, object]:
    """An exit leaves less than the venue closes, of one leg or both; something may happen to the orders
    that follow, or to what is said of them.
    """
    left = {"ETH-PERP": chance.randint(20, 41), "SOL-PERP": chance.randint(3, 9)}
    legs = chance.choice((("ETH-PERP",), ("SOL-PERP",), ("ETH-PERP", "SOL-PERP")))
    thin = tuple(Thin(product=leg, nth=2, increasing=False, lots=left[leg]) for leg in legs)
    leg, topping = chance.choice(legs), chance.random() < 0.5
    nth = 2 if topping else chance.choice((4, 5))
    then = chance.choice(
        (
            {},
            {"lose_ack": (LoseAck(product=leg, nth=nth, increasing=topping),)},
            {
                "cut": (
                    Cut(product=leg, nth=nth, increasing=topping, when=chance.choice(("before", "after"))),
                )
            },
            {
                "late": (
                    Late(product=leg, nth=nth, increasing=topping, delay_ms=chance.choice((100, 700, 2_100))),
                )
            },
            {
                "refuse": (
                    Refuse(
                        product=leg,
                        nth=nth,
                        increasing=topping,
                        code=chance.choice((2031, 5000)) if topping else 2056,
                    ),
                )
            },
        )
    )
    disturbed = disturbances(chance) if chance.random() < 0.5 else {}
    return {"thin": thin, "venue": VenueOptions(min_size_binds_takers=True)} | then | disturbed


def resting_weather(seed: int) -> Faults:
    """The seed's weather, other traders who now and then trade with what rests, prices that run for some
    seeds, and cancellations whose answers are late or lost for others.
    """
    chance, base = random.Random(f"resting weather {seed}"), weather(seed)
    busy = chance.choice((150, 500, 1_500))
    traded = [
        TradeThrough(at_ms=round(at_ms), product=product, percent=chance.choice((3, 20, 45, 100)))
        for product in ("ETH-PERP", "SOL-PERP")
        for at_ms in accumulate(chance.uniform(0, 2 * busy) for _ in range(OTHERS_MS // busy))
    ]
    runs = [
        PriceShift(
            at_ms=chance.randint(0, 4_000),
            for_ms=chance.randint(200, 5_000),
            product=chance.choice(("ETH-PERP", "SOL-PERP")),
            by_bps=chance.choice((-25, -8, 8, 25)),
        )
        for _ in range(chance.choice((0, 0, 1, 2)))
    ]
    answers = [
        DisturbReply(
            request="cancel_orders",
            nth=nth,
            how=chance.choice(("lose", "delay")),
            delay_ms=chance.choice((30, 400, 3_500)),
        )
        for nth in range(1, chance.choice((1, 1, 2, 4)))
    ]
    return msgspec.structs.replace(
        base, incident=(*base.incident, *traded, *runs), reply=(*base.reply, *answers)
    )


def disturbances(chance: random.Random) -> dict[str, object]:
    """One to three streams that are not in order, and perhaps answers that come late or never."""
    events = tuple(_event(chance) for _ in range(chance.randint(1, 3)))
    replies = tuple(_reply(chance) for _ in range(chance.randint(0, 2)))
    return {"event": events, "reply": replies}


def _event(chance: random.Random) -> DisturbEvent:
    how = chance.choice(("drop", "duplicate", "delay", "reorder"))
    delay_ms = chance.choice((20, 150, 900, 4_000))
    return DisturbEvent(
        how=how, stream=chance.choice(STREAMS), one_in=chance.randint(1, 4), delay_ms=delay_ms
    )  # type: ignore[arg-type]


def _reply(chance: random.Random) -> DisturbReply:
    """The first few of a kind, or now and then: a venue that never answers at all is another matter."""
    when = {"nth": chance.randint(1, 4)} if chance.random() < 0.5 else {"one_in": chance.randint(3, 6)}
    how = chance.choice(("lose", "delay"))
    return DisturbReply(
        how=how, request=chance.choice(REQUESTS), delay_ms=chance.choice((30, 400, 1_900, 3_000)), **when
    )  # type: ignore[arg-type]
