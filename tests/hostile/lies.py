"""Well-formed messages about our own trades and positions that are not so."""

import json
import time
from collections.abc import Callable
from typing import Any

from tests.hostile.mode import SECONDS, Answer, Asked, Chance, Mode, OnHttp, OnSpoken, Script, Spoken

HOUR_NS = 3_600_000_000_000
ORDERS = "/v1/ws"
OURS = ("fill", "order_update", "position_change")
ACCOUNT = ("subaccount_info", "isolated_positions", "orders")
ONE = 10**18


def event(kind: str, change: Callable[[dict[str, Any]], object]) -> OnSpoken:
    """Events of one kind, changed in place."""

    def hook(spoken: Spoken, _chance: Chance) -> Script | None:
        if f'"type":"{kind}"' not in spoken.text:
            return None
        said = json.loads(spoken.text)
        change(said)
        return (spoken.speak(json.dumps(said)),)

    return hook


def lost(*kinds: str) -> OnSpoken:
    """Events of these kinds never come."""
    return lambda spoken, _chance: () if any(f'"type":"{kind}"' in spoken.text for kind in kinds) else None


def late(seconds: float, *kinds: str) -> OnSpoken:
    """They come, and all that follows them, so much later."""

    def hook(spoken: Spoken, _chance: Chance) -> Script | None:
        return (
            (seconds, spoken.speak(spoken.text))
            if any(f'"type":"{kind}"' in spoken.text for kind in kinds)
            else None
        )

    return hook


def beside(kind: str, change: Callable[[dict[str, Any]], object]) -> OnSpoken:
    """The good event, and another one like it."""

    def hook(spoken: Spoken, _chance: Chance) -> Script | None:
        if f'"type":"{kind}"' not in spoken.text:
            return None
        said = json.loads(spoken.text)
        change(said)
        return spoken.speak(spoken.text), spoken.speak(json.dumps(said))

    return hook


