"""Two bindings of libsecp256k1, signing the same digests in turns in one process: the ratio does not depend
on the machine's mood.

python benches/secp256k1.py [rounds]
"""

import random
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import coincurve
from btclib_secp256k1 import recovery

from venue.nado import secp256k1

KEY = b"\x11" * 32


def main(rounds: int) -> None:
    held = coincurve.PrivateKey(KEY)
    ways: dict[str, Callable[[bytes], bytes]] = {
        "coincurve": lambda digest: held.sign_recoverable(digest, hasher=None),
        f"ours, through {secp256k1.BINDING}": lambda digest: secp256k1.sign(KEY, digest),
        "btclib-secp256k1 with its check": lambda digest: recovery.sign(digest, KEY)[0],
    }
    random_ = random.Random(1)  # noqa: S311 - digests to sign, not secrets
    times: dict[str, list[int]] = {name: [] for name in ways}
    for _ in range(rounds):
        digest, made = random_.randbytes(32), set()
        for name, sign in ways.items():
            before = time.perf_counter_ns()
            signature = sign(digest)
            times[name].append(time.perf_counter_ns() - before)
            made.add(signature[:64])
        assert len(made) == 1
    for name, taken in times.items():
        print(f"{name}: {statistics.median(taken) / 1000:.1f} us a signature (median of {rounds}, in turns)")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5000)
