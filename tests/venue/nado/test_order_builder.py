"""From a leg of a plan to the order on the wire: nothing is rounded, nothing is drawn by chance."""

import msgspec
import pytest

from messages.sizing import REST_MAX_MS, LegOrder, QuoteTerms, SizingPlan
from messages.units import ONE, Base, Bps, Ms, Price, Quote, Rate
from messages.wire import digest
from tests.venue.nado.appendices import Appendix, unpack
from venue.nado.order_builder import NadoOrderBuilder
from venue.nado.signing import Signer, order_digest, recover, recv_time_of, subaccount_hex
from venue.protocol import OffLattice, ProductRules, VenueRules

SIGNER = Signer(b"\x11" * 32)
SENDER = subaccount_hex(SIGNER.address, "default")
RATE = Rate.of("0.001")


def product(symbol: str, product_id: int, tick: str, step: str) -> ProductRules:
    money = Price.of(tick), Base.of(step), Quote(100 * ONE)
    return ProductRules(
        symbol, product_id, *money, RATE, RATE, RATE, RATE, RATE, RATE, Price.of("100"), "live"
    )


RULES = VenueRules(
    "test",
    57073,
    "0x" + "05" * 20,
    product("ETH-PERP", 4, "0.1", "0.001"),
    product("SOL-PERP", 8, "0.01", "0.1"),
)
ORDER_BUILDER = NadoOrderBuilder(RULES, SENDER, SIGNER)


def leg(product_id: int, amount: str, limit: str) -> LegOrder:
    return LegOrder(
        product_id, Base.of(amount), Price.of(limit), "fok", False, Price.of(limit), Price.of(limit)
    )


def plan_to_build(recv_time_ms: int = 1_790_000_002_001, **changes: LegOrder) -> SizingPlan:
    times = Ms(1_790_000_000_000), Ms(recv_time_ms), Ms(0), Ms(0), Ms(0)
    whole = SizingPlan(1, 7, 1, 0, "enter", *times, Bps(0), leg(4, "0.042", "2759.6"), leg(8, "-1", "115.75"))
    return msgspec.structs.replace(whole, **changes)


def quote_to_build(
    recv_time_ms: int = 1_790_000_002_001, rest: int = 15_000, **changes: object
) -> SizingPlan:
    """A plan whose ETH order rests for `rest` ms beyond its receive window."""
    terms = QuoteTerms("eth", True, Base.of("0.042"), Base.of("-1"), Price.of("115.75"), Ms(rest), Ms(0))
    rests = msgspec.structs.replace(leg(4, "0.042", "2756.8"), kind="post_only")
    plan = plan_to_build(recv_time_ms, eth=rests, sol=leg(8, "0", "115.75"))
    return msgspec.structs.replace(plan, purpose="quote", quote=msgspec.structs.replace(terms, **changes))


class NeverSigns(Signer):
    """A signer that ends the test when it is asked for a signature."""

    def sign(self, digest: bytes) -> str:
        raise AssertionError("signed what had to be refused")


CAREFUL = NadoOrderBuilder(RULES, SENDER, NeverSigns(b"\x11" * 32))


def test_an_order_says_what_the_leg_says():
    whole = plan_to_build()
    for name in ("eth", "sol"):
        order = ORDER_BUILDER.order_of(whole, digest(whole), name)
        wanted = whole.leg(name)
        assert (order.product_id, order.amount, order.price, order.sender) == (
            wanted.product_id,
            wanted.amount,
            wanted.limit,
            SENDER,
        )
        assert unpack(order.appendix) == Appendix("fok")
        assert recv_time_of(order.nonce) == whole.recv_time_ms


@pytest.mark.parametrize(
    ("recv_time_ms", "expiration_s"), [(1_790_000_002_000, 1_790_000_003), (1_790_000_002_001, 1_790_000_004)]
)
def test_an_order_expires_one_second_after_its_receive_time_rounded_up(recv_time_ms, expiration_s):
    assert ORDER_BUILDER.order_of(plan_to_build(recv_time_ms), "ab", "eth").expiration_s == expiration_s


def test_orders_that_take_have_the_digests_that_they_always_had():
    """As they were before an order could rest."""
    plan = plan_to_build()
    closes = msgspec.structs.replace(leg(4, "0.042", "2759.6"), kind="ioc", reduce_only=True)
    built = [(plan, "eth"), (plan, "sol"), (plan_to_build(eth=closes), "eth")]
    assert [
        ORDER_BUILDER.digest_of(ORDER_BUILDER.order_of(one, digest(one), name)) for one, name in built
    ] == [
        "0x96f7649959f3cafa1e62e36b4490055d0b3e6fd7ec0e752c8dad62b20895d77d",
        "0xff586ce95e349831e8e7022ce0b0a8546f30b0882fbb8eec5ad8695ead1ff005",
        "0x22b7f90aa2465bd21c07a96499930b927d39e8848fbd65a0134ad2e6d51a3204",
    ]


