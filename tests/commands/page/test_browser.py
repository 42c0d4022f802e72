"""The page in a real browser, beside a real run: numbers move, who dies turns red and comes back, flatten
ends flat, and who has no right to it gets nothing.
"""

import http.server
import json
import os
import re
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
import trio

from commands.output.events import SaidEvent
from commands.page.state import LOG_KEPT
from tests.commands.output.event_samples import sample_lines
from tests.commands.page.asgi import TOKEN
from tests.commands.page.browser import PageBrowser
from tests.commands.page.test_serving import served_page
from tests.commands.page.told import begun, eventful_run
from tests.leftovers import end, left
from tests.processes.test_processes import FLAT, started
from tests.processes.waiting import until

pytestmark = pytest.mark.process
ACTORS = {"market_data", "account", "ledger", "eth_leg", "sol_leg", "sizing"}


@pytest.fixture(scope="module")
def shared_browser() -> Iterator[PageBrowser]:
    browser = PageBrowser(told="evil.example")
    yield browser
    browser.close()


@pytest.fixture
def browser(shared_browser: PageBrowser) -> Iterator[PageBrowser]:
    shared_browser.shaped(1440, 1000)
    shared_browser.complaints()
    shared_browser.asked_for()
    yield shared_browser
    shared_browser.driver.get("about:blank")


