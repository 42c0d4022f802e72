"""How a run stands: flat, hedged, open or unknown, in a word and a sentence, with the figures beside it.

One pure function for the readers of a run's events. Every figure is the ledger's (`Held`, `Statement`);
nothing is computed here but shares per 1M traded.
"""

from typing import Any, Literal

import msgspec

from actors.risk.legging import budget
from actors.run_ending import open_legs, positions
from commands.output.events import CostLine, UnhedgedLine, WorkingLine
from commands.output.money_lines import CAUSES, paid_for, per_million
from commands.output.run_report import RunReport
from commands.output.summary import agreement
from commands.output.words import iso_of_ms
from messages.amounts import fixed, size
from messages.lifecycle import Held, WorkingOrder
from messages.settings import Settings
from messages.units import Quote, text_of

Stands = Literal["starting", "flat", "checking", "hedged", "sending", "working", "open", "unknown"]


class Shown(msgspec.Struct, frozen=True):
    """What a run's screen shows: what it holds, what it does, and what is known of its guard."""

    settings: Settings
    held: Held | None
    doing: str
    epoch: int
    cycle: int
    guard: str


def stands(held: Held | None) -> tuple[Stands, str]:
    """A word, and a sentence. Absent is never flat: before the ledger has spoken, and while an order is in
    doubt, nobody knows.
    """
    if held is None:
        return "starting", "The ledger has not been read yet."
    if held.doubts:
        return "unknown", f"Not known: {open_legs(held)}."
    ours = ", ".join(positions(held)) or "nothing"
    match held.phase:
        case "in_flight":
            found: tuple[Stands, str] = ("sending", f"Orders are on their way; held by our fills: {ours}.")
        case "working":
            rest = "An order rests" if len(held.working) == 1 else "Two orders rest"
            naked = held.legging.naked if held.legging.priced else Quote(0)
            alone = f", {fixed(naked, 0)} USD unhedged" if naked else ""
            found = "working", f"{rest}; held by our fills: {ours}{alone}."
        case "open":
            found = "hedged", f"Hedged: {_pair(held)}."
        case "uneven":
            alone = f", {fixed(held.legging.naked, 0)} USD unhedged" if held.legging.priced else ""
            found = "open", f"Not hedged: {open_legs(held)}{alone}."
        case "flat" if held.awaiting_proof or not held.account_ok:
            found = "checking", "Flat by our fills; the exchange is being asked."
        case "flat":
            found = "flat", "Flat: nothing is open, and the exchange agrees."
    return found


def _pair(held: Held) -> str:
    return ", ".join(
        f"{'long' if leg.amount > 0 else 'short'} {size(leg.amount)} {name}"
        for name, leg in (("ETH", held.eth), ("SOL", held.sol))
    )


def standing_facts(shown: Shown, now_ms: int) -> dict[str, Any]:
    """The fields of a `standing` event at venue time `now_ms`."""
    held = shown.held
    report = RunReport.of(shown.settings, held)
    totals, money = report.totals, report.totals.money
    word, sentence = stands(held)
    net = money.net if money else None
    return {
        "stands": word,
        "words": sentence,
        "doing": shown.doing,
        "progress": report.progress_words(now_ms),
        "cycle": shown.cycle,
        "epoch": shown.epoch,
        "rows": held.rows if held else 0,
        "eth": held.eth.amount.text() if held else None,
        "sol": held.sol.amount.text() if held else None,
        "filled_imbalance_bps": text_of(held.filled_imbalance) if held else None,
        "unhedged": _unhedged(shown.settings, held) if held else None,
        "completed": totals.completed,
        "skipped": totals.skipped,
        "failed": totals.failed,
        "traded_usd": totals.traded.text(),
        "cost_per_million_usd": text_of(per_million(totals.fees + totals.spread, totals.traded)),
        "costs": tuple(
            CostLine(
                cause,
                paid_for(money, cause).text(),
                text_of(per_million(paid_for(money, cause), totals.traded)),
            )
            for cause in CAUSES
        )
        if money
        else (),
        "net_usd": text_of(net),
        "net_per_million_usd": None if net is None else text_of(per_million(net, totals.traded)),
        "money": f"{money.state}: {money.words}".removesuffix(": ") if money else "unread",
        "venue": agreement(held),
        "guard": shown.guard,
        "working": tuple(working_line(order) for order in held.working) if held else None,
    }


def working_line(order: WorkingOrder) -> WorkingLine:
    """An order that rests, as events and `--json` tell it."""
    doubt = order.doubt
    return WorkingLine(
        doubt.leg,
        f"{doubt.epoch}.{doubt.seq}",
        doubt.order_digest,
        doubt.amount.text(),
        doubt.limit.text(),
        order.filled.text(),
        order.acknowledged,
        order.terms.hedges,
        iso_of_ms(order.terms.give_up_ms),
        iso_of_ms(doubt.last_trade_ms),
        iso_of_ms(order.cancel_asked_ms) if order.cancel_asked_ms else None,
        order.resolving,
    )


def _unhedged(settings: Settings, held: Held) -> UnhedgedLine:
    """The ledger's own figures, those that LEGGING_BUDGET judges by."""
    now, totals = held.legging, held.totals
    return UnhedgedLine(
        now.naked.text() if now.priced else None,
        now.usd_s.text(),
        totals.unhedged_worst.text(),
        totals.longest.lasted_ms,
        totals.longest.usd_s.text(),
        Quote(budget(totals.longest, settings)).text(),
    )
