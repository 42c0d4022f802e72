"""`page`: does it cost a tick anything that 50 browsers look at the run's page, one of which never reads?

A round is a block without a page and a block with 50 browsers, in one order and in the next round in the
other. The answer is the ratio of the two p99s, with a bootstrap 95 % interval over rounds: what is drawn
again is a round, both of its blocks together. So neither what a machine has to do in one round, nor what is
particular to one process (where its memory lies, how its names hash), is taken for many independent values.

Where they run is as decision 032 has it: the run with all that it starts, its watcher too, on the first core,
and what stands for other machines, the exchange and the browsers, on the last one. The browsers let the
exchange come first, for else its delays were theirs.
"""

import os
import random
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

from benches.asked import Asked
from benches.figures import ROOT, Taken, p99_of
from benches.tick.bench import COLD, TICK
from benches.tick.block import WARM_UP, Block, BlockFailed, Contestant, evenkeel, on_core
from commands.watched.priority import stand_back

WITHOUT, WITH = "no page", "50 browsers look, one never reads"
BROWSERS = 50
DRAWS = 2_000
SEED = 7
WANTED = 1.10
ROUNDS, BLOCK_LEAST = 25, 30
"""So many rounds, but no block of fewer entries: starting one takes as long as a dozen of them."""
ROUNDS_TELL = 10
"""With fewer rounds an interval over rounds says little, and no verdict is given."""
FIND_S = 20.0
SMALL = 4_096
"""Bytes that the kernel keeps for the one that never reads."""


class Round(NamedTuple):
    """Ticks of one round, in microseconds."""

    without: list[float]
    looked_at: list[float]
    told: int
    """Bytes that the browsers were told."""
    missed: tuple[int, int] = (0, 0)
    """Times in each of the two blocks that an entry was possible and none was sent: they have no tick."""


