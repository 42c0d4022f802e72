"""Runs of several subaccounts of one wallet, as they are typed."""

from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from actors.instance.state import state_directory
from actors.instance.wallet_slots import SLOTS, take_slot
from actors.instance.wallet_weights import RunSpending, WalletFile
from messages.units import Base, Quote
from tests.live.served import KEY, OWNER, SENDER, served
from tests.live.typed import rehearse, typed, written
from venue.nado.weights import MINUTE_MS
from venue.simulated.venue import SimulatedVenue

pytestmark = pytest.mark.filterwarnings(
    "ignore:'collections.abc.ByteString' is deprecated:DeprecationWarning"
)


def test_a_sixth_run_of_one_wallet_is_refused_before_it_writes_a_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NADO_PRIVATE_KEY", KEY.hex())
    with served() as there, ExitStack() as held:
        chain, instance = there.do(lambda venue: (venue.exchange.chain_id, venue.instance))
        wallet = f"wallet {OWNER} chain {chain} {instance}"
        for number in range(SLOTS):
            slot = take_slot(state_directory(), wallet, f"sub{number}", "/srv/logs")
            held.enter_context(closing(slot))
        refused = rehearse(capsys, tmp_path / "logs", there.url)
        assert (refused.code, refused.told["error"]["code"]) == (3, "WALLET_FULL")
        assert refused.told["error"]["key"] == "venue.owner"
        assert all(f'"sub{number}" (pid ' in refused.errors for number in range(SLOTS))
        assert not (tmp_path / "logs" / "ledger.sqlite").exists()
        assert there.do(lambda venue: len(venue.exchange.order_log)) == 0
        slot.close()
        ended = rehearse(capsys, tmp_path / "logs", there.url)
        assert (ended.code, ended.told["completed"]) == (0, 1), ended.errors


def test_the_next_run_in_the_slot_and_all_others_are_told_what_a_run_and_flatten_have_executed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NADO_PRIVATE_KEY", KEY.hex())

    def told() -> int:
        with ExitStack() as both:
            return max(
                both.enter_context(closing(RunSpending(file, slot))).elsewhere((MINUTE_MS,))[0]
                for slot in (0, 1)
            )

    with served() as there:
        chain, instance = there.do(lambda venue: (venue.exchange.chain_id, venue.instance))
        file = WalletFile(state_directory(), f"wallet {OWNER} chain {chain} {instance}")
        ended = rehearse(capsys, tmp_path / "logs", there.url)
        assert ended.code == 0, ended.errors
        placed = there.do(lambda venue: len(venue.exchange.order_log))
        assert told() >= placed > 0
        before = told()

        def hold(venue: SimulatedVenue) -> None:
            account = venue.exchange.accounts[SENDER]
            account.positions[4] = account.position(4).changed(Base.of("0.1"), Quote(0))

        there.do(hold)
        live = written("pause=0 s")
        place = ("--venue", "testnet", "--url", there.url, "--logs", str(tmp_path / "logs"))
        flat = typed(capsys, "flatten", *place, *live, "--everything", "--yes")
        assert flat.code == 0, flat.errors
        closes = there.do(lambda venue: len(venue.exchange.order_log)) - placed
        assert told() >= before + closes > before
