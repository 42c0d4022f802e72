"""What of ours is open: one answer for everybody, from everything that knows.

    flat      confirmed: both positions are zero *and* no order of ours rests or can still arrive. Where the
              venue was not asked: the ledger is whole, and was flat when it last agreed with the exchange
    open      something of ours is, or an order of ours could be behind what is
    unknown   nobody can say: the venue does not answer, or the ledger is missing, empty, replaced, older or
              broken beside a sign of a pair

`on_disk` asks the files alone; who has asked the venue too gives its reading to `decide`. Neither of them
ever raises, and printing cannot change what they say. 4 beats every other exit code: `OpenAnswer.exit_code`.
"""

from pathlib import Path
from typing import Literal

import msgspec

from actors.instance.state import state_directory
from actors.run_ending import open_legs
from commands.access.venue import Access
from commands.open_state.evidence import EscapeEvidence, Evidence, LedgerEvidence, VenueEvidence, gathered
from commands.output.words import COMMAND, OPEN, Problem, clock_time, exposure
from messages.amounts import fixed
from messages.execution import AccountSnapshot
from messages.lifecycle import Held
from messages.sizing import LEGS
from messages.units import Base, notional
from runtime.specs import told
from venue.own_position import ClosingTask, OwnPosition
from venue.protocol import ProductRules, VenueRules
from venue.resolve import WINDOW_MARGIN_MS


class OpenAnswer(msgspec.Struct, frozen=True):
    """The answer. `words` say what is open or why nobody knows ("" when flat), `cure` what to type."""

    kind: Literal["flat", "open", "unknown"]
    words: str = ""
    cure: str = ""
    eth: Base | None = None
    sol: Base | None = None
    """Signed amounts of what is open and may be ours; None = unknown."""
    checked_ms: int | None = None
    """Venue time of the reading that it rests on; None: it rests on files."""
    remarks: tuple[str, ...] = ()
    """What is odd and leaves nothing open: worth a line."""

    @property
    def flat(self) -> bool:
        """Is no Evenkeel position open, and is that confirmed?"""
        return self.kind == "flat"

    def exit_code(self, otherwise: int) -> int:
        """The code of a command that would end with `otherwise`: 4 beats it, unless all is flat."""
        return otherwise if self.flat else OPEN


class RefusedWhileOpen(Problem):
    """Understood, and not done, because something of ours is open or nobody can say whether it is."""

    exit_code = OPEN
    ended_by = "refused"
    settled = True
    """What is open has been asked: nobody need look again."""

    def __init__(self, answer: OpenAnswer, why: str = "") -> None:
        meaning = exposure(unknown=answer.kind == "unknown")
        super().__init__("NOT_FLAT", None, f"{why}NOT FLAT: {answer.words}", answer.cure, meaning)


def on_disk(
    here: Access | None, logs: Path, directory: Path | None = None, said: VenueEvidence | None = None
) -> OpenAnswer:
    """What this machine's files say, without asking the venue; `said`: its reading, where it has been asked.
    Never raises, waits for nothing, writes nothing.

    `here` None: nobody knows which account is meant (a refusal that comes before that).
    """
    try:
        known = gathered(here, logs, directory or state_directory())
        return decide(msgspec.structs.replace(known, venue=said or VenueEvidence()))
    except Exception as error:  # noqa: BLE001 - whatever is wrong with the files, it is no reason to say "flat" or to say nothing
        return OpenAnswer(
            "unknown", f"unknown: the files in {logs} cannot be judged ({told(error)})", closing(str(logs))
        )


# -- the decision: pure --------------------------------------------------------------------------------------


def decide(known: Evidence) -> OpenAnswer:
    """The table. First the venue that is gone with its run, then the exchange's reading where there is
    one, then the files alone.
    """
    # A venue that was its run's child has nothing to say any more: it is gone, and every position with it.
    if known.child:
        return _of_child(known)
    if known.venue.snapshot is not None and known.venue.rules is not None:
        return _by_venue(known, known.venue.snapshot, known.venue.rules)
    return _by_files(known)


