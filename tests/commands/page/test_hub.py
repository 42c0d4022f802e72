"""All who look see the same: a snapshot and the deltas after it come to the state, whenever one came; who
does not read is dropped and harms nobody.
"""

import random

import pytest

from commands.page.hub import CLIENTS_MAX, WAITING_MAX, PageHub, TooMany
from tests.commands.page.told import Browser, eventful_run, stands_now
from tests.commands.scenes import open_pair


def test_a_snapshot_and_its_deltas_are_the_state_whenever_one_comes() -> None:
    """Repeat with: pytest -n 0 tests/commands/page/test_hub.py -k deltas"""
    for seed in range(3):
        chance, hub = random.Random(seed), PageHub()
        browsers = []
        contexts = []
        for event in eventful_run(seed, 600):
            hub.take(event)
            if chance.random() < 0.03 and len(browsers) < 8:
                context = hub.client()
                client, snapshot = context.__enter__()
                contexts.append(context)
                browsers.append((Browser(), client))
                browsers[-1][0].take(snapshot)
            if chance.random() < 0.05:
                hub.flush()
                for browser, client in browsers:
                    while client.deltas.statistics().current_buffer_used:
                        browser.take(client.deltas.receive_nowait())
        hub.flush()
        with hub.client() as (_, snapshot):
            whole = Browser()
            whole.take(snapshot)
        assert len(browsers) > 4, f"seed {seed}"
        for browser, client in browsers:
            while client.deltas.statistics().current_buffer_used:
                browser.take(client.deltas.receive_nowait())
            assert browser.seq == whole.seq, f"seed {seed}"
            assert browser.sections == whole.sections, f"seed {seed}"
            assert browser.rows == whole.rows, f"seed {seed}"
        for context in contexts:
            context.__exit__(None, None, None)
        assert hub.looking == 0


def changed(hub: PageHub, number: int) -> None:
    hub.take(stands_now(number, open_pair(cycle=number), f"line {number}"))
    hub.flush()


async def test_who_never_reads_is_dropped_and_the_others_miss_nothing() -> None:
    hub = PageHub()
    with hub.client() as (deaf, _), hub.client() as (reads, snapshot):
        browser = Browser()
        browser.take(snapshot)
        for number in range(1, 3 * WAITING_MAX):
            changed(hub, number)
            browser.take(reads.deltas.receive_nowait())
        assert deaf.dropped.cancel_called
        assert not reads.dropped.cancel_called
        assert deaf.deltas.statistics().current_buffer_used == WAITING_MAX
        assert browser.sections["standing"]["doing"] == f"line {3 * WAITING_MAX - 1}"


def test_only_so_many_may_look() -> None:
    hub = PageHub()
    contexts = [hub.client() for _ in range(CLIENTS_MAX)]
    for context in contexts:
        context.__enter__()
    with pytest.raises(TooMany), hub.client():
        pass
    contexts[0].__exit__(None, None, None)
    with hub.client():
        assert hub.looking == CLIENTS_MAX
    for context in contexts[1:]:
        context.__exit__(None, None, None)


def test_without_anybody_who_looks_nothing_is_made() -> None:
    hub = PageHub()
    for number in range(1, 50):
        changed(hub, number)
    assert hub.seq == 0