def measure(asked: Asked) -> Taken:
    """Rounds until each of the two has `asked.n` entries. After each round standard error has what is known
    by then. SIGINT and SIGTERM end it after the round that goes on, a block that fails at once: the rounds
    before that are the result, which says so. Raises `BlockFailed` in the first round, also where nobody saw
    the page, and `subprocess.TimeoutExpired`.
    """
    rounds = max(asked.rounds, min(ROUNDS, asked.n // BLOCK_LEAST))
    return rounds_taken(rounds, lambda number: _round(number, -(-asked.n // rounds) + WARM_UP))


def rounds_taken(rounds: int, one: Callable[[int], Round]) -> Taken:
    """The figures of so many rounds, each made by `one`, as `measure` promises."""
    done: list[Round] = []
    why, began_s = "", time.monotonic()
    with _signals() as heard:
        while len(done) < rounds and not why:
            try:
                done.append(one(len(done)))
            except (BlockFailed, subprocess.TimeoutExpired) as error:
                if not done:
                    raise
                # its own words may go on for pages, and name this machine's folders
                why = str(error).partition(": ")[0] if isinstance(error, BlockFailed) else "a block hangs"
            why = why or (heard[0] if heard else "")
            words = f"round {len(done)} of {rounds}, {time.monotonic() - began_s:.0f} s: {_answer(done)}"
            print(words, file=sys.stderr, flush=True)
    taken = _figures(done)
    if len(done) < rounds:
        taken.notes.append(f"stopped after {len(done)} rounds of {rounds}: {why}")
    return taken


def _round(number: int, entries: int) -> Round:
    """One block of each. Raises `BlockFailed`."""
    found: dict[str, Block] = {}
    told = 0
    for name in (WITHOUT, WITH) if number % 2 == 0 else (WITH, WITHOUT):
        if name == WITHOUT:
            found[name] = evenkeel(Contestant(), entries)
            continue
        with browsers() as folder:
            found[name] = evenkeel(Contestant(), entries, page=folder)
            told = _told(folder)
    without, looked_at = ([entry.tick_us for entry in found[name].entries] for name in (WITHOUT, WITH))
    return Round(without, looked_at, told, (found[WITHOUT].missed, found[WITH].missed))


@contextmanager
def _signals() -> Iterator[list[str]]:
    """Names of the signals that came. The first one stops nothing at once: a run that is killed leaves a
    guard behind. The second one does, as `KeyboardInterrupt`.
    """
    heard: list[str] = []

    def hear(number: int, _frame: FrameType | None) -> None:
        heard.append(signal.Signals(number).name)
        if len(heard) > 1:
            raise KeyboardInterrupt

    before = {number: signal.signal(number, hear) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield heard
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _figures(rounds: Sequence[Round]) -> Taken:
    taken = Taken()
    for name, blocks in (
        (WITHOUT, [each.without for each in rounds]),
        (WITH, [each.looked_at for each in rounds]),
    ):
        taken.add(name, TICK, "us", [tick for block in blocks for tick in block], mode=COLD)
    _, ratio, high = p99_ratio(rounds)
    taken.add(WITH, "p99 of ticks, share of that without a page", "", [ratio])
    taken.add(WITH, "the same, upper end of its 95 % interval", "", [high])
    taken.notes.append(_answer(rounds))
    taken.notes.append(
        "the run and its watcher on one core; exchange and browsers, which are other machines, on another"
    )
    for name, missed in zip(
        (WITHOUT, WITH), zip(*(each.missed for each in rounds), strict=True), strict=True
    ):
        if any(missed):
            taken.notes.append(f"{name}: {sum(missed)} times nothing was sent while an entry was possible")
    told = sorted(each.told for each in rounds)
    taken.notes.append(f"bytes that the browsers were told in a block: {told[0]:,} to {told[-1]:,}")
    return taken


def _answer(rounds: Sequence[Round]) -> str:
    """The ratio in a sentence."""
    low, ratio, high = p99_ratio(rounds)
    verdict = f"below {WANTED:.2f}" if high < WANTED else f"NOT below {WANTED:.2f}"
    if len(rounds) < ROUNDS_TELL:
        verdict = f"too few rounds for a verdict, which takes {ROUNDS_TELL}"
    return (
        f"the p99 with {BROWSERS} browsers is {ratio:.3f} times that without a page, bootstrap 95 %"
        f" {low:.3f} to {high:.3f} ({DRAWS} draws of {len(rounds)} rounds, seed {SEED}): {verdict}"
    )


def p99_ratio(rounds: Sequence[Round]) -> tuple[float, float, float]:
    """Lower end, value and upper end of p99(looked at) / p99(without), of all entries together; a draw takes
    as many rounds as there are, some of them more than once.
    """
    chance = random.Random(SEED)  # noqa: S311 - a bootstrap, no secret

    def ratio(drawn: Sequence[Round]) -> float:
        ours = p99_of([tick for each in drawn for tick in each.looked_at])
        base = p99_of([tick for each in drawn for tick in each.without])
        return ours / base

    ratios = sorted(ratio(chance.choices(rounds, k=len(rounds))) for _ in range(DRAWS))
    return ratios[DRAWS * 25 // 1000], ratio(rounds), ratios[DRAWS * 975 // 1000 - 1]


@contextmanager
def browsers() -> Iterator[Path]:
    """A folder for a run's control socket; 50 browsers find its page there, in a process of their own, where
    the exchange is: a browser has a machine of its own.
    """
    with tempfile.TemporaryDirectory(prefix="bench-page-") as place:
        command = [sys.executable, "-m", "benches.page_clients", place]
        with on_core(-1):
            process = subprocess.Popen(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)})
        try:
            yield Path(place)
        finally:
            process.terminate()
            process.wait(10)


def _told(folder: Path) -> int:
    """How many bytes the browsers were told. Raises `BlockFailed` where they saw nothing."""
    count = folder / "told"
    if not count.exists() or int(count.read_text()) == 0:
        raise BlockFailed("the browsers saw nothing of the page")
    return int(count.read_text())


# -- the browsers' process -----------------------------------------------------------------------------------


def page_found(folder: Path) -> str:
    """The address of the page of the run whose control socket appears in `folder`. Raises `TimeoutError`."""
    until = time.monotonic() + FIND_S
    while time.monotonic() < until:
        for path in folder.glob("evenkeel/*.sock"):
            try:
                with socket.socket(socket.AF_UNIX) as asked:
                    asked.settimeout(2)
                    asked.connect(str(path))
                    asked.sendall(b'{"do":"status"}\n')
                    answer = msgspec.json.decode(asked.makefile("rb").readline())
            except (OSError, msgspec.DecodeError):
                continue
            if answer.get("page"):
                return str(answer["page"])
        time.sleep(0.1)
    raise TimeoutError("no run has a page here")


def looks(page: str, *, deaf: bool) -> socket.socket:
    """A connection that has shown the token."""
    parts = urlsplit(page)
    own, token = f"{parts.hostname}:{parts.port}", parts.fragment.removeprefix("token=")
    made = socket.socket()
    if deaf:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
    made.connect((parts.hostname, parts.port))
    made.sendall(
        (
            f"GET /live HTTP/1.1\r\nHost: {own}\r\nOrigin: http://{own}\r\nConnection: Upgrade\r\n"
            "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        ).encode()
    )
    while b"\r\n\r\n" not in made.recv(SMALL):
        pass
    text = msgspec.json.encode({"token": token})
    made.sendall(bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text)
    return made


def main(folder: Path) -> None:
    """Look until the page is gone; keep how many bytes were told."""
    stand_back(alerting=False)
    page, told = page_found(folder), 0
    deaf = looks(page, deaf=True)
    with selectors.DefaultSelector() as every:
        for _ in range(BROWSERS - 1):
            every.register(looks(page, deaf=False), selectors.EVENT_READ)
        while every.get_map():
            for key, _ in every.select():
                assert isinstance(key.fileobj, socket.socket)
                try:
                    piece = key.fileobj.recv(1 << 16)
                except OSError:
                    piece = b""
                told += len(piece)
                if not piece:
                    every.unregister(key.fileobj)
            (folder / "told").write_text(str(told))
    deaf.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
