"""What the page opens in a tab of its own: the finished report, made by `report` in a process of its own, and
the certificates, which are files.

A new tab cannot show a token. So whoever has it asks for an address first, which nobody can guess and which
lasts ten minutes.
"""

import secrets
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import trio

OPENED_MAX = 8
OPENED_S = 600.0
REPORT_S = 120.0
CERTIFICATES_SHOWN = 200
CERTIFICATE_MAX = 2_000_000
REPORT_MAX = 20_000_000
NICENESS = ("nice", "-n", "10")
"""The report is made behind whatever trades on this machine."""


class OpenedDocument(msgspec.Struct, frozen=True):
    """One document, and until when it can be asked for."""

    name: str
    kind: str
    content: bytes
    until_s: float


class Offered(msgspec.Struct, frozen=True):
    """What became of a wish: an address, or why there is none."""

    url: str | None
    words: str = ""


class Documents:
    """What the page can open of one folder of logs: its certificates, and a report that is made when asked
    for.
    """

    def __init__(self, logs: Path, supervisor: Path, now_s: Callable[[], float] = trio.current_time) -> None:
        """`supervisor`: the program that makes the report; `now_s`: by which addresses expire."""
        self._logs, self._supervisor, self._now_s = logs, supervisor, now_s
        self._opened: dict[str, OpenedDocument] = {}
        self._making = False

    def certificates(self) -> list[str]:
        """Names of the newest, newest first. [] where there is no folder of them."""
        try:
            found = [path.name for path in (self._logs / "certificates").iterdir() if path.suffix == ".json"]
        except OSError:
            return []
        return sorted(found, reverse=True)[:CERTIFICATES_SHOWN]

    async def open(self, name: str) -> Offered:
        """Make an address for `report`, or for the certificate of that name."""
        if name != "report":
            if name not in await trio.to_thread.run_sync(self.certificates):
                return Offered(None, "There is no such certificate.")
            content = await trio.to_thread.run_sync(
                _read, self._logs / "certificates" / name, CERTIFICATE_MAX
            )
            return self._offered(name, "application/json", content)
        if self._making:
            return Offered(None, "The report is being made already.")
        self._making = True
        try:
            return await self._report()
        finally:
            self._making = False

    def opened(self, ticket: str) -> OpenedDocument | None:
        """The document at an address; None when there is none, or not any more."""
        found = self._opened.get(ticket)
        return found if found is not None and self._now_s() < found.until_s else None

    async def _report(self) -> Offered:
        with tempfile.TemporaryDirectory(prefix="evenkeel-report-") as folder:
            made = Path(folder) / "report.html"
            command = [*NICENESS, sys.executable, str(self._supervisor), "report", "--logs", str(self._logs)]
            with trio.move_on_after(REPORT_S):
                done = await trio.run_process(
                    [*command, "--out", str(made)],
                    stdin=subprocess.DEVNULL,
                    capture_stdout=True,
                    capture_stderr=True,
                    check=False,
                )
                if made.is_file():
                    content = await trio.to_thread.run_sync(_read, made, REPORT_MAX)
                    return self._offered("report.html", "text/html", content)
                words = done.stderr.decode("utf-8", "replace").strip().splitlines()
                return Offered(None, words[-1] if words else "The report could not be made.")
        return Offered(
            None, f"The report took longer than {REPORT_S:.0f} s. Type: python supervisor.py report"
        )

    def _offered(self, name: str, kind: str, content: bytes | None) -> Offered:
        if content is None:
            return Offered(None, "It cannot be read.")
        ticket = secrets.token_urlsafe(32)
        while len(self._opened) >= OPENED_MAX:
            del self._opened[next(iter(self._opened))]
        self._opened[ticket] = OpenedDocument(name, kind, content, self._now_s() + OPENED_S)
        return Offered(f"/opened/{ticket}/{name}")


def _read(path: Path, most: int) -> bytes | None:
    """All of it; None for what is too long, or cannot be read."""
    try:
        with path.open("rb") as file:
            content = file.read(most + 1)
    except OSError:
        return None
    return content if len(content) <= most else None
