"""Checks of the venue: is it there, is it the right one, does it trade, and does it keep time as we do?"""

import trio

from commands.access.prices import books_now
from commands.checks.answered_venue import AnsweredVenue
from commands.checks.finding import Finding, fail, ok, warn
from commands.output.words import clock_time
from messages.amounts import legs_words, percent, rate_bps, usd
from messages.units import ONE, Quote, legs_of
from venue.nado.linked import fee_tier
from venue.nado.socket import open_socket

CLOCK_READINGS = 5


async def clock(known: AnsweredVenue) -> Finding:
    """Our clock against `/v1/time`: the quickest of some readings, which is the most exact one, is taken
    into use.
    """
    readings = []
    for _ in range(CLOCK_READINGS):
        asked_ns = known.clock.steady_ns()
        readings.append((asked_ns, await known.reads.time_ms(), known.clock.steady_ns()))
    asked_ns, venue_ms, answered_ns = min(readings, key=lambda reading: reading[2] - reading[0])
    known.clock.measured(asked_ns, venue_ms, answered_ns)
    off_ms, round_trip_ms = known.clock.offset_ms, (answered_ns - asked_ns) // 1_000_000
    settings = known.settings
    found = (
        f"this machine is {abs(off_ms)} ms {'behind' if off_ms > 0 else 'ahead of'} the venue, round trip"
        f" {round_trip_ms} ms"
    )
    if abs(off_ms) > settings.max_clock_skew:
        cure = "set this machine's clock (NTP: timedatectl set-ntp true), or raise max_clock_skew"
        return fail("clock", f"{found}, limit {settings.max_clock_skew} ms", cure, "CLOCK_SKEW")
    if 4 * round_trip_ms + settings.max_clock_skew > settings.recv_time:
        cure = "use a machine nearer to the venue, or raise recv_time"
        return warn(
            "clock",
            f"{found}: recv_time = {settings.recv_time} ms leaves less than four round trips",
            cure,
            "FAR_AWAY",
        )
    return ok("clock", found)


async def status(known: AnsweredVenue) -> Finding:
    """The venue's own word on whether it trades."""
    said = await known.reads.status()
    if said == "active":
        return ok("status", "active")
    return fail(
        "status",
        f'the venue\'s status is "{said}", not active',
        "wait until it trades again (maintenance: Mon and Thu 14:00 UTC)",
        "VENUE_NOT_ACTIVE",
    )


async def contracts(known: AnsweredVenue) -> Finding:
    """Is it the network that was asked for? Signatures are made for a chain and a contract."""
    await trio.lowlevel.checkpoint()
    rules, network = known.rules, known.access.network
    found = f"chain {rules.chain_id}, endpoint {rules.endpoint}"
    if network is None:
        return ok("contracts", f"{found} (a simulated venue may have any)")
    if rules.chain_id != network.chain_id:
        message = (
            f"{known.access.gateway} is on chain {rules.chain_id}, but {known.access.name} is chain"
            f" {network.chain_id}"
        )
        return fail(
            "contracts", message, "check --venue; do not trade there", "WRONG_CHAIN", "nothing was signed"
        )
    if rules.endpoint.lower() != network.endpoint.lower():
        message = (
            f"{known.access.name} uses the contract {rules.endpoint}; this release knows {network.endpoint}"
        )
        return fail(
            "contracts",
            message,
            "look for a newer release, and for an announcement of the exchange",
            "WRONG_CONTRACT",
            "nothing was signed",
        )
    return ok("contracts", found)


async def sockets(known: AnsweredVenue) -> Finding:
    """Both kinds of connection, compressed, and the account's streams with our signature: everything a run
    opens.
    """
    plain = []
    for path in ("/v1/ws", "/v1/subscribe"):
        async with open_socket(known.access.gateway + path, known.dialer) as socket:
            plain += [] if socket.compressed else [path]
    if known.access.signer is None:
        return fail("sockets", "authentication not tried: there is no key", "see the check key", "NO_KEY")
    async with known.venue.account_events():
        pass
    if plain:
        return warn(
            "sockets",
            f"permessage-deflate was not agreed on at {' and '.join(plain)}",
            "nothing to do: it works, using more bandwidth",
            "NO_DEFLATE",
        )
    return ok("sockets", "orders and streams open, permessage-deflate agreed, authentication accepted")