def times(field: str, factor: int, by: int = 1) -> Callable[[dict[str, Any]], object]:
    """A number, multiplied."""
    return lambda said: said.update({field: str(int(said[field]) * factor // by)})


def as_(**fields: object) -> Callable[[dict[str, Any]], object]:
    """Fields, replaced."""
    return lambda said: said.update(fields)


def _flipped(field: str) -> Callable[[dict[str, Any]], object]:
    return lambda said: said.update({field: not said[field]})


def _half_filled(said: dict[str, Any]) -> None:
    said["filled_qty"] = str(int(said["filled_qty"]) // 2)


def _half_remains(said: dict[str, Any]) -> None:
    half = int(said["filled_qty"]) // 2
    said.update(filled_qty=str(int(said["filled_qty"]) - half), remaining_qty=str(half))


def _all_remains(said: dict[str, Any]) -> None:
    said["remaining_qty"] = said["original_qty"]


def _twice_as_large(said: dict[str, Any]) -> None:
    said.update({key: str(2 * int(said[key])) for key in ("filled_qty", "original_qty")})


def _the_other_product(said: dict[str, Any]) -> None:
    said["product_id"] = {4: 8, 8: 4}.get(said["product_id"], 4)


def _at(offset_ns: int) -> Callable[[dict[str, Any]], object]:
    return lambda said: said.update(timestamp=str(int(said["timestamp"]) + offset_ns))


def _the_other_digest() -> OnSpoken:
    """A fill names the order of the fill before."""

    def hook(spoken: Spoken, chance: Chance) -> Script | None:
        if '"type":"fill"' not in spoken.text:
            return None
        said = json.loads(spoken.text)
        known = chance.kept["digests"]
        known.append(said["order_digest"])
        said["order_digest"] = known[-2] if len(known) > 1 else known[-1]
        return (spoken.speak(json.dumps(said)),)

    return hook


FILLS: dict[str, OnSpoken] = {
    "side flipped": event("fill", _flipped("is_bid")),
    "price doubled": event("fill", times("price", 2)),
    "price halved": event("fill", times("price", 1, 2)),
    "price tiny": event("fill", as_(price="1")),
    "price 3 % worse than the limit": event(
        "fill", lambda said: times("price", 103 if said["is_bid"] else 97, 100)(said)
    ),
    "fee 1,000 times": event("fill", times("fee", 1000)),
    "fee negative": event("fill", times("fee", -1000)),
    "fee zero": event("fill", as_(fee="0")),
    "other product": event("fill", _the_other_product),
    "unknown product": event("fill", as_(product_id=99)),
    "half of it": event("fill", _half_filled),
    "half remains": event("fill", _half_remains),
    "all remains": event("fill", _all_remains),
    "twice as large": event("fill", _twice_as_large),
    "quantity zero": event("fill", as_(filled_qty="0")),
    "digest of another order": _the_other_digest(),
    "digest unknown": event("fill", as_(order_digest="0x" + "ab" * 32)),
    "an hour ago": event("fill", _at(-HOUR_NS)),
    "in an hour": event("fill", _at(HOUR_NS)),
    "index huge": event("fill", as_(submission_idx=str(2**62))),
    "index zero": event("fill", as_(submission_idx="0")),
    "a foreign fill beside it": beside("fill", as_(order_digest="0x" + "cd" * 32)),
    "another piece beside it": beside("fill", as_(remaining_qty="1", submission_idx="7")),
    "lost": lost("fill"),
    "lost, and updates": lost("fill", "order_update"),
    "lost, and all events of ours": lost(*OURS),
    "late by 2.5 s": late(2.5, "fill"),
    "all events of ours late by 2.5 s": late(2.5, *OURS),
}
UPDATES: dict[str, OnSpoken] = {
    "filled is cancelled": event("order_update", lambda said: said.update(reason="cancelled")),
    "cancelled before it is filled": beside("order_update", as_(reason="cancelled", amount="0")),
    "placed again": beside("order_update", as_(reason="placed")),
    "amount of nonsense": event("order_update", as_(amount=str(10**30))),
    "digest unknown": event("order_update", as_(digest="0x" + "ab" * 32)),
    "lost": lost("order_update"),
}
POSITIONS: dict[str, OnSpoken] = {
    "doubled": event("position_change", times("amount", 2)),
    "turned round": event("position_change", times("amount", -1)),
    "zero": event("position_change", as_(amount="0")),
    "isolated": event("position_change", _flipped("isolated")),
    "by liquidation": event("position_change", as_(reason="liquidate_subaccount")),
    "of the other product": event("position_change", _the_other_product),
    "lost": lost("position_change"),
}


def account(kind: str, change: Callable[[dict[str, Any]], object]) -> OnHttp:
    """The answer to a question about the account, changed in place."""

    def hook(asked: Asked, answer: Answer, _chance: Chance) -> Script | None:
        if asked.kind != kind or not asked.path.endswith("/query"):
            return None
        said = json.loads(answer.body)
        if not isinstance(said.get("data"), dict):
            return None  # a refusal, of too many questions for example
        change(said["data"])
        return (answer.saying(json.dumps(said).encode()).raw(),)

    return hook


def _perps(change: Callable[[dict[str, Any]], object]) -> Callable[[dict[str, Any]], object]:
    def all_of(data: dict[str, Any]) -> None:
        for perp in data["perp_balances"]:
            change(perp["balance"])

    return all_of


def archive(kind: str, change: Callable[[dict[str, Any]], object]) -> OnHttp:
    """What the archive shows, changed entry by entry."""

    def hook(asked: Asked, answer: Answer, _chance: Chance) -> Script | None:
        if asked.kind != kind or asked.path.endswith("/query"):
            return None
        said = json.loads(answer.body)
        for entry in said.get(kind, ()):
            change(entry)
        return (answer.saying(json.dumps(said).encode()).raw(),)

    return hook


def _seen(asked: Asked, answer: Answer, chance: Chance) -> None:
    if asked.kind in ACCOUNT and asked.path.endswith("/query"):
        chance.kept[asked.kind].append((time.monotonic(), answer))


def stale(seconds: float) -> OnHttp:
    """The account as it was so long ago, at most as far back as it was ever asked for."""

    def hook(asked: Asked, _answer: Answer, chance: Chance) -> Script | None:
        known = chance.kept.get(asked.kind, [])
        if asked.kind not in ACCOUNT or not known or not asked.path.endswith("/query"):
            return None
        old = [answer for at_s, answer in known if at_s <= time.monotonic() - seconds]
        return ((old or [known[0][1]])[-1].raw(),)

    return hook


def _added(data: dict[str, Any]) -> None:
    data["product_orders"][0]["orders"].append(
        {"digest": "0x" + "ef" * 32, "product_id": 4, "amount": str(ONE)}
    )


ACCOUNTS: dict[str, OnHttp] = {
    "positions doubled": account("subaccount_info", _perps(times("amount", 2))),
    "positions turned round": account("subaccount_info", _perps(times("amount", -1))),
    "positions null": account("subaccount_info", _perps(as_(amount=None))),
    "no healths": account("subaccount_info", as_(healths=[])),
    "of another subaccount": account("subaccount_info", as_(subaccount="0x" + "77" * 32)),
    "quote of nonsense": account("subaccount_info", _perps(as_(v_quote_balance=str(10**30)))),
    "an order that rests": account("orders", _added),
    "orders null": account("orders", as_(product_orders=None)),
}
GONE: dict[str, OnHttp] = {
    "positions gone": account("subaccount_info", _perps(as_(amount="0"))),
    "balances empty": account("subaccount_info", as_(perp_balances=[])),
    "does not exist": account(
        "subaccount_info", as_(exists=False, healths=[], spot_balances=[], perp_balances=[])
    ),
}
ARCHIVES: dict[str, OnHttp] = {
    "quote doubled": archive("orders", times("quote_filled", 2)),
    "fee of nonsense": archive("orders", as_(fee=str(10**30))),
    "nothing filled": archive("orders", as_(base_filled="0", quote_filled="0", fee="0")),
    "half filled": archive("orders", times("base_filled", 1, 2)),
    "other side": archive("orders", times("base_filled", -1)),
    "other product": archive("orders", _the_other_product),
    "matches doubled": archive("matches", times("base_filled", 2)),
}


def _shuffled(spoken: Spoken, chance: Chance) -> Script | None:
    """Any of the lies about events, drawn anew each time."""
    hook = chance.choice(list((FILLS | UPDATES | POSITIONS).values()))
    return hook(spoken, chance)


def _nothing_of_ours(spoken: Spoken, chance: Chance) -> Script | None:
    """Neither the answer to an order nor an event of ours comes: only questions are left."""
    return () if spoken.path == ORDERS else lost(*OURS)(spoken, chance)


MODES = (
    *(Mode(f"fill {name}", spoken=hook) for name, hook in FILLS.items()),
    *(Mode(f"update {name}", spoken=hook) for name, hook in UPDATES.items()),
    *(Mode(f"position {name}", spoken=hook) for name, hook in POSITIONS.items()),
    *(Mode(f"account {name}", http=hook) for name, hook in (ACCOUNTS | GONE).items()),
    *(Mode(f"account {name}, no events", http=hook, spoken=lost(*OURS)) for name, hook in ACCOUNTS.items()),
    *(Mode(f"archive {name}, no events", http=hook, spoken=lost(*OURS)) for name, hook in ARCHIVES.items()),
    *(
        Mode(f"account {age:g} s old", http=stale(age), sees=_seen, seconds=age + SECONDS)
        for age in (0.5, 2.0, 6.0)
    ),
    *(
        Mode(
            f"account {age:g} s old, no events",
            http=stale(age),
            sees=_seen,
            spoken=lost(*OURS),
            seconds=age + SECONDS,
        )
        for age in (0.5, 2.0, 6.0)
    ),
    *(
        Mode(
            f"account {age:g} s old, no events, no answers",
            http=stale(age),
            sees=_seen,
            spoken=_nothing_of_ours,
            seconds=age + SECONDS,
        )
        for age in (2.0, 6.0)
    ),
    Mode("no events, no answers", spoken=_nothing_of_ours),
    *(Mode(f"lies of all kinds {number}", spoken=_shuffled) for number in range(1, 5)),
)
