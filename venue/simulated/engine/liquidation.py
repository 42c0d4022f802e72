"""Accounts under maintenance: their positions are taken over, below the market, until initial health is back
(contracts: ClearinghouseLiq).

    price  = oracle x (1 -+ max(0.5 %, (1 - maintenance weight) / 5))        worse than the oracle for whoever
           is liquidated
    fee    = half of the difference between oracle and that price, paid by the liquidator to the insurance
           fund

The house liquidates by itself whatever is under maintenance: all orders are withdrawn, then positions go, the
largest first, each as far as it takes. A subaccount may also do it with `liquidate_subaccount`. What an
account without positions still owes is paid by the insurance fund.
"""

from bisect import bisect_left
from functools import partial

from messages.units import ONE, Base, Ns, Price
from venue.simulated.engine.accounts import Account, product_of_x18, weight, weighted_value
from venue.simulated.engine.codes import refused, require
from venue.simulated.engine.events import Liquidated
from venue.simulated.engine.matching import Matching
from venue.simulated.engine.rules import QUOTE_PRODUCT, is_isolated
from venue.simulated.engine.trading import Engine

HOUSE = "0x" + "00" * 31 + "01"
"""The liquidator's name when it is the venue itself: the liquidity pool's account in the contracts."""
LEAST_PENALTY = ONE // 200
FEE_SHARE = 2
"""The insurance fund gets one in so many parts of the penalty."""


def liquidate_unhealthy(engine: Matching, now_ns: int) -> bool:
    """Take over positions of every account under maintenance until its initial health is back; True when
    there was such an account.
    """
    under = [
        account for account in engine.accounts.values() if account.positions and _is_under(engine, account)
    ]
    for account in under:
        _liquidate(engine, account, engine.tick(now_ns))
    return bool(under)


def take_over_all(engine: Matching, subaccount: str, now_ns: int, only: int | None = None) -> None:
    """Staged: take over every position of `subaccount` ("" = of everybody), or `only` that of one product,
    however healthy it is.
    """
    for account in [
        account
        for account in engine.accounts.values()
        if subaccount in {"", account.subaccount, account.parent}
    ]:
        now = engine.tick(now_ns)
        _withdraw_orders(engine, account, now)
        for product_id, held in tuple(account.positions.items()):
            if held.amount and only in {None, product_id}:
                _take_over(engine, account, product_id, held.amount, HOUSE, now)


def _is_under(engine: Engine, account: Account) -> bool:
    """Is its maintenance health below zero? The sum that `Health.health` is, without the figures beside it:
    it is asked at every move of the market.
    """
    health = account.usdt0
    for product_id in account.positions:
        market, held = engine.markets[product_id], engine.position(account, product_id)
        health += held.v_quote
        if held.amount:
            health += weighted_value(held, market.product, market.oracle, "maintenance")
    return health < 0


def _liquidate(engine: Matching, account: Account, now: Ns) -> None:
    _withdraw_orders(engine, account, now)
    for product_id in sorted(
        account.positions, key=lambda each: -abs(account.position(each).amount * engine.markets[each].oracle)
    ):
        amount = _amount_needed(engine, account, product_id)
        if amount:
            _take_over(engine, account, product_id, amount, HOUSE, now)
    _write_off(engine, account)


def _withdraw_orders(engine: Matching, account: Account, now: Ns) -> None:
    for market in engine.markets.values():
        for order in [
            order for order in market.open_orders.values() if order.order.sender == account.subaccount
        ]:
            engine.withdraw(order, now)


