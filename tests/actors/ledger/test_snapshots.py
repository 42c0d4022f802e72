"""A snapshot changes nothing: a fold that went through bytes goes on exactly like one that did not,
wherever it is cut.
"""

import os
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors.ledger import Fold, Store
from actors.ledger.fold import REMEMBERED
from actors.ledger.orders import OurOrder
from actors.ledger.snapshots import FOLD_VERSION, NoSnapshot, fold_in, snapshot_of
from messages.execution import EscapeRound, Fill, Outcome, Resolved
from messages.lifecycle import (
    AccountStream,
    Adopted,
    FoldSnapshot,
    GuardActed,
    HaltCleared,
    Halted,
    Held,
    Restarted,
    Started,
)
from messages.sizing import Leg, Skipped
from messages.units import Base, Ms, Ns, Price, Quote
from messages.wire import decode, encode
from tests.actors.ledger.story import PRICE, PRODUCT, Story

SEED = int(os.environ.get("EVENKEEL_SEED", "9"))
FIXTURES = Path(__file__).resolve().parent.parent.parent / "fixtures" / "v1"
NO_FILES = (-1, -1)
Rows = list[tuple[int, msgspec.Struct]]

FINGERPRINTS = {
    1: "8be6979bfc2154ac",
    2: "e67e40dcda41f840",
    3: "b2fd6991c991f11e",
    4: "ef7a0678836338e8",
    5: "e74d87c0bafb4b1b",
    6: "4d980ddba833b8d0",
    7: "356b2c3911cedc35",
    8: "66cdd39f2a78b670",
    9: "b5cd5935ce5374bd",
    10: "452bc3fcfe665941",
    11: "5f80d700d39f73ff",
}
"""What a snapshot of each fold version holds, by name and type. A change of the fold's fields without a
new version fails a test below.
"""


def through_bytes(fold: Fold) -> tuple[Fold, FoldSnapshot]:
    """As a start does: the snapshot's row read back, thawed, and its own row taken."""
    written = encode(snapshot_of(fold, NO_FILES))
    snapshot = decode(written, FoldSnapshot)
    again = fold_in(snapshot)
    again.apply(snapshot, 0)
    return again, snapshot


def folded_rows(rows: Rows) -> Fold:
    fold = Fold()
    for at_ns, message in rows:
        fold.apply(message, at_ns)
    return fold


def known(fold: Fold) -> Held:
    """Everything that a fold says, but for how many rows it took."""
    held = fold.held(1)
    return msgspec.structs.replace(held, rows=0, totals=msgspec.structs.replace(held.totals, rows=0))


