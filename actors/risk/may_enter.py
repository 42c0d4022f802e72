"""May we enter? Every condition, in the order in which it is asked: who asks it, by which rule, why there.

An entry passes the stages of `ORDER`: sizing asks five while it is flat, the supervisor one before it seals,
and every voter its own before it votes. `may_enter` goes through one stage and returns the first
denial; what follows from it is the asker's to do. `docs/entering.md` is made from this file
(`python -m actors.risk.page`).

Some things are asked twice. Between sizing's look and the seal time passes, so the supervisor asks again;
and that a voter trusts nobody else's answer is what the barrier is for. Both ask the same rule. A rule is
pure: it compares what it is given, and each limit still passes when it is met exactly.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any, Generic, Literal, NamedTuple, TypeVar

import msgspec

from actors.risk.aborts import Aborts
from actors.risk.drawn_values import pause_of
from actors.risk.gates import (
    Attempt,
    book_denial,
    closed_window,
    daily_loss,
    rules_denial,
    skew_denial,
    staleness_denial,
    venue_denial,
)
from actors.risk.goals import goal_denial
from actors.risk.limits import plan_denial, run_over, with_hedge
from actors.risk.objections import (
    Ballot,
    digest_denial,
    epoch_denial,
    kind_denial,
    seq_denial,
    shape_denial,
)
from actors.risk.triggers import EntryMoment, funding_denial, hours_denial, spread_denial
from messages.lifecycle import Denial, Directive, Held
from messages.market import PairQuote
from messages.settings import Settings
from messages.sizing import Leg, Purpose, SizingPlan
from messages.units import Ms, notional
from venue.protocol import VenueRules

Facts_contra = TypeVar("Facts_contra", contravariant=True)
Follows = Literal["waits", "alarm", "ends"]
"""What the supervisor does with a denial, beyond not sealing. `waits`: it is shown as what is waited for.
`alarm`: it is written down as well, once per reason, and raises an alarm when it lasts. `ends`: written down,
and the run ends as soon as it is flat.
"""
NOT_SEALED = "NOT_SEALED"
"""Code of everything that passes by itself within moments."""
GUARD_START_S = 5.0
"""A guard that has been away for this long denies entering by name; a start takes about a second."""


class Condition(NamedTuple, Generic[Facts_contra]):
    """One thing that must hold before a pair is entered, and where it stands in the order."""

    name: str
    codes: tuple[str, ...]
    """Of its denials."""
    rule: Callable[[Facts_contra], Denial | None]
    why: str
    """One sentence: why it is asked, and why at this place in the order."""
    follows: Follows = "waits"
    every_plan: bool = False
    """Also asked of plans that do not enter."""
    cures: Mapping[str, str] = MappingProxyType({})
    """By code: what to type or change when this is why nothing could be entered until `max_wait` was over.
    A code without one sends people to the log.
    """


@dataclass(frozen=True)
class EntryStage(Generic[Facts_contra]):
    """The conditions that one asker goes through at one moment."""

    asker: str
    when: str
    """When it is asked, and what a denial comes to."""
    conditions: tuple[Condition[Facts_contra], ...]

    @cached_property
    def entering(self) -> tuple[Callable[[Facts_contra], Denial | None], ...]:
        """The rules that a plan to enter must pass, in their order: all of them."""
        return tuple(condition.rule for condition in self.conditions)

    @cached_property
    def others(self) -> tuple[Callable[[Facts_contra], Denial | None], ...]:
        """The rules that a plan which does not enter must pass too, in the same order."""
        return tuple(condition.rule for condition in self.conditions if condition.every_plan)


def may_enter(
    stage: EntryStage[Facts_contra], facts: Facts_contra, purpose: Purpose = "enter"
) -> Denial | None:
    """The first denial of this stage; None when every condition holds. Of a plan for another purpose only
    what concerns every plan is asked.
    """
    for rule in stage.entering if purpose == "enter" else stage.others:
        denial = rule(facts)
        if denial is not None:
            return denial
    return None


def _because(code: str, why: str) -> Denial | None:
    return Denial(code, why) if why else None


# -- 1, 2: whenever sizing looks, and once more before a seal ------------------------------------------------


class Outlook(msgspec.Struct, frozen=True, kw_only=True):
    """What holds at venue time `now_ms`, whatever the books are."""

    settings: Settings
    rules: VenueRules
    held: Held
    directive: Directive | None
    now_ms: Ms
    doubted_ms: Ms = Ms(0)
    """Venue time of the last refusal that says that the venue's rules are not those we know; 0 = none."""
    seed: int = 0
    """Of the run: what is drawn is drawn from it."""


