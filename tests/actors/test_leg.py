"""A leg on fake channels: it votes on what it holds, sends once, and never what was not agreed."""

import msgspec
import pytest
import trio

from actors import leg
from actors.leg import LegState, Tools, on_place, on_sealed
from messages.execution import Outcome
from messages.lifecycle import Denial
from messages.settings import Limits, Settings
from messages.sizing import Abort, Declined, LegOrder, Place, QuoteTerms, Ready, Sealed
from messages.units import ONE, Base, Ms, Price, Quote
from messages.wire import digest
from runtime.mailbox import Mailbox
from tests.actors.fakes import ORDER_BUILDER, SETTINGS, FakeWire, fake_plan, leg_order, sealed, venue_clock
from venue.protocol import Order, Reply, SignedOrder

FRESH = LegState("eth", 1)


def vote(
    message: Sealed, state: LegState = FRESH, settings: Settings = SETTINGS, *, connected: bool = True
) -> tuple[LegState, Ready | Declined]:
    return on_sealed(state, message, ORDER_BUILDER, settings, connected=connected)


def place_for(message: Sealed) -> Place:
    orders = {
        name: ORDER_BUILDER.digest_of(ORDER_BUILDER.order_of(message.plan, message.digest, name))
        for name in ("eth", "sol")
        if message.plan.leg(name).amount
    }
    return Place(
        message.plan.epoch, message.plan.seq, message.digest, orders.get("eth", ""), orders.get("sol", "")
    )


def declined_code(result: tuple[LegState, Ready | Declined]) -> str:
    assert isinstance(result[1], Declined)
    return result[1].code


def test_a_leg_votes_with_the_digest_of_the_order_it_signed() -> None:
    message = sealed()
    state, ready = vote(message)
    assert isinstance(ready, Ready)
    assert (ready.plan_digest, ready.eth_order, ready.sol_order) == (
        message.digest,
        place_for(message).eth_order,
        None,
    )
    assert state.signed is not None
    assert state.signed.order.amount == message.plan.eth.amount


def test_a_plan_whose_digest_is_not_its_own_is_declined() -> None:
    message = sealed()
    tampered = Sealed(msgspec.structs.replace(message.plan, cycle=9), message.digest)
    assert declined_code(vote(tampered)) == "DIGEST_MISMATCH"


def test_a_plan_of_another_epoch_or_an_old_number_is_declined() -> None:
    assert declined_code(vote(sealed(epoch=2))) == "DEAD_EPOCH"
    assert declined_code(vote(sealed(seq=1), LegState("eth", 1, last_seq=1))) == "STALE_SEQ"


def test_an_enter_with_an_empty_leg_or_two_legs_of_one_sign_is_declined() -> None:
    assert declined_code(vote(sealed(sol=leg_order(8, "0", "0")))) == "NOT_A_PAIR"
    assert declined_code(vote(sealed(sol=leg_order(8, "1", "115.9")))) == "NOT_A_PAIR"


def test_a_close_that_could_increase_is_declined() -> None:
    """O9: a take-profit once "closed" by opening five to thirty."""
    assert declined_code(vote(sealed(purpose="exit"))) == "CLOSE_INCREASES"


def test_off_step_quantities_and_off_tick_prices_are_declined_naming_step_and_value() -> None:
    """S2: nobody rounds."""
    for order in (leg_order(4, "0.0425", "2759.6"), leg_order(4, "0.042", "2759.65")):
        state, no = vote(sealed(eth=order))
        assert isinstance(no, Declined)
        assert no.code == "OFF_LATTICE"
        assert "0.0425" in no.detail or "2759.65" in no.detail
        assert "0.001" in no.detail or "0.1" in no.detail
        assert state.signed is None


def test_a_plan_for_another_product_is_declined_and_kills_nobody() -> None:
    assert declined_code(vote(sealed(eth=leg_order(6, "0.042", "2759.6")))) == "BAD_ORDER"


def test_a_leg_above_its_own_limit_is_declined() -> None:
    small = Settings(limits=Limits(max_leg_notional=Quote(100 * ONE)))
    assert declined_code(vote(sealed(), settings=small)) == "MAX_LEG_NOTIONAL"


