"""A quote as its actors tell of it: placed, resting, filled in pieces, cancelled."""

import msgspec

from messages.execution import CancelAsked, Fill, LegFill, QuoteEnded
from messages.sizing import QuoteTerms, Sealed, SizingPlan
from messages.units import Base, Ms, Price, Quote
from messages.wire import digest
from tests.actors.fakes import START_MS
from tests.commands.scenes import ETH_ORDER, closed_plan, fill, leg_fill, outcome, place, plan, votes


def quote_of_eth(*, seq: int = 7) -> Sealed:
    """0.357 ETH is sold at 2757.9, resting for 12 s, given up after 10 s; 8.5 SOL is the other leg."""
    taken = plan("quote", seq=seq, sol="0").plan
    terms = QuoteTerms(
        "eth", True, Base.of("-0.357"), Base.of("8.5"), Price.of("116"), Ms(12_000), Ms(START_MS + 10_000)
    )
    rests = msgspec.structs.replace(taken.eth, kind="post_only")
    whole: SizingPlan = msgspec.structs.replace(taken, eth=rests, quote=terms)
    return Sealed(whole, digest(whole))


def maker_fill(amount: str, remaining: str) -> Fill:
    """A piece of it trades as it rests."""
    return msgspec.structs.replace(
        fill(ETH_ORDER, 4, amount, "2757.9", remaining=remaining), is_taker=False, original=Base.of("0.357")
    )


def until_it_rests(sealed: Sealed, kind: str = "accepted", filled: str = "0") -> list[msgspec.Struct]:
    """Sealed, voted for, placed, answered; its plan is closed."""
    done = leg_fill(sealed.plan.eth, ETH_ORDER, filled, "2757.9")
    eth = msgspec.structs.replace(done, outcome=kind)
    nothing = LegFill(8, "", Base(0), Base(0), Price(0), Quote(0), "none", None)
    answer = outcome(sealed, "eth", kind)
    return [sealed, *votes(sealed), place(sealed, sol=""), answer, closed_plan(sealed, eth, nothing)]


def quote_ended(sealed: Sealed, filled: str) -> QuoteEnded:
    """What all of it did."""
    done = leg_fill(sealed.plan.eth, ETH_ORDER, filled, "2757.9" if filled != "0" else "0")
    return QuoteEnded(sealed.plan.epoch, sealed.plan.seq, "eth", done)


def eth_cancelled(why: str = "it rests at 2757.9, and 2758.4 is wanted") -> CancelAsked:
    """Sizing wants it cancelled."""
    return CancelAsked(ETH_ORDER, 4, why, Ms(START_MS + 900))
