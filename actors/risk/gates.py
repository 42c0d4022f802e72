"""May we enter on this quote? Pure comparisons, each with a limit that still passes when it is met exactly.

Only entering asks all of them. An exit is never refused for age, depth or planning: staying in a position
that one wants to leave is the larger risk. The one exception is an exit by choice (`exits.py`), which asks
`stale_denial`, `skew_denial` and `depth_denial`: where the books say nothing, there is no profit to take.
Margin, limits and rate-limit weight are checked where they are known: at the seal.
"""

import msgspec

from actors.market_data.cost_curve import BASIS, curve_of
from messages.amounts import fixed, usd
from messages.lifecycle import Denial, Held
from messages.market import LegQuote, PairQuote
from messages.settings import Settings
from messages.units import ONE, Bps, Price, Quote, worse
from venue.protocol import VenueRules

_EPOCH_WEEKDAY = 3
"""1970-01-01 was a Thursday; Monday is 0."""


RULES_AGE_MS = 15_000
"""By rules read longer ago than this nothing is entered. They are read every 5 s, so three readings in a
row have failed then.
"""


class Attempt(msgspec.Struct, frozen=True):
    """An entry with these signed amounts (+ buy), on this quote, at venue time `now_ms`. An amount of 0 asks
    nothing of its book's depth: that there is no amount is sizing's to say.
    """

    quote: PairQuote
    now_ms: int
    settings: Settings
    eth_amount: int
    sol_amount: int

    @property
    def legs(self) -> tuple[tuple[str, LegQuote, int], ...]:
        """Name, book and amount of each leg, ETH first: where both legs are at fault, ETH is named."""
        return (
            ("ETH-PERP", self.quote.eth, self.eth_amount),
            ("SOL-PERP", self.quote.sol, self.sol_amount),
        )


def venue_denial(attempt: Attempt) -> Denial | None:
    """Is the venue as a whole open for trading?"""
    if attempt.quote.venue_active:
        return None
    return Denial("VENUE_NOT_ACTIVE", "the venue's status is not active")


def staleness_denial(attempt: Attempt) -> Denial | None:
    """Can each product be traded, and is its book one of now?"""
    for name, leg, _ in attempt.legs:
        if leg.status != "live":
            brief = f"{_coin(name)} is {leg.status}"
            return Denial("NOT_TRADABLE", f"{name} is {leg.status}, not live", brief)
        if old := _old(name, leg, attempt):
            return old
    return None


def stale_denial(attempt: Attempt) -> Denial | None:
    """Is each book one of now, whether or not anything may be entered in it?"""
    checks = (_old(name, leg, attempt) for name, leg, _ in attempt.legs)
    return next((denial for denial in checks if denial), None)


def _old(name: str, leg: LegQuote, attempt: Attempt) -> Denial | None:
    settings = attempt.settings
    age_ms, oldest_ms = attempt.now_ms - leg.proven_ms, settings.max_quote_age
    if leg.behind_ms > oldest_ms:
        detail = (
            f"the feed of {name} is {leg.behind_ms} ms behind, limit {oldest_ms} ms: more comes than can be"
            " read"
        )
        return Denial("QUOTE_STALE", detail, f"{_coin(name)} feed {leg.behind_ms} ms behind")
    if age_ms > oldest_ms:
        detail = f"the book of {name} was last confirmed {age_ms} ms ago, limit {oldest_ms} ms"
        return Denial("QUOTE_STALE", detail, f"{_coin(name)} {age_ms} > {oldest_ms} ms")
    # With a clock that such a book comes from no age means anything.
    if -age_ms > settings.max_clock_skew:
        limit_ms = settings.max_clock_skew
        detail = f"the book of {name} is {-age_ms} ms ahead of our clock, limit {limit_ms} ms"
        return Denial("QUOTE_STALE", detail, f"{_coin(name)} {-age_ms} > {limit_ms} ms ahead")
    return None


def skew_denial(attempt: Attempt) -> Denial | None:
    """Are both books of about the same moment? Else the two notionals are not comparable."""
    skew_ms, limit_ms = attempt.quote.skew_ms, attempt.settings.max_quote_skew
    if skew_ms <= limit_ms:
        return None
    detail = f"the books of ETH-PERP and SOL-PERP are {skew_ms} ms apart, limit {limit_ms} ms"
    return Denial("QUOTE_SKEW", detail, f"{skew_ms} > {limit_ms} ms")


def book_denial(attempt: Attempt) -> Denial | None:
    """Is each book narrow, deep enough for the amount, and near its oracle price?"""
    settings = attempt.settings
    for name, leg, amount in attempt.legs:
        denial = (
            wide_spread(name, leg, settings.max_spread)
            or _thin(name, leg, amount, settings)
            or _off_oracle(name, leg, settings)
        )
        if denial is not None:
            return denial
    return None


def depth_denial(attempt: Attempt) -> Denial | None:
    """Does each book hold `min_depth` times the amount within `max_slippage`?"""
    checks = (_thin(name, leg, amount, attempt.settings) for name, leg, amount in attempt.legs)
    return next((denial for denial in checks if denial), None)


