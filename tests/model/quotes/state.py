"""What one state of the model of resting orders is: small tuples, hashed and compared by value.

Amounts are whole lots without sign, as in the model of the barrier. A whole pair is `PAIR`: its lots do not
match one to one, so that what hedges a part of it is a matter of rounding.

Votes are cast in one step (every interleaving of them is the other model's), a crashed leg or ledger is
started again in one step, and a leg is no more than the Place that it has not yet acted on. What is left open
is all that an order that rests brings with it: when it is filled, in how many pieces, when its cancellation
is asked for, arrives and is answered, what of all that the ledger hears, in which order, and who dies in
between.

Time is abstract. Of every plan its receive window is open or over; of a quote also whether it may still rest.
"""

from typing import NamedTuple

from messages.execution import Doubt
from messages.sizing import SizingPlan
from tests.model.state import Bar, Message

PAIR = {"eth": 2, "sol": 3}
OTHER = {"eth": "sol", "sol": "eth"}


class Terms(NamedTuple):
    """Of a quote: the leg that rests, whether it opens the pair, and the whole pair. `hedges`: it answers
    what the other leg's quote has traded.
    """

    leg: str
    opens: bool
    eth: int
    sol: int
    hedges: bool = False

    def whole(self, leg: str) -> int:
        return self.eth if leg == "eth" else self.sol


class QuotePlan(NamedTuple):
    """A plan of this model. `closes`: the direction of a quote, or of what hedges one."""

    epoch: int
    seq: int
    purpose: str
    eth: int
    sol: int
    closes: bool = False
    terms: Terms | None = None

    @classmethod
    def of(cls, plan: SizingPlan) -> "QuotePlan":
        """The key of a real plan."""
        eth, sol, quote = abs(plan.eth.amount), abs(plan.sol.amount), plan.quote
        closes = not quote.opens if quote is not None else plan.eth.reduce_only or plan.sol.reduce_only
        terms = None
        if quote is not None:
            terms = Terms(quote.leg, quote.opens, abs(quote.eth), abs(quote.sol), quote.hedges)
        return cls(plan.epoch, plan.seq, plan.purpose, eth, sol, closes, terms)

    def lots(self, leg: str) -> int:
        return self.eth if leg == "eth" else self.sol

    @property
    def increases(self) -> bool:
        return not self.closes

    @property
    def legs(self) -> tuple[str, ...]:
        """Those that it has an order for."""
        return tuple(leg for leg in ("eth", "sol") if self.lots(leg))

    def __str__(self) -> str:
        return f"{self.epoch}.{self.seq} {self.purpose}"


class SentOrder(NamedTuple):
    """Bytes that were handed to a socket. `stage`: travels, rests, over. `heard`: what the leg that waits
    will hear, "" while the venue has said nothing, "-" when nobody waits any more.
    """

    plan: QuotePlan
    leg: str
    stage: str
    heard: str
    filled: int
    fills: tuple[tuple[int, int], ...]
    """Pieces on their way to the ledger: what was left after each, and its lots. Each of the account's two
    streams keeps its order; they overtake each other.
    """
    updates: tuple[Message, ...]


class Cancel(NamedTuple):
    """A cancellation on its way: `answer` is None until it has arrived, then (unfilled or None, gone). `at`
    is the moment of that answer: `window`, `rest` or `past`; "nobody" when whoever asked is dead.
    """

    plan: QuotePlan
    leg: str
    answer: tuple[int | None, bool] | None
    at: str


class OrderProbe(NamedTuple):
    """A RESOLVE that runs: the doubt as the ledger reported it, and the provisional answer already given.

    A reading asks for open orders first and for positions afterwards. That is one step here: an order that
    was not there has ended, so that its position is final, or has not arrived, so that its moment decides.
    """

    plan: QuotePlan
    leg: str
    doubt: Doubt
    told: int | None


class Resting(NamedTuple):
    """Everything. `book` is the ledger's fold by its number (`books.py`), `box` its mailbox, `heard` the
    epoch that it knows.
    """

    bar: Bar
    book: int
    box: tuple[Message, ...]
    heard: int
    places: tuple[tuple[QuotePlan, str], ...]
    orders: tuple[SentOrder, ...]
    cancels: tuple[Cancel, ...]
    asked: tuple[QuotePlan, ...]
    """Quotes of which a cancellation was sent and did not fail, in this epoch and window."""
    probes: tuple[OrderProbe, ...]
    windows: tuple[QuotePlan, ...]
    rests: tuple[QuotePlan, ...]
    epoch: int
    quotes: int
    crashes: int
    losses: int
    terms: Terms | None
    """Of the last quote: sizing goes by them."""
    taking: bool
    """Was something else than a quote or its hedge placed, which may leave the legs apart for a moment?"""


def resting_start(quotes: int, crashes: int, losses: int) -> Resting:
    """A fresh run, flat: the first epoch is on disk, everybody is up, nothing rests."""
    bar = Bar(1, 0, "idle", None, ())
    return Resting(
        bar=bar,
        book=0,
        box=(),
        heard=1,
        places=(),
        orders=(),
        cancels=(),
        asked=(),
        probes=(),
        windows=(),
        rests=(),
        epoch=1,
        quotes=quotes,
        crashes=crashes,
        losses=losses,
        terms=None,
        taking=False,
    )


def open_lots(state: Resting, leg: str) -> int:
    """Lots the venue has really open in a leg."""
    return sum(
        order.filled if order.plan.increases else -order.filled for order in state.orders if order.leg == leg
    )


def can_trade(state: Resting, order: SentOrder) -> bool:
    """Does it rest at the venue, or may it still arrive there?"""
    return order.stage == "rests" or (order.stage == "travels" and order.plan in state.windows)