def directive_denial(outlook: Outlook) -> Denial | None:
    """Does the supervisor let anything be entered? Not during a stop, a halt or a request to leave."""
    directive = outlook.directive
    allowed = directive is not None and directive.enter and not directive.leave_now
    return None if allowed else Denial(NOT_SEALED, "entering is not allowed")


def turn_denial(outlook: Outlook) -> Denial | None:
    """Is another cycle wanted, and is the pause after the last one over?"""
    held, settings = outlook.held, outlook.settings
    if goal := goal_denial(settings, held, outlook.now_ms):
        return Denial(NOT_SEALED, goal.detail)
    # A quote may follow another one of its cycle, of which nothing has traded, at once.
    requotes = held.enters > 0 and held.last_purpose == "quote"
    if (
        not requotes
        and held.last_change_ms
        and outlook.now_ms < held.last_change_ms + pause_of(settings, held, outlook.seed)
    ):
        return Denial(NOT_SEALED, "the pause after the last cycle is not over")
    return None


STANDING: EntryStage[Outlook] = EntryStage(
    "sizing: standing conditions",
    "at every look, whatever the books are; the denial is waited out, no cycle is skipped for it",
    (
        Condition(
            "outside the weekly windows of `no_entry_utc`",
            ("NO_ENTRY_WINDOW",),
            lambda outlook: closed_window(outlook.now_ms, outlook.settings),
            "First: a person has asked for it, so it raises no alarm, and nothing that happens in the"
            " exchange's maintenance should be reported as a fault.",
            "alarm",
        ),
        Condition(
            "this UTC day has cost less than `limits.max_daily_loss`",
            ("MAX_DAILY_LOSS",),
            lambda outlook: daily_loss(outlook.held, outlook.settings),
            "Before anything about the exchange: it stays true until midnight, everything below may pass in"
            " seconds.",
            "alarm",
        ),
        Condition(
            "the exchange's rules are complete, not doubted and not older than 15 s",
            ("RULES_INCOMPLETE", "RULES_STALE"),
            lambda outlook: rules_denial(outlook.rules, outlook.doubted_ms, outlook.now_ms),
            "Before anything is calculated: sizes, margin and limits are reckoned from these rules, and"
            " incomplete ones cannot be reckoned with at all.",
            "alarm",
            cures={
                "RULES_STALE": "check the connection: {command} doctor",
                "RULES_INCOMPLETE": "the exchange did not say all that entering needs: start again when it"
                " does",
            },
        ),
    ),
)
TURN: EntryStage[Outlook] = EntryStage(
    "sizing: its turn",
    "at every look without a denial so far; nothing is reported, the screen says DONE or PAUSED",
    (
        Condition(
            "the supervisor allows entering",
            (NOT_SEALED,),
            directive_denial,
            "A stop, a halt or a request to leave ends the question, whatever else holds.",
        ),
        Condition(
            "no goal is reached (`cycles`, `until_volume`, `until_cost`, `until_utc`), and the pause after"
            " the last cycle is over",
            (NOT_SEALED,),
            turn_denial,
            "Before the books are looked at: an attempt would count its 5 s of patience from here.",
        ),
    ),
)

# -- 3: what the ledger knows of the account -----------------------------------------------------------------


class AccountFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is held and how sure that is, of a `Held` or of the ledger's own fold."""

    no_entry: Denial | None
    foreign: str
    unfit: str
    flat: bool
    """By our fills, and confirmed by the venue."""
    ok: bool
    """Is the account view reconciled and its stream alive?"""
    young: bool = False
    """Only not yet confirmed for long enough?"""


def account_denial(facts: AccountFacts) -> Denial | None:
    """Is the account view one to enter upon?"""
    if facts.ok:
        return None
    young = "an order was found absent from positions alone, and this has not been confirmed for long enough"
    stale = "the account view is not live or not reconciled"
    return Denial("ACCOUNT_STALE", young if facts.young else stale)