def rules_denial(rules: VenueRules, doubted_ms: int, now_ms: int) -> Denial | None:
    """Why nothing is entered by these rules of the venue: they do not say all that entering needs, or they
    are old.

    `doubted_ms`: venue time of the last refusal which says that the rules behind an order were not those of
    the venue; 0 = none.
    """
    if problem := rules.incomplete():
        return Denial(
            "RULES_INCOMPLETE", f"the exchange's data lacks something that entering needs: {problem}"
        )
    if doubted_ms and rules.read_ms <= doubted_ms:
        return Denial(
            "RULES_STALE",
            "the exchange refused an order by a rule that differs from the one read: the rules are being read"
            " again",
        )
    age_ms = now_ms - rules.read_ms
    if rules.read_ms and age_ms > RULES_AGE_MS:
        return Denial(
            "RULES_STALE", f"the venue's rules were last read {age_ms} ms ago, limit {RULES_AGE_MS} ms"
        )
    return None


def closed_window(now_ms: int, settings: Settings) -> Denial | None:
    """The weekly window of `no_entry_utc` that venue time `now_ms` lies in; None outside all of them."""
    if not settings.no_entry_utc:
        return None
    day, minute = divmod(now_ms // 60_000, 1_440)
    weekday = (day + _EPOCH_WEEKDAY) % 7
    for window in settings.no_entry_utc:
        if window.weekday == weekday and window.start_min <= minute < window.end_min:
            detail = (
                f"nothing is entered in {window.text()} UTC (no_entry_utc); an open pair stays hedged and may"
                " exit"
            )
            return Denial("NO_ENTRY_WINDOW", detail, f"until {window.text().rpartition('-')[2]} UTC")
    return None


def daily_loss(held: Held, settings: Settings) -> Denial | None:
    """Has this UTC day cost `max_daily_loss` or more? Money taken out of the account counts as lost: it
    cannot be told apart.
    """
    limit = settings.limits.max_daily_loss
    if held.day_loss < limit:
        return None
    return Denial(
        "MAX_DAILY_LOSS",
        f"this UTC day has cost {usd(held.day_loss)} USD, limit {usd(limit)} USD; nothing more is entered",
    )


def limit_price(price: int, amount: int, slippage: Bps, tick: int) -> Price:
    """The worst price that an order of signed `amount` accepts: `slippage` beyond `price`, on the tick.

    The tick is the less aggressive one: a buyer's limit is rounded down, a seller's up. But it is never
    better than `price`, rounded outward where that is off the tick, so that an order for which `price` is the
    worst level it walks can fill. A seller's limit is at least one tick. Where the depth gate has passed with
    the same slippage, `price` may as well be the VWAP: no level walked is beyond the limit then.

    Raises `ValueError` for an amount of 0, which has no side.
    """
    if amount == 0:
        raise ValueError("an amount of 0 has no limit price")
    worst = worse(price, amount, slippage)
    if amount > 0:
        return Price(max(worst // tick, -(-price // tick)) * tick)
    return Price(max(min(-(-worst // tick), price // tick), 1) * tick)


def wide_spread(name: str, leg: LegQuote, limit: Bps, code: str = "SPREAD_WIDE") -> Denial | None:
    """Is the spread of this book, in basis points of its exact middle, wider than `limit`?"""
    bid, ask = leg.bids[0].price, leg.asks[0].price
    if (ask - bid) * 2 * BASIS <= limit * (ask + bid):
        return None
    spread = _bps((ask - bid) * 2, ask + bid)
    coin = _coin(name)
    brief = f"{coin} {_two_places(spread)} > {_two_places(limit)} bps"
    return Denial(
        code,
        f"the spread of {name} is {spread.text()} bps, limit {limit.text()} bps",
        brief,
    )


def _thin(name: str, leg: LegQuote, amount: int, settings: Settings) -> Denial | None:
    curve = curve_of(leg.side(amount))
    cost, depth = curve.cost(abs(amount)), curve.depth(settings.max_slippage)
    ours = None if cost is None else Quote(cost // ONE)
    if ours is not None and ours * settings.min_depth <= depth * ONE:
        return None
    within = f"{usd(depth)} USD of {name} are within {settings.max_slippage.text()} bps of the touch"
    if ours is None:
        return Denial(
            "DEPTH_THIN",
            f"{within}, and all visible levels together are smaller than the order",
            f"{_coin(name)} {usd(depth)} USD < the order",
        )
    wanted = Quote(ours * settings.min_depth // ONE)
    brief = f"{_coin(name)} {usd(depth)} < {usd(wanted)} USD"
    return Denial(
        "DEPTH_THIN", f"{within}, limit {settings.min_depth.text()} x the order of {usd(ours)} USD", brief
    )


def _off_oracle(name: str, leg: LegQuote, settings: Settings) -> Denial | None:
    """The exact middle, doubled, against the doubled oracle price."""
    middle, oracle = leg.bids[0].price + leg.asks[0].price, 2 * (leg.oracle or 0)
    if oracle <= 0:
        return Denial("ORACLE_GAP", f"{name} has no oracle price")
    if abs(middle - oracle) * BASIS <= settings.max_oracle_gap * oracle:
        return None
    gap = _bps(abs(middle - oracle), oracle)
    brief = f"{_coin(name)} {_two_places(gap)} > {_two_places(settings.max_oracle_gap)} bps"
    return Denial(
        "ORACLE_GAP",
        f"the mid of {name} is {gap.text()} bps off its oracle price, limit"
        f" {settings.max_oracle_gap.text()} bps",
        brief,
    )


def _coin(name: str) -> str:
    return name.partition("-")[0]


def _bps(part: int, whole: int) -> Bps:
    """Rounded up to 0.01 bps, so that a figure over its limit reads so."""
    hundredths = -(-part * 1_000_000 // whole)
    return Bps(hundredths * ONE // 100)


def _two_places(figure: Bps) -> str:
    """A figure and its limit with as many decimals, where two are enough for both."""
    return fixed(figure, 2) if figure % (ONE // 100) == 0 else figure.text()
