"""What happened to bots before this one, staged on the whole machine where no test of a part could show
it. `docs/guarantees.md` has the list.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import trio
from trio.testing import MockClock

from actors.sizing.sizer import Look, Sizer
from commands.output.sentences import expected_cost
from messages.execution import Outcome
from messages.market import PairQuote
from messages.settings import Settings
from messages.sizing import Purpose, SizingPlan
from messages.units import ONE, Base, Bps, Ms, Price, Quote, Rate
from runtime import specs
from tests.machine.audit import faults
from tests.machine.bench import Bench, bench
from tests.machine.test_escape_and_recovery import FLAT, escaped, opened
from tests.test_layers import files, imports_of
from venue.simulated.engine.rules import ETH_PERP, SOL_PERP, Product
from venue.simulated.faults.order_faults import DisturbReply, Faults

HUNDRED = Settings(target=Quote(100 * ONE), cycles=1, hold=Ms(500))
PAIR = {4: int(Base.of("0.042")), 8: int(Base.of("1"))}


# -- numbers -------------------------------------------------------------------------------------------------


async def test_fees_are_the_venues_own_from_the_first_line_of_a_run_to_the_last_row(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """S6: 2 and 5 bp were assumed, the venue took 1 and 3.5. Here ETH takes 10 bp and SOL pays us half a
    bp for taking.
    """
    eth = msgspec.structs.replace(ETH_PERP, taker_fee=Rate.of("0.001"))
    sol = msgspec.structs.replace(SOL_PERP, taker_fee=Rate.of("-0.00005"))
    async with bench(tmp_path, HUNDRED, products=(eth, sol)) as ready:
        ending = await ready.run(within_s=60)
        fees = {
            product: sum(
                fill.fee
                for order in ready.venue.exchange.order_log
                if order.product_id == product
                for fill in order.fills
            )
            for product in PAIR
        }
        quote = ready.machine.channels.quotes.value
        assert (ending.by, ready.totals().completed) == ("done", 1)
        assert ready.totals().fees == sum(fees.values())
        assert fees[4] > 0 > fees[8]
        assert quote is not None
        assert "(fees 0.19 + spread" in expected_cost(HUNDRED, ready.world.rules, quote)


async def test_a_price_tick_larger_than_the_quantity_takes_nothing_from_it(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """S3: a quantity was rounded to the price's tick and became 0. Here the tick is 1 and 0.042 ETH are
    traded.
    """
    coarse = msgspec.structs.replace(ETH_PERP, tick=Price.of("1"))
    async with bench(tmp_path, HUNDRED, market="flat:2757/115.86", products=(coarse, SOL_PERP)) as ready:
        ending = await ready.run(within_s=60)
        log = ready.venue.exchange.order_log
        assert (ending.by, faults(log, largest=PAIR)) == ("done", [])
        assert [abs(order.filled) for order in log if order.product_id == 4] == [Base.of("0.042")] * 2
        assert all(order.price % Price.of("1") == 0 for order in log if order.product_id == 4)


RULES_OF_A_DAY = {
    "a coarser step": ((msgspec.structs.replace(ETH_PERP, step=Base.of("0.014")), SOL_PERP), 0),
    "a larger minimum": ((msgspec.structs.replace(ETH_PERP, min_size=Quote(500 * ONE)), SOL_PERP), 1),
}


@pytest.mark.parametrize(("products", "skipped"), RULES_OF_A_DAY.values(), ids=RULES_OF_A_DAY)
async def test_rules_that_the_venue_has_changed_are_those_that_are_traded_by(
    autojump_clock: MockClock, tmp_path: Path, products: tuple[Product, ...], skipped: int
) -> None:
    """S4: tick and minimum stood in the code, and both were wrong. A minimum of 500 USD leaves 100 USD
    untraded, and nothing is sent.
    """
    async with bench(tmp_path, HUNDRED, products=products) as ready:
        await ready.run(within_s=60)
        log = ready.venue.exchange.order_log
        assert ready.totals().skipped == skipped
        assert len(log) == (0 if skipped else 4)
        assert all(order.amount % products[0].step == 0 for order in log if order.product_id == 4)


# -- two legs ------------------------------------------------------------------------------------------------


async def test_a_leg_that_waits_for_its_answer_holds_up_neither_the_other_leg_nor_the_books(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """O10: ETH was polled for 30 s before SOL was looked at. R10: blocking calls made "simultaneous" legs
    sequential and starved the market data.
    """
    slow = Faults(reply=(DisturbReply(request="place_order", nth=1, how="delay", delay_ms=1_500),))
    async with bench(tmp_path, Settings(cycles=1, hold=Ms(500)), market="synthetic", faults=slow) as ready:
        quotes: list[int] = []
        answers: dict[str, tuple[int, int]] = {}

        def watch(said: msgspec.Struct) -> None:
            if isinstance(said, Outcome) and said.seq == 1:
                answers[said.leg] = (said.sent_ms, said.answered_ms)

        async def look() -> None:
            seen = 0
            while True:
                await ready.machine.channels.quotes.newer_than(seen)
                seen = ready.machine.channels.quotes.version
                quotes.append(ready.world.clock.now_ms())

        ready.watchers.append(watch)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(look)
            ending = await ready.run(within_s=60)
            nursery.cancel_scope.cancel()
        assert ending.by == "done", ending
        first, last = sorted(answers.values(), key=lambda each: each[1])
        assert first[0] == last[0], "both legs send in the same millisecond"
        assert (first[1] - first[0] < 100, last[1] - last[0] >= 1_500) == (True, True), answers
        entry = ready.venue.exchange.order_log[:2]
        assert {order.product_id for order in entry} == {4, 8}
        assert abs(entry[0].arrived_ns - entry[1].arrived_ns) <= 1_000_000
        assert len([at for at in quotes if first[1] <= at <= last[1]]) >= 5, "market data starved"


BLOCKING = {
    "requests",
    "urllib",
    "urllib3",
    "http",
    "socket",
    "subprocess",
    "threading",
    "asyncio",
    "nado_protocol",
    "web3",
}
"""What waits, or starts a thread that waits, without Trio's knowledge."""


