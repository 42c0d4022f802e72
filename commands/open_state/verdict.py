"""The final exit code: every command that did not do what it was asked looks at what is open first. 4 beats
every other code.

A refusal, a wrong option, a start that failed, a defect: each of them used to say "nothing was started"
whatever an earlier run had left open. What is open is asked of the files (`decision.on_disk`), which needs
no venue and no key; a start that is refused when the venue has answered gives the exchange's reading, too, so
that it says what `status` says. A pair that a live run manages is its own affair: the refusal keeps its code,
as `status` does, and a run that is stopped (SIGSTOP, Ctrl-Z) manages nothing.
"""

import os
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from commands.access.venue import Access
from commands.output.json_keys import PLAY_COMMANDS
from commands.output.words import OPEN, Problem, exposure
from messages.settings import Settings
from messages.units import text_of

if TYPE_CHECKING:
    from commands.open_state.evidence import VenueEvidence

PATIENCE_S = 10.0
"""How long the files may take to be read. A disk that hangs leaves it unknown, which is exit code 4."""


class Meant:
    """Whose account this process is about, as far as it has come. One per process."""

    def __init__(self) -> None:
        self.here: Access | None = None
        self.logs: Path | None = None
        self.said: VenueEvidence | None = None
        """What the venue said to a start that is refused, after anything that this process has sent."""

    def learn(self, here: Access | None, settings: Settings) -> None:
        """From here on it is known whose account is meant (None: nobody knows), and where its ledger is."""
        self.here, self.logs = here, Path(settings.files.logs)

    def forget(self) -> None:
        """Another command line begins: only tests run several in one process."""
        self.here = self.logs = self.said = None


MEANT = Meant()


class Found(NamedTuple):
    """What the files say. `counts`: something is open or unknown and nobody manages it."""

    words: str
    cure: str
    counts: bool
    known: bool = True
    eth: str | None = None
    sol: str | None = None

    def code(self, otherwise: int) -> int:
        """The exit code: 4 where something is open that nobody manages, else `otherwise`."""
        return OPEN if self.counts else otherwise


class FailedWhileOpen(Problem):
    """Something went wrong, and something of ours is open or nobody can say. The first cause is named
    first.
    """

    exit_code = OPEN

    def __init__(self, first: Problem, found: Found) -> None:
        meaning = exposure(unknown=not found.known)
        cure = (
            found.cure
            if found.cure in first.cure
            else "; ".join(part for part in (found.cure, first.cure) if part)
        )
        causes = [first.message, f"NOT FLAT: {found.words}"]
        if first.code == "WHICH_VENUE":  # nobody typed one, and what the ledger lacks is why none is known
            causes.reverse()
        super().__init__("NOT_FLAT", first.key, " · ".join(causes), cure, meaning)
        self.ended_by = first.ended_by


def of(problem: Problem, argv: Sequence[str], command: str) -> tuple[Problem, Found | None]:
    """`problem`, or what beats it; and what the files say, None where they are not asked. Never raises,
    takes at most `PATIENCE_S`.
    """
    if command in PLAY_COMMANDS or problem.settled:
        return problem, None
    found = asked(argv)
    return (FailedWhileOpen(problem, found) if found.counts and problem.exit_code != OPEN else problem), found


def asked(argv: Sequence[str] = ()) -> Found:
    """What the files say now, in a thread, because a disk may hang. Never raises."""
    answers: list[Found] = []
    looker = threading.Thread(
        target=lambda: answers.append(_looked(argv)), name="shows what is open", daemon=True
    )
    with suppress(RuntimeError):  # no thread to be had
        looker.start()
        looker.join(PATIENCE_S)
    return (
        answers[0]
        if answers
        else Found("unknown: the files could not be read in time", "", counts=True, known=False)
    )


def _looked(argv: Sequence[str]) -> Found:
    try:
        from commands.open_state.decision import on_disk

        logs = MEANT.logs or _typed_logs(argv, os.environ)
        answer = on_disk(MEANT.here, logs, said=MEANT.said)
        if answer.flat:
            zero = None if MEANT.here is None else "0"
            return Found("", "", counts=False, eth=zero, sol=zero)
        eth, sol = (text_of(amount) for amount in (answer.eth, answer.sol))
        words = answer.words or "unknown"
        return Found(
            words, answer.cure, counts=not _managed(logs), known=answer.kind == "open", eth=eth, sol=sol
        )
    except Exception as error:  # noqa: BLE001 - that nobody can tell must be told as such, whatever the reason
        return Found(
            f"unknown: the files cannot be judged ({type(error).__name__})", "", counts=True, known=False
        )


def _managed(logs: Path) -> bool:
    """Does a live run hold this account, so that what is open is in its hands?"""
    from actors.instance.state import state_directory
    from commands.open_state.evidence import gathered

    runner = gathered(MEANT.here, logs, state_directory()).runner
    return runner is not None and runner.pid not in {None, os.getpid()} and breathes(runner.pid)


def breathes(pid: int | None) -> bool:
    """Is it neither stopped nor dead? Where /proc does not tell, its lock says that it lives."""
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] not in {
            b"T",
            b"t",
            b"Z",
            b"X",
        }
    except (OSError, IndexError):
        return not sys.platform.startswith("linux")


def _typed_logs(argv: Sequence[str], environment: Mapping[str, str]) -> Path:
    """Where the ledger of a command line is that could not be understood: as typed, by the environment or
    the configuration, else the default.
    """
    typed = ""
    for index, word in enumerate(argv):
        flag, equals, value = word.partition("=")
        rest = value if equals else argv[index + 1] if index + 1 < len(argv) else ""
        if flag == "--logs":
            typed = rest
        elif flag == "--set" and rest.startswith("files.logs="):
            typed = rest.partition("=")[2]
    if typed:
        return Path(typed)
    from commands.config import effective as config

    file = next((Path(argv[index + 1]) for index, word in enumerate(argv[:-1]) if word == "--config"), None)
    for each in ((file, environment), (file, {}), (None, {})):
        with suppress(Problem, OSError):
            return Path(config.load(*each, {}).settings.files.logs)
    return Path(Settings().files.logs)
