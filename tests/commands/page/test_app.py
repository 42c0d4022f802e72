"""Who may ask the page for anything: by its name, from its own page, with the token. Everybody else gets
nothing.
"""

import json
from pathlib import Path

import pytest
import trio
from starlette.types import ASGIApp

from commands.page.app import (
    ASSETS,
    BODY_MAX,
    CLOSED_FULL,
    CLOSED_SLOW,
    CLOSED_TOKEN,
    SEND_S,
    TOKEN_S,
    page_app,
)
from commands.page.documents import CERTIFICATE_MAX, OPENED_MAX, OPENED_S, Documents
from commands.page.gate import PageGate
from commands.page.hub import CLIENTS_MAX, FLUSH_S, WAITING_MAX, PageHub
from tests.commands.page.asgi import OWN, TOKEN, Socket, requested
from tests.commands.page.told import Browser, begun, stands_now
from tests.commands.scenes import open_pair

HELD = {"authorization": f"Bearer {TOKEN}"} | OWN


class PageServed:
    """The application with all that stands behind it."""

    def __init__(self, logs: Path, *, answers: str | None = "asked") -> None:
        self.done: list[tuple[str, str]] = []
        self.hub = PageHub()
        self.answers = answers
        self.documents = Documents(logs, logs / "supervisor.py")
        self.app: ASGIApp = page_app(
            self.hub, PageGate.of("127.0.0.1", 8080, TOKEN), self._act, self.documents
        )
        self.hub.take(begun())

    async def _act(self, do: str, reason: str) -> str | None:
        self.done.append((do, reason))
        return self.answers


@pytest.fixture
def page(tmp_path: Path) -> PageServed:
    return PageServed(tmp_path)


# -- files ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", *ASSETS])
async def test_its_files_say_nothing_of_the_run_and_load_nothing_from_elsewhere(
    page: PageServed, name: str
) -> None:
    answered = await requested(page.app, f"/{name}", {"host": "localhost:8080"})
    assert answered.status == 200
    policy = answered.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http:" not in policy
    assert answered.headers["x-content-type-options"] == "nosniff"
    assert answered.headers["referrer-policy"] == "no-referrer"
    text = answered.body.decode()
    assert "SIMULATED, play money" not in text
    if name in {"", "index.html", "page.css", "page.js", "live.js", "charts.js", "uplot.css"}:
        assert "http://" not in text.replace("http://www.w3.org", "")
        assert "https://" not in text
        assert "style=" not in text
        assert "onclick=" not in text


async def test_the_library_has_its_licence_beside_it(page: PageServed) -> None:
    licence = await requested(page.app, "/uplot-licence.txt", OWN)
    assert b"Permission is hereby granted" in licence.body


# -- who is asked for ----------------------------------------------------------------------------------------

REBOUND = [
    "evil.example:8080",
    "127.0.0.1",
    "127.0.0.1:8081",
    "127.0.0.1:8080.evil.example",
    "",
    "10.0.0.1:8080",
]


@pytest.mark.parametrize("host", REBOUND)
@pytest.mark.parametrize("path", ["/", "/page.js", "/documents", "/do/halt", "/opened/x/y", "/nothing"])
async def test_a_rebound_name_gets_nothing(page: PageServed, host: str, path: str) -> None:
    body = {"reason": "x"} if path.startswith("/do") else None
    told = HELD | {"host": host, "origin": f"http://{host}"}
    answered = await requested(page.app, path, told, body=body)
    assert (answered.status, answered.body, page.done) == (403, b"", [])


async def test_two_host_lines_are_no_name(page: PageServed) -> None:
    class Twice(dict[str, str]):
        def items(self) -> object:  # type: ignore[override]
            return [("host", "127.0.0.1:8080"), ("host", "evil.example")]

    answered = await requested(page.app, "/", Twice())
    assert answered.status == 403


FOREIGN = [
    None,
    "null",
    "http://evil.example",
    "https://127.0.0.1:8080",
    "http://127.0.0.1:8081",
    "http://localhost:8080",
]


