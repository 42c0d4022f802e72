"""Answers to queries and executes, the same over HTTP and over a socket: what stands before the engine, then
the engine.

request --> gates and rate limits --> query or execute --> delivery (late or lost, when staged) --> client
"""

from typing import Any, NamedTuple

import msgspec
import trio

from venue.nado.codec import write
from venue.simulated.engine.codes import ExchangeRefusal, refused, require
from venue.simulated.faults.order_faults import AnswerLost
from venue.simulated.gateway.archive_requests import READERS
from venue.simulated.gateway.executes import EXECUTES, NOT_SIMULATED, execute
from venue.simulated.gateway.money_executes import MONEY_EXECUTES
from venue.simulated.payloads import queries
from venue.simulated.payloads.rate_limits import execute_weight, query_weight
from venue.simulated.payloads.requests import read_request
from venue.simulated.payloads.wire import failure, success
from venue.simulated.venue import SimulatedVenue

CONTROLS = frozenset(
    {
        "subscribe",
        "subscribe_multi",
        "unsubscribe",
        "unsubscribe_multi",
        "authenticate",
        "list",
        "ping",
        "time",
    }
)
REQUESTS = frozenset(
    {
        *EXECUTES,
        *MONEY_EXECUTES,
        *NOT_SIMULATED,
        *queries.QUERIES,
        *CONTROLS,
        *(f"archive_{name}" for name in READERS),
        "status",
    }
)
"""Everything that is answered: executes, queries, what a stream's socket may be asked, the clock, and the
archive's under a name of their own.
"""
QUERY_ONLY = {"reason": "ip_query_only", "blocked": True}
"""The 403 body for an address that may only read."""


class Answer(NamedTuple):
    """`text` is the frame; over HTTP `body` takes its place, with `status`."""

    text: str
    status: int = 200
    body: str | None = None


class _Asked(NamedTuple):
    """A request, read: a query with its parameters or an execute with its body."""

    name: str
    params: dict[str, Any] | None
    body: bytes


def _read(text: bytes | str) -> _Asked:
    fields = read_request(text, dict[str, msgspec.Raw])
    if "type" in fields:
        params = msgspec.json.decode(text)
        return _Asked(str(params["type"]), params, b"")
    require(len(fields) == 1, 2038)
    ((name, body),) = fields.items()
    return _Asked(name, None, bytes(body))


async def answer(venue: SimulatedVenue, text: bytes | str, address: str) -> Answer:
    """The answer to one request from `address`. Raises `AnswerLost` and `ConnectionCut` when that is
    staged.
    """
    try:
        asked = _read(text)
    except ExchangeRefusal as no:
        return Answer(failure("unknown", no))
    held_up = _stopped(venue, asked, address)
    if held_up is not None:
        return held_up
    if asked.params is not None:
        return await carried(venue, asked.name, answer_query(venue, asked.params))
    # at most the speed bump of a batch: what has arrived is processed whatever becomes of its connection
    with trio.CancelScope(shield=True):
        reply = await execute(venue, asked.name, asked.body)
    return await carried(venue, asked.name, reply)


async def carried(venue: SimulatedVenue, request: str, reply: str) -> Answer:
    """The reply to `request`, once it is there. Raises `AnswerLost` and `ConnectionCut` when that is
    staged.
    """
    if not await venue.delivery.brings_answer(request):
        raise AnswerLost
    return Answer(reply)


def answer_query(venue: SimulatedVenue, params: dict[str, Any]) -> str:
    """The envelope of a query's answer, or of its refusal, falsified as staged."""
    request_type = f"query_{params['type']}"
    try:
        data = queries.answer(venue.exchange, venue.status, params, venue.now_ns())
        return success(request_type, venue.incidents.falsified(params, data, venue.exchange))
    except ExchangeRefusal as no:
        return failure(request_type, no)


# -- what stands before the engine ---------------------------------------------------------------------------


def _stopped(venue: SimulatedVenue, asked: _Asked, address: str) -> Answer | None:
    """The answer of a gate or of the rate limit; None when the request may pass."""
    gates, request_type = (
        venue.incidents.gates,
        f"{'execute' if asked.params is None else 'query'}_{asked.name}",
    )
    if "unavailable" in gates:  # over HTTP nobody gets here
        return Answer(failure(request_type, refused(1004)))
    if "ip_query_only" in gates and asked.params is None:
        return Answer(failure(request_type, refused(1002)), 403, write(QUERY_ONLY))
    if asked.params is not None:
        allowed = venue.admission.may_ask("query", address, query_weight(asked.params))
    else:
        weight, wallet = execute_weight(asked.name, asked.body)
        allowed = venue.admission.may_ask("execute", wallet, weight)
    if allowed:
        return None
    options = venue.exchange.options
    return Answer(failure(request_type, refused(options.limited_by)), options.limited_status)
