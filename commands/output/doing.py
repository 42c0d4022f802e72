"""What a run is doing, in one line: `WAITING: SPREAD_WIDE SOL 0.49 > 0.40 bps, skips in 3 s`, `HOLDING: exits
in 55 s`.

One pure function for the screen, for plain lines and for the run's answer to `status`; another one for a
`status` that finds no run.
"""

import msgspec

from actors.risk.drawn_values import hold_of, pause_of
from actors.risk.funding import FUNDING_WAIT
from actors.risk.goals import reached
from actors.run_ending import open_legs
from commands.output.words import clock_time, seconds, span
from messages.amounts import fixed, size
from messages.lifecycle import PAUSED, Halted, Held, Stopping, Waiting, WorkingOrder
from messages.settings import Settings
from messages.sizing import Purpose, SizingPlan, Skipped

DOING: dict[Purpose, str] = {
    "enter": "ENTERING",
    "repair": "REPAIRING",
    "exit": "EXITING",
    "flatten": "CLOSING",
    "top_up": "TOPPING UP",
    "quote": "QUOTING",
    "hedge": "HEDGING",
}


class Seen(msgspec.Struct, frozen=True):
    """All that the line is made of: what the view has seen, or what a `status` without a run knows."""

    settings: Settings
    held: Held | None = None
    quoted: bool = False
    """Has there been a book of each product?"""
    plan: SizingPlan | None = None
    """Sealed last."""
    fate: str = ""
    """Of that plan: "", "placed", "aborted" or "closed"."""
    waiting: Waiting = Waiting()
    skipped: Skipped | None = None
    """The last attempt, where it was given up."""
    halted: Halted | None = None
    stopping: Stopping | None = None
    stops_by_ms: int = 0
    seed: int = 0
    """Of the run: an attempt that was skipped has no plan that says for how long it is paused."""


def doing(seen: Seen, now_ms: int) -> str:
    """The line at venue time `now_ms`: a word in capitals, a colon, and what it waits for, with its
    figures and units.
    """
    held, ends = seen.held, _ends(seen, now_ms)
    if held is None:
        return ends or "STARTING: reading the ledger and the account"
    ends = ends or _sent(seen, held, now_ms)
    if ends or held.phase != "flat":
        return ends or _holds(seen, held, now_ms)
    return _enters_no_more(seen, held, now_ms) or _waits(seen, held, now_ms)


