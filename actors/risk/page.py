"""docs/entering.md: every condition of entering, from its declaration in `actors/risk/may_enter.py`.

python -m actors.risk.page              writes the page; a test fails when it is not what comes of the
                                        declarations
"""

from itertools import compress
from pathlib import Path

from actors.risk.may_enter import ORDER, SEAL

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
raises an alarm after `limits.alarm_after_denying`, unless a person has asked for it (`NO_ENTRY_WINDOW`, `PAUSED_BY_HAND`); **ends**: it is written down, and the run ends as soon as it is flat.

What helps is printed when nothing could be entered for `max_wait` because of that code; without a sentence of its own, a code sends you to the log.
"""  # noqa: E501


def page() -> str:
    """The whole page, in Markdown, with a section for each stage."""
    lines = [HEAD]
    for number, stage in enumerate(ORDER, 1):
        lines += [f"## {number}. {stage.asker}", "", f"Asked {stage.when}.", ""]
        sealing, curable = stage is SEAL, any(condition.cures for condition in stage.conditions)
        titles = ["must hold", "code", "asked of", "follows", "why here", "what helps"]
        shown = [True, True, True, sealing, True, curable]
        rows = [titles, ["---"] * len(titles)]
        for condition in stage.conditions:
            cures = ". ".join(f"`{code}`: {cure}" for code, cure in condition.cures.items())
            rows.append(
                [
                    condition.name,
                    ", ".join(f"`{code}`" for code in condition.codes),
                    "every plan" if condition.every_plan else "entries",
                    condition.follows,
                    condition.why,
                    cures.format(command="python supervisor.py", logs="logs"),
                ]
            )
        lines += ["| " + " | ".join(compress(row, shown)) + " |" for row in rows]
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