class PagedRun:
    """A real run with its page."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            self.port = taken.getsockname()[1]
        address = f"127.0.0.1:{self.port}"
        words = ("run", *arguments, "--logs", str(folder / "logs"), "--page", address, "--events")
        self.process = started(folder, *words, own_session=True)
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.url = until(self._address)

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.lines.extend(self.process.stdout)

    def _address(self) -> str:
        found = (re.search(r"page: (http://\S+#token=[\w-]+)", line) for line in tuple(self.lines))
        return next((each[1] for each in found if each), "")

    @property
    def token(self) -> str:
        return self.url.partition("#token=")[2]

    def watcher(self) -> int:
        """Its watcher's process id."""
        return until(lambda: next(iter(left(str(self.folder), "supervisor.py watcher")), 0))

    def stopped(self) -> dict[str, object]:
        """Its one object, once it has ended."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        self.process.wait(60)
        self._reader.join(20)
        told: dict[str, object] = json.loads(self.lines[-1])
        return told


Begin = Callable[..., PagedRun]


@pytest.fixture
def begin_run(tmp_path: Path) -> Iterator[Begin]:
    """Starts a run that goes on until it is stopped."""
    begun: list[PagedRun] = []

    def begin(*arguments: str) -> PagedRun:
        begun.append(PagedRun(tmp_path, *FLAT, "--cycles", "forever", *arguments))
        return begun[-1]

    yield begin
    for run in begun:
        if run.process.poll() is None:
            run.process.kill()
        run.process.communicate()
    end(left(str(tmp_path), "supervisor.py"))


def test_numbers_move_and_nothing_comes_from_elsewhere(browser: PageBrowser, begin_run: Begin) -> None:
    run = begin_run()
    browser.driver.get(run.url)
    browser.until(lambda: "live" in browser.text("link-words"))
    # the token is in no address that stays
    assert "token" not in browser.driver.current_url
    first = browser.until(lambda: "completed" in browser.text("progress") and browser.text("progress"))
    browser.until(lambda: browser.text("progress") != first)
    browser.until(lambda: "within 0.1 %" in browser.text("imbalance-words"))
    seen = {browser.until(lambda: browser.text("stands"))}
    browser.until(lambda: seen.add(browser.text("stands")) or {"Hedged"} <= seen)  # type: ignore[func-returns-value]
    for name in ("books", "votes", "legs", "causes", "hops", "tree", "log", "unhedged"):
        browser.until(
            lambda name=name: browser.run(
                "return document.getElementById(arguments[0]).children.length", name
            )
        )
    for chart in ("imbalance-chart", "cost-chart", "unhedged-chart"):
        browser.until(
            lambda chart=chart: browser.run(
                "return document.querySelectorAll('#' + arguments[0] + ' canvas').length", chart
            )
        )
    assert "READY" in browser.text("votes")
    assert browser.text("digest").startswith(("One digest", "Digest"))
    age = browser.run("return document.querySelector('#books td:nth-child(5)').textContent")
    browser.until(
        lambda: browser.run("return document.querySelector('#books td:nth-child(5)').textContent") != age
    )
    assert browser.complaints() == []
    own = (f"http://127.0.0.1:{run.port}/", f"ws://127.0.0.1:{run.port}/", "data:,")
    asked = browser.asked_for()
    assert len(asked) > 5
    assert [url for url in asked if not url.startswith(own)] == []
    told = run.stopped()
    assert (told["open_eth"], told["open_sol"], told["failed"]) == ("0", "0", 0)
    browser.until(lambda: browser.text("stands") == "Ended flat")


WATCH = """
window.states = {};
new MutationObserver(() => {
  for (const node of document.querySelectorAll('#tree li')) {
    const known = (window.states[node.dataset.actor] ??= []);
    const red = getComputedStyle(node.querySelector('.name'), '::before').backgroundColor;
    const word = node.dataset.state + ' ' + red;
    if (known.at(-1) !== word) known.push(word);
  }
}).observe(document.getElementById('tree'), { subtree: true, attributes: true, childList: true });
"""


def test_who_is_killed_turns_red_and_back(browser: PageBrowser, begin_run: Begin) -> None:
    run = begin_run("--faults", "crashes", "--hold", "1 s", "--set", "legging_known=60 s")
    browser.driver.get(run.url)
    browser.run(WATCH)

    def seen() -> dict[str, list[str]]:
        return dict(browser.run("return window.states"))

    def red_and_back(states: list[str]) -> bool:
        words = [state.split(" ")[0] for state in states]
        died = next((place for place, word in enumerate(words) if word in {"down", "back"}), None)
        return died is not None and "up" in words[died:]

    browser.until(lambda: {name for name, states in seen().items() if red_and_back(states)} >= ACTORS, 60)
    colours = {
        state.split(" ", 1)[1] for states in seen().values() for state in states if state.startswith("back")
    }
    green = {
        state.split(" ", 1)[1] for states in seen().values() for state in states if state.startswith("up")
    }
    assert colours
    assert not colours & green
    assert "restart" in browser.text("tree")
    assert int(browser.text("epoch").split()[1]) > 1


def test_flatten_by_keyboard_ends_flat(browser: PageBrowser, begin_run: Begin) -> None:
    from selenium.webdriver import ActionChains, Keys

    run = begin_run("--hold", "1 h")
    browser.driver.get(run.url)
    browser.until(lambda: browser.text("stands") == "Hedged")

    def pressed(*keys: str) -> None:
        ActionChains(browser.driver).send_keys(*keys).perform()

    def focused() -> str:
        return str(browser.run("return document.activeElement.textContent || document.activeElement.id"))

    order = []
    for _ in range(8):
        pressed(Keys.TAB)
        order.append(focused())
        if order[-1] == "Flatten":
            break
    assert order[0].startswith("Skip to")
    assert order[-2:] == ["Pause", "Flatten"]
    pressed(Keys.ENTER)
    browser.until(lambda: browser.run("return document.getElementById('confirm').open"))
    # a slip closes nothing
    pressed("going away", Keys.TAB, "flat", Keys.ENTER)
    assert browser.run("return document.getElementById('yes').disabled")
    assert browser.text("stands") == "Hedged"
    pressed("ten", Keys.ENTER)
    browser.until(lambda: browser.text("stands") == "Ended flat")
    told = run.stopped()
    assert (told["exit_code"], told["open_eth"], told["open_sol"]) == (3, "0", "0")
    assert "going away" in (run.folder / "logs" / "evenkeel.log").read_text()
    assert browser.run("return [...document.querySelectorAll('[data-do]')].every((each) => each.disabled)")


def test_escape_leaves_everything_as_it_is(browser: PageBrowser, begin_run: Begin) -> None:
    from selenium.webdriver import ActionChains, Keys

    run = begin_run("--hold", "1 h")
    browser.driver.get(run.url)
    browser.until(lambda: browser.text("stands") == "Hedged")
    browser.run("const halt = document.querySelector('[data-do=halt]'); halt.focus(); halt.click()")
    ActionChains(browser.driver).send_keys(Keys.TAB, "halt", Keys.ESCAPE).perform()
    assert not browser.run("return document.getElementById('confirm').open")
    assert browser.run("return document.activeElement.textContent") == "Halt"
    assert run.process.poll() is None
    assert browser.text("stands") == "Hedged"


def test_a_pause_is_a_pause_and_can_be_taken_back(browser: PageBrowser, begin_run: Begin) -> None:
    from selenium.webdriver import ActionChains, Keys

    run = begin_run()
    browser.driver.get(run.url)
    browser.until(lambda: "completed" in browser.text("progress"))

    def confirmed(word: str) -> None:
        browser.until(lambda: browser.text("pause").lower() == word)
        browser.run("document.getElementById('pause').click()")
        ActionChains(browser.driver).send_keys(Keys.TAB, word, Keys.ENTER).perform()

    confirmed("pause")
    browser.until(lambda: browser.text("doing").startswith("PAUSED"))
    confirmed("resume")
    browser.until(lambda: browser.text("stands") == "Hedged")
    assert run.process.poll() is None


def test_after_a_watcher_that_dies_nothing_is_missing(browser: PageBrowser, begin_run: Begin) -> None:
    run = begin_run()
    browser.driver.get(run.url)
    browser.until(lambda: "4 completed" in browser.text("progress"))

    def cycles() -> list[int]:
        return [int(each) for each in browser.run("return [...window.page.live.rows.cycles.keys()]")]

    before = cycles()
    os.kill(run.watcher(), signal.SIGKILL)
    browser.until(lambda: "old" in browser.text("link-words"))
    browser.until(lambda: browser.text("link-words") == "live")
    # what was before is there as well as what is new
    browser.until(lambda: set(before) < set(cycles()))
    assert cycles() == list(range(1, len(cycles()) + 1))
    assert "eth_leg" in browser.text("tree")
    assert run.stopped()["failed"] == 0


def test_a_wrong_token_shows_nothing_of_the_run(browser: PageBrowser, begin_run: Begin) -> None:
    run = begin_run()
    browser.driver.get(run.url.replace(run.token, "x" * len(run.token)))
    browser.until(lambda: browser.run("return document.getElementById('token').open"))
    assert browser.text("stands") == "Connecting"
    assert browser.text("money") == ""
    assert browser.run("return window.page.live.sections") == {}
    done = browser.driver.execute_async_script(
        """
        const done = arguments[arguments.length - 1];
        fetch('/do/flatten', { method: 'POST', headers: { authorization: 'Bearer wrong' }, body: '{}' })
          .then(async (answer) => done([answer.status, await answer.text()]));
        """
    )
    assert done == [403, ""]
    assert run.process.poll() is None


class Elsewhere(http.server.BaseHTTPRequestHandler):
    """Somebody else's page."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(b"<title>elsewhere</title>")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        return


