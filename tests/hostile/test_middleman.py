"""The attack tool's own parts: what it recognises, what it invents, and that its judge can tell a lie."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
import trio
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, Request, TextMessage
from wsproto.extensions import PerMessageDeflate

from messages.units import Base, Ns, Price, Quote
from tests.hostile import frames, handshakes
from tests.hostile.cells import NOBODY, STATES, WIRE, HostileCell, hostile_cells, hostile_sample, names
from tests.hostile.judge import Claim, false_claims, held_at, uneven_s, unlawful
from tests.hostile.middleman import Middleman, kind_of, parsed, purpose_of
from tests.hostile.mode import Answer, Asked, Chance, Mode, Spoken
from tests.hostile.vandal import DEEDS, VandalScene
from tests.venue.nado.appendices import Appendix, pack
from venue.simulated.engine.order_log import LoggedFill, LoggedOrder

GOOD = b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Extensions: permessage-deflate\r\n"
GOOD += b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: abc=\r\n\r\n"
CHANCE = Chance(1)
SECOND = 1_000_000_000


def order_frame(
    product: int, amount: int, at_s: int, *, digest: str = "", closing: bool = False
) -> LoggedOrder:
    fill = LoggedFill(Base(amount), Price(1), Quote(0), True, 1, Ns(at_s * SECOND))
    name = digest or f"0x{product}{amount}{at_s}"
    return LoggedOrder(
        digest=name, sender="", signer="", product_id=product, amount=Base(amount), price=Price(1),
        kind="ioc" if closing else "fok", reduce_only=closing, appendix=0, nonce=0, expiration_s=0,
        increasing=not closing, arrived_ns=Ns(at_s * SECOND), result="accepted", fills=[fill],
    )  # fmt: skip


PAIR = [order_frame(4, 5, 1), order_frame(8, -7, 1)]
CLOSED = [*PAIR, order_frame(4, -5, 9, closing=True), order_frame(8, 7, 9, closing=True)]


def test_there_are_more_than_sixty_modes_and_each_can_be_typed_and_repeated() -> None:
    assert len(names()) > 60
    every = list(hostile_cells(names(), STATES))
    assert len(every) == len(names()) * len(STATES) - len(NOBODY)
    assert [
        cell
        for cell in hostile_cells(["upgrade window*"], ["killed"])
        if cell.mode == "upgrade window bits 8"
    ]
    assert HostileCell("frame silence", "held").seed == HostileCell("frame silence", "held").seed
    with pytest.raises(ValueError, match="no mode is called sunshine"):
        list(hostile_cells(["sunshine"], ["held"]))


def test_a_sample_takes_another_mode_before_it_takes_another_state() -> None:
    every = list(hostile_cells(names(), STATES))
    drawn = hostile_sample(every, len(names()), seed=3)
    assert len({cell.mode for cell in drawn}) == len(names())
    assert drawn == hostile_sample(every, len(names()), seed=3) != hostile_sample(every, len(names()), seed=4)


@pytest.mark.parametrize("name", handshakes.ODD)
def test_every_odd_handshake_is_another_answer_than_the_good_one(name: str) -> None:
    script = handshakes.ODD[name](GOOD, CHANCE)
    assert script != (GOOD,)


def test_a_frame_is_what_rfc_6455_says() -> None:
    """The example of section 5.7, and both longer lengths."""
    assert frames.frame(frames.TEXT, b"Hello") == b"\x81\x05Hello"
    assert frames.frame(frames.TEXT, b"a" * 256)[:4] == b"\x81\x7e\x01\x00"
    assert frames.frame(frames.TEXT, b"a" * 65536)[:10] == b"\x81\x7f\0\0\0\0\0\x01\0\0"
    assert frames.frame(0, b"", fin=False) == b"\0\0"


def test_what_is_squeezed_here_is_inflated_there() -> None:
    wire = WSConnection(ConnectionType.CLIENT)
    peer = WSConnection(ConnectionType.SERVER)
    peer.receive_data(wire.send(Request(host="a", target="/", extensions=[PerMessageDeflate()])))
    list(peer.events())
    wire.receive_data(peer.send(AcceptConnection(extensions=[PerMessageDeflate()])))
    wire.receive_data(frames.frame(frames.TEXT, frames.squeezed(b"a" * 1000), rsv=4))
    said = [event.data for event in wire.events() if isinstance(event, TextMessage)]
    assert "".join(said) == "a" * 1000


def test_orders_are_known_by_what_they_may_do() -> None:
    placed = [
        {"place_order": {"order": {"appendix": str(pack(Appendix("fok", closing)))}}}
        for closing in (False, True)
    ]
    enter, leave = map(json.dumps, placed)
    assert (purpose_of(enter), purpose_of(leave), purpose_of('{"cancel_orders": {}}')) == (
        "entering",
        "leaving",
        "",
    )


def test_questions_are_known_by_their_type() -> None:
    assert kind_of(b'{"type":"symbols"}') == "symbols"
    assert kind_of(b'{"matches":{"limit":1}}') == "matches"
    assert (kind_of(b""), kind_of(b"not json"), kind_of(b"[]")) == ("", "", "")
    first, headers = parsed(b"POST /v1/query HTTP/1.1\r\nHost: a:1\r\nContent-Length: 3\r\n\r\n")
    assert (first, headers) == (b"POST /v1/query HTTP/1.1", {b"host": b"a:1", b"content-length": b"3"})


def test_reordered_frames_come_two_by_two() -> None:
    hook = frames._reordered
    said = [hook(Spoken("/v1/ws", text, str.encode), CHANCE) for text in "abcd"]
    assert said == [(), (b"b", b"a"), (), (b"d", b"c")]


def test_an_answer_that_is_changed_says_its_own_length() -> None:
    answer = Answer(200, ((b"content-length", b"2"), (b"a", b"b")), b"{}").saying(b"null")
    assert answer.raw() == b"HTTP/1.1 200 OK\r\na: b\r\ncontent-length: 4\r\n\r\nnull"


PERP = {
    "product_id": 4,
    "oracle_price_x18": "1",
    "risk": {},
    "book_info": {},
    "balance": {"amount": "1", "v_quote_balance": "1"},
}
SYMBOL = {
    "product_id": 4,
    "min_size": "1",
    "trading_status": "live",
    "size_increment": "1",
    "price_increment_x18": "1",
}
DATA: dict[str, dict[str, object]] = {
    "symbols": {"symbols": {"ETH-PERP": SYMBOL, "SOL-PERP": SYMBOL | {"product_id": 8}}},
    "all_products": {"perp_products": [PERP, PERP | {"product_id": 8}], "spot_products": []},
    "contracts": {"chain_id": "763373", "endpoint_addr": "0x0"},
    "fee_rates": {"taker_fee_rates_x18": [], "maker_fee_rates_x18": []},
    "subaccount_info": {
        "subaccount": "0x1",
        "exists": True,
        "healths": [1],
        "spot_balances": [],
        "perp_balances": [PERP],
    },
    "status": {"not": "a word, as Nado says it"},
    "orders": {"product_orders": [{"orders": []}]},
}
"""The smallest answers in which everything is that hooks change."""


ELSEWHERE = (
    "archive ",
    "http archive",
    "http time",
    "http no instance",
    "http half of them lost",
    "account 0.5",
    "account 2",
    "account 6",
)
ELSEWHERE += tuple(f"http {what}" for what in ("frozen", "account frozen", "rules frozen", "book"))
"""What these change is not in `DATA`, or not at the first time."""


def asked_and_answered(kind: str) -> tuple[Asked, Answer]:
    said = {"status": "success", "data": json.loads(json.dumps(DATA.get(kind, {})))}
    asked = Asked("/v1/query", kind, json.dumps({"type": kind}).encode())
    return asked, Answer(200, ((b"content-length", b"1"),), b"").saying(json.dumps(said).encode())


@pytest.mark.parametrize("name", [name for name, mode in WIRE.items() if mode.http])
def test_every_odd_http_answer_can_be_made(name: str) -> None:
    mode, chance, changed = WIRE[name], Chance(1), []
    assert mode.http is not None
    for kind in DATA:
        asked, answer = asked_and_answered(kind)
        if mode.sees:
            mode.sees(asked, answer, chance)
        script = mode.http(asked, answer, chance)
        assert script is None or all(isinstance(step, bytes | float | str) for step in script)
        changed.append(script not in {None, (answer.raw(),)})
    assert any(changed) or name.startswith(ELSEWHERE)


def claim(code: int, at_s: int = 5, words: str = "", **told: object) -> Claim:
    return Claim("run", code, at_s * SECOND, words, told)


@pytest.mark.parametrize("code", [0, 3, 70, 130, 143])
def test_flat_is_a_lie_while_something_stands(code: int) -> None:
    (found,) = false_claims([claim(code)], PAIR)
    assert found.startswith(f"run ended with {code} while the venue held ETH-PERP 0.000000000000000005")
    assert not list(false_claims([claim(code, at_s=9)], CLOSED))


def test_what_stands_is_4_and_is_named_and_nothing_ends_in_a_traceback() -> None:
    assert not list(false_claims([claim(4, open_eth="0.3", open_sol="0")], PAIR))
    assert "says open_eth 0" in next(false_claims([claim(4, open_eth="0", open_sol="0")], PAIR))
    assert "and not 4" in next(false_claims([claim(1)], PAIR))
    assert "traceback" in next(
        false_claims([claim(4, words="Traceback (most recent call last):\n...")], CLOSED)
    )


def wrong_logs() -> Iterator[tuple[str, list[LoggedOrder]]]:
    yield "arrived 2 times", [*CLOSED, order_frame(4, 0, 9, digest=PAIR[0].digest)]
    yield "reached", [*PAIR, order_frame(4, 5, 2), *CLOSED[2:]]
    yield "turned round", [*PAIR, order_frame(4, -8, 9, closing=True)]
    yield "ends with", PAIR


@pytest.mark.parametrize(("what", "log"), list(wrong_logs()))
def test_what_may_not_happen_is_found_in_the_log(what: str, log: list[LoggedOrder]) -> None:
    assert any(what in fault for fault in unlawful(log))


def test_a_presigned_exit_that_arrives_again_and_does_nothing_is_lawful() -> None:
    again = order_frame(4, 0, 10, digest=CLOSED[2].digest, closing=True)
    again.fills.clear()
    assert unlawful([*CLOSED, again]) == []


def test_how_long_one_leg_stood_alone() -> None:
    assert (
        uneven_s(
            [order_frame(4, 5, 1), order_frame(8, -7, 3), order_frame(4, -5, 9), order_frame(8, 7, 14)],
            20 * SECOND,
        )
        == 5
    )
    assert uneven_s([order_frame(4, 5, 1)], 20 * SECOND) == 19
    assert held_at(CLOSED, 8 * SECOND) == {4: 5, 8: -7}


def test_a_deed_spoils_what_it_names(tmp_path: Path) -> None:
    for name, deed in DEEDS.items():
        if name.startswith(("run ", "guard ")) or " lock" in name or "shared memory" in name:
            continue  # they speak of processes, and of what no copy shows
        scene = VandalScene(tmp_path / name.replace("'", ""))
        scene.logs.mkdir(parents=True)
        scene.state.mkdir(parents=True)
        for suffix in (".json", ".escape", ".beat", ".lock"):
            (scene.state / f"a{suffix}").write_text("{}")
        with closing(sqlite3.connect(scene.ledger)) as database:
            database.executescript(
                "PRAGMA journal_mode=wal; CREATE TABLE events (seq, kind, body); INSERT INTO events VALUES"
                " (1, 'Sealed', '0')"
            )
            scene.keep_an_older_copy()
            database.executescript("INSERT INTO events VALUES (2, 'Sealed', '0')")
            before = content(scene)
            deed.do(scene)
        scene.release()
        assert content(scene) != before, name


def content(scene: VandalScene) -> dict[Path, bytes]:
    return {
        path: path.read_bytes()
        for path in scene.folder.rglob("*")
        if path.is_file() and not path.name.endswith("-shm")
    }


async def test_a_mode_lasts_from_its_beginning_to_its_end() -> None:
    """Against a server that answers every request alike, on a real socket."""

    async def serve(stream: trio.SocketStream) -> None:
        while await stream.receive_some(4096):
            await stream.send_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ngood")

    def bad(_asked: Asked, answer: Answer, _chance: Chance) -> tuple[bytes]:
        return (answer.saying(b"bad").raw(),)

    async def closed_at_end(stream: trio.SocketStream) -> None:
        async with stream:
            await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        listener, *_ = await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
        url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
        with Middleman(url, Mode("bad", http=bad), "", 1) as between:
            stream = await trio.open_tcp_stream("127.0.0.1", int(between.url.rpartition(":")[2]))
            nursery.start_soon(closed_at_end, stream)

            async def asked() -> bytes:
                await stream.send_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
                return bytes(await stream.receive_some(4096)).rpartition(b"\r\n\r\n")[2]

            assert await asked() == b"good"
            between.begin()
            while between.began_s is None:  # noqa: ASYNC110 - another thread changes it
                await trio.sleep(0.01)
            assert await asked() == b"bad"
            between.end()
            assert await asked() == b"good"
        nursery.cancel_scope.cancel()


async def test_orders_are_swallowed_from_the_first_of_the_bad_time_to_its_end() -> None:
    """Seen: a run that entered again after the wire was good lost that order too, and never traded."""

    class Upstream:
        """Counts what the venue gets."""

        got = 0

        async def send(self, _data: bytes) -> None:
            self.got += 1

    class Frames:
        """Any frame."""

        def send(self, _event: object) -> bytes:
            return b"frame"

    entering = json.dumps({"place_order": {"order": {"appendix": str(pack(Appendix("fok", False)))}}})
    between, up = (
        Middleman("http://127.0.0.1:1", Mode("orders swallowed", drops_orders=True), "entering", 1),
        Upstream(),
    )
    got = []
    for _ in range(2):
        await between._asked(entering, up, Frames())  # type: ignore[arg-type]
        got.append(up.got)
    between.end()
    await between._asked(entering, up, Frames())  # type: ignore[arg-type]
    assert [*got, up.got] == [0, 0, 1]
