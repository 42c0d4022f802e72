"""Which part of the way from a fill to its hedge takes how long, at the seams of `benches/tick/seams.py`."""

from collections.abc import Sequence

from benches.hedge.reading import Hedge
from benches.tick.hops import HOPS, Call, decided_and_sent, first

SHARED = "check0"
"""From here on a hedge goes the way of any plan."""
HEDGE_HOPS = (
    ("bytes to message: wake, WebSocket, inflate", "received", "decode0"),
    ("decode", "decode0", "decode1"),
    ("by the account to the ledger", "decode1", "fold0"),
    ("fold", "fold0", "fold1"),
    ("commit", "fold1", "commit1"),
    ("tell what is held, wake sizing", "commit1", "decide0"),
    ("decide: look, size, plan", "decide0", "decide1"),
    ("post, wake the supervisor", "decide1", "check0"),
    *HOPS[[begin for _, begin, _ in HOPS].index(SHARED) :],
)


def boundaries(hedge: Hedge, calls: Sequence[Call]) -> dict[str, int]:
    """The time of each boundary of one hedge. Raises `Unfollowed`."""
    within = [call for call in calls if hedge.began_ns <= call.began <= hedge.ended_ns]
    decode = first(within, "decode", hedge.began_ns)
    fold = first(within, "fold", decode.ended)
    commit = first(within, "commit", fold.ended)
    return {
        "received": hedge.received_ns,
        "decode0": decode.began,
        "decode1": decode.ended,
        "fold0": fold.began,
        "fold1": fold.ended,
        "commit1": commit.ended,
        **decided_and_sent(within, commit.ended, hedge.ended_ns),
    }
