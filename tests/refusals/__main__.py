"""`python -m tests.refusals`: every way in which a command is refused, fails or is stopped, with a pair open
by the files and with none.

With one: exit code 4, NOT FLAT is said, and the object has the amounts. With none: the code of the refusal.
Never a traceback, never a changed code because of what became of standard input, output and error. Prints one
line per case; exit code 1 when one failed.
"""

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.refusals.bed import ETH, SOL, RefusalBed

RUN = "run --url {url} --logs {logs} --quiet"
DOWN = RUN + " --set 'venue_patience=1 s'"
USAGE = (
    ("an unknown option", RUN + " --targt 5"),
    ("a number without its unit", RUN + " --target 1000"),
    ("a file that is not there", RUN + " --config nowhere.toml"),
    ("a live venue without its keys", "run --venue mainnet --logs {logs}"),
    ("an unknown command", "rnu --logs {logs}"),
    ("a reason that is missing", "halt --logs {logs}"),
)
"""Exit code 2 where nothing is open."""
STREAMS = (
    ">&-",
    "2>&-",
    "<&-",
    ">&- 2>&-",
    "<&- >&- 2>&-",
    ">/dev/full",
    "2>/dev/full",
    ">/dev/full 2>&1",
    "2>&1 | true; exit ${{PIPESTATUS[0]}}",
)
ENCODINGS = (
    {"LANG": "C", "LC_ALL": "C"},
    {"PYTHONIOENCODING": "ascii"},
    {"PYTHONIOENCODING": "ascii:strict", "LC_ALL": "POSIX"},
)
SIGNALS = ((signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143))
AFTER_S = (0.06, 0.15, 0.3, 0.5, 0.8, 1.2, 2.0)
"""Moments of a start, counted from the fork: imports, the configuration, the venue, the first books."""


class Failed(AssertionError):
    """One case did not end as it must."""


def check(code: int, wanted: int | tuple[int, ...], out: str, err: str, *, traced: bool = False) -> None:
    """The code, and no traceback."""
    codes = wanted if isinstance(wanted, tuple) else (wanted,)
    if code not in codes or (not traced and "Traceback" in out + err):
        raise Failed(f"exit code {code}, not {wanted}\n{out[-600:]}\n{err[-2000:]}")


def check_open(bed: RefusalBed, line: str, *, traced: bool = False, **known: dict[str, str]) -> None:
    """With a pair open: 4, said, and the amounts in the object."""
    code, out, err = bed.run(line + " --json", known.get("more"))
    check(code, 4, out, err, traced=traced)
    told = json.loads(out.splitlines()[-1])
    if (told["exit_code"], told["error"]["code"]) != (4, "NOT_FLAT") or "NOT FLAT" not in err:
        raise Failed(f"not said: {out[-800:]}\n{err[-800:]}")
    if (told["open_eth"], told["open_sol"]) != (ETH, SOL):
        raise Failed(f"the amounts: {told['open_eth']}, {told['open_sol']}")


def broken_package(bed: RefusalBed) -> dict[str, str]:
    """A package that fails in a way of its own when it is imported, in the middle of the start."""
    folder = bed.folder / "broken"
    folder.mkdir(exist_ok=True)
    (folder / "httpx.py").write_text("raise ZeroDivisionError('a defect')\n")
    return {"PYTHONPATH": str(folder)}


Case = tuple[str, Callable[[], None]]


def with_a_pair_open(bed: RefusalBed) -> Iterator[Case]:
    """Every refusal, then every state of the streams and every encoding for one of them, then signals."""
    for name, line in USAGE:
        yield name, lambda line=line: check_open(bed, line)  # type: ignore[misc]
    yield "no state directory", lambda: check_open(bed, RUN, more={"XDG_STATE_HOME": "/dev/null/state"})
    yield "a defect in the start", lambda: check_open(bed, RUN, traced=True, more=broken_package(bed))
    for stream in STREAMS:
        yield (
            f"refused with {stream}",
            lambda stream=stream: check(bed.run(f"{USAGE[0][1]} --json {stream}")[0], 4, "", ""),
        )  # type: ignore[misc]
    for encoding in ENCODINGS:
        yield (
            f"refused with {encoding}",
            lambda encoding=encoding: check_open(bed, USAGE[0][1], more=encoding),
        )  # type: ignore[misc]
    yield "the venue does not answer", lambda: stopped_venue(bed, lambda: check_open(bed, DOWN))
    for stream in STREAMS:
        yield (
            f"no venue, {stream}",
            lambda stream=stream: stopped_venue(  # type: ignore[misc]
                bed, lambda: check(bed.run(f"{DOWN} --json {stream}")[0], 4, "", "")
            ),
        )
    for number, _ in SIGNALS:
        yield (
            f"{number.name} twice while the venue does not answer",
            lambda number=number: stopped_venue(  # type: ignore[misc]
                bed, lambda: struck(bed, RUN, number, (1.5, 2.0), (4,))
            ),
        )


