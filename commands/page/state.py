"""What the page shows, folded from a run's events (docs/events.md): sections that are replaced whole, and
rows that are added or replaced by their key.

No I/O and no clock in here: the same events give the same state. Every figure is one that an event carries;
what is added is only how it is written.
"""

from collections.abc import Callable, Mapping
from typing import Any

from commands.output.events import (
    AbortedEvent,
    AccountStreamEvent,
    ActorEndedEvent,
    ActorStartedEvent,
    AlarmEvent,
    AnswerEvent,
    BeginEvent,
    BookLine,
    BooksEvent,
    ClosedEvent,
    CycleEvent,
    DeniedEvent,
    EndedEvent,
    FillEvent,
    HaltedEvent,
    HopEvent,
    LostEvent,
    PlacedEvent,
    QuoteEndedEvent,
    RunEvent,
    SaidEvent,
    SealedEvent,
    StandingEvent,
    StoppingEvent,
    UnhedgedLine,
    VoteEvent,
    WaitingEvent,
)
from commands.output.money_lines import CAUSE_WORDS
from commands.output.words import OPEN, span
from commands.page.latency import Latency
from commands.page.orders import PlanShown, working_shown
from commands.page.tree import ActorTree
from messages.amounts import bps, fixed, grouped, per_leg, percent, short_percent, signed, usd
from messages.units import Bps, Quote, Rate

LOG_KEPT = 500
CYCLES_KEPT = 1_000
PLANS_SHOWN = 3
"""The newest of the cycle under way: an entry, its repairs, its exit."""
PLANS_KNOWN = 8
"""Plans of which an event may still come."""
KEPT: Mapping[str, int] = {"log": LOG_KEPT, "cycles": CYCLES_KEPT, "costs": CYCLES_KEPT}
"""Rows of each kind that are kept, the newest; a browser keeps as many."""
TITLES = {
    "starting": ("Starting", "wait"),
    "flat": ("Flat", "good"),
    "checking": ("Flat, being checked", "wait"),
    "hedged": ("Hedged", "good"),
    "sending": ("Orders on their way", "wait"),
    "working": ("An order rests", "wait"),
    "open": ("Open, not hedged", "bad"),
    "unknown": ("Not known", "bad"),
}
"""What is said first, and how it looks."""


