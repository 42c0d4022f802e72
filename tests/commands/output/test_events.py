"""Every event as a line of JSON: what is declared is what is written and what was announced; who does not
read loses lines, is told how many, and holds nobody.
"""

import copy
import json
import os
import select
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import msgspec
import pytest

from commands.output import event_feed
from commands.output.event_feed import READERS_MAX, EventFeed
from commands.output.events import BeginEvent, FillEvent, SealedEvent
from commands.output.published import KINDS, PUBLISHED, schema
from commands.output.words import iso_micros
from commands.run.logfile import _WORDS
from messages.lifecycle import Note, Restarted
from messages.units import Ns
from tests.actors.fakes import held
from tests.commands.output.event_samples import AT, MESSAGES, sample_lines
from tests.commands.output.events_page import PAGE, RECORD, events_page, incompatible, recorded
from tests.patience import slack

SOON_S = 5.0


# -- what is declared ----------------------------------------------------------------------------------------


def test_every_kind_has_a_sample_and_every_sample_is_what_its_kind_declares() -> None:
    assert {type(message) for message in MESSAGES} == set(PUBLISHED)
    union: Any = KINDS[0]
    for kind in KINDS[1:]:
        union = union | kind
    for line in sample_lines():
        written = msgspec.json.encode(line)
        assert b"\n" not in written
        assert msgspec.json.decode(written, type=union) == line


def test_all_that_the_log_has_words_for_is_an_event() -> None:
    """`Restarted` is the ledger's row of it: nobody hears it but the ledger."""
    assert set(_WORDS) - set(PUBLISHED) == {Restarted}


def test_amounts_are_exact_decimals_and_times_have_their_zone() -> None:
    sealed = next(line for line in sample_lines() if isinstance(line, SealedEvent))
    assert (sealed.plan, sealed.eth.amount, sealed.sol.amount, sealed.sol.limit) == (
        "2.7",
        "-0.357",
        "8.5",
        "115.86",
    )
    fill = next(line for line in sample_lines() if isinstance(line, FillEvent))
    assert (fill.amount, fill.price, fill.fee_usd, fill.remaining) == ("-0.357", "2757.9", "0.34", "0")
    assert (fill.at, fill.traded_at) == ("2026-09-21T14:13:20.000000Z", "2026-09-21T14:13:20.041000Z")


# -- what was announced --------------------------------------------------------------------------------------


def test_the_page_and_the_schema_are_what_comes_of_the_declarations() -> None:
    """A change of a declaration is announced by making them anew, which refuses what would break a script."""
    assert RECORD.read_text(encoding="utf-8") == json.dumps(schema(), indent=1) + "\n", COMMAND
    assert PAGE.read_text(encoding="utf-8") == events_page(), COMMAND


COMMAND = "python -m tests.commands.output.events_page"


def without_a_type(now: dict[str, Any]) -> None:
    del now["$defs"]["FillEvent"]


def without_a_field(now: dict[str, Any]) -> None:
    del now["$defs"]["FillEvent"]["properties"]["fee_usd"]


def as_a_number(now: dict[str, Any]) -> None:
    now["$defs"]["FillEvent"]["properties"]["fee_usd"] = {"type": "number"}


def sometimes_absent(now: dict[str, Any]) -> None:
    now["$defs"]["FillEvent"]["required"].remove("fee_usd")


def under_another_name(now: dict[str, Any]) -> None:
    now["$defs"]["FillEvent"]["properties"]["event"]["enum"] = ["trade"]


def inside_a_leg(now: dict[str, Any]) -> None:
    now["$defs"]["OrderLine"]["properties"]["amount"] = {"type": "integer"}


def with_a_word_less(now: dict[str, Any]) -> None:
    now["$defs"]["NoteEvent"]["properties"]["level"]["enum"].remove("debug")


@pytest.mark.parametrize(
    "change",
    [
        without_a_type,
        without_a_field,
        as_a_number,
        sometimes_absent,
        under_another_name,
        inside_a_leg,
        with_a_word_less,
    ],
)
def test_what_would_break_a_script_cannot_be_announced(change: Callable[[dict[str, Any]], None]) -> None:
    now = copy.deepcopy(schema())
    assert incompatible(recorded(), now) == []
    change(now)
    assert len(incompatible(recorded(), now)) == 1


def test_what_is_added_breaks_nothing() -> None:
    now = copy.deepcopy(schema())
    now["$defs"]["NewEvent"] = {"properties": {}, "required": []}
    now["$defs"]["FillEvent"]["properties"]["more"] = {"type": "integer"}
    now["$defs"]["NoteEvent"]["properties"]["level"]["enum"].append("trace")
    assert incompatible(recorded(), now) == []