KNOWN: tuple[Condition[AccountFacts], ...] = (
    Condition(
        "the ledger is intact, verified, in its place, and its disk has room",
        ("BROKEN_LEDGER", "LEDGER_BEING_VERIFIED", "LEDGER_GONE", "LOW_DISK"),
        lambda facts: facts.no_entry,
        "First of what the ledger knows: nothing it says below counts for more than its file.",
    ),
    Condition(
        "nothing at the exchange is foreign, and its numbers fit what was signed",
        ("FOREIGN", "MISFIT"),
        lambda facts: _because("FOREIGN", facts.foreign) or _because("MISFIT", facts.unfit),
        "Before flatness: a third party's position is named as such, not as a cycle of ours that is open.",
    ),
    Condition(
        "the last cycle is closed and the exchange has confirmed it",
        ("NOT_FLAT",),
        lambda facts: _because(
            "NOT_FLAT",
            ""
            if facts.flat
            else "part of the last cycle is open, or the exchange has not yet confirmed that nothing is",
        ),
        "Two pairs at a time would share margin and could not be told apart.",
    ),
    Condition(
        "the account has been reconciled, its stream is live, and no absence is too young",
        ("ACCOUNT_STALE",),
        account_denial,
        "Last: it passes by itself with the next reading, so whatever lasts is named before it.",
    ),
)
ACCOUNT: EntryStage[AccountFacts] = EntryStage(
    "sizing: the account",
    "with the stage before; nothing is reported, the screen says BLOCKED, CHECKING or WAITING",
    KNOWN,
)

# -- 4: what a person waits for ------------------------------------------------------------------------------

TRIGGERS: EntryStage[EntryMoment] = EntryStage(
    "sizing: the triggers",
    "with the stage before; the denial is shown and waited out, no cycle is skipped for it",
    (
        Condition(
            "it is one of the hours of `enter_when.hours_utc`",
            ("ENTER_WHEN_HOURS",),
            hours_denial,
            "Before the books: outside of its hours nothing that they say matters. A person has asked for the"
            " wait, so it uses up nothing of `max_wait`.",
        ),
        Condition(
            "each spread is within `enter_when.max_spread`",
            ("ENTER_WHEN_SPREAD",),
            spread_denial,
            "Before the gates of the quote, which give an attempt up after 5 s: this is waited for until"
            " `max_wait` is over.",
            cures={
                "ENTER_WHEN_SPREAD": "allow a wider spread (enter_when.max_spread) or a longer wait"
                " (--max-wait)"
            },
        ),
        Condition(
            "the side that would be entered receives more than `enter_when.funding_over`",
            ("ENTER_WHEN_FUNDING",),
            funding_denial,
            "After the spread, which changes sooner. A rate that is unknown, or older than an hour, is waited"
            " for as well, until `max_wait` is over.",
            cures={
                "ENTER_WHEN_FUNDING": "ask for less (enter_when.funding_over), let funding choose the side"
                " (--direction funding) or allow a longer wait (--max-wait)"
            },
        ),
    ),
)

# -- 5: the quote --------------------------------------------------------------------------------------------

GATES: EntryStage[Attempt] = EntryStage(
    "sizing: the quote",
    "on each quote, with the amounts it would order; after 5 s the attempt is skipped with the last denial",
    (
        Condition(
            "the exchange is active",
            ("VENUE_NOT_ACTIVE",),
            venue_denial,
            "An exchange that is not active explains every other fault of its books.",
            cures={"VENUE_NOT_ACTIVE": "the exchange is not active: start again when it is"},
        ),
        Condition(
            "each product is live, and its book was confirmed within `max_quote_age`",
            ("NOT_TRADABLE", "QUOTE_STALE"),
            staleness_denial,
            "Before the prices are looked at: an old book, or one from the future, says nothing about now.",
            cures={
                "NOT_TRADABLE": "the exchange does not let one of the products be traded: start again when it"
                " does",
                "QUOTE_STALE": "check the connection: {command} doctor; max_quote_age is the limit",
            },
        ),
        Condition(
            "both books are at most `max_quote_skew` apart",
            ("QUOTE_SKEW",),
            skew_denial,
            "After the ages, because a stale book is skewed as well and the age is the cause.",
            cures={"QUOTE_SKEW": "check the connection: {command} doctor; max_quote_skew is the limit"},
        ),
        Condition(
            "each spread is within `max_spread`, the depth enough, the mid near the oracle",
            ("SPREAD_WIDE", "DEPTH_THIN", "ORACLE_GAP"),
            book_denial,
            "Spread before depth before oracle, cheapest first: the depth is a walk through the levels.",
            cures={
                "SPREAD_WIDE": "wait for a calmer market, allow a wider one (max_spread) or a longer wait"
                " (--max-wait)",
                "DEPTH_THIN": "a smaller --target needs less depth; min_depth says how much more than it",
                "ORACLE_GAP": "compare the book with other exchanges; max_oracle_gap is the limit",
            },
        ),
    ),
)