@pytest.mark.parametrize("origin", FOREIGN)
async def test_a_foreign_page_can_do_nothing_even_with_the_token(
    page: PageServed, origin: str | None
) -> None:
    told = {name: value for name, value in HELD.items() if name != "origin"}
    told |= {"origin": origin} if origin is not None else {}
    for path in ("/do/flatten", "/open"):
        answered = await requested(page.app, path, told, body={"reason": "x"})
        assert (answered.status, answered.body, page.done) == (403, b"", [])
    one = Socket()
    one.say({"token": TOKEN})
    await one.run(page.app, {name: value for name, value in told.items() if name != "authorization"})
    assert (one.accepted, one.taken, one.denied) == (False, [], 403)


@pytest.mark.parametrize("shown", ["", "Bearer", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x", TOKEN])
async def test_without_the_token_nothing_is_told_and_nothing_done(page: PageServed, shown: str) -> None:
    told = OWN | {"authorization": shown}
    for path, body in (("/do/halt", {"reason": "x"}), ("/open", {"name": "report"}), ("/documents", None)):
        answered = await requested(page.app, path, told, body=body)
        assert (answered.status, answered.body) == (403, b"")
    assert page.done == []


def test_a_token_that_could_be_guessed_is_none() -> None:
    with pytest.raises(ValueError, match="at least 32"):
        PageGate.of("127.0.0.1", 8080, "secret")


def test_a_page_behind_a_proxy_goes_by_the_proxys_name_and_scheme() -> None:
    gate = PageGate.of("127.0.0.1", 8080, TOKEN, name="Trade.example:443")
    assert gate.from_us({"host": "trade.example", "origin": "https://trade.example"})
    assert not gate.from_us({"host": "trade.example", "origin": "http://trade.example"})
    assert gate.from_us(OWN)
    # the page of one of our names asks by that name
    assert not gate.from_us({"host": "127.0.0.1:8080", "origin": "https://trade.example"})
    assert PageGate.of("::1", 80, TOKEN).origins == ("http://[::1]",)
    assert PageGate.of("0.0.0.0", 8443, TOKEN, name="a.example:8443", encrypted=True).origins == (  # noqa: S104
        "https://a.example:8443",
    )


# -- what it can do ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["pause", "resume", "flatten", "halt"])
async def test_an_action_reaches_the_run_with_its_reason(page: PageServed, what: str) -> None:
    answered = await requested(page.app, f"/do/{what}", HELD, body={"reason": "  going\n away "})
    assert json.loads(answered.body) == {"done": True, "words": "asked"}
    assert page.done == [(what, "going away")]


async def test_a_run_that_does_not_answer_is_not_said_to_have_done_it(tmp_path: Path) -> None:
    page = PageServed(tmp_path, answers=None)
    answered = await requested(page.app, "/do/flatten", HELD, body={})
    assert json.loads(answered.body)["done"] is False


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/do/sell", {"reason": ""}, 404),
        ("/do/halt", {"reason": "", "more": 1}, 400),
        ("/do/halt", {"reason": "x" * BODY_MAX}, 400),
        ("/do/halt", [], 400),
        ("/open", {"name": 7}, 400),
    ],
)
async def test_what_is_no_action_does_nothing(page: PageServed, path: str, body: object, status: int) -> None:
    answered = await requested(page.app, path, HELD, body=body)
    assert (answered.status, page.done) == (status, [])
    assert (await requested(page.app, "/do/halt", HELD, method="GET")).status == 405


# -- who looks -----------------------------------------------------------------------------------------------


async def test_a_browser_is_given_all_of_it_then_what_changes(
    page: PageServed, autojump_clock: object
) -> None:
    one, browser = Socket(), Browser()
    one.say({"token": TOKEN})
    async with trio.open_nursery() as nursery:
        nursery.start_soon(page.hub.run)
        nursery.start_soon(one.run, page.app, OWN)
        await one.until(1)
        page.hub.take(stands_now(1, open_pair()))
        await one.until(2)
        for content in one.taken:
            browser.take(content)
        assert browser.sections["standing"]["title"] == "Hedged"
        one.leave()
        await trio.sleep(1)
        assert page.hub.looking == 0
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("first", [{"token": "wrong"}, {"token": 7}, "token", [], {"token": TOKEN + " "}])
async def test_a_wrong_token_is_told_nothing(page: PageServed, first: object, autojump_clock: object) -> None:
    one = Socket()
    one.say(first)
    await one.run(page.app, OWN)
    assert (one.taken, one.closed, page.hub.looking) == ([], CLOSED_TOKEN, 0)


