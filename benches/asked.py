"""What a bench is asked to do."""

import subprocess
import sys
from pathlib import Path

import msgspec

N = 300


class Asked(msgspec.Struct, frozen=True):
    """Of `python -m benches`: how many values each figure stands on, and what stands beside Evenkeel."""

    n: int = N
    rounds: int = 3
    """Blocks of each contestant, in turns: a machine gets busier and quieter."""
    against: Path | None = None
    """Another checkout, measured in turns with this one."""
    against_python: str = sys.executable
    """The interpreter that has what the other checkout imports."""
    sdk_python: str = sys.executable
    nautilus_python: str = sys.executable
    rows: tuple[int, ...] = (1_000, 10_000, 100_000, 1_000_000)
    """Sizes of the ledgers of the growth table."""
    rates: tuple[int, ...] = (1, 100, 1_000, 3_000, 5_000)
    """Book messages a second of the growth table."""
    targets: tuple[str, ...] = ("1000", "10000", "100000", "1000000")
    """USD per leg of the growth table."""
    seconds: float = 10.0
    """How long a rate, and an idle run, is watched."""
    market: str = ""
    """A recording's prefix, and a file of 1-minute bars, for `replay`; "" = none."""
    bars: str = ""


def can_import(python: str, module: str) -> bool:
    """Does that interpreter find `module`? Nothing of it is run."""
    look = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({module!r}) is None)"
    return subprocess.run([python, "-c", look], capture_output=True, check=False).returncode == 0
