"""Medians, percentiles and the files that results are kept in."""

from pathlib import Path

import msgspec
import pytest

from benches.figures import Results, Taken, keep, kept, machine_line, p99_of, table


def results() -> Results:
    taken = Taken(notes=["a sentence"])
    taken.add("Evenkeel", "tick", "us", [float(value) for value in range(1, 301)], mode="cold", size="1 row")
    return Results("tick", machine_line(0.25), "python -m benches tick", taken.figures, taken.notes)


def test_p99_is_the_value_that_one_in_a_hundred_is_above() -> None:
    assert p99_of([float(value) for value in range(300)]) == 297
    assert p99_of([3.0, 1.0, 2.0]) == 3.0


def test_a_figure_without_values_is_none() -> None:
    with pytest.raises(ValueError, match="Evenkeel, tick: nothing was measured"):
        Taken().add("Evenkeel", "tick", "us", [])


def test_a_figure_is_median_p99_least_and_how_many() -> None:
    (figure,) = results().figures
    assert (figure.n, figure.p50, figure.p99, figure.least) == (300, 150.5, 298.0, 1.0)


def test_results_are_read_back_as_they_were_kept(tmp_path: Path) -> None:
    before = results()
    path = keep(before, tmp_path)
    assert path.name == "tick.json"
    assert kept(tmp_path) == {"tick": before}


def test_a_file_that_is_no_result_is_an_error_and_no_empty_table(tmp_path: Path) -> None:
    (tmp_path / "tick.json").write_text('{"bench": "tick"}')
    with pytest.raises(msgspec.ValidationError, match="missing required field"):
        kept(tmp_path)


def test_the_lines_for_a_terminal_name_machine_case_mode_and_size() -> None:
    first, second, third = table(results())
    assert "cores, Python" in first
    assert "load 0.25 to" in first
    assert second.split() == [
        *("Evenkeel,", "tick,", "1", "row,", "cold", "n", "300", "p50", "150.5", "p99", "298.0", "least"),
        *("1.0", "us"),
    ]
    assert third.strip() == "a sentence"
