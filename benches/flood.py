"""How many book messages a second a run keeps up with, how old the books are that sizing looks at meanwhile,
and what happens when there are more.

    python -m benches.flood --rates 500,1000,3000,5000 --seconds 60
    python -m benches.flood --rates 30000 --seconds 20 --above      a pair is open and is to be left meanwhile

Four processes: this one; a simulated exchange with a motionless market; a front that stands before it and
answers the subscription to the books itself, with as many `book_depth` batches a second as are asked for; and
the run, as it is on testnet, which trades a pair again and again. A batch is stamped with the moment it was
due: a sender that is held up sends it late, and it is that much older when it comes. So an age is measured
against the exchange's clock, from the batch's `max_timestamp` to sizing's look at the book.

Processor seconds are those of the run's process, all threads. With `--hops` they are also counted by task
and by function, which costs a few per cent.
"""

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
import zlib
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import trio

import commands
from messages.units import ONE
from venue.nado.socket import Socket, TcpDialer, accept_socket, open_socket
from venue.protocol import Unreachable

TREE = Path(commands.__file__).resolve().parent.parent
PRICES = {4: (27568, 10**17, "eth"), 8: (11586, 10**16, "sol")}
"""By product: its best bid in ticks, a tick (x18), its name; the flat market's ask is one tick above."""
LEVEL_USD = 500_000
STEPS = {4: 10**15, 8: 10**17}
TICK_S = 0.002
"""How often the front sends what has become due."""
BURST = 256
"""Batches that it sends at most before it looks at the clock again."""
SETTLE_S = 3.0
"""From sizing's first look at a quote to the beginning of the flood: a pair is held by then, or soon."""
STALE_MS = 1_000
"""The default of `max_quote_age`."""
SETS = (
    "pause=0 s",
    "direction=long-eth",
    "limits.max_daily_loss=1000000 USD",
    "limits.max_drawdown=1000000 USD",
    "limits.max_failed_cycles=1000",
    "limits.min_fill_rate=0 %",
    "limits.min_cycle_success=0 %",
    "legging_known=600 s",
    "legging_unknown=600 s",
)


# -- the front -----------------------------------------------------------------------------------------------


class Batches:
    """`book_depth` batches of both products in turn: every one sets `levels` of each side of its book."""

    def __init__(self, levels: int) -> None:
        self._last = dict.fromkeys(PRICES, 0)
        self._squeeze = zlib.compressobj(1, zlib.DEFLATED, -15)
        self._sides = {
            product: [self._text(product, levels, turn) for turn in range(97)] for product in PRICES
        }

    @staticmethod
    def _text(product: int, levels: int, turn: int) -> str:
        best, tick, _ = PRICES[product]

        def side(first: int, step: int) -> str:
            pairs = []
            for depth in range(levels):
                price = (first + depth * step) * tick
                lots = LEVEL_USD * ONE * ONE // (price * STEPS[product]) + (turn * 31 + depth) % 97
                pairs.append(f'["{price}","{lots * STEPS[product]}"]')
            return f"[{','.join(pairs)}]"

        return f'"product_id":{product},"bids":{side(best, -1)},"asks":{side(best + 1, 1)}'

    def frame(self, count: int, due_ns: int) -> bytes:
        """Batch number `count`, made at `due_ns`, as one compressed WebSocket frame."""
        product = 8 if count % 2 else 4
        last, self._last[product] = self._last[product], due_ns
        text = (
            f'{{"type":"book_depth","min_timestamp":"{due_ns}","max_timestamp":"{due_ns}",'
            f'"last_max_timestamp":"{last}",{self._sides[product][count // 2 % 97]}}}'
        )
        payload = (self._squeeze.compress(text.encode()) + self._squeeze.flush(zlib.Z_SYNC_FLUSH))[:-4]
        size = len(payload)
        head = bytes((0xC1, size)) if size < 126 else b"\xc1\x7e" + size.to_bytes(2, "big")
        return head + payload


