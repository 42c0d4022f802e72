"""The protocol broken on purpose, one switch each: if the model could not tell these from the real thing, it
would prove nothing. `quotes/mutants.py` has those of orders that rest.

Each names the invariant that catches it first (breadth first: by the shortest trace there is) and the
smallest bound in which it is caught.

    python -m tests.model --mutant act_on_receipt     the trace
    python -m tests.model --mutants                   all of them
"""

from functools import cache
from typing import Any, NamedTuple

from tests.model import real
from tests.model.quotes.mutants import QUOTE_MUTANTS, QuoteMutant
from tests.model.real import Answer
from tests.model.rules import SOUND, Rules
from tests.model.search import SearchResult, search
from tests.model.state import Bar, Message, Plan, Told


class ProtocolMutant(NamedTuple):
    """A broken protocol. `caught_by`: the invariant that must catch it, in `crashes` and `losses`."""

    says: str
    rules: Rules
    caught_by: str
    crashes: int = 0
    losses: int = 0

    def search(self) -> SearchResult:
        """Look for the shortest way to the invariant's violation."""
        return search(self.rules, crashes=self.crashes, losses=self.losses)


def broken(**switches: Any) -> Rules:
    """The sound rules with these switches on, one move at a time so that a trace shows all of them."""
    return SOUND._replace(prompt=False, **switches)


# -- broken tables and judgements, made from the real ones ---------------------------------------------------


@cache
def _places_on_two_votes(bar: Bar, message: Message, late: bool) -> Answer:
    """The second vote is taken for the third as well."""
    after, actions = real.step(bar, message, late)
    if message[0] != "ready" or after.plan is None or len(after.ready) != 2:
        return after, actions
    (missing,) = {"eth", "sol", "ledger"} - {who for who, _ in after.ready}
    return real.step(after, ("ready", missing, after.plan, "same"), late)


def _compares_nothing(bar: Bar, message: Message, late: bool) -> Answer:
    """Whatever a voter holds, its vote counts as one for the plan that was sealed."""
    return real.step(bar, (*message[:3], "same") if message[0] == "ready" else message, late)


def _uses_a_number_again(bar: Bar, message: Message, late: bool) -> Answer:
    """A plan is sealed with the number of the one before."""
    return real.step(bar._replace(seq=bar.seq - 1) if message[0] == "proposed" else bar, message, late)


def _bumps_without_asking(bar: Bar, message: Message, late: bool) -> Answer:
    """A new epoch starts no RESOLVE."""
    after, actions = real.step(bar, message, late)
    return after, actions if message[0] != "bumped" else tuple(
        action for action in actions if action[0] != "resolve"
    )


def _believes_absent_early(
    plan: Plan, leg: str, moved: int, archived: int, _closed: bool
) -> tuple[int, bool] | None:
    """Believes "absent" before recv_time has passed."""
    return real.believes(plan, leg, moved, archived, closed=True)


def _counts_an_ack_as_a_fill(plan: Plan, leg: str, before: Told, news: Message) -> Told:
    if news == ("outcome", "accepted"):
        return Told("", 0, None, False, plan.lots(leg))
    return real.told(plan, leg, before, news)


def _counts_unknown_as_refused(plan: Plan, leg: str, before: Told, news: Message) -> Told:
    return real.told(plan, leg, before, ("outcome", "refused") if news == ("outcome", "unknown") else news)


def _counts_duplicates(plan: Plan, leg: str, before: Told, news: Message) -> Told:
    """Adds up fills without asking whether it has seen them."""
    if news[0] == "fill" and before.traded:
        return real.told(plan, leg, before._replace(traded=0), ("fill", before.traded + news[1]))
    return real.told(plan, leg, before, news)


def _takes_a_cancel_for_nothing_traded(plan: Plan, leg: str, before: Told, news: Message) -> Told:
    """What the product did until this model found it: a cancel that overtakes the news of what had traded
    ends the order at zero.
    """
    if news[0] == "cancelled" and before.left is None and not before.traded:
        return Told("", 0, None, False, 0)
    return real.told(plan, leg, before, news)


I1 = "i1_legs_that_act_act_on_the_same_digest"
I2 = "i2_at_most_one_accepted_increasing_order_per_plan_and_leg"
I3 = "i3_no_order_before_three_votes"
I4 = "i4_no_order_without_a_journalled_intent"
I5 = "i5_no_order_of_a_dead_epoch"
I6 = "i6_the_ledgers_outcome_is_the_venues"
I7 = "i7_one_plan_in_flight"
I8 = "i8_epoch_and_seq_strictly_increase"
I9 = "i9_undisturbed_legs_act_together"
L1 = "l1_every_intent_gets_an_outcome"
L2 = "l2_a_lone_leg_is_followed_by_repair_or_flatten"

