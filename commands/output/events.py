"""What happens in a run, for programs: the declared types of the lines of `run --events` and of
`status --watch --json`. One JSON object a line, its `event` says which of these types it is.

They are apart from what the actors say to each other, which may change from one release to the next. Here
types and fields are added, never renamed, removed or given another type: `docs/events.schema.json` is what
was announced, and a test compares. docs/events.md is made from these declarations
(`python -m tests.commands.output.events_page`).

Amounts, prices and USD are decimal strings, exact; times of this machine and of the exchange are ISO-8601
with microseconds and Z; what nobody knows is null.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from commands.output.said import About
from messages.sizing import Purpose, TimeInForce

EXACT = r"^-?[0-9]+(\.[0-9]+)?$"
Exact = Annotated[str, Meta(pattern=EXACT)]
"""A decimal string, exact."""
Time = Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")]
Plan = Annotated[str, Meta(description="Its name, EPOCH.SEQ, as the log has it.")]
LegName = Literal["eth", "sol"]
Code = Annotated[str, Meta(description="A word for programs: docs/running.md has them.")]
Detail = Annotated[str, Meta(description="The same in a sentence, for a person.")]


class RunEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="event"):
    """What stands in every line."""

    schema: Literal["evenkeel.event/1"] = "evenkeel.event/1"
    seq: Annotated[int, Meta(description="Counts this run's events from 1; a gap is what was not read.")]
    at: Annotated[Time, Meta(description="When it happened, by this machine's clock.")]


class BeginEvent(RunEvent, frozen=True, kw_only=True, tag="begin"):
    """The first line of every reader: whose events follow. `seq` is that of the last event before it."""

    pid: int
    money: Annotated[str, Meta(description="Whose money it is, as every screen says first.")]
    venue: Annotated[str, Meta(description="simulated, testnet or mainnet.")]
    subaccount: str
    target_usd: Annotated[Exact, Meta(description="Per leg.")]
    seed: int
    cycles: Annotated[int | None, Meta(description="How many pairs are to be entered; null: until stopped.")]
    max_imbalance_bps: Annotated[Exact, Meta(description="The promise, at entry, at fill prices.")]
    max_quote_age_ms: Annotated[int, Meta(description="Nothing is entered on a book older than this.")]
    logs: Annotated[str, Meta(description="The folder of the ledger and the log.")]
    hedge_ratio: Annotated[
        Exact, Meta(description="Dollars of SOL that hedge one of ETH (docs/hedge-ratio.md).")
    ] = "1"


class LostEvent(RunEvent, frozen=True, kw_only=True, tag="lost"):
    """The reader was too slow: so many events before this line were dropped, and trading did not wait.
    `seq` is that of the last one dropped.
    """

    count: int


class NoteEvent(RunEvent, frozen=True, kw_only=True, tag="note"):
    """A line of the log that is no event of its own."""

    level: Literal["debug", "info", "warning", "error"]
    source: str
    text: str


class HopEvent(RunEvent, frozen=True, kw_only=True, tag="hop"):
    """A plan has passed a point of its way; the glossary of docs/running.md names the points."""

    hop: str
    plan: Annotated[str | None, Meta(description="EPOCH.SEQ; null before it is sealed.")]
    digest: str
    eth: Annotated[Exact, Meta(description="Amount, signed; negative is a sale.")]
    sol: Exact
    note: str


class OrderLine(msgspec.Struct, frozen=True):
    """One leg's half of a plan. An amount of 0: nothing is ordered of it."""

    amount: Exact
    limit: Exact
    kind: TimeInForce
    reduce_only: bool
    vwap: Annotated[Exact, Meta(description="The average price that the plan expects.")]


class QuoteLine(msgspec.Struct, frozen=True):
    """On what terms an order rests (docs/execution.md)."""

    leg: Annotated[LegName, Meta(description="The one that rests.")]
    opens: Annotated[bool, Meta(description="Does it open the pair, or close one?")]
    hedges: Annotated[bool, Meta(description="Does it hedge what the other leg's quote has traded?")]
    worst: Annotated[Exact, Meta(description="Of the other leg, the worst price of a hedge.")]
    given_up_at: Annotated[Time, Meta(description="Then it is cancelled, by the exchange's clock.")]
    expires_at: Annotated[Time, Meta(description="Then it can trade no more, by the exchange's clock.")]


