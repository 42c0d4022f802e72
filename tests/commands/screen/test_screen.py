"""Where the screen goes: in place on a terminal that can, plain lines everywhere else."""

import io
import re
from collections.abc import Callable

import pytest
import trio
from trio.testing import MockClock

from commands.output.words import say
from commands.screen.drawing import draw
from commands.screen.terminal import Doing, fits_a_screen, new_lines, run_screen, size_of
from commands.screen.view import EVENTS_KEPT, RunView
from messages.lifecycle import Note
from messages.units import Ns
from tests.actors.fakes import START_MS, held, quote
from tests.commands.scenes import calm_entry, open_pair, plan, view_of

STARTING = "14:13:20 STARTING: reading the ledger and the account\n"


class Terminal(io.StringIO):
    """A stream that says it is a terminal, and counts how often something was written."""

    writes = 0

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.writes += 1
        return super().write(text)


class Gone(io.StringIO):
    """A pipe whose reader has gone away."""

    def write(self, text: str) -> int:
        raise BrokenPipeError


def note(text: str) -> Note:
    return Note(Ns(START_MS * 10**6), "info", "x", text)


@pytest.mark.parametrize(
    ("stream", "environment", "size", "fits"),
    [
        (Terminal(), {"TERM": "xterm"}, (80, 24), True),
        (Terminal(), {"TERM": "xterm", "NO_COLOR": "1"}, (80, 24), True),
        (Terminal(), {"TERM": "xterm"}, (79, 24), False),
        (Terminal(), {"TERM": "xterm"}, (80, 23), False),
        (Terminal(), {"TERM": "dumb"}, (80, 24), False),
        (Terminal(), {}, (80, 24), False),
        (io.StringIO(), {"TERM": "xterm"}, (80, 24), False),
    ],
)
def test_the_screen_wants_a_terminal_of_80_by_24(
    stream: io.StringIO, environment: dict[str, str], size: tuple[int, int], fits: bool
) -> None:
    assert fits_a_screen(stream, environment, size) is fits


def test_a_stream_without_a_terminal_has_no_size() -> None:
    assert size_of(io.StringIO()) == (0, 0)


def test_plain_lines_are_one_per_event_with_the_time() -> None:
    lines, seen = new_lines(view_of([quote(), held(cycle=3), *calm_entry(plan()), open_pair()]), 0)
    assert len(lines) == seen == 9
    assert all(re.fullmatch(r"\d\d:\d\d:\d\d \S.*", line) for line in lines)
    assert lines[0] == "14:13:20 both books live"
    assert lines[4] == "14:13:20 cycle 4 ETH filled 0.357 at 2757.9"


def test_an_event_is_shown_once() -> None:
    view = view_of([note("one")])
    first, seen = new_lines(view, 0)
    again, _ = new_lines(view, seen)
    view.observe(note("two"))
    second, _ = new_lines(view, seen)
    assert (first, again, second) == (["14:13:20 one"], [], ["14:13:20 two"])


def test_events_that_were_too_many_are_counted() -> None:
    lines, _ = new_lines(view_of(note(str(each)) for each in range(EVENTS_KEPT + 3)), 0)
    assert lines[:2] == ["(3 events not shown, they are in the log)", "14:13:20 3"]


async def shown(
    view: RunView,
    stream: io.StringIO,
    *,
    live: bool,
    during: Callable[[], None] | None = None,
    for_s: float = 1.0,
) -> str:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: run_screen(view, stream, lambda: START_MS, live=live))
        await trio.sleep(for_s)
        if during:
            during()
        nursery.cancel_scope.cancel()
    return stream.getvalue()


async def test_what_happened_before_the_end_is_still_shown(autojump_clock: MockClock) -> None:
    view = view_of([note("first")])
    out = await shown(view, io.StringIO(), live=False, during=lambda: view.observe(note("last words")))
    assert out == f"14:13:20 first\n{STARTING}14:13:20 last words\n"


async def test_plain_lines_say_what_it_is_doing_once_it_lasts_and_again_every_half_minute(
    autojump_clock: MockClock,
) -> None:
    assert await shown(view_of(), io.StringIO(), live=False, for_s=0.4) == ""
    assert await shown(view_of(), io.StringIO(), live=False, for_s=29) == STARTING
    assert await shown(view_of(), io.StringIO(), live=False, for_s=61) == STARTING * 3


def test_a_countdown_is_not_said_again_and_another_reason_is() -> None:
    said = Doing()
    told = [
        said.due(f"WAITING: SPREAD_WIDE SOL 0.49 > 0.40 bps, skips in {5 - turn // 10} s", turn / 10)
        for turn in range(20)
    ]
    told += [said.due("HOLDING: exits in 55 s", turn / 10) for turn in range(20, 40)]
    assert [line for line in told if line] == [
        "WAITING: SPREAD_WIDE SOL 0.49 > 0.40 bps, skips in 5 s",
        "HOLDING: exits in 55 s",
    ]


