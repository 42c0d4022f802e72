"""Runs of several subaccounts of one wallet, as they are typed."""

from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from actors.instance.state import state_directory
from actors.instance.wallet_slots import SLOTS, take_slot
from tests.live.served import KEY, OWNER, served
from tests.live.typed import rehearse

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
