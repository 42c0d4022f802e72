"""Runs as a screen sees them: real messages in the order in which actors say them."""

from collections.abc import Iterable

import msgspec

from commands.screen.view import RunView
from messages.execution import Fill, LegFill, Outcome, PlanClosed
from messages.lifecycle import (
    CycleEnded,
    Halted,
    Held,
    Hop,
    HopWord,
    Legging,
    Note,
    Restarted,
    Staged,
    Totals,
)
from messages.money import Statement
from messages.settings import Settings
from messages.sizing import Abort, Declined, Leg, LegOrder, Place, Ready, Sealed, SizingPlan, Skipped, Verdict
from messages.units import ONE, Base, Bps, Ms, Ns, Price, Quote
from messages.wire import digest
from runtime import specs
from tests.actors.fakes import START_MS, held, quote, resting_bid

DEFAULTS = Settings()
ETH_ORDER, SOL_ORDER, REPAIR_ORDER = (
    "0x" + "5f1c" * 15 + "00a2",
    "0x" + "88d0" * 15 + "004e",
    "0x" + "b7e1" * 15 + "0009",
)


class Clock:
    """Venue time that a test moves."""

    def __init__(self) -> None:
        self.ms = START_MS

    def __call__(self) -> int:
        return self.ms

    def utc_ns(self) -> Ns:
        return Ns(self.ms * 1_000_000)


def order(product: int, amount: str, price: str, *, reduce_only: bool = False) -> LegOrder:
    at = Price.of(price)
    return LegOrder(product, Base.of(amount), at, "ioc" if reduce_only else "fok", reduce_only, at, at)


def plan(
    purpose: str = "enter", *, seq: int = 7, cycle: int = 4, eth: str = "-0.357", sol: str = "8.5"
) -> Sealed:
    whole = SizingPlan(
        2,
        seq,
        cycle,
        0,
        purpose,  # type: ignore[arg-type]
        Ms(START_MS),
        Ms(START_MS + 2000),
        Ms(38),
        Ms(52),
        Ms(0),
        Bps.of("2.4"),
        order(4, eth, "2757.9"),
        order(8, sol, "115.86"),
    )
    return Sealed(whole, digest(whole))


def votes(sealed: Sealed) -> list[msgspec.Struct]:
    plan = sealed.plan
    return [Ready(who, plan.epoch, plan.seq, sealed.digest, None, None) for who in ("eth", "sol", "ledger")]


def place(sealed: Sealed, eth: str = ETH_ORDER, sol: str = SOL_ORDER) -> Place:
    return Place(sealed.plan.epoch, sealed.plan.seq, sealed.digest, eth, sol)


def outcome(
    sealed: Sealed, leg: Leg, kind: str = "accepted", code: int | None = None, after: int = 41
) -> Outcome:
    digest_of = ETH_ORDER if leg == "eth" else SOL_ORDER
    plan = sealed.plan
    return Outcome(leg, plan.epoch, plan.seq, digest_of, kind, code, "", Ms(START_MS), Ms(START_MS + after))  # type: ignore[arg-type]


def fill(
    order_digest: str, product: int, amount: str, price: str, *, at: int = 41, remaining: str = "0"
) -> Fill:
    size = Base.of(amount)
    at_ns = Ns((START_MS + at) * 1_000_000)
    left = Base.of(remaining)
    return Fill(
        order_digest,
        product,
        size,
        Price.of(price),
        Quote.of("0.34"),
        left,
        Base(abs(size) + left),
        True,
        1,
        at_ns,
    )


