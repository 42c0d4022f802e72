"""A venue that outlives its runs, and a place to type commands in."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hostile.bed import Bed
from tests.kills.venue import simulated

ROOT = Path(__file__).resolve().parents[2]
MARKET = "flat:2756.9/115.86"


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    with simulated(tmp_path, MARKET, 7) as url:
        it = Bed(ROOT, tmp_path, url, url)
        try:
            yield it
        finally:
            it.clean()