class Rehearsed(trio.abc.Stream):
    """A stream whose first bytes have been read already. Several may send on it, each whole frames: the flood
    and what answers pings.
    """

    def __init__(self, stream: trio.abc.Stream, read: bytes) -> None:
        self._stream, self._read = stream, read
        self._line = trio.Lock()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        async with self._line:
            await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        if self._read:
            read, self._read = self._read, b""
            return read
        return await self._stream.receive_some(max_bytes)

    async def aclose(self) -> None:
        await self._stream.aclose()


class Front:
    """Passes everything on to the exchange but the subscription to the books."""

    def __init__(self, upstream: str, levels: int) -> None:
        self._upstream = upstream
        self._levels = levels
        self.rate = 20.0
        self.sent = 0
        self.behind_s = 0.0
        """How late the newest batch left."""

    async def take(self, stream: trio.SocketStream) -> None:
        """Serve one connection of the run."""
        head = b""
        while b"\r\n\r\n" not in head:
            more = await stream.receive_some(65_536)
            if not more:
                return
            head += bytes(more)
        rehearsed = Rehearsed(stream, head)
        try:
            if head.startswith(b"GET /v1/subscribe"):
                await self._subscription(rehearsed)
            else:
                await self._pipe(rehearsed)
        except (Unreachable, trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        except BaseExceptionGroup as group:
            lost = (Unreachable, trio.BrokenResourceError, trio.ClosedResourceError, trio.Cancelled)
            if group.split(lost)[1] is not None:
                raise
        finally:
            await trio.aclose_forcefully(stream)

    async def _pipe(self, near: trio.abc.Stream) -> None:
        url = urlsplit(self._upstream)
        far = await trio.open_tcp_stream(url.hostname or "", url.port or 80)

        async def move(one: trio.abc.Stream, other: trio.abc.Stream) -> None:
            while data := await one.receive_some(65_536):
                await other.send_all(data)
            nursery.cancel_scope.cancel()

        async with far, trio.open_nursery() as nursery:
            nursery.start_soon(move, near, far)
            nursery.start_soon(move, far, near)

    async def _subscription(self, stream: trio.abc.Stream) -> None:
        async with accept_socket(stream) as near:
            first = await near.receive()
            if '"book_depth"' in first:
                await self._flood(near, stream, first)
                return
            async with (
                open_socket(f"{self._upstream}/v1/subscribe", TcpDialer()) as far,
                trio.open_nursery() as nursery,
            ):
                await far.send(first)

                async def move(one: Socket, other: Socket) -> None:
                    while True:
                        await other.send(await one.receive())

                nursery.start_soon(move, near, far)
                nursery.start_soon(move, far, near)

    async def _flood(self, near: Socket, stream: trio.abc.Stream, asked: str) -> None:
        for _ in PRICES:
            number = json.loads(asked)["id"]
            await near.send(json.dumps({"result": None, "id": number}))
            asked = await near.receive() if number < len(PRICES) else ""
        batches, count, rate = Batches(self._levels), 0, self.rate
        began_ns, began = time.time_ns(), 0
        while True:
            if rate != self.rate:
                rate, began_ns, began = self.rate, time.time_ns(), count
            now_ns = time.time_ns()
            due = began + int((now_ns - began_ns) * rate / 1e9)
            upto = min(due, count + BURST)
            frames = []
            while count < upto:
                due_ns = began_ns + int((count - began) * 1e9 / rate)
                frames.append(batches.frame(count, due_ns))
                count += 1
            if frames:
                await stream.send_all(b"".join(frames))
                self.sent += len(frames)
                self.behind_s = (time.time_ns() - due_ns) / 1e9
            if count >= due:
                await trio.sleep(TICK_S)


async def front(upstream: str, levels: int) -> None:
    """Serve until standard input closes. A line there is another rate, and the answer to it is what has been
    sent until then and how late.
    """
    stands = Front(upstream, levels)
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, stands.take, 0, host="127.0.0.1"))
        print(f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}", flush=True)
        while line := await trio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True):
            stands.rate = float(line)
            print(json.dumps({"sent": stands.sent, "behind_s": stands.behind_s}), flush=True)
        nursery.cancel_scope.cancel()


# -- the run -------------------------------------------------------------------------------------------------