@pytest.mark.parametrize(
    "path",
    files(
        "messages",
        "runtime",
        "actors",
        "supervisor.py",
        "venue/protocol.py",
        "venue/resolve.py",
        "venue/escape.py",
    ),
    ids=str,
)
def test_what_decides_and_trades_imports_nothing_that_blocks_the_loop(path: Path) -> None:
    """R10. SQLite is the one exception, and only the ledger's store and what it raises are that."""
    # which only takes texts apart
    asks = {name for name in imports_of(path) if not name.startswith("urllib.parse")}
    found = {name.split(".")[0] for name in asks} & (BLOCKING | {"sqlite3"})
    assert found <= ({"sqlite3"} if "ledger" in path.parts else set())


# -- what fails must be seen ---------------------------------------------------------------------------------


def raising_exits(monkeypatch: pytest.MonkeyPatch, times: int) -> list[int]:
    """Let sizing raise when it is about to leave, so many times."""
    raised: list[int] = []
    real = Sizer._close

    def failing(self: Sizer, look: Look, quote: PairQuote, purpose: Purpose, slippage: Bps) -> SizingPlan:
        if len(raised) < times:
            raised.append(1)
            raise ZeroDivisionError("an exit that cannot be computed")
        return real(self, look, quote, purpose, slippage)

    monkeypatch.setattr(Sizer, "_close", failing)
    return raised


async def test_an_unwind_that_raises_is_a_restart_and_the_pair_is_left_all_the_same(
    autojump_clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R6: the unwind raised in the happy path and landed in a handler that stopped the bot."""
    raised = raising_exits(monkeypatch, 2)
    async with bench(tmp_path, HUNDRED) as ready:
        ending = await ready.run(within_s=60)
        restarts = [said for said in ready.said if isinstance(said, specs.Restarting)]
        assert (ending.by, len(raised), [said.children for said in restarts]) == (
            "done",
            2,
            [("sizing",)] * 2,
        )
        assert all("an exit that cannot be computed" in said.cause for said in restarts)
        assert faults(ready.venue.exchange.order_log, largest=PAIR) == []
        assert ready.totals().restarts == 2


async def test_an_unwind_that_always_raises_ends_in_escape_with_its_cause_named(
    autojump_clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R6: and whatever is wrong with leaving, the pair does not stay."""
    raising_exits(monkeypatch, 10**6)
    async with bench(tmp_path, HUNDRED) as ready:
        ending = await ready.run(within_s=60)
        assert (ending.by, ending.code) == ("halt", "GAVE_UP")
        assert "an exit that cannot be computed" in ending.detail
        assert await flat_after(ready, ending)


async def flat_after(ready: Bench, ending: object) -> bool:
    return (await escaped(ready, ending)).flat and opened(ready) == FLAT  # type: ignore[arg-type]


MAY_CATCH_ALL = {
    "runtime/supervision.py": "the supervisor",
    "runtime/incarnation.py": "the supervisor's view of one life",
    "supervisor.py": "above it is nobody who would close what is open",
    "runtime/outlive.py": "closing goes on, whatever fails",
    "commands/run/last_resort.py": "the way out takes its next step",
    "commands/run/recorder.py": "what is only for people",
    "commands/open_state/decision.py": "evidence that cannot be read makes the answer unknown",
    "commands/guard/command.py": (
        "a key that cannot be had, for whatever reason, leaves what was signed in advance"
    ),
    "commands/begin.py": "the process ends with a code whatever happens",
    "commands/cli.py": "the same for a command: a defect, too, asks what is open",
    "commands/run/command.py": "a summary that fails changes no exit code",
    "commands/output/spool.py": "speaking",
    "commands/open_state/verdict.py": "files that cannot be judged make the answer unknown",
    "commands/output/words.py": "speaking",
    "commands/alerts/outbox.py": "a channel's defect must not end the others",
    "commands/sweep/point.py": "a point that fails is a row that says why, and the others go on",
    "runtime/timetable.py": "an act's failure is raised by whoever keeps the timetable",
    "commands/access/signing_key.py": "a library's words may quote a key",
    "venue/nado/agreement.py": "the same",
}
"""Files with a handler for everything, and who they are."""


def catch_alls(path: Path) -> Iterator[ast.ExceptHandler]:
    """Handlers of everything that do not raise again."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ExceptHandler):
            caught = "" if node.type is None else ast.unparse(node.type)
            if caught in {"", "Exception", "BaseException"} and not any(
                isinstance(inner, ast.Raise) for inner in ast.walk(node)
            ):
                yield node


def test_no_handler_swallows_everything_but_the_named_ones() -> None:
    """R6, R14: bare excepts hid failures, and the strategy ran on blind."""
    root = Path(__file__).resolve().parent.parent.parent
    found = {
        str(path.relative_to(root))
        for path in files("messages", "runtime", "actors", "venue", "commands", "supervisor.py")
        if any(catch_alls(path))
    }
    assert found <= set(MAY_CATCH_ALL)
