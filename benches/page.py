"""docs/performance.md, from what is kept in `benches/results/`: `python -m benches --page`. No figure of the
page is written anywhere else; a test fails when the page is not what comes of the results.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from benches import before
from benches import replay as replayed
from benches.figures import RESULTS, ROOT, Figure, Results, kept
from benches.hedge.bench import HEDGE, HEDGE_HOPS_TOTAL, OWN
from benches.hedge.hops import HEDGE_HOPS
from benches.tick.bench import CYCLE_END, FSYNC, FULL, HOPS_TOTAL, NAUTILUS, NORMAL, SDK, SKEW, TICK
from benches.tick.hops import HOPS, PARTS

PAGE = ROOT / "docs" / "performance.md"
NONE = "not measured"
QUIET_LOAD = 1.5
"""Average of a minute, on two cores: the bench before it leaves no more than this behind."""
HEAD = """\
# Performance

`python -m benches` measures all of this, each bench alone by its name; `python -m benches --record` keeps the results in `benches/results/` and makes
this page from them. Each bench's machine, commit and command are at the end. p50 is the median, p99 what 1 % are above, n how many values there are.

*Cold*: one entry every 480 ms, as a bot trades, so that everything else has had the caches meanwhile. *Hot*: back to back. *Before*: measured at
{before}, on a quiet machine of the same kind, with the same interval, before these benches were part of the project.

Every check stays on in every measured path: the bench fails when a cycle is not entered and exited, or when the exchange did not accept an order. The
one thing that is taken away is the number in the exchange's rate limits, which an entry every 480 ms would exceed; the limit is still asked.
"""  # noqa: E501
TICK_HEAD = """\
## From a quote to two orders

The clock starts when the `recv` returns that completes the `book_depth` frame which makes an entry possible, and stops when the `send` returns that
hands over the last byte of the second order. The run is the real `supervisor.py run`, in a process of its own; the exchange is a simulated Nado in
another, over loopback, without TLS, each on a core of its own where there are two. Contestants take turns, block by block, in one run.
"""  # noqa: E501
BESIDE = """\
What each does between the two:

| | decodes a WebSocket | sizes both legs by depth and fees | asks every rule, three votes on one digest | writes the intent to disk first | signs both orders | sends on sockets | repairs a failed leg |
|---|---|---|---|---|---|---|---|
| Evenkeel | yes | yes, exact | yes | yes; `full` waits for the disk | yes | yes, a connection per leg | yes |
| SDK script | yes | best prices only | no | no | yes, with the exchange's own SDK | yes, a connection per leg, one after the other | no |
| nautilus_trader 1.221 | no, quotes are handed over in memory | best prices only | its risk engine, each order alone | no | no | no, its sandbox fills them in the process | no |

So nautilus_trader's figure is the cost of its engine without an exchange's wire: Evenkeel's hops from `decide` to `check once more` are what compares
with it. It also trades many exchanges and does not know that two orders are a pair. The script is `benches/peers/sdk_script.py`, the node
`benches/peers/nautilus_node.py`.
"""  # noqa: E501


class Kept:
    """The results, asked for one figure at a time."""

    def __init__(self, results: dict[str, Results]) -> None:
        self.results = results

    def figure(
        self, bench: str, case: str, quantity: str, *, mode: str | None = None, size: str | None = None
    ) -> Figure | None:
        """None where it was not measured."""
        for each in self.figures(bench, quantity):
            if each.case == case and mode in {None, each.mode} and size in {None, each.size}:
                return each
        return None

    def figures(self, bench: str, quantity: str) -> list[Figure]:
        """All of one quantity, in the order in which they were taken."""
        found = self.results.get(bench)
        return [each for each in found.figures if each.quantity == quantity] if found else []

    def notes(self, bench: str) -> list[str]:
        """What the bench had to say."""
        found = self.results.get(bench)
        return found.notes if found else []


def page(results: dict[str, Results]) -> str:
    """The whole page, in Markdown."""
    known = Kept(results)
    parts = [
        [HEAD.format(before=before.COMMIT), *_busy(results)],
        _changes(known),
        [TICK_HEAD, *_ticks(known), "", BESIDE],
        _hops(known),
        _hedges(known),
        _looked_at(known),
        _growth(known),
        _replays(known),
        _machines(results),
    ]
    return "\n".join(line for part in parts for line in part).rstrip() + "\n"


def _busy(results: dict[str, Results]) -> list[str]:
    """A warning, where a bench's machine had other things to do."""
    busy = [name for name, found in results.items() if found.machine.load_before > QUIET_LOAD]
    if not busy:
        return []
    return [
        f"**The machine was busy** (a load above {QUIET_LOAD:g} as the bench began) for {', '.join(busy)}:"
        " these figures are too high, the p99 above all, and say little about how fast Evenkeel is.",
        "",
    ]


