"""The venue's rate limits and our mirror of them, over a whole run: what the simulated venue counts is
never more than what we think we have used.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from messages.lifecycle import Note
from messages.settings import Settings
from messages.units import Ms
from tests.machine.bench import Bench, bench
from venue.nado.weights import ARCHIVE, EXECUTES, QUERIES, archive_weight, query_weight
from venue.simulated.payloads import rate_limits as limits

Taken = list[tuple[float, str, int, bool]]
"""Trio's time, budget, weight, allowed: as the venue saw it."""


def watched(ready: Bench) -> Taken:
    """Every weight that the venue takes from now on."""
    taken: Taken = []
    take: Callable[[limits.Budget, str, int, float], bool] = ready.venue.admission.limiter.take

    def watch(budget: limits.Budget, key: str, weight: int, now_s: float) -> bool:
        allowed = take(budget, key, weight, now_s)
        taken.append((now_s, budget, weight, allowed))
        return allowed

    ready.venue.admission.limiter.take = watch  # type: ignore[method-assign]
    return taken


async def test_at_the_default_pace_no_entry_waits_for_the_rate_limit_and_the_mirror_shows_no_less_than_the_venue(  # noqa: E501
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """A motionless market: the books are proven by snapshots all the time, which is the most that is ever
    asked.
    """
    async with bench(tmp_path, Settings(cycles=6)) as ready:
        taken = watched(ready)
        ending = await ready.run(within_s=60)
        now_ms = int(trio.current_time() * 1000)
        mirror = ready.world.venue._weights  # type: ignore[attr-defined]
        seen = {
            name: sum(weight for _, budget, weight, _ in taken if budget == name)
            for name in ("query", "execute", "archive")
        }
        known = {"query": mirror.queries, "execute": mirror.executes, "archive": mirror.archive}
        assert all(known[name].spent(60_000, now_ms) >= seen[name] > 0 for name in seen), seen
    assert (ending.by, ready.totals().completed) == ("done", 6)
    assert all(allowed for *_, allowed in taken)
    assert not [said.text for said in ready.said if isinstance(said, Note) and "rate limit" in said.text]


async def test_cycles_too_fast_for_the_rate_limit_wait_and_the_venue_never_has_to_refuse(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """Lesson O12: what is left after an entry always closes it."""
    async with bench(tmp_path, Settings(cycles=20, hold=Ms(1), pause=Ms(0))) as ready:
        taken = watched(ready)
        ending = await ready.run(within_s=600)
    assert (ending.by, ready.totals().completed, ready.totals().failed) == ("done", 20, 0)
    assert all(allowed for *_, allowed in taken)
    assert [said.text for said in ready.said if isinstance(said, Note) and "rate limit" in said.text]


@pytest.mark.parametrize(
    "question",
    [
        *(
            {"type": kind}
            for kind in (
                "status",
                "contracts",
                "market_liquidity",
                "symbols",
                "all_products",
                "fee_rates",
                "linked_signer",
            )
        ),
        *({"type": kind} for kind in ("subaccount_info", "isolated_positions", "nonces", "max_order_size")),
        {"type": "orders", "product_ids": [4, 8]},
        {"type": "subaccount_info", "txns": "[]"},
        {"type": "subaccount_info", "txns": "[]", "pre_state": "true"},
    ],
)
def test_a_question_weighs_the_same_on_both_sides(question: dict[str, object]) -> None:
    assert query_weight(question) == limits.query_weight(question)


def test_our_archive_weights_and_windows_are_no_smaller_than_the_venues() -> None:
    for limit in range(1, 500):
        for name in ("orders", "matches"):
            assert archive_weight({name: {"subaccounts": ["0x"], "limit": limit}}) >= limits.archive_weight(
                name, limit, 1
            )
    assert tuple(allowed for _, allowed in QUERIES) == limits.LIMITS["query"]
    assert tuple(allowed for _, allowed in EXECUTES) == limits.LIMITS["execute"]
    assert ARCHIVE[-1][1] == limits.LIMITS["archive"][1]
