"""What keeps a command from starting, as a person reads it: one cause, one cure, no name of a class."""

from pathlib import Path

import pytest

from commands.access.simulated import ChildFailed
from commands.access.venue import place
from commands.setup.refusals import refusal
from messages.settings import Settings
from venue.protocol import Busy, Incomplete, Unreachable

HERE = place(Settings(), "http://127.0.0.1:9")
LOG = Path("logs/venue.log")
NOTHING = "nothing was started"
CHILD = "the simulated venue did not start"
SILENT = "the exchange does not answer"
ASKED = "http://127.0.0.1:9/v1/query"
OTHER_LOGS = "use another --logs DIR"
OTHER_URL = "check --url, or leave it out to use a simulated one"
REPORT = "read logs/venue.log, and report it"
REFUSED = f"--market: there is no file x_l2_20.csv.gz · {NOTHING} · type --market synthetic"
FAILED = "Evenkeel failed, the lines above say where (ValueError)"
DEFECT = f"""Traceback (most recent call last):
  File "x.py", line 3, in <module>
ValueError: x
{FAILED} · no Evenkeel positions are open · please report it with them"""


@pytest.mark.parametrize(
    ("error", "message", "cure"),
    [
        (
            ChildFailed(REFUSED, LOG),
            f"{CHILD}: --market: there is no file x_l2_20.csv.gz",
            "type --market synthetic",
        ),
        (ChildFailed(DEFECT, LOG), f"{CHILD}: {FAILED}", REPORT),
        (ChildFailed("it said nothing", LOG), f"{CHILD}: it said nothing", REPORT),
        (FileExistsError(17, "File exists", "afile"), "afile is not a folder", OTHER_LOGS),
        (NotADirectoryError(20, "Not a directory", "f/x"), "f/x is not a folder", OTHER_LOGS),
        (
            PermissionError(13, "Permission denied", "logs"),
            "logs cannot be used: permission denied",
            f"make it writable, or {OTHER_LOGS}",
        ),
        (Unreachable(f"{ASKED}: all attempts failed"), f"{SILENT}: {ASKED}: all attempts failed", OTHER_URL),
        (Busy(f"{ASKED}: HTTP 501 (a web page)"), f"{SILENT}: {ASKED}: HTTP 501 (a web page)", OTHER_URL),
        (
            Incomplete("ETH-PERP has no oracle"),
            "the exchange's answer is not usable: ETH-PERP has no oracle",
            OTHER_URL,
        ),
    ],
)
def test_each_has_one_cause_and_one_cure(error: Exception, message: str, cure: str) -> None:
    for each in (error, ExceptionGroup("", [error])):
        assert refusal(each, HERE).sentence == f"{message} · {NOTHING} · {cure}"
