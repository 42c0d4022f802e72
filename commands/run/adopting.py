"""`run --adopt`: a person says that what the venue holds beyond our fills is ours. It is written into the
ledger, and then closed like any pair.
"""

from contextlib import closing

import trio

from actors.tree import World
from commands.open_state.decision import amount_words
from commands.open_state.readings import settled
from commands.output.words import COMMAND, Refusal
from commands.setup.escaping import journal_of
from messages.lifecycle import Adopted
from messages.units import DOLLAR_NEUTRAL, Base
from runtime.observe import Notes

ASK_S = 10.0
"""How long the venue may take to say the same twice."""


async def adopt(known: World) -> None:
    """Book the difference between the venue, by two readings that agree, and the ledger. Raises `Refusal`:
    then nothing was booked.
    """
    with closing(journal_of(known)) as journal:
        fold, rules = journal.fold, known.rules
        if journal.unreadable or not journal.in_ledger:
            why = f"the ledger cannot be used: {journal.unreadable}"
            raise Refusal(
                "UNREADABLE_LEDGER", "files.logs", why, "move it away, then try again", "nothing was booked"
            )
        if fold.busy:
            cure = f"{COMMAND} run without --adopt asks the venue about it first"
            raise Refusal(
                "ORDER_IN_DOUBT",
                "--adopt",
                "an order of ours has no ending yet, so nobody knows what is beyond it",
                cure,
                "nothing was booked",
            )
        snapshot = await settled(known.venue.reads.account, rules, trio.current_time() + ASK_S)
        if snapshot is None:
            why = f"the venue has not said the same of both positions twice within {ASK_S:g} s"
            raise Refusal(
                "VENUE_UNREACHABLE",
                "--adopt",
                why,
                "try again when nothing trades there",
                "nothing was booked",
            )
        eth, sol = (Base(snapshot.position(product.product_id).cross) for product in (rules.eth, rules.sol))
        ratio = known.settings.hedge_ratio
        booked = Adopted(
            rules.eth.product_id,
            rules.sol.product_id,
            Base(eth - fold.position["eth"]),
            Base(sol - fold.position["sol"]),
            snapshot.at_ms,
            None if ratio == DOLLAR_NEUTRAL else ratio,
        )
        if booked.eth or booked.sol:
            journal.write(booked)
            words = [
                amount_words(product, amount)
                for product, amount in ((rules.eth, booked.eth), (rules.sol, booked.sol))
                if amount
            ]
            text = f"adopted by you, and closed like ours: {', '.join(words)}"
            Notes(known.observe, known.clock, "run")("warning", text)
