"""The page: its figures are those of --json, it loads nothing, and whoever cannot see or cannot use a mouse
gets all of it.
"""

import json
import re
import shutil
import subprocess
from collections import Counter
from html import escape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import pytest

from commands import cli
from commands.report import page as page_module
from commands.report.account import labels_of
from messages.amounts import percent
from messages.lifecycle import Halted, Restarted
from messages.sizing import Skipped
from messages.units import ONE, Bps, Ms
from tests.actors.ledger.story import Story
from tests.commands.report.ledgers import WHOSE, ledger_told, ledger_traded, report_told
from tests.commands.report.report_page import KEYS, PAGE, report_document
from tests.commands.report.test_history import cycles_of

pytest.importorskip("matplotlib")
import itertools

from commands.report.charts import BINS, bin_of


class PageReader(HTMLParser):
    """A page, taken apart: tables by id, and every tag with its attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.tables: dict[str, list[list[tuple[str, str]]]] = {}
        self.text = ""
        self.open: list[str] = []
        self._name, self._exact = "", ""
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        self.tags.append((tag, known))
        if tag not in {"meta", "path", "use", "rect"}:
            self.open.append(tag)
        if tag == "caption":
            self._name = known["id"] or ""
            self.tables[self._name] = []
        elif tag == "tr":
            self.tables[self._name].append([])
        elif tag in {"td", "th"}:
            self.tables[self._name][-1].append(("", ""))
        elif tag == "data":
            self._exact = known["value"] or ""
        elif tag == "table":
            self._name = "before its caption"

    def handle_endtag(self, tag: str) -> None:
        if tag not in {"meta", "path", "use", "rect"}:
            assert self.open.pop() == tag
        if tag == "data":
            self._exact = ""

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text += data
        if self.open and self.open[-1] in {"td", "th", "data"}:
            shown, exact = self.tables[self._name][-1][-1]
            self.tables[self._name][-1][-1] = (shown + data, exact or self._exact)

    def column(self, name: str, number: int = 1) -> dict[str, str]:
        """Exact values of a table's column by the name of their row."""
        return {row[0][0]: row[number][1] for row in self.tables[name][1:]}


def page_told(capsys: pytest.CaptureFixture[str], out: Path, *logs: Path) -> tuple[str, dict[str, Any]]:
    """The page, and the object of the same command."""
    code, told = report_told(capsys, "--out", str(out), "--logs", *map(str, logs))
    assert code == 0
    assert told["files"] == {"page": str(out)}
    return out.read_text("utf-8"), told


@pytest.fixture
def traded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """Twelve cycles in which every actor dies once."""
    words = ("--market", "synthetic", "--cycles", "12", "--faults", "crashes")
    ledger_traded(tmp_path / "logs", capsys, *words)
    return tmp_path / "logs"


