"""Book batches are read in two ways: nearly all by a decoder that is quick and lenient, the rest by the
strict one. What comes out must be the strict one's, whatever the text.
"""

import json
import random
from collections.abc import Callable

import pytest

from messages.market import BookDelta
from tests.shared_data import shared
from venue.nado import events
from venue.nado.codec import NO_ASK, read
from venue.protocol import Malformed

PLAIN = (
    '{"type":"book_depth","min_timestamp":"1786360000083456789","max_timestamp":"1786360000113456789",'
    '"last_max_timestamp":"1786360000033456789","product_id":4,'
    '"bids":[["2756900000000000000000","417000000000000000"],["2756800000000000000000","0"]],'
    '"asks":[["2757000000000000000000","1"]]}'
)


def strictly(text: str) -> BookDelta | str:
    """The batch, or what is wrong with it."""
    try:
        return read(text, events._BookDepth).message("")
    except Malformed as error:
        return f"{type(error).__name__}: {error}"


def as_read(text: str) -> BookDelta | str:
    try:
        return events._book_batch(text, "")
    except Malformed as error:
        return f"{type(error).__name__}: {error}"


def test_the_documented_batches_are_read_by_the_quick_way() -> None:
    documented = json.loads(shared("nado-messages/16_events_book_depth_sequence.json").read_text())["events"]
    for event in documented:
        text = json.dumps({name: value for name, value in event.items() if not name.startswith("_")})
        assert events._plain_batch(text) == strictly(text)
        assert isinstance(strictly(text), BookDelta)


ODD: dict[str, Callable[[str], str]] = {
    "a decimal point": lambda text: text.replace('"417000000000000000"', '"417.0"'),
    "a JSON float": lambda text: text.replace('"417000000000000000"', "417.0"),
    "an exponent": lambda text: text.replace('"417000000000000000"', '"417e15"'),
    "a JSON exponent": lambda text: text.replace('"417000000000000000"', "417e15"),
    "a capital exponent": lambda text: text.replace('"417000000000000000"', '"417E15"'),
    "an exponent and an escaped name": lambda text: text.replace('"417000000000000000"', '"417e15"').replace(
        '"type"', '"typ\\u0065"'
    ),
    "an exponent and a name without its e": lambda text: text.replace(
        '"417000000000000000"', '"417e15"'
    ).replace('"min_timestamp"', '"min_tim\\u0065stamp"'),
    "digits of another alphabet": lambda text: text.replace('"417000000000000000"', '"\u0664\u0661\u0667"'),
    "escaped digits": lambda text: text.replace('"417000000000000000"', '"\\u0034\\u0031"'),
    "an underscore": lambda text: text.replace('"417000000000000000"', '"417_000"'),
    "a blank": lambda text: text.replace('"417000000000000000"', '" 417"'),
    "a plus": lambda text: text.replace('"417000000000000000"', '"+417"'),
    "a leading zero": lambda text: text.replace('"417000000000000000"', '"0417"'),
    "minus zero": lambda text: text.replace('"417000000000000000"', '"-0"'),
    "a negative amount": lambda text: text.replace('"417000000000000000"', '"-1"'),
    "a negative price": lambda text: text.replace('"2756900000000000000000"', '"-1"'),
    "the price of an empty side": lambda text: text.replace('"2756900000000000000000"', '"0"'),
    "the price of no ask": lambda text: text.replace('"2757000000000000000000"', f'"{NO_ASK}"'),
    "beyond int128": lambda text: text.replace('"417000000000000000"', f'"{2**127}"'),
    "five thousand digits": lambda text: text.replace('"417000000000000000"', f'"{"9" * 5_000}"'),
    "no digits": lambda text: text.replace('"417000000000000000"', '""'),
    "JSON integers": lambda text: text.replace('"417000000000000000"', "417").replace('"1"', "1"),
    "true": lambda text: text.replace('"417000000000000000"', "true"),
    "null": lambda text: text.replace('"417000000000000000"', "null"),
    "NaN": lambda text: text.replace('"417000000000000000"', '"nan"'),
    "three numbers in a level": lambda text: text.replace('"0"]', '"0","0"]'),
    "one number in a level": lambda text: text.replace(',"0"]', "]"),
    "no asks": lambda text: text.replace(',"asks":[["2757000000000000000000","1"]]', ""),
    "asks that are null": lambda text: text.replace('[["2757000000000000000000","1"]]', "null"),
    "bids twice": lambda text: text.replace('"asks":', '"bids":[],"asks":'),
    "a field more": lambda text: text.replace("{", '{"note":"1",', 1),
    "a field more with an e": lambda text: text.replace("{", '{"else":"1",', 1),
    "min after max": lambda text: text.replace("1786360000083456789", "1786360000113456790"),
    "no moment": lambda text: text.replace("1786360000083456789", "0"),
    "a moment beyond any clock": lambda text: text.replace("1786360000113456789", str(2**63)),
    "a chain that begins at 0": lambda text: text.replace("1786360000033456789", "0"),
    "a product below 0": lambda text: text.replace('"product_id":4', '"product_id":-4'),
    "a product beyond 32 bits": lambda text: text.replace('"product_id":4', f'"product_id":{2**32}'),
    "a product in words": lambda text: text.replace('"product_id":4', '"product_id":"4"'),
    "half of it": lambda text: text[: len(text) // 2],
    "nothing": lambda _text: "",
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_batch_is_read_as_the_strict_decoder_reads_it(name: str) -> None:
    text = ODD[name](PLAIN)
    assert text != PLAIN
    assert as_read(text) == strictly(text)


@pytest.mark.parametrize("seed", range(4))
def test_a_batch_with_characters_changed_at_random_is_read_as_the_strict_decoder_reads_it(seed: int) -> None:
    """Again: pytest -k characters_changed_at_random."""
    chance, quick = random.Random(seed), 0
    for turn in range(3_000):
        text = list(PLAIN)
        for _ in range(chance.randrange(1, 4)):
            at = chance.randrange(len(text))
            text[at] = chance.choice(
                [*'0123456789-+.eE"\\ ,[]{}:_\u0661\x00', chance.choice(text), text[at] * 2, ""]
            )
        changed = "".join(text)
        assert as_read(changed) == strictly(changed), f"seed {seed}, turn {turn}: {changed!r}"
        quick += events._plain_batch(changed) is not None
    assert quick > 100, "most are odd, and some still plain"