def _of_child(known: Evidence) -> OpenAnswer:
    """A simulated venue of a run's own can be asked by that run alone, and is gone with it: no real money
    was in it.
    """
    held, others = known.ledger.held, _of_others(known)
    if others:
        return OpenAnswer("unknown", "unknown: " + "; ".join(others), cure_of(known))
    if known.runner is None:
        return OpenAnswer("flat", eth=Base(0), sol=Base(0))
    words = open_legs(held)
    if held is None:
        return OpenAnswer("unknown", words)
    return OpenAnswer("open" if words else "flat", words, "", held.eth.amount, held.sol.amount)


def _by_files(known: Evidence) -> OpenAnswer:
    """Nobody has asked the venue, or it did not answer."""
    ledger = trusted(known)
    held = ledger.held if ledger else None
    said, signs = _open_by(held), signs_of(known)
    if known.venue.trouble:
        by = "; ".join(signs) or (f"by our fills: {said or 'nothing'}" if ledger else known.ledger.why)
        return OpenAnswer("unknown", f"unknown: {known.venue.trouble}; {by}", cure_of(known))
    if said and ledger is not None and held is not None:
        where = "" if ledger is known.ledger else f", by {ledger.path}"
        return OpenAnswer("open", said + where, cure_of(known), held.eth.amount, held.sol.amount)
    if held is not None and held.awaiting_proof:
        signs = [*signs, "flat by our fills, and the exchange has not confirmed it yet"]
    if signs:
        return OpenAnswer("unknown", "unknown: " + "; ".join(signs), cure_of(known))
    return OpenAnswer("flat", eth=Base(0), sol=Base(0))


def _by_venue(known: Evidence, snapshot: AccountSnapshot, rules: VenueRules) -> OpenAnswer:
    """The venue says how much there is, a ledger that can be trusted says whose it is."""
    ledger = trusted(known)
    held = ledger.held if ledger else None
    at_ms = int(snapshot.at_ms)
    if not snapshot.exists and _open_by(held):
        # A subaccount that has traded does not vanish: this is an answer about another one, or a wrong one.
        words = f"unknown: the venue says that this subaccount does not exist; by our fills: {_open_by(held)}"
        return OpenAnswer("unknown", words, cure_of(known), checked_ms=at_ms)
    task = ClosingTask.of(held) if held else ClosingTask(OwnPosition(), OwnPosition())
    amounts, reasons = [], []
    for index, (leg, explained) in enumerate(zip(LEGS, (task.eth, task.sol), strict=True)):
        position = int(snapshot.position(rules.product(leg).product_id).cross)
        ours = int(explained.part_of(position))
        why = _behind(known, ledger, index, position, position - ours) if position != ours else ""
        amounts.append(Base(position if why else ours))
        reasons += [why] if why else []
    parts = [
        amount_words(rules.product(leg), amount) for leg, amount in zip(LEGS, amounts, strict=True) if amount
    ]
    parts += _may_arrive(known, ledger, at_ms, snapshot.open_orders)
    other = _of_others(known)
    if snapshot.unread and not (parts or other):
        words = (
            f"unknown: nothing is seen to be open, but what the venue said of {', '.join(snapshot.unread)}"
            " could not be read"
        )
        return OpenAnswer("unknown", words, cure_of(known), amounts[0], amounts[1], at_ms)
    if not (parts or other):
        return OpenAnswer("flat", "", "", Base(0), Base(0), at_ms, tuple(signs_of(known)))
    why = "; ".join(dict.fromkeys([*reasons, *other]))
    words = " · ".join(each for each in (", ".join(parts), why) if each)
    if ledger is None or (reasons and not ledger.grounded):
        return OpenAnswer(
            "unknown",
            f"unknown whose: {words}" if parts else f"unknown: {words}",
            cure_of(known),
            amounts[0],
            amounts[1],
            at_ms,
        )
    return OpenAnswer("open", words, cure_of(known), amounts[0], amounts[1], at_ms)