def test_its_figures_are_those_of_json(
    traded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, told = page_told(capsys, tmp_path / "r.html", traded)
    page, (account,) = PageReader(text), told["accounts"]
    figures = page.column("t-figures")
    names = {
        "Cycles completed": "completed",
        "Entered and exited together": "together",
        "Cycles failed": "failed",
        "Cycles skipped": "skipped",
        "Cycles under way": "unfinished",
        "Closed by a later run": "adopted",
        "Cycle success": "success",
        "Fill rate of entering legs": "fill_rate",
        "Orders sent": "orders_sent",
        "Repairs": "repairs",
        "Volume, USD": "traded_usd",
        "Trading result, USD": "net_usd",
        "Result in no cycle, USD": "outside_cycles_usd",
        "Unhedged, USD·s": "unhedged_usd_s",
        "Most in one cycle, USD·s": "unhedged_most_usd_s",
        "Largest unhedged amount, USD": "unhedged_worst_usd",
        "Time unhedged, ms": "unhedged_ms",
        "Cycles unhedged for 1 ms or more": "unhedged_cycles",
    }
    assert figures == {"Whose money": ""} | {name: str(account[key]) for name, key in names.items()}
    per_million = page.column("t-costs", 1)
    assert list(per_million.values()) == [
        account["per_million_usd"][cause]["value"]
        for cause in (*account["costs_usd"], "trading_cost", "all_in")
    ]
    in_all = list(page.column("t-costs", 3).values())
    assert in_all[:9] == [*account["costs_usd"].values(), account["trading_cost_usd"]]
    imbalance = account["imbalance"].values()
    for number, key in (
        (1, "cycles"),
        (2, "above_promise"),
        (3, "median_bps"),
        (4, "p95_bps"),
        (5, "max_bps"),
    ):
        assert list(page.column("t-imbalance", number).values()) == [str(each[key]) for each in imbalance]
    restarts = page.column("t-wrong")["restarts"]
    assert restarts == str(account["happened"]["restart"]) == str(account["runs"][0]["restarts"])


def test_a_row_for_every_cycle_has_its_exact_figures(
    traded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, told = page_told(capsys, tmp_path / "r.html", traded)
    (account,) = told["accounts"]
    head, *rows = PageReader(text).tables["t-cycles"]
    place = {name: number for number, (name, _) in enumerate(head)}
    keys = {"Planned": "planned_bps", "Filled": "filled_bps", "Volume, USD": "traded_usd", "Fees": "fees_usd"}
    keys |= {"Result, USD": "net_usd", "Unhedged, USD·s": "unhedged_usd_s", "Spread": "spread_usd"}
    assert [row[0][0] for row in rows] == [str(cycle["cycle"]) for cycle in account["cycles"]]
    for row, cycle in zip(rows, account["cycles"], strict=True):
        assert {key: row[place[name]][1] for name, key in keys.items()} == {
            key: cycle[key] or "" for key in keys.values()
        }


def test_it_loads_nothing(traded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text, _ = page_told(capsys, tmp_path / "r.html", traded)
    assert "://" not in text
    assert re.findall(r"@import|url\((?!#)", text) == []
    tags = PageReader(text).tags
    assert {tag for tag, _ in tags} & {"script", "link", "img", "iframe", "object", "embed", "video"} == set()
    for tag, known in tags:
        assert known.get("src") is None, tag
        assert (known.get("href") or "#").startswith("#"), (tag, known)


def test_whoever_cannot_see_or_has_no_mouse_gets_all_of_it(
    traded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, told = page_told(capsys, tmp_path / "r.html", traded, traded.parent / "logs")
    page, (account,) = PageReader(text), told["accounts"]
    tags = page.tags
    assert ("html", {"lang": "en"}) in tags
    ids = Counter(known["id"] for _, known in tags if "id" in known)
    assert max(ids.values()) == 1, ids.most_common(3)
    charts = [known["aria-label"] or "" for tag, known in tags if tag == "svg"]
    assert len(charts) == 2
    largest = percent(Bps.of(account["imbalance"]["filled"]["max_bps"]))
    assert f"largest {largest}" in charts[1]
    regions = [known for _, known in tags if known.get("role") == "region"]
    assert len(regions) == len(page.tables)
    assert all(known["tabindex"] == "0" and known["aria-labelledby"] in page.tables for known in regions)
    heads = Counter(known.get("scope") for tag, known in tags if tag == "th")
    assert set(heads) == {"col", "row"}
    levels = [int(tag[1]) for tag, _ in tags if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert ("a", {"class": "skip", "href": "#figures"}) in tags
    assert "prefers-color-scheme: dark" in text


def test_charts_have_the_pages_colours_and_no_others(
    traded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Else they are black on black in the dark."""
    text, _ = page_told(capsys, tmp_path / "r.html", traded)
    drawn = "".join(re.findall(r"<svg.*?</svg>", text, flags=re.DOTALL))
    assert re.findall(r"#[0-9a-f]{6}", drawn) == []
    assert "var(--bar)" in drawn
    texts = re.findall(r'<text style="([^"]*)"', drawn)
    assert texts
    assert [style for style in texts if "fill: var(--" not in style] == []


def test_the_same_ledger_gives_the_same_bytes(
    traded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pages = [page_told(capsys, tmp_path / f"{number}.html", traded)[0] for number in (1, 2)]
    assert pages[0] == pages[1]


def test_several_ledgers_have_a_column_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, count in (("one", 1), ("two", 9)):
        story = Story()
        cycles_of(story, count)
        ledger_told(tmp_path / name, story.rows)
    text, told = page_told(capsys, tmp_path / "r.html", tmp_path / "one", tmp_path / "two")
    page = PageReader(text)
    assert [shown for shown, _ in page.tables["t-figures"][0]] == ["Figure", "one", "two"]
    for number, account in enumerate(told["accounts"]):
        assert page.column("t-figures", number + 1)["Volume, USD"] == account["traded_usd"]
        assert page.column("t-costs", 3 * number + 1)["fees"] == (account["per_million_usd"]["fees"]["value"])
    assert len(page.tables["t-cycles"]) == 1 + 1 + 9
    assert sum(tag == "svg" for tag, _ in page.tags) == 4


def test_labels_leave_out_what_all_folders_have_in_common(tmp_path: Path) -> None:
    desk = [str(tmp_path / name / "logs") for name in ("alpha", "beta")]
    assert labels_of(desk) == ["alpha/logs", "beta/logs"]
    assert labels_of(desk[:1]) == desk[:1]
    assert labels_of([str(tmp_path), desk[0]]) == [str(tmp_path), "alpha/logs"]


@pytest.mark.parametrize(
    ("venue", "said", "flatters"),
    [
        ("Nado-PAPER-mainnet:1", "PAPER on mainnet: no real money.", "Impact: "),
        ("Nado-simulated:1", "SIMULATED: no real money.", "The exchange was simulated"),
        ("mainnet", "", ""),
    ],
)
def test_play_money_is_said_first_with_what_it_flatters(
    venue: str, said: str, flatters: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    story = Story()
    cycles_of(story, 1)
    ledger_told(tmp_path / "logs", story.rows, msgspec.structs.replace(WHOSE, venue=venue))
    text, _ = page_told(capsys, tmp_path / "r.html", tmp_path / "logs")
    shown = PageReader(text).text
    before = shown[: shown.index("Is it flat?")]
    assert said in before
    assert flatters in before
    assert ("no real money" in before) is bool(said)


def test_an_empty_ledger_is_a_page_that_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ledger_told(tmp_path / "logs", [])
    text, _ = page_told(capsys, tmp_path / "r.html", tmp_path / "logs")
    page = PageReader(text)
    assert "Nothing was traded" in page.text
    assert "No pair was entered" in page.text
    assert "t-cycles" not in page.tables


def test_skips_restarts_and_halts_are_counted_and_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    story = Story()
    for number in (1, 2):
        story.tell(Skipped(number, "NO_BALANCE", "best 0.2 %", None))
    story.tell(Restarted("eth_leg", "<b>it hung</b>", Ms(40), 2))
    story.tell(Halted("DRAWDOWN", "300 USD"))
    ledger_told(tmp_path / "logs", story.rows)
    text, _ = page_told(capsys, tmp_path / "r.html", tmp_path / "logs")
    page = PageReader(text)
    assert page.column("t-wrong") == {"skipped: NO_BALANCE": "2", "restarts": "1", "halts": "1"}
    assert [row[3][0] for row in page.tables["t-happened"][1:]] == [
        "eth_leg, back after 40 ms: <b>it hung</b>",
        "DRAWDOWN: 300 USD",
    ]
    assert "HALTED, DRAWDOWN: 300 USD" in page.text


def test_of_very_many_cycles_the_newest_are_shown_and_the_others_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_module, "CYCLES_SHOWN", 3)
    story = Story()
    cycles_of(story, 5)
    ledger_told(tmp_path / "logs", story.rows)
    text, _ = page_told(capsys, tmp_path / "r.html", tmp_path / "logs")
    page = PageReader(text)
    assert [row[0][0] for row in page.tables["t-cycles"][1:]] == ["3", "4", "5"]
    assert "The newest 3 of 5 cycles" in page.text


def test_what_keeps_the_promise_is_drawn_left_of_the_line() -> None:
    limit = Bps(10 * ONE)
    assert [bin_of(Bps(value), limit) for value in (0, 10 * ONE, 10 * ONE + 1, 10**30)] == [
        0,
        BINS // 2 - 1,
        BINS // 2,
        BINS - 1,
    ]


def test_without_matplotlib_it_says_what_to_install_and_json_still_works(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    story = Story()
    cycles_of(story, 1)
    ledger_told(tmp_path / "logs", story.rows)
    out = tmp_path / "r.html"
    assert cli.main(["report", "--out", str(out), "--logs", str(tmp_path / "logs")]) == 3
    said = capsys.readouterr().err
    assert "pip install -c constraints.txt -e '.[report]'" in said
    assert not out.exists()
    assert report_told(capsys, "--logs", str(tmp_path / "logs"))[0] == 0


def test_a_page_is_replaced_and_any_other_file_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger_told(tmp_path / "logs", [])
    out = tmp_path / "r.html"
    first, _ = page_told(capsys, out, tmp_path / "logs")
    assert page_told(capsys, out, tmp_path / "logs")[0] == first
    out.write_text("<html>mine</html>")
    code, told = report_told(capsys, "--out", str(out), "--logs", str(tmp_path / "logs"))
    assert (code, told["error"]["code"], out.read_text()) == (2, "EXISTS", "<html>mine</html>")


def test_the_document_is_what_comes_of_the_command_and_names_every_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # at which second of a replay a pair was closed is not what this document is about
    there, made = (
        re.sub(r"\d\d:\d\d:\d\dZ", "TIME", text)
        for text in (PAGE.read_text(encoding="utf-8"), report_document())
    )
    assert there == made, "python -m tests.commands.report.report_page"
    capsys.readouterr()
    ledger_told(tmp_path / "logs", [])
    (account,) = report_told(capsys, "--logs", str(tmp_path / "logs"))[1]["accounts"]
    assert sorted(" ".join(KEYS).split()) == sorted(account)


@pytest.mark.process
@pytest.mark.parametrize("width", [390, 1280])
def test_a_browser_lays_it_out_without_scrolling_sideways(
    width: int, traded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no headless Chromium here")
    page_told(capsys, tmp_path / "r.html", traded)
    page = (tmp_path / "r.html").read_text("utf-8")
    inside = escape(page, quote=True)
    ask = (
        "const inner = document.querySelector('iframe').contentWindow;"
        "document.title = JSON.stringify([inner.innerWidth, inner.document.documentElement.scrollWidth,"
        "inner.performance.getEntriesByType('resource').length])"
    )
    # a window is 500 pixels wide at least; a frame is as narrow as a phone
    asked = (
        f'<!doctype html><title></title><iframe style="width:{width}px;height:900px;border:0"'
        f' srcdoc="{inside}"></iframe>'
        f"<script>addEventListener('load', () => {{ {ask} }})</script>"
    )
    (tmp_path / "asked.html").write_text(asked, "utf-8")
    words = [browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1600,900"]
    words += [f"--user-data-dir={tmp_path / 'browser'}", "--dump-dom", (tmp_path / "asked.html").as_uri()]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=True)
    found = re.search(r"<title>(\[.*?\])</title>", done.stdout)
    assert found is not None
    inner, scroll, loaded = json.loads(found[1])
    assert (inner, scroll <= inner, loaded) == (width, True, 0)
