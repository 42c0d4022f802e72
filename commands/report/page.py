"""A report as one HTML page that needs nothing else: no script, no font, no picture from anywhere.

What a person asks first comes first: is it flat, did entries keep the promise, what did it cost. Then the
figures, a column for each ledger; cost by cause, imbalances, what was unhedged, how long hops took, what went
wrong; at last a row for every cycle. Figures carry their exact value (`<data value>`), as `--json` has it.
"""

from collections.abc import Callable, Iterator, Sequence
from html import escape

from commands.output.money_lines import CAUSE_WORDS, CAUSES
from commands.output.words import COMMAND, clock_time, date_time
from commands.report.account import ReportAccount
from commands.report.adverse_moves import AFTER_S, AdverseMoves
from commands.report.block_bootstrap import Estimate
from commands.report.charts import cost_chart, imbalance_chart
from commands.report.cycle_row import CycleRow
from commands.report.figures import ALL_IN, FIRST, Delay, Distribution
from commands.report.hops import STEPS
from commands.report.markup import TableCell, paragraph, table, unbroken
from commands.report.output_files import PAGE_MARK
from commands.report.page_style import STYLE
from commands.report.policy_figures import EXECUTION_COST, PolicyFigures
from commands.report.words import cents, estimate_words, open_words
from messages.amounts import fixed, percent, rate_percent, short_percent, signed
from messages.units import DOLLAR_NEUTRAL, X18, Bps, Quote, Rate, text_of

CYCLES_SHOWN = 2_000
"""The newest; all of them are in --csv."""
HAPPENINGS_SHOWN = 200
UNKNOWN = TableCell("unknown")
PAPER_WORDS = (
    "Impact: what an order took from the book was there again with the next batch.",
    "Queue: nobody knows an order's place in it. Evenkeel's own orders do not rest.",
    "Latency: orders always arrived after half of the round trip measured at the start; a busy exchange takes"
    " longer, and loses connections.",
    "Money: funding is charged at the rates that the exchange says, as they were last read; your own fee tier"
    " and limits are not known.",
)
"""What paper flatters; docs/running.md says more."""
SIMULATED_WORDS = (
    "The exchange was simulated: its fills, its delays and its failures are this program's own.",
    "What an order took from a book was there again at the next move, nobody competed for it, and no real"
    " account's fees or limits held. A real run costs more.",
)
Fact = tuple[str, Callable[[ReportAccount], TableCell]]


