"""A few thousand inputs in every run of the tests, and proof that a reader which errs is found. `python -m
tests.fuzz` is the long run.
"""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messages.units import X18, X18_LIMIT, Base, Price, Quote
from tests.fuzz.run import Found, against
from tests.fuzz.targets import WIRES, targets
from venue.nado import codec, events, queries
from venue.nado.counts import TroubleTally
from venue.protocol import Malformed, OutOfRange

SEED = 20
TARGETS = {target.name: target for target in targets(SEED)}


@pytest.mark.parametrize("name", TARGETS)
def test_no_input_crashes_a_reader_or_becomes_a_number_that_the_text_does_not_say(name: str) -> None:
    """A failure names its seed and the command that repeats it."""
    assert against(TARGETS[name], SEED, range(300)) > 0


def lenient(value: object) -> int:
    """The mistake of many a client: whatever looks like a number is one."""
    return int(float(str(value)))


@pytest.mark.parametrize(
    "name",
    ["stream", "market_liquidity", "subaccount_info", "fee_rates", "archive orders", "archive matches"],
)
def test_a_reader_that_goes_through_floats_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "_whole", lenient)
    with pytest.raises(Found, match=re.escape(f"python -m tests.fuzz --seed {SEED} --only '{name}' --from")):
        against(TARGETS[name], SEED, range(300))


def test_a_reader_that_forgets_the_range_of_a_type_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "X18_LIMIT", 2**200)
    with pytest.raises(Found, match="beyond int128"):
        against(TARGETS["fee_rates"], SEED, range(3_000))


def test_a_reader_that_takes_a_missing_field_for_zero_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = events.DECODERS["fill"]

    def filled_in(text: str, _sender: str) -> Any:
        return whole(
            text.replace('"remaining_qty"', '"original_qty_"').replace(
                '"original_qty_"', '"remaining_qty": "0", "ignored"'
            ),
            _sender,
        )

    monkeypatch.setitem(events.DECODERS, "fill", filled_in)
    with pytest.raises(Found):
        against(TARGETS["stream"], SEED, range(3_000))


X18S = st.integers(-X18_LIMIT, X18_LIMIT - 1)


@settings(max_examples=200, deadline=None)
@given(X18S, X18S, st.integers(1, 2**63 - 1))
def test_every_integer_of_an_event_comes_through_exactly(amount: int, quote: int, at_ns: int) -> None:
    wire = events._PositionChange(
        codec.Whole(4), codec.Moment(at_ns), "0xaa", False, Base(amount), Quote(quote), "match_orders"
    )
    text = codec.write(
        {"type": "position_change", **{name: getattr(wire, name) for name in wire.__struct_fields__}}
    )
    assert codec.read(text, events._PositionChange) == wire


@settings(max_examples=200, deadline=None)
@given(st.integers(min_value=X18_LIMIT) | st.integers(max_value=-X18_LIMIT - 1))
def test_no_integer_beyond_int128_comes_through(beyond: int) -> None:
    for text in (f'{{"health":{beyond}}}', f'{{"health":"{beyond}"}}'):
        with pytest.raises(Malformed):
            codec.read(text, queries._Health)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_raw_bytes_are_read_by_nobody(data: bytes) -> None:
    assert events.decode(
        data.decode("utf-8", "replace"), events.DECODERS, "", TroubleTally()
    ) is None or data.strip().startswith(b"{")
    for kind in (queries.Matches, queries.Liquidity):
        with pytest.raises(Malformed):
            codec.read(data, kind)


def test_a_number_of_the_wrong_magnitude_is_told_apart_from_an_unreadable_one() -> None:
    """S5: 1e9 was taken for 1e18 once."""
    with pytest.raises(OutOfRange):
        codec.read(f'{{"health":"{X18_LIMIT}"}}', queries._Health)
    with pytest.raises(Malformed) as caught:
        codec.read('{"health":"1e18"}', queries._Health)
    assert not isinstance(caught.value, OutOfRange)


def test_every_wire_struct_is_made_of_types_that_are_compared() -> None:
    """A new field of a type that `judge.says` does not compare exactly must not slip in."""
    allowed = (X18, codec.Whole)
    for wire in (*WIRES.values(), queries.Liquidity, queries.Matches, queries.HistoricalOrders):
        for field in msgspec.inspect.type_info(wire).fields:  # type: ignore[attr-defined]
            assert not isinstance(field.type, msgspec.inspect.FloatType)
            assert not isinstance(field.type, msgspec.inspect.CustomType) or issubclass(
                field.type.cls, allowed
            )
    assert issubclass(Price, X18)


@pytest.mark.parametrize(
    ("of", "clean"), [([], "no crash, no wrong number"), (["--wire"], "usable or a VenueError, every one")]
)
def test_the_long_run_is_a_command_that_says_what_it_did(of: list[str], clean: str) -> None:
    root = Path(__file__).resolve().parents[2]
    run = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", *of, "--inputs", "140", "--seed", "3"],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    assert re.search(rf"^140 inputs, seed 3, [0-9.]+ s: {clean}$", run.stdout, re.MULTILINE)