ATTACK = """
const [port, token, done] = arguments;
const own = `127.0.0.1:${port}`;
const found = {};
const said = (path, more) => fetch(`http://${own}${path}`, more).then((answer) => answer.text());
const shown = { authorization: `Bearer ${token}` };
const tries = {
  read: () => said('/documents', { headers: shown }),
  blind: () => said('/do/flatten', { method: 'POST', mode: 'no-cors', body: '{}' }),
  act: () => said('/do/flatten', { method: 'POST', headers: shown, body: '{}' }),
  live: () => new Promise((resolve) => {
    const socket = new WebSocket(`ws://${own}/live`);
    socket.onopen = () => socket.send(JSON.stringify({ token }));
    socket.onmessage = (message) => resolve(message.data);
    socket.onclose = () => resolve('');
  }),
  frame: () => new Promise((resolve) => {
    const frame = document.createElement('iframe');
    frame.onload = () => {
      try { resolve(frame.contentDocument.body.textContent); } catch (error) { resolve(''); }
    };
    frame.src = `http://${own}/`;
    document.body.append(frame);
  }),
};
(async () => {
  for (const [name, attempt] of Object.entries(tries)) {
    try { found[name] = await attempt(); } catch (error) { found[name] = ''; }
  }
  done(found);
})();
"""


