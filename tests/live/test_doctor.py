"""Every check of `doctor`, when all is well and when it is not, against the simulated venue in memory on
virtual time.
"""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import trio

from actors.ledger import Store
from commands.access.venue import access
from commands.checks import account, machine, venue
from commands.checks.answered_venue import AnsweredVenue
from commands.checks.finding import Finding
from commands.config.effective import Loaded, load
from commands.doctor.command import as_object, code_of, line, verdict
from commands.doctor.examination import CHECKS, Subject, checked, examine, subject_of
from commands.setup.connecting import connected
from messages.lifecycle import Opened, Started
from messages.settings import Settings
from messages.units import Base, Ns, Price, Quote
from runtime.clock import RunClock
from tests.live.served import KEY, SENDER, served
from tests.live.typed import typed, written
from tests.venue.simulated.desk import START_NS, Floor, floor, order
from venue.nado.agreement import Disagreement
from venue.nado.networks import NETWORKS, Network
from venue.nado.signing import Signer
from venue.protocol import Unreachable
from venue.simulated.engine.events import Traded
from venue.simulated.gateway.asgi import application

pytestmark = pytest.mark.filterwarnings(
    "ignore:'collections.abc.ByteString' is deprecated:DeprecationWarning"
)
STRANGER = Signer(bytes.fromhex("57a6" * 16))


def configured(*changes: str, logs: Path | None = None) -> Loaded:
    typed = dict(pair.split("=", 1) for pair in written(*changes)[1::2])
    return load(None, {}, typed | {"venue.name": "testnet"} | ({"files.logs": str(logs)} if logs else {}))


@asynccontextmanager
async def asked(
    there: Floor, *changes: str, logs: Path | None = None, replacing: dict[str, Any] | None = None
) -> AsyncIterator[AnsweredVenue]:
    """The venue and our account as the checks see them; `replacing` alters who we are."""
    settings = configured(*changes, logs=logs).settings
    here = access(settings, "http://venue", {"NADO_PRIVATE_KEY": KEY.hex()}, lambda _path: "")
    here = msgspec.structs.replace(here, **(replacing or {}))
    transport = httpx.ASGITransport(app=application(there.venue))
    async with connected(
        settings, here, 7, lambda _message: None, there.dialer, transport, RunClock(START_NS)
    ) as known:
        yield known


@asynccontextmanager
async def funded() -> AsyncIterator[Floor]:
    async with floor() as there:
        there.venue.fund(SENDER, Quote.of(10_000))
        yield there


Prepare = Callable[[Floor, pytest.MonkeyPatch], object]
NOTHING: Prepare = lambda _there, _monkeypatch: None  # noqa: E731


def hold(product_id: int, amount: str) -> Prepare:
    def prepare(there: Floor, _monkeypatch: pytest.MonkeyPatch) -> None:
        mine = there.venue.exchange.accounts[SENDER]
        mine.positions[product_id] = mine.position(product_id).changed(Base.of(amount), Quote(0))

    return prepare


def moving(eth: str, sol: str) -> Prepare:
    """Both products have traded in each 5 minutes of the day, each so much up and down."""

    def prepare(there: Floor, _monkeypatch: pytest.MonkeyPatch) -> None:
        for product_id, share in ((4, eth), (8, sol)):
            for number in reversed(range(289)):
                price = Price.of(str(100 * (1 + Decimal(share) * (number % 2))))
                at_ns = Ns(there.venue.now_ns() - number * 300 * 10**9)
                there.venue.candles.take(Traded(product_id, price, Base.of(1), True, at_ns))

    return prepare


