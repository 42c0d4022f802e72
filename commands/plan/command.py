"""`python supervisor.py plan`: can this target be balanced, what would a cycle cost, what does it need?

    --eth-price 2756.9 --sol-price 115.86     these prices; no exchange is asked
    --market WHICH                            the first books of a market that is simulated or recorded
    --venue testnet | mainnet, --url          the books, fees and margin of now; no key is read
    none of them                              the simulated market of the demo

Nothing is traded. Exit code 0: a run would enter now. 3: it would not, or the exchange does not answer.
"""

import argparse
import shutil
import sys
from functools import partial

from commands.checks.exit_costs import must_clear_costs
from commands.config.effective import Loaded
from commands.config.options import market_of, seed_of, typed_value, url_of, usd_of
from commands.config.units_text import BadText, Percent, Usd
from commands.output.run_json import json_line
from commands.output.words import DONE, REFUSED, ConfigError, fitted_to, say
from commands.plan.basis import NOTHING, Basis, of_exchange, of_market, of_prices, who_asks
from commands.plan.planned import planned
from commands.plan.report import as_object
from commands.plan.sweep import swept
from commands.plan.words import COLUMN, lines
from commands.setup.refusals import known, refusal
from commands.stopping import until_stopped
from messages.settings import Settings
from messages.units import ONE, Bps, Price, Quote

SPAN_MOST = Bps(9_000 * ONE)
"""Further down a price would be next to nothing."""
PRICES = ("--eth-price", "--sol-price")


def main(typed: argparse.Namespace, loaded: Loaded) -> int:
    """Plan, show it, and return the exit code. Raises `Problem`."""
    settings = loaded.settings
    span = None if typed.sweep is None else _span(typed.sweep)
    basis = _basis(typed, settings, None if typed.deposit is None else usd_of("--deposit", typed.deposit))
    if not basis.rules.incomplete():
        must_clear_costs(settings, basis.rules.terms(), basis.quote)
    plan = planned(settings, basis)
    table = None if span is None else swept(settings, basis, span)
    stream, columns = sys.stderr if typed.json else sys.stdout, shutil.get_terminal_size().columns
    say(stream, fitted_to(stream, lines(plan, basis, table), columns, COLUMN))
    if typed.json:
        say(sys.stdout, json_line(as_object(plan, basis, table)))
    return DONE if plan.denial is None else REFUSED


def _basis(typed: argparse.Namespace, settings: Settings, deposit: Quote | None) -> Basis:
    """Where the books are from, by what was typed before what is configured. Raises `Problem`."""
    url, seed = url_of(typed.url), seed_of(typed.seed)
    prices = [(flag, text) for flag, text in zip(PRICES, (typed.eth_price, typed.sol_price), strict=True)]
    given = [flag for flag, text in prices if text is not None]
    sources = [
        *given[:1],
        *(["--market"] if typed.market is not None else []),
        *(["--url"] if url is not None else []),
        *(["--venue"] if typed.overrides.get("venue.name", "simulated") != "simulated" and not url else []),
    ]
    if len(sources) > 1:
        message = f"{sources[0]}: the prices cannot be those of {sources[1]} as well"
        raise ConfigError("TWO_SOURCES", sources[0], message, "leave one of them out", NOTHING)
    if len(given) == 1:
        other = next(flag for flag in PRICES if flag not in given)
        message, cure = f"{other}: is needed with {given[0]}", f"add {other} and a price in USD"
        raise ConfigError("MISSING", other, message, cure, NOTHING)
    if given:
        eth, sol = (_price(flag, str(text)) for flag, text in prices)
        return of_prices(eth, sol, deposit)
    if typed.market is not None or (url is None and settings.venue.name == "simulated"):
        return of_market(market_of(typed.market or "synthetic"), seed, deposit)
    here = who_asks(settings, url)
    try:
        return until_stopped(partial(of_exchange, settings, here, deposit))
    except Exception as error:
        if not known(error):
            raise
        raise refusal(error, here) from None


def _price(flag: str, text: str) -> Price:
    """A price in USD, with or without its unit: it could have no other one. Raises `ConfigError`."""
    try:
        unit = Usd.parts(text)[1]
    except BadText:
        unit = ""
    price = Price(typed_value(flag, text if unit else f"{text} USD", Usd, Quote(ONE), NOTHING))
    if price <= 0:
        message = f'{flag}: "{text}" is not above 0'
        raise ConfigError("OUT_OF_RANGE", flag, message, f"{flag} takes a price in USD", NOTHING)
    return price


def _span(text: str) -> Bps:
    """How far around the present prices a sweep reaches. Raises `ConfigError`."""
    span: Bps = typed_value("--sweep", text, Percent, Bps(ONE), NOTHING)
    if not 0 < span <= SPAN_MOST:
        message = f'--sweep: "{text}" is not above 0 % and at most {Percent.write(SPAN_MOST)}'
        raise ConfigError("OUT_OF_RANGE", "--sweep", message, "type --sweep '10 %'", NOTHING)
    return span