def test_a_foreign_page_gets_nothing_even_with_the_token(browser: PageBrowser, begin_run: Begin) -> None:
    run = begin_run("--hold", "1 h")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) as other:
        thread = threading.Thread(target=other.serve_forever, daemon=True)
        thread.start()
        for host in ("127.0.0.1", "localhost", "evil.example"):
            browser.driver.get(f"http://{host}:{other.server_address[1]}/")
            found = browser.driver.execute_async_script(ATTACK, run.port, run.token)
            assert found == dict.fromkeys(("read", "blind", "act", "live", "frame"), ""), host
        other.shutdown()
        thread.join(20)
    assert run.process.poll() is None
    assert all("FLATTENED" not in line for line in run.lines)


def test_a_rebound_name_gets_nothing(browser: PageBrowser, begin_run: Begin) -> None:
    """The name leads to this machine, as DNS rebinding has it, and the page would be of its own origin."""
    run = begin_run("--hold", "1 h")
    for path in ("", "page.js", "documents"):
        browser.driver.get(f"http://evil.example:{run.port}/{path}#token={run.token}")
        shown = str(browser.run("return document.documentElement.textContent"))
        assert "403" in shown  # the browser's own page for an answer with nothing in it
        assert "hedge" not in shown
    found = browser.driver.execute_async_script(
        """
        const [host, token, done] = arguments;
        const socket = new WebSocket(`ws://${host}/live`);
        socket.onopen = () => socket.send(JSON.stringify({ token }));
        socket.onmessage = (message) => done(message.data);
        socket.onclose = () => done('');
        """,
        f"evil.example:{run.port}",
        run.token,
    )
    assert found == ""
    assert run.process.poll() is None


def test_it_fits_a_phone_and_every_control_has_a_name(browser: PageBrowser, begin_run: Begin) -> None:
    run = begin_run()
    browser.driver.get(run.url)
    browser.until(lambda: "within 0.1 %" in browser.text("imbalance-words"))
    for width in (320, 390, 820, 1440):
        browser.shaped(width, 844, phone=width < 500)
        wide = "return [document.scrollingElement.scrollWidth, window.innerWidth]"
        browser.until(lambda wide=wide: len(set(browser.run(wide))) == 1)
    tree = browser.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    named = [
        (node["role"]["value"], node.get("name", {}).get("value", ""))
        for node in tree
        if not node.get("ignored") and "role" in node
    ]
    roles = {role for role, _ in named}
    assert roles >= {"banner", "main", "contentinfo", "region", "status", "heading", "table", "list"}
    controls = {"button", "textbox", "searchbox", "combobox", "checkbox", "link", "region", "image", "dialog"}
    assert [role for role, name in named if role in controls and not name.strip()] == []
    assert browser.run("return document.querySelectorAll('h1').length") == 1


def test_the_report_and_a_certificate_open_from_it(browser: PageBrowser, begin_run: Begin) -> None:
    run = begin_run()
    browser.driver.get(run.url)
    browser.until(lambda: "2 completed" in browser.text("progress"))
    first = browser.driver.current_window_handle
    for press, title in (("report", "Evenkeel report"), ("certificates", "")):
        if press == "certificates":
            browser.run("document.getElementById('list').click()")
            browser.until(
                lambda: browser.run("return document.querySelectorAll('#certificates button').length")
            )
            browser.run("document.querySelector('#certificates button').click()")
        else:
            browser.run("document.getElementById('report').click()")
        browser.until(lambda: len(browser.driver.window_handles) == 2)
        browser.driver.switch_to.window(next(each for each in browser.driver.window_handles if each != first))
        browser.until(lambda: "/opened/" in browser.driver.current_url)
        shown = str(browser.run("return document.documentElement.textContent"))
        assert title in shown
        assert len(shown) > 500
        browser.driver.close()
        browser.driver.switch_to.window(first)
    assert run.stopped()["failed"] == 0


