"""Money that moves without an order: deposits, transfers, withdrawals, linked signers, funding and the
settlement of results.

Functions over the engine; whoever calls them has checked signature and nonce.
"""

from messages.units import Base, Quote
from venue.simulated.engine.accounts import Account, imagined, product_of_x18
from venue.simulated.engine.codes import refused, require
from venue.simulated.engine.events import FundingCharged, FundingPaid
from venue.simulated.engine.funding import PERIOD_S
from venue.simulated.engine.rules import NO_ADDRESS, QUOTE_PRODUCT, is_isolated
from venue.simulated.engine.trading import Engine

LEAST = Quote.of(5)
"""The least account value to link a signer, and the least that may be transferred."""
LINKS_MAX, LINKS_WINDOW_NS = 50, 7 * 86_400 * 10**9
"""How often a subaccount may change its signer, and in what time."""
WITHDRAW_FEE = Quote.of(1)
TOKEN_UNIT = 10**12
"""One unit of USDT0's six decimals, x18."""


def deposit(engine: Engine, subaccount: str, amount: Quote, now_ns: int) -> None:
    """Credit USDT0; the first deposit makes the subaccount exist."""
    account = engine.accounts.setdefault(subaccount, Account(subaccount))
    account.usdt0 += amount
    engine.tick(now_ns)
    engine.publish_moved(account, QUOTE_PRODUCT, "deposit_collateral", amount=amount, idx=engine.next_idx())


def link_signer(engine: Engine, sender: str, signer: str, now_ns: int) -> None:
    """Let `signer` (an address) act for `sender`; the zero address revokes. One signer per subaccount: a
    new one replaces the old.
    """
    account, now = engine.account_named(sender), engine.tick(now_ns)
    require(not is_isolated(sender), 2089)
    require(signer != account.linked_signer, 2026)
    require(signer == NO_ADDRESS or engine.health(account, "unweighted").health >= LEAST, 2025)
    account.signer_links_ns = [at_ns for at_ns in account.signer_links_ns if at_ns > now - LINKS_WINDOW_NS]
    if len(account.signer_links_ns) >= LINKS_MAX:
        raise refused(2030, wait=(account.signer_links_ns[0] + LINKS_WINDOW_NS - now) // 10**9 + 1)
    account.signer_links_ns.append(now)
    account.linked_signer = signer


def transfer_quote(engine: Engine, sender: str, recipient: str, amount: int, now_ns: int) -> None:
    """Move USDT0 between subaccounts. Health must stay (2036); the recipient comes to life by it."""
    require(sender != recipient, 2079)
    require(amount >= LEAST, 2077)
    account = engine.account_named(sender)
    engine.tick(now_ns)
    _check_affordable(engine, account, amount)
    engine.move_quote(account, engine.accounts.setdefault(recipient, Account(recipient)), amount)


def withdraw(
    engine: Engine, sender: str, product_id: int, tokens: int, now_ns: int, *, may_borrow: bool = True
) -> None:
    """Pay out `tokens` (six decimals) of USDT0 and a fee of 1 USDT0. Nothing arrives anywhere: there is no
    chain.
    """
    require(product_id == QUOTE_PRODUCT, 2016)
    account, amount = engine.account_named(sender), tokens * TOKEN_UNIT + WITHDRAW_FEE
    engine.tick(now_ns)
    require(amount < 2**127, 2091)
    require(may_borrow or account.usdt0 >= amount, 2017)
    _check_affordable(engine, account, amount)
    account.usdt0 -= amount
    engine.publish_moved(account, QUOTE_PRODUCT, "withdraw_collateral", amount=-amount, idx=engine.next_idx())


def withdrawable(engine: Engine, account: Account, *, may_borrow: bool = True) -> int:
    """How much USDT0 may be paid out, x18, the fee already taken off."""
    free = engine.health(account, "initial").health
    return max(0, (free if may_borrow else min(free, account.usdt0)) - WITHDRAW_FEE)


def _check_affordable(engine: Engine, account: Account, amount: int) -> None:
    require(engine.health(imagined(account, -amount), "initial").health >= 0, 2036)


# -- the clockwork -------------------------------------------------------------------------------------------


def pay_funding(engine: Engine, now_ns: int, seconds: int = PERIOD_S) -> None:
    """Charge every product's funding for the time since the last payment. Positions pay when they are next
    touched or asked about.
    """
    now = engine.tick(now_ns)
    for product_id, market in engine.markets.items():
        rate, before = market.funding.rate(market.oracle, now), market.funding.cumulative
        payment = market.funding.pay(market.oracle, now, seconds)
        after = market.funding.cumulative
        for account in engine.accounts.values():
            position = account.position(product_id)
            if position.amount:
                # Several periods are rounded once, at the next touch. As a difference of two totals the
                # charges add up to what the account then pays.
                paid = Quote(position.funded(after).v_quote - position.funded(before).v_quote)
                engine.outbox.append(
                    FundingCharged(
                        product_id,
                        account.subaccount,
                        paid,
                        position.amount,
                        rate,
                        market.oracle,
                        engine.next_idx(),
                        now,
                    )
                )
        open_interest = Base(engine.open_interest(product_id))
        engine.outbox.append(FundingPaid(product_id, payment, open_interest, after, seconds, now))


def settle_results(engine: Engine, now_ns: int) -> None:
    """Move what positions have won or lost into the USDT0 balances: amount x oracle + v_quote, as far as
    the product can pay (PerpEngine).
    """
    engine.tick(now_ns)
    for account in tuple(engine.accounts.values()):
        for product_id in tuple(account.positions):
            market, held = engine.markets[product_id], engine.position(account, product_id)
            result = min(product_of_x18(held.amount, market.oracle) + held.v_quote, market.available_settle)
            if result:
                engine.change(account, product_id, 0, -result)
                market.available_settle -= result
                account.usdt0 += result
                idx = engine.next_idx()
                engine.publish_moved(account, product_id, "settle_pnl", quote=-result, idx=idx)
                engine.publish_moved(account, QUOTE_PRODUCT, "settle_pnl", amount=result, idx=idx)