class SealedEvent(RunEvent, frozen=True, kw_only=True, tag="sealed"):
    """A plan is before the three voters."""

    plan: Plan
    cycle: int
    purpose: Purpose
    digest: str
    planned_imbalance_bps: Exact
    eth: OrderLine
    sol: OrderLine
    rule: Annotated[
        str | None, Meta(description="Of an exit: the rule by which the pair leaves (docs/exits.md).")
    ] = None
    hold_ms: Annotated[
        int | None, Meta(description="Of an entry: drawn for its pair; null where hold is no range.")
    ] = None
    hedge_ratio: Annotated[
        Exact | None, Meta(description="Dollars of SOL that hedge one of ETH; null: 1 (docs/hedge-ratio.md).")
    ] = None
    quote: Annotated[QuoteLine | None, Meta(description="Of a quote: on what terms its order rests.")] = None


class VoteEvent(RunEvent, frozen=True, kw_only=True, tag="vote"):
    """One of the three has voted; a no has a code."""

    plan: Plan
    who: Literal["eth", "sol", "ledger"]
    ready: bool
    code: Code | None = None
    detail: Detail | None = None
    digest: Annotated[str | None, Meta(description="Of the plan as this one has it; null with a no.")] = None


class PlacedEvent(RunEvent, frozen=True, kw_only=True, tag="placed"):
    """All three agreed: the orders are being sent. The digest of an order that is not sent is null."""

    plan: Plan
    eth_order: str | None
    sol_order: str | None


class AbortedEvent(RunEvent, frozen=True, kw_only=True, tag="aborted"):
    """A plan ended without an order sent."""

    plan: Plan
    code: Code
    detail: Detail


class AnswerEvent(RunEvent, frozen=True, kw_only=True, tag="answer"):
    """What the exchange answered to one order. `accepted` does not mean filled."""

    leg: LegName
    plan: Plan
    order: str
    kind: Literal["accepted", "refused", "unknown", "none"]
    code: Annotated[int | None, Meta(description="The exchange's, when it refused.")]
    detail: Detail
    waited_ms: int


class FillEvent(RunEvent, frozen=True, kw_only=True, tag="fill"):
    """A piece of an order traded, as the exchange's stream says. It may say so twice: (`order`, `remaining`)
    tells one piece from another.
    """

    order: str
    product_id: int
    amount: Annotated[Exact, Meta(description="Signed; negative is a sale.")]
    price: Exact
    fee_usd: Annotated[Exact, Meta(description="> 0 = paid.")]
    remaining: Annotated[Exact, Meta(description="Of the order, unsigned.")]
    traded_at: Annotated[Time, Meta(description="By the exchange's clock.")]
    maker: Annotated[bool | None, Meta(description="Did the order rest? null: not told.")] = None


class ResolvedEvent(RunEvent, frozen=True, kw_only=True, tag="resolved"):
    """An order whose outcome was unknown: what it did in total."""

    order: str
    product_id: int
    filled: Exact
    quote_usd: Exact
    source: str
    provisional: bool


class LegLine(msgspec.Struct, frozen=True):
    """What became of one leg's order."""

    ordered: Exact
    filled: Exact
    vwap: Annotated[Exact | None, Meta(description="null where nothing was filled.")]
    fee_usd: Exact
    outcome: Literal["accepted", "refused", "unknown", "none"]


class ClosedEvent(RunEvent, frozen=True, kw_only=True, tag="closed"):
    """Both orders of a plan have their endings. Of a `quote` (`sealed` has its terms) that was accepted, or
    whose answer is unknown, and that is not filled in full: its order rests, or may, until its
    `quote_ended`.
    """

    plan: Plan
    aborted: bool
    eth: LegLine
    sol: LegLine


class QuoteEndedEvent(RunEvent, frozen=True, kw_only=True, tag="quote_ended"):
    """An order that rested, or may have, has its ending: `fill` is all that it did."""

    plan: Plan
    leg: LegName
    order: str
    fill: LegLine


class CycleEvent(RunEvent, frozen=True, kw_only=True, tag="cycle"):
    """A cycle is over; `completed` = entered and flat again, confirmed by the exchange."""

    cycle: int
    ending: Literal["completed", "skipped", "failed"]
    detail: Detail
    unhedged_usd_s: Exact


class SkippedEvent(RunEvent, frozen=True, kw_only=True, tag="skipped"):
    """A cycle was not entered."""

    cycle: int
    code: Code
    detail: Detail


class WaitingEvent(RunEvent, frozen=True, kw_only=True, tag="waiting"):
    """What the next order waits for has changed; `code` null: for nothing that is known."""

    purpose: Purpose
    code: Code | None
    detail: Detail


