"""Every code that the venue can say by itself is provoked over the wire, with its documented words; every
other one can be staged.
"""

import pytest
from trio.testing import MockClock

from tests.venue.simulated.desk import floor, order
from tests.venue.simulated.scenes import SCENES, Scene, VenueStage
from venue.simulated.engine.codes import CODES
from venue.simulated.engine.rules import VenueOptions
from venue.simulated.faults.order_faults import Faults, Refuse


def scenes() -> list[tuple[Scene, Faults, list[int]]]:
    found: dict[Scene, tuple[Faults, list[int]]] = {}
    for code, (scene, faults) in SCENES.items():
        found.setdefault(scene, (faults, []))[1].append(code)
    return [(scene, faults, codes) for scene, (faults, codes) in found.items()]


@pytest.mark.parametrize(
    ("scene", "faults", "codes"), scenes(), ids=[scene.__name__ for scene, _, _ in scenes()]
)
async def test_the_scene_is_answered_with_its_codes(
    scene: Scene, faults: Faults, codes: list[int], autojump_clock: MockClock
) -> None:
    async with floor(faults=faults) as place:
        answered = await scene(VenueStage(place))
    answers = answered if isinstance(answered, list) else [answered]
    assert [answer.get("error_code") for answer in answers] == codes
    for code, answer in zip(codes, answers, strict=True):
        assert answer["error"].startswith(CODES[code].text.split("{")[0][:20]), code


def test_every_code_of_the_venues_own_is_provoked_and_no_other() -> None:
    assert set(SCENES) == {number for number, code in CODES.items() if code.origin != "staged"}


def test_a_code_that_cannot_arise_says_why() -> None:
    assert [number for number, code in CODES.items() if (code.origin == "staged") != bool(code.why)] == []


async def test_any_code_can_be_staged(autojump_clock: MockClock) -> None:
    refusals = tuple(
        Refuse(nth=number, increasing=False, code=code) for number, code in enumerate(CODES, start=1)
    )
    async with (
        floor(faults=Faults(refuse=refusals, venue=VenueOptions(rate_limits=False))) as place,
        place.socket("/ws/v2") as line,
    ):
        answered = [(await line.ask(place.frame(order("0.042", "2756.9"))))["error_code"] for _ in CODES]
    assert answered == list(CODES)