def test_a_leg_without_a_connection_says_so_before_anything_is_sent() -> None:
    assert declined_code(vote(sealed(), connected=False)) == "NOT_CONNECTED"


def test_a_leg_with_amount_zero_votes_and_sends_nothing() -> None:
    message = sealed(purpose="repair", eth=leg_order(4, "0", "0"))
    state, ready = vote(message, connected=False)
    assert isinstance(ready, Ready)
    assert ready.eth_order == ""
    assert on_place(state, place_for(message), ORDER_BUILDER) is None


FIELDS = (
    "epoch",
    "seq",
    "cycle",
    "step",
    "purpose",
    "decided_ms",
    "recv_time_ms",
    "eth_age_ms",
    "sol_age_ms",
    "quote_deadline_ms",
    "planned_imbalance",
    "eth",
    "sol",
    "rules_version",
    "eth_spread",
    "sol_spread",
    "eth_depth",
    "sol_depth",
    "max_spread",
    "hold",
    "pause",
    "target",
    "because",
    "hedge_ratio",
    "eth_funding",
    "sol_funding",
    "quote",
)
TERMS = QuoteTerms("eth", True, Base(ONE), Base(-ONE), Price(ONE), Ms(9_000), Ms(1))
OTHER = {
    "purpose": "repair",
    "eth": leg_order(4, "0.043", "2759.6"),
    "sol": leg_order(8, "-1.1", "115.75"),
    "quote": TERMS,
}


def test_the_fields_tampered_with_below_are_all_the_fields_there_are() -> None:
    assert fake_plan().__struct_fields__ == FIELDS


@pytest.mark.parametrize("field", FIELDS)
def test_a_plan_changed_after_the_vote_is_never_sent(field: str) -> None:
    message = sealed()
    state, _ = vote(message)
    changed = msgspec.structs.replace(message.plan, **{field: OTHER.get(field, 999)})
    for with_digest in (message.digest, digest(changed)):
        tampered = msgspec.structs.replace(state, sealed=Sealed(changed, with_digest))
        assert isinstance(on_place(tampered, place_for(message), ORDER_BUILDER), Denial)


def flipped(signed: SignedOrder) -> SignedOrder:
    order = msgspec.structs.replace(signed.order, amount=Base(-signed.order.amount))
    return ORDER_BUILDER.sign(order)


def test_a_flipped_side_inside_the_built_order_is_never_sent() -> None:
    """O8: side is -sign(position), and nobody may turn it round on the way."""
    message = sealed()
    state, _ = vote(message)
    assert state.signed is not None
    assert isinstance(
        on_place(
            msgspec.structs.replace(state, signed=flipped(state.signed)), place_for(message), ORDER_BUILDER
        ),
        Denial,
    )
    own_name = msgspec.structs.replace(flipped(state.signed), digest=state.signed.digest)
    assert isinstance(
        on_place(msgspec.structs.replace(state, signed=own_name), place_for(message), ORDER_BUILDER), Denial
    )


@pytest.mark.parametrize("change", [{"digest": "0x0"}, {"recv_time_ms": Ms(1)}])
def test_an_order_that_is_not_as_it_was_signed_is_never_sent(change: dict[str, object]) -> None:
    """It is not signed again at Place, so each field beside the signature is compared."""
    message = sealed()
    state, _ = vote(message)
    assert state.signed is not None
    changed = msgspec.structs.replace(state, signed=msgspec.structs.replace(state.signed, **change))
    assert isinstance(on_place(changed, place_for(message), ORDER_BUILDER), Denial)


def test_an_order_is_signed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    signatures = []
    real = type(ORDER_BUILDER).sign

    def counted(builder: object, order: Order) -> SignedOrder:
        signatures.append(order)
        return real(ORDER_BUILDER, order)

    monkeypatch.setattr(type(ORDER_BUILDER), "sign", counted)
    message = sealed()
    state, _ = vote(message)
    assert on_place(state, place_for(message), ORDER_BUILDER) == state.signed
    assert len(signatures) == 1