def _amount_needed(engine: Engine, account: Account, product_id: int) -> int:
    """The fewest steps of a position (signed) whose loss brings initial health back to zero; all of it
    when none does.
    """
    held, step = account.position(product_id).amount, engine.markets[product_id].product.step
    sign = 1 if held > 0 else -1

    def is_enough(steps: int) -> bool:
        amount = sign * steps * step
        paid = product_of_x18(price_of(engine, product_id, amount), amount)
        return engine.initial_after(account, product_id, -amount, paid) >= 0

    steps = bisect_left(range(-(-abs(held) // step)), True, key=is_enough)
    return sign * min(steps * step, abs(held))


def price_of(engine: Engine, product_id: int, amount: int) -> Price:
    """What a liquidator pays per unit for `amount` (signed like the position), x18: the oracle price less the
    penalty for a long, plus it for a short.
    """
    market = engine.markets[product_id]
    penalty = max(LEAST_PENALTY, abs(weight(market.product, amount, "maintenance") - ONE) // 5)
    return Price(product_of_x18(market.oracle, ONE - penalty if amount > 0 else ONE + penalty))


def _take_over(
    engine: Engine, account: Account, product_id: int, amount: int, liquidator: str, now: Ns
) -> None:
    price, market = price_of(engine, product_id, amount), engine.markets[product_id]
    payment = product_of_x18(price, amount)
    fee = abs(product_of_x18(market.oracle - price, amount)) // FEE_SHARE
    engine.change(account, product_id, -amount, payment)
    engine.insurance += fee
    taken = Liquidated(product_id, liquidator, account.subaccount, Base(amount), price, now)
    engine.takeovers.append(taken)
    engine.outbox.append(taken)
    publish = partial(engine.publish_moved, event="liquidate_subaccount", idx=engine.next_idx())
    publish(account, product_id, amount=-amount, quote=payment)
    if liquidator in engine.accounts:
        engine.change(engine.accounts[liquidator], product_id, amount, -payment - fee)
        publish(engine.accounts[liquidator], product_id, amount=amount, quote=-payment - fee)
    if account.parent and account.position(product_id).amount == 0:
        engine.close_isolated(account, product_id)


def _write_off(engine: Engine, account: Account) -> None:
    """An account that holds nothing any more and owes: the insurance fund pays, so that it ends at zero."""
    if any(held.amount for held in account.positions.values()):
        return
    owed = -(account.usdt0 + sum(held.v_quote for held in account.positions.values()))
    if owed > 0:
        publish = partial(engine.publish_moved, account, event="liquidate_subaccount", idx=engine.next_idx())
        for product_id, held in tuple(account.positions.items()):
            engine.change(account, product_id, 0, -held.v_quote)
            publish(product_id=product_id, quote=-int(held.v_quote))
        paid_in, account.usdt0 = -account.usdt0, 0
        engine.insurance -= owed
        publish(product_id=QUOTE_PRODUCT, amount=paid_in)


def liquidate_by(
    engine: Matching, liquidator: str, liquidatee: str, product_id: int, amount: int, now_ns: int
) -> None:
    """`liquidate_subaccount`. Raises `ExchangeRefusal`: 2050 for an isolated or the same account, 2042 to
    2047 as their names say.
    """
    taker, account, now = (
        engine.account_named(liquidator),
        engine.account_named(liquidatee),
        engine.tick(now_ns),
    )
    require(not is_isolated(liquidator) and liquidator != liquidatee, 2050)
    # The order decides which refusal a client sees: what the request names, then the account, then the
    # amount.
    market = engine.markets.get(product_id)
    if market is None:
        raise refused(2045)
    if not _is_under(engine, account):
        raise refused(2044 if engine.health(account, "initial").health >= 0 else 2042)
    require(amount % market.product.step == 0, 2046)
    require(
        amount != 0
        and abs(amount) <= abs(_amount_needed(engine, account, product_id))
        and (amount > 0) == (account.position(product_id).amount > 0),
        2047,
    )
    price = price_of(engine, product_id, amount)
    require(engine.initial_after(taker, product_id, amount, -product_of_x18(price, amount)) >= 0, 2043)
    _withdraw_orders(engine, account, now)
    _take_over(engine, account, product_id, amount, liquidator, now)