def write_page(folder: Path = RESULTS, page_path: Path = PAGE) -> Path:
    """Make the page anew; its file."""
    page_path.write_text(page(kept(folder)), encoding="utf-8")
    return page_path


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [titles, ["---"] * len(titles), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    digits = 0 if value == round(value) or abs(value) >= 100 else 2 if abs(value) < 10 else 1
    return f"{value:,.{digits}f}"


def _pair(p50: float | None, p99: float | None, scale: float = 1.0) -> str:
    return " / ".join(_number(None if each is None else each / scale) for each in (p50, p99))


def _of(found: Figure | None, scale: float = 1.0) -> str:
    return NONE if found is None else _pair(found.p50, found.p99, scale)


def _p50(found: Figure | None, scale: float = 1.0) -> str:
    return NONE if found is None else _number(found.p50 / scale)


def _changes(known: Kept) -> list[str]:
    """The table of before and after."""
    other = next((each.case for each in known.figures("tick", TICK) if each.case.startswith("checkout ")), "")
    titles = ["work", "before", "the older checkout, same run", "now", "wanted"]
    rows = []
    for name, wanted in ((NORMAL, before.TARGETS["tick"]), (FULL, "")):
        rows.append(
            [
                f"quote's bytes to two orders, cold, {name.rpartition(', ')[2]}: p50 / p99 ms",
                _pair(*before.TICK_US[name], scale=1000),
                _of(known.figure("tick", other, TICK), 1000) if name == NORMAL else "-",
                _of(known.figure("tick", name, TICK), 1000),
                wanted,
            ]
        )
    rows += [
        [
            "leg skew: p50 / p99 µs",
            _pair(*before.SKEW_US[NORMAL]),
            _of(known.figure("tick", other, SKEW)),
            _of(known.figure("tick", NORMAL, SKEW)),
            before.TARGETS["skew"],
        ],
        *(
            [
                f"a plan to two signed frames, {mode}: p50 µs",
                _number(before.FRAMES_US["Evenkeel"][index]),
                "-",
                _p50(known.figure("frames", "Evenkeel", "plan to two signed frames", mode=mode)),
                "",
            ]
            for index, mode in enumerate(("hot", "cold"))
        ),
        *(
            [
                f"sizing {size}, hot, a quote not sized before: p50 µs",
                _number(was),
                "-",
                _p50(
                    known.figure(
                        "sizing", "Evenkeel, first look at a quote", "size a pair", mode="hot", size=size
                    )
                ),
                before.TARGETS.get(size, ""),
            ]
            for size, was in before.SIZING_US.items()
        ),
        [
            "plan closed to cycle ended: p50 / p99 ms",
            f"{before.CYCLE_END_MS} / -",
            _of(known.figure("tick", other, CYCLE_END), 1000),
            _of(known.figure("tick", NORMAL, CYCLE_END), 1000),
            before.TARGETS["cycle end"],
        ],
        [
            "`epoll_wait` calls a second while nothing happens: p50",
            _number(before.IDLE_PER_S),
            _p50(_idle(known, "checkout ")),
            _p50(_idle(known, "Evenkeel")),
            before.TARGETS["idle"],
        ],
        *(
            [
                f"{name}: processor seconds, p50",
                _number(was),
                "-",
                _p50(known.figure("commands", name, "processor time")),
                "",
            ]
            for name, was in before.COMMANDS_S.items()
        ),
    ]
    return ["## Before and after", "", *_table(titles, rows), ""]


def _idle(known: Kept, begins: str) -> Figure | None:
    found = known.figures("idle", "epoll_wait calls a second")
    return next((each for each in found if each.case.startswith(begins)), None)


def _ticks(known: Kept) -> list[str]:
    """Everybody of the interleaved run."""
    own = known.figure("tick", NORMAL, TICK)
    rows = []
    for each in known.figures("tick", TICK):
        skew = known.figure("tick", each.case, SKEW)
        ratio = "1" if own is None else f"{each.p50 / own.p50:.2f}"
        rows.append([each.case, f"{each.n}", _pair(each.p50, each.p99, 1000), _of(skew), ratio])
    rows += [
        [name, note.removeprefix(f"{name}: "), "", "", ""]
        for name in (SDK, NAUTILUS)
        for note in known.notes("tick")
        if note.startswith(f"{name}: not installed")
    ]
    titles = [
        "cold",
        "n",
        "tick to two orders, p50 / p99 ms",
        "leg skew, p50 / p99 µs",
        "p50, Evenkeel's = 1",
    ]
    lines = _table(titles, rows)
    full, sync = known.figure("tick", FULL, TICK), known.figure("tick", FSYNC, "commit")
    if full is not None and sync is not None:
        lines += [
            "",
            "`full` waits for the disk once per intent. `fdatasync` of 4 KiB on the same disk, same run:"
            f" p50 {_number(sync.p50)} µs, p99 {_number(sync.p99)} µs (n {sync.n}). Net of that median,"
            f" `full` is p50 {_number((full.p50 - sync.p50) / 1000)} ms.",
        ]
    lines += ["", *(f"- {note}." for note in known.notes("tick") if "not installed" not in note)]
    return lines


def _hops(known: Kept) -> list[str]:
    rows: list[list[str]] = []
    whole = known.figure("hops", NORMAL, HOPS_TOTAL)
    for (name, *_), was in zip(HOPS, before.HOPS_US, strict=True):
        rows.append([name, _number(was), _of(known.figure("hops", name, "hop"))])
    for name, *_ in PARTS:
        rows.append([name, _number(before.PARTS_US.get(name)), _of(known.figure("hops", name, "part"))])
    for name, count in before.COUNTS.items():
        rows.append([name, _number(count), _of(known.figure("hops", name, "count"))])
    return [
        "## Where the time goes",
        "",
        "The hops of one entry, end to end, from blocks in which every one is timed at public functions of"
        f" the sources, listed in `benches/tick/seams.py`. With that the whole takes {_of(whole, 1000)} ms"
        f" (p50 / p99, {'n ' + str(whole.n) if whole else NONE}).",
        "",
        *_table(["µs, cold", "before, p50", "now, p50 / p99"], rows),
        *(f"\n- {note}." for note in known.notes("hops")),
        "",
    ]


HEDGE_HEAD = """\
## From a fill to its hedge

A quote of ours rests (`execution.entry = "maker-taker"`) and is sold into, a twelfth at a time. The clock starts when the exchange's `send` returns that
hands over the fill's frame on the account's stream, and stops when the run's `send` returns that hands over the order which hedges it. In between: the
ledger folds and commits the fill, sizing decides, every rule is asked, three vote, the intent is on disk. Wanted: {wanted}.
"""  # noqa: E501


def _hedges(known: Kept) -> list[str]:
    """What rests and trades, once that was measured."""
    rows = []
    for each in known.figures("hedge", HEDGE):
        own = known.figure("hedge", each.case, OWN, mode=each.mode)
        received = "-" if own is None else _of(own, 1000)
        rows.append([f"{each.case}, {each.mode}", f"{each.n}", _of(each, 1000), received])
    if not rows:
        return []
    whole = known.figure("hedge", NORMAL, HEDGE_HOPS_TOTAL)
    hops = [[name, _of(known.figure("hedge", name, "hop"))] for name, *_ in HEDGE_HOPS]
    titles = ["p50 / p99 ms", "n", "from the exchange's socket", "from ours"]
    return [
        HEDGE_HEAD.format(wanted=before.TARGETS["hedge"]),
        *_table(titles, rows),
        "",
        *(f"- {note}." for note in known.notes("hedge")),
        "",
        f"Hop by hop, from our socket, each one timed; with that the whole takes {_of(whole, 1000)} ms:",
        "",
        *_table(["µs, cold", "p50 / p99"], hops),
        "",
    ]


def _looked_at(known: Kept) -> list[str]:
    """What browsers that look at the page cost, once that was measured."""
    rows = [[each.case, f"{each.n}", _pair(each.p50, each.p99, 1000)] for each in known.figures("page", TICK)]
    if not rows:
        return []
    titles = ["cold", "n", "tick to two orders, p50 / p99 ms"]
    notes = [f"- {note}." for note in known.notes("page")]
    return ["## While browsers look at the page", "", *_table(titles, rows), "", *notes, ""]


def _growth(known: Kept) -> list[str]:
    lines = ["## As things grow", ""]
    for title, bench, quantity in (
        ("the ledger: processor time, p50 / p99", "ledger", "processor time"),
        ("the ledger: wall time, p50 / p99", "ledger", "wall time"),
        ("sizing a pair: p50 / p99", "sizing", "size a pair"),
        ("book messages a second", "flood", ""),
    ):
        found = known.results.get(bench)
        figures = [each for each in found.figures if quantity in {"", each.quantity}] if found else []
        lines += [*(_by_size(title, figures) if figures else [f"{title}: {NONE}."]), ""]
    return lines


def _by_size(title: str, figures: Sequence[Figure]) -> list[str]:
    """A column for each size, a row for each case and mode."""
    sizes = list(dict.fromkeys(each.size for each in figures))
    rows: dict[str, dict[str, str]] = {}
    for each in figures:
        mode = f", {each.mode}" if each.mode else ""
        what = each.quantity if title.startswith("book") else each.case
        unit = f", {each.unit.replace('us', 'µs')}" if each.unit else ""
        row = rows.setdefault(f"{what}{mode}{unit}", {})
        row[each.size] = _pair(each.p50, each.p99) if each.n > 1 else _number(each.p50)
    return _table(
        [title, *sizes], ([name, *(row.get(size, "-") for size in sizes)] for name, row in rows.items())
    )


REPLAY_HEAD = """\
The whole machine over recorded rows, as `replay` runs it, in a process of its own; imports count. A tick is one row: a quote, a book or a trade, or one
book's change made of bars. p50 of the rounds.
"""  # noqa: E501
REPLAY_BESIDE = """\
What each does more or less over the same rows:

| | moves a book of 20 levels and its depth | sizes both legs by depth and fees | three votes on one plan, each rule asked again | signs its orders | a ledger on disk, each row hashed, each cycle proven flat | money explained to the last digit | one event loop with actors that may crash |
|---|---|---|---|---|---|---|---|
| Evenkeel | yes | yes, exact | yes | yes | yes | yes | yes, Python and Trio |
| nautilus_trader 1.221 | ten levels | best prices only | its risk engine, each order alone | no | no, in memory | its portfolio's statistics, in floats | one thread, Rust and Cython |

So a replay is what a run would do, and a backtest is what a strategy would do. nautilus_trader reads all rows into memory first, which is what its memory is; a replay streams
them. The script is `benches/peers/nautilus_backtest.py`.
"""  # noqa: E501


def _replays(known: Kept) -> list[str]:
    """A recording and bars; nautilus_trader beside them."""
    rows = []
    for each in known.figures("replay", replayed.BUSY):
        values = [
            known.figure("replay", each.case, quantity)
            for quantity in (
                *(replayed.TICKS_BUSY, replayed.TICKS, replayed.BUSY, replayed.WALL, replayed.A_CYCLE),
                *(replayed.CYCLES, replayed.MEMORY),
            )
        ]
        rows.append([f"{each.case} (n {each.n})", *map(_p50, values)])
    if not rows:
        return ["## Replay", "", f"A replay: {NONE}.", ""]
    alone = known.figure("replay", replayed.NAUTILUS, f"{replayed.TICKS_BUSY}, its run alone")
    titles = ["p50", "ticks a processor second", "ticks a second", "processor, s", "wall, s"]
    return [
        "## Replay",
        "",
        REPLAY_HEAD,
        *_table([*titles, "processor a cycle, ms", "cycles", "memory, MB"], rows),
        "",
        f"Without imports and the reading of rows nautilus_trader does {_p50(alone)} ticks a processor"
        " second.",
        *(f"- {note}." for note in known.notes("replay")),
        "",
        REPLAY_BESIDE,
    ]


def _machines(results: dict[str, Results]) -> list[str]:
    rows = []
    for name, found in results.items():
        machine = found.machine
        rows.append(
            [
                name,
                f"{machine.cpu}, {machine.cores} cores",
                f"{machine.python}, {machine.kernel}",
                f"{machine.load_before} / {machine.load_after}",
                machine.commit,
                machine.taken,
                f"`{found.command}`",
            ]
        )
    titles = ["bench", "processor", "Python, kernel", "load before / after", "commit", "taken", "command"]
    return ["## Machines", "", *_table(titles, rows), ""]