# -- who reads -----------------------------------------------------------------------------------------------


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Reading end, writing end."""
    ends = os.pipe()
    yield ends
    os.close(ends[0])


def begin(seq: int, at_ns: Ns) -> BeginEvent:
    sample = sample_lines()[0]
    assert isinstance(sample, BeginEvent)
    return msgspec.structs.replace(sample, seq=seq, at=iso_micros(at_ns))


def feed() -> EventFeed:
    return EventFeed(begin, lambda: AT)


def note(number: int) -> Note:
    return Note(AT, "info", "x", f"line {number} " + "x" * 200)


def told(content: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in content.splitlines() if line]


def full(descriptor: int) -> None:
    """As much into the pipe as it takes, so that whoever writes next is held."""
    os.set_blocking(descriptor, False)
    with suppress(BlockingIOError):
        while os.write(descriptor, b"\n" * 4096):
            pass
    os.set_blocking(descriptor, True)


def read_all(descriptor: int, until: bytes) -> bytes:
    read = b""
    while until not in read or not read.endswith(b"\n"):
        ready, _, _ = select.select([descriptor], [], [], SOON_S * slack())
        assert ready, read[-300:]
        read += os.read(descriptor, 65_536)
    return read


def test_a_reader_is_told_whose_events_follow_then_each_in_its_order(pipe: tuple[int, int]) -> None:
    events = feed()
    for message in MESSAGES:
        events(message)
    events(held())  # no event of its own
    reader = events.attach(pipe[1])
    assert reader is not None
    for message in MESSAGES:
        events(message)
    assert reader.finish(SOON_S * slack())
    seen = told(os.read(pipe[0], 1 << 20))
    assert [line["event"] for line in seen[:2]] == ["begin", "note"]
    count = len(MESSAGES)
    assert [line["seq"] for line in seen] == [count, *range(count + 1, 2 * count + 1)]
    assert {line["schema"] for line in seen} == {"evenkeel.event/1"}
    reader.close()


def test_who_does_not_read_loses_the_oldest_is_told_how_many_and_holds_nobody(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_feed, "WAITING_MAX", 30_000)
    full(pipe[1])
    events = feed()
    reader = events.attach(pipe[1])
    assert reader is not None
    # nobody reads: this would never return if it waited
    for number in range(5_000):
        events(note(number))
    assert not reader.finish(0.05)
    seen = told(read_all(pipe[0], b"line 4999 "))
    # each gap is where a line says that it is, and as large
    last, lost = 0, 0
    for line in seen[1:]:
        if line["event"] == "lost":
            lost += line["count"]
            assert line["seq"] == last + line["count"]
        else:
            assert line["seq"] == last + 1
        last = line["seq"]
    assert last == 5_000
    assert 1_000 < lost == 5_000 - sum(line["event"] == "note" for line in seen)
    reader.close()


def test_one_slow_reader_is_no_other_ones_loss(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_feed, "WAITING_MAX", 30_000)
    events, (far, near) = feed(), os.pipe()
    full(near)
    slow, quick = events.attach(near), events.attach(pipe[1])
    assert slow is not None
    assert quick is not None
    seen = []
    for number in range(3_000):
        events(note(number))
        assert quick.finish(SOON_S * slack())
        if number % 50 == 0:
            seen += told(os.read(pipe[0], 1 << 20))
    seen += told(os.read(pipe[0], 1 << 20))
    assert [line["seq"] for line in seen[1:]] == list(range(1, 3_001))
    for reader in (slow, quick):
        reader.close()
    os.close(far)


def test_a_reader_that_has_gone_is_forgotten_with_its_thread_and_its_place(pipe: tuple[int, int]) -> None:
    events = feed()
    for _ in range(3 * READERS_MAX):
        far, near = os.pipe()
        reader = events.attach(near)
        assert reader is not None
        os.close(far)
        while not reader.gone:
            events(note(1))
        reader.close()
    last = events.attach(pipe[1])
    assert last is not None
    last.close()
    for thread in threading.enumerate():
        if thread.name.startswith("writes events to"):
            thread.join(SOON_S * slack())
            assert not thread.is_alive()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(near)


def test_there_are_only_so_many_readers() -> None:
    events, ends = feed(), [os.pipe() for _ in range(READERS_MAX + 1)]
    readers = [events.attach(near) for _, near in ends]
    assert [reader is None for reader in readers] == [False] * READERS_MAX + [True]
    for reader in readers:
        if reader is not None:
            reader.close()
    for far, _ in ends:
        os.close(far)
    os.close(ends[-1][1])


def test_without_a_reader_nothing_is_made_or_kept() -> None:
    events, asked = EventFeed(begin, lambda: pytest.fail("nobody reads")), 0
    for message in MESSAGES:
        events(message)
        asked += 1
    assert asked == len(MESSAGES)
