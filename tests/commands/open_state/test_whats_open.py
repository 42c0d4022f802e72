"""What is open: the whole table, ledger x state file x stored escape x other folders x the venue's word;
and the files as real runs left them.
"""

import itertools
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from actors.instance.state import AlreadyRunning, Anchor, RunState, Saved, state_file
from actors.ledger import Store
from actors.ledger.escapes import write_down
from commands.access.venue import SIMULATED, Access
from commands.open_state.decision import OpenAnswer, decide, on_disk
from commands.open_state.evidence import (
    EscapeEvidence,
    Evidence,
    LedgerEvidence,
    LedgerState,
    VenueEvidence,
    _unproven,
)
from commands.open_state.last_reading import settle
from messages.execution import AccountSnapshot, Doubt, Position
from messages.lifecycle import Held, Note, Opened
from messages.units import Base, Ms, Ns, Price, Quote
from runtime.state_file import write_anchor
from tests.actors.fakes import RULES, START_MS, held
from tests.actors.ledger.story import Story
from venue.own_position import WHOLE_POSITION, OwnPosition
from venue.stored_escape import EscapeFile
from venue.throwaway import THROWAWAY_ADDRESS

V1 = Path(__file__).resolve().parent.parent.parent / "fixtures" / "v1"
ETH, SOL = Base.of("0.236"), Base.of("-5")
FLAT = held()
PAIR = held(phase="open", eth=ETH, sol=SOL)
LATER = START_MS + 60_000
"""Venue time of its word: long after every receive window."""
OURS = "0x" + "ab" * 32


def doubt(amount: str = "0.236") -> Doubt:
    return Doubt("eth", 1, 1, OURS, 4, Base.of(amount), Price.of("2760"), Ms(START_MS + 2000), Base(0))


def ledger(state: LedgerState, said: Held | None, **changes: object) -> LedgerEvidence:
    why = "" if state == "good" else f"logs/ledger.sqlite is {state}"
    word = LedgerEvidence(
        state, "logs/ledger.sqlite", why, said, frozenset({OURS}), grounded=True, last_ms=START_MS + 5000
    )
    return msgspec.structs.replace(word, **changes)


LEDGERS: dict[str, LedgerEvidence] = {
    "good, flat": ledger("good", FLAT),
    "good, pair": ledger("good", PAIR),
    "good, doubt": ledger("good", held(phase="in_flight", doubts=(doubt(),))),
    "good, awaits proof": ledger("good", held(awaiting_proof=True)),
    "good, new": ledger("good", FLAT, grounded=False, orders=frozenset()),
    "missing": ledger("missing", None),
    "empty": ledger("empty", None),
    "unreadable": ledger("unreadable", None),
    "broken, flat": ledger("broken", FLAT),
    "broken, pair": ledger("broken", PAIR),
    "older, flat": ledger("older", FLAT),
    "older, pair": ledger("older", PAIR),
    "other, flat": ledger("other", FLAT),
    "other, pair": ledger("other", PAIR),
}
WAS_HERE = Saved(3, "Nado-simulated:7")
STATES: dict[str, Saved] = {
    "none": Saved(),
    "of an earlier version": WAS_HERE,
    "flat": msgspec.structs.replace(
        WAS_HERE, anchor=Anchor("/logs", "7:ab", False, START_MS, START_MS + 2000)
    ),
    "may be open": msgspec.structs.replace(
        WAS_HERE, anchor=Anchor("/logs", "7:ab", True, START_MS, START_MS + 2000)
    ),
}
ESCAPES: dict[str, EscapeEvidence | None] = {
    "none": None,
    "left over": EscapeEvidence(ETH, SOL, START_MS + 4000, START_MS + 94_000),
    "newer than the ledger": EscapeEvidence(ETH, SOL, START_MS + 6000, START_MS + 96_000),
}
ELSEWHERE: dict[str, tuple[LedgerEvidence, ...]] = {
    "none": (),
    "good, pair": (ledger("good", PAIR, path="/srv/a/ledger.sqlite"),),
    "good, flat": (ledger("good", FLAT, path="/srv/a/ledger.sqlite"),),
    "older, pair": (ledger("older", PAIR, path="/srv/a/ledger.sqlite"),),
}


def snapshot(eth: Base, sol: Base, *orders: str, at_ms: int = LATER) -> AccountSnapshot:
    positions = (Position(4, eth, Base(0), Quote(0)), Position(8, sol, Base(0), Quote(0)))
    return AccountSnapshot(Ms(at_ms), True, Quote(0), Quote(0), Quote(0), Quote(0), positions, orders)


