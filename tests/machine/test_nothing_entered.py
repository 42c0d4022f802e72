"""A run in which nothing can be entered: skipped attempts use up no cycle, and it ends flat with the
commonest reason and its cure.
"""

import re
import textwrap
from pathlib import Path

import msgspec
import pytest
from trio.testing import MockClock

from commands.config.effective import load
from messages.lifecycle import Waiting
from messages.settings import Settings
from messages.sizing import Skipped
from messages.units import ONE, Bps, Ms, Quote
from tests.machine.bench import bench
from tests.thinned import thinned

pytestmark = pytest.mark.trio
HUNDRED = Settings(target=Quote(100 * ONE), cycles=3, max_wait=Ms(10_000))
COUNTED = msgspec.structs.replace(HUNDRED, count_skips=True)
UNEVEN = "flat:2801.3/115.86"
"""Here 100 USD per leg cannot be balanced."""
FIFTY = Settings(target=Quote(50 * ONE), cycles=3)
TIGHT = Settings(cycles=3, max_wait=Ms(12_000), max_spread=Bps(4 * ONE // 10))


async def test_skipped_attempts_use_up_no_cycle_until_max_wait_is_over(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with bench(tmp_path, HUNDRED, market=UNEVEN) as ready:
        ending = await ready.run()
        totals = ready.totals()
    assert (ending.by, ending.code, ending.open_legs) == ("refused", "UNBALANCED", "")
    assert "nothing could be entered for 10 s (max_wait), mostly UNBALANCED" in ending.detail
    assert totals.skipped > 3
    assert totals.orders_sent == 0


async def test_with_count_skips_they_do(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with bench(tmp_path, COUNTED, market=UNEVEN) as ready:
        ending = await ready.run()
        totals = ready.totals()
    assert (ending.by, totals.skipped) == ("done", 3)


async def test_a_target_that_no_price_near_these_could_balance_ends_after_the_first_plan(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with bench(tmp_path, FIFTY) as ready:
        ending = await ready.run(within_s=60)
        totals = ready.totals()
    assert (ending.by, ending.code) == ("refused", "UNBALANCED")
    assert ending.detail.startswith("not at any price within 1 % of this one: ")
    assert totals.skipped == 1


async def test_what_it_waits_for_is_told_with_figure_limit_and_when_it_is_given_up(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with bench(tmp_path, TIGHT) as ready:
        ending = await ready.run()
    told = [message for message in ready.said if isinstance(message, Waiting) and message.code]
    assert {each.code for each in told} == {"SPREAD_WIDE"}
    assert told[0].brief == "SOL 0.87 > 0.40 bps"
    assert told[0].until_ms
    assert sum(isinstance(message, Skipped) for message in ready.said) >= 1
    assert (ending.by, ending.code) == ("refused", "SPREAD_WIDE")


def manual_sample(folder: Path) -> Settings:
    """The configuration that docs/running.md, "Going live", tells people to begin with."""
    manual = (Path(__file__).resolve().parents[2] / "docs" / "running.md").read_text(encoding="utf-8")
    found = re.search(r"\n(       target = .*?)\n\n", manual[manual.index("## Going live") :], re.DOTALL)
    assert found
    file = folder / "evenkeel.toml"
    file.write_text(textwrap.dedent(found[1]).replace('"0x..."', f'"0x{"1" * 40}"'), encoding="utf-8")
    return load(file, {}, {}).settings


@pytest.mark.parametrize(("seed", "cycles"), thinned(((1, 1), (1, None), (2, None), (3, None)), 4))
async def test_the_sample_of_the_manual_trades_all_its_cycles(
    autojump_clock: MockClock, tmp_path: Path, seed: int, cycles: int | None
) -> None:
    """3 cycles at 200 USD traded nothing in 3: that target can be balanced at half of all prices.
    `cycles`: fewer than the manual says.
    """
    settings = manual_sample(tmp_path)
    settings = msgspec.structs.replace(settings, cycles=cycles or settings.cycles)
    async with bench(tmp_path, settings, market="synthetic", seed=seed) as ready:
        ending = await ready.run()
        totals = ready.totals()
    assert (ending.by, totals.completed, totals.failed) == ("done", settings.cycles, 0)
