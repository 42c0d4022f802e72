"""The executes that move money or power: linked signers, transfers, withdrawals, liquidations. Each
carries the address's next `tx_nonce`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from venue.nado.signing import link_signer_digest, typed_digest
from venue.simulated.engine import liquidation, treasury
from venue.simulated.engine.codes import refused, require
from venue.simulated.payloads.requests import (
    LinkSignerTx,
    LiquidateTx,
    Signed,
    TransferQuoteTx,
    Withdraw,
    read_request,
)
from venue.simulated.signatures import signer_of
from venue.simulated.venue import SimulatedVenue

TRANSFER = "TransferQuote(bytes32 sender,bytes32 recipient,uint128 amount,uint64 nonce)"
WITHDRAW = "WithdrawCollateral(bytes32 sender,uint32 productId,uint128 amount,uint64 nonce)"
WITHDRAW_V2 = (
    "WithdrawCollateralV2(bytes32 sender,uint32 productId,uint128 amount,uint64 nonce,address sendTo,uint128"
    " appendix)"
)
LIQUIDATE = (
    "LiquidateSubaccount(bytes32 sender,bytes32 liquidatee,uint32 productId,bool isEncodedSpread,int128"
    " amount,uint64 nonce)"
)


def digest_of(make: Callable[..., bytes], *fields: object, **named: int | bool | str) -> bytes:
    """What was to be signed. Raises `ExchangeRefusal` 2038 when a field does not fit its type."""
    try:
        return make(*fields, **named)
    except ValueError as error:
        raise refused(2038) from error


def _link_signer(venue: SimulatedVenue, body: bytes) -> None:
    request = read_request(body, Signed[LinkSignerTx])
    exchange, sender, signer = venue.exchange, request.tx.sender.lower(), request.tx.signer.lower()
    nonce = _nonce(request.tx.nonce)
    digest = digest_of(link_signer_digest, sender, signer, nonce, exchange.chain_id, exchange.endpoint)
    with _admitted(venue, sender, nonce, signer_of(digest, request.signature)):
        treasury.link_signer(exchange, sender, signer[:42], venue.now_ns())


def _transfer_quote(venue: SimulatedVenue, body: bytes) -> None:
    request = read_request(body, Signed[TransferQuoteTx])
    sender, recipient = request.tx.sender.lower(), request.tx.recipient.lower()
    amount, nonce = int(request.tx.amount), _nonce(request.tx.nonce)
    digest = _typed(venue, TRANSFER, sender=sender, recipient=recipient, amount=amount, nonce=nonce)
    with _admitted(venue, sender, nonce, signer_of(digest, request.signature)):
        treasury.transfer_quote(venue.exchange, sender, recipient, amount, venue.now_ns())


def _withdraw(venue: SimulatedVenue, body: bytes, *, kind: str) -> None:
    request = read_request(body, Withdraw)
    tx, sender, nonce = request.tx, request.tx.sender.lower(), _nonce(request.tx.nonce)
    product_id, amount = int(tx.productId), int(tx.amount)
    more: dict[str, int | str] = (
        {"sendTo": tx.sendTo.lower(), "appendix": int(tx.appendix)} if kind == WITHDRAW_V2 else {}
    )
    digest = _typed(venue, kind, sender=sender, productId=product_id, amount=amount, nonce=nonce, **more)
    may_borrow = request.spot_leverage is not False
    with _admitted(venue, sender, nonce, signer_of(digest, request.signature)):
        treasury.withdraw(venue.exchange, sender, product_id, amount, venue.now_ns(), may_borrow=may_borrow)


def _liquidate(venue: SimulatedVenue, body: bytes) -> None:
    request = read_request(body, Signed[LiquidateTx])
    tx, sender, liquidatee = request.tx, request.tx.sender.lower(), request.tx.liquidatee.lower()
    product_id, nonce = int(tx.productId), _nonce(tx.nonce)
    digest = _typed(
        venue,
        LIQUIDATE,
        sender=sender,
        liquidatee=liquidatee,
        productId=product_id,
        isEncodedSpread=tx.isEncodedSpread,
        amount=tx.amount,
        nonce=nonce,
    )
    require(not tx.isEncodedSpread, 2045)
    with _admitted(venue, sender, nonce, signer_of(digest, request.signature)):
        liquidation.liquidate_by(
            venue.exchange, sender, liquidatee, product_id, int(tx.amount), venue.now_ns()
        )


def _nonce(nonce: int | None) -> int:
    if nonce is None:
        raise refused(2033)
    return int(nonce)


def _typed(venue: SimulatedVenue, kind: str, **values: int | bool | str) -> bytes:
    return digest_of(typed_digest, kind, venue.exchange.chain_id, venue.exchange.endpoint, **values)


@contextmanager
def _admitted(venue: SimulatedVenue, sender: str, nonce: int, signer: str) -> Iterator[None]:
    """Do what is inside if the request is signed and next; a refused one uses no nonce up."""
    exchange, address = venue.exchange, sender[:42]
    exchange.check_signer(sender, signer)
    require(nonce == exchange.tx_nonces.get(address, 0), 2022)
    yield
    exchange.tx_nonces[address] = nonce + 1


MONEY_EXECUTES: dict[str, Callable[[SimulatedVenue, bytes], None]] = {
    "link_signer": _link_signer,
    "transfer_quote": _transfer_quote,
    "withdraw_collateral": partial(_withdraw, kind=WITHDRAW),
    "withdraw_collateral_v2": partial(_withdraw, kind=WITHDRAW_V2),
    "liquidate_subaccount": _liquidate,
}