VENUES: dict[str, VenueEvidence] = {
    "not asked": VenueEvidence(),
    "silent": VenueEvidence(trouble="the venue did not answer"),
    "zero": VenueEvidence(snapshot(Base(0), Base(0)), RULES),
    "zero, our order rests": VenueEvidence(snapshot(Base(0), Base(0), OURS), RULES),
    "zero, within the window": VenueEvidence(snapshot(Base(0), Base(0), at_ms=START_MS + 1000), RULES),
    "the pair": VenueEvidence(snapshot(ETH, SOL), RULES),
}
CELLS = list(itertools.product(LEDGERS, STATES, ESCAPES, ELSEWHERE, VENUES))


def evidence(cell: tuple[str, str, str, str, str]) -> Evidence:
    of_ledger, of_state, of_escape, of_elsewhere, of_venue = cell
    return Evidence(
        LEDGERS[of_ledger],
        "logs",
        STATES[of_state],
        ESCAPES[of_escape],
        ELSEWHERE[of_elsewhere],
        venue=VENUES[of_venue],
    )


def whole(cell: tuple[str, str, str, str, str]) -> bool:
    """Is there a ledger at all that can be believed?"""
    return cell[0].startswith("good") or cell[3].startswith("good")


def sign_of_a_pair(cell: tuple[str, str, str, str, str]) -> bool:
    """Restated from the design, and not from the code: does anything at all say that a pair may be open?"""
    of_ledger, of_state, of_escape, of_elsewhere, _ = cell
    named_by_a_ledger = (
        "pair" in of_ledger or "doubt" in of_ledger or "proof" in of_ledger or "pair" in of_elsewhere
    )
    left_over = whole(cell) and of_escape == "left over"
    signed = of_escape != "none" and not left_over
    by_state = not whole(cell) and of_state == "may be open"
    been_here = not whole(cell) and of_state == "of an earlier version" and of_ledger in {"missing", "empty"}
    unusable = of_ledger.startswith(("unreadable", "broken"))
    return named_by_a_ledger or signed or by_state or been_here or unusable


@pytest.mark.parametrize("of_venue", VENUES)
def test_flat_is_only_said_where_it_is_confirmed(of_venue: str) -> None:
    wrong = []
    for cell in CELLS:
        if cell[4] != of_venue:
            continue
        answer = decide(evidence(cell))
        if answer.flat != expected_flat(cell):
            wrong.append((cell, answer.kind, answer.words))
    assert not wrong, wrong[:5]


def expected_flat(cell: tuple[str, str, str, str, str]) -> bool:
    of_ledger, of_state, _, _, of_venue = cell
    if of_venue == "silent" or of_ledger == "other, pair":
        return False  # of another account the venue's word on this one says nothing
    if of_venue == "not asked":
        return not sign_of_a_pair(cell)
    if of_venue == "zero":
        return True
    if of_venue == "zero, our order rests":
        return whole(cell) and not knows_the_order(cell)
    if of_venue == "zero, within the window":
        intended = of_state == "may be open" and not whole(cell)
        return not intended and "doubt" not in believed(cell)
    proven = ("good, flat" if cell[0] == "good, awaits proof" else cell[0], *cell[1:])
    # then it is a third party's
    return believed(cell) in {"good, flat", "good, awaits proof"} and not sign_of_a_pair(proven)


def believed(cell: tuple[str, str, str, str, str]) -> str:
    """The ledger whose word decides whose it is: the one that says something is open, else the one that
    was asked about.
    """
    good = [name for name in (cell[0], cell[3]) if name.startswith("good")]
    holding = [name for name in good if "pair" in name or "doubt" in name]
    return (holding or good or [""])[0]


def knows_the_order(cell: tuple[str, str, str, str, str]) -> bool:
    return believed(cell) != "good, new"