async def products(known: AnsweredVenue) -> Finding:
    """Are both legs traded, and by which rules?"""
    await trio.lowlevel.checkpoint()
    pair = known.rules.terms()
    legs = (pair.eth, pair.sol)
    for product in legs:
        if product.status != "live":
            return fail(
                "products",
                f"{product.symbol} is {product.status}, not live",
                "wait until both legs can be traded",
                "NOT_TRADABLE",
            )
    texts = [f"{leg.symbol} tick {leg.price_tick.text()} step {leg.size_step.text()}" for leg in legs]
    return ok(
        "products",
        f"{', '.join(texts)}, oracle {usd(legs[0].oracle)} / {usd(legs[1].oracle)}",
    )


async def fees(known: AnsweredVenue) -> Finding:
    """What the venue charges this owner, taker and maker, and what a cycle of the target pays in USD."""
    tier = await fee_tier(known.reads, known.access.sender)
    pair = known.rules.terms()
    eth, sol = pair.eth, pair.sol
    rates = f"tier {tier}: taker {rate_bps(eth.taker_fee)} bp, maker {rate_bps(eth.maker_fee)} bp"
    if (eth.taker_fee, eth.maker_fee) != (sol.taker_fee, sol.maker_fee):
        rates += f"; SOL taker {rate_bps(sol.taker_fee)} bp, maker {rate_bps(sol.maker_fee)} bp"
    target, ratio = known.settings.target, known.settings.hedge_ratio
    worth = legs_of(target, ratio)
    cost = Quote(2 * (worth[0] * eth.taker_fee + worth[1] * sol.taker_fee) // ONE)
    return ok("fees", f"{rates}; a cycle of {legs_words(target, ratio)} pays {usd(cost)} USD")


async def minimum(known: AnsweredVenue) -> Finding:
    """Can the target be traded at current prices, in every direction that will be? The answer of a run
    that would enter now, in its words.
    """
    from actors.sizing.sizer import Sizer
    from commands.output.sentences import advice, cannot

    settings, quote = known.settings, await books_now(known.reads, known.rules, known.clock.now_ms())
    if quote is None:
        return fail(
            "minimum", "unknown: a side of a book is empty", "try again when the market trades", "UNKNOWN"
        )
    sizer = Sizer(settings, known.rules)
    signs = sizer.signs(1)
    answer = sizer.attainable(quote, signs)
    verdict = answer.verdict
    if not all(sizer.chosen(quote, sign, sizer.size(quote, sign, settings.target)) for sign in signs):
        small = answer.obstacle is not None and answer.obstacle.source == "min_notional"
        cure = advice(settings, verdict) or "try again when the books are deeper"
        return fail("minimum", cannot(settings, verdict), cure, "TARGET_TOO_SMALL" if small else "UNBALANCED")
    if not answer.met:
        return ok("minimum", f"{cannot(settings, verdict)} when_unbalanced lets it be traded")
    pair = f"{verdict.eth.text()} ETH / {verdict.sol.text()} SOL"
    found = (
        f"{legs_words(settings.target, settings.hedge_ratio)} is {pair} at current prices,"
        f" {percent(verdict.imbalance)} apart"
    )
    if answer.always is not None and settings.target < answer.always.target:
        cure = advice(settings, verdict) or "expect skipped cycles"
        return warn(
            "minimum",
            f"{found}; lots are coarse for it: at other prices cycles may be skipped",
            cure,
            "TARGET_NARROW",
        )
    return ok("minimum", found)


async def windows(known: AnsweredVenue) -> Finding:
    """Would something be entered now, or is it a time of no_entry_utc? Asks nobody."""
    from actors.risk.gates import closed_window

    await trio.lowlevel.checkpoint()
    now_ms = known.clock.now_ms()
    denial = closed_window(now_ms, known.settings)
    if denial:
        return warn(
            "windows", f"{clock_time(now_ms)}Z: {denial.detail}", "a run waits until it is over", denial.code
        )
    configured = ", ".join(window.text() for window in known.settings.no_entry_utc)
    return ok(
        "windows",
        (
            f"nothing is entered in {configured} UTC"
            if configured
            else "no_entry_utc is empty: entering at all times"
        ),
    )
