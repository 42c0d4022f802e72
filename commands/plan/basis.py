"""What a plan is made from: two books, the exchange's rules, and what the account has.

    prices or a market    the books of the simulated exchange at its start, in this process; its rules and
                          fees, which are those that Nado documents, and its balance are assumed, and named
    an exchange           books, rules, the account's own fee tier and its margin, as they are now

No key is read either way.
"""

import msgspec

from actors.ledger import Fold
from commands.access.prices import books_now, documented_rules, first_books
from commands.access.venue import Access, place
from commands.checks.volatility import UNLIKE, volatility
from commands.config.options import DEPOSIT, usd_of
from commands.output.words import ConfigError, Refusal, date_time
from commands.setup.connecting import connected
from messages.amounts import grouped, plain_usd, rate_bps
from messages.lifecycle import Held
from messages.market import PairQuote
from messages.settings import Settings
from messages.units import Price, Quote
from venue.nado.linked import fee_tier
from venue.nado.socket import TcpDialer
from venue.protocol import VenueRules
from venue.simulated.engine.rules import ETH_PERP, SOL_PERP
from venue.simulated.markets import market_named
from venue.simulated.markets.flat import LEVEL_QUOTE, LEVELS, flat_market

NOBODY = "0x" + "00" * 20
"""Who asks where no owner is configured: the exchange answers with the fees that a new account pays."""
NOTHING = "nothing was traded"


class Basis(msgspec.Struct, frozen=True):
    """All that a plan rests on, at one moment."""

    source: str
    """Where the books are from, for a person."""
    quote: PairQuote
    rules: VenueRules
    held: Held
    """Nothing is held. Of the account its margin counts: None where it is not known."""
    fees: str
    """Whose fees they are, for a person."""
    asked: bool
    """Was an exchange asked?"""
    assumed: tuple[str, ...] = ()
    """What nobody was asked for."""
    volatility: str = ""
    """How much both legs have moved over the last day, for a person; "" where nobody was asked."""


def of_prices(eth: Price, sol: Price, deposit: Quote | None) -> Basis:
    """The market that stands still at these prices: ETH's best ask and SOL's best bid. Raises `ConfigError`
    naming the price that is off the tick, or too small for the levels below it.
    """
    for flag, price, product in (("--eth-price", eth, ETH_PERP), ("--sol-price", sol, SOL_PERP)):
        tick, least = product.tick, (LEVELS + 2) * product.tick
        near = Price(max((price + tick // 2) // tick * tick, least))
        if price != near:
            why = f"is not a multiple of the tick {tick.text()}"
            if price < least:
                why = f"leaves no room for {LEVELS} price levels of {tick.text()}"
            raise ConfigError(
                "BAD_VALUE", flag, f"{flag}: {price.text()} {why}", f"type {flag} {near.text()}", NOTHING
            )
    market = flat_market(f"{eth.text()}/{sol.text()}")
    return _simulated(
        "given prices",
        first_books(market.moves()),
        deposit,
        f"one tick between bid and ask, {grouped(LEVEL_QUOTE)} USD on each of {LEVELS} price levels",
    )


def of_market(named: str, seed: int, deposit: Quote | None) -> Basis:
    """The first books of a market as `--market` names it. Raises `ConfigError` for one that nobody can
    read.
    """
    try:
        quote = first_books(market_named(named, seed).moves())
    except (ValueError, OSError) as error:
        cure = "type --market synthetic, or name another recording"
        raise ConfigError("BAD_VALUE", "--market", f"--market: {error}", cure, NOTHING) from error
    which = f"{named} with seed {seed}" if named == "synthetic" else named
    return _simulated(f"the first books of {which}", quote, deposit)


def _simulated(source: str, quote: PairQuote, deposit: Quote | None, *assumed: str) -> Basis:
    balance = usd_of("--deposit", DEPOSIT) if deposit is None else deposit
    steps = ", ".join(
        f"{product.symbol} tick {product.tick.text()}, step {product.step.text()}, minimum"
        f" {plain_usd(product.min_size)}"
        for product in (ETH_PERP, SOL_PERP)
    )
    documented = (
        f"Nado's documented rules: {steps}",
        f"the fees of a new account: taker {rate_bps(ETH_PERP.taker_fee)} bps",
    )
    balances = () if deposit is not None else (f"an account of {plain_usd(balance)}",)
    return Basis(
        source,
        quote,
        documented_rules(quote),
        _with_margin(balance, balance),
        "a new account's",
        False,
        (*assumed, *documented, *balances),
    )


def _with_margin(initial: Quote | None, maintenance: Quote | None) -> Held:
    """What a ledger without a row says, for an account with this health (USD x18; None: not known)."""
    return msgspec.structs.replace(
        Fold().held(0), initial_health=initial, maintenance_health=maintenance, account_ok=True
    )


def who_asks(settings: Settings, url: str | None) -> Access:
    """Where the exchange is, and for whose account: nobody's where no owner is configured."""
    if not settings.venue.owner:
        anybody = msgspec.structs.replace(settings.venue, owner=NOBODY)
        settings = msgspec.structs.replace(settings, venue=anybody)
    return place(settings, url)


async def of_exchange(settings: Settings, here: Access, deposit: Quote | None) -> Basis:
    """Books, rules, fees and margin of now. Raises `VenueError` where the exchange does not answer,
    `Refusal` where a book has one side only.
    """
    async with connected(settings, here, 0, lambda _message: None, TcpDialer()) as known:
        status, moved = await known.reads.status(), await volatility(known)
        nobody = here.owner == NOBODY
        fees = "a new account's" if nobody else f"tier {await fee_tier(known.reads, here.sender)}"
        held = _with_margin(None, None)
        if deposit is not None:
            held = _with_margin(deposit, deposit)
        elif not nobody:
            account = await known.reads.account()
            # an account that does not exist has no margin, and nobody would say that it has 0
            if account.exists:
                held = _with_margin(account.initial_health, account.maintenance_health)
        quote = await books_now(known.reads, known.rules, known.clock.now_ms())
        if quote is None:
            raise Refusal(
                "NO_BOOK", None, "a side of a book is empty", "try again when the market trades", NOTHING
            )
    whose = "" if nobody else f' "{settings.venue.subaccount}"'
    unasked = ("the fees of a new account: no venue.owner is configured",) if nobody else ()
    # Asked one after the other, the books are a round trip apart: that is this command's, not the market's.
    eth, sol = (msgspec.structs.replace(leg, proven_ms=quote.at_ms) for leg in (quote.eth, quote.sol))
    return Basis(
        f"{here.name}{whose}, {date_time(quote.at_ms)}",
        msgspec.structs.replace(quote, eth=eth, sol=sol, venue_active=status == "active"),
        known.rules,
        held,
        fees,
        True,
        unasked,
        f"{moved.found}; {moved.cure}" if moved.code == UNLIKE else moved.found,
    )