HOUR = 18_000
"""Events of an hour at five a second."""


class FedPage:
    """A page that is fed as quickly as a browser takes it, in a thread of its own."""

    def __init__(self, folder: Path) -> None:
        self.port = 0
        self.fed = 0
        self._folder = folder
        self._wanted = 0
        self._over = False
        self._served = threading.Event()
        self._thread = threading.Thread(target=lambda: trio.run(self._serve), daemon=True)
        self._thread.start()
        assert self._served.wait(20)

    async def _serve(self) -> None:
        async with served_page(self._folder) as (hub, self.port):
            self._served.set()
            said = next(line for line in sample_lines() if isinstance(line, SaidEvent))
            hub.take(begun())
            while not self._over:
                while self.fed < self._wanted:
                    for event in eventful_run(self.fed, 60)[1:]:
                        self.fed += 2
                        hub.take(msgspec.structs.replace(event, seq=self.fed - 1))
                        hub.take(msgspec.structs.replace(said, seq=self.fed, text=f"line {self.fed}"))
                    hub.flush()
                    await trio.sleep(0.02)
                await trio.sleep(0.05)

    def feed(self, count: int) -> None:
        """So many events more; returns when they are told."""
        self._wanted += count
        until(lambda: self.fed >= self._wanted, 120)

    def close(self) -> None:
        self._over = True
        self._thread.join(20)


def test_a_page_that_is_open_for_hours_does_not_grow(browser: PageBrowser, tmp_path: Path) -> None:
    """Two hours fill what is kept; three more may add nothing to it."""
    page = FedPage(tmp_path)
    try:
        browser.driver.get(f"http://127.0.0.1:{page.port}/#token={TOKEN}")
        browser.until(lambda: browser.text("link-words") == "live")
        sizes = []
        for hours in (2, 3):
            page.feed(hours * HOUR)
            last = f"line {page.fed}"
            browser.until(lambda last=last: last in browser.text("log"), 60)
            sizes.append(browser.measured())
        (heap, nodes), (heap_after, nodes_after) = sizes
        assert browser.count("#log li") == LOG_KEPT
        assert nodes_after <= nodes * 1.1, sizes
        assert heap_after <= heap * 1.15, sizes
        assert browser.run("return window.page.live.tries") == 0
        assert browser.complaints() == []
    finally:
        page.close()


def test_a_browser_that_missed_something_begins_with_all_of_it(browser: PageBrowser, tmp_path: Path) -> None:
    page = FedPage(tmp_path)
    try:
        browser.driver.get(f"http://127.0.0.1:{page.port}/#token={TOKEN}")
        browser.until(lambda: browser.text("link-words") == "live")
        page.feed(200)
        browser.until(lambda: f"line {page.fed}" in browser.text("log"))
        skipped = '{"seq": 1000000, "now": 0, "set": {"standing": null}, "rows": {}}'
        browser.run("window.page.live.socket.onmessage({ data: arguments[0] })", skipped)
        browser.until(lambda: "old" in browser.text("link-words"))
        browser.until(lambda: browser.text("link-words") == "live")
        page.feed(200)
        browser.until(lambda: f"line {page.fed}" in browser.text("log"))
        assert browser.run("return window.page.live.sections.standing !== null")
    finally:
        page.close()


def test_a_run_that_was_killed_is_not_said_to_be_flat(browser: PageBrowser, begin_run: Begin) -> None:
    run = begin_run("--hold", "1 h")
    browser.driver.get(run.url)
    browser.until(lambda: browser.text("stands") == "Hedged")
    run.process.kill()
    browser.until(lambda: browser.text("stands") == "The run is gone")
    assert "what is open is not known" in browser.text("words")
    assert browser.run("return document.getElementById('standing').dataset.mood") == "bad"
    browser.until(lambda: "old" in browser.text("link-words"))
    assert browser.text("stands") == "The run is gone"