def ahead(there: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    now_ns = there.venue.now_ns
    monkeypatch.setattr(there.venue, "now_ns", lambda: now_ns() + 251_000_000)


def far(there: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    handle = httpx.ASGITransport.handle_async_request

    async def slowly(transport: httpx.ASGITransport, request: httpx.Request) -> httpx.Response:
        await trio.sleep(0.25)
        response = await handle(transport, request)
        await trio.sleep(0.25)
        return response

    monkeypatch.setattr(httpx.ASGITransport, "handle_async_request", slowly)


def disagreeing(_there: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    def disagrees(*_asked: object) -> int:
        raise Disagreement("nado-protocol signs CANCEL_ORDERS differently")

    monkeypatch.setattr(account, "agree", disagrees)


def link(to: str) -> Prepare:
    return lambda there, _monkeypatch: setattr(there.venue.exchange.accounts[SENDER], "linked_signer", to)


def elsewhere(chain_id: int = 1, endpoint: str = "") -> dict[str, Any]:
    known = NETWORKS["testnet"]
    return {"network": Network("", "", chain_id, endpoint or known.endpoint)}


TABLE: list[tuple[str, str, str, Prepare, tuple[str, ...], dict[str, Any]]] = [
    ("contracts", "ok", "may have any", NOTHING, (), {}),
    ("contracts", "ok", "chain 763373", NOTHING, (), {"network": NETWORKS["testnet"]}),
    ("contracts", "fail", "but testnet is chain 1", NOTHING, (), elsewhere()),
    ("contracts", "fail", "this release knows 0x00", NOTHING, (), elsewhere(763373, "0x" + "00" * 20)),
    ("status", "ok", "active", NOTHING, (), {}),
    (
        "status",
        "fail",
        '"failed", not active',
        lambda there, _m: setattr(there.venue.incidents, "status", "failed"),
        (),
        {},
    ),
    ("sockets", "ok", "permessage-deflate agreed", NOTHING, (), {}),
    ("sockets", "fail", "there is no key", NOTHING, (), {"signer": None}),
    ("sockets", "fail", "2028", NOTHING, (), {"signer": STRANGER}),
    ("sockets", "fail", "nobody listens", lambda there, _m: setattr(there.dialer, "refusing", True), (), {}),
    ("products", "ok", "ETH-PERP tick 0.1 step 0.001", NOTHING, (), {}),
    (
        "fees",
        "ok",
        "tier 0: taker 3.5 bp, maker 1 bp; a cycle of 1,000 USD per leg pays 1.40 USD",
        NOTHING,
        (),
        {},
    ),
    (
        "minimum",
        "ok",
        "1,000 USD per leg is 0.357 ETH / 8.5 SOL at current prices, 0.061 % apart",
        NOTHING,
        (),
        {},
    ),
    (
        "volatility",
        "warn",
        "not known how much ETH and SOL moved over the last day: ETH-PERP",
        NOTHING,
        (),
        {},
    ),
    ("volatility", "ok", "the SOL leg moves 1.20 times as much", moving("0.001", "0.0012"), (), {}),
    ("volatility", "warn", "the SOL leg moves 2.00 times as much", moving("0.001", "0.002"), (), {}),
    (
        "volatility",
        "ok",
        "with hedge_ratio = 0.6 the SOL leg moves 1.20 times as much",
        moving("0.001", "0.002"),
        ("hedge_ratio=0.6",),
        {},
    ),
    (
        "minimum",
        "warn",
        "100 USD per leg is 0.042 ETH / 1 SOL at current prices, 0.061 % apart; lots are coarse",
        NOTHING,
        ("target=100 USD",),
        {},
    ),
    (
        "minimum",
        "fail",
        (
            "96.54 USD per leg cannot be traded here: no whole number of SOL lots of 0.1 costs between 105"
            " USD (minimum of"
        ),
        NOTHING,
        ("target=96.54 USD",),
        {},
    ),
    (
        "windows",
        "ok",
        "nothing is entered in Thu 13:50-14:20 UTC",
        NOTHING,
        ('no_entry_utc=["Thu 13:50-14:20"]',),
        {},
    ),
    ("exits", "ok", "neither take_profit nor stop_loss is set", NOTHING, (), {}),
    (
        "exits",
        "ok",
        "take_profit = 5.00 bps, stop_loss = 30.00 bps: more than a pair costs",
        NOTHING,
        ("take_profit=5 bps", "stop_loss=30 bps"),
        {},
    ),
    ("exits", "fail", "stop_loss: 7.00 bps is not more than", NOTHING, ("stop_loss=7 bps",), {}),
    ("windows", "warn", "nothing is entered in Mon 13:50-14:20 UTC", NOTHING, ("no_entry_utc=",), {}),
    ("key", "warn", "is the owner's own key", NOTHING, (), {}),
    ("key", "ok", "is the linked signer", link(STRANGER.address), (), {"signer": STRANGER}),
    ("key", "fail", "neither owner", NOTHING, (), {"signer": STRANGER}),
    (
        "key",
        "fail",
        'nor the linked signer of "evenkeel" (0x77',
        link("0x77" + "00" * 19),
        (),
        {"signer": STRANGER},
    ),
    ("key", "fail", "no key was read", NOTHING, (), {"signer": None}),
    ("sdk", "ok", "12 of 12 messages identically, byte for byte", NOTHING, (), {}),
    ("sdk", "fail", "signs CANCEL_ORDERS differently", disagreeing, (), {}),
    ("sdk", "fail", "there is no key", NOTHING, (), {"signer": None}),
    ("clock", "ok", "0 ms ahead of the venue, round trip 0 ms", NOTHING, (), {}),
    ("clock", "fail", "251 ms behind the venue, round trip 0 ms, limit 250 ms", ahead, (), {}),
    ("clock", "warn", "leaves less than four round trips", far, (), {}),
    ("subaccount", "ok", "10000.00 USDT0", NOTHING, (), {}),
    ("subaccount", "fail", 'subaccount "empty"', NOTHING, ("venue.subaccount=empty",), {}),
    ("margin", "ok", "10000.00 USDT0 free, a pair of 1,000 USD per leg takes 61.68", NOTHING, (), {}),
    ("margin", "fail", "has 10000.00", NOTHING, ("target=200000 USD",), {}),
    (
        "margin",
        "ok",
        "a pair of 1,000 USD of ETH with 800 USD of SOL takes 55.51",
        NOTHING,
        ("hedge_ratio=0.8",),
        {},
    ),
    (
        "fees",
        "ok",
        "a cycle of 1,000 USD of ETH with 800 USD of SOL pays 1.26 USD",
        NOTHING,
        ("hedge_ratio=0.8",),
        {},
    ),
    ("positions", "ok", "none", NOTHING, (), {}),
    (
        "positions",
        "fail",
        "ETH-PERP: the exchange holds 0.042, the ledger explains 0",
        hold(4, "0.042"),
        (),
        {},
    ),
    ("positions", "fail", "SOL-PERP: the exchange holds -1, the ledger explains 0", hold(8, "-1"), (), {}),
    ("orders", "ok", "no resting orders", NOTHING, (), {}),
]


def check_named(name: str) -> Any:
    return CHECKS[name]


@pytest.mark.parametrize(
    ("name", "state", "found", "prepare", "changes", "who"),
    TABLE,
    ids=[f"{row[0]} {row[1]} {row[2][:20]}" for row in TABLE],
)
async def test_every_check_finds_what_is_there(
    name: str,
    state: str,
    found: str,
    prepare: Prepare,
    changes: tuple[str, ...],
    who: dict[str, Any],
    autojump_clock: trio.testing.MockClock,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    async with funded() as there, asked(there, *changes, logs=tmp_path, replacing=who) as known:
        prepare(there, monkeypatch)
        if name == "sdk":
            autojump_clock.autojump_threshold = float("inf")  # the SDK answers from a thread, in real time
        finding = await checked(name, check_named(name), known)
    assert (finding.check, finding.state) == (name, state), finding
    assert found in finding.found
    assert (state == "ok") == (finding.cure == "") == (finding.code == "")


def test_every_check_of_the_venue_is_in_the_table_in_a_good_and_a_bad_state() -> None:
    good = {name for name, state, *_ in TABLE if state == "ok"}
    bad = {name for name, state, *_ in TABLE if state != "ok"}
    assert good == set(CHECKS)
    assert bad >= set(CHECKS) - {"fees", "products", "orders"}  # these have tests of their own, below


async def test_a_leg_that_is_not_live_is_no_product_to_trade(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    async with funded() as there, asked(there, logs=tmp_path) as known:
        sol = msgspec.structs.replace(known.rules.sol, status="reduce_only")
        finding = await venue.products(
            msgspec.structs.replace(known, rules=msgspec.structs.replace(known.rules, sol=sol))
        )
    assert (finding.state, finding.found) == ("fail", "SOL-PERP is reduce_only, not live")


async def test_legs_with_other_fees_are_both_told(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    async with funded() as there, asked(there, logs=tmp_path) as known:
        sol = msgspec.structs.replace(known.rules.sol, taker_fee=known.rules.sol.taker_fee * 2)
        finding = await venue.fees(
            msgspec.structs.replace(known, rules=msgspec.structs.replace(known.rules, sol=sol))
        )
    assert "SOL taker 7 bp" in finding.found
    assert "pays 2.10 USD" in finding.found


async def test_an_order_that_rests_is_somebody_elses(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    async with funded() as there, asked(there, logs=tmp_path) as known:
        resting = order("0.1", "2700", "post_only", sender=SENDER)
        answer = await there.post("/v1/execute", there.frame(resting, signer=Signer(KEY)))
        assert answer["status"] == "success", answer
        finding = await account.orders(known)
    assert (finding.state, finding.code) == ("warn", "FOREIGN_ORDERS")
    assert finding.found.startswith("1 resting orders on the two products")


async def test_a_venue_that_does_not_answer_a_check_is_unknown_and_not_well(
    autojump_clock: trio.testing.MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R2: an error was once read as flat."""

    async def silent(*_asked: object) -> Any:
        raise Unreachable("no answer in 2 s")

    async with funded() as there, asked(there, logs=tmp_path) as known:
        monkeypatch.setattr(type(known.reads), "account", silent)
        findings = [
            await checked(name, CHECKS[name], known)
            for name in ("subaccount", "margin", "positions", "orders")
        ]
    assert {(finding.state, finding.code) for finding in findings} == {("fail", "UNKNOWN")}


# -- this machine --------------------------------------------------------------------------------------------


def test_a_slow_signature_is_not_the_c_librarys() -> None:
    assert machine.libsecp256k1(machine.signing_us()).state == "ok"
    assert (machine.libsecp256k1(4_000).state, machine.libsecp256k1(4_000).code) == ("fail", "SLOW_SIGNING")


def test_a_full_or_a_slow_disk_is_told_apart() -> None:
    settings = Settings()
    assert machine.disk(settings, 10**12, 0.5).state == "ok"
    assert machine.disk(settings, 499_000_000, 0.5).code == "DISK_FULL"
    assert machine.disk(settings, 10**12, 50.1).code == "SLOW_DISK"


def test_files_that_others_can_change_are_named(tmp_path: Path) -> None:
    settings = configured(logs=tmp_path).settings
    config = tmp_path / "evenkeel.toml"
    config.touch(0o644)
    assert machine.permissions(settings, config).state == "ok"
    config.chmod(0o664)
    finding = machine.permissions(settings, config)
    assert (finding.state, finding.cure) == ("warn", f"chmod go-w {config}")
    tmp_path.chmod(0o777)
    finding = machine.permissions(settings, config)
    assert (finding.state, finding.cure) == ("fail", f"chmod go-w {tmp_path}")
    assert "and 1 more" in finding.found


def test_a_key_file_is_for_its_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "key"
    assert machine.key_file(f"file:{file}").code == "KEY_UNREADABLE"
    file.touch(0o600)
    assert machine.key_file(f"file:{file}").state == "ok"
    file.chmod(0o640)
    assert (machine.key_file(f"file:{file}").state, machine.key_file(f"file:{file}").cure) == (
        "fail",
        f"chmod 600 {file}",
    )
    assert machine.key_file("env:NADO_PRIVATE_KEY").state == "warn"


OPENED = Opened("evenkeel.ledger/1", "testnet", 763373, SENDER)


def test_a_ledger_is_whole_ours_or_named(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    assert machine.ledger(path, OPENED).state == "ok"
    store = Store.open(path, OPENED, "normal")
    store.append_all([(1, Started(7, Ns(1))), (2, Started(8, Ns(2)))])
    store.close()
    assert machine.ledger(path, OPENED).found.endswith("3 rows, hash chain intact")
    assert (
        machine.ledger(path, msgspec.structs.replace(OPENED, subaccount="0x" + "00" * 32)).code
        == "OTHER_LEDGER"
    )
    import sqlite3

    with sqlite3.connect(path) as database:
        database.execute("DROP TRIGGER events_are_never_changed")
        database.execute("UPDATE events SET body = replace(body, '7', '9') WHERE seq = 1")
    assert machine.ledger(path, OPENED).code == "BROKEN_CHAIN"


def test_a_machine_that_slept_or_could_is_told(tmp_path: Path) -> None:
    assert machine.awake(0, battery=False).state == "ok"
    assert machine.awake(0, battery=True).state == "warn"
    assert machine.awake(3600, battery=False).state == "fail"
    assert not machine.has_battery(tmp_path)
    (tmp_path / "BAT0").mkdir()
    (tmp_path / "BAT0" / "type").write_text("Battery\n")
    assert machine.has_battery(tmp_path)
    (tmp_path / "BAT0" / "scope").write_text("Device\n")
    assert not machine.has_battery(tmp_path)


# -- the whole examination -----------------------------------------------------------------------------------


def whole(loaded: Loaded, there: Floor, environment: dict[str, str]) -> Subject:
    who = subject_of(loaded, "http://venue", None, environment, lambda _path: "")
    transport = httpx.ASGITransport(app=application(there.venue))
    return msgspec.structs.replace(who, dialer=there.dialer, transport=transport, clock=RunClock(START_NS))


async def examined(
    there: Floor,
    loaded: Loaded,
    environment: dict[str, str],
    clock: trio.testing.MockClock,
    monkeypatch: pytest.MonkeyPatch,
) -> list[Finding]:
    """`clock` does not jump meanwhile: the SDK is asked in a thread, and virtual time would not wait for
    it.
    """
    clock.autojump_threshold, clock.rate = float("inf"), 1
    monkeypatch.setattr(account, "agree", lambda *_asked: 12)
    with trio.fail_after(3600):
        return await examine(whole(loaded, there, environment))


async def test_a_ready_machine_and_account_are_ready(
    autojump_clock: trio.testing.MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = configured("venue.key=env:KEY", logs=tmp_path)
    async with funded() as there:
        findings = await examined(there, loaded, {"KEY": KEY.hex()}, autojump_clock, monkeypatch)
    told = as_object(loaded, findings)
    assert (code_of(findings), told["ok"], told["error"]) == (0, True, None), [
        line(finding) for finding in findings
    ]
    assert [entry["check"] for entry in told["checks"]][-1] == "worst_case"
    assert {entry["state"] for entry in told["checks"]} <= {"ok", "warn"}
    assert verdict(findings).startswith("READY: ")


async def test_a_key_that_cannot_be_read_is_one_finding_among_the_others(
    autojump_clock: trio.testing.MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with funded() as there:
        findings = await examined(
            there, configured(logs=tmp_path), {"NADO_PRIVATE_KEY": "not a key"}, autojump_clock, monkeypatch
        )
    failed = [finding.check for finding in findings if finding.state == "fail"]
    assert failed == ["key_read", "sockets", "key", "sdk"]
    assert not any("not a key" in line(finding) for finding in findings)
    assert next(finding for finding in findings if finding.check == "margin").state == "ok"


async def test_what_is_not_written_down_is_a_finding(
    autojump_clock: trio.testing.MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with funded() as there:
        findings = await examined(
            there,
            configured("hold=", logs=tmp_path),
            {"NADO_PRIVATE_KEY": KEY.hex()},
            autojump_clock,
            monkeypatch,
        )
    told = as_object(configured(), findings)
    assert (code_of(findings), told["error"]["code"]) == (3, "NOT_WRITTEN")
    assert "hold: not set" in told["error"]["message"]


async def test_without_an_owner_nothing_is_known_and_nothing_is_well(
    autojump_clock: trio.testing.MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with funded() as there:
        findings = await examined(
            there,
            configured("venue.owner=", logs=tmp_path),
            {"NADO_PRIVATE_KEY": KEY.hex()},
            autojump_clock,
            monkeypatch,
        )
    assert all(finding.state == "skip" for finding in findings if finding.check in CHECKS)
    assert {finding.check for finding in findings} >= set(CHECKS)


async def test_a_venue_that_cannot_be_reached_is_one_cause_and_the_rest_unknown(
    autojump_clock: trio.testing.MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(_self: object, _request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("connection refused")

    async with funded() as there:
        monkeypatch.setattr(httpx.ASGITransport, "handle_async_request", refuse)
        findings = await examined(
            there, configured(logs=tmp_path), {"NADO_PRIVATE_KEY": KEY.hex()}, autojump_clock, monkeypatch
        )
    causes = [finding for finding in findings if finding.code == "VENUE_UNREACHABLE"]
    assert [finding.check for finding in causes] == ["reachability"]
    assert [finding.check for finding in findings if finding.code == "UNKNOWN"] == list(CHECKS)
    assert {finding.state for finding in findings if finding.code == "UNKNOWN"} == {"skip"}
    assert verdict(findings).startswith(
        f"NOT READY: 1 of {len(findings)} checks failed, {len(CHECKS)} could not be asked"
    )
    assert line(findings[-1]).startswith("SKIP  ")
    json.dumps(as_object(configured(), findings))


# -- as a person types it ------------------------------------------------------------------------------------


def test_typed_at_a_venue_that_is_ready_it_says_ready_and_exits_0(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NADO_PRIVATE_KEY", KEY.hex())
    with served() as venue:
        ended = typed(
            capsys,
            "doctor",
            "--venue",
            "testnet",
            "--url",
            venue.url,
            "--logs",
            str(tmp_path / "logs"),
            *written(),
        )
    assert (ended.code, ended.told["ok"], ended.told["schema"]) == (
        0,
        True,
        "evenkeel.doctor/1",
    ), ended.errors
    assert [entry["check"] for entry in ended.told["checks"] if entry["check"] in CHECKS] == list(CHECKS)
    assert "READY: " in ended.errors
    assert not (tmp_path / "logs").exists()
