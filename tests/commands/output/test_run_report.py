"""What a run has come to, in counts and words, by the ledger's rows alone."""

import msgspec
import pytest

from commands.output.run_report import RunReport, rounds_words
from messages.execution import Fill
from messages.execution_settings import Execution, Policy
from messages.lifecycle import TAKEN_OVER, AccountStream, Adopted, Started
from messages.settings import Settings
from messages.units import Base, Ms, Ns, Price, Quote
from tests.actors.ledger.story import Story

ONE_CYCLE = Settings(cycles=1)


def told(story: Story, code: str = "") -> str:
    return RunReport.of(ONE_CYCLE, story.held, code).headline("in 9 s", "(simulated, seed 7)")


def restarted(story: Story) -> None:
    """Another run begins on the same rows."""
    story.tell(Started(8, Ns(story.now_ms * 1_000_000)), AccountStream(True, ""))
    story.snapshot()


def progress(story: Story) -> str:
    return RunReport.of(ONE_CYCLE, story.held).cycle_words


def test_a_pair_that_one_plan_entered_and_one_plan_left_was_entered_and_left_together() -> None:
    story = Story()
    story.enter()
    story.leave()
    story.snapshot()
    assert told(story) == "1 of 1 pairs entered and exited together in 9 s (simulated, seed 7)."


def test_a_pair_whose_leg_was_refused_and_ordered_again_was_not_entered_together() -> None:
    """It was once "1 of 1 pairs entered and exited together"."""
    story = Story()
    story.placed("enter", "0.042", "-1")
    story.fill("eth")
    story.outcome("sol", "refused", 2031)
    story.placed("repair", "0", "-1")
    story.fill("sol")
    story.leave()
    story.snapshot()
    assert told(story) == "1 of 1 pairs entered and exited in 9 s, 0 together (simulated, seed 7)."


def test_a_pair_that_was_left_leg_by_leg_was_not_left_together() -> None:
    story = Story()
    story.enter()
    story.placed("exit", "-0.042", "1")
    story.fill("eth")
    story.outcome("sol", "refused", 2056)
    story.placed("flatten", "0", "1")
    story.fill("sol")
    story.snapshot()
    assert told(story) == "1 of 1 pairs entered and exited in 9 s, 0 together (simulated, seed 7)."


def test_an_end_that_comes_before_the_exchange_has_confirmed_flat_is_told_as_what_it_is() -> None:
    """After a second Ctrl-C it was once "Nothing was traded", beside "4 sent" and fees."""
    story = Story()
    story.enter()
    story.leave()
    assert (
        told(story)
        == "0 of 1 pairs entered and exited together in 9 s (simulated, seed 7). The last pair was closed as"
        " the run ended."
    )
    totals = story.held.totals
    assert (totals.entered, totals.unfinished, totals.cycles, totals.orders_sent) == (1, 1, 0, 4)
    assert (
        RunReport.of(ONE_CYCLE, story.held).count_words()
        == "0 completed, 0 skipped, 0 failed, 1 without an end"
    )


@pytest.mark.parametrize(
    ("code", "words"),
    [("FOREIGN_FILL", "by others: by hand, or by the exchange"), (TAKEN_OVER, "by the guard")],
)
def test_a_pair_that_somebody_else_closed_was_traded(code: str, words: str) -> None:
    """Closed by hand or by a takeover it was once "Nothing was traded"."""
    story = Story()
    story.enter()
    for product, amount, price in ((4, "-0.042", "2756.8"), (8, "1", "115.87")):
        size = Base.of(amount)
        story.tell(
            Fill(
                f"0x{product:064x}",
                product,
                size,
                Price.of(price),
                Quote(0),
                Base(0),
                Base(abs(size)),
                True,
                1,
                Ns(story.now_ms * 10**6),
            )
        )
    story.snapshot(eth="0", sol="0")
    assert (
        told(story, code)
        == "0 of 1 pairs entered and exited together in 9 s (simulated, seed 7). The last pair was closed"
        f" {words}."
    )


def test_nothing_is_said_to_be_traded_where_nothing_was() -> None:
    story = Story()
    assert told(story) == "Nothing was traded in 9 s (simulated, seed 7)."
    assert told(Story(ready=False)) == "Nothing was traded in 9 s (simulated, seed 7)."


def test_orders_that_were_sent_and_not_filled_are_no_trade() -> None:
    story = Story()
    story.placed("enter", "0.042", "-1")
    story.outcome("eth", "refused", 2031)
    assert told(story) == "No order was filled in 9 s (simulated, seed 7)."


