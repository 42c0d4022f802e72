"""What a command line gives a simulated exchange: the market that moves it, and what goes wrong there."""

import tomllib

import msgspec

from commands.config.options import market_of
from commands.output.words import ConfigError
from venue.simulated.engine.rules import DEFAULT_PRODUCTS
from venue.simulated.faults.order_faults import Faults, faults_named
from venue.simulated.gateway.answers import REQUESTS
from venue.simulated.markets import PriceSource, market_named
from venue.simulated.markets.recording import UnreadableRecording


def unreadable(error: BaseException) -> UnreadableRecording | None:
    """What is wrong with the recording, where that is what ended the venue: rows are read as it begins."""
    if isinstance(error, BaseExceptionGroup):
        return next((found for each in error.exceptions if (found := unreadable(each)) is not None), None)
    return error if isinstance(error, UnreadableRecording) else None


def named_market(spec: str, seed: int) -> PriceSource:
    """The market that was typed at --market. Raises `ConfigError`."""
    try:
        return market_named(market_of(spec), seed)
    except (ValueError, OSError) as error:
        raise bad_market(error) from error


def bad_market(error: Exception) -> ConfigError:
    """What to say of a market that cannot be made, or of a recording that cannot be read."""
    return ConfigError(
        "BAD_VALUE", "--market", f"--market: {error}", "type --market synthetic, or name another recording"
    )


def staged_faults(spec: str) -> Faults:
    """The faults that were typed at --faults. Raises `ConfigError`."""
    try:
        return faults_named(spec).with_known(
            frozenset(product.symbol for product in DEFAULT_PRODUCTS), REQUESTS
        )
    except (ValueError, OSError) as error:
        syntax = tomllib.TOMLDecodeError | UnicodeDecodeError | msgspec.DecodeError
        garbled = isinstance(error, syntax) and not isinstance(error, msgspec.ValidationError)
        what = (
            f"is not valid {'JSON' if spec.endswith('.json') else 'TOML'}: {error}"
            if garbled
            else told_without_number(error)
        )
        raise ConfigError(
            "BAD_VALUE", "--faults", f"--faults {spec}: {what}", "correct the file, or type --faults none"
        ) from error


def told_without_number(error: Exception) -> str:
    """What went wrong, without the number and the name that Python puts before and after it."""
    return error.strerror.lower() if isinstance(error, OSError) and error.strerror else str(error)
