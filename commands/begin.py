"""The first and the last thing that `python supervisor.py` does, around everything else.

    signals       counted from here on (`stopping.Stops` tells who can act on them), and none replaces an exit
                  code
    interpreter   one that is too old or too new, and a package that is not installed, are one sentence and
                  exit code 2
    streams       a closed descriptor 0, 1 or 2 is opened to nothing, or the next file (a ledger!) would
                  become standard output; then everything that is printed goes through queues (`streams.py`)
    the command   `cli.main`: its exit code is final
    the end       what was printed has two seconds to be read; then `os._exit`: a failing flush, a signal or a
                  thread that hangs while Python goes down would replace the code, and the code says whether
                  something is open

Standard library only, and written for any Python 3.6 or later: this file must run where nothing else of
Evenkeel can.
"""

import json
import os
import sys
import threading
import traceback
from importlib.util import find_spec
from typing import Any, Dict, List, NoReturn, Optional, Tuple

from commands.output import json_keys
from commands.signals import SO_FAR

OLDEST, NEWEST = (3, 11), (3, 13)
"""The interpreters that the tests run on."""
PACKAGES = {
    "trio": "trio",
    "trio_websocket": "trio-websocket",
    "wsproto": "wsproto",
    "msgspec": "msgspec",
    "btclib_secp256k1": "btclib-secp256k1",
    "Crypto": "pycryptodome",
    "httpx": "httpx",
    "nado_protocol": "nado-protocol",
    "eth_keyfile": "eth-keyfile",
    "hypercorn": "hypercorn",
    "starlette": "starlette",
    "prometheus_client": "prometheus-client",
}
"""What is imported -> what is installed."""
INSTALL = "pip install -c constraints.txt -e ."
INTERNAL, USAGE, OPEN = 1, 2, 4
"""Exit codes; `commands/output/words.py` has all of them, and cannot be imported yet."""
SPEAK_S = 2.0


def main(argv: List[str]) -> NoReturn:
    """Run one command line from beginning to end. Does not return: the process ends with the exit code."""
    SO_FAR.install()
    _fill_descriptors()
    trouble = _trouble()
    if trouble:
        os._exit(_refused(argv, *trouble))
    code = OPEN
    try:
        code = _command(argv)
    except BaseException:  # `cli.main` returns a code whatever happens: this is for what happens to itself
        _speak(
            2, traceback.format_exc() + "Evenkeel failed, and could not determine what is open: run status\n"
        )
    os._exit(code)


def _command(argv: List[str]) -> int:
    try:
        from commands.output import streams

        streams.take_over()
        from commands.cli import main as command_line
    except ImportError as error:
        return _refused(argv, "BROKEN_PACKAGE", "a package cannot be imported: %s" % error, INSTALL)
    code = command_line(argv)
    streams.finish()
    return code


def _fill_descriptors() -> None:
    """Open what is closed of 0, 1 and 2, to nothing: the next file that is opened would get its number,
    and what is printed would go into it.
    """
    try:
        while True:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened > 2:
                os.close(opened)
                break
            os.set_inheritable(opened, True)
    # no /dev/null: then a file may get the number, and `streams` writes to it no more than to any other
    except OSError:
        pass
    for name, descriptor, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
        if getattr(sys, name) is None:
            try:
                setattr(sys, name, open(descriptor, mode, closefd=False))  # noqa: SIM115 - for as long as the process lives
            except OSError:
                pass


def _trouble() -> Optional[Tuple[str, str, str]]:
    """Why Evenkeel cannot run here: code, message and cure."""
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        message = "Evenkeel needs Python 3.11, 3.12 or 3.13, and this is %d.%d.%d" % sys.version_info[:3]
        return "WRONG_PYTHON", message, "python3.12 -m venv venv, then in it " + INSTALL
    missing = [name for module, name in sorted(PACKAGES.items()) if find_spec(module) is None]
    if not missing:
        return None
    verb = "is" if len(missing) == 1 else "are"
    return "MISSING_PACKAGE", "%s %s not installed" % (", ".join(missing), verb), INSTALL


def _refused(argv: List[str], code: str, message: str, cure: str) -> int:
    """Evenkeel cannot run here: one sentence, and the object where one was promised."""
    _speak(2, "%s · nothing was started · %s\n" % (message, cure))
    if "--json" in argv or "--events" in argv:
        command = argv[0] if argv and not argv[0].startswith("-") else "run"
        told: Dict[str, Any] = dict.fromkeys(json_keys.keys_of(command))
        error = {"code": code, "key": None, "message": message, "cure": cure}
        told.update(
            schema=json_keys.schema_of(command), ok=False, exit_code=USAGE, ended_by="error", error=error
        )
        _speak(1, json.dumps(told, separators=(",", ":")) + "\n")
    return USAGE


def _speak(descriptor: int, text: str) -> None:
    """Straight to the descriptor, in a thread: whoever does not read cannot hold us."""

    def write() -> None:
        try:
            encoding = getattr(sys.stderr, "encoding", None) or "utf-8"
            os.write(descriptor, text.encode(encoding, "replace"))
        except OSError:
            pass

    speaker = threading.Thread(target=write)
    speaker.daemon = True
    speaker.start()
    speaker.join(SPEAK_S)