class PageState:
    """The fold. `sections` and `rows` are what a browser has; `changed` names what it lacks since `seen`."""

    def __init__(self) -> None:
        self.sections: dict[str, Any] = {
            "run": None,
            "standing": None,
            "books": None,
            "plans": [],
            "working": None,
            "money": None,
            "unhedged": None,
            "hops": [],
            "tree": [],
            "trouble": {},
            "kept": dict(KEPT),
        }
        self.rows: dict[str, dict[int, dict[str, Any]]] = {name: {} for name in KEPT}
        self.changed: set[str] = set()
        self.changed_rows: dict[str, dict[int, dict[str, Any]]] = {name: {} for name in KEPT}
        self._seq = 0
        self._latency, self._tree = Latency(), ActorTree()
        self._plans: list[PlanShown] = []

    def take(self, event: RunEvent) -> None:
        """One event. What it does not know, and what it has taken already, it ignores."""
        if isinstance(event, BeginEvent):
            self._begun(event)
            return
        if event.seq <= self._seq and not isinstance(event, LostEvent):
            return
        self._seq = max(self._seq, event.seq)
        fold = _FOLDS.get(type(event))
        if fold is not None:
            fold(self, event)

    def gone(self, words: str) -> None:
        """No more events come, and no last one has said how it ended."""
        if "ended" not in self.sections["trouble"]:
            self._trouble("gone", words)

    def seen(self) -> None:
        """Forget what has changed: it is on its way to whoever looks."""
        self.changed = set()
        self.changed_rows = {name: {} for name in KEPT}

    def refresh(self) -> None:
        """Write out what is only worth it once somebody looks."""
        if "hops" in self.changed:
            self.sections["hops"] = self._latency.shown()
        if "plans" in self.changed:
            cycle = self._plans[-1].cycle if self._plans else 0
            shown = [plan.shown() for plan in self._plans if plan.cycle == cycle][-PLANS_SHOWN:]
            self.sections["plans"] = shown[::-1]
        if "tree" in self.changed:
            self.sections["tree"] = self._tree.shown()

    # -- how things are kept ---------------------------------------------------------------------------------

    def _set(self, section: str, value: Any) -> None:
        if self.sections[section] != value:
            self.sections[section] = value
            self.changed.add(section)

    def _trouble(self, what: str, words: Any) -> None:
        self._set("trouble", self.sections["trouble"] | {what: words})

    def _row(self, kind: str, key: int, row: dict[str, Any]) -> None:
        rows = self.rows[kind]
        if rows.get(key) == row:
            return
        rows[key] = self.changed_rows[kind][key] = row
        if len(rows) > KEPT[kind]:
            oldest = min(rows)
            del rows[oldest]
            self.changed_rows[kind].pop(oldest, None)

    def _said(self, seq: int, at: str, about: str, cycle: int, text: str, *, notable: bool) -> None:
        row = {"at": at, "about": about, "cycle": cycle, "text": text, "notable": notable}
        self._row("log", seq, row)

    def _plan(self, name: str) -> PlanShown | None:
        """The plan of that name, of which something is heard; None for one that is shown no more."""
        return next((plan for plan in self._plans if plan.name == name), None)

    # -- the run ---------------------------------------------------------------------------------------------

    def _begun(self, begin: BeginEvent) -> None:
        """A stream of events begins: whose, and under which promises."""
        self._set(
            "run",
            {
                "money": begin.money,
                "venue": begin.venue,
                "subaccount": begin.subaccount,
                "target": per_leg(Quote.of(begin.target_usd), Rate.of(begin.hedge_ratio)),
                "cycles": begin.cycles,
                "seed": begin.seed,
                "pid": begin.pid,
                "logs": begin.logs,
                "limit": short_percent(Bps.of(begin.max_imbalance_bps)),
                "limit_percent": _in_percent(begin.max_imbalance_bps),
                "age_ms": begin.max_quote_age_ms,
            },
        )

    def _stands(self, event: StandingEvent) -> None:
        title, mood = TITLES[event.stands]
        self._set(
            "standing",
            {
                "stands": event.stands,
                "title": title,
                "mood": mood,
                "words": event.words,
                "doing": event.doing,
                "progress": event.progress,
                "epoch": event.epoch,
                "rows": event.rows,
                "cycle": event.cycle,
                "completed": event.completed,
                "skipped": event.skipped,
                "failed": event.failed,
                "eth": event.eth,
                "sol": event.sol,
                "venue": event.venue,
                "guard": event.guard,
            },
        )
        if event.working is not None:
            self._set("working", [working_shown(line) for line in event.working])
        if event.unhedged is not None:
            self._set("unhedged", _unhedged(event.unhedged))
        self._costs(event)
        if event.filled_imbalance_bps is not None and event.cycle:
            share = event.filled_imbalance_bps
            self._cycle(event.cycle, {"imbalance": _in_percent(share), "shown": percent(Bps.of(share))})

    def _costs(self, event: StandingEvent) -> None:
        causes = [
            {
                "cause": line.cause,
                "words": CAUSE_WORDS[line.cause],
                "usd": signed(Quote.of(line.paid_usd)),
                "per_million": None
                if line.per_million_usd is None
                else fixed(Quote.of(line.per_million_usd), 1),
            }
            for line in event.costs
        ]
        money = {
            "causes": causes,
            "traded": grouped(Quote.of(fixed(Quote.of(event.traded_usd), 2))),
            "cost_per_million": None
            if event.cost_per_million_usd is None
            else fixed(Quote.of(event.cost_per_million_usd), 0),
            "net": None if event.net_usd is None else signed(Quote.of(event.net_usd)),
            "net_per_million": None
            if event.net_per_million_usd is None
            else fixed(Quote.of(event.net_per_million_usd), 1),
            "money": event.money,
        }
        self._set("money", money)
        ended = event.completed + event.failed
        if ended and event.costs:
            point: dict[str, str] = {line.cause: line.paid_usd for line in event.costs}
            if event.net_usd is not None:
                point["net"] = Quote(-Quote.of(event.net_usd)).text()
            self._row("costs", ended, point)

    def _cycle(self, number: int, facts: dict[str, Any]) -> None:
        self._row("cycles", number, self.rows["cycles"].get(number, {}) | facts)

    def _cycle_ended(self, event: CycleEvent) -> None:
        facts = {"ending": event.ending, "at": event.at}
        if event.ending != "skipped":
            facts |= {"unhedged": event.unhedged_usd_s, "detail": event.detail}
            self._cycle(event.cycle, facts)

    def _ended(self, event: EndedEvent) -> None:
        self._trouble(
            "ended",
            {
                "code": event.exit_code,
                "text": event.text,
                "open": event.open,
                "mood": "bad" if event.exit_code == OPEN or event.unknown else "good",
            },
        )

    # -- plans -----------------------------------------------------------------------------------------------

    def _sealed(self, event: SealedEvent) -> None:
        self._plans = [*self._plans, PlanShown(event)][-PLANS_KNOWN:]
        self.changed.add("plans")

    def _of_plan(self, name: str, what: Callable[[PlanShown], None]) -> None:
        plan = self._plan(name)
        if plan is not None:
            what(plan)
            self.changed.add("plans")

    def _filled(self, event: FillEvent) -> None:
        for plan in self._plans:
            for order in plan.orders.values():
                if event.order and order.digest == event.order:
                    order.filled(event)
                    self.changed.add("plans")

    # -- who runs --------------------------------------------------------------------------------------------

    def _started(self, event: ActorStartedEvent) -> None:
        self._tree.started(event)
        self.changed.add("tree")

    def _died(self, event: ActorEndedEvent) -> None:
        self._tree.ended(event)
        self.changed.add("tree")

    def _hop(self, event: HopEvent) -> None:
        self._latency.take(event)
        self.changed.add("hops")

    def _books(self, event: BooksEvent) -> None:
        books = [_book("ETH-PERP", event.eth), _book("SOL-PERP", event.sol)]
        self._set("books", {"books": books, "skew": span(event.skew_ms), "active": event.venue_active})


