"""docs/events.md and docs/events.schema.json: the lines of `run --events`, from their declarations.

python -m tests.commands.output.events_page     writes both; it refuses what would break a script that reads
                                                the lines, and a test fails while they are not made anew
"""

import json
import sys
from pathlib import Path
from typing import Any

import msgspec

from commands.output.event_feed import READERS_MAX, WAITING_MAX
from commands.output.events import EXACT
from commands.output.published import KINDS, schema
from tests.commands.output.event_samples import sample_lines

DOCS = Path(__file__).resolve().parents[3] / "docs"
PAGE, RECORD = DOCS / "events.md", DOCS / "events.schema.json"
TEXT = """\
# Every event, as a line of JSON

    python supervisor.py run --events 2>/dev/null | jq 'select(.event == "fill")'
    python supervisor.py status --watch --json --logs logs

`run --events` prints every event of the run on standard output, one JSON object a line, and after them, as the last line and on every exit code, the
object of `--json` (its `schema` is `evenkeel.run/1`). The screen and all words go to standard error. `status --watch --json` tells the events of a run
that is alive from the moment it finds it, between its own objects (`evenkeel.status/1`). So: look at `schema` first, then at `event`.

- **Stable.** Types, fields and words of an enumeration are added, never renamed, removed or given another type. Skip an `event` that you do not know and ignore new fields.
  `docs/events.schema.json` is the JSON schema (2020-12) of a line; a test compares it with the release.
- **Exact.** Amounts, prices and USD are decimal strings, counts and `_ms` integers, times ISO-8601 with microseconds and Z; what nobody knows is null.
- **Trading never waits for a reader.** Up to {waiting} MB of lines wait for one that is slow; then the oldest are dropped, the next line is a `lost` with
  their number, and `seq` has a gap. Lines are made after the orders of a plan have left, and written by a thread of the reader's own; while the run trades
  they come up to 0.1 s late. Up to {readers} readers can follow a run.
- A line is evidence of nothing: the ledger is. An event can be told that the ledger has not written yet, and a `fill` can come twice.

Every line has `schema` (`evenkeel.event/1`), `event`, `seq` ({seq}) and `at` ({at}). The examples are made by the code that writes the lines.
"""  # noqa: E501
DEFINED = "#/$defs/"
EVERY_LINE = ("schema", "event", "seq", "at")


def type_words(of: dict[str, Any]) -> str:
    """A type of the schema in a few words."""
    if "$ref" in of:
        return str(of["$ref"]).removeprefix(DEFINED)
    if "anyOf" in of:
        return " or ".join(type_words(each) for each in of["anyOf"])
    if "enum" in of:
        return ", ".join(f"`{word}`" for word in of["enum"])
    if of.get("pattern") == EXACT:
        return "decimal"
    return {"null": "null", "integer": "integer", "boolean": "true or false"}.get(
        of["type"], "time" if "pattern" in of else "string"
    )


def described(of: dict[str, Any]) -> str:
    """What is said of a field, wherever the schema keeps it."""
    inside = (each.get("description", "") for each in of.get("anyOf", ()))
    return str(of.get("description") or max(inside, key=len, default=""))


def events_page() -> str:
    """The whole page, as Markdown."""
    defined = schema()["$defs"]
    common = defined[KINDS[0].__name__]["properties"]
    examples = {type(line): line for line in reversed(sample_lines())}
    text = [
        TEXT.format(
            waiting=WAITING_MAX // 2**20,
            readers=READERS_MAX,
            seq=described(common["seq"]).rstrip(".").lower(),
            at=described(common["at"]).rstrip(".").lower(),
        )
    ]
    for kind in KINDS:
        of = defined[kind.__name__]
        text += [f"## {of['properties']['event']['enum'][0]}", "", " ".join(of["description"].split()), ""]
        text += field_rows(of)
        text += ["", f"    {msgspec.json.encode(examples[kind]).decode()}", ""]
    for name in sorted(set(defined) - {kind.__name__ for kind in KINDS}):
        of = defined[name]
        text += [f"## {name}", "", " ".join(of["description"].split()), "", *field_rows(of), ""]
    return "\n".join(text)


def field_rows(of: dict[str, Any]) -> list[str]:
    """Its fields but those that every line has."""
    rows = [
        f"| `{name}` | {type_words(field)} | {described(field)} |"
        for name, field in of["properties"].items()
        if name not in EVERY_LINE
    ]
    return ["| field | type | |", "|---|---|---|", *rows] if rows else []


def incompatible(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """What a script that was written for `before` would stumble over: a type or field that is gone, one that
    may be absent now, or one whose values may be others.
    """
    found = []
    for name, old in before["$defs"].items():
        new = now["$defs"].get(name)
        if new is None:
            found.append(f"{name} is gone")
            continue
        for field, was in old["properties"].items():
            if field not in new["properties"]:
                found.append(f"{name}.{field} is gone")
                continue
            one, other = bare(was), bare(new["properties"][field])
            # a word may join an enumeration
            if one != other and not ("enum" in one and set(one["enum"]) <= set(other.get("enum", ()))):
                found.append(f"{name}.{field} is {other}, it was {one}")
        absent = [field for field in old["required"] if field not in new["required"]]
        found += [f"{name}.{field} may be absent" for field in absent]
    return found


def bare(of: Any) -> Any:
    """A type without what is said about it."""
    if isinstance(of, dict):
        return {key: bare(value) for key, value in of.items() if key not in {"description", "title"}}
    return [bare(each) for each in of] if isinstance(of, list) else of


def recorded() -> dict[str, Any]:
    """What was announced."""
    content: dict[str, Any] = json.loads(RECORD.read_text(encoding="utf-8"))
    return content


if __name__ == "__main__":
    if RECORD.exists() and (why := incompatible(recorded(), schema())):
        sys.exit("not written, scripts read this: " + "; ".join(why))
    RECORD.write_text(json.dumps(schema(), indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(events_page(), encoding="utf-8")
