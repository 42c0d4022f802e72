"""The real `supervisor.py` of a checkout, in this process, with a tap on its sockets.

    python benches/tick/client.py CHECKOUT TAP [--seams FILE] [--waits FILE] [--first-quote FILE] -- run ...

`CHECKOUT` may be an older one: nothing of its code is named here, except the two tables of the exchange's
rate limits, whose numbers are raised (the question is still asked and computed). `--seams` times
the public functions of `seams.py` as well, which only this checkout has; `--waits` and `--first-quote`:
`waits.py`.
"""

import runpy
import sys
from pathlib import Path

HERE = sys.path.pop(0)  # a folder beside this file would hide a package of the checkout
sys.path.insert(0, HERE)
import tap  # noqa: E402 - found beside this file

sys.path.pop(0)


def main() -> None:
    own, words = sys.argv[1 : sys.argv.index("--")], sys.argv[sys.argv.index("--") + 1 :]
    checkout, calls = Path(own[0]), Path(own[1])
    sys.path.insert(0, str(checkout))
    tap.install(calls)
    _raise_rate_limits()
    sys.path.insert(0, HERE)
    # trio must not be imported before the tap is installed
    if "--seams" in own:
        import seams  # noqa: PLC0415

        seams.install(Path(own[own.index("--seams") + 1]))
    if "--waits" in own or "--first-quote" in own:
        import waits  # noqa: PLC0415

        for word, begin in (("--waits", waits.install), ("--first-quote", waits.first_quote)):
            if word in own:
                begin(Path(own[own.index(word) + 1]))
    sys.path.remove(HERE)
    sys.argv = [str(checkout / "supervisor.py"), *words]
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as ended:
        tap.os._exit(ended.code if isinstance(ended.code, int) else 1)


def _raise_rate_limits() -> None:
    """Nado allows 600 orders a minute; an entry and an exit every 480 ms with the reserve for closing are
    more.
    """
    from venue.nado import weights  # noqa: PLC0415 - trio must not be imported before the tap is installed

    plenty = ((10_000, 10**9), (60_000, 10**9))
    for name in ("EXECUTES", "QUERIES", "ARCHIVE"):
        if not hasattr(weights, name):
            raise SystemExit(
                f"venue/nado/weights.py has no {name}: its rate limits would stop the bench; say in"
                " benches/tick/client.py what they are called now"
            )
        setattr(weights, name, plenty)


main()