def entry_denial(
    quote: PairQuote, now_ms: int, settings: Settings, eth_amount: int, sol_amount: int
) -> Denial | None:
    """The gates of `Attempt`, also for the one leg that is opened again beside the other."""
    return may_enter(GATES, Attempt(quote, now_ms, settings, eth_amount, sol_amount))


# -- 6: the supervisor, before it seals ----------------------------------------------------------------------


class Proposal(Outlook, frozen=True, kw_only=True):
    """A plan before the supervisor, and everything it knows that could speak against sealing it."""

    plan: SizingPlan
    barrier: str
    """Its phase."""
    legs_ready: bool
    """Are both running, with everything taken that was sent to them?"""
    superseded: bool
    """Has a guard started a newer epoch?"""
    unsigned: str
    """Why the venue takes no order of our key; "" when it does."""
    known_ms: Ms | None
    """Venue time since which all is known again after a jump of the clocks; None while it is not."""
    unconnected: tuple[Leg, ...]
    aborts: Aborts
    now_s: float
    """Trio's time."""
    rate_limited: str
    """Why the rate limits leave no room for this plan and for closing everything; "" when they do."""
    guard_missing: tuple[str, float]
    """Why a guard that is wanted is not alive, and for how many seconds; "" when it is."""


def clocks_denial(proposal: Proposal) -> Denial | None:
    """Was it decided on what is known since the clocks jumped last?"""
    if proposal.known_ms is None:
        return Denial(
            NOT_SEALED,
            "the clocks have jumped: the venue's time, the account and both books are read again first",
        )
    if proposal.known_ms and proposal.plan.decided_ms <= proposal.known_ms:
        return Denial(NOT_SEALED, "it was decided before the clocks jumped")
    return None


def connection_denial(plan: SizingPlan, unconnected: tuple[Leg, ...]) -> Denial | None:
    """Can every leg that this plan gives an order send it? `unconnected`: the legs without a connection."""
    gone = [f"{leg}_leg" for leg in unconnected if plan.leg(leg).amount]
    if not gone:
        return None
    have = "have" if len(gone) > 1 else "has"
    return Denial("NOT_CONNECTED", f"{' and '.join(gone)} {have} no connection to send an order on")