def with_nothing_open(bed: RefusalBed) -> Iterator[Case]:
    """The same where nothing is open: the codes of the refusals."""
    for name, line in USAGE:
        yield name, lambda line=line: check(*spread(bed.run(line), 2))  # type: ignore[misc]
    yield "a defect in the start", lambda: check(*spread(bed.run(RUN, broken_package(bed)), 1), traced=True)
    yield "no venue", lambda: check(*spread(bed.run("run --url http://127.0.0.1:9 --logs {logs}"), 3))
    yield "missing packages", lambda: one_sentence(bed.run("--json", python=(sys.executable, "-S", "-E")))
    for stream in STREAMS:
        yield (
            f"a whole run with {stream}",
            lambda stream=stream: check(  # type: ignore[misc]
                bed.run(f"{RUN} --cycles 1 --hold '100 ms' --json {stream}")[0], 0, "", ""
            ),
        )
    for number, code in SIGNALS:
        for after_s in AFTER_S:
            yield (
                f"{number.name} after {after_s} s",
                lambda number=number, code=code, after_s=after_s: struck(  # type: ignore[misc]
                    bed, RUN, number, (after_s,), (code, -number)
                ),
            )
        yield (
            f"{number.name} while status watches",
            lambda number=number, code=code: struck(  # type: ignore[misc]
                bed, "status --watch --url {url} --logs {logs}", number, (2.5,), (code,)
            ),
        )
        yield (
            f"{number.name} twice with both legs open, told to a full disk",
            lambda number=number: ends_open(bed, number),  # type: ignore[misc]
        )
        yield (
            f"{number.name} five times at the end",
            lambda number=number, code=code: struck(  # type: ignore[misc]
                bed, RUN + " --hold '1 h'", number, (3.0, 4.0, 4.2, 4.4, 4.6), (code, 4)
            ),
        )


def spread(ended: tuple[int, str, str], wanted: int) -> tuple[int, int, str, str]:
    """For `check`."""
    return ended[0], wanted, ended[1], ended[2]


def one_sentence(ended: tuple[int, str, str]) -> None:
    """Exit code 2, one line, one object."""
    code, out, err = ended
    check(code, 2, out, err)
    if len(err.splitlines()) != 1 or json.loads(out)["error"]["code"] != "MISSING_PACKAGE":
        raise Failed(err + out)


def stopped_venue(bed: RefusalBed, act: Callable[[], None]) -> None:
    """`act`, while the venue is stopped."""
    bed.venue.send_signal(signal.SIGSTOP)
    try:
        act()
    finally:
        bed.venue.send_signal(signal.SIGCONT)


def ends_open(bed: RefusalBed, number: int) -> None:
    """A run that has entered, at a venue that then stops: the summary that says so cannot be written."""
    own = RefusalBed(bed.folder / f"own-{number}")
    try:
        with open("/dev/full", "wb", buffering=0) as full:
            process = own.holding("--json", stdout=full, stderr=full)
            own.wait_until_held()
            own.venue.send_signal(signal.SIGSTOP)
            for _ in range(2):
                process.send_signal(number)
                time.sleep(1.0)
            check(process.wait(timeout=60), 4, "", "")
    finally:
        own.close()


def struck(
    bed: RefusalBed, line: str, number: int, after_s: tuple[float, ...], wanted: tuple[int, ...]
) -> None:
    """A command that is sent a signal at each of these moments. -N is right only while Python itself has
    not begun with us.
    """
    command = [
        "bash",
        "-c",
        "exec "
        + " ".join([sys.executable, "supervisor.py", line.format(url=bed.url, logs=bed.logs, work=bed.work)]),
    ]
    began = time.monotonic()
    from tests.refusals.bed import ROOT

    process = subprocess.Popen(
        command, cwd=ROOT, env=bed.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    for moment in after_s:
        time.sleep(max(0.0, began + moment - time.monotonic()))
        process.send_signal(number)
    out, err = process.communicate(timeout=90)
    codes = wanted if after_s[0] < 0.3 else tuple(code for code in wanted if code >= 0)
    # Python's own start, in which nothing of ours can catch a signal: its imports, and the file that is
    # opened but not begun ("line 0").
    before_us = after_s[0] < 0.3 and any(
        words in err for words in ("import site", "<frozen site>", 'supervisor.py", line 0')
    )
    check(
        process.returncode,
        (*codes, 1) if before_us else codes,
        "" if before_us else out,
        "" if before_us else err,
    )


def main() -> int:
    """All cases, one after the other."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", metavar="WORDS", help="cases with these words in their name")
    only, failed, count, began = parser.parse_args().only, [], 0, time.monotonic()
    # Under nohup a process is born deaf to SIGHUP, until it installs its own handler: not what is tried here.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    for state, cases in (("open", with_a_pair_open), ("flat", with_nothing_open)):
        with tempfile.TemporaryDirectory(prefix="refusals-") as folder:
            # each with a venue of its own: what one of them holds is nobody's for the other
            bed = RefusalBed(Path(folder))
            try:
                if state == "open":
                    bed.leave_open()
                for name, case in cases(bed):
                    if only not in f"{state}: {name}":
                        continue
                    bed.again()
                    count += 1
                    try:
                        case()
                        print(f"ok      {state}: {name}", flush=True)
                    except (
                        Failed,
                        AssertionError,
                        subprocess.TimeoutExpired,
                        ValueError,
                        KeyError,
                        IndexError,
                    ) as error:
                        failed.append(f"{state}: {name}")
                        print(f"FAILED  {state}: {name}: {type(error).__name__} {error}", flush=True)
            finally:
                bed.close()
    print(
        f"{count} cases, {len(failed)} failed, {time.monotonic() - began:.0f} s on Python"
        f" {sys.version.split()[0]}"
    )
    return 1 if failed or not count else 0


if __name__ == "__main__":
    sys.exit(main())
