"""Pieces of HTML, escaped: a table that can be scrolled by keyboard and read aloud, and figures that carry
their exact value.
"""

from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple


def unbroken(text: str) -> str:
    """Escaped, with no break between a figure and its percent sign."""
    return escape(text, quote=True).replace(" %", "\N{NO-BREAK SPACE}%")


class TableCell(NamedTuple):
    """One cell: what is shown, the exact value behind it (as `--json` has it; "" where they are the same),
    and whether it is running text.
    """

    shown: str
    exact: str = ""
    prose: bool = False

    def html(self) -> str:
        """As `td`."""
        kind = ' class="text"' if self.prose else ""
        text = unbroken(self.shown)
        inner = f'<data value="{escape(self.exact, quote=True)}">{text}</data>' if self.exact else text
        return f"<td{kind}>{inner}</td>"


def table(
    name: str,
    caption: str,
    head: Sequence[str],
    rows: Iterable[tuple[str, Sequence[TableCell]]],
    *,
    tall: bool = False,
) -> str:
    """A table whose first column names each row. `name`: its id, unlike any other in the page. `tall`: it
    scrolls up and down as well, with its head in sight.
    """
    top = "".join(f'<th scope="col">{unbroken(each)}</th>' for each in head)
    body = "\n".join(
        f'<tr><th scope="row">{unbroken(label)}</th>{"".join(cell.html() for cell in cells)}</tr>'
        for label, cells in rows
    )
    kind = "scroll tall" if tall else "scroll"
    return (
        f'<div class="{kind}" role="region" aria-labelledby="{name}" tabindex="0">\n<table>'
        f'<caption id="{name}"><span>{unbroken(caption)}</span></caption>\n<thead><tr>{top}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody></table></div>"
    )


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph of plain text."""
    attribute = f' class="{kind}"' if kind else ""
    return f"<p{attribute}>{unbroken(text)}</p>"
