"""`link-signer` over real sockets: who may act for a subaccount, and what is said about it."""

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from commands.account import link_signer
from tests.live.served import KEY, OWNER, SENDER, Served, served
from tests.live.typed import Ended, rehearse, typed
from venue.nado.linked import NOBODY
from venue.nado.signing import Signer
from venue.protocol import Unreachable

pytestmark = pytest.mark.filterwarnings(
    "ignore:'collections.abc.ByteString' is deprecated:DeprecationWarning"
)


@pytest.fixture(scope="module")
def there() -> Iterator[Served]:
    with served() as venue:
        yield venue


@pytest.fixture(autouse=True)
def environment(there: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("NADO_PRIVATE_KEY", KEY.hex())
    there.do(lambda venue: setattr(venue.exchange.accounts[SENDER], "linked_signer", NOBODY))


def linked(there: Served) -> str:
    return there.do(lambda venue: venue.exchange.accounts[SENDER].linked_signer)


def ask(capsys: pytest.CaptureFixture[str], there: Served, logs: Path, *argv: str) -> Ended:
    who = ("--set", f"venue.owner={OWNER}", "--set", "venue.subaccount=evenkeel")
    return typed(
        capsys, "link-signer", "--venue", "testnet", "--url", there.url, "--logs", str(logs), *who, *argv
    )


def test_a_new_key_is_private_linked_and_can_trade(
    there: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "signer.key"
    ended = ask(capsys, there, tmp_path / "logs", "--new", str(file))
    assert ended.code == 0, ended.errors
    new = Signer.from_hex(file.read_text()).address
    assert (ended.told["linked_signer"], ended.told["replaced"], linked(there)) == (new, None, new)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "not limited to trading" in ended.errors
    assert "withdraw to the owner" in ended.errors
    ran = rehearse(capsys, tmp_path / "run", there.url, changes=(f"venue.key=file:{file}",))
    assert (ran.code, ran.told["completed"]) == (0, 1), ran.errors


def test_show_needs_no_key_and_says_what_a_linked_signer_can_do(
    there: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NADO_PRIVATE_KEY")
    there.do(lambda venue: setattr(venue.exchange.accounts[SENDER], "linked_signer", "0x" + "77" * 20))
    ended = ask(capsys, there, tmp_path / "logs", "--show")
    assert (ended.code, ended.told["linked_signer"]) == (0, "0x" + "77" * 20)
    assert "There is one per subaccount" in ended.errors


def test_another_signer_is_not_replaced_unless_asked_for(
    there: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = "0x" + "77" * 20
    there.do(lambda venue: setattr(venue.exchange.accounts[SENDER], "linked_signer", before))
    file = tmp_path / "signer.key"
    ended = ask(capsys, there, tmp_path / "logs", "--new", str(file))
    assert (ended.code, ended.told["error"]["code"], linked(there), file.exists()) == (
        3,
        "WOULD_REPLACE",
        before,
        False,
    )
    assert before in ended.errors
    ended = ask(capsys, there, tmp_path / "logs", "--new", str(file), "--replace")
    assert (ended.code, ended.told["replaced"]) == (0, before), ended.errors
    assert linked(there) == Signer.from_hex(file.read_text()).address


def test_revoked_means_that_only_the_owner_may_sign(
    there: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there.do(lambda venue: setattr(venue.exchange.accounts[SENDER], "linked_signer", "0x" + "77" * 20))
    ended = ask(capsys, there, tmp_path / "logs", "--revoke")
    assert (ended.code, ended.told["linked_signer"], linked(there)) == (0, None, NOBODY), ended.errors
    again = ask(capsys, there, tmp_path / "logs", "--revoke")
    assert (again.code, "there was no linked signer to revoke" in again.errors) == (0, True)


def test_only_the_owners_key_changes_it(
    there: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NADO_PRIVATE_KEY", "57a6" * 16)
    ended = ask(capsys, there, tmp_path / "logs", "--new", str(tmp_path / "signer.key"))
    assert (ended.code, ended.told["error"]["code"], linked(there)) == (3, "NOT_THE_OWNER", NOBODY)
    assert not (tmp_path / "signer.key").exists()


def test_a_key_that_the_venue_refuses_leaves_no_file(
    there: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """2025: an account worth less than 5 USDT0 cannot link a signer."""
    there.do(lambda venue: setattr(venue.exchange.accounts[SENDER], "usdt0", 10**18))
    try:
        ended = ask(capsys, there, tmp_path / "logs", "--new", str(tmp_path / "signer.key"))
    finally:
        there.do(lambda venue: setattr(venue.exchange.accounts[SENDER], "usdt0", 10**22))
    assert (ended.code, ended.told["error"]["code"]) == (3, "VENUE_REFUSED")
    assert "(2025) · nothing was changed · deposit until the account is worth 5 USDT0" in ended.errors
    assert not (tmp_path / "signer.key").exists()


def test_an_answer_that_is_lost_is_looked_up_and_the_key_is_kept(
    there: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    send = link_signer.link

    async def loses_the_answer(*what: object) -> None:
        await send(*what)  # type: ignore[arg-type]
        raise Unreachable("no answer in 2 s")

    monkeypatch.setattr(link_signer, "link", loses_the_answer)
    ended = ask(capsys, there, tmp_path / "logs", "--new", str(tmp_path / "signer.key"))
    assert ended.code == 0, ended.errors
    assert linked(there) == Signer.from_hex((tmp_path / "signer.key").read_text()).address


def test_a_request_that_never_arrived_is_not_called_done(
    there: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lost(*_what: object) -> None:
        raise Unreachable("no answer in 2 s")

    monkeypatch.setattr(link_signer, "link", lost)
    monkeypatch.setattr(link_signer, "SEEN_S", 0.5)
    ended = ask(capsys, there, tmp_path / "logs", "--new", str(tmp_path / "signer.key"))
    assert (ended.code, ended.told["error"]["code"]) == (3, "NOT_SEEN")
    assert "who may sign is not known" in ended.errors
    assert (tmp_path / "signer.key").exists()


def test_a_file_that_exists_is_never_overwritten(
    there: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "signer.key"
    file.write_text("somebody's key")
    ended = ask(capsys, there, tmp_path / "logs", "--new", str(file))
    assert (ended.code, ended.told["error"]["code"], file.read_text(), linked(there)) == (
        2,
        "FILE_EXISTS",
        "somebody's key",
        NOBODY,
    )


@pytest.mark.parametrize(
    "argv", [(), ("--show", "--revoke"), ("--revoke", "--replace"), ("--new", "x", "--revoke")]
)
def test_one_thing_is_asked_for_at_a_time(
    argv: tuple[str, ...], there: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(capsys, there, tmp_path / "logs", *argv).code == 2