SEAL: EntryStage[Proposal] = EntryStage(
    "supervisor",
    "before it seals a plan; a denied plan is dropped, and sizing proposes again four times a second",
    (
        Condition(
            "the barrier is idle",
            (NOT_SEALED,),
            lambda proposal: _because(
                NOT_SEALED, "" if proposal.barrier == "idle" else f"the barrier is {proposal.barrier}"
            ),
            "First: one plan at a time, and the answers below change while another one is under way.",
            every_plan=True,
        ),
        Condition(
            "both legs are running and have taken everything sent to them",
            (NOT_SEALED,),
            lambda proposal: _because(NOT_SEALED, "" if proposal.legs_ready else "a leg is not ready for it"),
            "With the barrier: a seal would wait in a mailbox and be late.",
            every_plan=True,
        ),
        Condition(
            "no guard has taken over",
            (NOT_SEALED,),
            lambda proposal: _because(NOT_SEALED, "a guard has taken over" if proposal.superseded else ""),
            "Before all that may pass: this run sends nothing again.",
            every_plan=True,
        ),
        Condition(
            "the exchange takes our signature",
            (NOT_SEALED,),
            lambda proposal: _because(NOT_SEALED, proposal.unsigned),
            "It does not pass either: no order of this key would fare better.",
            every_plan=True,
        ),
        Condition(
            "it was decided on what is known since the clocks jumped",
            (NOT_SEALED,),
            clocks_denial,
            "Before everything that compares times or asks a connection: after a jump neither is known.",
            every_plan=True,
        ),
        Condition(
            "every leg that gets an order has a connection",
            ("NOT_CONNECTED",),
            lambda proposal: connection_denial(proposal.plan, proposal.unconnected),
            "Before the count of aborts: the leg would decline it, and the cause is better named than its"
            " consequence.",
            "alarm",
            every_plan=True,
            cures={"NOT_CONNECTED": "check the connection: {command} doctor"},
        ),
        Condition(
            "the plans before it were not aborted moments ago",
            (NOT_SEALED, "ABORTED"),
            lambda proposal: proposal.aborts.denial(proposal.plan.judged_as, proposal.now_s),
            "Each abort costs rows and changes nothing; named ABORTED from the third in a row on.",
            "alarm",
            every_plan=True,
        ),
        Condition(
            "it was made by the exchange's rules of now",
            (NOT_SEALED,),
            lambda proposal: _because(
                NOT_SEALED,
                ""
                if proposal.plan.rules_version in {0, proposal.rules.version}
                else "the venue's rules have changed since it was proposed",
            ),
            "Its sizes may not fit the new ones; the next proposal, a moment later, goes by them.",
            every_plan=True,
        ),
        Condition(
            "the rate limits leave room for it and for closing everything",
            (NOT_SEALED,),
            lambda proposal: _because(NOT_SEALED, proposal.rate_limited),
            "Of every plan that makes a position larger: what is opened must be closable within the limits.",
            every_plan=True,
        ),
        Condition(
            "the supervisor allows entering",
            (NOT_SEALED,),
            directive_denial,
            "From here on only entering is asked about; a stop may have come since sizing looked.",
        ),
        Condition(
            "the guard is alive, where one is wanted",
            (NOT_SEALED, "GUARD_DOWN"),
            lambda proposal: _because(
                "GUARD_DOWN" if proposal.guard_missing[1] > GUARD_START_S else NOT_SEALED,
                proposal.guard_missing[0],
            ),
            "Before the limits: without it nobody would close what is open if this process died; named after"
            " 5 s, and after 3 min the run ends.",
            "alarm",
        ),
        *STANDING.conditions,
        Condition(
            "the run has passed none of its limits",
            ("MAX_DRAWDOWN", "FAILED_CYCLES", "FILL_RATE", "CYCLE_SUCCESS"),
            lambda proposal: run_over(proposal.held, proposal.settings),
            "Before this plan's own limits: it is the run that is over, and it ends latched.",
            "alarm",
        ),
        Condition(
            "the plan is within the limits, and the account has the margin for it",
            ("MAX_GROSS", "MARGIN", "LIQUIDATION_NEAR"),
            lambda proposal: plan_denial(
                proposal.plan, proposal.held, proposal.rules.terms(), proposal.settings
            ),
            "Last: it needs complete rules, and it ends the run with a cure, so nothing that passes may hide"
            " behind it.",
            "ends",
        ),
    ),
)
FOLLOWS: dict[str, Follows] = {
    code: condition.follows for condition in SEAL.conditions for code in condition.codes if code != NOT_SEALED
}
"""By the code of a denial; `NOT_SEALED` only waits."""

# -- 7: the voters -------------------------------------------------------------------------------------------

VOTE: EntryStage[Ballot] = EntryStage(
    "eth_leg, sol_leg and ledger, each",
    "on the sealed plan it holds, before anything else; one vote against it aborts the plan",
    (
        Condition(
            "the plan has the digest it was sealed with",
            ("DIGEST_MISMATCH",),
            digest_denial,
            "First: of a changed plan no other field may be believed.",
            every_plan=True,
        ),
        Condition(
            "it is of this incarnation's epoch",
            ("DEAD_EPOCH",),
            epoch_denial,
            "Before the number: numbers are compared within one epoch.",
            every_plan=True,
        ),
        Condition(
            "it comes after every plan seen",
            ("STALE_SEQ",),
            seq_denial,
            "A plan that comes twice must not be an order twice.",
            every_plan=True,
        ),
        Condition(
            "its two orders are what its purpose asks for",
            ("NOT_A_PAIR", "CLOSE_INCREASES", "NOT_A_TOP_UP", "NOT_A_QUOTE", "NOT_A_HEDGE", "EMPTY"),
            shape_denial,
            "Of the right plan: does it hedge? An entry buys one leg and sells the other; a quote has one"
            " order, and terms by which its fills are hedged.",
            every_plan=True,
        ),
        Condition(
            "orders that open are fill-or-kill, that close or hedge immediate-or-cancel, that rest post-only",
            ("ORDER_KIND",),
            kind_denial,
            "Last, per order: a part of an opening order would be unhedged.",
            every_plan=True,
        ),
    ),
)


