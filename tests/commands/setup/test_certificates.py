"""Whoever trades never waits for a certificate: it is made in a thread, and what cannot be written is lost,
counted and said.
"""

import stat
import threading
from pathlib import Path

import msgspec
import pytest

from actors.ledger import CERTIFICATES
from actors.ledger.bookkeeping import ended_figures
from actors.ledger.certificates import CycleFigures
from commands.setup import certificates as module
from commands.setup.certificates import WAITING_MAX, Certificates
from commands.verify.verifying import verified
from messages.lifecycle import CycleEnded
from messages.units import Quote
from tests.actors.ledger.story import Story
from tests.commands.verify.ledgers import eventful, ledger_of
from venue.raw_messages import RawMessages

PATIENCE_S = 20.0


def all_figures(story: Story) -> list[CycleFigures]:
    """Of each cycle of the story, as the ledger hands them over."""
    told: list[CycleFigures] = []
    again = Story(ready=False)
    for at_ns, message in story.rows:
        for consequence in again.fold.apply(message, at_ns):
            if isinstance(consequence, CycleEnded):
                told += ended_figures(again.fold, consequence, at_ns)
    return told


@pytest.fixture
def told() -> Story:
    return eventful()


def test_a_thread_writes_them_for_their_owner_alone_and_keeps_the_newest(tmp_path: Path, told: Story) -> None:
    ledger = ledger_of(tmp_path, told)
    made = Certificates(tmp_path / CERTIFICATES, "Nado-simulated", 2, RawMessages())
    figures = all_figures(told)
    assert [each.ended.cycle for each in figures] == [1, 3, 4]
    for each in figures:
        made.cycle_ended(ledger, each)
    made.close(PATIENCE_S)
    files = sorted((tmp_path / CERTIFICATES).iterdir())
    assert [path.name.partition("-")[2] for path in files] == ["cycle-3.json", "cycle-4.json"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert (made.lost, made.troubles()) == (0, [])
    assert verified(tmp_path).certificates == 2


def test_with_none_to_keep_none_is_made(tmp_path: Path, told: Story) -> None:
    made = Certificates(tmp_path / CERTIFICATES, "Nado-simulated", 0, None, at_once=True)
    made.cycle_ended(tmp_path / "ledger.sqlite", all_figures(told)[0])
    assert not (tmp_path / CERTIFICATES).exists()


def test_what_cannot_be_written_is_lost_counted_and_said_once(tmp_path: Path, told: Story) -> None:
    ledger = ledger_of(tmp_path, told)
    (tmp_path / CERTIFICATES).write_text("a file where the folder should be")
    made = Certificates(tmp_path / CERTIFICATES, "Nado-simulated", 10, None)
    made.cycle_ended(ledger, all_figures(told)[0])
    made.close(PATIENCE_S)
    assert made.lost == 1
    (said,) = made.troubles()
    assert said.startswith("no certificate of cycle 1 (1 lost): ")
    assert "Errno" not in said
    assert said.endswith("; verify --rebuild makes it from the ledger")
    assert made.troubles() == []


def test_while_the_disk_hangs_nobody_waits_and_what_is_too_much_is_lost(
    tmp_path: Path, told: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger, hanging, begun = ledger_of(tmp_path, told), threading.Event(), threading.Event()

    def hangs(path: Path) -> None:
        begun.set()
        hanging.wait(PATIENCE_S)
        path.mkdir(exist_ok=True)

    monkeypatch.setattr(module, "private_folder", hangs)
    made = Certificates(tmp_path / CERTIFICATES, "Nado-simulated", 10, None)
    first, *_ = all_figures(told)
    made.cycle_ended(ledger, first)
    assert begun.wait(PATIENCE_S)
    for _ in range(WAITING_MAX + 2):
        made.cycle_ended(ledger, first)
    assert made.lost == 2
    assert f"{WAITING_MAX} others wait for the disk" in made.troubles()[0]
    made.close(0.0)
    hanging.set()
    made.close(PATIENCE_S)
    assert made.lost == 2


def test_a_cycle_whose_row_is_not_in_the_file_gets_no_certificate(tmp_path: Path, told: Story) -> None:
    ledger = ledger_of(tmp_path, told)
    first, *_ = all_figures(told)
    made = Certificates(tmp_path / CERTIFICATES, "Nado-simulated", 10, None, at_once=True)
    unknown = msgspec.structs.replace(first, ended=CycleEnded(9, "completed", "", Quote(0)))
    made.cycle_ended(ledger, unknown)
    assert made.lost == 1
    assert "the row that ended it is not in the ledger's file" in made.troubles()[0]
