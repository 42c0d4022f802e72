"""The screen as text: a pure function of the view, the time and the size of the terminal. It never needs
more rows or columns than there are.
"""

from decimal import Decimal

from actors.risk.legging import budget
from actors.risk.limits import marked
from commands.output.funding_words import funding_words
from commands.output.money_lines import FLOWS, market_of
from commands.output.run_report import RunReport
from commands.output.sentences import slippage_bps, spread_bps
from commands.output.summary import agreement
from commands.output.words import clock_time, date_time, fitted, span
from commands.screen.view import ACTORS, RunView
from commands.screen.view_parts import Row
from commands.screen.view_words import order_words, short, side
from messages.amounts import bps, fixed, percent, signed, size, usd
from messages.lifecycle import WorkingOrder
from messages.market import LegQuote
from messages.units import DOLLAR_NEUTRAL, Quote

COLUMNS = 80
ROWS = 24
"""The smallest terminal that shows the screen; a larger one is used as it is."""
BAR = 18
EVENTS_SHOWN = 3
"""At least, where the rest leaves room for them."""
WIDE = 160
"""From so many columns on the digests of orders are shown whole."""


def draw(
    view: RunView, now_ms: int, columns: int = COLUMNS, rows: int = ROWS, *, attached: bool = False
) -> list[str]:
    """The whole screen at venue time `now_ms`, for a terminal of `columns` x `rows`. One column stays empty:
    some terminals wrap in the last one. `attached`: for another process, whose Ctrl-C ends nothing.

    What does not fit on a line goes on in the next one, between words and never between a figure and its
    unit. Where there are too few rows the oldest events are left out first, then what is known of the actors.
    """
    width = columns - 1
    title = f" EVENKEEL   {view.whose}   seed {view.seed}"
    top = [
        title + date_time(now_ms).rjust(width - len(title)),
        *fitted(f" {view.doing(now_ms)}", width),
        *fitted(_progress(view, now_ms), width),
        "-" * width,
        *_books(view, now_ms),
        _funding(view, now_ms),
        "-" * width,
        *_plan(view, wide=columns >= WIDE),
        *_working(view),
        _imbalance(view),
        _unhedged(view),
        _money(view),
    ]
    actors = [part for line in _actors(view, width) for part in fitted(line, width, indent=12)]
    ends = "leave, the run goes on" if attached else "close both legs and stop"
    last = f" Ctrl-C: {ends:<34} log: {view.settings.files.logs}/evenkeel.log"
    if view.stopping is not None:
        ends = "leave" if attached else "stop waiting"
        last = (
            f" STOPPING ({view.stopping.reason}): closing both legs, {view.stopping_s(now_ms)} s left  "
            f" Ctrl-C: {ends}"
        )
    foot = [*(fitted(f" page: {view.page}", width) if view.page else ()), *fitted(last, width)]
    head = [part for line in top for part in fitted(line, width)]
    left = rows - len(head) - len(foot)
    shown = actors if left > len(actors) else actors[: max(0, left)]
    return [*head, *shown, *_events(view, width, left - len(shown)), *foot][-rows:]


def _events(view: RunView, width: int, left: int) -> list[str]:
    """What has happened last, under a rule, on at most `left` rows: where there is room for more than a
    few, not only what is notable.
    """
    if left < 2:
        return []
    roomy = left - 1 > EVENTS_SHOWN
    chosen = [event for event in view.events if event.notable or roomy][-left:]
    lines: list[str] = []
    for event in reversed(chosen):
        more = fitted(f" {clock_time(event.at_ms)} {event.line}", width, indent=10)
        if len(lines) + len(more) > left - 1:
            lines = lines or more[: left - 1]
            break
        lines = [*more, *lines]
    return ["-" * width, *lines]


# -- head ----------------------------------------------------------------------------------------------------


