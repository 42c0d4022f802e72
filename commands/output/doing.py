"""What a run is doing, in one line: `WAITING: SPREAD_WIDE SOL 0.49 > 0.40 bps, skips in 3 s`, `HOLDING: exits
in 55 s`.

One pure function for the screen, for plain lines and for the run's answer to `status`; another one for a
`status` that finds no run.
"""

from collections.abc import Sequence

import msgspec

from actors.run_ending import open_legs
from commands.output.words import clock_time, seconds, span
from messages.amounts import fixed, size
from messages.lifecycle import Halted, Held, Stopping, Waiting
from messages.settings import Settings
from messages.sizing import Purpose, SizingPlan, Skipped

DOING: dict[Purpose, str] = {
    "enter": "ENTERING",
    "repair": "REPAIRING",
    "exit": "EXITING",
    "flatten": "CLOSING",
    "top_up": "TOPPING UP",
}


class Seen(msgspec.Struct, frozen=True):
    """All that the line is made of."""

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


def doing(seen: Seen, now_ms: int) -> str:
    """The line at venue time `now_ms`: a word in capitals, a colon, and what it waits for, with its
    figures and units.
    """
    held = seen.held
    if held is None:
        return _ends(seen, now_ms) or "STARTING: reading the ledger and the account"
    return _ends(seen, now_ms) or _sent(seen, held) or _stands(seen, held, now_ms)


def _ends(seen: Seen, now_ms: int) -> str:
    """The run ends, whatever is open; "" when it does not."""
    if seen.halted:
        return f"HALTED: {seen.halted.code}" + (
            ", closing what is open" if seen.held is not None and seen.held.phase != "flat" else ""
        )
    if seen.stopping:
        left_s = max(0, -((now_ms - seen.stops_by_ms) // 1000))
        return f"STOPPING: {seen.stopping.reason}, " + (
            "nothing is open" if _flat(seen.held) else f"closing both legs, {left_s} s left"
        )
    return ""


def _sent(seen: Seen, held: Held) -> str:
    """A plan is on its way, or what became of it is not known; "" when neither."""
    if held.doubts:
        names = " and ".join(f"{doubt.leg.upper()} order {doubt.order_digest[:6]}" for doubt in held.doubts)
        return (
            f"RESOLVING: {names} unknown until"
            f" {clock_time(max(doubt.recv_time_ms for doubt in held.doubts) + 999)}Z at the latest"
        )
    if seen.plan is not None and seen.fate in {"", "placed"} and held.phase != "open":
        return f"{DOING[seen.plan.purpose]}: {_orders(seen.plan)}, " + (
            "waiting for fills" if seen.fate == "placed" else "waiting for the votes"
        )
    return "SENDING: waiting for what became of both orders" if held.phase == "in_flight" else ""


def _stands(seen: Seen, held: Held, now_ms: int) -> str:
    """Nothing is on its way."""
    if held.phase != "flat":
        return _holding(seen, held, now_ms) if held.phase == "open" else _uneven(seen, held)
    settings, used = seen.settings, held.attempts(count_skips=seen.settings.count_skips)
    if held.awaiting_proof:
        return "CHECKING: flat by our fills, asking the exchange"
    if settings.cycles is not None and used >= settings.cycles:
        return f"DONE: {used} of {settings.cycles} cycles"
    barred = held.foreign or (held.no_entry and held.no_entry.text) or held.unfit
    return f"BLOCKED: {barred}" if barred else _waits(seen, held, now_ms)


def _flat(held: Held | None) -> bool:
    return held is not None and held.phase == "flat" and not held.awaiting_proof


def _orders(plan: SizingPlan) -> str:
    parts = [(name, order.amount) for name, order in (("ETH", plan.eth), ("SOL", plan.sol)) if order.amount]
    return ", ".join(f"{'buy' if amount > 0 else 'sell'} {size(amount)} {name}" for name, amount in parts)


def _holding(seen: Seen, held: Held, now_ms: int) -> str:
    left = held.entered_ms + seen.settings.hold - now_ms
    if left >= 0:
        return f"HOLDING: exits in {seconds(left) if left < 10_000 else span(left)}"
    why = f", {_why(seen.waiting)}" if seen.waiting.code and seen.waiting.purpose != "enter" else ""
    return f"HOLDING: hedged, exit overdue {span(-left)}{why}"


def _uneven(seen: Seen, held: Held) -> str:
    amount = "" if not held.legging.priced else f", {fixed(held.legging.naked, 0)} USD unhedged"
    why = f", {_why(seen.waiting)}" if seen.waiting.code and seen.waiting.purpose != "enter" else ""
    if held.flattens:
        return f"CLOSING: {open_legs(held)} open{amount}, {held.flattens} tried{why}"
    return (
        f"REPAIRING: {open_legs(held)} open{amount}, {held.repairs} of {seen.settings.max_repair_steps}"
        f" tried{why}"
    )


def _waits(seen: Seen, held: Held, now_ms: int) -> str:
    """Flat, and there is more to do."""
    rests = max(0, held.last_change_ms + seen.settings.pause - now_ms) if held.last_change_ms else 0
    if not held.account_ok or not seen.quoted:
        return "WAITING: " + (
            "no books of ETH-PERP and SOL-PERP yet"
            if held.account_ok
            else "the account has not been read yet"
        )
    if seen.waiting.code:
        late = f", skips in {_left(seen.waiting.until_ms - now_ms)}" if seen.waiting.until_ms else ""
        return f"WAITING: {_why(seen.waiting)}{late}"
    if seen.skipped is not None:
        return f"WAITING: skipped, {_skip(seen.skipped)}, tries again in {_left(rests)}"
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


def _skip(skipped: Skipped) -> str:
    verdict = skipped.verdict
    if verdict is None or verdict.kind != "best_effort":
        return f"{skipped.code}: {skipped.detail}"
    return f"{skipped.code} best {fixed(verdict.imbalance, 2, up=True)} bps"


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
    return _words_of(one) == _words_of(other)


def _words_of(line: str) -> Sequence[str]:
    return [word for word in line.split() if not any(letter.isdigit() for letter in word)]
