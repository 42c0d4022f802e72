"""The certificate of a cycle, held against the rows and against what the exchange said, word for word.

All that a certificate says is recomputed and compared, field by field: plans and votes, orders, legs,
imbalances, costs. The exchange's messages are read here by their documented names: an order as it was sent
must be the one that the plan means, signed by the run's key; a fill as it was told must be the one in the
ledger. A certificate that somebody gives away alone is verified with the rows that stand in it.
"""

import re
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec

from commands.verify.costs import CAUSES, LEGS
from commands.verify.findings import ONE, DoesNotHold, must, text
from commands.verify.orders import AuditedOrder, Sum
from commands.verify.recompute import FLAT, Audit, AuditedFlight, enters
from commands.verify.rows import LedgerRow, row_hash
from venue.nado.signing import recover

SCHEMA = "evenkeel.certificate/1"
PLAY_MONEY = ("Nado-simulated", "Nado-PAPER")
"""What the venue's name begins with where no money is in it; a rehearsal of another is simulated, too."""
NAME = re.compile(r"(\d{12})-cycle-(\d+)\.json", re.ASCII)
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
"""Rows that stand in a certificate with their text."""
ENDING = re.compile(rb'(?s)(.*),"hash":"([0-9a-f]{32})"\}\n')


class CertificateFiles:
    """The certificates beside a ledger: those of `folder`, by the row that ended their cycle."""

    def __init__(self, folder: Path) -> None:
        self._paths = {int(named[1]): path for path in _in(folder) if (named := NAME.fullmatch(path.name))}
        self._oldest = min(self._paths, default=None)
        self._rows: list[LedgerRow] = []
        self.holding = self.missing = self.raw = self.without_raw = 0

    def take(self, row: LedgerRow) -> None:
        """The next row, before the audit hears of it."""
        if self._oldest is not None:
            self._rows.append(row if row.kind in PROVING else row._replace(body="", message={}))

    def ended(self, audit: Audit, row: LedgerRow) -> None:
        """A cycle has ended with this row. Raises `DoesNotHold`."""
        rows, self._rows = self._rows, []
        path = self._paths.pop(row.seq, None)
        if path is None:
            self.missing += bool(audit.cycle.orders) and self._oldest is not None and row.seq > self._oldest
            return
        if not path.exists():  # a live run has made room for newer ones
            return
        said = read_certificate(path)
        where = path.name
        must(said["rows"], _rows_said(rows), where, "rows", "the ledger's are")
        self.raw, self.without_raw = self.raw + len(said["raw"]), self.without_raw + bool(said["raw_missing"])
        compare(said, audit, row, where)
        self.holding += 1

    def end(self) -> None:
        """All rows were seen. Raises `DoesNotHold` for a certificate of another ledger."""
        for row, path in sorted(self._paths.items()):
            raise DoesNotHold(path.name, "rows", f"row {row} of the ledger ends no cycle")


