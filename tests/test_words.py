"""Plain words: phrases that a reader has to decode are in no page, and in no text that the program can
show.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "logs/README.md"])
SOURCES = sorted(
    [
        ROOT / "supervisor.py",
        *(
            path
            for name in ("commands", "actors", "venue", "runtime", "messages", "benches")
            for path in (ROOT / name).rglob("*.py")
        ),
    ]
)

FORBIDDEN = {
    r"st(?:oo|an)ds? (?:quite )?(?:alone|on one leg)": "unhedged",
    r"lone leg|(?<![-`])\bnaked\b": "unhedged leg, unhedged exposure",
    r"\bout in(?= \d| \{|$)": "exit in",
    r"(?:venue|exchange|engine|archive|directory|account)'s (?:last )?words?\b": (
        "confirmed by the exchange, the exchange's reading"
    ),
    r"nothing of ours|what is ours|was ours": "no Evenkeel positions; Evenkeel's positions",
    r"\bleft alone\b": "not affected, not touched",
    r"\ba word too many": "unexpected argument; quote values with spaces",
    r"\bstops breathing|\btake[ns]? the power|\btakes the way out": (
        "stops responding; revokes; you lose the ability to close"
    ),
    r"\b(?:you|nobody|people|a person) (?:are|is) told": "Evenkeel reports",
    r"flipped byte": "tampering is detected (hash chain)",
    r"\bbefall|\baccidents?\b": "fault, failure, incident",
    r"on no default|after proofs|what its words mean": (
        "requires explicit settings and preflight checks; log glossary"
    ),
    r"\bst(?:and|ood|ands|anding) down\b": "stops trading",
    r"\b(?:the|its|stored) ways? out\b|cheapest way out": "closing, the presigned exit, the cheapest repair",
    r"\bstrangers?\b": "third party",
    r"signs? of life": "heartbeat",
    r"\blast words?\b": "final output, last answer",
    r"\bwhosever\b|\bdear(?:est)?\b|to be true\b": (
        "including positions you opened; most expensive; too large"
    ),
    r"\b(?:hangs?|hung) up\b": "closes the connection",
    r"\b(?:entering|enters?) no more\b": "no new entries",
    r"\bno wire form\b|\bhas no place in a snapshot": "cannot be encoded",
    r"\bhammer|\bpoisonous|\bknock in step|answers impatience": "retries too often; at the same moment",
    r"\btaken? over by the venue|takes? (?:the short|one) leg over": "liquidated",
    r"\bwho(?:m|ever)? (?:else )?is to blame|\bin so many words\b|\bthe rest of the world\b": (
        "explicitly; other traders"
    ),
    r"\b(?:frame|number|amount|level)s? that cannot be\b(?! [a-z])": "invalid",
    r"\bcure them\b": "fix them",
    r"\borders are out\b|\benter(?:ed)? and (?:left|leave)\b|\bleft together|\b(?:is|are) left early|prices of now": (  # noqa: E501
        "sent; exit; current prices"
    ),
}
CHECKED = re.compile("|".join(f"(?:{phrase})" for phrase in FORBIDDEN), re.IGNORECASE)


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """(line, text) of everything in `path` that somebody reads: a page whole, of a source every string."""
    source = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        yield 1, source
        return
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def found_in(path: Path) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{line + text[: found.start()].count(chr(10))}: {found[0]!r}"
        for line, text in texts(path)
        for found in CHECKED.finditer(" ".join(text.split()) if path.suffix == ".py" else text)
    ]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_page_has_no_phrase_that_must_be_decoded(path: Path) -> None:
    assert found_in(path) == []


def test_no_source_has_a_phrase_that_must_be_decoded() -> None:
    """Field names are the code's own: `naked` and `strangers` are not shown to anybody."""
    assert [found for path in SOURCES for found in found_in(path)] == []


WRITTEN = """
the leg stood alone for 14 USD·s, a lone leg; HOLD, out in 1.6 s; flat by the venue's word; nothing of ours is open; it was left alone; a word
too many; it stops breathing; you are told what is open; one flipped byte is found; every accident that can befall two orders; traded on no
default; it stands down; the way out could not be stored; beside a stranger's position; no sign of life; the last words wait; whosever it is; the
other side hung up; entering no more; has no wire form; is not hammered; the venue takes the short leg over; in so many words; a number that
cannot be; orders are out; cure them first
"""  # noqa: E501


@pytest.mark.parametrize("phrase", FORBIDDEN)
def test_a_phrase_is_found_in_what_was_once_written(phrase: str) -> None:
    """So that no pattern matches nothing."""
    assert re.search(phrase, " ".join(WRITTEN.split()), re.IGNORECASE)
