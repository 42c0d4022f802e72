"""docs/simulated.md says what the simulated venue really does."""

from tests.venue.simulated.tables import DOCUMENT, documented_options, with_tables
from venue.simulated.engine.rules import VenueOptions


def test_the_tables_are_those_of_the_code() -> None:
    text = DOCUMENT.read_text()
    assert text == with_tables(text), (
        "docs/simulated.md is out of date: python -m tests.venue.simulated.tables writes its tables"
    )


def test_every_knob_says_what_it_settles() -> None:
    assert [line for line in documented_options().splitlines()[2:] if line.rstrip(" |").endswith("`")] == []
    assert len(documented_options().splitlines()) == len(VenueOptions.__struct_fields__) + 2
