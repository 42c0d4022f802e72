"""What a run leaves behind proves itself: certificates, ledger and CSV files hold for `verify`, with every
word of the exchange, and a ledger that says something else than the exchange said is found by its words.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from trio.testing import MockClock

from commands.verify.certificates import alone
from commands.verify.findings import DoesNotHold
from commands.verify.verifying import verified
from messages.execution import Fill
from messages.settings import Settings
from messages.units import ONE, Ms, Price, Quote
from tests.machine.bench import bench
from venue.nado import streams
from venue.nado.signing import Signer
from venue.simulated.faults.order_faults import Faults, LoseAck, Refuse

TWO = Settings(target=Quote(100 * ONE), cycles=2, hold=Ms(300))
LINKED = Signer(bytes(range(32)))
STAGED = {
    "nothing": Faults(),
    "a leg refused": Faults(refuse=(Refuse(product="SOL-PERP", nth=1, code=2031),)),
    "an answer lost": Faults(lose_ack=(LoseAck(product="ETH-PERP", nth=1),)),
}


def certificates(folder: Path) -> list[tuple[Path, dict[str, Any]]]:
    """Those of a folder, in the order of their cycles."""
    return [(path, json.loads(path.read_text("utf-8"))) for path in sorted(folder.glob("certificates/*"))]


@pytest.mark.parametrize("staged", STAGED)
async def test_every_cycle_of_a_run_proves_itself_by_the_exchanges_own_words(
    autojump_clock: MockClock, tmp_path: Path, staged: str
) -> None:
    async with bench(tmp_path, TWO, faults=STAGED[staged], signer=LINKED) as ready:
        assert (await ready.run(within_s=120)).by == "done"
    found = verified(tmp_path)
    assert (found.cycles, found.certificates, found.csv_missing, found.unjudged) == (2, 2, 0, 0)
    made = certificates(tmp_path)
    for path, said in made:
        assert alone(path)[0] == said
        assert said["signer"] == LINKED.address
        sent = {message["order"] for message in said["raw"] if message["kind"] == "order"}
        assert sent == {order["digest"] for order in said["orders"]}
    lost = [each["kinds"] for _, said in made for each in said["raw_missing"]]
    # an order that is known by its fills has an answer, whoever lost it; it stands as missing
    assert lost == (["answer"] if staged == "an answer lost" else [])
    kinds = {message["kind"] for _, said in made for message in said["raw"]}
    assert kinds >= {"order", "answer", "fill", "order_update"}


async def test_no_certificate_has_a_key_in_it(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with bench(tmp_path, TWO, signer=LINKED) as ready:
        await ready.run(within_s=120)
    key = LINKED.lend(bytes.hex)
    texts = [path.read_text("utf-8").lower() for path in (tmp_path / "certificates").iterdir()]
    assert texts
    assert not any(key in text for text in texts)


async def test_a_ledger_that_says_something_else_than_the_exchange_said_is_found(
    autojump_clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reader of the stream has a defect: each price is a little higher than was told, and all that
    follows, chain included, is consistent with that.
    """
    decode: Callable[..., Any] = streams.decode

    def wrong(text: str, *more: Any) -> Any:
        event = decode(text, *more)
        if isinstance(event, Fill):
            return msgspec.structs.replace(event, price=Price(event.price + 10**15))
        return event

    monkeypatch.setattr(streams, "decode", wrong)
    async with bench(tmp_path, msgspec.structs.replace(TWO, cycles=1)) as ready:
        await ready.run(within_s=300)
    with pytest.raises(DoesNotHold) as caught:
        verified(tmp_path)
    assert caught.value.field.endswith(".price")
    assert caught.value.where.endswith("-cycle-1.json")