@pytest.mark.parametrize(
    ("recv_time_ms", "rest", "expiration_s"),
    [
        (1_790_000_002_001, 15_000, 1_790_000_017),
        (1_790_000_002_999, 15_000, 1_790_000_017),
        (1_790_000_002_000, 15_000, 1_790_000_017),
        (1_790_000_002_999, 1_000, 1_790_000_003),
        (1_790_000_002_000, 1, 1_790_000_002),
    ],
)
def test_an_order_that_rests_expires_with_its_plans_last_trade_rounded_down(recv_time_ms, rest, expiration_s):
    plan = quote_to_build(recv_time_ms, rest)
    order = ORDER_BUILDER.order_of(plan, "ab", "eth")
    assert order.expiration_s == expiration_s
    assert recv_time_of(order.nonce) <= order.expiration_s * 1000 <= plan.last_trade_ms
    assert unpack(order.appendix) == Appendix("post_only")


TAKES_TOO = msgspec.structs.replace(leg(4, "0.042", "2756.8"), kind="post_only")


@pytest.mark.parametrize(
    ("plan", "name", "says"),
    [
        (plan_to_build(eth=TAKES_TOO), "eth", "the plan does not say that its eth order rests"),
        (quote_to_build(leg="sol"), "eth", "the plan does not say that its eth order rests"),
        (quote_to_build(1_790_000_002_001, 0), "eth", "expires before its receive window has ended"),
        (quote_to_build(1_790_000_002_001, 998), "eth", "expires before its receive window has ended"),
        (quote_to_build(rest=REST_MAX_MS + 1), "eth", "15001 ms beyond its receive window, at most 15000"),
    ],
)
def test_an_order_rests_only_as_its_plan_says(plan, name, says):
    with pytest.raises(ValueError, match=says):
        ORDER_BUILDER.order_of(plan, "ab", name)


def test_an_order_that_rests_and_only_reduces_is_refused_before_it_is_signed():
    """The venue refuses it with 2067: only takers can be reduce-only."""
    plan = quote_to_build()
    both = msgspec.structs.replace(plan.eth, reduce_only=True)
    with pytest.raises(ValueError, match=r"ETH-PERP: .*2067"):
        CAREFUL.order_of(msgspec.structs.replace(plan, eth=both), "ab", "eth")
    order = CAREFUL.order_of(plan, "ab", "eth")
    with pytest.raises(ValueError, match=r"ETH-PERP: .*2067"):
        CAREFUL.sign(msgspec.structs.replace(order, appendix=3585))


@pytest.mark.parametrize("kind", ["fok", "ioc"])
@pytest.mark.parametrize("reduce_only", [False, True])
def test_kind_and_reduce_only_reach_the_appendix(kind, reduce_only):
    wanted = msgspec.structs.replace(leg(4, "0.042", "2759.6"), kind=kind, reduce_only=reduce_only)
    assert unpack(ORDER_BUILDER.order_of(plan_to_build(eth=wanted), "ab", "eth").appendix) == Appendix(
        kind, reduce_only=reduce_only
    )


def test_a_signed_order_carries_the_venues_digest_and_our_signature():
    order = ORDER_BUILDER.order_of(plan_to_build(), "ab", "eth")
    signed = ORDER_BUILDER.sign(order)
    assert signed.order == order
    assert signed.digest == ORDER_BUILDER.digest_of(order) == "0x" + order_digest(order, 57073).hex()
    assert recover(bytes.fromhex(signed.digest[2:]), signed.signature) == SIGNER.address
    assert signed.recv_time_ms == plan_to_build().recv_time_ms


def test_the_same_plan_and_leg_give_the_same_bytes_to_whoever_asks():
    first = ORDER_BUILDER.sign(ORDER_BUILDER.order_of(plan_to_build(), digest(plan_to_build()), "eth"))
    second = NadoOrderBuilder(RULES, SENDER, Signer(b"\x11" * 32))
    assert second.sign(second.order_of(plan_to_build(), digest(plan_to_build()), "eth")) == first
    ledgers = NadoOrderBuilder(RULES, SENDER, None)
    assert (
        ledgers.digest_of(ledgers.order_of(plan_to_build(), digest(plan_to_build()), "eth")) == first.digest
    )