MUTANTS: dict[str, ProtocolMutant | QuoteMutant] = {
    "act_on_receipt": ProtocolMutant(
        "a leg sends when the plan is sealed, not when it is placed", broken(acts_on_receipt=True), I3
    ),
    "place_on_two_votes": ProtocolMutant("two votes make a Place", broken(step=_places_on_two_votes), I3),
    "vote_before_writing": ProtocolMutant(
        "the ledger votes, then commits the intent", broken(votes_before_writing=True), I4
    ),
    "nobody_compares": ProtocolMutant(
        "neither voters nor barrier compare digests",
        broken(nobody_compares=True, step=_compares_nothing),
        I1,
        losses=1,
    ),
    "absent_believed_early": ProtocolMutant(
        "RESOLVE believes `absent` before recv_time", broken(believes=_believes_absent_early), I6, losses=1
    ),
    "resend_fresh_nonce": ProtocolMutant(
        "a leg that hears nothing sends again, with a fresh nonce", broken(resends="fresh"), I2, losses=1
    ),
    "resend_identical_bytes": ProtocolMutant(
        "a leg that hears nothing sends the identical bytes again", broken(resends="same"), I6, losses=1
    ),
    "no_epochs": ProtocolMutant(
        "a restart does not start a new epoch", broken(no_epochs=True), I5, crashes=1
    ),
    "old_keeps_running": ProtocolMutant(
        "a restart leaves the other leg's old incarnation running",
        broken(old_keeps_running=True),
        I5,
        crashes=1,
    ),
    "awaited_sends": ProtocolMutant(
        "SOL is told after ETH, not in the same slice", broken(awaited_sends=True), I9, losses=1
    ),
    "repair_forgotten": ProtocolMutant("nothing is proposed for a lone leg", broken(forgets_repair=True), L2),
    "sizing_restart_bumps": ProtocolMutant(
        "a restart of sizing starts a new epoch", broken(sizing_bumps=True), I5, crashes=1
    ),
    "late_place_acted_on": ProtocolMutant(
        "a new incarnation acts on a Place left in its mailbox",
        broken(acts_on_late_place=True),
        I5,
        crashes=1,
    ),
    "ack_counted_as_fill": ProtocolMutant(
        "an acknowledgement counts as a fill", broken(told=_counts_an_ack_as_a_fill), I6
    ),
    "unknown_counted_as_refused": ProtocolMutant(
        "no answer counts as a refusal", broken(told=_counts_unknown_as_refused), I6, losses=1
    ),
    "duplicates_counted": ProtocolMutant(
        "a fill that comes twice counts twice", broken(told=_counts_duplicates), I6, losses=1
    ),
    "cancel_taken_for_nothing": ProtocolMutant(
        "a cancel that overtakes a fill ends the order at zero",
        broken(told=_takes_a_cancel_for_nothing_traded),
        I6,
    ),
    "doubts_forgotten": ProtocolMutant(
        "recovery neither asks about the orders in doubt nor waits for them",
        broken(forgets_doubts=True, step=_bumps_without_asking),
        L1,
        crashes=1,
    ),
    "next_plan_beside_a_doubt": ProtocolMutant(
        "after a restart the next plan is sealed, and voted for, while the last is in doubt",
        broken(ignores_flight=True, forgets_doubts=True, step=_bumps_without_asking),
        I7,
        crashes=1,
    ),
    "number_used_again": ProtocolMutant(
        "a plan gets the number of the one before", broken(step=_uses_a_number_again), I8
    ),
    "never_resolved": ProtocolMutant(
        "nobody asks the venue about an order in doubt", broken(never_asks=True), L1, losses=1
    ),
    **QUOTE_MUTANTS,
}


def table() -> str:
    """Every mutant: caught by what, after how many steps, in how many states."""
    lines = [f"{'mutant':30}{'broken invariant':60}{'steps':>6}{'states':>9}"]
    for name, mutant in MUTANTS.items():
        found = mutant.search()
        lines.append(f"{name:30}{found.name or 'NOT CAUGHT':60}{len(found.trace):6}{found.states:9,}")
    return "\n".join(lines)