@pytest.mark.parametrize("change", [{"epoch": 2}, {"seq": 2}, {"plan_digest": "0"}, {"eth_order": "0x0"}])
def test_a_place_for_anything_else_sends_nothing(change: dict[str, object]) -> None:
    message = sealed()
    state, _ = vote(message)
    assert isinstance(
        on_place(state, msgspec.structs.replace(place_for(message), **change), ORDER_BUILDER), Denial
    )


class LegBench:
    """One leg running between a mailbox and a list."""

    def __init__(self, wire: FakeWire) -> None:
        self.wire = wire
        self.inbox: Mailbox[leg.LegMessage] = Mailbox("eth_leg", 16)
        self.posted: list[msgspec.Struct] = []
        self.hops: list[msgspec.Struct] = []
        clock = venue_clock()
        self.tools = Tools(self.posted.append, ORDER_BUILDER, clock, SETTINGS, self.hops.append)

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        await leg.run("eth", 1, self.inbox.reader(), self.wire.opened, self.tools, task_status=task_status)


async def settled() -> None:
    await trio.testing.wait_all_tasks_blocked(0.01)


async def test_seal_vote_place_outcome(autojump_clock: trio.testing.MockClock, nursery: trio.Nursery) -> None:
    bench = LegBench(FakeWire(Reply("refused", 2031, "not filled")))
    await nursery.start(bench.run)
    message = sealed()
    bench.inbox.post(message)
    await settled()
    assert bench.wire.sent == []
    bench.inbox.post(place_for(message))
    await settled()
    outcome = bench.posted[-1]
    assert isinstance(outcome, Outcome)
    assert (outcome.kind, outcome.code, outcome.order_digest) == (
        "refused",
        2031,
        place_for(message).eth_order,
    )
    assert [signed.order.amount for signed in bench.wire.sent] == [message.plan.eth.amount]


async def test_the_same_place_twice_is_one_order(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    """O6: a retry after a successful post once placed the order five times."""
    bench = LegBench(FakeWire())
    await nursery.start(bench.run)
    message = sealed()
    for again in (message, place_for(message), place_for(message)):
        bench.inbox.post(again)
    await settled()
    assert len(bench.wire.sent) == 1


async def test_an_aborted_plan_cannot_be_placed(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    bench = LegBench(FakeWire())
    await nursery.start(bench.run)
    message = sealed()
    for again in (message, Abort(1, 1, "X", ""), place_for(message)):
        bench.inbox.post(again)
    await settled()
    assert bench.wire.sent == []
    assert not [posted for posted in bench.posted if isinstance(posted, Outcome)]


async def test_a_leg_told_to_stop_while_it_holds_a_place_sends_first(
    autojump_clock: trio.testing.MockClock,
) -> None:
    bench = LegBench(FakeWire())
    bench.wire.delay_s = 0.5
    message = sealed()
    async with trio.open_nursery() as nursery:
        await nursery.start(bench.run)
        bench.inbox.post(message)
        await settled()
        nursery.cancel_scope.cancel()
        bench.inbox.post(place_for(message))
    assert len(bench.wire.sent) == 1
    assert isinstance(bench.posted[-1], Outcome)


async def test_what_a_dead_incarnation_left_in_the_mailbox_is_not_acted_on(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    bench = LegBench(FakeWire())
    old = sealed(epoch=0)
    bench.inbox.post(old)
    bench.inbox.post(place_for(old))
    await nursery.start(bench.run)
    await settled()
    assert bench.wire.sent == []


def test_every_hop_names_plan_digest_and_both_quantities() -> None:
    """S1: plan quantity = wire quantity = acknowledged quantity, and the log can be read to check it."""
    order: Order = ORDER_BUILDER.order_of(fake_plan(), digest(fake_plan()), "eth")
    assert order.amount == fake_plan().eth.amount == Base.of("0.042")
    assert isinstance(fake_plan().eth, LegOrder)
    assert order.price == fake_plan().eth.limit == Price.of("2759.6")
    assert fake_plan().recv_time_ms == Ms(order.nonce >> 20)