def test_a_pair_of_an_earlier_run_is_in_no_count_and_uses_up_no_cycle() -> None:
    """It was once "cycle 2 of 1", and "Nothing was traded" when it had been closed."""
    story = Story()
    story.enter()
    restarted(story)
    assert progress(story) == "an earlier run's pair"
    story.leave()
    assert progress(story) == "an earlier run's pair"
    story.snapshot()
    assert progress(story) == "cycle 1 of 1"
    assert (
        told(story)
        == "No new pair was entered in 9 s (simulated, seed 7). A pair of an earlier run was closed."
    )
    story.placed("enter", "0.042", "-1", cycle=2)
    assert progress(story) == "cycle 1 of 1"
    story.fill("eth")
    story.fill("sol")
    assert progress(story) == "cycle 1 of 1"
    story.leave(cycle=2)
    story.snapshot()
    assert progress(story) == "cycle 1 of 1"
    assert (
        told(story)
        == "1 of 1 pairs entered and exited together in 9 s (simulated, seed 7). A pair of an earlier run was"
        " closed."
    )


def test_a_pair_of_an_earlier_run_that_is_closed_as_this_one_ends_is_told() -> None:
    story = Story()
    story.enter()
    restarted(story)
    story.leave()
    assert (
        told(story)
        == "No new pair was entered in 9 s (simulated, seed 7). A pair of an earlier run was closed as the"
        " run ended."
    )


def test_what_a_person_booked_is_in_no_count_either() -> None:
    story = Story()
    story.tell(Adopted(4, 8, Base.of("0.042"), Base.of("-1"), Ms(story.now_ms)))
    assert progress(story) == "an earlier run's pair"
    story.leave(cycle=2)
    story.snapshot()
    assert (progress(story), story.held.totals.cycles, story.held.totals.adopted) == ("cycle 1 of 1", 0, 1)


def test_a_second_run_on_the_same_ledger_counts_its_own_cycles_from_one() -> None:
    story = Story()
    for cycle in (1, 2, 3):
        story.enter(cycle)
        story.leave(cycle)
        story.snapshot()
    restarted(story)
    assert progress(story) == "cycle 1 of 1"
    assert told(story) == "Nothing was traded in 9 s (simulated, seed 7)."
    endless = msgspec.structs.replace(ONE_CYCLE, cycles=None)
    assert RunReport.of(endless, story.held).cycle_words == "cycle 1, until stopped"


def test_whoever_reads_the_rows_again_says_the_same() -> None:
    """Screen, summary, `--json` and `status` are one fold: it does not matter who reads the ledger, or
    when.
    """
    story = Story()
    story.enter()
    story.leave()
    story.snapshot()
    restarted(story)
    story.enter(cycle=2)
    live, again = RunReport.of(ONE_CYCLE, story.held), RunReport.of(ONE_CYCLE, story.reread())
    words = (
        "0 of 1 pairs entered and exited together in 9 s (x). The last pair was closed by others: by hand, or"
        " by the exchange."
    )
    assert [report.headline("in 9 s", "(x)") for report in (live, again)] == [words, words]
    assert msgspec.structs.replace(live.totals, rows=0) == msgspec.structs.replace(again.totals, rows=0)


def test_rounds_are_counted_in_words() -> None:
    assert [rounds_words(number) for number in range(3)] == [
        "no order was needed",
        "1 round of reduce-only orders",
        "2 rounds of reduce-only orders",
    ]


@pytest.mark.parametrize(
    ("entry", "leaving", "ways"),
    [
        ("lean", "maker-taker", "entry lean, exit maker-taker"),
        ("taker-taker", "lean", "entry taker-taker, exit lean"),
    ],
)
def test_where_orders_rest_nothing_is_said_of_together(entry: Policy, leaving: Policy, ways: str) -> None:
    """It was once "1 of 1 pairs entered and exited in 9 s, 0 together", which sounds like a failure."""
    story = Story()
    story.placed("enter", "0.042", "-1")
    story.fill("eth")
    story.outcome("sol", "refused", 2031)
    story.placed("repair", "0", "-1")
    story.fill("sol")
    story.leave()
    story.snapshot()
    settings = msgspec.structs.replace(ONE_CYCLE, execution=Execution(entry=entry, exit=leaving))
    found = RunReport.of(settings, story.held).headline("in 9 s", "(simulated, seed 7)")
    assert found == f"1 of 1 pairs entered and exited in 9 s, {ways} (simulated, seed 7)."