@pytest.mark.parametrize("cell", CELLS[:: len(CELLS) // 97], ids=str)
def test_whatever_is_not_flat_says_why_what_to_type_and_is_exit_4(
    cell: tuple[str, str, str, str, str],
) -> None:
    answer = decide(evidence(cell))
    assert answer.exit_code(3) == (3 if answer.flat else 4)
    assert bool(answer.words) == bool(answer.cure) == (not answer.flat)


@pytest.mark.parametrize(
    ("cell", "kind", "words"),
    [
        (
            ("good, pair", "none", "none", "none", "the pair"),
            "open",
            "ETH-PERP 0.236 (651 USD), SOL-PERP -5 (579 USD)",
        ),
        (("good, pair", "none", "none", "none", "not asked"), "open", "ETH-PERP 0.236, SOL-PERP -5"),
        (
            ("missing", "flat", "newer than the ledger", "none", "the pair"),
            "unknown",
            (
                "unknown whose: ETH-PERP 0.236 (651 USD), SOL-PERP -5 (579 USD) · logs/ledger.sqlite is"
                " missing, and the stored escape closes ETH-PERP 0.236, SOL-PERP -5"
            ),
        ),
        (
            ("older, flat", "may be open", "none", "none", "not asked"),
            "unknown",
            (
                "unknown: logs/ledger.sqlite is older, and the state file says that a pair was entered from"
                " /logs"
            ),
        ),
        (
            ("missing", "none", "none", "good, pair", "not asked"),
            "open",
            "ETH-PERP 0.236, SOL-PERP -5, by /srv/a/ledger.sqlite",
        ),
        (
            ("missing", "none", "none", "none", "silent"),
            "unknown",
            "unknown: the venue did not answer; logs/ledger.sqlite is missing",
        ),
        (
            ("other, pair", "none", "none", "none", "zero"),
            "unknown",
            "unknown: logs/ledger.sqlite is other, and by it ETH-PERP 0.236, SOL-PERP -5 is open there",
        ),
        (
            ("good, new", "none", "none", "none", "the pair"),
            "unknown",
            (
                "unknown whose: ETH-PERP 0.236 (651 USD), SOL-PERP -5 (579 USD) · logs/ledger.sqlite has no"
                " record of this position"
            ),
        ),
    ],
)
def test_what_is_said(cell: tuple[str, str, str, str, str], kind: str, words: str) -> None:
    answer = decide(evidence(cell))
    assert (answer.kind, answer.words) == (kind, words)


def unexplained(said: Held, position: tuple[str, str], **changes: object) -> OpenAnswer:
    word = ledger("good", said, **changes)
    return decide(
        Evidence(
            word, "logs", venue=VenueEvidence(snapshot(Base.of(position[0]), Base.of(position[1])), RULES)
        )
    )


def test_a_position_that_contradicts_our_fills_is_open_whoever_it_belongs_to() -> None:
    """A fill booked with the wrong sign once ended as flat, exit 70, with 8.5 SOL short."""
    answer = unexplained(held(phase="uneven", sol=Base.of("8.5")), ("0", "-8.5"))
    assert (answer.kind, answer.sol) == ("open", Base.of("-8.5"))
    assert "by our fills SOL is 8.5, and nobody else was seen to trade" in answer.words


def test_what_a_third_party_was_seen_to_trade_is_theirs() -> None:
    """They bought 3 against our short of 1: what is left over is theirs alone, and no Evenkeel positions
    are open.
    """
    answer = unexplained(
        held(phase="uneven", sol=Base.of("-1")), ("0", "2"), third_party=(0, int(Base.of("3")))
    )
    assert answer.flat


def test_a_position_that_fits_an_order_taken_for_absent_is_open() -> None:
    absent = (OwnPosition(0, int(ETH)), OwnPosition())
    assert unexplained(FLAT, ("0.236", "0"), unproven=absent).kind == "open"
    assert unexplained(FLAT, ("0.1", "0"), unproven=absent).kind == "open"
    assert unexplained(FLAT, ("0.3", "0"), unproven=absent).flat
    assert unexplained(FLAT, ("-0.236", "0"), unproven=absent).flat


def test_what_no_order_of_ours_can_have_left_is_a_third_partys_even_before_the_venue_has_agreed() -> None:
    """All our orders have exact endings; somebody traded while nobody listened."""
    assert unexplained(held(awaiting_proof=True), ("0.2", "-3")).flat
    assert decide(Evidence(ledger("good", held(awaiting_proof=True)), "logs")).kind == "unknown"


def test_a_venue_that_is_gone_with_its_run_holds_nothing_any_more() -> None:
    gone = Evidence(LEDGERS["good, pair"], "logs", child=True)
    assert decide(gone).flat
    assert decide(msgspec.structs.replace(gone, runner=AlreadyRunning(7, "logs"))).kind == "open"


# -- the files, as real runs of an earlier version left them -------------------------------------------------

URL = "http://127.0.0.1:8645"


class Left:
    """What a run left on this machine: a folder with a ledger, and a state directory."""

    def __init__(self, story: str, folder: Path) -> None:
        self.logs, self.states = folder / "logs", folder / "state"
        self.logs.mkdir()
        self.states.mkdir()
        self.ledger = Path(shutil.copyfile(V1 / story / "ledger.sqlite", self.logs / "ledger.sqlite"))
        with closing(Store.reading(self.ledger)) as store:
            opened = store.opened()
        assert isinstance(opened, Opened)
        self.here = Access(SIMULATED, False, URL, None, None, THROWAWAY_ADDRESS, opened.subaccount, None)
        self.state = state_file(self.states, self.here.identity(self.logs))
        for suffix in (".json", ".escape"):
            if (V1 / story / f"state{suffix}").exists():
                shutil.copyfile(V1 / story / f"state{suffix}", self.state.with_suffix(suffix))

    def answer(self, logs: Path | None = None) -> OpenAnswer:
        return on_disk(self.here, logs or self.logs, self.states)


@pytest.mark.parametrize(
    ("story", "kind"), [("held", "open"), ("in_doubt", "open"), ("halted", "flat"), ("flat", "flat")]
)
def test_ledgers_of_earlier_versions_say_what_is_open(story: str, kind: str, tmp_path: Path) -> None:
    assert Left(story, tmp_path).answer().kind == kind


def emptied(left: Left) -> None:
    left.ledger.write_bytes(b"")


def shortened(left: Left) -> None:
    with closing(sqlite3.connect(left.ledger)) as file:
        file.execute("DROP TRIGGER events_are_never_removed")
        file.execute("DELETE FROM events WHERE seq > 2")
        file.commit()


def replaced(left: Left) -> None:
    with closing(Store.reading(left.ledger)) as store:
        opened = store.opened()
    assert opened is not None
    left.ledger.unlink()
    Store.open(left.ledger, opened, "normal").close()


def truncated(left: Left) -> None:
    left.ledger.write_bytes(left.ledger.read_bytes()[:5000])


def garbled(left: Left) -> None:
    left.ledger.write_bytes(b"not a database, " * 400)


def deleted(left: Left) -> None:
    left.ledger.unlink()


def unmounted(left: Left) -> None:
    shutil.rmtree(left.logs)


VANDALS = (emptied, shortened, replaced, truncated, garbled, deleted, unmounted)


@pytest.mark.parametrize("vandal", VANDALS, ids=lambda vandal: str(vandal.__name__))
def test_a_ledger_that_is_gone_beside_a_stored_escape_is_unknown_and_named(
    vandal: object, tmp_path: Path
) -> None:
    """Files of an earlier version: the stored escape alone knows of the pair."""
    left = Left("held", tmp_path)
    vandal(left)  # type: ignore[operator]
    answer = left.answer()
    assert (answer.kind, answer.exit_code(0)) == ("unknown", 4)
    assert str(left.ledger) in answer.words
    assert f"flatten --logs {left.logs} --url {URL}" in answer.cure


@pytest.mark.parametrize("vandal", VANDALS, ids=lambda vandal: str(vandal.__name__))
def test_a_ledger_that_is_gone_is_told_by_the_state_files_word_alone(vandal: object, tmp_path: Path) -> None:
    left = Left("held", tmp_path)
    anchored(left, may_be_open=True)
    left.state.with_suffix(".escape").write_bytes(b"")
    assert left.answer().kind == "open"
    vandal(left)  # type: ignore[operator]
    assert left.answer().kind == "unknown"


def anchored(left: Left, *, may_be_open: bool) -> None:
    with closing(Store.reading(left.ledger)) as store:
        anchor = Anchor(str(left.logs.resolve()), store.last_hash, may_be_open, START_MS)
    left.state.write_bytes(msgspec.json.encode(Saved(4, "Nado-simulated:x")))
    write_anchor(left.state, anchor)


@pytest.mark.parametrize(
    "vandal", [emptied, shortened, replaced, deleted, unmounted], ids=lambda vandal: str(vandal.__name__)
)
def test_a_ledger_that_is_gone_while_nothing_was_open_leaves_nothing_open(
    vandal: object, tmp_path: Path
) -> None:
    """Moving an old ledger away is how a person starts afresh."""
    left = Left("flat", tmp_path)
    anchored(left, may_be_open=False)
    vandal(left)  # type: ignore[operator]
    assert left.answer().kind == "flat"


def test_from_the_wrong_folder_the_right_one_is_named(tmp_path: Path) -> None:
    left = Left("held", tmp_path)
    anchored(left, may_be_open=True)
    answer = left.answer(tmp_path / "elsewhere")
    assert (answer.kind, answer.words) == ("open", f"ETH-PERP 0.357, SOL-PERP -8.5, by {left.ledger}")
    assert answer.cure == f"python supervisor.py flatten --logs {left.logs}"


def test_a_ledger_that_was_moved_with_its_folder_is_the_same_ledger(tmp_path: Path) -> None:
    left = Left("flat", tmp_path)
    anchored(left, may_be_open=True)
    assert left.answer(left.logs.rename(tmp_path / "moved")).kind == "flat"


@pytest.mark.parametrize("lost", [False, True])
def test_a_misspelled_subaccount_beside_a_ledger_in_which_a_pair_is_open_is_not_flat(
    lost: bool, tmp_path: Path
) -> None:
    left = Left("held", tmp_path)
    anchored(left, may_be_open=True)
    if lost:
        left.ledger.unlink()
    misspelled = msgspec.structs.replace(left.here, sender=left.here.sender[:-2] + "01")
    answer = on_disk(misspelled, left.logs, left.states)
    assert (answer.kind, answer.exit_code(3)) == ("unknown", 4)


def test_who_does_not_know_the_account_still_learns_what_the_folder_knows(tmp_path: Path) -> None:
    left = Left("held", tmp_path)
    assert on_disk(None, left.logs, left.states).kind == "open"
    anchored(left, may_be_open=True)
    left.ledger.unlink()
    assert on_disk(None, left.logs, left.states).kind == "unknown"


def test_a_folder_in_which_nothing_ever_ran_leaves_nothing_open(tmp_path: Path) -> None:
    left = Left("held", tmp_path)
    assert on_disk(
        msgspec.structs.replace(left.here, gateway="http://127.0.0.1:1"), tmp_path / "new", tmp_path / "none"
    ).flat
    assert on_disk(None, tmp_path / "new", tmp_path / "none").flat


def test_a_run_with_a_venue_of_its_own_in_a_folder_in_which_another_left_a_pair_is_not_flat(
    tmp_path: Path,
) -> None:
    """Its write-ahead log alone was deleted: what is left of the ledger does not say where its venue was."""
    left = Left("held", tmp_path)
    anchored(left, may_be_open=True)
    deleted(left)
    child = msgspec.structs.replace(left.here, gateway="")
    assert on_disk(child, left.logs, left.states).kind == "unknown"


def test_what_a_guard_wrote_beside_the_ledger_is_later_than_the_escape_it_used(tmp_path: Path) -> None:
    """The pair was closed by a guard that only read the ledger: its rows wait beside it, and the stored
    escape is a leftover.
    """
    left = Left("flat", tmp_path)
    shutil.copyfile(V1 / "held" / "state.escape", left.state.with_suffix(".escape"))
    signed = EscapeFile(left.state.with_suffix(".escape"), durable=False).read()
    assert signed is not None
    later_ns = int(signed.plan.decided_ms + 1) * 1_000_000
    with closing(sqlite3.connect(left.ledger)) as file:
        last_ns = file.execute("SELECT max(at_ns) FROM events").fetchone()[0]
    assert left.answer().kind == ("unknown" if last_ns < later_ns else "flat")
    write_down(
        left.logs / "escape-20260101T000000Z.jsonl",
        [(max(later_ns, last_ns), Note(Ns(0), "info", "guard", "closed"))],
    )
    assert left.answer().kind == "flat"


@pytest.mark.parametrize(
    "vandal", [*VANDALS, None], ids=lambda vandal: str(getattr(vandal, "__name__", "whole"))
)
def test_once_the_venue_has_confirmed_flat_no_sign_of_the_pair_outlives_it(
    vandal: object, tmp_path: Path
) -> None:
    """Whatever the ledger has become: a sign that nobody can take away would be exit 4 for ever."""
    left = Left("flat", tmp_path)
    anchored(left, may_be_open=True)
    shutil.copyfile(V1 / "held" / "state.escape", left.state.with_suffix(".escape"))
    if vandal:
        vandal(left)  # type: ignore[operator]
    state = RunState(left.states, left.here.identity(left.logs), str(left.logs))
    settle(state, left.ledger, START_MS)
    state.close()
    left.logs.mkdir(exist_ok=True)
    answer = left.answer()
    assert answer.flat or "cannot be read" in answer.words or "row" in answer.words
    assert "escape" not in answer.words
    assert "state file" not in answer.words


def test_an_order_whose_fill_did_not_fit_could_be_behind_any_position_of_its_leg(tmp_path: Path) -> None:
    """The exchange told a fill with the wrong sign: whatever stands in that product then is open, and the
    other leg's is not.
    """
    story = Story()
    story.placed("enter", "0.042", "-1")
    story.tell(msgspec.structs.replace(story.a_fill("sol", "-1"), amount=Base.of("1")))
    assert story.fold.suspects
    assert [_unproven(story.fold, leg) for leg in ("eth", "sol")] == [OwnPosition(), WHOLE_POSITION]  # type: ignore[arg-type]