class DeniedEvent(RunEvent, frozen=True, kw_only=True, tag="denied"):
    """A limit or gate denies entering."""

    code: Code
    detail: Detail


class AlarmEvent(RunEvent, frozen=True, kw_only=True, tag="alarm"):
    """A gate has denied everything for `limits.alarm_after_denying`."""

    code: Code
    detail: Detail


class HaltedEvent(RunEvent, frozen=True, kw_only=True, tag="halted"):
    """Trading is off until a person clears it."""

    code: Code
    detail: Detail


class StoppingEvent(RunEvent, frozen=True, kw_only=True, tag="stopping"):
    """Both legs are being closed; in `within_ms` it ends in any case."""

    reason: str
    within_ms: int


class AccountStreamEvent(RunEvent, frozen=True, kw_only=True, tag="account"):
    """The account's stream is live, or gone: then nothing is entered."""

    live: bool
    detail: Detail


class ActorEndedEvent(RunEvent, frozen=True, kw_only=True, tag="actor_ended"):
    """An actor is gone; `why` null: it was told to stop, or had ended by itself."""

    actor: str
    incarnation: int
    why: str | None
    supervisor: Annotated[str, Meta(description="Under which it runs; one may be an actor of another.")]


class ActorStartedEvent(RunEvent, frozen=True, kw_only=True, tag="actor_started"):
    """An actor runs; incarnations count from 1."""

    actor: str
    incarnation: int
    supervisor: str


class GivingUpEvent(RunEvent, frozen=True, kw_only=True, tag="giving_up"):
    """Too many failures: everything stops, and what is open is closed without the actors."""

    supervisor: str
    why: str


class ClockEvent(RunEvent, frozen=True, kw_only=True, tag="clock"):
    """The machine slept, or its clock was set (> 0: forward)."""

    slept_ms: int
    set_ms: int


class RulesEvent(RunEvent, frozen=True, kw_only=True, tag="rules"):
    """The exchange's rules have changed."""

    version: int
    detail: Detail


class StagedEvent(RunEvent, frozen=True, kw_only=True, tag="staged"):
    """The demo has staged a fault."""

    cycle: int
    text: str


class SaidEvent(RunEvent, frozen=True, kw_only=True, tag="said"):
    """A line as the run's screen and its plain lines show it. What it is about happened in the event beside
    it.
    """

    cycle: Annotated[int, Meta(description="0: none.")]
    text: str
    notable: Annotated[bool, Meta(description="Does the screen show it where there is little room?")]
    about: Annotated[About, Meta(description="By what a person looks for it.")]


class BookLine(msgspec.Struct, frozen=True):
    """The top of one book."""

    bid: Exact
    bid_amount: Exact
    ask: Exact
    ask_amount: Exact
    spread_bps: Exact
    proven_at: Annotated[Time, Meta(description="When it was last proven right, by the exchange's clock.")]
    status: Annotated[str, Meta(description="Of the product, as the exchange spells it.")]


class BooksEvent(RunEvent, frozen=True, kw_only=True, tag="books"):
    """Both books, twice a second where they change."""

    eth: BookLine
    sol: BookLine
    skew_ms: Annotated[int, Meta(description="How far their ages are apart.")]
    venue_active: bool


class UnhedgedLine(msgspec.Struct, frozen=True):
    """How much was unhedged for how long, by the exchange's timestamps."""

    now_usd: Annotated[Exact | None, Meta(description="null: not priced.")]
    cycle_usd_s: Annotated[Exact, Meta(description="Of the cycle under way, or the last one.")]
    worst_usd: Annotated[Exact, Meta(description="The largest of the run.")]
    longest_ms: Annotated[int, Meta(description="Of the cycle with most USD x seconds.")]
    longest_usd_s: Exact
    limit_usd_s: Annotated[Exact, Meta(description="What that cycle might use up.")]


class WorkingLine(msgspec.Struct, frozen=True):
    """An order that rests, or may; by the ledger."""

    leg: LegName
    plan: Plan
    order: str
    ordered: Annotated[Exact, Meta(description="Signed; negative is a sale.")]
    price: Annotated[Exact, Meta(description="At which it rests.")]
    filled: Annotated[Exact, Meta(description="Signed, by its fills.")]
    acknowledged: Annotated[bool, Meta(description="Has the exchange said that it took it?")]
    hedges: Annotated[bool, Meta(description="Does it hedge what the other leg's quote has traded?")]
    given_up_at: Annotated[Time, Meta(description="Then it is cancelled, by the exchange's clock.")]
    expires_at: Annotated[Time, Meta(description="Then it can trade no more, by the exchange's clock.")]
    cancel_asked_at: Annotated[
        Time | None, Meta(description="When its cancellation was last sent; null: it was not.")
    ]
    resolving: Annotated[bool, Meta(description="Is the exchange being asked what it did?")]


