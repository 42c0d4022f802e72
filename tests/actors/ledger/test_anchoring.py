"""What outlives a ledger that is lost: written before a vote that can open a pair is spoken, taken back by
the venue's word alone.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.ledger.anchoring import Anchoring
from actors.ledger.store import Store
from messages.lifecycle import LEDGER_GONE, Opened
from messages.sizing import Declined, Ready
from tests.actors.ledger.story import ETH, SOL, Story


class Kept:
    """Where it is kept, and what was said by then."""

    def __init__(self) -> None:
        self.words: list[tuple[str, bool, int, int]] = []
        self.broken = False

    def remember(self, last_hash: str, may_be_open: bool, at_ms: int, until_ms: int) -> None:
        if self.broken:
            raise OSError(28, "No space left on device")
        self.words.append((last_hash, may_be_open, at_ms, until_ms))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "ledger.sqlite", Opened("evenkeel.ledger/1", "test", 1, "0x"), "normal")
    yield opened
    opened.close()


def test_a_pair_may_be_open_from_before_the_vote_until_the_venue_agrees_that_none_is(store: Store) -> None:
    kept, story = Kept(), Story()
    anchoring = Anchoring(store, kept.remember)
    assert anchoring.begins(story.fold, 5) == ""
    said = story.seal(story.plan("enter", ETH, SOL))
    assert anchoring.before_speaking(story.fold, said, 6) == said
    assert [type(each) for each in said] == [Ready]
    assert story.fold.flight is not None
    window = int(story.fold.flight.plan.recv_time_ms)
    assert kept.words == [(store.last_hash, False, 5, 0), (store.last_hash, True, 6, window)]


def test_a_vote_that_cannot_be_anchored_is_no(store: Store) -> None:
    kept, story = Kept(), Story()
    kept.broken = True
    anchoring = Anchoring(store, kept.remember)
    assert "cannot be written" in anchoring.begins(story.fold, 5)
    (said,) = anchoring.before_speaking(story.fold, story.seal(story.plan("enter", ETH, SOL)), 6)
    assert isinstance(said, Declined)
    assert said.code == "STATE_UNWRITABLE"


def test_what_was_kept_before_stands_until_the_venue_has_agreed(store: Store) -> None:
    """A start over a ledger that says flat, where the state directory says that a pair may be open."""
    kept, story = Kept(), Story(ready=False)
    anchoring = Anchoring(store, kept.remember, may_be_open=True)
    anchoring.begins(story.fold, 5)
    anchoring.before_speaking(story.fold, [], 6)
    assert [word[1] for word in kept.words] == [True]
    story.snapshot()
    anchoring.before_speaking(story.fold, [], 7)
    assert [word[1] for word in kept.words] == [True, False]


def test_a_file_that_is_gone_or_replaced_is_noticed_and_takes_nothing_back(
    store: Store, tmp_path: Path
) -> None:
    kept, story = Kept(), Story()
    anchoring = Anchoring(store, kept.remember, may_be_open=True)
    assert anchoring.gone is None
    (tmp_path / "ledger.sqlite").unlink()
    assert anchoring.gone
    assert anchoring.gone.code == LEDGER_GONE
    anchoring.before_speaking(story.fold, [], 6)
    assert kept.words == []
    Store.open(tmp_path / "ledger.sqlite", Opened("evenkeel.ledger/1", "test", 1, "0x"), "normal").close()
    assert anchoring.gone
    assert anchoring.gone.code == LEDGER_GONE


def test_a_run_whose_venue_dies_with_it_keeps_nothing(store: Store, tmp_path: Path) -> None:
    anchoring = Anchoring(store, None)
    (tmp_path / "ledger.sqlite").unlink()
    assert (anchoring.begins(Story().fold, 5), anchoring.gone) == ("", None)
