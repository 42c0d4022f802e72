"""Nado's perpetuals as nautilus_trader has instruments: both of its jobs trade them. Imported from beside a
script that runs where nautilus_trader is installed.
"""

from decimal import Decimal

from nautilus_trader.model.currencies import USDT
from nautilus_trader.model.identifiers import InstrumentId, Symbol, Venue
from nautilus_trader.model.instruments import CryptoPerpetual
from nautilus_trader.model.objects import Price, Quantity

VENUE = Venue("NADO")


def perpetual(base, currency, price_precision, size_precision, *, least=False):  # type: ignore[no-untyped-def]
    """ETH-PERP or SOL-PERP with Nado's tick, and sizes of so many decimals; `least`: is one such step the
    smallest order?
    """
    tick, step = f"{10**-price_precision:.{price_precision}f}", f"{10**-size_precision:.{size_precision}f}"
    return CryptoPerpetual(
        instrument_id=InstrumentId(Symbol(f"{base}-PERP"), VENUE),
        raw_symbol=Symbol(f"{base}-PERP"),
        base_currency=currency,
        quote_currency=USDT,
        settlement_currency=USDT,
        is_inverse=False,
        price_precision=price_precision,
        size_precision=size_precision,
        price_increment=Price.from_str(tick),
        size_increment=Quantity.from_str(step),
        min_quantity=Quantity.from_str(step) if least else None,
        margin_init=Decimal("0.05"),
        margin_maint=Decimal("0.03"),
        maker_fee=Decimal("0.0001"),
        taker_fee=Decimal("0.00035"),
        ts_event=0,
        ts_init=0,
    )