async def test_who_says_nothing_is_not_waited_for(page: PageServed, autojump_clock: object) -> None:
    one = Socket()
    began = trio.current_time()
    await one.run(page.app, OWN)
    assert (one.taken, one.closed) == ([], CLOSED_TOKEN)
    assert trio.current_time() == began + TOKEN_S


async def test_who_never_reads_is_dropped_and_holds_nobody(page: PageServed, autojump_clock: object) -> None:
    deaf, reads, browser = Socket(reads=False), Socket(), Browser()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(page.hub.run)
        for each in (deaf, reads):
            each.say({"token": TOKEN})
            nursery.start_soon(each.run, page.app, OWN)
        await reads.until(1)
        for number in range(1, 3 * WAITING_MAX):
            page.hub.take(stands_now(number, open_pair(), f"line {number}"))
            await trio.sleep(FLUSH_S)
        await trio.sleep(SEND_S)
        assert page.hub.looking == 1
        for content in reads.taken:
            browser.take(content)
        assert browser.sections["standing"]["doing"] == f"line {3 * WAITING_MAX - 1}"
        assert deaf.closed == CLOSED_SLOW
        nursery.cancel_scope.cancel()


async def test_one_too_many_is_told_to_come_back(page: PageServed, autojump_clock: object) -> None:
    contexts = [page.hub.client() for _ in range(CLIENTS_MAX)]
    for context in contexts:
        context.__enter__()
    one = Socket()
    one.say({"token": TOKEN})
    await one.run(page.app, OWN)
    assert (one.taken, one.closed) == ([], CLOSED_FULL)


# -- what it opens -------------------------------------------------------------------------------------------


async def test_a_certificate_is_opened_by_an_address_that_nobody_can_guess(
    page: PageServed, tmp_path: Path, autojump_clock: object
) -> None:
    folder = tmp_path / "certificates"
    folder.mkdir()
    (folder / "cycle-1.json").write_text('{"cycle": 1}')
    (tmp_path / "evenkeel.log").write_text("secret")
    listed = await requested(page.app, "/documents", {k: v for k, v in HELD.items() if k != "origin"})
    assert json.loads(listed.body) == {"certificates": ["cycle-1.json"]}
    made = json.loads((await requested(page.app, "/open", HELD, body={"name": "cycle-1.json"})).body)
    opened = await requested(page.app, made["url"], {"host": "127.0.0.1:8080"})
    assert (opened.status, opened.body) == (200, b'{"cycle": 1}')
    assert "sandbox" in opened.headers["content-security-policy"]
    other = made["url"].replace("cycle-1", "cycle-2")
    assert (await requested(page.app, other, OWN)).status == 404
    await trio.sleep(OPENED_S)
    assert (await requested(page.app, made["url"], OWN)).status == 404


@pytest.mark.parametrize(
    "name", ["../evenkeel.log", "/etc/passwd", "cycle-9.json", "", "certificates/cycle-1.json"]
)
async def test_nothing_but_certificates_can_be_opened(page: PageServed, tmp_path: Path, name: str) -> None:
    (tmp_path / "certificates").mkdir()
    (tmp_path / "evenkeel.log").write_text("secret")
    made = json.loads((await requested(page.app, "/open", HELD, body={"name": name})).body)
    assert made == {"url": None, "words": "There is no such certificate."}


async def test_what_is_too_long_or_gone_is_not_opened_and_old_addresses_are_forgotten(
    page: PageServed, tmp_path: Path
) -> None:
    folder = tmp_path / "certificates"
    folder.mkdir()
    (folder / "long.json").write_bytes(b" " * (CERTIFICATE_MAX + 1))
    assert (await page.documents.open("long.json")).url is None
    (folder / "one.json").write_text("{}")
    urls = [(await page.documents.open("one.json")).url for _ in range(OPENED_MAX + 1)]
    found = [page.documents.opened(str(url).split("/")[2]) is not None for url in urls]
    assert found == [False] + [True] * OPENED_MAX


async def test_the_report_is_made_by_the_report_command_or_it_is_said_why_not(tmp_path: Path) -> None:
    program = tmp_path / "supervisor.py"
    program.write_text("import sys; open(sys.argv[sys.argv.index('--out') + 1], 'w').write('<p>made')")
    made = await Documents(tmp_path, program).open("report")
    assert made.url is not None
    program.write_text("import sys; sys.exit('matplotlib is not installed')")
    assert (await Documents(tmp_path, program).open("report")).words == "matplotlib is not installed"
