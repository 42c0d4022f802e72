"""What a command believes of the venue's word on our account, on virtual time."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import trio

from commands.access.venue import place
from commands.open_state.decision import decide, on_disk
from commands.open_state.evidence import Evidence, LedgerEvidence, VenueEvidence
from commands.open_state.readings import AGAIN_S, settled, venue_said
from commands.run.shutdown import IMPATIENT_S
from messages.execution import AccountSnapshot, Position
from messages.lifecycle import Held
from messages.settings import Settings
from messages.units import Base, Ms, Quote
from tests.actors.fakes import RULES, START_MS, held
from venue.order_consistency import APART_MS, QUIET_MS
from venue.protocol import Unreachable

PAIR = (Base.of("0.042"), Base.of("-1"))
FLAT = (Base(0), Base(0))
HELD = held(phase="open", eth=PAIR[0], sol=PAIR[1])


@dataclass
class Account:
    """`says(seconds)`: what it holds so long after the first question; None = no answer."""

    says: Callable[[float], tuple[Base, Base] | None]
    unread: Callable[[float], tuple[str, ...]] = lambda _s: ()
    asked: list[float] = field(default_factory=list)

    async def __call__(self) -> AccountSnapshot:
        self.asked.append(trio.current_time())
        seconds = self.asked[-1] - self.asked[0]
        amounts = self.says(seconds)
        if amounts is None:
            raise Unreachable("no answer")
        positions = tuple(
            Position(product, amount, Base(0), Quote(0))
            for product, amount in zip((4, 8), amounts, strict=True)
        )
        snapshot = AccountSnapshot(
            Ms(START_MS + round(1000 * seconds)), True, Quote(0), Quote(0), Quote(0), Quote(0), positions, ()
        )
        return msgspec.structs.replace(snapshot, unread=self.unread(seconds))


def files(what: Held) -> Evidence:
    return Evidence(LedgerEvidence("good", "logs/ledger.sqlite", held=what, grounded=True), "logs")


async def test_who_stops_waiting_keeps_what_the_venue_has_said(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """A second Ctrl-C once made "the venue did not answer" of a venue that had."""
    account, waits = Account(lambda _s: FLAT), trio.CancelScope()

    async def stop_waiting() -> None:
        await trio.sleep(1)
        waits.deadline = trio.current_time()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(stop_waiting)
        word = await venue_said(account, RULES, trio.current_time() + 5, files(HELD), waits=waits)
    assert trio.current_time() - account.asked[0] == 1
    assert word.trouble.startswith("the venue has not said for 10 s that nothing is open")


async def test_a_second_signal_leaves_time_for_the_two_readings_that_flat_takes(
    autojump_clock: trio.testing.MockClock,
) -> None:
    account = Account(lambda _s: FLAT)
    word = await venue_said(account, RULES, trio.current_time() + IMPATIENT_S, files(HELD), apart_ms=APART_MS)
    assert word.snapshot is not None


async def test_what_is_open_is_believed_at_once(autojump_clock: trio.testing.MockClock) -> None:
    account = Account(lambda _s: PAIR)
    word = await venue_said(account, RULES, trio.current_time() + 5, files(HELD))
    assert word.snapshot is not None
    assert len(account.asked) == 1


async def test_flat_is_believed_at_once_where_our_fills_say_the_same(
    autojump_clock: trio.testing.MockClock,
) -> None:
    account = Account(lambda _s: FLAT)
    assert (await venue_said(account, RULES, trio.current_time() + 5, files(held()))).snapshot is not None
    assert (
        await venue_said(account, RULES, trio.current_time() + 5, files(HELD), expected_flat=True)
    ).snapshot is not None
    assert len(account.asked) == 2


async def test_flat_against_our_fills_takes_two_readings(autojump_clock: trio.testing.MockClock) -> None:
    """One reading that was older than it looked once made `status`, `flatten` and the end of a run say
    flat.
    """
    account = Account(lambda _s: FLAT)
    word = await venue_said(account, RULES, trio.current_time() + 15, files(HELD))
    assert word.snapshot is not None
    assert QUIET_MS / 1000 <= account.asked[-1] - account.asked[0] <= QUIET_MS / 1000 + AGAIN_S


async def test_a_reading_that_was_older_than_it_looked_is_overtaken(
    autojump_clock: trio.testing.MockClock,
) -> None:
    account = Account(lambda seconds: FLAT if seconds < 6.4 else PAIR)
    word = await venue_said(account, RULES, trio.current_time() + 15, files(HELD))
    assert word.snapshot is not None
    assert word.snapshot.position(4).cross == PAIR[0]


async def test_a_subaccount_that_is_gone_is_no_flat_where_our_fills_hold_a_pair(
    autojump_clock: trio.testing.MockClock,
) -> None:
    gone = Account(lambda _s: FLAT)

    async def account() -> AccountSnapshot:
        return msgspec.structs.replace(await gone(), exists=False)

    word = await venue_said(account, RULES, trio.current_time() + 15, files(HELD))
    answer = decide(msgspec.structs.replace(files(HELD), venue=word))
    assert (answer.kind, answer.eth) == ("unknown", None)
    assert "does not exist; by our fills: ETH" in answer.words
    assert (await venue_said(account, RULES, trio.current_time() + 15, files(held()))).snapshot is not None


async def test_a_venue_that_says_flat_once_and_then_nothing_is_not_believed(
    autojump_clock: trio.testing.MockClock,
) -> None:
    account = Account(lambda seconds: FLAT if seconds < 1 else None)
    word = await venue_said(account, RULES, trio.current_time() + 5, files(HELD))
    assert word.snapshot is None
    assert "did not answer" in word.trouble
    assert len(account.asked) <= 5 / AGAIN_S + 1


async def test_a_part_that_could_not_be_read_is_asked_for_again(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """A run that a guard had closed for ended with "could not be read", exit code 4, because its last
    question came one too many for the venue.
    """
    account = Account(lambda _s: FLAT, lambda seconds: ("isolated_positions",) if seconds < 1.2 else ())
    word = await venue_said(account, RULES, trio.current_time() + 5, files(held()))
    assert word.snapshot is not None
    assert word.snapshot.unread == ()


async def test_one_that_never_can_be_is_told_as_such(autojump_clock: trio.testing.MockClock) -> None:
    account = Account(lambda _s: FLAT, lambda _s: ("isolated_positions",))
    word = await venue_said(account, RULES, trio.current_time() + 5, files(held()))
    assert word.snapshot is not None
    assert word.snapshot.unread == ("isolated_positions",)


async def test_what_is_booked_by_is_what_two_readings_say(autojump_clock: trio.testing.MockClock) -> None:
    account = Account(lambda seconds: FLAT if seconds < 1.4 else PAIR)
    snapshot = await settled(account, RULES, trio.current_time() + 10)
    assert snapshot is not None
    assert snapshot.position(8).cross == PAIR[1]
    assert account.asked[-1] - account.asked[0] >= 1.5 + APART_MS / 1000


async def test_what_never_stands_still_is_not_booked(autojump_clock: trio.testing.MockClock) -> None:
    account = Account(lambda seconds: FLAT if int(seconds / AGAIN_S) % 2 else PAIR)
    assert await settled(account, RULES, trio.current_time() + 10) is None


async def test_a_spoilt_ledger_beside_an_exchange_that_is_flat_is_flat_for_a_refused_start_as_it_is_for_status(  # noqa: E501
    tmp_path: Path,
) -> None:
    """`status` ended with 0 and the next start, which had asked the same exchange, with 4."""
    (tmp_path / "ledger.sqlite").write_bytes(b"no ledger at all, " * 500)
    here, state = place(Settings(), "http://127.0.0.1:1"), tmp_path / "state"
    said = VenueEvidence(await Account(lambda _s: FLAT)(), RULES)
    assert on_disk(here, tmp_path, state).kind == "unknown"
    assert on_disk(here, tmp_path, state, said).kind == "flat"
    said = VenueEvidence(await Account(lambda _s: PAIR)(), RULES)
    assert on_disk(here, tmp_path, state, said).kind == "unknown"
    assert (
        on_disk(here, tmp_path, state, VenueEvidence(rules=RULES, trouble="the venue did not answer")).kind
        == "unknown"
    )