def _in_percent(share_bps: str) -> str:
    return Bps(Bps.of(share_bps) // 100).text()


def _book(name: str, line: BookLine) -> dict[str, str]:
    return {
        "name": name,
        "bid": line.bid,
        "bid_amount": line.bid_amount,
        "ask": line.ask,
        "ask_amount": line.ask_amount,
        "spread": bps(Bps.of(line.spread_bps)),
        "proven_at": line.proven_at,
        "status": line.status,
    }


def _unhedged(line: UnhedgedLine) -> dict[str, str]:
    return {
        "now": "unknown" if line.now_usd is None else usd(Quote.of(line.now_usd)),
        "cycle": fixed(Quote.of(line.cycle_usd_s), 1),
        "worst": usd(Quote.of(line.worst_usd)),
        "longest": span(line.longest_ms),
        "longest_usd_s": fixed(Quote.of(line.longest_usd_s), 1),
        "limit": fixed(Quote.of(line.limit_usd_s), 0),
    }


def _coded(what: str) -> Callable[[PageState, Any], None]:
    return lambda state, event: state._trouble(what, {"code": event.code, "detail": event.detail})


_FOLDS: dict[type[RunEvent], Callable[[PageState, Any], None]] = {
    StandingEvent: PageState._stands,
    BooksEvent: PageState._books,
    SealedEvent: PageState._sealed,
    VoteEvent: lambda state, event: state._of_plan(event.plan, lambda plan: plan.voted(event)),
    PlacedEvent: lambda state, event: state._of_plan(
        event.plan, lambda plan: plan.placed(event.eth_order, event.sol_order)
    ),
    AbortedEvent: lambda state, event: state._of_plan(
        event.plan, lambda plan: plan.aborted(event.code, event.detail)
    ),
    AnswerEvent: lambda state, event: state._of_plan(
        event.plan, lambda plan: plan.orders[event.leg].answered(event)
    ),
    FillEvent: PageState._filled,
    ClosedEvent: lambda state, event: state._of_plan(
        event.plan, lambda plan: plan.closed(event.eth, event.sol, aborted=event.aborted)
    ),
    QuoteEndedEvent: lambda state, event: state._of_plan(
        event.plan, lambda plan: plan.quote_ended(event.leg, event.fill)
    ),
    CycleEvent: PageState._cycle_ended,
    ActorStartedEvent: PageState._started,
    ActorEndedEvent: PageState._died,
    HopEvent: PageState._hop,
    SaidEvent: lambda state, event: state._said(
        event.seq, event.at, event.about, event.cycle, event.text, notable=event.notable
    ),
    LostEvent: lambda state, event: state._said(
        event.seq, event.at, "run", 0, f"{event.count} events were not read: see the log", notable=True
    ),
    WaitingEvent: _coded("waiting"),
    DeniedEvent: _coded("denied"),
    AlarmEvent: _coded("alarm"),
    HaltedEvent: _coded("halted"),
    StoppingEvent: lambda state, event: state._trouble("stopping", {"detail": event.reason}),
    AccountStreamEvent: lambda state, event: state._trouble(
        "account", None if event.live else {"detail": event.detail}
    ),
    EndedEvent: PageState._ended,
}
