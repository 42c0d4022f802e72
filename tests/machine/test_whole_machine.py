"""Everything at once, on virtual time."""

import os
import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
import trio

from messages.lifecycle import Denied, Hop
from messages.settings import Settings
from messages.sizing import Sealed
from messages.units import ONE, Base, Bps, Ms, Quote
from tests.determinism import seed_trio
from tests.machine.audit import faults, net
from tests.machine.bench import bench, rows
from tests.thinned import thinned
from venue.simulated.faults.order_faults import Cut, Faults, LoseAck, Refuse

ROOT = Path(__file__).resolve().parent.parent.parent
HUNDRED = Settings(target=Quote(100 * ONE), cycles=1, hold=Ms(500))
PAIR = {4: int(Base.of("0.042")), 8: int(Base.of("1"))}


async def test_the_founding_bug_is_not_repeated_anywhere_on_the_way(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    """S1: plan quantity = wire quantity = acknowledged quantity = ledger quantity, and each hop says so."""
    async with bench(tmp_path, HUNDRED) as ready:
        await ready.run(within_s=30)
        entry = [(order.product_id, order.amount, order.filled) for order in ready.venue.exchange.order_log][
            :2
        ]
        assert sorted(entry) == [(4, Base.of("0.042"), Base.of("0.042")), (8, Base.of("-1"), Base.of("-1"))]
        hops = [said for said in ready.said if isinstance(said, Hop) and said.seq == 1]
        assert {hop.hop for hop in hops} >= {
            "supervisor seals",
            "eth_leg votes",
            "sol_leg votes",
            "ledger intent",
            "eth_leg sends",
            "sol_leg answered",
        }
        assert {(hop.eth, hop.sol, len(hop.digest)) for hop in hops if hop.hop != "ledger fill"} == {
            (Base.of("0.042"), Base.of("-1"), 32)
        }
        lines = (tmp_path / "DN_pair_eth_sol_nado_trades.csv").read_text().splitlines()
    bought, sold = (dict(zip(lines[0].split(","), line.split(","), strict=True)) for line in lines[1:3])
    assert (bought["side"], bought["quantity"], bought["price"]) == ("ETH-BUY", "0.042", "2756.9")
    assert (sold["side"], sold["quantity"], sold["price"]) == ("SOL-SELL", "1", "115.86") or sold[
        "quantity"
    ] == "1.0"


async def test_both_legs_and_the_ledger_hold_the_very_same_object(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    async with bench(tmp_path, HUNDRED) as ready:
        channels = ready.machine.channels
        received: dict[str, list[object]] = {"eth": [], "sol": [], "ledger": []}
        for name, box in (
            ("eth", channels.to_leg["eth"]),
            ("sol", channels.to_leg["sol"]),
            ("ledger", channels.to_ledger),
        ):
            post = box.post
            box.post = lambda message, post=post, name=name: (received[name].append(message), post(message))[
                1
            ]  # type: ignore[method-assign,misc]
        await ready.run(within_s=30)
    sealed = {
        name: [message for message in messages if isinstance(message, Sealed)]
        for name, messages in received.items()
    }
    assert len(sealed["eth"]) == 2
    for eth_message, sol_message, ledger_message in zip(
        sealed["eth"], sealed["sol"], sealed["ledger"], strict=True
    ):
        assert eth_message is sol_message
        assert eth_message is ledger_message


@pytest.mark.parametrize(
    "accident",
    [
        Faults(refuse=(Refuse(product="SOL-PERP", nth=1, code=2031),)),
        Faults(refuse=(Refuse(product="ETH-PERP", nth=1, code=2006),)),
        Faults(refuse=(Refuse(nth=1, code=2031), Refuse(nth=2, code=2031))),
        Faults(lose_ack=(LoseAck(product="SOL-PERP", nth=1),)),
        Faults(lose_ack=(LoseAck(nth=1), LoseAck(nth=2))),
        Faults(cut=(Cut(product="ETH-PERP", nth=1, when="before"),)),
        Faults(cut=(Cut(product="ETH-PERP", nth=1, when="after"),)),
        Faults(cut=(Cut(nth=3, increasing=False, when="after"), Cut(nth=4, increasing=False, when="before"))),
        Faults(lose_ack=(LoseAck(nth=3, increasing=False),)),
        Faults(
            refuse=(Refuse(nth=3, increasing=False, code=2056), Refuse(nth=4, increasing=False, code=5000))
        ),
    ],
    ids=str,
)
async def test_an_accident_at_the_venue_ends_flat_without_an_order_twice(
    autojump_clock: trio.testing.MockClock, tmp_path: Path, accident: Faults
) -> None:
    """O2, O3, O6, O11, R2: refused, acknowledgement lost, socket cut, while entering and while leaving."""
    async with bench(tmp_path, HUNDRED, faults=accident) as ready:
        ending = await ready.run(within_s=120)
        totals = ready.totals()
        assert faults(ready.venue.exchange.order_log, largest=PAIR) == []
        assert ending.by == "done"
        assert totals.completed == 1, totals
        assert max(totals.filled_imbalances) < 10 * ONE
        snapshot = await ready.account()
        assert [position.total for position in snapshot.positions if position.total] == []


async def test_a_venue_that_does_not_let_us_close_is_a_halt_that_names_what_is_open(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    """R13, O15: recovery is bounded, then loud."""
    never = Faults(refuse=tuple(Refuse(nth=number, increasing=False, code=2056) for number in range(3, 200)))
    settings = msgspec.structs.replace(HUNDRED, venue_patience=Ms(20_000))
    async with bench(tmp_path, settings, faults=never) as ready:
        ending = await ready.run(within_s=120)
        assert (ending.by, ending.code) == ("halt", "CLOSE_OVERDUE")
        assert "ETH-PERP 0.042" in ending.open_legs
        assert "SOL-PERP -1" in ending.open_legs
        assert ready.world.state.halted is not None
        assert len(ready.venue.exchange.order_log) < 40


async def test_a_leg_that_stays_alone_for_longer_than_its_budget_is_closed_and_the_run_halts_flat(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    """R13: 0.5 s on one leg is what a repair may take; then both close, and a person has to look."""
    never_sol = Faults(
        refuse=tuple(Refuse(product="SOL-PERP", nth=number, code=2031) for number in range(1, 20))
    )
    async with bench(tmp_path, msgspec.structs.replace(HUNDRED, cycles=3), faults=never_sol) as ready:
        ending = await ready.run(within_s=60)
        assert (ending.by, ending.code, ending.open_legs) == ("halt", "LEGGING_BUDGET", "")
        assert "legging_known allows 58" in ending.detail
        assert ready.world.state.halted is not None
        assert faults(ready.venue.exchange.order_log, largest=PAIR) == []
        assert ready.totals().cycles == 1


def limited(**changes: object) -> Settings:
    return msgspec.structs.replace(
        HUNDRED, cycles=5, limits=msgspec.structs.replace(HUNDRED.limits, **changes), legging_known=Ms(60_000)
    )


async def test_three_failed_cycles_in_a_row_close_halt_and_latch(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    """R13, R15."""
    never_sol = Faults(
        refuse=tuple(Refuse(product="SOL-PERP", nth=number, code=2031) for number in range(1, 100))
    )
    async with bench(tmp_path, limited(), faults=never_sol) as ready:
        ending = await ready.run(within_s=120)
        assert (ending.by, ending.code, ending.open_legs) == ("halt", "FAILED_CYCLES", "")
        assert ready.totals().failed == 3
        assert ready.world.state.halted is not None


async def test_a_denied_entry_reaches_no_leg_and_is_written_down_once_with_its_code(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    async with bench(tmp_path, limited(max_gross=Quote(150 * ONE))) as ready:
        ending = await ready.run(within_s=60)
        assert (ending.by, ending.code) == ("refused", "MAX_GROSS")
        assert ready.venue.exchange.order_log == []
        assert [message.code for message in ready.said if isinstance(message, Denied)] == ["MAX_GROSS"]
        assert not any(isinstance(message, Sealed) for message in ready.said)
        assert b"Denied" in rows(ready.world.ledger)


async def test_a_repaired_pair_may_be_held_longer_than_closing_may_take(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    settings = msgspec.structs.replace(HUNDRED, venue_patience=Ms(2_000), hold=Ms(10_000))
    async with bench(
        tmp_path, settings, faults=Faults(refuse=(Refuse(product="SOL-PERP", nth=1, code=2031),))
    ) as ready:
        ending = await ready.run(within_s=60)
        assert (ending.by, ready.totals().completed) == ("done", 1)


@pytest.mark.parametrize("cycles", thinned((6, 20), 2))
async def test_every_cycle_is_balanced_and_ends_flat(
    cycles: int, autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    """S8: exits sized from target and price drifted every cycle. After twenty cycles in a moving market
    nothing is left.
    """
    seed_trio(7)
    async with bench(tmp_path, Settings(cycles=cycles, hold=Ms(500)), market="synthetic") as ready:
        ending = await ready.run(within_s=600)
        totals = ready.totals()
        assert ending.by == "done"
        assert totals.completed >= cycles - 1
        assert totals.completed + totals.skipped == cycles
        assert max(totals.filled_imbalances) < Bps(10 * ONE)
        assert set(net(ready.venue.exchange.order_log).values()) == {0}


TWICE = """
import sys, tempfile, hashlib, pathlib, trio
sys.path.insert(0, {root!r})
from messages.settings import Settings
from messages.units import Ms
from tests.determinism import seed_trio
from tests.machine.bench import bench, rows
async def main():
    seed_trio(7)
    with tempfile.TemporaryDirectory() as folder:
        async with bench(pathlib.Path(folder), Settings(cycles=20, hold=Ms(500)), market="synthetic") as ready:
            await ready.run(within_s=600)
        data = rows(pathlib.Path(folder) / "ledger.sqlite")
        print(len(data), hashlib.sha256(data).hexdigest())
trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
"""  # noqa: E501


def ledger_hash(hash_seed: str) -> str:
    environment = os.environ | {"PYTHONHASHSEED": hash_seed}
    code = "import trio.testing\n" + TWICE.format(root=str(ROOT))
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert re.fullmatch(r"\d{5,} [0-9a-f]{64}\n", done.stdout)
    return done.stdout


@pytest.mark.long
def test_twenty_cycles_are_the_same_bytes_twice_and_under_two_hash_seeds() -> None:
    assert ledger_hash("1") == ledger_hash("1") == ledger_hash("2")


async def test_a_day_that_has_cost_its_limit_is_over_flat_and_latched(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    """R15: a kill switch once kept placing orders."""
    limits = msgspec.structs.replace(Settings().limits, max_daily_loss=Quote(ONE // 5))
    settings = msgspec.structs.replace(HUNDRED, cycles=None, limits=limits)
    async with bench(tmp_path, settings) as ready:
        ending = await ready.run(within_s=600)
        assert (ending.by, ending.code, ending.open_legs) == ("halt", "MAX_DAILY_LOSS", "")
        assert "this UTC day has cost" in ending.detail
        assert ready.world.state.halted == (ending.code, ending.detail)
        # A cycle of 100 USD costs 0.16 USD: one is allowed, the second passes the limit, a third must not
        # begin.
        assert ready.totals().completed == 2
        assert net(ready.venue.exchange.order_log) == {4: 0, 8: 0}