class Chaos:
    """A random life: whole and partial fills, late and doubled ones of orders long past, refusals, doubts,
    escapes, halts, restarts, adoptions.
    """

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.story = Story()
        self.cycle = 0
        self.past: list[Fill] = []

    def lived(self, steps: int) -> Rows:
        acts: list[Callable[[], None]] = [
            self.pair,
            self.pair,
            self.partial,
            self.late,
            self.late,
            self.doubt,
            self.others,
            self.others,
            self.escape,
        ]
        for _ in range(steps):
            self.rng.choice(acts)()
        return self.story.rows

    def fill(self, leg: Leg, part: int = 1) -> None:
        assert self.story.sealed is not None
        whole = self.story.sealed.plan.leg(leg).amount
        piece = self.story.a_fill(
            leg, Base(whole // part).text(), remaining=Base(abs(whole) - abs(whole) // part).text()
        )
        self.past.append(piece)
        self.story.tell(piece)

    def flat(self) -> bool:
        self.story.snapshot()
        return self.story.held.phase == "flat" and not self.story.held.awaiting_proof

    def pair(self) -> None:
        if not self.flat():
            return
        self.cycle = self.story.held.cycle + 1
        if not self.placed("enter", "0.042", "-1", cycle=self.cycle):
            return
        self.fill("eth")
        self.fill("sol")
        self.story.snapshot(value=self.rng.choice(("10000", "9990", "10010")))
        if self.rng.random() < 0.8 and self.story.held.phase == "open":
            self.story.leave(self.cycle)
            self.story.snapshot()

    def placed(self, purpose: Any, eth: str, sol: str, **more: Any) -> bool:
        votes = self.story.seal(self.story.plan(purpose, eth, sol, **more))
        if type(votes[0]).__name__ != "Ready":
            return False
        self.story.place()
        return True

    def partial(self) -> None:
        if self.story.held.phase not in {"open", "uneven"} or self.story.fold.busy:
            return
        eth, sol = (Base(-self.story.fold.position[leg]).text() for leg in ("eth", "sol"))
        if not self.placed("flatten", eth, sol, cycle=self.story.held.cycle):
            return
        assert self.story.sealed is not None
        for leg in ("eth", "sol"):
            if self.story.sealed.plan.leg(leg).amount:  # type: ignore[arg-type]
                self.fill(leg, 2)  # type: ignore[arg-type]
                self.story.resolved(
                    leg,
                    Base(self.story.sealed.plan.leg(leg).amount // 2).text(),
                    provisional=self.rng.random() < 0.3,
                )  # type: ignore[arg-type]

    def late(self) -> None:
        if self.past:
            fill = self.rng.choice(self.past)
            if self.rng.random() < 0.3:
                fill = msgspec.structs.replace(fill, remaining=Base(fill.remaining + 10**15))
            self.story.tell(fill)

    def doubt(self) -> None:
        if self.flat() and self.placed("enter", "0.042", "-1", cycle=self.story.held.cycle + 1):
            for leg in ("eth", "sol"):
                kind = self.rng.choice(("refused", "unknown", "none"))
                self.story.outcome(leg, kind, 2031 if kind == "refused" else None)  # type: ignore[arg-type]
                if kind == "unknown" and self.rng.random() < 0.9:
                    self.story.resolved(leg, "0")  # type: ignore[arg-type]

    def escape(self) -> None:
        held = self.story.held
        if not (held.eth.amount or held.sol.amount):
            return
        number = self.rng.randrange(10**9)
        plan = self.story.plan(
            "flatten", Base(-held.eth.amount).text(), Base(-held.sol.amount).text(), closing=True
        )
        digests = [
            f"0x{number:x}{leg}" if amount else ""
            for leg, amount in (("eth", held.eth.amount), ("sol", held.sol.amount))
        ]
        self.story.tell(EscapeRound(plan, *digests))
        for leg, digest, amount in (
            ("eth", digests[0], held.eth.amount),
            ("sol", digests[1], held.sol.amount),
        ):
            if digest and self.rng.random() < 0.8:
                price = Price.of(PRICE[leg])  # type: ignore[index]
                quote = Quote(abs(price * amount) // 10**18)
                self.story.tell(
                    Resolved(digest, PRODUCT[leg], Base(-amount), quote, Quote(0), False, "archive")
                )  # type: ignore[index]

    def others(self) -> None:
        now_ns = Ns(self.story.now_ms * 1_000_000)
        what: list[msgspec.Struct] = [
            Started(3, now_ns, "http://x", "0xsigner"),
            Restarted("legs", "restarted", Ms(1), self.story.clerk.epoch),
            AccountStream(False, "gone"),
            AccountStream(True, ""),
            Halted("BY_HAND", "x"),
            HaltCleared("BY_HAND", "x", "looked"),
            Skipped(self.story.held.cycle + 1, "THIN", "no depth", None),
            GuardActed(self.story.clerk.epoch, "run", Ms(9)),
            Fill(
                "0xstranger", 4, Base.of("1"), Price.of("1"), Quote(0), Base(0), Base.of("1"), True, 0, now_ns
            ),
            Outcome("eth", 9, 9, "0x", "accepted", None, "", Ms(1), Ms(1)),
        ]
        if not self.story.fold.busy and self.rng.random() < 0.2:
            what = [Adopted(4, 8, Base.of("0.1"), Base.of("-2"), Ms(self.story.now_ms))]
        self.story.tell(self.rng.choice(what))
        self.story.now_ms += self.rng.choice((0, 0, 50_000_000))


def cuts(rows: Rows) -> Iterator[tuple[int, Fold, Fold]]:
    """At every row: the fold that went on as it was, with the same snapshot row taken, and the one that
    came out of the bytes.
    """
    plain = Fold()
    for cut, (at_ns, message) in enumerate(rows):
        plain.apply(message, at_ns)
        again, snapshot = through_bytes(plain)
        refolded = folded_rows(rows[: cut + 1])
        refolded.apply(snapshot, 0)
        yield cut, refolded, again


@pytest.mark.parametrize("seed", range(SEED, SEED + 5))
def test_a_fold_out_of_a_snapshot_goes_on_like_one_that_never_stopped_cut_at_every_row(seed: int) -> None:
    repeat = f"EVENKEEL_SEED={seed} python -m pytest {__file__} -n 0"
    rows = Chaos(random.Random(seed)).lived(14)
    ends = folded_rows(rows)
    for cut, refolded, again in cuts(rows):
        assert known(again) == known(refolded), (cut, repeat)
        for at_ns, message in rows[cut + 1 :]:
            assert refolded.apply(message, at_ns) == again.apply(message, at_ns), (cut, repeat)
        assert known(again) == known(refolded) == known(ends), (cut, repeat)
        assert snapshot_of(again, NO_FILES) == snapshot_of(refolded, NO_FILES), (cut, repeat)


@pytest.mark.parametrize("story", ["held", "in_doubt", "halted", "flat"])
def test_so_does_every_ledger_that_was_ever_written_cut_at_every_row(story: str, tmp_path: Path) -> None:
    ledger = Path(shutil.copyfile(FIXTURES / story / "ledger.sqlite", tmp_path / "ledger.sqlite"))
    with closing(Store.reading(ledger)) as store:
        rows = [(at_ns, message) for _, at_ns, message in store.events()]
    ends = folded_rows(rows)
    for _cut, refolded, again in cuts(rows):
        for at_ns, message in rows[again.rows - 1 :]:
            assert refolded.apply(message, at_ns) == again.apply(message, at_ns)
        assert known(again) == known(refolded) == known(ends)
        assert snapshot_of(again, NO_FILES) == snapshot_of(refolded, NO_FILES)


def test_an_order_that_ended_long_ago_is_small_and_its_late_fill_still_counts_once() -> None:
    story = Story()
    story.placed("enter", "0.042", "-1", cycle=1)
    late = story.a_fill("eth")
    for leg in ("eth", "sol"):
        story.outcome(leg, "refused", 2031)  # type: ignore[arg-type]
    story.snapshot()
    story.enter(1)
    story.snapshot()
    story.leave(1)
    story.snapshot()
    story.enter(2)
    again, snapshot = through_bytes(story.fold)
    small = [order for order in again.orders.values() if not isinstance(order, OurOrder)]
    assert len(small) == 6
    assert all(len(bytes(order)) < 400 for order in small)
    for fold in (story.fold, again):
        before = fold.position["eth"]
        fold.apply(late, 1)
        assert fold.position["eth"] == before + late.amount
        fold.apply(late, 2)
        assert fold.position["eth"] == before + late.amount, "a duplicate"
    assert snapshot.version == FOLD_VERSION


def test_a_remembered_order_takes_about_300_bytes_so_that_all_of_them_are_about_a_megabyte() -> None:
    story = Story()
    for cycle in range(1, 51):
        story.enter(cycle)
        story.snapshot()
        story.leave(cycle)
        story.snapshot()
    size = len(encode(snapshot_of(story.fold, NO_FILES)))
    assert len(story.fold.orders) == 200
    assert size * REMEMBERED // 200 < 1_800_000


@pytest.mark.parametrize("wrong", [b"{}", b"[]", b'{"fields":{"nonsense":1}}', b"null"])
def test_bytes_that_are_no_fold_are_refused_and_so_is_another_version(wrong: bytes) -> None:
    with pytest.raises(NoSnapshot):
        fold_in(FoldSnapshot(FOLD_VERSION, *NO_FILES, msgspec.Raw(wrong)))
    with pytest.raises(NoSnapshot):
        fold_in(msgspec.structs.replace(snapshot_of(Fold(), NO_FILES), version=FOLD_VERSION + 1))


def shape(kind: Any, seen: set[Any]) -> list[Any]:
    """Every field of every struct that can be reached, by name and type."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        if kind in seen:
            return []
        seen.add(kind)
        fields = msgspec.structs.fields(kind)
        own = [kind.__name__, [[field.name, str(field.type)] for field in fields]]
        return [own, *(part for field in fields for part in shape(field.type, seen))]
    return [part for inner in getattr(kind, "__args__", ()) for part in shape(inner, seen)]


def test_whoever_changes_the_fields_of_the_fold_raises_its_version() -> None:
    """A snapshot of older code must not stand in for rows that this code reads differently. The new
    fingerprint belongs to a new `FOLD_VERSION`, unless older rows could not have set the new field (then its
    default is right, and the fingerprint alone is replaced).
    """
    found = blake2b(msgspec.json.encode(shape(Fold, set())), digest_size=8).hexdigest()
    assert FINGERPRINTS[FOLD_VERSION] == found, (
        "raise actors.ledger.snapshots.FOLD_VERSION, then write down the new fingerprint here"
    )


def test_orders_stand_nowhere_but_where_a_snapshot_looks_for_them() -> None:
    """A new field that holds orders would lose that they are shared: it must be added to
    `snapshots._APART`.
    """
    from actors.ledger.snapshots import _APART

    for kind, apart in _APART.items():
        holding = {field.name for field in msgspec.structs.fields(kind) if _holds_orders(field.type)}
        assert holding == set(apart), kind


def _holds_orders(kind: Any) -> bool:
    return (
        "OurOrder" in str(shape(kind, set()))
        or kind is OurOrder
        or any(_holds_orders(inner) for inner in getattr(kind, "__args__", ()))
    )
