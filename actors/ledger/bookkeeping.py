"""Between the ledger and its CSV files: what goes wrong with them is told, and goes no further (lesson
R11).
"""

import csv
from collections.abc import Callable, Sequence

import msgspec

from actors.ledger.certificates import CycleFigures, figures_of
from actors.ledger.csvs import NO_PLACE, CsvBooks, File, Line, closed_count, closed_lines, skipped_line
from actors.ledger.fold import Fold
from actors.ledger.orders import OurOrder
from messages.execution import PlanClosed, QuoteEnded
from messages.lifecycle import CycleEnded
from messages.sizing import Skipped
from runtime.observe import Notes

BOOKKEEPING = (OSError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError, csv.Error)
"""What a CSV file may do to us without consequence (lesson R11)."""


def lines_of(
    fold: Fold, cause: msgspec.Struct, consequence: msgspec.Struct, at_ns: int
) -> tuple[list[Line], str]:
    """The CSV lines of a consequence, and what went wrong in making them or ""."""
    try:
        return _lines(fold, cause, consequence, at_ns), ""
    except BOOKKEEPING as error:
        return [], f"{type(error).__name__}: {error}"


def _lines(fold: Fold, cause: msgspec.Struct, consequence: msgspec.Struct, at_ns: int) -> list[Line]:
    orders = _orders_closed(fold, consequence)
    if orders:
        return closed_lines(orders, fold.cycle)
    if isinstance(consequence, CycleEnded) and isinstance(cause, Skipped):
        return [skipped_line(at_ns, consequence.cycle, consequence.detail)]
    return []


def _orders_closed(fold: Fold, consequence: msgspec.Struct) -> Sequence[OurOrder]:
    """The orders whose lines may be due: of the plan that has closed, or the one that worked until now."""
    if isinstance(consequence, PlanClosed) and fold.last_flight is not None:
        return fold.last_flight.orders
    if isinstance(consequence, QuoteEnded):
        order = fold.order(consequence.fill.order_digest)
        return () if order is None else (order,)
    return ()


def ended_figures(fold: Fold, ended: CycleEnded, at_ns: int) -> list[CycleFigures]:
    """What the certificate of a cycle that has ended is made of; nothing where nothing was ordered, or where
    it cannot be made.
    """
    try:
        figures = figures_of(fold, ended, at_ns)
    except BOOKKEEPING:  # `verify` says that it is missing
        return []
    return [] if figures is None else [figures]


def write_again(
    csvs: CsvBooks,
    fold: Fold,
    cause: msgspec.Struct,
    consequence: msgspec.Struct,
    at_ns: int,
    note: Notes,
) -> None:
    """Write a past consequence's lines, as far as they are not in the files. Those that are are counted
    and not made again.
    """
    try:
        if csvs.had(_count(fold, cause, consequence)):
            return
    except BOOKKEEPING:  # making the lines meets the same defect, and tells
        pass
    write_lines(csvs.again, lines_of(fold, cause, consequence, at_ns), note)


def _count(fold: Fold, cause: msgspec.Struct, consequence: msgspec.Struct) -> dict[File, int]:
    orders = _orders_closed(fold, consequence)
    if orders:
        return closed_count(orders)
    if isinstance(consequence, CycleEnded) and isinstance(cause, Skipped):
        return {"trades": 1}
    return {}


def write_lines(write: Callable[[list[Line]], None], made: tuple[list[Line], str], note: Notes) -> None:
    """Write CSV lines, and tell what went wrong with them."""
    lines, defect = made
    try:
        write(lines)
    except BOOKKEEPING as error:
        defect = f"{type(error).__name__}: {error}"
    if defect:
        note("warning", f"CSV row not written: {defect}")


def place_in(csvs: CsvBooks | None) -> tuple[int, int]:
    """How far the files go now, for a snapshot."""
    try:
        return csvs.sizes() if csvs is not None else NO_PLACE
    except OSError:
        return NO_PLACE


def resumed(csvs: CsvBooks, since: tuple[int, int], note: Notes) -> bool:
    """Count what is in the files already, beyond `since`; False when they cannot be used at all."""
    try:
        csvs.resume(since)
    except BOOKKEEPING as error:
        note("warning", f"no CSV files: {error}")
        return False
    return True
