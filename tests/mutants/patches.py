"""The mutants. Each breaks one rule of the product by replacing a function or two, and names runs of the
sweep of which one must show it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
import trio

from actors import barrier, leg, tree, working_orders
from actors.ledger import Fold
from actors.ledger.actor import _Desk
from actors.ledger.orders import OurOrder
from actors.reconciliation import Reconciliation
from actors.sizing import sizer as sizing
from actors.working_orders import RestingFacts, WorkingOrders
from messages.execution import Doubt, Outcome
from messages.lifecycle import Phase, WorkingOrder
from messages.sizing import Leg, Place, QuoteTerms, Ready, SizingPlan
from messages.units import Base, Ms, Price
from supervisor import Machine
from tests.sweep.one import one_run
from tests.sweep.runs import Run
from venue import resolve
from venue.nado.order_builder import NadoOrderBuilder
from venue.protocol import Order, Reply, SignedOrder
from venue.simulated.faults.incidents import FalseAnswer, Status, TradeThrough
from venue.simulated.faults.order_faults import (
    NO_FAULTS,
    Cut,
    DisturbEvent,
    DisturbReply,
    Faults,
    Late,
    LoseAck,
    Refuse,
)

Patch = pytest.MonkeyPatch
DEAF = DisturbEvent(stream="fill", one_in=1, how="drop")
UNHEARD_EXIT = Faults(
    cut=(Cut(nth=3, increasing=False, when="after"), Cut(nth=4, increasing=False, when="after")),
    event=tuple(DisturbEvent(stream="fill", nth=nth, how="drop") for nth in (3, 4)),
    reply=tuple(DisturbReply(request="archive_orders", nth=nth, how="lose") for nth in range(3, 90)),
)
"""Both orders of the exit trade, and nobody hears of it; the archive is slow to answer."""
UNHEARD_ENTRY = Faults(
    event=(DEAF, DisturbEvent(stream="position_change", one_in=1, how="drop")),
    reply=tuple(DisturbReply(request="subaccount_info", nth=nth, how="lose") for nth in range(2, 7)),
)
"""Nobody hears that an order has traded, and the account cannot be read for a while."""
HITS = tuple(
    TradeThrough(at_ms=at_ms, product=product, percent=20)
    for at_ms in range(700, 8_000, 450)
    for product in ("ETH-PERP", "SOL-PERP")
)
TRADED = Faults(incident=HITS)
"""Others trade with what rests, a piece now and then."""
SLOWLY_TRADED = Faults(incident=tuple(msgspec.structs.replace(hit, percent=6) for hit in HITS))
UNHEARD_QUOTE = Faults(
    event=tuple(
        DisturbEvent(stream=stream, one_in=1, how="delay", delay_ms=4_000)
        for stream in ("fill", "order_update", "position_change")
    ),
    incident=(
        TradeThrough(at_ms=1_000, product="ETH-PERP", percent=100),
        TradeThrough(at_ms=1_000, product="SOL-PERP", percent=100),
    ),
)
"""All of an order that rests trades, and it is heard of once it has been cancelled in vain."""
UNSEEN_QUOTE = Faults(
    incident=(
        Status(at_ms=700, for_ms=5_300, status="syncing"),
        FalseAnswer(at_ms=700, for_ms=20_000, request="orders", field="product_orders", value=[]),
        *(msgspec.structs.replace(hit, percent=6) for hit in HITS),
    )
)
"""Nothing can be cancelled, and the venue lists no order that rests, while others trade with it."""
SEEDS = 8
"""Where two things happen at once, the seed decides which comes first."""


@dataclass(frozen=True)
class Mutant:
    """`breaks` says what no longer holds; `apply` replaces code until the patch is undone; a run with a
    blow at `where` in `phase` shows it.
    """

    apply: Callable[[Patch], None]
    breaks: str
    faults: Faults = NO_FAULTS
    where: str = ""
    """"" = the run needs no blow."""
    phase: str = ""
    """"" = in any."""
    resting: bool = False
    """Are the runs with orders that rest?"""

    @property
    def name(self) -> str:
        """In words."""
        return self.apply.__name__.replace("_", " ")

    def runs(self) -> Iterator[Run]:
        """Where to look, in order; made with the code as it is, point by point, so that a few steps more
        or less in an actor change nothing.
        """
        if not self.where:
            yield from ((seed, ()) for seed in range(SEEDS if self.resting else 1))
            return
        for seed in range(SEEDS):
            for blow, phase in one_run(seed, (), self.faults, resting=self.resting).points:
                if blow.where == self.where and self.phase in {"", phase}:
                    yield seed, (blow,)


# -- the barrier ---------------------------------------------------------------------------------------------


def vote_before_commit(patch: Patch) -> None:
    def work(desk: Any, messages: Any) -> None:
        batch = desk.clerk.step(messages, desk.wiring.clock.now_ns())
        for message in batch.posts:
            desk.wiring.post(message)
        desk.store.append_all(batch.rows)
        desk.wiring.held.put(desk.clerk.fold.held(desk.clerk.epoch))

    patch.setattr(_Desk, "work", work)


def place_on_two_votes(patch: Patch) -> None:
    def ready(state: barrier.Barrier, vote: Ready, _now_ms: int) -> barrier.Step:
        votes = (*state.ready, vote)
        eth = next((each.eth_order for each in votes if each.eth_order), "")
        sol = next((each.sol_order for each in votes if each.sol_order), "")
        if len(votes) < 2 or not (eth and sol):
            return msgspec.structs.replace(state, ready=votes), ()
        place = Place(vote.epoch, vote.seq, vote.plan_digest, eth, sol)
        return msgspec.structs.replace(state, phase="placed"), (barrier.Tell(place),)

    patch.setitem(barrier._ROWS, ("voting", Ready), ready)


def digests_not_compared(patch: Patch) -> None:
    patch.setattr(barrier, "disagreement", lambda _sealed, _votes: None)
    patch.setattr(leg, "on_place", lambda state, _place, _order_builder: state.signed)


# -- the legs ------------------------------------------------------------------------------------------------


def _again_when_unknown(patch: Patch, again: Callable[[Any, SignedOrder], SignedOrder]) -> None:
    place_one = leg.place_one

    async def twice(state: Any, place: Place, wire: Any, tools: Any) -> Outcome:
        outcome = await place_one(state, place, wire, tools)
        if outcome.kind == "unknown":
            while not wire.connected:  # noqa: ASYNC110 - nobody tells it
                await trio.sleep(0.05)
            reply: Reply = await wire.place(again(tools, state.signed))
            return msgspec.structs.replace(
                outcome, kind="accepted" if reply.kind == "accepted" else "refused"
            )
        return outcome

    patch.setattr(leg, "place_one", twice)


def resend_identical_bytes(patch: Patch) -> None:
    _again_when_unknown(patch, lambda _tools, signed: signed)


def resend_with_a_fresh_nonce(patch: Patch) -> None:
    def fresh(tools: Any, signed: SignedOrder) -> SignedOrder:
        order = signed.order
        again: SignedOrder = tools.order_builder.sign(
            msgspec.structs.replace(
                order, nonce=order.nonce + (3_000 << 20), expiration_s=order.expiration_s + 3
            )
        )
        return again

    _again_when_unknown(patch, fresh)


def unknown_is_called_refused(patch: Patch) -> None:
    outcome_of = leg.outcome_of

    def sure(state: Any, signed: SignedOrder, reply: Reply, sent_ms: Ms, answered_ms: Ms) -> Outcome:
        known = msgspec.structs.replace(reply, kind="refused") if reply.kind == "unknown" else reply
        return outcome_of(state, signed, known, sent_ms, answered_ms)

    patch.setattr(leg, "outcome_of", sure)


# -- what is believed ----------------------------------------------------------------------------------------


def absent_is_believed_at_once(patch: Patch) -> None:
    patch.setattr(resolve, "WINDOW_MARGIN_MS", -10_000)
    patch.setattr(resolve, "APART_MS", 0)


def an_acknowledgement_is_a_fill(patch: Patch) -> None:
    judge = OurOrder._judge

    def trusting(order: OurOrder) -> None:
        judge(order)
        order.ended = order.ended or order.answer == "accepted"

    patch.setattr(OurOrder, "_judge", trusting)


def prices_stay_provisional(patch: Patch) -> None:
    patch.setattr(Reconciliation, "settled", property(lambda _inquiry: True))


# -- who is started, and what is decided ---------------------------------------------------------------------


def epoch_bumped_by_a_sizing_restart(patch: Patch) -> None:
    patch.setattr(tree, "BUMPING", tree.BUMPING | {"sizing"})


def old_leg_left_running(patch: Patch) -> None:
    group = tree.Tree.group

    def apart(self: Any, name: str, strategy: Any, limits: Any, children: Any, **options: Any) -> Any:
        return group(self, name, "one_for_one" if name == "legs" else strategy, limits, children, **options)

    patch.setattr(tree.Tree, "group", apart)


def the_accounts_word_is_not_said_again(patch: Patch) -> None:
    patch.setattr(Machine, "_bumped", Machine._step)


def repair_forgotten(patch: Patch) -> None:
    patch.setattr(sizing.Sizer, "_uneven", lambda _sizer, _look, _quote: None)


# -- orders that rest ----------------------------------------------------------------------------------------


def a_hedge_is_doubled(patch: Patch) -> None:
    matched = QuoteTerms.matched
    patch.setattr(QuoteTerms, "matched", lambda terms, held, step: Base(2 * matched(terms, held, step)))


def a_hedge_has_the_wrong_side(patch: Patch) -> None:
    order_of = NadoOrderBuilder.order_of

    def turned(builder: NadoOrderBuilder, plan: SizingPlan, plan_digest: str, leg: Leg) -> Order:
        order = order_of(builder, plan, plan_digest, leg)
        if plan.purpose != "hedge":
            return order
        further = 100 * builder._rules.product(leg).price_tick * (-1 if order.amount > 0 else 1)
        return msgspec.structs.replace(order, amount=Base(-order.amount), price=Price(order.price + further))

    patch.setattr(NadoOrderBuilder, "order_of", turned)


def what_is_not_found_had_not_traded(patch: Patch) -> None:
    answer = WorkingOrders._answer

    async def all_of_it(asking: WorkingOrders, order: WorkingOrder) -> tuple[Base | None, bool, str]:
        unfilled, gone, detail = await answer(asking, order)
        return (Base(abs(order.doubt.amount)), False, detail) if gone else (unfilled, gone, detail)

    patch.setattr(WorkingOrders, "_answer", all_of_it)


def a_resting_orders_acknowledgement_is_its_ending(patch: Patch) -> None:
    judge = OurOrder._judge

    def trusting(order: OurOrder) -> None:
        judge(order)
        order.ended = order.ended or (order.rests and order.answer == "accepted")

    patch.setattr(OurOrder, "_judge", trusting)


def flat_is_said_while_an_order_works(patch: Patch) -> None:
    phase = Fold.phase.fget  # type: ignore[attr-defined]

    def without(fold: Fold) -> Phase:
        working, fold.working = fold.working, {}
        said: Phase = phase(fold)
        fold.working = working
        return said

    patch.setattr(Fold, "busy", property(lambda fold: fold.flight is not None or bool(fold.strays)))
    patch.setattr(Fold, "phase", property(without))


def an_order_that_rests_ends_with_its_receive_window(patch: Patch) -> None:
    patch.setattr(Doubt, "last_trade_ms", property(lambda doubt: doubt.recv_time_ms))


def a_new_epoch_lets_the_old_ones_orders_rest(patch: Patch) -> None:
    def over(order: WorkingOrder, facts: RestingFacts) -> str:
        mine = msgspec.structs.replace(facts, epoch=order.doubt.epoch)
        return _over(msgspec.structs.replace(order, acknowledged=True), mine)

    def in_touch(order: WorkingOrder, facts: RestingFacts) -> str:
        return _in_touch(order, msgspec.structs.replace(facts, down=(), stream_live=True))

    _over, _in_touch = working_orders._over, working_orders._in_touch
    kept = tuple(rule for rule in working_orders.RULES if rule not in {_over, _in_touch})
    patch.setattr(working_orders, "RULES", (over, in_touch, *kept))


MUTANTS = (
    Mutant(
        vote_before_commit,
        "an intent is on disk before anybody hears the vote",
        where="before_commit",
        phase="seal to ready",
    ),
    Mutant(place_on_two_votes, "no order leaves before three votes"),
    Mutant(digests_not_compared, "both legs act on one plan", where="tampered_eth"),
    Mutant(resend_identical_bytes, "an order is sent once", Faults(cut=(Cut(nth=1, when="after"),))),
    Mutant(
        resend_with_a_fresh_nonce,
        "an order is never sent again under another name",
        Faults(lose_ack=(LoseAck(nth=2),)),
    ),
    Mutant(
        unknown_is_called_refused,
        "an order that nobody answered for is unknown",
        Faults(cut=(Cut(nth=1, when="after"),), event=(DEAF,)),
    ),
    Mutant(
        absent_is_believed_at_once,
        "absence is believed only after the receive window",
        Faults(late=(Late(nth=1, delay_ms=1_900),), event=(DEAF,)),
    ),
    Mutant(an_acknowledgement_is_a_fill, "accepted is not filled", UNHEARD_ENTRY),
    Mutant(prices_stay_provisional, "a run ends with the venue's prices", UNHEARD_EXIT),
    Mutant(
        epoch_bumped_by_a_sizing_restart, "an epoch ends only with its legs", where="sizing", phase="hold"
    ),
    Mutant(
        old_leg_left_running, "both legs are started again together", where="eth_leg", phase="send to ack"
    ),
    Mutant(
        the_accounts_word_is_not_said_again,
        "a new ledger knows whether the account's stream is live",
        where="ledger",
        phase="idle",
    ),
    Mutant(
        repair_forgotten,
        "a lone leg is followed by a repair or a flatten",
        Faults(refuse=(Refuse(nth=1, code=2031),)),
    ),
    Mutant(a_hedge_is_doubled, "a fill is hedged by what is matched", TRADED, resting=True),
    Mutant(a_hedge_has_the_wrong_side, "a hedge has the other side", TRADED, resting=True),
    Mutant(
        what_is_not_found_had_not_traded,
        "that no such order rests does not say what it did",
        UNHEARD_QUOTE,
        resting=True,
    ),
    Mutant(
        a_resting_orders_acknowledgement_is_its_ending,
        "what is accepted may rest",
        TRADED,
        resting=True,
    ),
    Mutant(
        flat_is_said_while_an_order_works,
        "nothing is flat while an order works",
        TRADED,
        resting=True,
    ),
    Mutant(
        an_order_that_rests_ends_with_its_receive_window,
        "an order that rests may trade until it has expired",
        UNSEEN_QUOTE,
        resting=True,
    ),
    Mutant(
        a_new_epoch_lets_the_old_ones_orders_rest,
        "a new epoch cancels what the old one left",
        SLOWLY_TRADED,
        where="ledger",
        phase="at rest",
        resting=True,
    ),
)