def _in(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.json")) if folder.is_dir() else []


def read_certificate(path: Path) -> dict[str, Any]:
    """The content of a certificate, its own hash checked. Raises `DoesNotHold`."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DoesNotHold(path.name, "file", error.strerror or str(error)) from error
    found = ENDING.fullmatch(content)
    if found is None:
        raise DoesNotHold(path.name, "hash", "the file does not end with its hash")
    must(found[2].decode(), blake2b(found[1] + b"}", digest_size=16).hexdigest(), path.name, "hash")
    try:
        said: dict[str, Any] = msgspec.json.decode(content, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise DoesNotHold(path.name, "file", f"it is no JSON object: {error}") from error
    must(said.get("schema"), SCHEMA, path.name, "schema", "this version reads")
    return said


def alone(path: Path) -> tuple[dict[str, Any], Audit]:
    """Verify one certificate by itself: the rows that stand in it, linked as far as they do, and all that
    follows from them. Raises `DoesNotHold`.
    """
    said, where = read_certificate(path), path.name
    try:
        rows, ledger = said["rows"], said["ledger"]
        first, hashes, texts = rows["first"], rows["hashes"], rows["texts"]
        audit = Audit(ended=lambda each, row: compare(said, each, row, where))
        audit.opened, last = ledger, first - 1
        if not any(kind == "Started" for _, kind, _ in texts.values()):  # else another key may have begun it
            audit.signer = said["signer"]
        for number, (at_ns, kind, body) in texts.items():
            seq = int(number)
            prev = hashes[seq - first - 1] if seq > first else rows["prev"]
            must(hashes[seq - first], row_hash(prev, seq, at_ns, kind, body), f"{where}, row {seq}", "hash")
            must(seq > last, True, f"{where}, row {seq}", "rows.texts in order")
            last = seq
            audit.take(
                LedgerRow(seq, at_ns, kind, body, prev, hashes[seq - first], msgspec.json.decode(body))
            )
    except (KeyError, TypeError, ValueError, AttributeError, LookupError) as error:
        raise DoesNotHold(where, "file", f"it is not what a certificate looks like: {error}") from error
    must(last, first + len(hashes) - 1, where, "rows.texts", "the row that ended the cycle is")
    must(audit.cycles, 1, where, "rows.texts", "cycles that end in it are")
    return said, audit


def _rows_said(rows: Sequence[LedgerRow]) -> dict[str, Any]:
    return {
        "first": rows[0].seq,
        "prev": rows[0].prev,
        "hashes": [row.hash for row in rows],
        "texts": {str(row.seq): [row.at_ns, row.kind, row.body] for row in rows if row.kind in PROVING},
    }


def compare(said: Mapping[str, Any], audit: Audit, row: LedgerRow, where: str) -> None:
    """Hold every field of a certificate against what the rows come to. Raises `DoesNotHold`."""
    expected = _expected(said, audit, row)
    must(sorted(said), sorted([*expected, "rows", "raw", "hash", "exchange"]), where, "fields")
    venue = audit.opened["venue"]
    allowed = [name for name in PLAY_MONEY if venue.startswith(name)] or ["Nado", "Nado-simulated"]
    must(said["exchange"] in allowed, True, where, "exchange", f"whether {venue} is called so is")
    for name, value in expected.items():
        _same(said[name], value, where, name)
    by_digest = {order.digest: order for order in audit.cycle.orders}
    for number, message in enumerate(said["raw"]):
        field = f"raw[{number}]"
        must(sorted(message), ["hash", "kind", "order", "text"], where, f"{field} fields")
        hashed = blake2b(message["text"].encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
        _same(message["hash"], hashed, where, f"{field}.hash")
        order = by_digest.get(message["order"])
        if order is None:
            raise DoesNotHold(where, f"{field}.order", "no order of this cycle")
        _read_raw(message, order, audit, where, field)


def _expected(said: Mapping[str, Any], audit: Audit, row: LedgerRow) -> dict[str, Any]:
    cycle, ending = audit.cycle, row.message
    judged = not cycle.odd
    direction = "" if cycle.wanted == FLAT else "long-eth" if cycle.wanted[0] > 0 else "long-sol"
    entering = [order.plan for order in cycle.orders if enters(order.plan)]
    worst, usd_s, lasted_ns = cycle.unhedged
    figures: dict[str, Any] = {
        "legs": {
            leg: {"opened": _sums(cycle.opened(leg)), "closed": _sums(cycle.closed(leg))} for leg in LEGS
        },
        "imbalance_bps": {
            "planned": text(int(entering[-1]["planned_imbalance"])) if entering else None,
            "filled": _maybe(cycle.filled_imbalance),
            "exit": _maybe(cycle.exit_imbalance),
        },
        "unhedged": {
            "worst_usd": text(worst),
            "usd_s": text(usd_s),
            "lasted_ms": lasted_ns // 1_000_000,
        },
    }
    costs = audit.costs.cycles.get(cycle.number, dict.fromkeys(CAUSES, 0))
    paid = {cause: text(amount) for cause, amount in costs.items()} | {"net": text(sum(costs.values()))}
    return {
        "schema": SCHEMA,
        "ledger": {name: audit.opened[name] for name in ("venue", "chain_id", "subaccount")},
        "cycle": cycle.number,
        "ending": ending["ending"],
        "detail": ending["detail"],
        "direction": direction,
        **({"hedge_ratio": text(cycle.hedge_ratio)} if cycle.hedge_ratio != ONE else {}),
        "signer": audit.signer,
        "ended_ns": str(row.at_ns),
        "plans": [_plan(flight) for flight in audit.flights],
        "orders": [
            _order(order, other)
            for order, other in zip(cycle.orders, _padded(said, cycle.orders), strict=True)
        ],
        **{name: value if judged else said[name] for name, value in figures.items()},
        "costs_usd": paid if judged and audit.costs.sure else said["costs_usd"],
        "raw_missing": _missing(said, cycle.orders),
    }


def _padded(said: Mapping[str, Any], orders: Sequence[AuditedOrder]) -> list[Mapping[str, Any]]:
    found = list(said["orders"])[: len(orders)]
    return found + [{}] * (len(orders) - len(found))


def _maybe(amount: int | None) -> str | None:
    return None if amount is None else text(amount)


def _plan(flight: AuditedFlight) -> dict[str, Any]:
    plan, digests = flight.plan, {f"{order.leg}_order": order.digest for order in flight.orders}
    votes: list[dict[str, Any]] = [
        {"who": "ledger", "row": flight.ready_row, "plan_digest": flight.digest} | digests
    ]
    if flight.place_row is not None:
        votes += [
            {
                "who": leg,
                "row": flight.place_row,
                "plan_digest": flight.digest,
                f"{leg}_order": digests[f"{leg}_order"],
            }
            for leg in LEGS
        ]
    return {
        "row": flight.row,
        "epoch": plan["epoch"],
        "seq": plan["seq"],
        "purpose": plan["purpose"],
        "because": plan.get("because", ""),
        "digest": flight.digest,
        "decision": "place" if flight.place_row is not None else "abort" if flight.aborted else "none",
        "votes": votes,
    }


def _order(order: AuditedOrder, said: Mapping[str, Any]) -> dict[str, Any]:
    facts = {"digest": order.digest, "answer": order.answer, "code": order.code, "source": order.source}
    sums = _sums(order.total)
    return facts | ({name: said.get(name) for name in sums} if order.odd else sums)


def _sums(sums: Sum) -> dict[str, str]:
    return {
        "filled": text(sums.filled),
        "notional": text(sums.quote),
        "vwap": text(sums.vwap),
        "fee": text(sums.fee),
    }


def _missing(said: Mapping[str, Any], orders: Sequence[AuditedOrder]) -> list[dict[str, str]]:
    """Which words of the exchange a certificate must name as missing; why is its own to say."""
    kinds: dict[str, list[str]] = {}
    for message in said["raw"]:
        kinds.setdefault(message["order"], []).append(message["kind"])
    why = next((each.get("because", "") for each in said["raw_missing"]), "")
    found = []
    for order in orders:
        answered = order.amount != 0 and order.outcome != "none" and order.answered
        filled = order.resolved is not None and int(order.resolved["filled"]) != 0
        if not (answered or order.pieces or filled or order.seen):
            continue
        there = kinds.get(order.digest, [])
        wanted = ["order", "answer"] if order.answer in {"accepted", "refused"} else ["order"]
        lost = [kind for kind in wanted if kind not in there]
        lost += ["fill"] if there.count("fill") < len(order.pieces) else []
        if lost:
            found.append({"order": order.digest, "kinds": ", ".join(lost), "because": why})
    return found


# -- the exchange's own words --------------------------------------------------------------------------------


def _read_raw(message: Mapping[str, str], order: AuditedOrder, audit: Audit, where: str, field: str) -> None:
    kind = message["kind"]
    try:
        told: dict[str, Any] = msgspec.json.decode(message["text"], type=dict[str, Any])
        if kind == "order":
            _as_sent(told["place_order"], order, audit, where, field)
        elif kind == "answer":
            _as_answered(told, order, where, field)
        elif kind == "fill":
            _as_filled(told, order, where, field)
        elif kind == "order_update":
            _same(told["digest"], order.digest, where, f"{field}.digest")
            _same(int(told["product_id"]), order.asked["product_id"], where, f"{field}.product_id")
        elif kind == "archive":
            named = [each["digest"] for each in told["orders"]]
            must(order.digest in named, True, where, f"{field}.orders", "that they name the order is")
        else:
            raise DoesNotHold(where, f"{field}.kind", f'"{kind}" is none')
    except (msgspec.MsgspecError, KeyError, TypeError, ValueError) as error:
        raise DoesNotHold(where, f"{field}.text", f"it cannot be read: {error}") from error


def _as_sent(placed: dict[str, Any], order: AuditedOrder, audit: Audit, where: str, field: str) -> None:
    """The order as it left is the one that the plan means, to the last field that is signed, and the run's
    key has signed it. The order's digest is known to be that of these fields.
    """
    sent = placed["order"]
    _same(placed["product_id"], order.asked["product_id"], where, f"{field}.product_id")
    for name, value in audit.order_fields(order.plan, order.of_plan, order.leg).items():
        _same(sent[name] if name == "sender" else int(sent[name]), value, where, f"{field}.{name}")
    if order.signer:
        by = recover(bytes.fromhex(order.digest[2:]), placed["signature"])
        _same(by, order.signer, where, f"{field} signer of the order")


def _as_answered(told: dict[str, Any], order: AuditedOrder, where: str, field: str) -> None:
    if told["status"] == "success":
        _same(told["data"]["digest"], order.digest, where, f"{field}.digest")
        _same(
            order.answer,
            "accepted",
            where,
            f"{field}.status",
        )
    elif order.code is not None:
        _same(int(told["error_code"]), order.code, where, f"{field}.error_code")


def _as_filled(told: dict[str, Any], order: AuditedOrder, where: str, field: str) -> None:
    """The fill as it was told is one that a row tells. It may have died with whoever had it in hand: then
    RESOLVE has answered for its order.
    """
    left, amount = int(told["remaining_qty"]), int(told["filled_qty"])
    _same(told["order_digest"], order.digest, where, f"{field}.order_digest")
    rows = [fill for fill in order.told if int(fill["remaining"]) == left]
    if not rows and (order.by_answer or order.misfit):
        return
    if not rows:
        raise DoesNotHold(where, f"{field}.remaining_qty", "no row tells of such a fill")
    said = {
        "filled_qty": amount if told["is_bid"] else -amount,
        "price": int(told["price"]),
        "fee": int(told["fee"]),
        "original_qty": int(told["original_qty"]),
        "timestamp": int(told["timestamp"]),
        "product_id": int(told["product_id"]),
        "submission_idx": int(told["submission_idx"]),
    }
    booked = [
        dict(
            zip(
                said,
                (
                    *(int(fill[name]) for name in ("amount", "price", "fee", "original")),
                    *(fill[name] for name in ("at_ns", "product_id", "submission_idx")),
                ),
                strict=True,
            )
        )
        for fill in rows
    ]
    if said not in booked:
        _same(said, booked[0], where, field)


def _same(found: Any, expected: Any, where: str, field: str) -> None:
    """Compare, and name the innermost field that differs."""
    if found == expected and type(found) is type(expected) and not isinstance(found, dict | list):
        return
    if isinstance(found, dict) and isinstance(expected, dict):
        must(sorted(found), sorted(expected), where, f"fields of {field}")
        for name, value in expected.items():
            _same(found[name], value, where, f"{field}.{name}")
    elif isinstance(found, list) and isinstance(expected, list):
        must(len(found), len(expected), where, f"entries of {field}")
        for number, (one, other) in enumerate(zip(found, expected, strict=True)):
            _same(one, other, where, f"{field}[{number}]")
    else:
        must(found, expected, where, field)