def test_what_lasts_is_said_again_below_the_events_that_have_followed_it() -> None:
    """Else a run of short cycles said HOLDING once, and never again what it was doing."""
    said, told = Doing(), []
    for turn in range(60):
        if turn in {20, 22, 40}:
            said.overtaken(turn / 10)
        told.append((turn, said.due("HOLDING: exits in 55 s", turn / 10)))
    assert [turn for turn, line in told if line] == [5, 27, 45]


async def test_on_a_narrow_terminal_lines_are_broken_between_words_and_in_a_pipe_not_at_all(
    autojump_clock: MockClock,
) -> None:
    text = (
        "the account has 10,000 USDT0 free and a cycle costs at most 1.50 USD, that is 15.00 bps of each leg,"
        " so that is enough"
    )
    narrow = Terminal()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(
            lambda: run_screen(
                view_of([note(text)]), narrow, lambda: START_MS, live=False, size=lambda: (60, 20)
            )
        )
        await trio.sleep(0.2)
        nursery.cancel_scope.cancel()
    lines = narrow.getvalue().splitlines()
    assert max(len(line) for line in lines) <= 60
    assert " ".join(" ".join(lines).split()) == f"14:13:20 {text}"
    assert all(
        any(measure in line for line in lines) for measure in ("10,000 USDT0", "1.50 USD", "15.00 bps")
    )
    assert await shown(view_of([note(text)]), io.StringIO(), live=False, for_s=0.2) == f"14:13:20 {text}\n"


async def test_the_screen_uses_the_size_that_the_terminal_has_now(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    sizes = iter([(80, 24)] * 3 + [(200, 50)] * 100)
    stream = Terminal()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(
            lambda: run_screen(
                view_of([quote()]),
                stream,
                lambda: START_MS,
                live=True,
                colour=False,
                size=lambda: next(sizes),
            )
        )
        await trio.sleep(2)
        nursery.cancel_scope.cancel()
    rules = set(
        re.findall(
            r"^-+$", re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", stream.getvalue()).replace("\r", "\n"), re.MULTILINE
        )
    )
    assert {len(rule) for rule in rules} == {79, 199}


async def test_a_reader_that_went_away_ends_the_screen_and_nothing_else(autojump_clock: MockClock) -> None:
    await shown(view_of([note("x")]), Gone(), live=False)
    await run_screen(view_of([note("x")]), Gone(), lambda: START_MS, live=False)


async def test_the_screen_is_redrawn_in_place_at_most_four_times_a_second(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    out = await shown(view_of([quote()]), stream, live=True, for_s=2.0)
    pictures = out.count("EVENKEEL   SIMULATED")
    assert 8 <= pictures <= 11
    assert "\x1b[1A" in out
    assert out.rstrip().endswith("\x1b[?25h")


def left_on_the_terminal(written: str) -> list[str]:
    """What a terminal shows once all of `written` has arrived; it knows the few sequences that are used."""
    rows, row, column = [""], 0, 0
    for piece in re.findall(r"\x1b\[[\d;?]*[A-Za-z]|[\r\n]|[^\x1b\r\n]+", written):
        if piece == "\x1b[1A":
            row -= 1
        elif piece == "\x1b[2K":
            rows[row] = ""
        elif piece == "\n":
            row, column = row + 1, 0
            rows += [""] * (row == len(rows))
        elif piece == "\r":
            column = 0
        elif not piece.startswith("\x1b"):
            rows[row] = rows[row][:column].ljust(column) + piece + rows[row][column + len(piece) :]
            column += len(piece)
    return rows


async def test_the_last_picture_is_left_once_and_nothing_of_those_before(autojump_clock: MockClock) -> None:
    view, stream = view_of([quote(), *calm_entry(plan())]), Terminal()
    sizes = iter([(120, 40)] * 3 + [(100, 24)] * 100)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(
            lambda: run_screen(view, stream, lambda: START_MS, live=True, size=lambda: next(sizes))
        )
        await trio.sleep(1.1)
        view.observe(open_pair())
        await trio.sleep(1.1)
        nursery.cancel_scope.cancel()
    rows = left_on_the_terminal(stream.getvalue())
    last = draw(view, START_MS, 100, 24)
    assert rows[: len(last)] == last
    assert not any(rows[len(last) :])


async def test_without_colour_there_is_no_colour(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    view = view_of([quote(), *calm_entry(plan()), open_pair()])
    coloured = await shown(view, Terminal(), live=True)
    monkeypatch.setenv("NO_COLOR", "1")
    plain = await shown(view, Terminal(), live=True)
    assert re.search(r"\x1b\[[\d;]*3[0-9]m", coloured)
    assert not re.search(r"\x1b\[[\d;]*3[0-9]m", plain)


def test_a_terminal_without_our_characters_gets_question_marks() -> None:
    raw = io.BytesIO()
    ascii_only = io.TextIOWrapper(raw, encoding="ascii")
    say(ascii_only, "a · b ≈ c")
    assert raw.getvalue() == b"a ? b ? c\n"
