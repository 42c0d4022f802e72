"""What is typed at `report`, decided."""

import pytest

from commands.report.options import since_of

HOUR = 3_600 * 10**9
NOW = 1_795_976_000 * 10**9


@pytest.mark.parametrize(
    ("text", "at_ns"),
    [
        ("2026-11-29", 1_795_910_400 * 10**9),
        ("2026-11-29T18:00", 1_795_975_200 * 10**9),
        ("2026-11-29T18:00Z", 1_795_975_200 * 10**9),
        ("2026-11-29 19:00+01:00", 1_795_975_200 * 10**9),
        ("2026-11-29T18:00:00.000001Z", 1_795_975_200 * 10**9 + 1_000),
        ("24 h", NOW - 24 * HOUR),
        ("90min", NOW - HOUR * 3 // 2),
        ("999999 h", NOW - 999_999 * HOUR if NOW > 999_999 * HOUR else 1),
    ],
)
def test_a_moment_is_utc_and_a_duration_is_before_now(text: str, at_ns: int) -> None:
    assert since_of(text, NOW) == at_ns