def test_the_nonces_of_the_two_legs_and_of_two_plans_differ():
    nonces = {
        ORDER_BUILDER.order_of(plan_to_build(), plan_digest, name).nonce
        for plan_digest in ("aa", "bb")
        for name in ("eth", "sol")
    }
    assert len(nonces) == 4


def test_a_flipped_side_is_another_order():
    order = ORDER_BUILDER.order_of(plan_to_build(), "ab", "eth")
    flipped = msgspec.structs.replace(order, amount=Base(-order.amount))
    assert ORDER_BUILDER.digest_of(flipped) != ORDER_BUILDER.digest_of(order)
    assert ORDER_BUILDER.sign(flipped).signature != ORDER_BUILDER.sign(order).signature


OFF_LATTICE = [
    ("eth", leg(4, "0.0425", "2759.6"), "ETH-PERP: amount 0.0425 is not on the step 0.001"),
    ("eth", leg(4, "-0.0425", "2759.6"), "ETH-PERP: amount -0.0425 is not on the step 0.001"),
    ("eth", leg(4, "0.042", "2759.65"), "ETH-PERP: price 2759.65 is not on the tick 0.1"),
    ("sol", leg(8, "-0.042", "115.75"), "SOL-PERP: amount -0.042 is not on the step 0.1"),
    ("sol", leg(8, "-1", "115.755"), "SOL-PERP: price 115.755 is not on the tick 0.01"),
    (
        "sol",
        leg(8, "0.000000000000000001", "115.75"),
        "SOL-PERP: amount 0.000000000000000001 is not on the step 0.1",
    ),
]


@pytest.mark.parametrize(("name", "wanted", "says"), OFF_LATTICE)
def test_an_off_lattice_leg_is_refused_naming_product_value_and_step(name, wanted, says):
    """Lessons S2 and S3: the client rejects, it never rounds."""
    with pytest.raises(OffLattice) as caught:
        ORDER_BUILDER.order_of(plan_to_build(**{name: wanted}), "ab", name)
    assert str(caught.value) == says


@pytest.mark.parametrize(("name", "wanted", "says"), OFF_LATTICE)
def test_an_off_lattice_order_is_refused_before_it_is_signed(name, wanted, says):
    order = CAREFUL.order_of(plan_to_build(), "ab", name)
    with pytest.raises(OffLattice) as caught:
        CAREFUL.sign(msgspec.structs.replace(order, amount=wanted.amount, price=wanted.limit))
    assert str(caught.value) == says


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"amount": Base(0)}, "amount 0"),
        ({"price": Price(0)}, "price 0 is not positive"),
        ({"price": Price.of("-2759.6")}, "price -2759.6 is not positive"),
        ({"product_id": 2}, "product_id: 2 is neither ETH-PERP nor SOL-PERP"),
        ({"sender": subaccount_hex(SIGNER.address, "other")}, "sender: "),
    ],
)
def test_what_is_no_order_of_ours_is_never_signed(changes, says):
    order = msgspec.structs.replace(CAREFUL.order_of(plan_to_build(), "ab", "eth"), **changes)
    with pytest.raises(ValueError, match=says):
        CAREFUL.sign(order)


def test_a_leg_without_amount_has_no_order():
    with pytest.raises(ValueError, match="amount 0"):
        ORDER_BUILDER.order_of(plan_to_build(eth=leg(4, "0", "2759.6")), "ab", "eth")


def test_a_leg_of_another_product_has_no_order():
    with pytest.raises(ValueError, match=r"product_id: 8 is not ETH-PERP \(4\)"):
        ORDER_BUILDER.order_of(plan_to_build(eth=leg(8, "1", "115.75")), "ab", "eth")


def test_a_plan_that_was_never_sealed_has_no_order():
    with pytest.raises(ValueError, match="not sealed"):
        ORDER_BUILDER.order_of(plan_to_build(0), "ab", "eth")


def test_without_a_key_there_are_digests_and_no_signatures():
    keyless = NadoOrderBuilder(RULES, SENDER, None)
    order = keyless.order_of(plan_to_build(), "ab", "eth")
    assert keyless.digest_of(order) == ORDER_BUILDER.digest_of(order)
    with pytest.raises(ValueError, match="no key to sign"):
        keyless.sign(order)


def test_a_forge_without_lattice_or_subaccount_is_not_built():
    stepless = msgspec.structs.replace(RULES, sol=product("SOL-PERP", 8, "0.01", "0"))
    with pytest.raises(ValueError, match=r"SOL-PERP: tick 0\.01 and step 0"):
        NadoOrderBuilder(stepless, SENDER, None)
    with pytest.raises(ValueError, match="sender"):
        NadoOrderBuilder(RULES, SIGNER.address, None)
