"""One file per cycle that says what was planned, agreed, sent, answered, filled and paid, with the rows of
the ledger and the exchange's own words that prove it (docs/verify.md has every field).

The figures are the fold's, taken when the cycle has ended; `verify` recomputes them from the rows and from
the raw messages by code of its own. Rows are read back from the ledger's file, so that what is certified is
what was written.

Nobody waits for a certificate: a thread makes it after the cycle has ended, from the ledger's file and from
texts that were kept by reference. What cannot be written is lost, counted and said, and `verify --rebuild`
makes it again from the ledger, without the raw messages.
"""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec

from actors.ledger.fold import Fold
from actors.ledger.money import TRADING
from actors.ledger.orders import Sums
from actors.ledger.store import Row, Store
from messages.lifecycle import CycleEnded
from messages.sizing import LEGS
from messages.units import DOLLAR_NEUTRAL, X18, Base, Quote, Rate
from venue.raw_messages import RawMessage

CERTIFICATE_SCHEMA = "evenkeel.certificate/1"
CERTIFICATES = "certificates"
"""The folder of the certificates, beside the ledger."""
ROWS_MAX = 100_000
"""Of one certificate: a pair that is held for a month writes fewer."""
Exchange = Literal["Nado", "Nado-simulated", "Nado-PAPER"]
PROVING = frozenset(
    {
        *("Sealed", "Ready", "Declined", "Place", "Abort", "Outcome", "Fill", "OrderUpdate", "Resolved"),
        *(
            "PlanClosed",
            "CancelAsked",
            "CancelAnswer",
            "QuoteEnded",
            "PairSettled",
            "EscapeRound",
            "Adopted",
            "Skipped",
            "CycleEnded",
            "Started",
        ),
    }
)
"""Rows that stand in a certificate with their text; of the others between them only the hash does."""
SENT = ("order", "answer")
"""Raw messages that every order has which was sent and answered."""


class CertifiedOrder(msgspec.Struct, frozen=True):
    """What the fold knows of one order at the end of its cycle."""

    digest: str
    answer: str
    code: int | None
    total: Sums
    source: str
    sent: bool
    remaining: tuple[int, ...]
    """By what was left after each piece, as the exchange's events name them."""


class CycleFigures(msgspec.Struct, frozen=True):
    """The fold's figures of a cycle that has just ended."""

    ended: CycleEnded
    at_ns: int
    direction: str
    hedge_ratio: Rate
    signer: str
    """Address of the key that signs, by the last start; "" when none said."""
    orders: tuple[CertifiedOrder, ...]
    legs: dict[str, tuple[Sums, Sums]]
    """Opened and closed."""
    planned: X18 | None
    """The imbalance that the last plan which entered was planned with."""
    filled: X18 | None
    exited: X18 | None
    unhedged: tuple[int, int, int]
    """The largest exposure (USD x18), its integral (USD x s, x18), and how long in ms."""
    costs: dict[str, Quote]


