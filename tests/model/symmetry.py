"""ETH and SOL exchanged. The protocol treats its two legs alike: a state and its mirror image have mirrored
futures, and one of them is enough.

This is not taken on trust: `test_model.py` checks on every state of a small bound that the moves of a
mirrored state are the mirrored moves. That holds because the real code behind the model holds it: one
`leg.py` for both legs, one `tell_three`, one vote. (A broken variant that tells ETH first is searched without
this rule.)
"""

from functools import cache, lru_cache

from tests.model.state import Entry, Leg, Message, Order, Plan, Probe, State

OTHER = {"eth": "sol", "sol": "eth"}
VOTES = (0, 2, 1, 3, 4, 6, 5, 7)
"""The sum of 1 for eth, 2 for sol, 4 for ledger, with 1 and 2 exchanged."""


def mirrored(state: State) -> State:
    """The same with ETH and SOL exchanged."""
    bar, ledger = state.bar, state.ledger
    return state._replace(
        bar=bar._replace(
            plan=_maybe(bar.plan), ready=tuple(sorted((OTHER.get(who, who), copy) for who, copy in bar.ready))
        ),
        eth=_leg(state.sol),
        sol=_leg(state.eth),
        ledger=ledger._replace(
            box=_box(ledger.box), entries=tuple(_entry(entry) for entry in ledger.entries)
        ),
        inbox=_box(state.inbox),
        orders=tuple(sorted(_order(order) for order in state.orders)),
        probes=tuple(sorted((_probe(probe) for probe in state.probes), key=by_order)),
        windows=tuple(_plan(plan) for plan in state.windows),
        past=state.past._replace(eth=state.past.sol, sol=state.past.eth),
        votes=VOTES[state.votes],
    )


def by_order(probe: Probe) -> tuple[int, str]:
    """The order in which probes are kept."""
    return probe.plan.seq, probe.leg


def words(line: str) -> str:
    """A line of a trace with ETH and SOL exchanged. ("eth 2 sol 0" stays as it is: amounts are exchanged
    instead.)
    """
    return line.replace("eth", "\0").replace("sol", "eth").replace("\0", "sol")


@cache
def _plan(plan: Plan) -> Plan:
    return plan._replace(eth=plan.sol, sol=plan.eth)


def _maybe(plan: Plan | None) -> Plan | None:
    return None if plan is None else _plan(plan)


@lru_cache(maxsize=1 << 16)
def _box(box: tuple[Message, ...]) -> tuple[Message, ...]:
    return tuple(_message(message) for message in box)


def _message(message: Message) -> Message:
    if message[0] == "proposed":
        _, purpose, eth, sol = message
        return "proposed", purpose, sol, eth
    return tuple(_part(part) for part in message)


def _part(part: object) -> object:
    if isinstance(part, Plan):
        return _plan(part)
    if isinstance(part, tuple):
        return _message(part)
    return OTHER.get(part, part) if isinstance(part, str) else part


@lru_cache(maxsize=1 << 16)
def _leg(leg: Leg) -> Leg:
    held = None if leg.held is None else (_plan(leg.held[0]), leg.held[1])
    waits = None if leg.waits is None else (_plan(leg.waits[0]), leg.waits[1])
    return Leg(leg.up, leg.epoch, leg.last, held, waits, _box(leg.box))


@lru_cache(maxsize=1 << 16)
def _entry(entry: Entry) -> Entry:
    return Entry(_plan(entry.plan), entry.stage, entry.sol, entry.eth)


@lru_cache(maxsize=1 << 16)
def _order(order: Order) -> Order:
    return order._replace(plan=_plan(order.plan), leg=OTHER[order.leg], votes=VOTES[order.votes])


@lru_cache(maxsize=1 << 16)
def _probe(probe: Probe) -> Probe:
    return probe._replace(plan=_plan(probe.plan), leg=OTHER[probe.leg])
