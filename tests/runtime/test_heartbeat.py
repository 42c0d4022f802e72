"""A heartbeat that stops is noticed by its reader's own clock; one that was ended on purpose says so."""

from pathlib import Path

from runtime.heartbeat import BEAT_S, Heartbeat, HeartbeatMonitor


def test_silence_is_counted_from_the_last_touch_by_the_readers_clock(tmp_path: Path) -> None:
    heart = Heartbeat(tmp_path / "x.beat", "run 1")
    heart.begin()
    pulse = HeartbeatMonitor(tmp_path / "x.beat", 100.0)
    assert pulse.look(100.0) is not None
    heart.beat(7.0)
    pulse.look(103.0)
    assert pulse.silent_s(103.0) == 0
    pulse.look(107.5)
    assert pulse.silent_s(107.5) == 4.5


def test_it_is_touched_only_when_due(tmp_path: Path) -> None:
    path = tmp_path / "x.beat"
    heart = Heartbeat(path, "run 1")
    heart.begin()
    heart.beat(1.0)
    touched = path.stat().st_mtime_ns
    heart.beat(1.0 + BEAT_S / 2)
    assert path.stat().st_mtime_ns == touched
    heart.beat(1.0 + BEAT_S)
    assert path.stat().st_mtime_ns > touched


def test_another_run_and_an_end_on_purpose_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "x.beat"
    pulse = HeartbeatMonitor(path, 0.0)
    assert pulse.look(0.0) is None
    Heartbeat(path, "run 1").begin()
    first = pulse.look(1.0)
    Heartbeat(path, "run 2").begin()
    second = pulse.look(2.0)
    assert first is not None
    assert second is not None
    assert (first.run, second.run, second.ended) == ("run 1", "run 2", False)
    Heartbeat(path, "run 2").end()
    ended = pulse.look(3.0)
    assert ended is not None
    assert ended.ended


def test_a_file_that_cannot_be_touched_is_silence_and_no_crash(tmp_path: Path) -> None:
    heart = Heartbeat(tmp_path / "gone" / "x.beat", "run 1")
    heart.beat(1.0)
    pulse = HeartbeatMonitor(tmp_path / "gone" / "x.beat", 0.0)
    assert pulse.look(9.0) is None
    assert pulse.silent_s(9.0) == 9.0
