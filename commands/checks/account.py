"""Checks of the account: the key, the subaccount, what is in it, and whether the SDK would sign what we
sign.
"""

from functools import partial

import trio

from actors.ledger import LedgerError, folded
from actors.risk.limits import FEES, short_of_margin
from commands.checks.answered_venue import AnsweredVenue
from commands.checks.finding import Finding, fail, ok, short, warn
from commands.output.words import COMMAND
from messages.amounts import legs_words, usd
from messages.units import ONE, Base, Quote, legs_of
from venue.nado.agreement import Disagreement, agree
from venue.nado.linked import linked_signer

SDK_PATIENCE_S = 60.0
"""How long importing and asking nado-protocol may take; 3 s on an idle machine."""


async def key(known: AnsweredVenue) -> Finding:
    """May our key sign for this subaccount: is it the owner's own, or the signer that the exchange has linked
    to it? Raises `VenueError`.
    """
    here, name = known.access, known.settings.venue.subaccount
    if here.signer is None:
        return fail("key", f"no key was read from {known.settings.venue.key}", "see the line above", "NO_KEY")
    ours = here.signer.address
    linked = await linked_signer(known.reads, here.sender)
    if ours == linked:
        return ok(
            "key",
            f'{ours} is the linked signer of "{name}": it can trade, move funds between the owner\'s'
            " subaccounts and withdraw to the owner",
        )
    if ours == here.owner:
        found = f"{ours} is the owner's own key: it can do everything and cannot be revoked"
        return (
            warn("key", found, f"{COMMAND} link-signer --new FILE makes one that can be revoked", "OWNER_KEY")
            if here.live
            else ok("key", ours)
        )
    there = (
        f'the linked signer of "{name}" ({short(linked)})'
        if linked
        else f'a linked signer of "{name}" (there is none)'
    )
    message = f"key belongs to {short(ours)}, which is neither owner {short(here.owner)} nor {there}"
    return fail(
        "key",
        message,
        f"check {known.settings.venue.key.removeprefix('env:')} or run link-signer",
        "WRONG_KEY",
    )


async def sdk(known: AnsweredVenue) -> Finding:
    """Does nado-protocol sign what we sign, with this key, on this chain? In a worker thread: it blocks
    for seconds.
    """
    here = known.access
    if here.signer is None:
        return fail("sdk", "skipped: there is no key", "see the check key", "NO_KEY")
    with trio.move_on_after(SDK_PATIENCE_S):
        try:
            asked = partial(agree, here.signer, known.rules, here.sender, known.clock.now_ms())
            count = await trio.to_thread.run_sync(asked, abandon_on_cancel=True)
        except Disagreement as error:
            cure = "pip install -c constraints.txt -e . restores the versions that were tested"
            return fail("sdk", str(error), cure, "SDK_DISAGREES", "nothing was signed for the venue")
        return ok(
            "sdk",
            f"nado-protocol signs {count} of {count} messages identically, byte for byte, with this key on"
            f" chain {known.rules.chain_id}",
        )
    return fail(
        "sdk",
        f"nado-protocol did not answer in {SDK_PATIENCE_S:g} s",
        "use a machine that is less busy",
        "SDK_DISAGREES",
    )


async def subaccount(known: AnsweredVenue) -> Finding:
    """Does it exist? It does from its first deposit on."""
    name, owner = known.settings.venue.subaccount, short(known.access.owner)
    account = await known.reads.account()
    if account.usdt0 is None or account.value is None:
        return fail(
            "subaccount",
            "the exchange does not report its balance",
            "try again in a minute",
            "ACCOUNT_UNREAD",
        )
    if account.exists:
        return ok(
            "subaccount",
            f'"{name}" of {owner}: {usd(account.usdt0)} USDT0, worth {usd(account.value)}',
        )
    message = f'subaccount "{name}" of {owner} does not exist on {known.access.name}'
    return fail(
        "subaccount", message, "deposit ≥ 5 USDT0 first", "NO_SUBACCOUNT", "no money there, no order sent"
    )


