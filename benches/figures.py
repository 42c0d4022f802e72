"""What a bench says: figures, and the machine they were taken on. Results are kept as JSON, one file a
bench.

Times are floats here: this is statistics, and no money.
"""

import os
import platform
import statistics
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benches" / "results"


class Figure(msgspec.Struct, frozen=True, omit_defaults=True):
    """One quantity of one case: a distribution, or a single reading (n = 1)."""

    case: str
    """What was measured: `Evenkeel, ledger normal`."""
    quantity: str
    """`tick to two orders`."""
    unit: str
    n: int
    p50: float
    p99: float
    least: float | None = None
    mode: str = ""
    """`cold`: once every 480 ms (or as the bench says), caches used by others meanwhile; `hot`: back to back;
    "" where it is neither.
    """
    size: str = ""
    """Of a growth table: `1,000,000 rows`."""


class MachineLine(msgspec.Struct, frozen=True):
    """Where and when."""

    cpu: str
    cores: int
    python: str
    kernel: str
    load_before: float
    """Average of one minute, as the bench began and as it ended."""
    load_after: float
    taken: str
    commit: str
    """Of this checkout; `+` when files were changed since."""


class Results(msgspec.Struct, frozen=True):
    """What one bench has found."""

    bench: str
    machine: MachineLine
    command: str
    figures: list[Figure]
    notes: list[str]
    """Sentences: what was left out, what is not installed, how it was measured."""


class Taken(msgspec.Struct):
    """What a bench collects while it runs."""

    figures: list[Figure] = msgspec.field(default_factory=list)
    notes: list[str] = msgspec.field(default_factory=list)

    def add(
        self,
        case: str,
        quantity: str,
        unit: str,
        values: Sequence[float],
        *,
        mode: str = "",
        size: str = "",
    ) -> None:
        """One more figure of `values`. Raises `ValueError` where there are none: that is no figure."""
        if not values:
            raise ValueError(f"{case}, {quantity}: nothing was measured")
        p50, p99, least = statistics.median(values), p99_of(values), min(values)
        self.figures.append(
            Figure(case, quantity, unit, len(values), _short(p50), _short(p99), _short(least), mode, size)
        )


def _short(value: float) -> float:
    return round(value, 1) if abs(value) >= 10 else round(value, 3)


def p99_of(values: Sequence[float]) -> float:
    """The value that 1 % are above; the largest of fewer than a hundred."""
    return sorted(values)[min(len(values) - 1, int(len(values) * 0.99))]


def load() -> float:
    """Of the last minute."""
    return round(os.getloadavg()[0], 2)


def machine_line(load_before: float) -> MachineLine:
    """This machine, now."""
    return MachineLine(
        _cpu(),
        os.cpu_count() or 0,
        platform.python_version(),
        f"{platform.system()} {platform.release()}",
        load_before,
        load(),
        time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        commit_of(ROOT),
    )


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def commit_of(checkout: Path) -> str:
    """The commit that is checked out there, short; `+` when sources were changed since. Results and pages
    do not count.
    """
    git = ["git", "-C", str(checkout)]
    head = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    changed = subprocess.run(
        [*git, "status", "--porcelain", "--untracked-files=no", "--", "*.py"],
        capture_output=True,
        text=True,
        check=False,
    )
    return (head.stdout.strip() or "unknown") + ("+" if changed.stdout.strip() else "")


def keep(results: Results, folder: Path = RESULTS) -> Path:
    """Write a bench's results; the file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{results.bench}.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")
    return path


def kept(folder: Path = RESULTS) -> dict[str, Results]:
    """All results there are, by bench. Raises `msgspec.DecodeError` for a file that is none."""
    found = (msgspec.json.decode(path.read_bytes(), type=Results) for path in sorted(folder.glob("*.json")))
    return {results.bench: results for results in found}


def table(results: Results) -> list[str]:
    """The figures as lines for a terminal."""
    machine = results.machine
    lines = [
        f"{results.bench}: {machine.cpu}, {machine.cores} cores, Python {machine.python}, {machine.kernel},"
        f" load {machine.load_before} to {machine.load_after}, commit {machine.commit}, {machine.taken}"
    ]
    for each in results.figures:
        what = ", ".join(part for part in (each.case, each.quantity, each.size, each.mode) if part)
        spread = f" p99 {each.p99:>11,}" if each.n > 1 else ""
        spread += f"  least {each.least:>11,}" if each.n > 1 and each.least is not None else ""
        lines.append(f"  {what:<78} n {each.n:>5}  p50 {each.p50:>11,}{spread} {each.unit}")
    return lines + [f"  {note}" for note in results.notes]
