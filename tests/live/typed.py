"""What a person types, in this process: exit code, the JSON object, and everything that was printed."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from commands import cli
from tests.live.served import OWNER

KEYLESS = (
    *(
        "target=1000 USD",
        "cycles=1",
        "hold=100 ms",
        "limits.max_daily_loss=50 USD",
        "venue.subaccount=evenkeel",
        f"venue.owner={OWNER}",
    ),
    "ready_deadline=900 ms",
    "no_entry_utc=[]",
)
"""Everything that live trading must be told, as small as it goes; and votes may take long, because tests
share a disk. Entering at all times: by default a live run waits for the end of the exchange's weekly
maintenance, and a test would wait with it on two days of the week.
"""


class Ended(NamedTuple):
    code: int
    told: dict[str, Any]
    output: str
    errors: str


def typed(capsys: pytest.CaptureFixture[str], *argv: str) -> Ended:
    """Run one command line with `--json`."""
    code = cli.main([*argv, "--json"])
    output, errors = capsys.readouterr()
    told = json.loads(output.splitlines()[-1])
    assert told["exit_code"] == code
    return Ended(code, told, output, errors)


def written(*changes: str) -> list[str]:
    """`--set` for everything live needs, with some of it changed or, as `key=`, left out."""
    values = dict(pair.split("=", 1) for pair in (*KEYLESS, *changes))
    return [word for key, value in values.items() if value for word in ("--set", f"{key}={value}")]


def rehearse(
    capsys: pytest.CaptureFixture[str],
    logs: Path,
    url: str,
    *more: str,
    venue: str = "testnet",
    changes: tuple[str, ...] = (),
) -> Ended:
    """A live run, with every rule of it, at a simulated venue."""
    return typed(
        capsys,
        "run",
        "--venue",
        venue,
        "--url",
        url,
        "--logs",
        str(logs),
        "--quiet",
        *written("pause=0 s", *changes),
        *more,
    )