def leg_fill(
    order_: LegOrder, order_digest: str, filled: str, price: str, code: int | None = None
) -> LegFill:
    size = Base.of(filled)
    fee = Quote(abs(size) * Price.of(price) // ONE * 35 // 100_000)
    return LegFill(
        order_.product_id,
        order_digest,
        order_.amount,
        size,
        Price.of(price),
        fee,
        "refused" if code else "accepted",
        code,
    )


def closed_plan(sealed: Sealed, eth: LegFill, sol: LegFill, *, aborted: bool = False) -> PlanClosed:
    return PlanClosed(sealed.plan.epoch, sealed.plan.seq, aborted, eth, sol)


def calm_entry(sealed: Sealed) -> list[msgspec.Struct]:
    """Sealed, three votes, two orders, two fills, closed."""
    eth, sol = sealed.plan.eth, sealed.plan.sol
    return [
        sealed,
        *votes(sealed),
        place(sealed),
        outcome(sealed, "eth"),
        fill(ETH_ORDER, 4, eth.amount.text(), "2757.9"),
        fill(SOL_ORDER, 8, sol.amount.text(), "115.86", at=43),
        outcome(sealed, "sol", after=38),
        closed_plan(
            sealed,
            leg_fill(eth, ETH_ORDER, eth.amount.text(), "2757.9"),
            leg_fill(sol, SOL_ORDER, sol.amount.text(), "115.86"),
        ),
    ]


def refused_and_repaired() -> list[msgspec.Struct]:
    """The demo's second accident: SOL refused once, ETH alone for 77 ms, then repaired."""
    enter = plan()
    nothing = leg_fill(enter.plan.sol, SOL_ORDER, "0", "0", 2031)
    repair = plan("repair", seq=8, eth="0")
    return [
        enter,
        *votes(enter),
        place(enter),
        outcome(enter, "eth"),
        fill(ETH_ORDER, 4, "-0.357", "2757.9", at=41),
        outcome(enter, "sol", "refused", 2031, 38),
        closed_plan(enter, leg_fill(enter.plan.eth, ETH_ORDER, "-0.357", "2757.9"), nothing),
        repair,
        *votes(repair),
        place(repair, "", REPAIR_ORDER),
        fill(REPAIR_ORDER, 8, "8.5", "115.87", at=118),
        closed_plan(
            repair,
            leg_fill(repair.plan.eth, "", "0", "0"),
            leg_fill(repair.plan.sol, REPAIR_ORDER, "8.5", "115.87"),
        ),
        Staged(4, "SOL order refused: repaired, balanced in 118 ms"),
    ]


def view_of(
    messages: Iterable[msgspec.Struct] = (), *, settings: Settings = DEFAULTS, clock: Clock | None = None
) -> RunView:
    view = RunView(settings, 7, clock or Clock())
    for message in messages:
        view.observe(message)
    return view


ALONE = Legging(
    usd_s=Quote.of("75.814"),
    since_ms=Ms(START_MS + 118),
    leg=Quote.of("984.81"),
    worst=Quote.of("984.57"),
    lasted_ms=Ms(77),
)
"""The repaired cycle: ETH without SOL for 77 ms."""


def open_pair(**changes: object) -> Held:
    fields = {
        "phase": "open",
        "cycle": 4,
        "direction": "long-sol",
        "eth": Base.of("-0.357"),
        "sol": Base.of("8.5"),
        "entered_ms": Ms(START_MS),
        "filled_imbalance": Bps.of("2.8"),
        "completed": 3,
        "legging": ALONE,
        "totals": Totals(
            cycles=3,
            completed=3,
            entered=4,
            together=3,
            unfinished=1,
            unhedged_worst=ALONE.worst,
            longest=ALONE,
        ),
        "rows": 214,
        "epoch": 2,
    }
    return held(**(fields | changes))


VERDICT = Verdict(
    "best_effort",
    False,
    Base.of("0.024"),
    Base.of("0.5"),
    Quote.of("66.17"),
    Quote.of("57.93"),
    Bps.of("130.6"),
    "100 USD per leg cannot be balanced to 0.1 % here: best 1.31 % (0.024 ETH / 0.5 SOL). Smallest that can:"
    " 117.25 USD; from 812.4 USD on always.",
    Quote.of("117.25"),
    Quote.of("812.4"),
)
SKIPPED = Skipped(1, "UNBALANCED", "no pair", VERDICT)


ZEROS = {
    field.name: Quote(0) for field in msgspec.structs.fields(Statement) if field.default is msgspec.NODEFAULT
} | {"state": "exact", "words": ""}


def statement(**changes: str | None) -> Statement:
    """The demo's money; amounts as text. What is not named is 0."""
    demo = {
        "fees": "-6.89",
        "spread": "-0.58",
        "slippage": "-0.06",
        "hedge": "0.32",
        "lots": "-0.01",
        "net": "-7.22",
        "balance_change": "-7.22",
    }
    texts = demo | changes
    words = {name: text for name, text in texts.items() if name in {"state", "words"}}
    amounts = {
        name: None if text is None else Quote.of(text) for name, text in texts.items() if name not in words
    }
    return Statement(**(ZEROS | amounts | words))


def totals(**changes: object) -> Totals:
    """The demo's numbers."""
    whole = Totals(
        cycles=5,
        completed=5,
        skipped=0,
        failed=0,
        legs_ordered=10,
        legs_filled_first=9,
        orders_sent=21,
        orders_closed=21,
        restarts=1,
        rows=300,
        filled_imbalances=tuple(Bps.of(each) for each in ("3.1", "6.05", "2.8", "0.9", "4.4")),
        exit_imbalances=(Bps.of("7.2"), Bps.of("1")),
        fees=Quote.of("6.89"),
        spread=Quote.of("0.64"),
        traded=Quote.of("19690"),
        pnl=Quote.of("-7.22"),
        funding=Quote(0),
        unhedged_worst=Quote.of("985"),
        unhedged_usd_s=Quote.of("76"),
        halted="",
        entered=5,
        together=4,
        money=statement(),
    )
    return msgspec.structs.replace(whole, **changes)


def every_state() -> dict[str, RunView]:
    """A view in every state that a screen can meet, with the longest words that fit into each."""
    started, entry = Started(), plan()
    states = {
        "nothing yet": view_of(),
        "quotes": view_of([quote()]),
        "waiting": view_of([quote(), held()]),
        "voting": view_of([quote(), held(), entry]),
        "declined": view_of(
            [
                quote(),
                held(),
                entry,
                Declined("sol", 2, 7, "MAX_LEG_NOTIONAL", "x" * 300),
                Abort(2, 7, "DECLINED", "y" * 300),
            ]
        ),
        "placed": view_of([quote(), held(), entry, *votes(entry), place(entry)]),
        "doubt": view_of(
            [
                quote(),
                held(phase="in_flight"),
                entry,
                *votes(entry),
                place(entry),
                outcome(entry, "sol", "unknown", None, 2500),
            ]
        ),
        "held": view_of([quote(), *calm_entry(entry), open_pair()]),
        "repaired": view_of([quote(), *refused_and_repaired(), open_pair()]),
        "uneven": view_of([quote(), *refused_and_repaired()[:7], open_pair(phase="uneven", sol=Base(0))]),
        "skipped": view_of([quote(), held(cycle=1, skipped=1), SKIPPED]),
        "halted": view_of([quote(), open_pair(phase="uneven"), Halted("LEGGING_BUDGET", "z" * 300)]),
        "foreign": view_of(
            [
                quote(),
                held(foreign="SOL-PERP 12.3 and more than anybody can say on one line " * 3, account_ok=True),
            ]
        ),
        "restarted": view_of([quote(), *started.storm(), open_pair(rows=10**9, epoch=10**6)]),
        "a flood": view_of(
            [
                quote(),
                *(
                    Note(Ns(START_MS * 10**6), "error", "x", f"line {i}\nand another " * 9)
                    for i in range(2000)
                ),
            ]
        ),
    }
    for repairs in range(1, 6):
        more = [plan("repair", seq=7 + i, eth="0") for i in range(1, repairs + 1)]
        states[f"{repairs} repairs"] = view_of(
            [quote(), *refused_and_repaired()[:7], *more, open_pair(phase="uneven")]
        )
    huge = plan(eth="-123456.789", sol="9876543.2")
    states["huge"] = view_of(
        [quote(), *calm_entry(huge), open_pair(eth=huge.plan.eth.amount, sol=huge.plan.sol.amount)]
    )
    bid = resting_bid(ETH_ORDER, filled=Base.of("0.1"), cancel_asked_ms=Ms(START_MS + 900))
    ask = resting_bid(SOL_ORDER, hedges=True, resolving=True)
    ask = msgspec.structs.replace(
        ask,
        doubt=msgspec.structs.replace(
            ask.doubt, leg="sol", amount=Base.of("-123456.7"), limit=Price.of("123456.78")
        ),
    )
    states["two rest"] = view_of(
        [quote(), plan("quote", sol="0"), open_pair(phase="working", working=(bid, ask))]
    )
    forever = msgspec.structs.replace(Settings(), cycles=None)
    states["for ever"] = view_of(
        [quote(), held(cycle=123456, completed=123456), CycleEnded(3, "failed", "x" * 200)], settings=forever
    )
    return states


class Started:
    """Actors dying and coming back."""

    def storm(self) -> list[msgspec.Struct]:
        told: list[msgspec.Struct] = []
        for number in range(2, 40):
            for actor in ("market_data", "account", "sizing", "eth_leg", "sol_leg", "ledger"):
                told.append(specs.Exited("legs", actor, number - 1, "ValueError: " + "w" * 200, "trace"))
                told.append(specs.ChildStarted("legs", actor, number))
        return [
            *told,
            specs.Exited("legs", "eth_leg", 40, "KeyError: 1", ""),
            Restarted("eth_leg, sol_leg", "killed", Ms(31), 3),
        ]


def hop(name: HopWord, note: str) -> Hop:
    return Hop(Ns(START_MS * 10**6), name, 2, 7, "9f3c41d0" * 4, Base.of("-0.357"), Base.of("8.5"), note)