def page_bytes(accounts: Sequence[ReportAccount], since_ns: int) -> bytes:
    """The page, UTF-8. Raises `ImportError` without matplotlib."""
    several = len(accounts) > 1
    body = "\n".join(
        part
        for section in (
            _head(accounts, since_ns),
            _play(accounts),
            _trouble(accounts),
            (part for account in accounts for part in _answers(account, named=several)),
            _figures(accounts),
            _costs(accounts),
            _policies(accounts),
            _imbalances(accounts),
            _delays(accounts),
            _wrong(accounts),
            _runs(accounts),
            _cycles(accounts),
        )
        for part in section
    )
    page = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
{PAGE_MARK.decode()}
<title>Evenkeel report: {escape(", ".join(account.label for account in accounts))}</title>
<style>{STYLE}</style>
</head>
<body>
<a class="skip" href="#figures">Skip to the figures</a>
{body}
</main>
<footer><p>Made by {escape(COMMAND)} report. Evenkeel hedges; it does not find profit.</p>
<p>± is one standard error by a circular block bootstrap over cycles: how far a figure may be off because
only so many cycles were seen. It says nothing about markets that were not seen.</p></footer>
</body>
</html>
"""
    return page.encode("utf-8", "xmlcharrefreplace")


def _head(accounts: Sequence[ReportAccount], since_ns: int) -> Iterator[str]:
    firsts = [account.history.first_ns for account in accounts if account.history.first_ns]
    last_ns = max(account.history.last_ns for account in accounts)
    yield "<header><h1>Evenkeel report</h1>"
    if firsts:
        first_ns = max(min(firsts), since_ns)
        span = f"{date_time(first_ns // 1_000_000)} to {date_time(last_ns // 1_000_000)}"
        limited = ", cycles that began at or after the first of these" if since_ns else ""
        yield paragraph(f"ETH/SOL pair on Nado, {span}{limited}. Times are UTC.", "muted")
    yield "</header>\n<main>"


def _play(accounts: Sequence[ReportAccount]) -> Iterator[str]:
    """Whose money it was, and what play money flatters."""
    for kind, words in ((True, PAPER_WORDS), (False, SIMULATED_WORDS)):
        named = [account for account in accounts if account.play and account.paper is kind]
        if named:
            which = "" if len(named) == len(accounts) else f" ({', '.join(each.label for each in named)})"
            items = "".join(f"<li>{escape(word)}</li>" for word in words)
            title = escape(named[0].money.partition(",")[0])
            yield (
                f'<div class="banner"><p><strong>{title}: no real money{escape(which)}.</strong>'
                f" What this flatters:</p><ul>{items}</ul></div>"
            )


def _trouble(accounts: Sequence[ReportAccount]) -> Iterator[str]:
    for account in accounts:
        words = [account.broken] if account.broken else []
        if account.broken:
            words.append("figures are those of the rows that are as they were written")
        if account.history.since_row:
            words.append(
                f"rows before {account.history.since_row} are in no file beside this ledger: what they say is"
                " not in this report"
            )
        if latched := account.history.fold.latched:
            words.append(f"HALTED, {': '.join(latched)}; a person has to clear it")
        if words:
            yield paragraph(f"{account.label}: {'; '.join(words)}.", "trouble")


# -- the three answers ---------------------------------------------------------------------------------------


def _answers(account: ReportAccount, *, named: bool) -> Iterator[str]:
    if named:
        yield f"<h2>{escape(account.label)}</h2>"
    kind = {True: "good", False: "bad", None: "bad"}[account.flat]
    flat = {True: "Flat", False: "Not flat", None: "Not known"}[account.flat]
    figures, filled = account.figures, account.figures.filled
    share = short_percent(figures.limit)
    kept, kept_kind, why = "No pair was entered", "", ""
    if filled.values and filled.most is not None and filled.median is not None:
        good = len(filled.values) - filled.above
        kept, kept_kind = f"{good} of {len(filled.values)}", "bad" if filled.above else "good"
        why = f"worst {percent(filled.most)}, median {percent(filled.median)}, by fill prices"
    cost, cost_why = "Nothing was traded", ""
    if figures.traded:
        cost = f"{estimate_words(figures.per_million[FIRST])} USD"
        cost_why = (
            f"fees, spread and slippage, of {cents(figures.traded)} USD traded. With what the"
            f" market did to the pair: {estimate_words(figures.per_million[ALL_IN])} USD."
        )
    cards = (
        ("Is it flat?", flat, kind, open_words(account).removeprefix("flat ")),
        (f"Did entries stay within {share}?", kept, kept_kind, why),
        ("What did trading cost per 1M USD?", cost, "", cost_why),
    )
    inner = "".join(
        f'<div><dt>{unbroken(asked)}</dt><dd class="is {mood}">{unbroken(answer)}</dd>'
        f'<dd class="why">{unbroken(because)}</dd></div>'
        for asked, answer, mood, because in cards
    )
    yield f'<dl class="answers">{inner}</dl>'


# -- figures -------------------------------------------------------------------------------------------------


def _figures(accounts: Sequence[ReportAccount]) -> Iterator[str]:
    facts: tuple[Fact, ...] = (
        ("Whose money", lambda a: TableCell(a.money)),
        ("Cycles completed", lambda a: _count(a.figures.completed)),
        ("Entered and exited together", lambda a: _count(a.figures.together)),
        ("Cycles failed", lambda a: _count(a.figures.failed)),
        ("Cycles skipped", lambda a: _count(a.figures.skipped)),
        ("Cycles under way", lambda a: _count(a.figures.unfinished)),
        ("Closed by a later run", lambda a: _count(a.figures.adopted)),
        ("Cycle success", lambda a: _rate(a.figures.success)),
        ("Fill rate of entering legs", lambda a: _rate(a.figures.fill_rate)),
        ("Orders sent", lambda a: _count(a.figures.orders)),
        ("Repairs", lambda a: _count(a.figures.repairs)),
        ("Volume, USD", lambda a: _money(a.figures.traded)),
        ("Trading result, USD", lambda a: _signed(a.figures.net)),
        ("Result in no cycle, USD", lambda a: _signed(a.figures.outside)),
        ("Unhedged, USD·s", lambda a: _short(a.figures.unhedged_usd_s)),
        ("Most in one cycle, USD·s", lambda a: _short(a.figures.unhedged_most_usd_s)),
        ("Largest unhedged amount, USD", lambda a: _money(a.figures.unhedged_worst)),
        ("Time unhedged, ms", lambda a: _count(a.figures.unhedged_ms)),
        ("Cycles unhedged for 1 ms or more", lambda a: _count(a.figures.unhedged_cycles)),
    )
    yield '<h2 id="figures">Figures</h2>'
    head = ["Figure", *_names(accounts)]
    rows = [(name, [of(account) for account in accounts]) for name, of in facts]
    yield table("t-figures", "What was done; one column for each ledger", head, rows)


def _costs(accounts: Sequence[ReportAccount]) -> Iterator[str]:
    yield "<h2>Cost per 1M USD traded, by cause</h2>"
    traded = [account for account in accounts if account.figures.traded]
    if not traded:
        yield paragraph("Nothing was traded.")
        return
    charts = []
    for number, account in enumerate(traded):
        words = {name: account.figures.per_million[cause] for name, cause in _named_causes()}
        told = "; ".join(f"{name} {estimate_words(each)}" for name, each in words.items())
        chart = cost_chart(f"cost-{number}", f"Bars of USD per 1M traded: {told}.", words)
        certain = all(each.error is not None for each in words.values())
        caption = "bars with one standard error" if certain else "too few cycles for an error"
        charts.append(_figure(chart, account, accounts, caption))
    columns = ("USD per 1M", "95 %", "USD in all")
    head = ["Cause", *(what + _of(each, accounts) for each in traded for what in columns)]
    rows = [
        (name, [cell for account in traded for cell in _cost_cells(account, cause)])
        for name, cause in _named_causes()
    ]
    caption = "Above 0 is paid. 95 of 100 bootstrap draws lie in the range."
    yield _beside(charts, table("t-costs", caption, head, rows))


def _cost_cells(account: ReportAccount, cause: str) -> list[TableCell]:
    figures, each = account.figures, account.figures.per_million[cause]
    paid = {FIRST: figures.trading_cost, ALL_IN: Quote(-figures.net)} | {
        str(known): amount for known, amount in figures.costs.items()
    }
    between = TableCell("too few cycles")
    if each.low is not None and each.high is not None:
        between = TableCell(f"{fixed(Quote(each.low), 1)} to {fixed(Quote(each.high), 1)}")
    return [_estimated(each), between, _money(paid[cause])]


def _policies(accounts: Sequence[ReportAccount]) -> Iterator[str]:
    found = [(account, each) for account in accounts for each in account.figures.policies]
    if not found:
        return
    yield "<h2>Policies of execution</h2>"
    yield paragraph(
        "Costs are USD per 1M traded, above 0 is paid. Shortfall: what was paid beyond the mids of the"
        " decisions, fees included, per 1M wanted; what was wanted and did not trade counts by what its mids"
        " did. Adverse move: how far the mid had gone against a fill since its decision, at the fill and some"
        " seconds later; it is known only with --market."
    )
    facts: tuple[tuple[str, Callable[[PolicyFigures], TableCell]], ...] = (
        ("Cycles", lambda each: _count(each.cycles)),
        ("Entered", lambda each: _count(each.entered)),
        ("Skipped", lambda each: _count(each.skipped)),
        ("Volume, USD", lambda each: _money(each.traded)),
        *(
            (CAUSE_WORDS[cause], lambda each, cause=cause: _estimated(each.per_million[cause]))
            for cause in EXECUTION_COST
        ),
        ("all of these", lambda each: _estimated(each.per_million["execution"])),
        ("shortfall", lambda each: _estimated(each.shortfall)),
        ("Filled of what was to rest", lambda each: _rate(each.fill_rate)),
        *(
            (
                f"adverse move of {kind} orders, {after} s",
                lambda each, kind=kind, number=number: _moved(getattr(each, kind), number),
            )
            for kind in ("rested", "taken")
            for number, after in enumerate(AFTER_S)
        ),
        ("Orders followed in the queue model", lambda each: _count(each.shadow.orders)),
        ("Filled of these", lambda each: _rate(each.shadow.fill_rate)),
        ("Filled of these by the model", lambda each: _rate(each.shadow.modelled)),
        *(
            (
                f"adverse move after the model's fills, {after} s",
                lambda each, number=number: _moved(each.shadow.adverse, number),
            )
            for number, after in enumerate(AFTER_S)
        ),
        ("Unhedged, USD·s a cycle", lambda each: _estimated(each.unhedged_usd_s)),
        ("Until hedged, ms, median", lambda each: _took(Delay.of(each.hedged_ms).median)),
        ("Until hedged, ms, 99th percentile", lambda each: _took(Delay.of(each.hedged_ms).p99)),
        ("Orders sent", lambda each: _count(each.orders)),
        ("Cancellations sent", lambda each: _count(each.cancels)),
    )
    head = ["Figure", *(f"{each.name}{_of(account, accounts)}" for account, each in found)]
    rows = [(name, [of(each) for _, each in found]) for name, of in facts]
    yield table("t-policies", "One column for each policy by which a run traded", head, rows)


def _moved(moves: AdverseMoves, number: int) -> TableCell:
    return _estimated(moves.per_million[number]) if moves.known[number] else TableCell("-")


def _estimated(each: Estimate) -> TableCell:
    exact = text_of(None if each.value is None else Quote(each.value)) or ""
    return TableCell(estimate_words(each), exact)


def _took(ms: int | None) -> TableCell:
    return TableCell("-") if ms is None else _count(ms)


def _figure(chart: str, account: ReportAccount, accounts: Sequence[ReportAccount], caption: str) -> str:
    named = f"{account.label}: " if len(accounts) > 1 else ""
    return f"<figure>{chart}<figcaption>{unbroken(f'{named}{caption}')}</figcaption></figure>"


def _beside(charts: Sequence[str], shown: str) -> str:
    """One chart stands beside its table where there is room; several stand beside each other, above it."""
    if len(charts) == 1:
        return f'<div class="pair">{charts[0]}{shown}</div>'
    return f'<div class="charts">{"".join(charts)}</div>\n{shown}'


def _of(account: ReportAccount, accounts: Sequence[ReportAccount]) -> str:
    """What is added to a name where there are several ledgers."""
    return f", {account.label}" if len(accounts) > 1 else ""


def _names(accounts: Sequence[ReportAccount]) -> list[str]:
    return [account.label for account in accounts]


def _named_causes() -> list[tuple[str, str]]:
    return [
        *((CAUSE_WORDS[cause], cause) for cause in CAUSES),
        ("fees, spread, slippage", FIRST),
        ("everything", ALL_IN),
    ]


def _imbalances(accounts: Sequence[ReportAccount]) -> Iterator[str]:
    yield "<h2>Imbalance of the two legs</h2>"
    yield paragraph(
        "Planned: at the prices that the decision expected. Filled: at what was really paid, repairs"
        " included; the promise is about this one. Marked: at the mids when leaving was decided; prices"
        " drift while a pair is held, and nothing is promised about that. Exit: of what closed it."
    )
    ratios = {row.hedge_ratio for account in accounts for row in account.figures.cycles if row.entered}
    if ratios - {DOLLAR_NEUTRAL}:
        yield paragraph(
            "A dollar of SOL counts as one over the hedge ratio of its pair, also in what was unhedged:"
            f" {', '.join(ratio.text() for ratio in sorted(ratios))}."
        )
    entered = [account for account in accounts if account.figures.planned.values]
    if not entered:
        yield paragraph("No pair was entered.")
        return
    charts = []
    for number, account in enumerate(entered):
        kinds, line = dict(list(_kinds(account))[:3]), short_percent(account.figures.limit)
        told = "; ".join(f"{name}: {_distribution_words(each)}" for name, each in kinds.items())
        alternative = f"Histograms with a line at {line}. {told}."
        chart = imbalance_chart(f"imbalance-{number}", alternative, kinds, account.figures.limit)
        caption = f"number of cycles by imbalance; the dashed line is {line}"
        charts.append(_figure(chart, account, accounts, caption))
    head = ["Imbalance", "Cycles", "Above", "Median", "95th percentile", "Largest"]
    rows = [
        (
            f"{name}{_of(account, accounts)}",
            [
                _count(len(each.values)),
                _count(each.above),
                *(_percent(value) for value in (each.median, each.quantile(95), each.most)),
            ],
        )
        for account in entered
        for name, each in _kinds(account)
    ]
    line = short_percent(accounts[0].figures.limit)
    caption = f"Difference of the two notionals, of the larger one; Above: more than {line}"
    yield _beside(charts, table("t-imbalance", caption, head, rows))


def _kinds(account: ReportAccount) -> Iterator[tuple[str, Distribution]]:
    figures = account.figures
    yield from (
        ("planned", figures.planned),
        ("filled", figures.filled),
        ("marked", figures.marked),
        ("exit", figures.exited),
    )


def _distribution_words(each: Distribution) -> str:
    if each.median is None or each.most is None:
        return "none"
    return (
        f"{len(each.values)} cycles, median {percent(each.median)}, largest {percent(each.most)},"
        f" {each.above} above the line"
    )


def _delays(accounts: Sequence[ReportAccount]) -> Iterator[str]:
    yield "<h2>How long orders took</h2>"
    known: list[tuple[str, Delay, int]] = []
    for account in accounts:
        named, figures = _of(account, accounts), account.figures
        known += [(f"{step}{named}", account.hops[step], 1_000) for step in STEPS if step in account.hops]
        known += [
            (f"decision to last fill (ledger){named}", figures.filling, 1),
            (f"decision to first byte (ledger){named}", figures.sending, 1),
            (f"first byte to answer (ledger){named}", figures.answering, 1),
        ]
        if not account.hops:
            of = f" of {account.label}" if len(accounts) > 1 else ""
            yield paragraph(
                f"Latency by hop is not known{of}: there is no evenkeel.log of this time beside the ledger"
                " (a replay writes none)."
            )
    yield paragraph(
        "Hops are from evenkeel.log, by this machine's clock. The ledger has whole milliseconds, fills by the"
        " exchange's clock, and no answer that came after its plan had closed."
    )
    rows = [
        (
            name,
            [
                _count(each.count),
                *(
                    UNKNOWN
                    if value is None
                    else TableCell(f"{value / per_ms:.3f}" if per_ms > 1 else str(value))
                    for value in (each.median, each.p99, each.most)
                ),
            ],
        )
        for name, each, per_ms in known
    ]
    head = ["From, to", "Known of", "Median, ms", "99th percentile, ms", "Longest, ms"]
    yield table("t-delays", "Delays in milliseconds", head, rows)


# -- what went wrong -----------------------------------------------------------------------------------------


def _wrong(accounts: Sequence[ReportAccount]) -> Iterator[str]:
    yield "<h2>Skips, restarts and halts</h2>"
    codes = {code: None for account in accounts for code in account.figures.skips}
    kinds = {"restart": None, "halt": None} | {
        kind: None for account in accounts for kind in account.figures.happened
    }
    rows = [
        *((f"skipped: {code}", [_count(a.figures.skips.get(code, 0)) for a in accounts]) for code in codes),
        *((f"{kind}s", [_count(a.figures.happened.get(kind, 0)) for a in accounts]) for kind in kinds),
    ]
    head = ["What", *_names(accounts)]
    yield table("t-wrong", "How often; docs/running.md explains each code", head, rows)
    happened = sorted(
        ((each.at_ns, account.label, each) for account in accounts for each in account.figures.happenings),
        key=lambda found: found[:2],
    )
    if happened:
        shown = happened[-HAPPENINGS_SHOWN:]
        lost = len(happened) - len(shown)
        caption = "What happened besides cycles" + (f"; {lost} earlier ones are in --json" if lost else "")
        yield table(
            "t-happened",
            caption,
            ["When", "Ledger", "What", "In words"],
            [
                (
                    date_time(at_ns // 1_000_000),
                    [TableCell(label), TableCell(each.kind), TableCell(each.text, prose=True)],
                )
                for at_ns, label, each in shown
            ],
        )


def _runs(accounts: Sequence[ReportAccount]) -> Iterator[str]:
    rows = []
    for account in accounts:
        for part in account.figures.runs:
            totals, money = part.totals, part.totals.money
            label = f"{part.number}{_of(account, accounts)}"
            cells = [
                TableCell(date_time(part.at_ns // 1_000_000)),
                TableCell(date_time(part.until_ns // 1_000_000)),
                _count(totals.completed),
                _count(totals.failed),
                _count(totals.skipped),
                _count(totals.restarts),
                _money(totals.traded),
                _signed(money.net if money else None),
                TableCell(totals.halted or "no"),
            ]
            rows.append((label, cells))
    if rows:
        yield "<h2>Runs</h2>"
        head = ["Run", "Started", "Last row", "Completed", "Failed", "Skipped", "Restarts", "Volume, USD"]
        head += ["Result, USD", "Halted"]
        yield table("t-runs", "Each start of the program, with the figures of its own summary", head, rows)


# -- every cycle ---------------------------------------------------------------------------------------------


def _cycles(accounts: Sequence[ReportAccount]) -> Iterator[str]:
    yield "<h2>Every cycle</h2>"
    found = [(account.label, row) for account in accounts for row in account.figures.cycles]
    if not found:
        yield paragraph("There was none.")
        return
    found.sort(key=lambda each: each[1].began_ns)
    shown, several = found[-CYCLES_SHOWN:], len(accounts) > 1
    lost = len(found) - len(shown)
    caption = f"The newest {len(shown)} of {len(found)} cycles; --csv has all" if lost else "Oldest first"
    head = [
        *("Cycle", "Began", "Ending"),
        *(["Ledger"] if several else []),
        "Direction",
        "Side by",
        "Funding at entry, USD/h",
        "Held, s",
        "Exit by",
        "Planned",
    ]
    head += ["Filled", "Marked", "Volume, USD", "Fees", "Spread", "Slippage", "Market", "Funding"]
    head += ["Result, USD", "Unhedged, USD·s", "Why"]
    yield table("t-cycles", caption, head, (_cycle(label, row, several) for label, row in shown), tall=True)


def _cycle(label: str, row: CycleRow, several: bool) -> tuple[str, list[TableCell]]:
    market = Quote(sum(row.costs[cause] for cause in ("adverse", "hedge", "lots", "liquidation")))
    costs = (row.costs["fees"], row.costs["spread"], row.costs["slippage"], market, row.costs["funding"])
    why = "" if row.ending == "completed" else f"{row.code}: {row.detail}" if row.code else row.detail
    ending = {"open": "under way"}.get(row.ending, row.ending)
    cells = [
        TableCell(f"{date_time(row.began_ns // 1_000_000)[:10]} {clock_time(row.began_ns // 1_000_000)}"),
        TableCell(f"{ending}, by a later run" if row.adopted else ending),
        *([TableCell(label)] if several else []),
        TableCell(row.direction or "-"),
        TableCell(row.side_by or "-"),
        _signed(row.per_hour) if row.entered else TableCell("-"),
        TableCell("-" if row.held_ms is None else f"{row.held_ms / 1000:.1f}"),
        TableCell(row.left_by or "-"),
        *(_percent(value) for value in (row.planned, row.filled, row.marked)),
        _money(row.traded),
        *(_money(cost) for cost in costs),
        _signed(row.net),
        _short(row.unhedged_usd_s),
        TableCell(why, prose=True),
    ]
    return f"{row.cycle}", cells


# -- cells ---------------------------------------------------------------------------------------------------


def _count(number: int) -> TableCell:
    return TableCell(f"{number:,}", str(number))


def _rate(rate: Rate | None) -> TableCell:
    return UNKNOWN if rate is None else TableCell(f"{rate_percent(rate)} %", rate.text())


def _money(value: X18) -> TableCell:
    return TableCell(cents(value), value.text())


def _signed(value: Quote | None) -> TableCell:
    return UNKNOWN if value is None else TableCell(signed(value), value.text())


def _short(value: Quote) -> TableCell:
    return TableCell(fixed(value, 3), value.text())


def _percent(value: Bps | None) -> TableCell:
    return TableCell("-") if value is None else TableCell(percent(value), value.text())
