"""The supervision tree on the page: who runs under whom, who is down, and how often each was restarted."""

from typing import Any

from commands.output.events import ActorEndedEvent, ActorStartedEvent

ROOT = "supervisor"
NODES_MAX = 64
ORDER = ("feeds", "market_data", "account", "trading", "ledger", "legs", "eth_leg", "sol_leg", "sizing")
"""In which order siblings are shown: that of their start (`actors/tree.py`). Others follow."""


class ActorTree:
    """What is known of each actor and each supervisor below the root."""

    def __init__(self) -> None:
        self._nodes: dict[str, dict[str, Any]] = {}

    def started(self, event: ActorStartedEvent) -> None:
        """An incarnation runs; of the one before only why it died is kept, as `last`."""
        self._put(event.actor, event.supervisor, event.incarnation, up=True, why="", at=event.at)

    def ended(self, event: ActorEndedEvent) -> None:
        """It is gone: it died of `why`, or was told to stop."""
        known = self._nodes.get(event.actor)
        if known is None or known["incarnation"] <= event.incarnation:
            self._put(
                event.actor, event.supervisor, event.incarnation, up=False, why=event.why or "", at=event.at
            )

    def _put(self, name: str, under: str, incarnation: int, *, up: bool, why: str, at: str) -> None:
        before = self._nodes.get(name, {})
        if not before and len(self._nodes) >= NODES_MAX:
            return
        self._nodes[name] = {
            "name": name,
            "under": under,
            "incarnation": incarnation,
            "restarts": incarnation - 1,
            "state": "up" if up else "down" if why else "stopped",
            "why": why,
            "last": (before.get("last", "") if up else why) or before.get("last", ""),
            "at": at,
        }

    def shown(self) -> list[dict[str, Any]]:
        """Every node with its depth, each below the one that it runs under."""
        rank = {name: place for place, name in enumerate(ORDER)}
        below: dict[str, list[dict[str, Any]]] = {}
        for node in sorted(self._nodes.values(), key=lambda each: rank.get(each["name"], len(rank))):
            below.setdefault(node["under"], []).append(node)
        found: list[dict[str, Any]] = []

        def walk(name: str, depth: int) -> None:
            for node in below.pop(name, ()):
                found.append(node | {"depth": depth})
                walk(node["name"], depth + 1)

        walk(ROOT, 1)
        for name in list(below):  # whose supervisor nobody has told of
            walk(name, 1)
        return found