def starts_by_itself(known: Evidence) -> bool:
    """Does the ledger that a run would go on with know all there is to know, so that whatever is open is
    closed by that run?

    A broken, unreadable or another account's ledger has an ending of its own there.
    """
    if known.ledger.state in {"unreadable", "broken", "other"}:
        return True
    if known.ledger.state == "good":
        return trusted(known) is known.ledger and not signs_of(known)
    return decide(known).flat


def trusted(known: Evidence) -> LedgerEvidence | None:
    """The ledger that was asked about; else one in a folder that a run named, if that one is whole. None:
    no ledger knows Evenkeel's part.
    """
    found = [
        each for each in (known.ledger, *known.elsewhere) if each.state == "good" and each.held is not None
    ]
    # A ledger by which something is open comes first, wherever it is: else a new, empty one would hide it.
    holding = [each for each in found if _open_by(each.held)]
    return holding[0] if holding else found[0] if found else None


def signs_of(known: Evidence) -> list[str]:
    """What says that a pair may be open although no ledger that can be trusted says so, in words."""
    signs = _of_others(known)
    ledger, lost = trusted(known), known.ledger.why or f"{known.ledger.path} does not know of it"
    signs += [
        f"{each.why}, and by it {_open_by(each.held)} is open"
        for each in (known.ledger, *known.elsewhere)
        if each.state not in {"good", "other"} and _open_by(each.held)
    ]
    escape = known.escape
    # A ledger that knows of the pair that the escape closes, or goes on later (an exit's rows come after the
    # last signing), makes the escape a leftover.
    knows_more = (
        ledger is not None
        and escape is not None
        and (ledger.last_ms >= escape.signed_ms or bool(_open_by(ledger.held)))
    )
    if escape is not None and not knows_more:
        signs.append(f"{lost}, and the stored escape closes {pair_words(escape)}")
    elif ledger is None and known.anchor is not None and known.anchor.may_be_open:
        signs.append(f"{lost}, and the state file says that a pair was entered from {known.anchor.logs}")
    elif (
        ledger is None
        and known.anchor is None
        and known.saved.venue
        and known.ledger.state in {"missing", "empty"}
    ):
        signs.append(f"{lost}, and the state file says that a run has been here")
    if known.ledger.state in {"unreadable", "broken"} and not signs:
        signs.append(known.ledger.why)
    if known.saved.unreadable and ledger is None and not signs:
        signs.append(known.saved.halt_detail)
    return signs


def _of_others(known: Evidence) -> list[str]:
    """What is open of another subaccount, or at another venue, whose files are these: nothing that this
    venue says about this one can settle it.
    """
    ledger = known.ledger
    signs = (
        [f"{ledger.why}, and by it {_open_by(ledger.held)} is open there"]
        if ledger.state == "other" and _open_by(ledger.held)
        else []
    )
    for saved, escape in known.beside:
        if escape is not None and not (ledger.state == "other" and ledger.last_ms >= escape.signed_ms):
            signs.append(
                f"another subaccount's stored escape closes {pair_words(escape)}, and its run wrote into this"
                " folder"
            )
        elif saved.anchor is not None and saved.anchor.may_be_open and ledger.state != "other":
            signs.append(
                f"the state file of another subaccount says that a pair was entered from {saved.anchor.logs}"
            )
    return signs


def _open_by(held: Held | None) -> str:
    return open_legs(held) if held is not None else ""


def _behind(known: Evidence, ledger: LedgerEvidence | None, index: int, position: int, rest: int) -> str:
    """Why an order of ours could be behind `rest` of a position that no intent explains; "" when none
    could.
    """
    signs = "; ".join(signs_of(known))
    if ledger is None or ledger.held is None:
        return signs or known.ledger.why or "no ledger says whose it is"
    if signs or not ledger.grounded:
        return signs or f"{ledger.path} has no record of this position"
    # The ledger is whole: does what third parties were seen to trade explain the difference?
    name, by_fills = LEGS[index].upper(), int(ledger.held.leg(LEGS[index]).amount)
    if ledger.unproven[index].part_of(rest) == rest:
        return (
            f"a {name} order of ours that was not heard of again, or whose fill did not fit, could be"
            " behind it"
        )
    if position == by_fills + int(ledger.third_party[index]):
        return ""
    if by_fills and OwnPosition(min(by_fills, 0), max(by_fills, 0)).part_of(position) != by_fills:
        return f"by our fills {name} is {Base(by_fills).text()}, and nobody else was seen to trade"
    return ""