async def margin(known: AnsweredVenue) -> Finding:
    """Does initial margin cover both legs of the target, four fees and `margin_buffer`? ETH and SOL do not
    net.
    """
    has = (await known.reads.account()).initial_health
    needs = margin_for(known)
    if has is None:
        return fail("margin", "the exchange does not report the margin", "try again in a minute", "MARGIN")
    if has < needs:
        found, cure = short_of_margin(needs, has, known.settings)
        return fail("margin", found, cure, "MARGIN")
    wanted = legs_words(known.settings.target, known.settings.hedge_ratio)
    return ok(
        "margin",
        f"{usd(has)} USDT0 free, a pair of {wanted} takes {usd(needs)}",
    )


def margin_for(known: AnsweredVenue) -> Quote:
    """USDT0 (x18) of initial health that a pair of the target takes at the worse side of each product,
    with four taker fees and the buffer.
    """
    settings, pair = known.settings, known.rules.terms()
    taken = sum(
        worth
        * (
            max(ONE - product.long_weight_initial, product.short_weight_initial - ONE)
            + FEES // 2 * product.taker_fee
        )
        for worth, product in zip(
            legs_of(settings.target, settings.hedge_ratio), (pair.eth, pair.sol), strict=True
        )
    )
    return Quote(taken // ONE * (ONE + settings.limits.margin_buffer) // ONE)


async def positions(known: AnsweredVenue) -> Finding:
    """What is open on the two products, cross and isolated, against what our ledger explains; and whether
    anything else is.
    """
    account, ours = await known.reads.account(), _ours(known)
    names = {
        known.rules.eth.product_id: known.rules.eth.symbol,
        known.rules.sol.product_id: known.rules.sol.symbol,
    }
    for product, name in names.items():
        held, explained = account.position(product).total, ours.get(product, Base(0))
        if held != explained:
            found = f"{name}: the exchange holds {held.text()}, the ledger explains {explained.text()}"
            cure = "close it yourself, or use a dedicated subaccount; Evenkeel never touches it"
            return fail("positions", found, cure, "FOREIGN_POSITION", "entering is blocked")
    others = [
        f"product {position.product_id}: {position.total.text()}"
        for position in account.positions
        if position.total and position.product_id not in names
    ]
    if others:
        return warn(
            "positions",
            f"other products are open and share the margin: {', '.join(others)}",
            "use a dedicated subaccount",
            "OTHER_PRODUCTS",
        )
    pair = ", ".join(f"{names[product]} {amount.text()}" for product, amount in ours.items() if amount)
    return ok("positions", f"Evenkeel's, and closed on schedule by the next run: {pair}" if pair else "none")


def _ours(known: AnsweredVenue) -> dict[int, Base]:
    """What the fills in the ledger say is held, by product; nothing when there is no ledger of this
    subaccount at this venue.
    """
    path = known.logs / "ledger.sqlite"
    if not path.exists():
        return {}
    try:
        fold = folded(path)
    except LedgerError:
        return {}
    if fold.opened and (fold.opened.venue, fold.opened.subaccount) != (
        known.rules.venue,
        known.access.sender,
    ):
        return {}
    return {product: Base(fold.position[leg]) for leg, product in fold.products.items()}


async def orders(known: AnsweredVenue) -> Finding:
    """A run of ours leaves no order resting, so whatever rests is somebody else's."""
    resting = (await known.reads.account()).open_orders
    if resting:
        found = (
            f"{len(resting)} resting orders on the two products are not Evenkeel's:"
            f" {', '.join(short(digest) for digest in resting[:5])}"
        )
        return warn("orders", found, "cancel them, or use a dedicated subaccount", "FOREIGN_ORDERS")
    return ok("orders", "no resting orders")