class Probe(trio.abc.Instrument):
    """What is noted inside of the run's process."""

    def __init__(self) -> None:
        self.ages: dict[int, int] = {}
        """How often sizing has looked at a pair of books of which the older was so many ms old."""
        self.stale_at: float | None = None
        self.phases: list[tuple[float, int, str]] = []
        """When what is held came into another phase, the age of the book that sizing saw then, the phase."""
        self.tallies: list[Any] = []
        self.by_task: dict[str, float] = defaultdict(float)
        self.by_function: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
        self._began = 0.0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self._began = time.thread_time()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        self.by_task[task.name.removeprefix("venue.nado.").removeprefix("actors.")] += (
            time.thread_time() - self._began
        )

    def looked(self, age_ms: int, phase: str) -> None:
        """Sizing looks at a pair of books of which the older is `age_ms` old, and holds what it holds."""
        self.ages[age_ms] = self.ages.get(age_ms, 0) + 1
        if age_ms > STALE_MS and self.stale_at is None:
            self.stale_at = time.time()
        if not self.phases or self.phases[-1][2] != phase:
            self.phases.append((time.time(), age_ms, phase))

    def counted(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function`, and its processor time is added to that of `name`."""
        spent = self.by_function[name]

        def inner(*words: Any, **named: Any) -> Any:
            began = time.thread_time()
            result = function(*words, **named)
            spent[0] += time.thread_time() - began
            spent[1] += 1
            return result

        return inner


def client(out: Path, words: list[str], *, hops: bool) -> None:
    """`supervisor.py run` with a probe. Writes a line of JSON to `out` whenever a line comes on standard
    input: everything that was noted since the one before.
    """
    import threading  # noqa: PLC0415

    import commands.cli  # noqa: PLC0415
    from actors.market_data import actor as market_data  # noqa: PLC0415
    from actors.market_data.local_book import LocalBook  # noqa: PLC0415
    from actors.sizing.sizer import Sizer  # noqa: PLC0415
    from venue.nado import client as nado  # noqa: PLC0415
    from venue.nado import streams  # noqa: PLC0415
    from venue.nado.counts import TroubleTally  # noqa: PLC0415

    probe, step = Probe(), Sizer.step

    def looked(self: Any, memory: Any, look: Any) -> Any:
        if look.quote is not None:
            probe.looked(max(look.quote.age_ms(look.now_ms)), look.held.phase)
        return step(self, memory, look)

    Sizer.step = looked  # type: ignore[method-assign]
    made = TroubleTally.__init__

    def tallied(self: Any, name: str = "", *rest: Any) -> None:
        made(self, name, *rest)
        if name == "market stream":
            probe.tallies.append(self)

    TroubleTally.__init__ = tallied  # type: ignore[method-assign]
    if hops:
        streams.decode = probe.counted("decode", streams.decode)  # type: ignore[attr-defined]
        LocalBook.apply = probe.counted("apply", LocalBook.apply)  # type: ignore[method-assign]
        market_data.Feed.publish = probe.counted("publish", market_data.Feed.publish)  # type: ignore[method-assign]
        Sizer.step = probe.counted("sizing's step", Sizer.step)  # type: ignore[method-assign]
        init = nado.NadoVenue.__init__

        def instrumented(self: Any, *rest: Any, **named: Any) -> None:
            init(self, *rest, **named)
            trio.lowlevel.add_instrument(probe)

        nado.NadoVenue.__init__ = instrumented  # type: ignore[method-assign]

    def note() -> None:
        for _ in sys.stdin:
            usage = resource.getrusage(resource.RUSAGE_SELF)
            ages, probe.ages = probe.ages, {}
            stale_at, probe.stale_at = probe.stale_at, None
            phases, probe.phases = probe.phases, probe.phases[-1:]
            row = {
                "at": time.time(),
                "cpu_s": usage.ru_utime + usage.ru_stime,
                "events": sum(tally.counts.events for tally in probe.tallies),
                "lost": sum(tally.counts.lost for tally in probe.tallies),
                "ages": list(ages.items()),
                "stale_at": stale_at,
                "phases": phases,
                "by_task": dict(probe.by_task),
                "by_function": {name: list(spent) for name, spent in probe.by_function.items()},
                "resident_kb": int(Path("/proc/self/statm").read_text().split()[1]) * 4,
            }
            with out.open("a") as file:
                file.write(json.dumps(row) + "\n")

    threading.Thread(target=note, daemon=True).start()
    code = commands.cli.main(words)
    sys.stdout.flush()
    os._exit(code)


# -- one measurement -----------------------------------------------------------------------------------------


class Bed:
    """An exchange, a front before it and a run, in a folder of their own."""

    def __init__(self, folder: Path, levels: int, hold: str, *, hops: bool) -> None:
        self.folder, self.out = folder, folder / "notes.jsonl"
        env = dict(os.environ, XDG_STATE_HOME=str(folder / "state"))
        env.setdefault("PYTHONPATH", str(TREE))
        start = partial(subprocess.Popen, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)
        supervisor = (sys.executable, str(TREE / "supervisor.py"))
        self.venue = start(
            [*supervisor, "simulate", "--port", "0", "--market", "flat:2756.9/115.86", "--until-stdin-closes"]
        )
        me = (sys.executable, str(Path(__file__).resolve()))
        self.front = start([*me, "front", _line(self.venue), str(levels)])
        words = ["run", "--url", _line(self.front), "--logs", str(folder / "logs"), "--cycles", "forever"]
        words += ["--quiet", "--json", "--hold", hold, *(part for key in SETS for part in ("--set", key))]
        self.run = start(
            [*me, "client", str(self.out), "hops" if hops else "plain", *words], stderr=subprocess.PIPE
        )

    def flood(self, rate: float) -> dict[str, float]:
        """From now on `rate` batches a second; what was sent until now."""
        _tell(self.front, str(rate))
        said: dict[str, float] = json.loads(_line(self.front))
        return said

    def noted(self) -> dict[str, Any]:
        """What the run has noted since the last time."""
        before = self._rows()
        _tell(self.run, "note")
        for _ in range(600):
            if len(rows := self._rows()) > len(before):
                row: dict[str, Any] = json.loads(rows[-1])
                return row
            time.sleep(0.1)
        raise RuntimeError("the run does not answer")

    def wait_for_quotes(self) -> None:
        """Until sizing has looked at a quote. Raises `RuntimeError` where that takes too long."""
        for _ in range(240):
            if self.noted()["ages"]:
                return
            time.sleep(0.25)
        raise RuntimeError("sizing never looked at a quote")

    def _rows(self) -> list[str]:
        if not self.out.exists():
            return []
        return [line for line in self.out.read_text().split("\n")[:-1] if line]

    def end(self) -> tuple[int, dict[str, Any]]:
        """End the run as Ctrl-C does; its exit code and its summary."""
        try:
            self.flood(20)
            self.run.send_signal(signal.SIGINT)
            said, errors = self.run.communicate(timeout=90)
        finally:
            for child in (self.run, self.front, self.venue):
                if child.poll() is None:
                    if child is self.run:
                        child.kill()
                    child.communicate(timeout=20)
        lines = said.strip().splitlines()
        if not lines:
            print(errors[-2000:], file=sys.stderr)
        return self.run.returncode, json.loads(lines[-1]) if lines else {}


def _line(child: "subprocess.Popen[str]") -> str:
    assert child.stdout is not None
    line = child.stdout.readline().strip()
    if not line:
        raise RuntimeError(f"{child.args!r} has ended")
    return line


def _tell(child: "subprocess.Popen[str]", line: str) -> None:
    assert child.stdin is not None
    child.stdin.write(line + "\n")
    child.stdin.flush()


def measured(
    rate: float, seconds: float, levels: int, *, hops: bool = False, above: bool = False
) -> dict[str, Any]:
    """One flood: what a run made of `rate` batches a second for so long."""
    with tempfile.TemporaryDirectory(prefix="flood-") as name:
        bed = Bed(Path(name), levels, f"{SETTLE_S + seconds / 2:g} s" if above else "5 s", hops=hops)
        try:
            bed.wait_for_quotes()
            time.sleep(SETTLE_S)
            first, began = bed.noted(), time.monotonic()
            sent_before = bed.flood(rate)["sent"]
            early = None
            if seconds > 10:
                time.sleep(10)
                early = bed.noted()
            time.sleep(max(0.0, began + seconds - time.monotonic()))
            last = bed.noted()
            said = bed.flood(20)
            time.sleep(2)
            after = bed.noted()
        finally:
            code, summary = bed.end()
        log = (Path(name) / "logs" / "evenkeel.log").read_text(errors="replace").splitlines()
    noted = [last] if early is None else [early, last]
    ages = [(age, count) for each in noted for age, count in each["ages"]]
    stale_at = next((each["stale_at"] for each in noted if each["stale_at"]), None)
    spent_s, events = last["cpu_s"] - first["cpu_s"], last["events"] - first["events"]
    row = {
        "rate": rate,
        "seconds": seconds,
        "levels": levels,
        "sent": said["sent"] - sent_before,
        "sender_behind_s": round(said["behind_s"], 3),
        "received": events,
        "cpu_s": round(spent_s, 2),
        "per_cpu_s": round(events / spent_s) if spent_s else 0,
        "looks": sum(count for _, count in ages),
        "age_ms": _spread(ages),
        "stale_looks": sum(count for age, count in ages if age > STALE_MS),
        "stale_after_s": stale_at and round(stale_at - first["at"], 2),
        "resident_mb": [round(each["resident_kb"] / 1024, 1) for each in (first, *noted, after)],
        "streams_lost": last["lost"] - first["lost"],
        "exit_code": code,
        "cycles": summary.get("completed"),
        "failed": summary.get("failed"),
        "open": [summary.get("open_eth"), summary.get("open_sol")],
        "load": round(os.getloadavg()[0], 1),
    }
    if above:
        row["phases"] = [
            f"{phase} at {at - first['at']:.2f} s, book {age} ms old"
            for each in noted
            for at, age, phase in each["phases"]
        ]
        words = ("stale", "behind", "exit", "flatten")
        row["log"] = [line[11:220] for line in log if any(word in line.lower() for word in words)][:20]
    if hops:
        row["hops_us"] = _hops(first, last, events)
    return row


def _hops(first: dict[str, Any], last: dict[str, Any], events: int) -> dict[str, float]:
    """Microseconds of processor time per message, by task and by function."""
    by_task = {name: spent - first["by_task"].get(name, 0.0) for name, spent in last["by_task"].items()}
    spent = {f"task {name}": 1e6 * s / events for name, s in by_task.items()}
    before = first["by_function"]
    for name, (s, _) in last["by_function"].items():
        spent[f"of which {name}"] = 1e6 * (s - before.get(name, (0.0, 0))[0]) / events
    return {name: round(us, 1) for name, us in sorted(spent.items(), key=lambda item: -item[1]) if us >= 0.5}


def _spread(counted: list[tuple[int, int]]) -> dict[str, int]:
    """Quantiles of values, each of which was counted so often."""
    ordered, looks = sorted(counted), sum(count for _, count in counted)
    found: dict[str, int] = {}
    for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0)):
        below = 0
        for value, count in ordered:
            below += count
            if below >= share * looks:
                found[name] = value
                break
    return found


def main(words: list[str] | None = None) -> list[dict[str, Any]]:
    """Measure every rate that was asked for; one row each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rates", default="500,1000,3000,5000", help="batches a second, one flood each")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--levels", type=int, default=10, help="of each side, in every batch")
    parser.add_argument("--hops", action="store_true", help="processor time by task and function")
    parser.add_argument(
        "--above", action="store_true", help="hold a pair for half of the flood, then leave it"
    )
    options = parser.parse_args(words)
    rows = []
    for rate in options.rates.split(","):
        row = measured(float(rate), options.seconds, options.levels, hops=options.hops, above=options.above)
        print(json.dumps(row), flush=True)
        rows.append(row)
    return rows


if __name__ == "__main__":
    if sys.argv[1:2] == ["front"]:
        trio.run(front, sys.argv[2], int(sys.argv[3]))
    elif sys.argv[1:2] == ["client"]:
        client(Path(sys.argv[2]), sys.argv[4:], hops=sys.argv[3] == "hops")
    else:
        main()
