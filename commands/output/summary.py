"""How a run ended, for a person: a few lines that stay in the scrollback.

Every number is the ledger's or the venue's. What nobody knows is `unknown`, never 0.
"""

from commands.output import money_lines
from commands.output.ending import Report, code_of, median_of, problem_of
from commands.output.words import OPEN, seconds
from messages.amounts import percent, short_percent
from messages.lifecycle import Held, Totals
from messages.units import DOLLAR_NEUTRAL, ONE, Bps


def text(report: Report) -> list[str]:
    """The final summary, of at most 80 columns where paths allow; it stays in the scrollback. When
    something is open, that comes last.
    """
    lines = [_first_line(report)]
    problem = problem_of(report)
    if problem is not None and code_of(report) != OPEN:
        lines.append(f" {'why':<9} {problem.sentence}")
    totals = report.totals
    if report.ended_by == "done" and report.detail:
        lines.append(f" {'ended':<9} {report.detail}")
    if totals is not None:
        lines += _numbers(report, totals)
    if code_of(report) != OPEN:
        lines.append(f" {'open':<9} {_flat(report)}")
    if report.files:
        lines.append(f" {'files':<9} {'   '.join(report.files)}")
    if problem is not None and code_of(report) == OPEN:
        lines.append(problem.sentence)
    elif report.next:
        lines.append(f" {'next':<9} {report.next}")
    return lines


def _first_line(report: Report) -> str:
    totals = report.totals
    where = f"({report.venue}, seed {report.seed})"
    if code_of(report) == OPEN:
        return f"NOT FLAT after {seconds(report.elapsed_ms)} {where}."
    if totals is None:
        return (
            f"FLAT. What was traded in {seconds(report.elapsed_ms)} {where} is not known: the ledger is lost."
        )
    return f"FLAT. {report.run.headline(f'in {seconds(report.elapsed_ms)}', where)}"


def _numbers(report: Report, totals: Totals) -> list[str]:
    lines = []
    if totals.filled_imbalances:
        worst, middle = (
            percent(max(totals.filled_imbalances)),
            percent(median_of(totals.filled_imbalances) or Bps(0)),
        )
        promise, ratio = short_percent(report.settings.max_imbalance), report.settings.hedge_ratio
        hedged = "" if ratio == DOLLAR_NEUTRAL else f" at hedge ratio {ratio.text()}"
        lines.append(
            f" {'balance':<9} filled imbalance worst {worst}, median {middle} (promise: under"
            f" {promise}{hedged})"
        )
        above = sum(each > report.settings.max_imbalance for each in totals.filled_imbalances)
        if above:
            count = len(totals.filled_imbalances)
            lines.append(f" {'':<9} {above} of {count} pairs miss it")
    if counted := report.run.count_words():
        lines.append(f" {'cycles':<9} {counted}")
    if any(rule != "HOLD" for rule, _ in totals.exits):
        left = ", ".join(f"{count} by {rule}" for rule, count in totals.exits)
        lines.append(f" {'exits':<9} {left}")
    for number, staged in enumerate(report.staged):
        lines.append(f" {'' if number else 'staged':<9} {staged.text}")
    if totals.orders_sent:
        lines += [f" {'orders':<9} {_orders(report, totals)}", *_money(totals)]
    return lines


def _orders(report: Report, totals: Totals) -> str:
    once = (
        ""
        if report.orders_twice is None
        else f", {report.orders_twice} of them twice"
        if report.orders_twice
        else ", each once"
    )
    counted = f"{totals.orders_sent} sent{once}, {totals.orders_closed} resolved"
    restarts = (
        f", {totals.restarts} restarts" if totals.restarts > 1 else ", 1 restart" if totals.restarts else ""
    )
    doubtful = report.unknown or (report.held is not None and (report.held.doubts or report.held.working))
    return f"{counted}{restarts}; venue and ledger {agreement(None if doubtful else report.held)}"


def agreement(held: Held | None) -> str:
    """What is said of venue and ledger: `agree`, `DISAGREE: why`, or `not compared`."""
    if held is None or not held.account_ok:
        return "not compared"
    return f"DISAGREE: {held.foreign}" if held.foreign else "agree"


def _money(totals: Totals) -> list[str]:
    money = totals.money
    if money is None:
        return []
    lines = [f" {'money':<9} {money_lines.result(money, totals.pnl)}"]
    lines += [
        f" {'':<9} {line}"
        for line in (*money_lines.parts(money), *money_lines.flows(money), *money_lines.residual(money))
    ]
    cost = money_lines.per_million(totals.fees + totals.spread, totals.traded)
    if cost is not None:
        lines.append(f" {'':<9} {cost // ONE} USD per 1M traded. Evenkeel hedges; it does not find profit.")
    return lines


def _flat(report: Report) -> str:
    return (
        "0 ETH, 0 SOL, 0 orders (asked: cross, isolated, open orders)"
        if report.held and report.held.account_ok
        else "0 ETH, 0 SOL by the ledger"
    )
