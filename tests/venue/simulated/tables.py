"""The tables of docs/simulated.md, made from the code they are about. `python -m
tests.venue.simulated.tables` writes them.
"""

import ast
import inspect
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec

from venue.simulated.engine import rules
from venue.simulated.engine.codes import CODES
from venue.simulated.faults import incidents
from venue.simulated.faults.order_faults import Faults, Recurring, Stream, Trigger
from venue.simulated.gateway.archive_requests import READERS
from venue.simulated.gateway.executes import EXECUTES
from venue.simulated.gateway.market_data import QUESTIONS
from venue.simulated.gateway.money_executes import MONEY_EXECUTES
from venue.simulated.gateway.public import CACHED
from venue.simulated.payloads.queries import QUERIES

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "simulated.md"
BEGIN, END = "<!-- made by tests/venue/simulated/tables.py: {} -->", "<!-- end of {} -->"
FAULTS: dict[str, Any] = {
    name: get_args(kind)[0]
    for name, kind in get_type_hints(Faults).items()
    if get_args(kind) and name != "incident"
}


def row(*cells: object) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


def table_of(head: list[str], rows: list[str]) -> str:
    return "\n".join([row(*head), row(*("---" for _ in head)), *rows])


def covered() -> str:
    """Codes by how they arise."""
    count = {
        origin: sum(code.origin == origin for code in CODES.values())
        for origin in ("rule", "incident", "staged")
    }
    said = count["rule"] + count["incident"]
    by_incident = f"{count['incident']} of them through an incident"
    return (
        f"{said} of {len(CODES)} documented codes occur without injection ({by_incident}); any code can be"
        " injected."
    )


def codes() -> str:
    rows = [row(number, code.name, code.origin, code.why) for number, code in CODES.items()]
    return covered() + "\n\n" + table_of(["code", "name", "comes from", "why only injected"], rows)


def surface() -> str:
    streams = [name for name in get_args(Stream) if name]
    asked = {
        "queries": ["status", *QUERIES],
        "executes": [*EXECUTES, *MONEY_EXECUTES],
        "streams": streams,
        "archive": list(READERS),
        "`/v2`": list(QUESTIONS),
        "cached reads": ["cached_prices", "cached_bbo_history", *CACHED, "ping", "time"],
    }
    return table_of(
        ["what", "how many", "which"],
        [row(what, len(names), ", ".join(f"`{name}`" for name in names)) for what, names in asked.items()],
    )


def _summary(kind: type[Any]) -> str:
    return (inspect.getdoc(kind) or "").replace("\n", " ")


def _kinds() -> dict[str, Any]:
    """The tables of a faults file that are counted, and the struct of each."""
    hints = {name: get_args(hint)[0] for name, hint in get_type_hints(Faults).items() if get_args(hint)}
    return {
        name: kind
        for name, kind in hints.items()
        if isinstance(kind, type) and issubclass(kind, Trigger | Recurring)
    }


def documented_faults() -> str:
    rows = [
        row(f"`[[{name}]]`", ", ".join(f"`{each}`" for each in kind.__struct_fields__), _summary(kind))
        for name, kind in _kinds().items()
    ]
    return table_of(["table", "fields", "what happens"], rows)


def staged_incidents() -> str:
    kinds: tuple[Any, ...] = get_args(incidents.Incident)
    rows = [
        row(f"`{_tag(kind)}`", ", ".join(f"`{each}`" for each in kind.__struct_fields__), _summary(kind))
        for kind in kinds
    ]
    return table_of(["`kind`", "fields", "what happens"], rows)


def _tag(kind: type[msgspec.Struct]) -> str:
    return str(kind.__struct_config__.tag)


def documented_options() -> str:
    """A field's words are the string below it."""
    (body,) = [
        node.body
        for node in ast.parse(inspect.getsource(rules)).body
        if isinstance(node, ast.ClassDef) and node.name == "VenueOptions"
    ]
    fields = [
        (field.name, msgspec.json.encode(field.default).decode())
        for field in msgspec.structs.fields(rules.VenueOptions)
    ]
    words: dict[str, str] = {}
    waiting: list[str] = []
    for node in body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            waiting.append(node.target.id)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and waiting:
            words |= dict.fromkeys(waiting, " ".join(str(node.value.value).split()))
            waiting = []
    return table_of(
        ["option", "default", "what it decides"],
        [row(f"`{name}`", f"`{default}`", words.get(name, "")) for name, default in fields],
    )


TABLES = {
    "surface": surface,
    "codes": codes,
    "faults": documented_faults,
    "incidents": staged_incidents,
    "options": documented_options,
}


def with_tables(text: str) -> str:
    """`text` with every table as it should be. Raises `ValueError` for a table without a place."""
    for name, make in TABLES.items():
        begin, end = BEGIN.format(name), END.format(name)
        before, _, rest = text.partition(begin)
        _, found, after = rest.partition(end)
        if not found:
            raise ValueError(f"{DOCUMENT.name} has no place for {name}")
        text = f"{before}{begin}\n\n{make()}\n\n{end}{after}"
    return text


if __name__ == "__main__":
    DOCUMENT.write_text(with_tables(DOCUMENT.read_text()))