class LegBallot(msgspec.Struct, frozen=True):
    """The plan before one leg, which asks only of its own half."""

    leg: Leg
    plan: SizingPlan
    settings: Settings
    connected: bool


def leg_notional_denial(ballot: LegBallot) -> Denial | None:
    """Is this leg's opening order, at its limit, within `limits.max_leg_notional`? Of a quote that enters its
    hedge is asked about as well; one that closes makes nothing larger, though it is not reduce-only (2067).
    """
    closes = ballot.plan.quote is not None and not ballot.plan.quote.opens
    order, limit = with_hedge(ballot.plan).leg(ballot.leg), ballot.settings.limits.max_leg_notional
    size = notional(order.limit, order.amount)
    if closes or not order.increases or size <= limit:
        return None
    return Denial(
        "MAX_LEG_NOTIONAL", f"{size.text()} USD exceeds limits.max_leg_notional = {limit.text()} USD"
    )


def hedge_ratio_denial(ballot: LegBallot) -> Denial | None:
    """Is the pair hedged as the configuration of this leg says?"""
    plan, ours = ballot.plan, ballot.settings.hedge_ratio
    if plan.ratio == ours:
        return None
    return Denial("HEDGE_RATIO", f"the plan has hedge_ratio {plan.ratio.text()}, configured is {ours.text()}")


LEG: EntryStage[LegBallot] = EntryStage(
    "eth_leg and sol_leg, each",
    "of its own half, before it builds and signs its order (OFF_LATTICE or BAD_ORDER when it cannot)",
    (
        Condition(
            "it has a connection, if it has an order to send",
            ("NOT_CONNECTED",),
            lambda ballot: connection_denial(ballot.plan, () if ballot.connected else (ballot.leg,)),
            "The leg alone knows its socket now; the supervisor's answer may be a moment old.",
            every_plan=True,
        ),
        Condition(
            "the pair's hedge ratio is the configured `hedge_ratio`",
            ("HEDGE_RATIO",),
            hedge_ratio_denial,
            "Before its size: how large a leg is to be beside the other follows from it.",
        ),
        Condition(
            "its opening order is within `limits.max_leg_notional`",
            ("MAX_LEG_NOTIONAL",),
            leg_notional_denial,
            "By itself, whatever sized the plan: the last bound before a signature.",
            every_plan=True,
        ),
    ),
)


class LedgerBallot(AccountFacts, frozen=True, kw_only=True):
    """The plan before the ledger, with what its fold knows of the plan's place."""

    plan: SizingPlan
    unfinished: str
    """The plan or the order of ESCAPE that is not final yet; "" when there is none."""
    working: str
    """The order that rests where the plan wants to trade; "" when there is none."""
    cycle_over: bool
    """Has the plan's cycle had its ending?"""


LEDGER: EntryStage[LedgerBallot] = EntryStage(
    "ledger",
    "by its own fold, before it derives both orders and commits the intent (OFF_LATTICE or STATE_UNWRITABLE"
    " when it cannot)",
    (
        Condition(
            "no order sent before is without an ending",
            ("PLAN_IN_FLIGHT",),
            lambda ballot: _because(
                "PLAN_IN_FLIGHT", ballot.unfinished and f"{ballot.unfinished} is not final yet"
            ),
            "First: what is held is not known while one is, so nothing below has an answer.",
            every_plan=True,
        ),
        Condition(
            "no order rests in a product that it trades",
            ("ORDER_WORKING",),
            lambda ballot: _because("ORDER_WORKING", ballot.working),
            "What is held there is not known until that order has its ending; in the other product hedges and"
            " closes go on.",
            every_plan=True,
        ),
        *KNOWN,
        Condition(
            "the plan's cycle has had no ending",
            ("CYCLE_OVER",),
            lambda ballot: _because(
                "CYCLE_OVER", f"cycle {ballot.plan.cycle} has ended" if ballot.cycle_over else ""
            ),
            "Last: an entry into a closed cycle would be counted nowhere.",
        ),
    ),
)

ORDER: tuple[EntryStage[Any], ...] = (STANDING, TURN, ACCOUNT, TRIGGERS, GATES, SEAL, VOTE, LEG, LEDGER)
"""Every stage, in the order in which an entry passes them; the last three vote at the same time."""
