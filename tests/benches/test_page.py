"""docs/performance.md is what comes of the results that are kept beside the benches."""

from pathlib import Path

import msgspec

from benches.figures import Figure, Results, kept, machine_line
from benches.hedge.bench import HEDGE, OWN
from benches.page import PAGE, page, write_page
from benches.tick.bench import FSYNC, FULL, NAUTILUS, NORMAL, SKEW, TICK


def tick(**p50: float) -> Results:
    """Results of one run; milliseconds become microseconds."""
    figures = [Figure(case, TICK, "us", 300, p50[case] * 1000, p50[case] * 2000, 1, "cold") for case in p50]
    return Results(
        "tick", machine_line(0.1), "python -m benches tick", figures, [f"{NAUTILUS}: not installed; do"]
    )


def test_the_page_is_what_comes_of_the_kept_results() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(kept()), "make it anew: python -m benches --page"


def test_ratios_are_of_one_run_and_ours_is_one() -> None:
    text = page({"tick": tick(**{NORMAL: 3.0, "SDK script": 4.5})})
    assert f"| {NORMAL} | 300 | 3 / 6 | not measured | 1.00 |" in text
    assert "| SDK script | 300 | 4.50 / 9 | not measured | 1.50 |" in text


def test_what_is_not_installed_says_how_to_install_it() -> None:
    assert f"| {NAUTILUS} | not installed; do |" in page({"tick": tick(**{NORMAL: 3.0})})


def test_full_sync_stands_there_net_of_the_disk_too() -> None:
    results = tick(**{NORMAL: 3.0, FULL: 5.0})
    results.figures.append(Figure(FSYNC, "commit", "us", 300, 1_500.0, 2_000.0, 1, "cold"))
    results.figures.append(Figure(FULL, SKEW, "us", 300, 35.0, 70.0, 1, "cold"))
    text = page({"tick": results})
    assert "p50 1,500 µs, p99 2,000 µs (n 300). Net of that median, `full` is p50 3.50 ms." in text
    assert f"| {FULL} | 300 | 5 / 10 | 35 / 70 | 1.67 |" in text


def test_a_busy_machine_is_named_above_the_figures() -> None:
    quiet, busy = tick(**{NORMAL: 3.0}), tick(**{NORMAL: 3.0})
    busy = msgspec.structs.replace(busy, machine=msgspec.structs.replace(busy.machine, load_before=7.0))
    assert "busy" not in page({"tick": quiet})
    assert "**The machine was busy** (a load above 1.5 as the bench began) for tick:" in page({"tick": busy})


def test_hedges_stand_there_once_they_were_measured() -> None:
    found = tick(**{NORMAL: 3.0})
    assert "its hedge" not in page({"tick": found})
    figures = [
        Figure(NORMAL, HEDGE, "us", 60, 2_500.0, 4_000.0, 1, mode="hot"),
        Figure(NORMAL, OWN, "us", 60, 2_400.0, 3_900.0, 1, mode="hot"),
        Figure(NORMAL, HEDGE, "us", 3, 9_000.0, 9_500.0, 1, mode="first of a run"),
    ]
    text = page({"hedge": msgspec.structs.replace(found, bench="hedge", figures=figures, notes=["so"])})
    assert f"| {NORMAL}, hot | 60 | 2.50 / 4 | 2.40 / 3.90 |" in text
    assert f"| {NORMAL}, first of a run | 3 | 9 / 9.50 | - |" in text
    assert "- so." in text


def test_what_was_not_measured_is_said_and_not_left_out(tmp_path: Path) -> None:
    text = write_page(tmp_path, tmp_path / "page.md").read_text()
    assert "| leg skew: p50 / p99 µs | 35 / 710 | not measured | not measured |" in text
    assert "book messages a second: not measured." in text
