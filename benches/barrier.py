"""What the barrier costs: from the decision (sizing has posted its plan) until both orders are handed to
their sockets, with and without it.

With: the whole machine, in real time, on a simulated venue in memory: digests, three votes, a committed
intent, Place; real SQLite, signatures and WebSocket frames. Without: the same plans, each leg signs and sends
at once. Both in one process, so that the ratio does not depend on the machine's mood. `normal` and `full` are
SQLite's two ways to commit: simulated and live.

python benches/barrier.py [cycles]     (15; the machine keeps to the rate limit, so that many more cycles
                                       mostly wait for it)
"""

import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import msgspec
import trio
import trio.testing

from messages.settings import Settings
from messages.sizing import Sealed, SizingPlan
from messages.units import ONE, Ms, Quote
from messages.wire import digest
from supervisor import Machine
from tests.machine.bench import Bench, bench
from venue.nado.socket import Socket
from venue.protocol import OrderWire, Venue

ORDER = '{"place_order"'


@dataclass
class Stopwatch:
    """Nanoseconds from a decision to the second of its orders; what has only one order is not counted."""

    decided_ns: int = 0
    sent: list[int] = field(default_factory=list)
    took: list[int] = field(default_factory=list)

    def decided(self) -> None:
        self.decided_ns, self.sent = time.perf_counter_ns(), []

    def handed_over(self) -> None:
        self.sent.append(time.perf_counter_ns())
        if len(self.sent) == 2:
            self.took.append(self.sent[-1] - self.decided_ns)

    def text(self) -> str:
        us = [each / 1000 for each in self.took]
        return (
            f"p50 {statistics.median(us):7.0f} us, p99"
            f" {statistics.quantiles(us, n=100, method='inclusive')[98]:7.0f} us ({len(us)} plans)"
        )


def watch_orders(watch: Stopwatch) -> None:
    """Stop the watch whenever an order's frame is handed to a socket."""
    send = Socket.send

    async def timed(socket: Socket, text: str, *more: Any, **named: Any) -> None:
        if text.startswith(ORDER):
            watch.handed_over()
        await send(socket, text, *more, **named)

    Socket.send = timed  # type: ignore[method-assign]


async def with_barrier(ready: Bench, watch: Stopwatch, sync: Literal["full", "normal"]) -> list[SizingPlan]:
    """Run the machine; the plans that it carried out."""
    machine = Machine(replace(ready.world, sync=sync))
    post = machine.channels.inbox.post

    def timed(message: msgspec.Struct) -> None:
        if isinstance(message, SizingPlan):
            watch.decided()
        post(message)

    machine.channels.inbox.post = timed  # type: ignore[method-assign]
    with trio.fail_after(300):
        ending = await machine.run()
    if ending.by != "done":
        raise SystemExit(f"the run ended by {ending.by}: {ending.code} {ending.detail}")
    return [said.plan for said in ready.said if isinstance(said, Sealed)]


async def without_barrier(venue: Venue, now_ms: Any, plans: list[SizingPlan], watch: Stopwatch) -> None:
    """The same plans; each leg signs its order and sends it."""
    async with venue.order_wire("eth_leg") as eth, venue.order_wire("sol_leg") as sol:
        await trio.testing.wait_all_tasks_blocked(0.05)
        if not (eth.connected and sol.connected):
            raise SystemExit("the legs' connections do not come up")
        for plan in plans:
            fresh = msgspec.structs.replace(plan, recv_time_ms=Ms(now_ms() + 2000))
            watch.decided()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_send, venue, eth, fresh, "eth")
                nursery.start_soon(_send, venue, sol, fresh, "sol")
            await trio.sleep(0.05)


async def _send(venue: Venue, wire: OrderWire, plan: SizingPlan, leg: Any) -> None:
    await wire.place(venue.order_builder.sign(venue.order_builder.order_of(plan, digest(plan), leg)))


async def measure(cycles: int, sync: Literal["full", "normal"]) -> float:
    """Print both; the ratio of the medians."""
    settings = Settings(target=Quote(1000 * ONE), cycles=cycles, hold=Ms(50), pause=Ms(0))
    barrier, bare = Stopwatch(), Stopwatch()
    plain = Socket.send
    with tempfile.TemporaryDirectory() as folder:
        async with bench(Path(folder), settings) as ready:
            try:
                watch_orders(barrier)
                plans = await with_barrier(ready, barrier, sync)
                Socket.send = plain  # type: ignore[method-assign]
                watch_orders(bare)
                await without_barrier(ready.world.venue, ready.world.clock.now_ms, plans, bare)
            finally:
                Socket.send = plain  # type: ignore[method-assign]
    ratio = statistics.median(barrier.took) / statistics.median(bare.took)
    print(f"{sync:6} with the barrier    {barrier.text()}")
    print(f"{sync:6} without             {bare.text()}")
    print(f"{sync:6} median: {ratio:.1f} times", flush=True)
    return ratio


if __name__ == "__main__":
    for mode in ("normal", "full"):
        trio.run(measure, int(sys.argv[1]) if len(sys.argv) > 1 else 15, mode)
