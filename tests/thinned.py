"""Long tables of cases, thinned for a plain `pytest`: the rest of each is in `pytest -m long`, which
`.ci/run` runs.
"""

from collections.abc import Iterable
from typing import Any

import pytest


def thinned(cases: Iterable[Any], nth: int) -> list[Any]:
    """For `parametrize`: every `nth` case stays as it is, the first among them; the others are marked as
    long. A tuple is several arguments.

    With `nth` prime to the length of a grid's rows, each row and each column keeps some of its cases.
    """
    return [
        pytest.param(
            *(case if isinstance(case, tuple) else (case,)),
            marks=() if number % nth == 0 else pytest.mark.long,
        )
        for number, case in enumerate(cases)
    ]