class CostLine(msgspec.Struct, frozen=True):
    """What one cause has cost the run so far."""

    cause: Literal["fees", "spread", "slippage", "adverse", "hedge", "lots", "funding", "liquidation"]
    paid_usd: Annotated[Exact, Meta(description="> 0 = paid.")]
    per_million_usd: Annotated[Exact | None, Meta(description="Of volume; null before anything traded.")]


class StandingEvent(RunEvent, frozen=True, kw_only=True, tag="standing"):
    """How the run stands: what its screen shows beside books and plan, told when it changes."""

    stands: Annotated[
        Literal["starting", "flat", "checking", "hedged", "sending", "working", "open", "unknown"],
        Meta(
            description="open: something is, that is no hedged pair; sending: orders are on their way;"
            " working: an order rests."
        ),
    ]
    words: Annotated[str, Meta(description="The same in a sentence.")]
    doing: Annotated[str, Meta(description="What the run does or waits for, in one line.")]
    progress: str
    cycle: int
    epoch: int
    rows: Annotated[int, Meta(description="Of the ledger.")]
    eth: Annotated[Exact | None, Meta(description="Held by our fills; null: not known.")]
    sol: Exact | None
    filled_imbalance_bps: Annotated[Exact | None, Meta(description="Of the cycle; null where it has none.")]
    unhedged: UnhedgedLine | None
    completed: int
    skipped: int
    failed: int
    traded_usd: Exact
    cost_per_million_usd: Annotated[
        Exact | None, Meta(description="Fees, spread and slippage, whatever the market did.")
    ]
    costs: tuple[CostLine, ...]
    net_usd: Annotated[Exact | None, Meta(description="The trading result; null: not known yet.")]
    net_per_million_usd: Exact | None
    money: Annotated[str, Meta(description="exact, provisional, unexplained or unread, and why.")]
    venue: Annotated[str, Meta(description="What is said of exchange and ledger: `agree`.")]
    guard: str
    working: Annotated[
        tuple[WorkingLine, ...] | None,
        Meta(description="Orders that rest, or may: one a leg at most; null: not known."),
    ] = None


class QueueLine(msgspec.Struct, frozen=True):
    """One mailbox of the run."""

    name: str
    waiting: Annotated[int, Meta(description="Messages that were posted and not taken yet.")]
    size: Annotated[int, Meta(description="How many it holds at most.")]


class BudgetLine(msgspec.Struct, frozen=True):
    """One of the exchange's rate limits, as this client counts what it spends."""

    name: str
    window_ms: int
    spent: int
    allowed: int


class GaugesEvent(RunEvent, frozen=True, kw_only=True, tag="gauges"):
    """How full everything is, every two seconds: while nothing happens it says that the run lives."""

    queues: tuple[QueueLine, ...]
    budgets: tuple[BudgetLine, ...]
    exposure_usd: Annotated[
        Exact | None, Meta(description="Net, signed, at current mids; null while nothing is held.")
    ]
    marked_imbalance_bps: Annotated[Exact | None, Meta(description="The same, of the larger leg.")]
    planned_imbalance_bps: Annotated[Exact | None, Meta(description="Of the last entry, as planned.")]
    account_value_usd: Annotated[Exact | None, Meta(description="At the last reading of the account.")]
    day_loss_usd: Annotated[Exact | None, Meta(description="What this UTC day has cost.")]
    residual_usd: Annotated[Exact | None, Meta(description="Money that nothing explains: 0.")]
    orders_sent: int
    orders_resolved: Annotated[int, Meta(description="Those that have their ending.")]
    orders_twice: Annotated[int, Meta(description="Orders that left more than once: 0.")]


class EndedEvent(RunEvent, frozen=True, kw_only=True, tag="ended"):
    """The run is over: its exit code, and what is open now. A run that was killed cannot tell it."""

    exit_code: int
    ended_by: Literal["done", "signal", "halt", "refused", "error"]
    code: Code | None
    text: Annotated[str, Meta(description="The first sentence of its summary, or what went wrong.")]
    open: Annotated[str | None, Meta(description="What is open, in words; null: nothing.")]
    unknown: Annotated[bool, Meta(description="Can nobody say what is open?")]
