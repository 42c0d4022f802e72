"""A report in a few lines, for the terminal."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from commands.output.words import date_time
from commands.report.account import ReportAccount
from commands.report.block_bootstrap import Estimate
from commands.report.figures import FIRST
from commands.report.policy_figures import PolicyFigures
from messages.amounts import fixed, percent, rate_percent, short_percent, usd
from messages.units import X18, Quote


def lines(accounts: Sequence[ReportAccount], since_ns: int, files: Mapping[str, str]) -> list[str]:
    """What is open, what was kept, what it cost, for each ledger; then the files."""
    since = f" since {date_time(since_ns // 1_000_000)}" if since_ns else ""
    many = f"{len(accounts)} ledgers" if len(accounts) > 1 else accounts[0].label
    told = [f"REPORT of {many}{since}"]
    for account in accounts:
        told += [f" {label:<9} {text}".rstrip() for label, text in _account(account, named=len(accounts) > 1)]
    if files:
        told.append(f" {'files':<9} {'   '.join(files.values())}")
    return told


def _account(account: ReportAccount, *, named: bool) -> Iterator[tuple[str, str]]:
    figures = account.figures
    if named:
        yield "ledger", account.label
    yield "money", account.money
    yield "open", open_words(account)
    yield "cycles", cycle_words(account)
    if figures.filled.values:
        kept = len(figures.filled.values) - figures.filled.above
        yield (
            "balance",
            f"{kept} of {len(figures.filled.values)} filled within {short_percent(figures.limit)},"
            f" worst {percent(figures.filled.most)}"
            if figures.filled.most is not None
            else "",
        )
    if figures.traded:
        yield (
            "cost",
            f"{estimate_words(figures.per_million[FIRST])} USD per 1M traded, of {cents(figures.traded)} USD",
        )
    for each in figures.policies:
        if each.fill_rate is not None:
            yield "policy", policy_words(each)
    if account.broken:
        yield "broken", account.broken


def open_words(account: ReportAccount) -> str:
    """Is it flat, by the ledger, and does the account say so?"""
    eth, sol = account.open_now
    last = account.history.last_ns
    if not last:
        return "nothing was ever traded"
    at = f"by the ledger at {date_time(last // 1_000_000)}"
    if account.history.bad_row is not None:
        by = f"by the others {eth.text()} ETH, {sol.text()} SOL"
        return f"not known: a row of the ledger is not as it was written; {by}"
    if account.flat is None:
        return f"an order is under way or in doubt, {at}"
    agreed = account.agreed_ms
    said = f"; the exchange said the same at {date_time(agreed)}" if agreed is not None else ""
    if account.flat:
        return f"flat {at}{said}"
    return f"{eth.text()} ETH, {sol.text()} SOL {at}{said}"


def cents(value: X18) -> str:
    """USD to the cent, half to even, with thousands apart: `12,182.70`."""
    return f"{Decimal(usd(value)):,}"


def cycle_words(account: ReportAccount) -> str:
    """How many cycles completed, failed or were skipped, and how many are under way."""
    figures = account.figures
    counted = f"{figures.completed} completed ({figures.together} entered and exited together)"
    counted += f", {figures.failed} failed, {figures.skipped} skipped"
    counted += f", {figures.unfinished} under way" if figures.unfinished else ""
    if figures.fill_rate is not None:
        counted += f"; {rate_percent(figures.fill_rate)} % of entering legs filled at once"
    return counted


def policy_words(each: PolicyFigures) -> str:
    """What a policy by which orders rest came to."""
    filled = rate_percent(each.fill_rate) if each.fill_rate is not None else "0"
    return (
        f"{each.name}: {estimate_words(each.per_million['execution'])} USD per 1M traded with adverse moves,"
        f" {filled} % filled of what was to rest, {each.cancels} cancellations"
    )


def estimate_words(each: Estimate) -> str:
    """`375.0 ± 1.5`; without an error where there is none, `unknown` where there is no figure."""
    if each.value is None:
        return "unknown"
    error = "" if each.error is None else f" ± {fixed(Quote(each.error), 1)}"
    return f"{fixed(Quote(each.value), 1)}{error}"
