"""The executes that move money or power: linked signers, transfers, withdrawals, liquidations. Each
carries the address's next `tx_nonce`.
"""

from collections.abc import Callable

from venue.nado.signing import link_signer_digest, typed_digest
from venue.simulated.engine import liquidation, treasury
from venue.simulated.engine.codes import refused
from venue.simulated.payloads.requests import LinkSigner, Liquidate, TransferQuote, Withdraw, read_request
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
    """What was to be signed. Raises `Refused` 2038 when a field does not fit its type."""
    try:
        return make(*fields, **named)
    except ValueError as error:
        raise refused(2038) from error


def _link_signer(venue: SimulatedVenue, body: bytes) -> None:
    request = read_request(body, LinkSigner)
    tx, exchange = request.tx, venue.exchange
    sender, signer, nonce = tx.sender.lower(), tx.signer.lower(), _nonce(tx.nonce)
    digest = digest_of(link_signer_digest, sender, signer, nonce, exchange.chain_id, exchange.endpoint)
    _admit(
        venue,
        sender,
        nonce,
        digest,
        request.signature,
        lambda: treasury.link_signer(exchange, sender, signer[:42], venue.now_ns()),
    )


def _transfer_quote(venue: SimulatedVenue, body: bytes) -> None:
    request = read_request(body, TransferQuote)
    tx, exchange = request.tx, venue.exchange
    sender, recipient, nonce, amount = (
        tx.sender.lower(),
        tx.recipient.lower(),
        _nonce(tx.nonce),
        int(tx.amount),
    )
    digest = _typed(venue, TRANSFER, sender=sender, recipient=recipient, amount=amount, nonce=nonce)
    _admit(
        venue,
        sender,
        nonce,
        digest,
        request.signature,
        lambda: treasury.transfer_quote(exchange, sender, recipient, amount, venue.now_ns()),
    )


def _withdraw(venue: SimulatedVenue, body: bytes) -> None:
    _pay_out(venue, body, WITHDRAW)


def _withdraw_v2(venue: SimulatedVenue, body: bytes) -> None:
    _pay_out(venue, body, WITHDRAW_V2)


def _pay_out(venue: SimulatedVenue, body: bytes, kind: str) -> None:
    request = read_request(body, Withdraw)
    tx, exchange = request.tx, venue.exchange
    sender, nonce, product_id, amount = tx.sender.lower(), _nonce(tx.nonce), int(tx.productId), int(tx.amount)
    more: dict[str, int | str] = (
        {"sendTo": tx.sendTo.lower(), "appendix": int(tx.appendix)} if kind == WITHDRAW_V2 else {}
    )
    digest = _typed(venue, kind, sender=sender, productId=product_id, amount=amount, nonce=nonce, **more)
    may_borrow = request.spot_leverage is not False
    _admit(
        venue,
        sender,
        nonce,
        digest,
        request.signature,
        lambda: treasury.withdraw(
            exchange, sender, product_id, amount, venue.now_ns(), may_borrow=may_borrow
        ),
    )


def _liquidate(venue: SimulatedVenue, body: bytes) -> None:
    request = read_request(body, Liquidate)
    tx, exchange = request.tx, venue.exchange
    sender, liquidatee, nonce, product_id = (
        tx.sender.lower(),
        tx.liquidatee.lower(),
        _nonce(tx.nonce),
        int(tx.productId),
    )
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
    if tx.isEncodedSpread:
        raise refused(2045)
    _admit(
        venue,
        sender,
        nonce,
        digest,
        request.signature,
        lambda: liquidation.liquidate_by(
            exchange, sender, liquidatee, product_id, int(tx.amount), venue.now_ns()
        ),
    )


def _nonce(nonce: int | None) -> int:
    if nonce is None:
        raise refused(2033)
    return int(nonce)


def _typed(venue: SimulatedVenue, kind: str, **values: int | bool | str) -> bytes:
    return digest_of(typed_digest, kind, venue.exchange.chain_id, venue.exchange.endpoint, **values)


def _admit(
    venue: SimulatedVenue, sender: str, nonce: int, digest: bytes, signature: str, act: Callable[[], None]
) -> None:
    """Do it if it is signed and next; a refused request uses no nonce up."""
    exchange, address = venue.exchange, sender[:42]
    exchange.check_signer(sender, venue.signer_of(digest, signature))
    if nonce != exchange.tx_nonces.get(address, 0):
        raise refused(2022)
    act()
    exchange.tx_nonces[address] = nonce + 1


MONEY_EXECUTES: dict[str, Callable[[SimulatedVenue, bytes], None]] = {
    "link_signer": _link_signer,
    "transfer_quote": _transfer_quote,
    "withdraw_collateral": _withdraw,
    "withdraw_collateral_v2": _withdraw_v2,
    "liquidate_subaccount": _liquidate,
}