def _progress(view: RunView, now_ms: int) -> str:
    report, cycles, held = RunReport.of(view.settings, view.held), view.settings.cycles, view.held
    skipped = f"   {held.skipped} skipped" if held is not None and held.skipped else ""
    words = f"{report.progress_words(now_ms)}   {_direction(view)}".rstrip() + skipped
    if cycles is None:
        return f" {words}"
    full = min(BAR, BAR * report.used_up // cycles)
    return f" [{'#' * full}{'-' * (BAR - full)}]  {words}"


def _direction(view: RunView) -> str:
    plan = view.sealed.plan if view.sealed else None
    long_eth = view.held is not None and view.held.direction == "long-eth"
    if plan is not None and plan.enters:
        long_eth = (plan.quote.eth if plan.quote is not None else plan.eth.amount) > 0
    elif view.held is None or not view.held.direction:
        return ""
    return "long ETH / short SOL   " if long_eth else "short ETH / long SOL   "


# -- books ---------------------------------------------------------------------------------------------------


def _books(view: RunView, now_ms: int) -> list[str]:
    quote = view.quote
    lines = ["             bid       ask      spread    age     book"]
    for name, leg in (("ETH-PERP", quote.eth if quote else None), ("SOL-PERP", quote.sol if quote else None)):
        lines.append(
            f" {name}    "
            + (_book(leg, view, now_ms) if leg else "-         -          -         -   waiting")
        )
    return lines


def _book(leg: LegQuote, view: RunView, now_ms: int) -> str:
    age = max(0, now_ms - leg.proven_ms)
    state = leg.status if leg.status != "live" else "live" if age <= view.settings.max_quote_age else "STALE"
    prices = leg.bids[0].price.text(), leg.asks[0].price.text()
    # As many decimals as the longer of both has: 203.1 beside 203.11 would not line up.
    decimals = max(len(price.partition(".")[2]) for price in prices)
    bid, ask = (f"{Decimal(price):.{decimals}f}" for price in prices)
    return f"{bid:<9} {ask:<8} {bps(spread_bps(leg)):>9} {span(age):>8}   {state}"


def _funding(view: RunView, now_ms: int) -> str:
    """Both rates, and what the pair comes to by them at the next full hour."""
    known = view.funding(now_ms)
    return f" funding    {funding_words(known) if known else '?'}"


# -- the plan ------------------------------------------------------------------------------------------------


def _plan(view: RunView, *, wide: bool) -> list[str]:
    if view.sealed is None:
        return [" PLAN      none yet"]
    plan = view.sealed.plan
    digits = max([8, *(len(row.digest) for row in view.rows)]) if wide else 8
    both = f"{order_words('ETH', plan.eth)}   {order_words('SOL', plan.sol)} USD"
    return [
        f" PLAN {plan.epoch}.{plan.seq}  {view.sealed.digest[:8]}  {plan.purpose}  {both}",
        f" votes     {_votes(view)}",
        f"         ordered   filled    VWAP          slip  {'order':<{digits}} {'after':>7}",
        *[_row(row, digits) for row in view.rows],
    ]


def _working(view: RunView) -> list[str]:
    """The orders that rest, or may, by the ledger; nothing where there are none."""
    working = view.held.working if view.held else ()
    head = " RESTS  ordered       filled    at         until      order     cancel asked"
    return [head, *map(_rests, working)] if working else []


def _rests(order: WorkingOrder) -> str:
    doubt = order.doubt
    ordered = f"{side(doubt.amount)} {size(doubt.amount)}"
    until = f"{clock_time(min(order.terms.give_up_ms, doubt.last_trade_ms))}Z"
    asked = f"{clock_time(order.cancel_asked_ms)}Z" if order.cancel_asked_ms else "no"
    asked = "resolving" if order.resolving else asked
    return (
        f" {doubt.leg.upper():<6} {ordered:<13} {size(order.filled):<9}"
        f" {doubt.limit.text():<10} {until:<10} {short(doubt.order_digest):<9} {asked}"
    )


def _votes(view: RunView) -> str:
    said = [
        f"{name} {view.votes.get(who, '...')}"
        for who, name in (("eth", "eth_leg"), ("sol", "sol_leg"), ("ledger", "ledger"))
    ]
    agreed = list(view.votes.values()) == ["READY"] * 3
    after = ", written   one digest" if agreed else ""
    return "   ".join(said) + after + ("   ABORTED, 0 sent" if view.fate == "aborted" else "")


def _row(row: Row, digits: int) -> str:
    """One order. `digits`: columns for its digest, which is shortened to eight of them."""
    after = "" if row.after_ms is None else span(row.after_ms)
    vwap = fixed(row.vwap, 2) if row.filled else ""
    slip = bps(slippage_bps(row.order.amount, row.order.vwap, row.vwap)) if row.filled else ""
    sizes = f"{size(row.order.amount):<9} {size(row.filled):<9}"
    return (
        f" {row.label:<7} {sizes} {vwap:<8} {slip:>9} "
        f" {row.digest if digits > 8 else short(row.digest):<{digits}} {after:>7}  {row.state}"
    )


# -- numbers -------------------------------------------------------------------------------------------------


def _imbalance(view: RunView) -> str:
    held = view.held
    planned = "-" if view.planned is None else percent(view.planned)
    filled = percent(held.filled_imbalance) if held and held.filled_imbalance is not None else "-"
    something = held is not None and (held.eth.amount or held.sol.amount)
    now = percent(marked(held, view.quote)) if held and view.quote and something else "-"
    # a pair that another configuration entered keeps its own
    ratio = held.hedge_ratio if held and something else view.settings.hedge_ratio
    hedged = "" if ratio == DOLLAR_NEUTRAL else f"   hedge ratio {ratio.text()}"
    return (
        f" imbalance  planned {planned}   FILLED {filled}   marked {now}   promise"
        f" {percent(view.settings.max_imbalance)}{hedged}"
    )


def _unhedged(view: RunView) -> str:
    """Of the cycle under way, and of the run: the ledger's own figures, those that LEGGING_BUDGET judges
    by.
    """
    if view.held is None:
        return " unhedged   ?"
    now, totals = view.held.legging, view.held.totals
    longest = totals.longest
    allowed = fixed(budget(longest, view.settings), 0)
    lasted = (
        f"   longest {span(longest.lasted_ms)} = {fixed(longest.usd_s, 1)} of {allowed} USD·s"
        if longest.worst
        else ""
    )
    return (
        f" unhedged   now {fixed(now.naked, 0) if now.priced else '?'}   worst"
        f" {fixed(totals.unhedged_worst, 0)} USD{lasted}"
    )


def _money(view: RunView) -> str:
    money = view.held.totals.money if view.held else None
    if money is None:
        return " money USD  fees ?  spread ?  market ?  funding ?   NET ?"
    unknown = money.net is None
    funding = "?" if money.state == "unread" else usd(money.funding)
    paid = f"fees {usd(money.fees)}  spread {usd(Quote(money.spread + money.slippage))}"
    market, net = None if unknown else market_of(money), money.net
    moved = Quote(sum(getattr(money, field) for field, _ in FLOWS))
    told = [f"  moved {signed(moved)}"] if moved else []
    told += [f"  {money.state} {signed(money.residual)}"] if money.residual else []
    return (
        f" money USD  {paid}  market {_known(market)}  funding {funding}   NET {_known(net)}{''.join(told)}"
    )


def _known(amount: Quote | None) -> str:
    return "?" if amount is None else signed(amount)


# -- actors --------------------------------------------------------------------------------------------------


def _actors(view: RunView, width: int) -> list[str]:
    """All parts side by side under a head, on as many lines as they need."""
    names = []
    for name in ACTORS:
        count = view.restarts.get(name, 0)
        restarts = f" ({count} restart{'s' if count > 1 else ''})" if count else ""
        names.append(f"{name} {'DOWN' if name in view.down else 'ok'}{restarts}")
    rows = f"{view.held.rows} rows" if view.held else "no row yet"
    found = agreement(view.held)
    venue = f"venue {'agrees' if found == 'agree' else found}"
    parts = [*names[:-1], f"{names[-1]}, {rows}", f"epoch {view.epoch}", venue, view.guard()]
    head = " actors     "
    lines = [head + parts[0]]
    for part in parts[1:]:
        if len(lines[-1]) + len("  ") + len(part) <= width:
            lines[-1] += "  " + part
        else:
            lines.append(" " * len(head) + part)
    return lines
