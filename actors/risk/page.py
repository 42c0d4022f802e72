"""docs/entering.md: every condition of entering, from its declaration in `actors/risk/may_enter.py`.

python -m actors.risk.page              writes the page; a test fails when it is not what comes of the
                                        declarations
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from actors.risk.may_enter import ORDER, SEAL, Condition, EntryStage

PAGE = Path(__file__).resolve().parents[2] / "docs" / "entering.md"
HEAD = """\
# May we enter?

Every condition that an entry must meet, in the order in which it is asked. `python -m actors.risk.page` makes this page from the table in
`actors/risk/may_enter.py`; a test fails when it is not what comes of it.

An entry passes the stages from top to bottom; the last three are votes and are cast at the same time. The first condition that does not hold decides,
by its code: it is in the log, in the ledger's rows and on the screen, and `docs/running.md` says what to do. A condition marked "every plan" is also
asked of plans that repair or close, all others only of plans to enter: closing is never refused for age, depth, spread or limits. After three equal
votes the barrier checks once more that the votes came in time and the quotes are fresh (`docs/protocol.md`).

What follows from a denial by the supervisor: **waits**: it is shown as what is waited for; **alarm**: it is also written down once per reason, and
raises an alarm after `limits.alarm_after_denying`, unless a person has asked for it (`NO_ENTRY_WINDOW`); **ends**: it is written down, and the run ends as soon as it is flat.

What helps is printed when nothing could be entered for `max_wait` because of that code; without a sentence of its own, a code sends you to the log.
"""  # noqa: E501


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *("\n".join(_section(number, stage)) for number, stage in enumerate(ORDER, 1))])


def _section(number: int, stage: EntryStage[Any]) -> Iterator[str]:
    yield from (f"## {number}. {stage.asker}", "", f"Asked {stage.when}.", "")
    sealing = stage is SEAL
    curable = any(condition.cures for condition in stage.conditions)
    titles = ["must hold", "code", "asked of", *(["follows"] if sealing else []), "why here"]
    titles += ["what helps"] if curable else []
    yield from (f"| {' | '.join(titles)} |", f"|{'---|' * len(titles)}")
    for condition in stage.conditions:
        codes = ", ".join(f"`{code}`" for code in condition.codes)
        of = "every plan" if condition.every_plan else "entries"
        cells = [condition.name, codes, of, *([condition.follows] if sealing else []), condition.why]
        cells += [_cures(condition)] if curable else []
        yield f"| {' | '.join(cells)} |"
    yield ""


def _cures(condition: Condition[Any]) -> str:
    words = [f"`{code}`: {cure}" for code, cure in condition.cures.items()]
    return ". ".join(words).format(command="python supervisor.py", logs="logs")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
