"""Ledgers and state files of earlier versions (`tests/fixtures/README.md`): each is opened, and says
exactly what it said when it was written.
"""

import shutil
from contextlib import closing
from pathlib import Path

import pytest

from actors.instance.state import read_state
from actors.ledger import Fold, Store, folded
from messages.lifecycle import Opened
from messages.units import Base, Quote
from venue.stored_escape import EscapeFile

V1 = Path(__file__).resolve().parent.parent.parent / "fixtures" / "v1"
STORIES = ("held", "in_doubt", "halted", "flat")
ROWS = {"held": 78, "in_doubt": 8, "halted": 35, "flat": 89}
EPOCH = {"held": 4, "in_doubt": 2, "halted": 2, "flat": 2}


@pytest.fixture(params=STORIES)
def story(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def copied(story: str, folder: Path) -> Path:
    """A ledger is never opened where it stands: opening for writing changes the file."""
    return Path(shutil.copyfile(V1 / story / "ledger.sqlite", folder / "ledger.sqlite"))


def identity(ledger: Path) -> Opened:
    with closing(Store.reading(ledger)) as store:
        _, _, opened = next(store.events())
    assert isinstance(opened, Opened)
    return opened


def reopened(ledger: Path) -> Fold:
    fold = folded(ledger)
    fold.reopened()
    return fold


def test_every_row_is_read_the_chain_is_whole_and_the_epoch_is_found(story: str, tmp_path: Path) -> None:
    ledger = copied(story, tmp_path)
    with closing(Store.reading(ledger)) as store:
        assert (store.verify(), store.last_epoch()) == (ROWS[story], EPOCH[story])
    with closing(Store.open(ledger, identity(ledger), "normal")) as store:
        assert (store.verify(), store.last_epoch()) == (ROWS[story], EPOCH[story])


def test_a_pair_that_is_held_is_still_held(tmp_path: Path) -> None:
    fold = reopened(copied("held", tmp_path))
    held = fold.held(4)
    assert (held.phase, held.eth.amount, held.sol.amount) == ("open", Base.of("0.357"), Base.of("-8.5"))
    assert (held.cycle, held.direction, held.seq, held.doubts, held.last_purpose) == (
        3,
        "long-eth",
        5,
        (),
        "enter",
    )
    assert (held.record.cycles, held.record.failed_in_row, held.record.drawdown) == (
        2,
        0,
        Quote(3748178493785825037),
    )
    assert (held.value, held.day_loss) == (Quote.of("9996.251821506214174963"), Quote(3748178493785825037))
    assert fold.tally.halted == ""


def test_orders_in_doubt_are_still_in_doubt(tmp_path: Path) -> None:
    held = reopened(copied("in_doubt", tmp_path)).held(2)
    assert (held.phase, held.eth.amount, held.sol.amount, held.cycle, held.enters) == (
        "in_flight",
        0,
        0,
        1,
        1,
    )
    assert [(doubt.leg, doubt.order_digest, doubt.amount) for doubt in held.doubts] == [
        ("eth", "0x3acf750294200bffc84aa8b4007dddd29ebedebfd0d666b95eb134689b1a508c", Base.of("0.357")),
        ("sol", "0x2bc3c9b9a7218a2dbf86f00036ea1b0ae3f947a10f50c851877cbd148a714e01", Base.of("-8.5")),
    ]


def test_a_halt_is_still_a_halt(tmp_path: Path) -> None:
    fold = reopened(copied("halted", tmp_path))
    held = fold.held(3)
    assert (held.phase, held.eth.amount, held.sol.amount, held.doubts, held.completed) == (
        "flat",
        0,
        0,
        (),
        1,
    )
    assert fold.tally.halted == "HALTED_BY_HAND"


def test_what_was_flat_is_flat(tmp_path: Path) -> None:
    held = reopened(copied("flat", tmp_path)).held(2)
    assert (held.phase, held.eth.amount, held.sol.amount, held.doubts, held.cycle, held.completed) == (
        "flat",
        0,
        0,
        (),
        3,
        3,
    )
    assert not held.awaiting_proof


def test_the_state_files_say_what_they_said(story: str) -> None:
    saved = read_state(V1 / story / "state.json")
    epoch = {"held": 4, "in_doubt": 2, "halted": 3, "flat": 2}[story]
    halt = ("HALTED_BY_HAND", "for the fixtures") if story == "halted" else ("", "")
    assert (saved.epoch, saved.halt_code, saved.halt_detail) == (epoch, *halt)
    assert saved.venue.startswith("Nado-simulated:simulated-11-")


def test_the_signed_exit_of_the_held_pair_is_read_and_closes_it() -> None:
    stored = EscapeFile(V1 / "held" / "state.escape", durable=False).read()
    assert stored is not None
    assert (stored.plan.eth.amount, stored.plan.sol.amount) == (Base.of("-0.357"), Base.of("8.5"))
    assert len(stored.orders) == 2
    assert EscapeFile(V1 / "flat" / "state.escape", durable=False).read() is None
