"""The hops of an entry add up to it, and a function that has moved is named."""

import importlib
from pathlib import Path
from typing import Any

import pytest

from benches.before import HOPS_US
from benches.hedge.hops import HEDGE_HOPS, boundaries
from benches.hedge.reading import Hedge
from benches.tick.hops import HOPS, followed, hop_times
from benches.tick.reading import Entry

TICK = Path(__file__).resolve().parents[2] / "benches" / "tick"
CALLS = [
    ("decode", 20, 30),
    ("apply", 35, 40),
    ("publish", 41, 50),
    ("step", 55, 80),
    ("decide", 60, 70),
    ("observe", 71, 72),
    ("check", 75, 80),
    ("tell", 90, 91),
    ("vote", 100, 120),
    ("wait", 121, 121),
    ("ledger vote", 125, 130),
    ("commit", 131, 140),
    ("vote", 150, 170),
    ("tell", 180, 181),
    ("place", 190, 195),
    ("place", 200, 205),
    ("decide", 500, 510),
]


@pytest.fixture
def seams(monkeypatch: pytest.MonkeyPatch) -> Any:
    """As the client finds it, beside itself."""
    monkeypatch.syspath_prepend(str(TICK))
    return importlib.import_module("seams")


def noted(*left_out: str) -> list[tuple[str, int, int]]:
    return [(name, began * 1000, ended * 1000) for name, began, ended in CALLS if name not in left_out]


def test_the_hops_add_up_to_the_whole() -> None:
    entry = Entry(10_000, 250_000, 260_000)
    times = hop_times([entry], noted())
    assert times.unfollowed == []
    assert sum(values[0] for values in times.hops.values()) == entry.tick_us == 250
    assert times.hops["three votes, the intent committed"] == [70]
    assert times.parts["of the votes: eth_leg, sol_leg (two)"] == [40]
    assert times.parts["of the votes: commit of the intent"] == [9]
    assert times.counts == {"task steps": [1], "event loop turns": [1], "observer calls": [1]}


@pytest.mark.parametrize("name", ["decode", "apply", "publish", "decide", "check", "vote", "place"])
def test_an_entry_whose_calls_are_not_there_is_left_out_with_a_reason(name: str) -> None:
    out = {name, "ledger vote", "commit"} if name == "vote" else {name}
    times = hop_times([Entry(10_000, 250_000, 260_000)], noted(*out))
    assert name in times.unfollowed[0]
    assert set(map(len, times.hops.values())) == {0}


HEDGE_CALLS = [
    ("decode", 5, 6),
    ("decode", 20, 30),
    ("fold", 40, 50),
    ("commit", 55, 60),
    *(call for call in CALLS if call[0] not in {"decode", "apply", "publish"}),
]


def test_the_hops_of_a_hedge_add_up_to_it() -> None:
    """A look of sizing before the ledger has spoken, and what came before the fill, are none of them."""
    calls = [(name, began + 10, ended + 10) for name, began, ended in [*HEDGE_CALLS, ("decide", 32, 34)]]
    times = followed(
        [Hedge(5_000, 20_000, 270_000)],
        [(name, began * 1000, ended * 1000) for name, began, ended in calls],
        HEDGE_HOPS,
        boundaries,
    )
    assert times.unfollowed == []
    assert sum(each for values in times.hops.values() for each in values) == 250
    assert times.hops["fold"] == [10]


def test_there_is_a_figure_from_before_for_every_hop() -> None:
    assert len(HOPS) == len(HOPS_US)


def test_every_function_that_is_timed_is_there(seams: Any) -> None:
    for place in seams.SEAMS.values():
        module, _, dotted = place.partition(":")
        owner = importlib.import_module(module)
        for part in dotted.split("."):
            owner = getattr(owner, part)
        assert callable(owner), place


def test_a_function_that_has_moved_ends_the_bench_with_a_sentence(
    seams: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(seams, "SEAMS", {"place": "actors.leg:on_placed"})
    with pytest.raises(SystemExit, match=r"actors\.leg:on_placed, which is not there any more: say in"):
        seams.install(tmp_path / "noted")
