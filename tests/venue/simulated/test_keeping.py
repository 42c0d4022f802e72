"""A venue that ends and comes back is the same venue: accounts, orders that rest, digests that are used
up, the archive.
"""

from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from runtime.clock import RunClock
from tests.venue.simulated.desk import ETH, ME, OTHER, START_NS, THEIRS, Floor, ScriptedMarket, floor
from tests.venue.simulated.engine.test_money import isolated
from tests.venue.simulated.scenes import VenueStage
from venue.simulated.engine import treasury
from venue.simulated.engine.exchange import Exchange
from venue.simulated.engine.rules import ETH_PERP
from venue.simulated.persistence import load, restore, save, state_of
from venue.simulated.venue import SimulatedVenue


async def busy(place: Floor) -> str:
    """A bit of everything; the digest of an order that rests."""
    on = VenueStage(place)
    await on.order("0.042", "2756.9", unique=False)
    await on.order("0.1", "2756.9", appendix=isolated("50"))
    await on.order("0.042", "2750")
    await on.link(THEIRS.address)
    await on.transfer("25")
    treasury.pay_funding(place.venue.exchange, place.venue.now_ns())
    return await on.rests()


async def asked_venue(place: Floor) -> list[Any]:
    """What anybody can ask about the account, but for book prices and the venue's own clock."""
    questions = [
        {"type": "subaccount_info", "subaccount": ME},
        {"type": "isolated_positions", "subaccount": ME},
        {"type": "orders", "sender": ME, "product_ids": [ETH]},
        {"type": "linked_signer", "subaccount": ME},
        {"type": "insurance"},
    ]
    answers = [await place.query(**question) for question in questions]
    answers.append((await place.query(type="nonces", address=ME[:42]))["tx_nonce"])
    funding = {"interest_and_funding": {"subaccount": ME, "product_ids": [ETH], "limit": 9}}
    answers += [
        await place.post("/archive/v1", question)
        for question in ({"matches": {"subaccounts": [ME, OTHER]}}, funding)
    ]
    return [*answers, place.venue.instance]


async def test_everything_that_can_be_asked_is_the_same_after_a_restart(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    path = tmp_path / "state.json"
    async with floor() as place:
        digest = await busy(place)
        place.venue.exchange.tick(START_NS + 10**9)

        await trio.sleep(1)
        before = await asked_venue(place)
        save(path, state_of(place.venue))
    kept = load(path)
    assert kept is not None
    async with floor(kept=kept) as place:
        await trio.sleep(1)
        assert await asked_venue(place) == before
        on = VenueStage(place)
        assert (await on.order("0.042", "2756.9", unique=False))["error_code"] == 2013
        assert [order.digest for order in place.venue.exchange.open_orders(ME, ETH)] == [digest]
        assert (await on.cancel([digest]))["status"] == "success"
        assert (await on.order("0.042", "2756.9"))["status"] == "success"
        matches = (await place.post("/archive/v1", {"matches": {"subaccounts": [ME]}}))["matches"]
        assert len({match["submission_idx"] for match in matches}) == len(matches)


def test_a_file_of_other_products_or_of_no_venue_at_all_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    assert load(path) is None
    venue = SimulatedVenue(Exchange([ETH_PERP]), ScriptedMarket(), RunClock(START_NS))
    save(path, state_of(venue))
    kept = load(path)
    assert kept is not None
    with pytest.raises(ValueError, match="markets"):
        restore(SimulatedVenue(Exchange(), ScriptedMarket(), RunClock(START_NS)), kept)
    path.write_text(path.read_text().replace("simulated/1", "simulated/9"))
    with pytest.raises(ValueError, match="schema"):
        load(path)
    path.write_text('{"accounts": 3}')
    with pytest.raises(ValueError, match="accounts"):
        load(path)