def _ends(seen: Seen, now_ms: int) -> str:
    """The run ends, whatever is open; "" when it does not."""
    held = seen.held
    if seen.halted:
        open_now = held is not None and held.phase != "flat"
        return f"HALTED: {seen.halted.code}" + (", closing what is open" if open_now else "")
    if seen.stopping:
        left_s = max(0, -((now_ms - seen.stops_by_ms) // 1000))
        flat = held is not None and held.phase == "flat" and not held.awaiting_proof
        what = "nothing is open" if flat else f"closing both legs, {left_s} s left"
        return f"STOPPING: {seen.stopping.reason}, {what}"
    return ""


def _sent(seen: Seen, held: Held, now_ms: int) -> str:
    """A plan is on its way or an order rests, or what became of it is not known; "" when nothing is."""
    if held.doubts:
        names = " and ".join(f"{doubt.leg.upper()} order {doubt.order_digest[:6]}" for doubt in held.doubts)
        until = clock_time(max(doubt.recv_time_ms for doubt in held.doubts) + 999)
        return f"RESOLVING: {names} unknown until {until}Z at the latest"
    if held.phase == "working":
        return f"QUOTING: {'; '.join(_rests(order, now_ms) for order in held.working)}"
    plan = seen.plan
    if plan is not None and seen.fate in {"", "placed"} and held.phase != "open":
        orders = ", ".join(
            f"{'buy' if order.amount > 0 else 'sell'} {size(order.amount)} {name}"
            for name, order in (("ETH", plan.eth), ("SOL", plan.sol))
            if order.amount
        )
        waits_for = "fills" if seen.fate == "placed" else "the votes"
        return f"{DOING[plan.purpose]}: {orders}, waiting for {waits_for}"
    return "SENDING: waiting for what became of both orders" if held.phase == "in_flight" else ""


def _rests(order: WorkingOrder, now_ms: int) -> str:
    """One order that rests: what of it, at which price, what for, and until when."""
    doubt = order.doubt
    side = "buy" if doubt.amount > 0 else "sell"
    what = f"{side} {size(doubt.amount)} {doubt.leg.upper()} at {doubt.limit.text()}"
    if order.resolving or now_ms > doubt.last_trade_ms:
        return f"{what}, asking the exchange what it did"
    done = f", {size(order.filled)} traded" if order.filled else ""
    if order.cancel_asked_ms:
        return f"{what} is being cancelled{done}"
    terms = order.terms
    aim = "hedge" if terms.hedges else "enter" if terms.opens else "exit"
    # whichever comes first: an attempt can be as long as several orders
    ends = "given up" if terms.give_up_ms <= doubt.last_trade_ms else "expires"
    until_ms = min(terms.give_up_ms, doubt.last_trade_ms)
    return f"{what} rests to {aim}{done}, {ends} in {_left(until_ms - now_ms)}"


def _holds(seen: Seen, held: Held, now_ms: int) -> str:
    """Something is open and nothing on its way: the pair until its exit, or a leg that is to be evened out,
    and what keeps that from happening.
    """
    why = f", {_why(seen.waiting)}" if seen.waiting.code and seen.waiting.purpose != "enter" else ""
    if held.phase == "open":
        left = held.entered_ms + hold_of(seen.settings, held) - now_ms
        if seen.waiting.code == FUNDING_WAIT and left < 0:
            until = _left(seen.waiting.until_ms - now_ms)
            return f"HOLDING: {FUNDING_WAIT}, exits in {until} at the earliest, {seen.waiting.detail}"
        if left >= 0:
            return f"HOLDING: exits in {seconds(left) if left < 10_000 else span(left)}{why}"
        return f"HOLDING: hedged, exit overdue {span(-left)}{why}"
    unhedged = f", {fixed(held.legging.naked, 0)} USD unhedged" if held.legging.priced else ""
    what = f"{open_legs(held)} open{unhedged}"
    if held.flattens:
        return f"CLOSING: {what}, {held.flattens} tried{why}"
    return f"REPAIRING: {what}, {held.repairs} of {seen.settings.max_repair_steps} tried{why}"


def _enters_no_more(seen: Seen, held: Held, now_ms: int) -> str:
    """Nothing is open, and nothing is entered; "" when something will be."""
    if held.awaiting_proof:
        return "CHECKING: flat by our fills, asking the exchange"
    if goal := reached(seen.settings, held, now_ms):
        return f"DONE: {goal.words}"
    barred = held.foreign or (held.no_entry and held.no_entry.text) or held.unfit
    return f"BLOCKED: {barred}" if barred else ""


def _waits(seen: Seen, held: Held, now_ms: int) -> str:
    """Nothing is open, and more is to be entered: the first thing that keeps it from that, in the order in
    which a run asks them.
    """
    if seen.waiting.code == PAUSED:
        return f"PAUSED: {seen.waiting.detail}, nothing is entered until it is resumed"
    if not held.account_ok:
        return "WAITING: the account has not been read yet"
    if not seen.quoted:
        return "WAITING: no books of ETH-PERP and SOL-PERP yet"
    if seen.waiting.code:
        late = f", skips in {_left(seen.waiting.until_ms - now_ms)}" if seen.waiting.until_ms else ""
        return f"WAITING: {_why(seen.waiting)}{late}"
    pause_ms = pause_of(seen.settings, held, seen.seed)
    rests = max(0, held.last_change_ms + pause_ms - now_ms) if held.last_change_ms else 0
    if seen.skipped is not None:
        skipped, verdict = seen.skipped, seen.skipped.verdict
        why = f"{skipped.code}: {skipped.detail}"
        if verdict is not None and verdict.kind == "best_effort":
            why = f"{skipped.code} best {fixed(verdict.imbalance, 2, up=True)} bps"
        return f"WAITING: skipped, {why}, tries again in {_left(rests)}"
    return f"PAUSED: next cycle in {_left(rests)}" if rests else "WAITING: for the next plan to enter"


def _left(rest_ms: int) -> str:
    """A countdown: whole seconds, and tenths below one."""
    return (
        seconds(max(0, rest_ms))
        if rest_ms < 1000
        else f"{-(-rest_ms // 1000)} s"
        if rest_ms < 60_000
        else span(rest_ms)
    )


def _why(waiting: Waiting) -> str:
    """The code and the figure; the whole sentence where there is no figure."""
    return f"{waiting.code} {waiting.brief}" if waiting.brief else f"{waiting.code}: {waiting.detail}"


def without_run(
    halted: tuple[str, str] | None, open_words: str, *, unknown: bool, silent_pid: int | None
) -> str:
    """The same line where no run answers: `silent_pid` is one that holds the lock and does not.
    `open_words`: "" when nothing is open.
    """
    if silent_pid is not None:
        return f"NOT RESPONDING: the run, pid {silent_pid}, does not answer"
    if unknown:
        return "UNKNOWN: nobody can say what is open, and no run is alive"
    if open_words:
        return f"NOT MANAGED: {open_words} open, and no run is alive"
    if halted is not None:
        return f"HALTED: {halted[0]}, nothing is entered until clear-halt"
    return "STOPPED: no run is alive, nothing is open"


def same(one: str, other: str) -> bool:
    """Do two lines say the same but for their figures?"""
    bare, other_bare = (
        [word for word in line.split() if not any(letter.isdigit() for letter in word)]
        for line in (one, other)
    )
    return bare == other_bare
