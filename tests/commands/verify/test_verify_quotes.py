"""`verify` recomputes what rested: a ledger with quoted cycles holds, line by line, and a forged word about
an order that rested is found.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from actors.ledger import CERTIFICATES
from commands.setup.certificates import Certificates
from commands.verify.certificates import alone
from commands.verify.verifying import verified
from messages.execution import CancelAsked, Resolved
from messages.lifecycle import Restarted
from messages.sizing import PairSettled, Skipped
from messages.units import Base, Ms, Quote
from tests.actors.ledger.story import Story
from tests.actors.ledger.test_working_orders import started
from tests.commands.setup.test_certificates import all_figures
from tests.commands.verify.ledgers import forged, ledger_of
from tests.commands.verify.test_verify import first_wrong
from venue.raw_messages import RawMessages


def quoting() -> Story:
    """Three cycles: filled in pieces and left by a quote that is cancelled, nothing traded and skipped, and
    one that is settled, over a restart.
    """
    story = started()
    story.quote()
    story.outcome("eth", "accepted")
    story.update("eth", "0.042", "placed")
    rest = story.a_fill("eth", "0.022", at_ms=story.now_ms + 9_000)
    story.fill("eth", "0.02", remaining="0.022")
    story.hedge("sol", "-0.4")
    story.fill("sol", price="115.7")
    story.now_ms += 9_000
    story.tell(rest)
    story.hedge("sol", "-0.6")
    story.fill("sol", price="115.6")
    story.snapshot()
    story.quote(opens=False)
    story.fill("eth", "-0.01", remaining="0.032")
    last = story.a_fill("eth", "-0.011", remaining="0.021")
    story.tell(CancelAsked(story.order_digest("eth"), 4, "60 s", Ms(story.now_ms)))
    story.cancel_answer("eth", "0.021")
    story.hedge("sol", "0.2", closing=True)
    story.fill("sol", price="115.9")
    story.tell(last)
    story.placed("exit", "-0.021", "0.8")
    story.fill("eth")
    story.fill("sol", price="116")
    story.snapshot()
    _nobody_traded(story)
    _settled(story)
    return story


def _nobody_traded(story: Story) -> None:
    story.quote(cycle=2)
    story.outcome("eth", "refused", 2008)
    story.quote("0.044", "-1.1", cycle=2)
    story.outcome("eth", "accepted")
    own = story.order_digest("eth")
    story.cancel_answer("eth", None, gone=True)
    story.now_ms += 1_000
    story.tell(Resolved(own, 4, Base(0), Quote(0), Quote(0), False, "engine", by_absence=True))
    story.tell(Skipped(2, "NOT_FILLED", "15 s", None))
    story.now_ms += 20_000
    story.snapshot()


def _settled(story: Story) -> None:
    story.quote("-0.042", "1", cycle=3, leg="sol")
    story.tell(Restarted("sol_leg", "restarted", Ms(0), 2))
    part = story.a_fill("sol", "0.5", remaining="0.5")
    own = story.order_digest("sol")
    story.tell(part)
    story.cancel_answer("sol", "0.5", digest=own)
    story.hedge("eth", "-0.021", cycle=3)
    story.fill("eth")
    story.tell(PairSettled(3, Base.of("-0.021"), Base.of("0.5"), "within 0.1 %"))
    story.snapshot()
    story.leave(3)
    story.snapshot()


@pytest.fixture(scope="module")
def quoted_logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ledger, CSV files and certificates that nobody changes."""
    folder = tmp_path_factory.mktemp("quoted")
    story, raw = quoting(), RawMessages()
    ledger = ledger_of(folder, story)
    made = Certificates(folder / CERTIFICATES, "Nado-simulated", 100, raw, at_once=True)
    for figures in all_figures(story):
        made.cycle_ended(ledger, figures)
    assert made.lost == 0
    return folder


@pytest.fixture
def spoilable(quoted_logs: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "logs"
    shutil.copytree(quoted_logs, folder)
    return folder


def test_a_ledger_with_quoted_cycles_holds_with_its_files_and_certificates(quoted_logs: Path) -> None:
    story = quoting()
    assert story.ended == [(1, "completed"), (2, "skipped"), (3, "completed")]
    found = verified(quoted_logs)
    assert (found.cycles, found.csv_missing, found.unjudged) == (3, 0, 0)
    assert (found.certificates, found.certificates_missing) == (3, 0)
    for path in sorted((quoted_logs / CERTIFICATES).iterdir()):
        said, audit = alone(path)
        assert (said["cycle"], audit.cycles) == (audit.cycle.number, 1)


def test_each_order_that_traded_has_its_line_once(quoted_logs: Path) -> None:
    (trades,) = quoted_logs.glob("*trades.csv")
    modes = [line.split(",")[6] for line in trades.read_text("utf-8").splitlines()[1:]]
    first = ["hedge", "quote", "hedge", "hedge", "quote", "exit", "exit"]
    assert modes == [*first, "", "quote", "hedge", "exit", "exit"]


def _in(kind: str, old: str, new: str, nth: int = 0) -> tuple[str, Callable[[str], str], int]:
    return kind, lambda body: body.replace(old, new), nth


FORGERIES = [
    _in("QuoteEnded", '"filled":"42000000000000000"', '"filled":"41000000000000000"'),
    _in("QuoteEnded", '"leg":"eth"', '"leg":"sol"'),
    _in("QuoteEnded", '"seq":1,', '"seq":2,'),
    _in("CancelAnswer", '"unfilled":"21000000000000000"', '"unfilled":"20000000000000000"'),
    _in("PairSettled", '"sol":"500000000000000000"', '"sol":"400000000000000000"'),
    _in("CancelAnswer", '"gone":true', '"gone":false', 1),
]


@pytest.mark.parametrize(("kind", "change", "nth"), FORGERIES)
def test_a_forged_word_about_an_order_that_rested_is_found(
    spoilable: Path, kind: str, change: Callable[[str], str], nth: int
) -> None:
    shutil.rmtree(spoilable / CERTIFICATES)
    forged(spoilable / "ledger.sqlite", kind, change, nth)
    first_wrong(spoilable)
