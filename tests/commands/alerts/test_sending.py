"""How often alerts are sent, and what becomes of those that cannot be."""

import stat
from pathlib import Path

import msgspec
import pytest
import trio
from trio.testing import MockClock

from commands.alerts import dead_letters, outbox
from commands.alerts.alert import Alert
from commands.alerts.channels import Channel
from commands.alerts.dead_letters import DeadLetter, DeadLetters
from commands.alerts.outbox import TRIES, WAITING_MAX, Outbox
from commands.alerts.post import NotSent
from commands.alerts.sending import KEYS_MAX, Pacing
from tests.commands.output.event_samples import AT


def alert(code: str, level: str = "warning", subject: str = "") -> Alert:
    return Alert(level, code, f"{code} happened", subject)  # type: ignore[arg-type]


def test_the_same_alert_is_sent_once_and_again_only_later_with_how_often_it_came() -> None:
    pacing = Pacing("info", 600, 20)
    assert pacing.due(alert("A"), 0) == alert("A")
    assert [pacing.due(alert("A"), at_s) for at_s in (1, 2, 599)] == [None] * 3
    assert pacing.due(alert("A", subject="eth_leg"), 3) is not None
    again = pacing.due(alert("A"), 601)
    assert again is not None
    assert again.text == "A happened (3 more like this meanwhile)"


def test_what_is_less_serious_than_asked_for_is_not_sent() -> None:
    pacing = Pacing("warning", 600, 20)
    sent = [pacing.due(alert("A", level), 0) is not None for level in ("info", "warning")]
    assert sent == [False, True]


def test_only_so_many_are_sent_in_a_minute_but_what_is_critical_always() -> None:
    pacing = Pacing("info", 600, 3)
    assert [pacing.due(alert(f"A{n}"), n) is not None for n in range(6)] == [True] * 3 + [False] * 3
    critical = pacing.due(alert("C", "critical"), 7)
    assert critical is not None
    assert "3 others were held back" in critical.text
    assert pacing.due(alert("B"), 8) is None
    assert pacing.due(alert("B2"), 200) is not None


def test_what_was_held_back_for_the_minute_is_not_taken_for_sent() -> None:
    """A mutant that remembers it as sent never sends it."""
    pacing = Pacing("info", 600, 1)
    assert pacing.due(alert("A"), 0) is not None
    assert pacing.due(alert("B"), 1) is None
    assert pacing.due(alert("B"), 100) is not None


def test_only_so_many_different_alerts_are_remembered() -> None:
    pacing = Pacing("info", 10**9, 600)
    for number in range(3 * KEYS_MAX):
        pacing.due(alert(f"A{number}", "critical"), number * 100)
    assert len(pacing._last) <= KEYS_MAX


class ScriptedChannel:
    """Takes alerts, fails, or hangs, as told."""

    def __init__(self, name: str, *results: float | str | None) -> None:
        self.name, self._results = name, list(results)
        self.tried: list[tuple[float, str]] = []

    async def send(self, alert: Alert, words: str) -> None:
        self.tried.append((trio.current_time(), words))
        result = self._results.pop(0) if self._results else "ok"
        if result == "hang":
            await trio.sleep_forever()
        if result == "defect":
            raise RuntimeError("a defect with a secret in it")
        if result != "ok":
            raise NotSent("no", result)  # type: ignore[arg-type]


def out(folder: Path, *channels: Channel) -> tuple[Outbox, list[str]]:
    said: list[str] = []
    return Outbox(channels, Pacing("info", 600, 600), DeadLetters(folder), "w", lambda: AT, said.append), said


def letters(folder: Path) -> list[DeadLetter]:
    file = folder / dead_letters.NAME
    lines = file.read_bytes().splitlines() if file.exists() else []
    return [msgspec.json.decode(line, type=DeadLetter) for line in lines]


async def test_one_channel_that_hangs_holds_no_other_and_is_written_down_in_the_end(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    hangs, works = ScriptedChannel("slow", "hang"), ScriptedChannel("quick")
    box, _ = out(tmp_path, hangs, works)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(box.run)
        for code in ("A", "B"):
            box.put(alert(code))
        await trio.sleep(1)
        assert [words for _, words in works.tried] == ["WARNING w: A happened", "WARNING w: B happened"]
        assert not await box.drained(5)
        nursery.cancel_scope.cancel()
    assert [(each.channel, each.code, each.why) for each in letters(tmp_path)] == [
        ("slow", "A", "not sent in time"),
        ("slow", "B", "not sent in time"),
    ]
    assert stat.S_IMODE((tmp_path / dead_letters.NAME).stat().st_mode) == 0o600


async def test_a_failure_is_tried_again_after_pauses_and_then_written_down_and_said(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    channel = ScriptedChannel("hook", *[0.0] * TRIES, "ok")
    box, said = out(tmp_path, channel)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(box.run)
        began_s = trio.current_time()
        box.put(alert("A"))
        assert await box.drained(60)
        assert [round(at_s - began_s) for at_s, _ in channel.tried] == [0, 1, 5]
        box.put(alert("B"))
        assert await box.drained(60)
        nursery.cancel_scope.cancel()
    assert (box.sent, [each.code for each in letters(tmp_path)]) == (1, ["A"])
    assert "alert A not delivered by hook: no" in said[0]


async def test_a_server_that_asks_for_a_longer_pause_gets_it_and_one_that_says_no_is_not_asked_again(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    patient, final = ScriptedChannel("patient", 12.0, "ok"), ScriptedChannel("final", None)
    box, _ = out(tmp_path, patient, final)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(box.run)
        box.put(alert("A"))
        assert await box.drained(60)
        nursery.cancel_scope.cancel()
    assert patient.tried[1][0] - patient.tried[0][0] == pytest.approx(12.0)
    assert len(final.tried) == 1


async def test_a_defect_of_one_channel_is_its_own_and_its_words_are_not_repeated(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    broken = ScriptedChannel("broken", "defect", "ok")
    box, said = out(tmp_path, broken)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(box.run)
        for code in ("A", "B"):
            box.put(alert(code))
        assert await box.drained(60)
        nursery.cancel_scope.cancel()
    assert box.sent == 1
    assert "secret" not in repr((said, letters(tmp_path)))


async def test_only_so_many_wait_for_one_channel(autojump_clock: MockClock, tmp_path: Path) -> None:
    box, _ = out(tmp_path, ScriptedChannel("slow", "hang"))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(box.run)
        await trio.sleep(0.1)
        for number in range(WAITING_MAX + 50):
            box.put(alert(f"A{number}", "critical"))
        await trio.sleep(0.1)
        nursery.cancel_scope.cancel()
    assert [each.code for each in letters(tmp_path)][:3] == ["A0", "A1", "A2"]
    assert len(letters(tmp_path)) == WAITING_MAX + 50


def test_dead_letters_are_bounded_and_a_disk_that_is_gone_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "SIZE_MAX", 5_000)
    kept = DeadLetters(tmp_path)
    for number in range(500):
        kept.put(alert(f"A{number}"), "hook", "no " * 500, AT)
    files = list(tmp_path.iterdir())
    assert len(files) == 2
    assert sum(file.stat().st_size for file in files) < 2 * 5_000 + 2_000
    gone = DeadLetters(tmp_path / "no" / "folder")
    gone.put(alert("A"), "hook", "no", AT)
    assert (gone.written, gone.lost) == (0, 1)


def test_pauses_and_tries_belong_together() -> None:
    assert len(outbox.PAUSE_S) == TRIES - 1
