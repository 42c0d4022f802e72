"""TEMPORARY stand-in."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import msgspec
import trio

try:
    from actors.ledger.csvs import CsvBooks
except NameError:
    CsvBooks = lambda *a: None
from actors.ledger.fold import Fold
from actors.ledger.store import Store
from actors.objections import objection
from messages.execution import *
from messages.lifecycle import *
from messages.sizing import *

LedgerMessage = Any


def vote(fold, forge, epoch, sealed):
    plan = sealed.plan
    against = objection(sealed, epoch, fold.seq)
    if against is None and fold.flight is not None:
        against = "PLAN_IN_FLIGHT", "another plan"
    if against:
        return Declined("ledger", plan.epoch, plan.seq, *against)
    digests = [forge.digest_of(forge.order_of(plan, sealed.digest, leg)) if plan.leg(leg).amount else "" for leg in ("eth", "sol")]
    return Ready("ledger", plan.epoch, plan.seq, sealed.digest, *digests)


async def ledger_actor(path, opened, sync, inbox, post, held, forge, clock, epoch, observe, csvs, *, task_status=trio.TASK_STATUS_IGNORED):
    store = Store.open(path, opened, sync, at_ns=clock.utc_ns())
    fold = Fold()
    for _, at_ns, message in store.events():
        fold.apply(message, at_ns)
    fold.reopened()
    held.put(fold.held(epoch))
    task_status.started()
    try:
        with inbox:
            while True:
                batch = [await inbox.receive()]
                while True:
                    try:
                        batch.append(inbox.receive_nowait())
                    except trio.WouldBlock:
                        break
                rows, out = [], []
                for message in batch:
                    at_ns = clock.now_ms() * 1_000_000
                    queue = [message]
                    if isinstance(message, Restarted):
                        epoch = max(epoch, message.epoch)
                    if isinstance(message, Sealed):
                        v = vote(fold, forge, epoch, message)
                        out.append(v)
                        queue = [message, v] if isinstance(v, Ready) else [v]
                    while queue:
                        m = queue.pop(0)
                        rows.append((at_ns, m))
                        more = fold.apply(m, at_ns)
                        rows += [(at_ns, x) for x in more]
                        out += more
                store.append_all(rows)
                held.put(fold.held(epoch))
                for m in out:
                    post(m)
    finally:
        store.close()
