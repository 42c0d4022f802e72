"""The auditor itself: it finds nothing wrong with a good run, and each thing that is made wrong."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
import trio
from trio.testing import MockClock

from actors.ledger import Fold
from messages.execution import Position
from messages.settings import Settings
from messages.units import ONE, Base, Ms, Ns, Quote
from tests.kills.audit import ending_faults, sealed_before
from tests.kills.venue import Truth
from tests.kills.watch import phase_of
from tests.machine.audit import Written, outlived
from tests.machine.bench import bench
from venue.nado.signing import order_nonce, recv_time_of
from venue.simulated.engine.order_log import LoggedOrder

HUNDRED = Settings(target=Quote(100 * ONE), cycles=2, hold=Ms(500))


async def audited_end(folder: Path) -> tuple[Truth, Path]:
    """What the venue knows after two calm cycles, and the ledger of them."""
    async with bench(folder, HUNDRED) as ready:
        assert (await ready.run()).by == "done"
        await trio.sleep(0.5)
        orders = list(ready.venue.exchange.order_log)
        archived = await ready.world.venue.reads.archived([order.digest for order in orders])
        return Truth(
            orders, {order.digest: order for order in archived}, await ready.account()
        ), ready.world.ledger


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> tuple[Truth, Path]:
    """One run for all: nobody changes it."""
    return trio.run(audited_end, tmp_path_factory.mktemp("good"), clock=MockClock(autojump_threshold=0))


def doubled(truth: Truth) -> Truth:
    again = replace(truth.orders[0], result="refused", code=2013, fills=[])
    return msgspec.structs.replace(truth, orders=[*truth.orders, again])


def unexplained(truth: Truth) -> Truth:
    order = replace(truth.orders[0], digest="0x" + "ab" * 32, fills=[], result="refused", code=2011)
    return msgspec.structs.replace(truth, orders=[*truth.orders, order])


def sent_again_with_a_fresh_nonce(truth: Truth) -> Truth:
    """The worst there is: another digest, accepted, filled."""
    first = truth.orders[0]
    order = replace(first, digest="0x" + "cd" * 32, nonce=order_nonce(recv_time_of(first.nonce) + 1_000, 1))
    return msgspec.structs.replace(truth, orders=[*truth.orders[:1], order, *truth.orders[1:]])


def overtaken(truth: Truth) -> Truth:
    """The second cycle's entry arrives before the first one's."""
    return msgspec.structs.replace(truth, orders=[*truth.orders[4:], *truth.orders[:4]])


def a_fill_lost(truth: Truth) -> Truth:
    return msgspec.structs.replace(truth, orders=[replace(truth.orders[0], fills=[]), *truth.orders[1:]])


def a_fee_misread(truth: Truth) -> Truth:
    fill = replace(truth.orders[0].fills[0], fee=Quote(truth.orders[0].fills[0].fee + 1))
    return msgspec.structs.replace(truth, orders=[replace(truth.orders[0], fills=[fill]), *truth.orders[1:]])


def the_archive_disagrees(truth: Truth) -> Truth:
    digest = truth.orders[0].digest
    other = msgspec.structs.replace(truth.archived[digest], quote=Quote(truth.archived[digest].quote + 1))
    return msgspec.structs.replace(truth, archived=truth.archived | {digest: other})


def left_open(truth: Truth) -> Truth:
    position = Position(8, Base(0), Base.of("-0.1"), Quote(0))
    return msgspec.structs.replace(
        truth, account=msgspec.structs.replace(truth.account, positions=(position,))
    )


def an_order_rests(truth: Truth) -> Truth:
    return msgspec.structs.replace(
        truth, account=msgspec.structs.replace(truth.account, open_orders=("0x" + "ef" * 32,))
    )


def alone_for_too_long(truth: Truth) -> Truth:
    """ETH of ten times the worth trades, and SOL 41 s later."""
    eth, sol = truth.orders[:2] if truth.orders[0].product_id == 4 else truth.orders[1::-1]
    late = [replace(fill, at_ns=Ns(fill.at_ns + 41 * 10**9)) for fill in sol.fills]
    large = [replace(fill, amount=Base(10 * fill.amount)) for fill in eth.fills]
    return msgspec.structs.replace(truth, orders=[replace(eth, fills=large), replace(sol, fills=late)])


WRONG: dict[Callable[[Truth], Truth], str] = {
    doubled: "arrived 2 times",
    unexplained: "without an intent",
    sent_again_with_a_fresh_nonce: "reached",
    overtaken: "out of the order of their plans",
    a_fill_lost: "by the ledger",
    a_fee_misread: "by the engine",
    the_archive_disagrees: "by the archive",
    left_open: "the venue holds -0.1 of product 8",
    an_order_rests: "still open",
    alone_for_too_long: "were unhedged for 41.0 s",
}


def test_a_good_run_is_found_good(good: tuple[Truth, Path]) -> None:
    truth, ledger = good
    assert len(truth.orders) == 8
    assert ending_faults(truth, ledger) == []
    assert phase_of(ledger, 0) == "flat"


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_is_found(good: tuple[Truth, Path], wrong: Callable[[Truth], Truth]) -> None:
    truth, ledger = good
    found = ending_faults(wrong(truth), ledger)
    assert any(WRONG[wrong] in fault for fault in found), found


def test_a_row_that_was_changed_is_found(good: tuple[Truth, Path], tmp_path: Path) -> None:
    truth, whole = good
    ledger = tmp_path / "ledger.sqlite"
    ledger.write_bytes(whole.read_bytes().replace(b'"cycle":1', b'"cycle":2', 1))
    with pytest.raises(Exception, match="is not the row that was written"):
        ending_faults(truth, ledger)


def left_resting(order: LoggedOrder, last_ms: int, expiration_s: int) -> LoggedOrder:
    """Post-only, arrived at 0, with a receive window of 1.5 s and a fill at `last_ms`."""
    fill = replace(order.fills[0], at_ns=Ns(last_ms * 1_000_000))
    nonce = order_nonce(1_500, 1)
    return replace(
        order,
        kind="post_only",
        arrived_ns=Ns(0),
        nonce=nonce,
        expiration_s=expiration_s,
        fills=[fill],
    )


@pytest.mark.parametrize(
    ("last_ms", "ended_ms", "over_ms", "expiration_s", "wrong"),
    [
        (5_000, 5_010, 5_020, 16, []),
        (5_000, 4_900, 5_020, 16, ["after the ledger had called it ended"]),
        (5_000, 5_010, 4_900, 16, ["after its cycle had been called over"]),
        (5_000, 5_010, 5_020, 17, ["rests for 1 s longer than one may"]),
    ],
)
def test_an_order_that_outlives_its_ending_or_may_rest_for_too_long_is_found(
    good: tuple[Truth, Path], last_ms: int, ended_ms: int, over_ms: int, expiration_s: int, wrong: list[str]
) -> None:
    order = left_resting(good[0].orders[0], last_ms, expiration_s)
    written = Written({}, Fold(), ended={order.digest: ended_ms * 1_000_000}, over_ns=[over_ms * 1_000_000])
    found = list(outlived([order], written))
    assert len(found) == len(wrong), found
    assert all(words in fault for words, fault in zip(wrong, found, strict=True)), found


def arrived(order: LoggedOrder, at_ms: int, sealed_ms: int) -> LoggedOrder:
    return replace(order, arrived_ns=Ns(at_ms * 1_000_000), nonce=order_nonce(sealed_ms + 1_500, 1))


def test_an_order_from_before_a_stop_may_only_be_accepted_before_it_ended(good: tuple[Truth, Path]) -> None:
    truth, _ = good
    stopped, continued = 10_000, 12_200
    for at_ms, sealed_ms, faults in ((10_001, 9_999, 0), (12_200, 10_000, 1), (12_300, 10_001, 0)):
        order = arrived(truth.orders[0], at_ms, sealed_ms)
        assert (
            len(sealed_before(msgspec.structs.replace(truth, orders=[order]), stopped, continued, 1_500))
            == faults
        )
        refused = replace(order, result="refused", code=2011)
        assert (
            sealed_before(msgspec.structs.replace(truth, orders=[refused]), stopped, continued, 1_500) == []
        )
