"""A few hundred inputs in every run of the tests, and proof that a client which errs is found. `python -m
tests.fuzz --wire` is the long run.
"""

import random
import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import trio
from trio.testing import MockClock
from trio_websocket import ConnectionClosed, ConnectionRejected
from wsproto.utilities import ProtocolError

from tests.fuzz.run import Found
from tests.fuzz.wire import bodies, run
from tests.fuzz.wire.script import HttpScript, ScriptedStream
from tests.fuzz.wire.targets import (
    TARGETS,
    WEIGHTS,
    Reached,
    _ask,
    _order_wire,
    _Question,
    _question,
    _subscribe,
    shares,
)
from tests.fuzz.wire.transcripts import recorded_transcripts
from venue.nado import codec, http, socket
from venue.protocol import Unreachable

SEED = 9
NAMES = [target.name for target in TARGETS]


@pytest.mark.parametrize("name", NAMES)
def test_whatever_arrives_the_connection_is_usable_or_a_venue_error_is_raised(name: str) -> None:
    """A failure names its seed and the command that repeats it."""
    assert run.wire_against(80, SEED, only=name).count == {}


@pytest.mark.long
def test_the_inputs_come_past_the_handshake_to_the_frames_and_to_the_decoder() -> None:
    """A fuzzer that is refused at the door tests the door only."""
    for target in TARGETS:
        before = Reached(**vars(target.reached))
        run.wire_against(120, SEED + 1, only=target.name)
        accepted, message, decoded = (
            getattr(target.reached, name) - getattr(before, name)
            for name in ("accepted", "message", "decoded")
        )
        assert 8 <= decoded <= message <= accepted < 120, target.name


async def test_what_was_recorded_is_valid_to_the_last_frame(autojump_clock: MockClock) -> None:
    """The fuzzer is given nothing but what our own simulated venue said in one run."""
    for role, read in (("subscribe", _subscribe), ("orders", _order_wire)):
        for upgrade in recorded_transcripts().upgrades[role]:
            reached = Reached()
            await read(ScriptedStream([upgrade.head + upgrade.raw], "end", upgrade.token), reached)
            assert reached == Reached(0, 1, bool(upgrade.texts), bool(upgrade.texts))
    assert min(len(each) for each in recorded_transcripts().upgrades.values()) >= 2
    assert {
        "contracts",
        "symbols",
        "all_products",
        "fee_rates",
        "market_liquidity 4",
        "subaccount_info",
        "isolated_positions",
        "orders",
        "time",
        "archive matches 8",
        "archive orders",
    } <= set(recorded_transcripts().answers)


async def test_every_question_is_answered_from_the_recording(autojump_clock: MockClock) -> None:
    for number in range(40):
        reached = Reached()
        question = _question(random.Random(number))
        await _ask(_Question(question.ask, 10**6, question.rng), reached)
        assert reached.decoded == 1, number


def found(name: str, inputs: int = 2_000) -> Found:
    with pytest.raises(Found) as caught:
        run.wire_against(inputs, SEED, only=name)
    return caught.value


@pytest.mark.parametrize("name", ["subscribe handshake", "order handshake", "subscribe frames"])
def test_a_list_of_what_libraries_raise_is_found_to_be_incomplete(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def listed(_subject: str = "") -> Iterator[None]:
        try:
            yield
        except (ProtocolError, ConnectionClosed, ConnectionRejected) as error:
            raise socket.Broken(str(error)) from error

    monkeypatch.setattr(socket, "broken_by", listed)
    find = str(found(name))
    assert re.search(
        rf"^python -m tests.fuzz --wire --seed {SEED} --only '{name}' --from \d+ --inputs 1$",
        find,
        re.MULTILINE,
    )


def test_a_handshake_without_a_deadline_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    async def patient(_socket: object, wire: socket._Deflating, _deadline: float) -> None:
        await wire.decided.wait()

    monkeypatch.setattr(socket, "_decided", patient)
    assert "no end in 600 s of virtual time" in str(found("order handshake"))


def test_a_connection_that_never_gives_up_a_silent_peer_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "SILENCE_S", 10**6)
    monkeypatch.setattr(socket, "UNANSWERED_PINGS_MAX", 10**6)
    assert "no end in 600 s of virtual time" in str(found("order frames"))


def test_a_reader_of_json_that_may_be_nested_without_end_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    read = codec.read

    def deep(data: bytes | str, kind: type[object]) -> object:
        try:
            return codec._decoder(kind).decode(data)
        except RecursionError:
            raise
        except Exception:  # noqa: BLE001 - as the real one judges it
            return read(data, kind)

    monkeypatch.setattr(http, "read", deep)
    monkeypatch.setattr(codec, "read", deep)
    assert "RecursionError" in str(found("http"))


def test_an_answer_of_which_one_byte_more_is_inflated_than_may_be_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By the memory that it takes, which is what the limit is for: the mutant has no limit, the gauge a
    small one.
    """
    monkeypatch.setattr(http, "ANSWER_BYTES_MAX", 2**40)
    monkeypatch.setattr(run, "MEMORY_MAX", 2**20)
    monkeypatch.setattr(bodies, "_said", lambda _body, _others, _rng: b" " * 2**25)
    assert "MB of memory" in str(found("http"))


async def test_a_script_says_its_bytes_and_then_keeps_to_its_end(autojump_clock: MockClock) -> None:
    assert [await ScriptedStream([b"a", b"b"], "end").receive_some() for _ in range(1)] == [b"a"]
    with pytest.raises(trio.BrokenResourceError):
        await ScriptedStream([], "reset").receive_some()
    with trio.move_on_after(3_600) as silent:
        await ScriptedStream([], "silence").receive_some()
    assert silent.cancelled_caught
    assert not HttpScript(None).get_extra_info("is_readable")


def test_every_input_goes_to_a_target_once() -> None:
    assert [count for _, count in shares(1_000_000)] == [214_285, 285_715, 142_857, 142_857, 214_286]
    assert sum(WEIGHTS) == 14
    assert issubclass(Unreachable, Exception)
