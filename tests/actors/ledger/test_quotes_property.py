"""A quote and its hedges in any order of events: pieces late and twice, lost answers, restarts, readings.

`EVENKEEL_SEED=n pytest tests/actors/ledger/test_quotes_property.py` repeats a failure; its seed is printed.
"""

import os
import random
from collections.abc import Callable
from typing import Literal

import msgspec
import pytest

from actors.ledger.fold import Fold
from messages.execution import (
    AccountSnapshot,
    CancelAnswer,
    CancelAsked,
    Fill,
    OrderUpdate,
    Outcome,
    Position,
    QuoteEnded,
)
from messages.lifecycle import Held, Restarted, Started
from messages.sizing import Leg, Ready
from messages.units import Base, Ms, Ns, Price, Quote
from tests.actors.ledger.story import PRICE, PRODUCT, Story
from tests.actors.ledger.test_working_orders import started
from venue.resolve import judge

SEED = int(os.environ.get("EVENKEEL_SEED", random.randrange(10**6)))
LIVES = int(os.environ.get("EVENKEEL_LIVES", "60"))
STEP: dict[Leg, int] = {"eth": 10**15, "sol": 10**17}


class Exchange:
    """What is true: one order of ETH that rests, hedges of SOL, and what the account's stream still has to
    tell, in no order.
    """

    def __init__(self, rng: random.Random, *, opens: bool) -> None:
        self.rng, self.opens = rng, opens
        self.story: Story = started()
        if not opens:
            self.story.enter()
            self.story.snapshot()
        self.start = dict(self.story.fold.position)
        self.story.seal(self.story.quote_plan(opens=opens))
        self.vote = self.story.said_of(Ready)[-1]
        sealed = self.story.sealed
        assert sealed is not None
        assert sealed.plan.quote is not None
        self.order, self.terms = sealed.plan.eth, sealed.plan.quote
        self.digest = self.story.order_digest("eth")
        self.last_trade_ms = int(sealed.plan.last_trade_ms)
        self.resting = True
        self.filled = self.sol = 0
        self.waiting: list[msgspec.Struct] = []
        self.told: list[msgspec.Struct] = []
        self.arrived = False
        self.expires_ms = self.last_trade_ms + rng.choice([0, 0, 1_500])
        """When the exchange withdraws it: its promptness is documented nowhere."""
        if rng.random() < 0.9:
            self.story.place()
        if rng.random() < 0.5:
            self.arrive()
        elif rng.random() < 0.6:
            self._answer("unknown")

    # -- what happens ----------------------------------------------------------------------------------------

    def arrive(self) -> None:
        """Until its receive window is over it may come, also after a cancellation that did not find it."""
        if self.arrived or self.story.now_ms > self.last_trade_ms - 15_000:
            return
        self.arrived = True
        now = Ns(self.story.now_ms * 1_000_000)
        self._answer(self.rng.choice(["accepted", "accepted", "unknown"]))
        self.waiting.append(OrderUpdate(self.digest, 4, Base(abs(self.order.amount)), "placed", now))

    def _answer(self, kind: Literal["accepted", "unknown"]) -> None:
        vote, at = self.vote, Ms(self.story.now_ms)
        self.waiting.append(Outcome("eth", vote.epoch, vote.seq, self.digest, kind, None, "", at, at))

    def trade(self) -> None:
        lots = (abs(self.order.amount) - abs(self.filled)) // STEP["eth"]
        if self.resting and self.arrived and lots:
            size = STEP["eth"] * self.rng.randint(1, lots)
            self.filled += size if self.order.amount > 0 else -size
            left = abs(self.order.amount) - abs(self.filled)
            self.resting = left > 0
            amount = Base(size if self.order.amount > 0 else -size)
            now = Ns(self.story.now_ms * 1_000_000)
            self.waiting.append(self._fill("eth", self.digest, amount, left, taker=False))
            self.waiting.append(OrderUpdate(self.digest, 4, Base(left), "filled", now))

    def _fill(self, leg: Leg, digest: str, amount: Base, left: int, *, taker: bool) -> Fill:
        whole = Base(abs(self.order.amount) if leg == "eth" else abs(amount) + left)
        at = Ns(self.story.now_ms * 1_000_000)
        price, fee = Price.of(PRICE[leg]), Quote.of("0.01")
        return Fill(digest, PRODUCT[leg], amount, price, fee, Base(left), whole, taker, 0, at)

    def tell(self) -> None:
        if self.waiting:
            event = self.waiting.pop(self.rng.randrange(len(self.waiting)))
            self.told.append(event)
            self.hear(event)

    def tell_again(self) -> None:
        if self.told:
            self.hear(self.rng.choice(self.told))

    def cancel(self) -> None:
        self.hear(CancelAsked(self.digest, 4, "", Ms(self.story.now_ms)))
        found = self.resting and self.arrived
        unfilled, gone = Base(abs(self.order.amount) - abs(self.filled)) if found else None, not found
        self.resting = self.resting and not found
        fate, now = self.rng.random(), Ms(self.story.now_ms)
        if fate < 0.3:  # the answer is lost
            unfilled, gone = None, False
        self.waiting.append(CancelAnswer(self.digest, 4, unfilled, gone, "", now))
        if found and fate > 0.5:
            self.waiting.append(OrderUpdate(self.digest, 4, Base(0), "cancelled", Ns(now * 1_000_000)))

    def wait(self) -> None:
        self.story.now_ms += self.rng.choice([1, 50, 600, 600, 4_000])
        late_ms = self.expires_ms if self.arrived else self.last_trade_ms - 15_000
        self.resting = self.resting and self.story.now_ms <= late_ms

    def read(self) -> None:
        """The supervisor's RESOLVE, with the engine's true state."""
        for order in self.story.held.working:
            held = {"eth": self.start["eth"] + self.filled, "sol": self.start["sol"] + self.sol}
            at_ms = Ms(self.story.now_ms)
            positions = tuple(
                Position(PRODUCT[leg], Base(held[leg]), Base(0), Quote(0)) for leg in ("eth", "sol")
            )
            resting = (self.digest,) if self.resting and self.arrived else ()
            none = Quote(0)
            reading = AccountSnapshot(at_ms, True, none, none, none, none, positions, resting)
            self.hear(reading)
            answer = judge(order.doubt, reading, None)
            if answer is not None:
                self.hear(answer)

    def restart(self) -> None:
        if self.rng.random() < 0.3:
            self.hear(Started(7, Ns(self.story.now_ms * 1_000_000)))
        elif self.rng.random() < 0.5:
            what = self.rng.choice(["ledger", "eth_leg", "eth_leg, sol_leg, ledger"])
            self.hear(Restarted(what, "restarted", Ms(0), self.story.clerk.epoch + 1))
        fold = Fold()
        for at_ns, message in self.story.rows:
            fold.apply(message, at_ns)
        self.story.clerk.fold = fold
        fold.reopened()

    def hedge(self) -> None:
        """What sizing does: all that is missing, or a part of it; some of it trades."""
        fold = self.story.fold
        missing = self.terms.matched(fold.position["eth"], STEP["sol"]) - fold.position["sol"]
        lots = abs(missing) // STEP["sol"]
        if fold.flight is not None or not lots:
            return
        size = STEP["sol"] * self.rng.randint(1, lots)
        amount = Base(size if missing > 0 else -size)
        self.story.hedge("sol", amount.text(), closing=not self.opens)
        own, part = self.story.order_digest("sol"), STEP["sol"] * self.rng.randint(0, size // STEP["sol"])
        now, left = Ns(self.story.now_ms * 1_000_000), size - part
        if part:
            self.sol += part if amount > 0 else -part
            self.waiting.append(self._fill("sol", own, Base(part if amount > 0 else -part), left, taker=True))
            self.waiting.append(OrderUpdate(own, 8, Base(left), "filled", now))
        self.waiting.append(OrderUpdate(own, 8, Base(0), "cancelled", now))
        if not part:
            vote, at = self.story.said_of(Ready)[-1], Ms(self.story.now_ms)
            self.waiting.append(Outcome("sol", vote.epoch, vote.seq, own, "refused", 2070, "", at, at))

    # -- what must hold --------------------------------------------------------------------------------------

    def hear(self, message: msgspec.Struct) -> None:
        said = self.story.tell(message)
        for ending in said:
            if isinstance(ending, QuoteEnded):
                assert not self.resting, "it may trade on"
                assert ending.fill.filled == self.filled, "it had traded something else"
        self.must_hold()

    def must_hold(self) -> None:
        fold, held = self.story.fold, self.story.held
        whole = {"eth": int(self.terms.eth), "sol": int(self.terms.sol)}
        for order in held.working:
            rest = order.doubt.amount - order.filled
            reach = fold.position["eth"] + rest
            assert min(0, whole["eth"]) <= reach <= max(0, whole["eth"]), "working + filled <= wanted"
        if self.opens:
            most = self.terms.matched(fold.position["eth"], STEP["sol"])
            assert abs(fold.position["sol"]) <= abs(most), "hedged <= matched(filled) + half a lot"
        else:
            least = self.terms.matched(fold.position["eth"], STEP["sol"])
            assert abs(fold.position["sol"]) >= abs(least)
        if self.resting:
            assert held.phase in {"working", "in_flight"}, "nothing else is said while one may trade"
            assert not held.awaiting_proof
            assert fold.busy
        if held.phase in {"flat", "open", "uneven"}:
            assert fold.position["eth"] == self.start["eth"] + self.filled
        assert abs(fold.position["eth"]) <= abs(whole["eth"])


def told_of(held: Held) -> Held:
    """Everything that is held, but for what belongs to one process."""
    return msgspec.structs.replace(held, no_entry=None)


@pytest.mark.parametrize("opens", [True, False])
def test_whatever_comes_in_whatever_order_no_lot_is_counted_twice_or_called_ended(*, opens: bool) -> None:
    print(f"EVENKEEL_SEED={SEED} pytest {__file__}")  # noqa: T201 - how to repeat it
    for life in range(LIVES):
        rng = random.Random(f"{SEED}.{life}.{opens}")
        exchange = Exchange(rng, opens=opens)
        acts: list[Callable[[], None]] = [
            exchange.arrive,
            *([exchange.trade] * 3),
            *([exchange.tell] * 6),
            exchange.tell_again,
            exchange.cancel,
            *([exchange.wait] * 2),
            exchange.read,
            *([exchange.hedge] * 3),
            exchange.restart,
        ]
        for _ in range(rng.randint(5, 60)):
            rng.choice(acts)()
            exchange.must_hold()
        _to_its_end(exchange)


def _to_its_end(exchange: Exchange) -> None:
    story = exchange.story
    while exchange.waiting:
        exchange.tell()
    story.now_ms = max(story.now_ms, exchange.expires_ms + 600)
    exchange.resting = False
    if story.fold.flight is not None and story.fold.flight.plan.quote is not None:
        exchange.hear(Restarted("eth_leg", "restarted", Ms(0), story.clerk.epoch + 1))
    exchange.read()
    assert story.held.working == ()
    assert story.held.phase in {"flat", "open", "uneven"}
    before = dict(story.fold.position)
    for event in [*exchange.told]:
        exchange.hear(event)
    assert story.fold.position == before, "nothing new was said"
    assert told_of(story.reread()) == told_of(story.held)
