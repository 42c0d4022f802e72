"""Live trading from end to end at a simulated venue: every rule that a run with real money follows, over
real sockets.
"""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.live.served import KEY, OWNER, SENDER, Served, served
from tests.live.typed import rehearse
from venue.nado.agreement import Disagreement
from venue.nado.signing import Signer
from venue.simulated.venue import SimulatedVenue
from venue.throwaway import THROWAWAY_KEY

pytestmark = pytest.mark.filterwarnings(
    "ignore:'collections.abc.ByteString' is deprecated:DeprecationWarning"
)
LINKED = Signer(bytes.fromhex("11ed" * 16))


@pytest.fixture(scope="module")
def there() -> Iterator[Served]:
    with served() as venue:
        yield venue


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("NADO_PRIVATE_KEY", KEY.hex())


def orders(there: Served) -> int:
    return there.do(lambda venue: len(venue.exchange.order_log))


def test_a_live_run_proves_itself_first_then_trades_and_ends_flat(
    there: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = rehearse(capsys, tmp_path / "logs", there.url)
    assert ended.code == 0, ended.errors
    assert (ended.told["venue"], ended.told["subaccount"], ended.told["completed"]) == (
        "testnet",
        "evenkeel",
        1,
    )
    log = (tmp_path / "logs" / "evenkeel.log").read_text()
    assert log.index("sdk: nado-protocol signs 12 of 12 messages") < log.index("eth_leg sends")
    assert log.index("clock: this machine is") < log.index("eth_leg sends")
    assert "worst case" in log
    assert log.index("volatility: not known how much ETH and SOL moved") < log.index("eth_leg sends")
    with sqlite3.connect(tmp_path / "logs" / "ledger.sqlite") as ledger:
        opened = ledger.execute("SELECT body FROM events WHERE seq = 0").fetchone()[0]
        assert ledger.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert '"venue":"testnet:test"' in opened
    assert SENDER in opened
    assert "Nado-simulated," in (tmp_path / "logs" / "DN_pair_eth_sol_nado_trades.csv").read_text()


def test_a_linked_signer_trades_for_the_owner(
    there: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there.do(lambda venue: setattr(venue.exchange.accounts[SENDER], "linked_signer", LINKED.address))
    key_file = tmp_path / "key"
    key_file.touch(0o600)
    key_file.write_text("0x" + "11ed" * 16 + "\n")
    try:
        ended = rehearse(capsys, tmp_path / "logs", there.url, changes=(f"venue.key=file:{key_file}",))
    finally:
        there.do(lambda venue: setattr(venue.exchange.accounts[SENDER], "linked_signer", "0x" + "00" * 20))
    assert (ended.code, ended.told["completed"]) == (0, 1), ended.errors
    assert (
        'is the linked signer of "evenkeel": it can trade, move funds'
        in (tmp_path / "logs" / "evenkeel.log").read_text()
    )


def test_a_signer_replaced_while_a_pair_is_open_ends_with_code_4_and_names_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """2028 in mid-run: an exit that cannot be signed any more."""
    key_file = tmp_path / "key"
    key_file.touch(0o600)
    key_file.write_text("0x" + "11ed" * 16 + "\n")
    with served() as there:
        exchange = there.venue.exchange
        account, match = exchange.accounts[SENDER], exchange.match
        account.linked_signer = LINKED.address

        def replaced(*order: Any) -> None:
            match(*order)
            if all(account.position(product).amount for product in (4, 8)):
                account.linked_signer = "0x" + "77" * 20

        monkeypatch.setattr(exchange, "match", replaced)
        changes = (f"venue.key=file:{key_file}", "venue_patience=1 s", "hold=100 ms")
        ended = rehearse(capsys, tmp_path / "logs", there.url, "--no-guard", changes=changes)
    assert (ended.code, ended.told["ended_by"], ended.told["error"]["code"]) == (
        4,
        "halt",
        "NOT_FLAT",
    ), ended.errors
    last = ended.errors.strip().splitlines()[-1]
    assert last.startswith("NOT FLAT: ETH-PERP 0.357 (984 USD), SOL-PERP -8.5 (985 USD) at testnet/evenkeel")
    assert (
        "close it in the exchange's web page, or with a key that may sign: python supervisor.py flatten"
        in last
    )
    assert "SIGNER_REPLACED" in (tmp_path / "logs" / "evenkeel.log").read_text()


@pytest.mark.parametrize(
    ("prepare", "changes", "code", "saying"),
    [
        (
            lambda venue: setattr(venue.incidents, "status", "live_syncing"),
            (),
            "VENUE_NOT_ACTIVE",
            (
                'the venue\'s status is "live_syncing", not active · no order was sent · wait until it trades'
                " again"
            ),
        ),
        (
            lambda venue: None,
            ("venue.subaccount=elsewhere",),
            "NO_SUBACCOUNT",
            (
                f'subaccount "elsewhere" of {OWNER[:6]}… does not exist on testnet · no money there, no order'
                " sent · deposit ≥ 5 USDT0 first"
            ),
        ),
        (
            lambda venue: None,
            ("venue.owner=0x9f" + "00" * 19,),
            "WRONG_KEY",
            (
                f"key belongs to {OWNER[:6]}…, which is neither owner 0x9f00… nor a linked signer of"
                ' "evenkeel" (there is none) · no order was sent · check NADO_PRIVATE_KEY or run link-signer'
            ),
        ),
    ],
)
def test_what_is_not_ready_refuses_the_run_before_anything_is_signed_for_the_venue(
    prepare: Any,
    changes: tuple[str, ...],
    code: str,
    saying: str,
    there: Served,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = orders(there)
    there.do(prepare)
    try:
        ended = rehearse(capsys, tmp_path / "logs", there.url, changes=changes)
    finally:
        there.do(lambda venue: setattr(venue.incidents, "status", "active"))
    assert (ended.code, ended.told["error"]["code"]) == (3, code)
    assert saying in ended.errors
    assert orders(there) == before


def test_a_clock_that_is_off_refuses_the_run(
    there: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = SimulatedVenue.now_ms
    monkeypatch.setattr(SimulatedVenue, "now_ms", lambda venue: honest(venue) + 900)
    ended = rehearse(capsys, tmp_path / "logs", there.url)
    assert (ended.code, ended.told["error"]["code"]) == (3, "CLOCK_SKEW")
    assert "behind the venue" in ended.errors
    assert "limit 250 ms · no order was sent · set this machine's clock" in ended.errors


def test_an_sdk_that_disagrees_refuses_the_run(
    there: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = orders(there)

    def disagrees(*_asked: object) -> int:
        raise Disagreement("nado-protocol signs PLACE_ORDER differently")

    monkeypatch.setattr("commands.checks.account.agree", disagrees)
    ended = rehearse(capsys, tmp_path / "logs", there.url)
    assert (ended.code, ended.told["error"]["code"]) == (3, "SDK_DISAGREES")
    assert "nado-protocol signs PLACE_ORDER differently · nothing was signed for the venue" in ended.errors
    assert orders(there) == before


def test_the_published_key_never_trades_live(
    there: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NADO_PRIVATE_KEY", THROWAWAY_KEY.hex())
    ended = rehearse(capsys, tmp_path / "logs", there.url)
    assert (ended.code, ended.told["error"]["code"]) == (3, "PUBLIC_KEY")


@pytest.mark.parametrize(("accepted", "code"), [(None, 2), ("43.67 USD", 2), ("43.68 USD", 0)])
def test_mainnet_asks_for_its_worst_case_to_be_accepted(
    accepted: str | None, code: int, there: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One cycle with a leg of 1,200: 1.68 fees + 1.20 spread + 4.80 slippage, and a leg lost at 300 bps:
    36.00.
    """
    more = ("--accept-loss", accepted) if accepted else ()
    ended = rehearse(capsys, tmp_path / "logs", there.url, *more, venue="mainnet")
    assert ended.code == code, ended.errors
    if code:
        assert (ended.told["error"]["code"], ended.told["error"]["key"]) == (
            "LOSS_NOT_ACCEPTED",
            "--accept-loss",
        )
        assert "--accept-loss takes what you accept to lose at worst" in ended.errors


@pytest.mark.parametrize(
    "key", ["target", "cycles", "hold", "limits.max_daily_loss", "venue.subaccount", "venue.owner"]
)
def test_live_trades_on_no_default(
    key: str, there: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = rehearse(capsys, tmp_path / "logs", there.url, changes=(f"{key}=",))
    assert (ended.code, ended.told["error"]["code"], ended.told["error"]["key"]) == (2, "NOT_WRITTEN", key)
    assert f"{key}: not set, and testnet requires explicit settings" in ended.errors


def test_the_demo_and_a_simulated_run_never_read_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from commands.access.venue import access
    from messages.settings import Settings

    class Untouchable(dict[str, str]):
        def __getitem__(self, name: str) -> str:
            raise AssertionError(f"{name} was read")

        get = __getitem__  # type: ignore[assignment]

    signer = access(Settings(), None, Untouchable(), lambda _path: "").signer
    assert signer is not None
    assert signer.address == Signer(THROWAWAY_KEY).address
