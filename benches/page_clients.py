"""`page`: does it cost a tick anything that 50 browsers look at the run's page, one of which never reads?

Blocks without a page and blocks with 50 browsers take turns. The answer is the ratio of the two p99s, with a
bootstrap 95 % interval: entries are drawn again within their own block, so that a machine that got busier
weighs the same in each draw.
"""

import os
import random
import selectors
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from benches.asked import Asked
from benches.figures import ROOT, Taken, p99_of
from benches.tick.bench import COLD, TICK
from benches.tick.block import WARM_UP, Block, BlockFailed, Contestant, evenkeel

WITHOUT, WITH = "no page", "50 browsers look, one never reads"
BROWSERS = 50
DRAWS = 2_000
SEED = 7
WANTED = 1.10
FIND_S = 20.0
SMALL = 4_096
"""Bytes that the kernel keeps for the one that never reads."""


def measure(asked: Asked) -> Taken:
    """Blocks of both in turns, `asked.rounds` times. Raises `BlockFailed`, also where nobody saw it."""
    each = -(-asked.n // asked.rounds) + WARM_UP
    seen: dict[str, list[Block]] = {WITHOUT: [], WITH: []}
    told: list[int] = []
    for _ in range(asked.rounds):
        seen[WITHOUT].append(evenkeel(Contestant(), each))
        with browsers() as folder:
            seen[WITH].append(evenkeel(Contestant(), each, page=folder))
            told.append(_told(folder))
    taken = Taken()
    ticks = {name: [[e.tick_us for e in block.entries] for block in blocks] for name, blocks in seen.items()}
    for name, blocks in ticks.items():
        taken.add(name, TICK, "us", [tick for block in blocks for tick in block], mode=COLD)
    low, ratio, high = p99_ratio(ticks[WITH], ticks[WITHOUT])
    taken.add(WITH, "p99 of ticks, share of that without a page", "", [ratio])
    taken.add(WITH, "the same, upper end of its 95 % interval", "", [high])
    verdict = "below" if high < WANTED else "NOT below"
    taken.notes.append(
        f"the p99 with {BROWSERS} browsers is {ratio:.3f} times that without a page, bootstrap 95 %"
        f" {low:.3f} to {high:.3f} ({DRAWS} draws within {2 * asked.rounds} blocks in turns):"
        f" {verdict} {WANTED:.2f}"
    )
    taken.notes.append(f"bytes that the browsers were told, each block: {', '.join(map(str, told))}")
    return taken


def p99_ratio(ours: Sequence[Sequence[float]], base: Sequence[Sequence[float]]) -> tuple[float, float, float]:
    """Lower end, value and upper end of p99(`ours`) / p99(`base`), each a list of blocks."""
    chance = random.Random(SEED)  # noqa: S311 - a bootstrap, no secret

    def drawn(blocks: Sequence[Sequence[float]]) -> float:
        return p99_of([value for block in blocks for value in chance.choices(block, k=len(block))])

    ratios = sorted(drawn(ours) / drawn(base) for _ in range(DRAWS))
    whole = [p99_of([value for block in blocks for value in block]) for blocks in (ours, base)]
    return ratios[DRAWS * 25 // 1000], whole[0] / whole[1], ratios[DRAWS * 975 // 1000 - 1]


@contextmanager
def browsers() -> Iterator[Path]:
    """A folder for a run's control socket; 50 browsers find its page there, in a process of their own that
    stands behind everything else: a browser has a machine of its own.
    """
    import tempfile  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="bench-page-") as place:
        command = ["nice", "-n", "19", sys.executable, "-m", "benches.page_clients", place]
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
    import time  # noqa: PLC0415

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
