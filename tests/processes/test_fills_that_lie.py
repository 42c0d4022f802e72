"""A fill whose side is told the wrong way round: the run's exit code and `status` go by what stands at the
venue, whatever its books say.
"""

import pytest

from tests.hostile.bed import ENDS_WITHIN_S, HOLD_S, Bed
from tests.hostile.cells import WIRE
from tests.hostile.judge import disagreements, false_claims, unlawful
from tests.hostile.middleman import Middleman, Moment
from tests.kills.venue import truth_of
from tests.patience import slack
from tests.processes.waiting import until

pytestmark = pytest.mark.process


@pytest.mark.parametrize("moment", ["entering", "leaving"])
def test_a_fill_of_the_wrong_side_ends_flat_or_is_exit_code_4_and_status_agrees(
    bed: Bed, moment: Moment
) -> None:
    """K1: ETH was closed and SOL -8.5 left; exit code 70, which says flat, and the guard was dismissed."""
    with Middleman(bed.venue, WIRE["fill side flipped"], moment, 7) as between:
        bed.url = between.url
        claim = bed.ended("run", bed.run(HOLD_S), ENDS_WITHIN_S * slack())
        assert between.began_s is not None
        assert between.troubles == []
        assert claim.code in ({0, 3, 70} if not bed.held() else {4}), claim
        status = bed.asked("status")
        assert (status.code == 0) == (not bed.held()), status
        if bed.held():
            until(lambda: not bed.held())  # its guard was not dismissed
        assert [*false_claims(bed.claims, bed.log()), *unlawful(bed.log())] == []
        assert disagreements(truth_of(bed.venue), bed.logs / "ledger.sqlite") == []