def _may_arrive(
    known: Evidence, ledger: LedgerEvidence | None, at_ms: int, resting: tuple[str, ...]
) -> list[str]:
    """Orders of ours that rest, or that can still arrive or trade by the venue's clock."""
    held = ledger.held if ledger else None
    doubts = held.doubts if held else ()
    parts = [
        f"{doubt.leg} order {doubt.order_digest[:10]} unknown"
        for doubt in doubts
        if at_ms <= doubt.last_trade_ms + WINDOW_MARGIN_MS
    ]
    parts += [
        f"{doubt.leg} order {doubt.order_digest[:10]} may trade until {clock_time(doubt.last_trade_ms)}Z"
        for doubt in (order.doubt for order in (held.working if held else ()))
        if at_ms <= doubt.last_trade_ms + WINDOW_MARGIN_MS
    ]
    ours = sum(order in ledger.orders if ledger else True for order in resting)
    parts += [f"{ours} resting order{'s' if ours > 1 else ''}"] if ours else []
    anchor = known.anchor
    if (
        ledger is None
        and anchor is not None
        and anchor.may_be_open
        and at_ms <= anchor.until_ms + WINDOW_MARGIN_MS
    ):
        parts.append(f"an order that was intended may arrive until {clock_time(anchor.until_ms)}Z")
    return parts


# -- words ---------------------------------------------------------------------------------------------------


def cure_of(known: Evidence) -> str:
    """What to type: what closes it, or by which ledger it can be known again what is open."""
    found = trusted(known)
    if found is not None and found is not known.ledger and _open_by(found.held):
        return closing(str(Path(found.path).parent))
    line = closing(known.logs)
    if known.ledger.state == "other" or (known.ledger.state == "good" and not signs_of(known)):
        return line
    ways = [f"restore {known.ledger.path}"] + (
        [f"{line}{known.where} closes what the stored escape signs"] if known.escape else []
    )
    return ", or ".join([*ways, f"{COMMAND} run --adopt --logs {known.logs}{known.where}"])


def closing(logs: str) -> str:
    """The command line that closes what the ledger in `logs` knows of."""
    return f"{COMMAND} flatten --logs {logs}"


def pair_words(escape: EscapeEvidence) -> str:
    """The pair that a stored escape closes, as it was held when it was signed."""
    return ", ".join(
        f"{name} {amount.text()}"
        for name, amount in (("ETH-PERP", escape.eth), ("SOL-PERP", escape.sol))
        if amount
    )


def third_party_words(known: Evidence, answer: OpenAnswer) -> str:
    """What else is open on the two products, not touched: amounts that are not in `answer`, isolated ones,
    and orders that are not ours.
    """
    snapshot, rules, ledger = known.venue.snapshot, known.venue.rules, trusted(known)
    if snapshot is None or rules is None:
        return ""
    parts = []
    for product, ours in ((rules.eth, answer.eth), (rules.sol, answer.sol)):
        position = snapshot.position(product.product_id)
        parts += [amount_words(product, Base(rest)) for rest in [position.cross - (ours or 0)] if rest]
        parts += (
            [f"{amount_words(product, position.isolated)} on isolated margin"] if position.isolated else []
        )
    orders = sum(digest not in ledger.orders for digest in snapshot.open_orders) if ledger else 0
    return ", ".join(parts + ([f"{orders} order{'s' if orders > 1 else ''}"] if orders else []))


def amount_words(product: ProductRules, amount: Base) -> str:
    """`SOL-PERP -8.5 (985 USD)`, at the oracle's price; without the USD where there is none."""
    worth = f" ({fixed(notional(product.oracle, amount), 0)} USD)" if product.oracle is not None else ""
    return f"{product.symbol} {amount.text()}{worth}"
