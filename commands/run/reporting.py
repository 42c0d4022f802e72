"""What a run reports while it trades: what is held, the books, what a cycle will cost, and how long a stop
still takes.
"""

import trio

from commands.output.sentences import expected_cost, expected_dust
from commands.run.session import Session, utc_ms
from commands.screen.view import RunView
from messages.amounts import grouped
from messages.lifecycle import Held
from messages.market import PairQuote
from runtime.mailbox import Latest
from runtime.observe import Notes
from runtime.ticks import next_tick_s
from supervisor import Machine

WATCH_S = 0.1
"""How often holdings are reported at most."""
LOOK_S = 0.5
"""How often books are reported: what a person can see."""
COUNT_EVERY_S = 3.0
"""How often a stop says how long it may still take."""


async def report_countdown(view: RunView) -> None:
    """How long a stop may still take, for who has no screen to see it on."""
    while True:
        await trio.sleep(COUNT_EVERY_S)
        left_s = view.stopping_s(utc_ms())
        if left_s is not None:
            view.say(f"closing both legs, {left_s} s left; a second Ctrl-C stops waiting")


async def report_holdings(slot: Latest[Held], session: Session) -> None:
    """Report what is held, a few times a second; in order with all else."""
    seen = 0
    while True:
        value = await slot.newer_than(seen)
        seen = slot.version
        session.recorder.observe(value)
        await trio.sleep(WATCH_S)


async def report_books(slot: Latest[PairQuote], session: Session) -> None:
    """The same of the books, and of how the run stands beside them. It looks now and then: who waits for a
    quote runs before its orders leave.
    """
    seen = 0
    while True:
        if slot.version > seen and slot.value is not None:
            seen = slot.version
            session.recorder.observe(slot.value)
        session.events.stands()
        await trio.sleep_until(next_tick_s(LOOK_S))


async def report_expected_cost(machine: Machine, note: Notes) -> None:
    """What a cycle will cost, as soon as there are prices: before anything is traded."""
    known, slot = machine.world, machine.channels.held
    quote = await machine.channels.quotes.newer_than(0)
    held = await slot.newer_than(0)
    while not held.account_ok:  # until the ledger was compared with the exchange's reading of the account
        held = await slot.newer_than(slot.version)
    if held.value is not None:
        note("info", f"account {grouped(held.value)} USDT0")
    rules = machine.channels.rules.value or known.rules
    if problem := rules.incomplete():
        note("warning", f"nothing can be entered, only closed: {problem}")
        return
    note("info", expected_cost(known.settings, rules.terms(), quote))
    note("info", expected_dust(rules.terms()))