def figures_of(fold: Fold, ended: CycleEnded, at_ns: int) -> CycleFigures | None:
    """The figures of the cycle that this row ends; None where nothing of it was ever ordered."""
    cycle = fold.cycle
    if not cycle.orders:
        return None
    book, exposed = fold.money.cycles.get(cycle.number), cycle.exposure()
    terms = book.terms if book is not None else {}
    costs = {term: Quote(terms.get(term, 0)) for term in TRADING}
    entered = [order.plan for order in cycle.orders if order.plan.enters]
    return CycleFigures(
        ended,
        at_ns,
        cycle.direction,
        Rate(cycle.hedge_ratio),
        fold.started.signer if fold.started is not None else "",
        tuple(
            CertifiedOrder(
                order.digest, order.answer, code, order.total, order.source, order.sent, tuple(order.pieces)
            )
            for order in cycle.orders
            for code in [order.outcome.code if order.outcome is not None else None]
        ),
        {leg: (cycle.opened(leg), cycle.closed(leg)) for leg in LEGS},
        entered[-1].planned_imbalance if entered else None,
        cycle.filled_imbalance,
        cycle.exit_imbalance,
        (exposed.worst, exposed.usd_s, exposed.lasted_ns // 1_000_000),
        costs | {"net": Quote(sum(costs.values()))},
    )


def certificate_of(
    figures: CycleFigures,
    rows: Sequence[Row],
    raw: Mapping[str, Sequence[RawMessage]],
    why_no_raw: str,
    exchange: Exchange,
    opened: Mapping[str, Any],
) -> bytes:
    """The file's bytes. `rows`: all since the cycle before; `why_no_raw`: why raw messages are missing, where
    some are. `opened`: the ledger's row 0.
    """
    ended, ratio = figures.ended, figures.hedge_ratio
    content = {
        "schema": CERTIFICATE_SCHEMA,
        "exchange": exchange,
        "ledger": {name: opened[name] for name in ("venue", "chain_id", "subaccount")},
        "cycle": ended.cycle,
        "ending": ended.ending,
        "detail": ended.detail,
        "direction": figures.direction,
        # left out where it is 1: certificates from before there was one have no such field
        **({} if ratio == DOLLAR_NEUTRAL else {"hedge_ratio": ratio.text()}),
        "signer": figures.signer,
        "ended_ns": str(figures.at_ns),
        "plans": _plans(rows),
        "orders": [_order(order) for order in figures.orders],
        "legs": {
            leg: {"opened": _sums(opened_), "closed": _sums(closed)}
            for leg, (opened_, closed) in figures.legs.items()
        },
        "imbalance_bps": {
            name: None if value is None else value.text()
            for name, value in (
                ("planned", figures.planned),
                ("filled", figures.filled),
                ("exit", figures.exited),
            )
        },
        "unhedged": {
            "worst_usd": X18(figures.unhedged[0]).text(),
            "usd_s": X18(figures.unhedged[1]).text(),
            "lasted_ms": figures.unhedged[2],
        },
        "costs_usd": {name: amount.text() for name, amount in figures.costs.items()},
        "raw": [
            {"order": digest, "kind": message.kind, "hash": text_hash(message.text), "text": message.text}
            for digest, messages in raw.items()
            for message in messages
        ],
        "raw_missing": missing(figures.orders, raw, why_no_raw),
        "rows": {
            "first": rows[0][0],
            "prev": rows[0][4],
            "hashes": [row[5] for row in rows],
            "texts": {str(row[0]): [row[1], row[2], row[3]] for row in rows if row[2] in PROVING},
        },
    }
    whole = msgspec.json.encode(content)
    return whole[:-1] + b',"hash":"' + text_hash(whole.decode()).encode() + b'"}\n'


def _plans(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Each plan that the ledger voted for, with the three votes. A Place is made of three equal votes and of
    nothing else, so it is what the legs' votes are known by.
    """
    plans: list[dict[str, Any]] = []
    sealed: tuple[int, dict[str, Any]] | None = None
    for seq, _, kind, body, *_ in rows:
        if kind not in {"Sealed", "Ready", "Place", "Abort"}:
            continue
        said = msgspec.json.decode(body)
        if kind == "Sealed":
            sealed = seq, said
        elif kind == "Ready" and sealed is not None and said["who"] == "ledger":
            plan = sealed[1]["plan"]
            plans.append(
                {
                    "row": sealed[0],
                    "epoch": plan["epoch"],
                    "seq": plan["seq"],
                    "purpose": plan["purpose"],
                    "because": plan.get("because", ""),
                    "digest": sealed[1]["digest"],
                    "decision": "none",
                    "votes": [_vote("ledger", seq, said, ("eth_order", "sol_order"))],
                }
            )
        elif plans and (said["epoch"], said["seq"]) == (plans[-1]["epoch"], plans[-1]["seq"]):
            plans[-1]["decision"] = kind.lower()
            if kind == "Place":
                plans[-1]["votes"] += [_vote(leg, seq, said, (f"{leg}_order",)) for leg in LEGS]
    return plans


def _vote(who: str, row: int, said: Mapping[str, Any], orders: tuple[str, ...]) -> dict[str, Any]:
    named = {name: said[name] for name in orders}
    return {"who": who, "row": row, "plan_digest": said["plan_digest"]} | named


def _order(order: CertifiedOrder) -> dict[str, Any]:
    said = {"digest": order.digest, "answer": order.answer, "code": order.code, "source": order.source}
    return said | _sums(order.total)


def _sums(sums: Sums) -> dict[str, str]:
    return {
        "filled": Base(sums.filled).text(),
        "notional": Quote(sums.quote).text(),
        "vwap": sums.vwap.text(),
        "fee": Quote(sums.fee).text(),
    }


def missing(
    orders: Iterable[CertifiedOrder], raw: Mapping[str, Sequence[RawMessage]], why: str
) -> list[dict[str, str]]:
    """What the exchange must have said, or we to it, and is not here: of each order that was sent, itself,
    its answer where one is known, and each of its pieces.
    """
    found = []
    for order in orders:
        if not order.sent:
            continue
        kinds = [message.kind for message in raw.get(order.digest, ())]
        wanted = [kind for kind in SENT if kind == "order" or order.answer in {"accepted", "refused"}]
        lost = [kind for kind in wanted if kind not in kinds]
        if kinds.count("fill") < len(order.remaining):
            lost.append("fill")
        if lost:
            found.append({"order": order.digest, "kinds": ", ".join(lost), "because": why})
    return found


def text_hash(text: str) -> str:
    """BLAKE2b-128, 32 hex digits."""
    return blake2b(text.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()


class CertificateMaker(Protocol):
    """Has certificates made where the loop need not wait for it (`commands/setup/certificates.py`)."""

    def cycle_ended(self, ledger: Path, figures: CycleFigures) -> None:
        """A cycle has ended, and its row is on disk. Costs microseconds; never raises."""
        ...

    def troubles(self) -> list[str]:
        """Which certificates were lost since this was asked last, in words."""
        ...


def file_name(row: int, cycle: int) -> str:
    """Of the certificate of a cycle that ended in this row; names in order are rows in order."""
    return f"{row:012d}-cycle-{cycle}.json"


def rows_of(store: Store, cycle: int, at_ns: int) -> tuple[list[Row], dict[str, Any]]:
    """The rows since the cycle before up to the one that ended this cycle at venue time `at_ns`, and row 0's
    message. Raises `LookupError` where they are not all in this file, or too many.
    """
    last = store.ending(at_ns)
    if last is None or msgspec.json.decode(last[3])["cycle"] != cycle:
        raise LookupError("the row that ended it is not in the ledger's file")
    first = store.first()
    before = store.ending_before(last[0])
    if first is None or (before is None and first[0] > 0):
        raise LookupError("it began in a file that is in archive/ now")
    since = first[0] if before is None else before + 1
    if last[0] - since >= ROWS_MAX:
        raise LookupError(f"it has more than {ROWS_MAX} rows")
    return store.rows(since, last[0] - since + 1), msgspec.json.decode(first[3])
