"""The live transport: TLS over real sockets, with a certificate authority made for the test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from runtime.clock import VenueClock, WallClock
from tests.live.served import KEY, SENDER, Served, served
from venue.nado.client import Addresses, NadoVenue, SigningAccount, Transports
from venue.nado.http import HttpReads
from venue.nado.signing import Signer
from venue.nado.socket import TcpDialer, open_socket
from venue.nado.tls import trusted
from venue.protocol import Unreachable
from venue.venue_time import measure_clock


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def secured(authority: trustme.CA) -> Iterator[Served]:
    with served(authority.issue_cert("localhost")) as venue:
        yield venue


@pytest.fixture
def trusting(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process trusts the test's authority, and nobody else, as a person would tell it to."""
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    trusted.cache_clear()
    yield
    trusted.cache_clear()


async def test_questions_executes_and_streams_go_over_tls(secured: Served, trusting: None) -> None:
    clock = VenueClock(WallClock())
    async with HttpReads(secured.url, SENDER, name="tls") as reads:
        rules = await reads.rules()
    async with NadoVenue(
        Addresses(secured.url), rules, SigningAccount(SENDER, Signer(KEY)), clock, Transports(TcpDialer())
    ) as venue:
        await measure_clock(venue, clock)
        assert (await venue.reads.account()).exists
        async with venue.account_events(), venue.market_events([rules.eth.product_id]):
            await venue.cancel_all([rules.eth.product_id])


@pytest.mark.parametrize("path", ["/v1/ws", "/v1/subscribe"])
async def test_both_sockets_are_compressed_over_tls_too(path: str, secured: Served, trusting: None) -> None:
    async with open_socket(secured.url + path, TcpDialer()) as socket:
        assert socket.compressed


@pytest.fixture
def strangers() -> Iterator[None]:
    """This process trusts whom certifi trusts."""
    trusted.cache_clear()
    yield
    trusted.cache_clear()


async def test_an_unknown_authority_is_not_spoken_to(secured: Served, strangers: None) -> None:
    async with HttpReads(secured.url, SENDER, name="tls") as reads:
        with pytest.raises(Unreachable, match="certificate verify failed"):
            await reads.time_ms()
    with pytest.raises(Unreachable, match="certificate verify failed"):
        async with open_socket(f"{secured.url}/v1/ws", TcpDialer()):
            pass


async def test_a_certificate_of_another_host_is_not_spoken_to(secured: Served, trusting: None) -> None:
    elsewhere = secured.url.replace("localhost", "127.0.0.1")
    async with HttpReads(elsewhere, SENDER, name="tls") as reads:
        with pytest.raises(Unreachable, match="certificate verify failed"):
            await reads.time_ms()
    with pytest.raises(Unreachable, match="certificate verify failed"):
        async with open_socket(f"{elsewhere}/v1/ws", TcpDialer()):
            pass


async def test_authorities_that_cannot_be_read_are_named_and_are_no_crash(
    secured: Served, strangers: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/authority.pem")
    async with HttpReads(secured.url, SENDER, name="tls") as reads:
        with pytest.raises(
            Unreachable, match=r"SSL_CERT_FILE = /nowhere/authority\.pem\): No such file or directory"
        ):
            await reads.time_ms()
    with pytest.raises(Unreachable, match="cannot be read"):
        async with open_socket(f"{secured.url}/v1/ws", TcpDialer()):
            pass


async def test_plain_http_is_not_mistaken_for_tls(secured: Served, trusting: None) -> None:
    with pytest.raises(Unreachable):
        async with open_socket(f"{secured.url.replace('https', 'http')}/v1/ws", TcpDialer()):
            pass
