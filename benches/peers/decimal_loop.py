"""Sizing as a script does it: every ETH lot near the target is tried, in Decimal. It takes the two best
prices for granted whatever the size, and knows no fees. Standard library only.
"""

from decimal import Decimal

ETH_STEP, SOL_STEP = Decimal("0.001"), Decimal("0.1")
NEAR = Decimal("0.8"), Decimal("1.2")


def sized(target: Decimal, eth_ask: Decimal, sol_bid: Decimal) -> tuple[Decimal, Decimal]:
    """Lots of ETH to buy and of SOL to sell (negative) whose notionals differ least."""
    best: tuple[Decimal, Decimal, Decimal] | None = None
    few, many = (int(target * part / eth_ask / ETH_STEP) for part in NEAR)
    for lots in range(few, many):
        notional = lots * ETH_STEP * eth_ask
        others = int(notional / sol_bid / SOL_STEP + Decimal("0.5"))
        off = abs(notional - others * SOL_STEP * sol_bid) + abs(notional - target) / 1000
        if best is None or off < best[0]:
            best = off, lots * ETH_STEP, others * SOL_STEP
    if best is None:
        raise ValueError(f"{target} USD is less than one lot of ETH at {eth_ask}")
    return best[1], -best[2]
