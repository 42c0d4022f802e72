"""The track record that the limits judge: folded from every row, whichever invocation wrote it."""

from actors.ledger.fold import Fold
from messages.lifecycle import CycleEnded, HaltCleared, Started
from messages.units import ONE, Ns, Quote
from tests.actors.ledger.story import Story


def test_drawdown_is_counted_from_the_highest_value_ever_read() -> None:
    """R15: it was once measured from the wrong peak."""
    story = Story()
    story.snapshot(value="10050")
    story.snapshot(value="9990")
    assert story.held.record.drawdown == Quote.of("60")
    story.snapshot(value="10060")
    assert story.held.record.drawdown == 0


def test_a_new_invocation_forgets_neither_the_peak_nor_the_failures() -> None:
    story = Story()
    story.snapshot(value="10050")
    fail(story)
    story.tell(Started(8, Ns(0)))
    story.snapshot(value="10000")
    record = story.held.record
    assert (record.drawdown, record.failed_in_row, record.cycles) == (Quote.of("50"), 1, 1)
    assert Fold().record.told().cycles == 0


def fail(story: Story) -> None:
    """An entry of which one leg alone traded, closed again."""
    story.placed("enter", "0.042", "-1")
    story.fill("eth")
    story.outcome("sol", "refused", 2031)
    story.placed("flatten", "-0.042", "0")
    story.fill("eth")
    story.snapshot()


def complete(story: Story, cycle: int) -> None:
    story.enter(cycle)
    story.leave(cycle)
    story.snapshot()


def test_failures_in_a_row_end_with_a_completed_cycle() -> None:
    story = Story()
    fail(story)
    assert story.held.record.failed_in_row == 1
    complete(story, 2)
    record = story.held.record
    assert (record.failed_in_row, record.cycles) == (0, 2)
    assert record.success == ONE // 2
    assert record.fill_rate == ONE * 3 // 4, "three of four entering legs were filled by their first order"


def test_a_cycles_ending_says_how_much_stood_alone_for_how_long() -> None:
    story = Story()
    story.placed("enter", "0.042", "-1")
    story.fill("eth")
    story.now_ms += 500
    story.outcome("sol", "refused", 2031)
    story.placed("repair", "0", "-1", closing=False)
    story.fill("sol")
    story.leave()
    story.snapshot()
    (ended,) = story.said_of(CycleEnded)
    assert Quote.of("57") < ended.unhedged_usd_s < Quote.of("60"), "116 USD for half a second"


def test_only_the_last_twenty_cycles_count() -> None:
    story = Story()
    fail(story)
    for cycle in range(2, 22):
        complete(story, cycle)
    record = story.held.record
    assert (record.cycles, record.success) == (20, ONE)


def test_a_persons_word_begins_the_record_again() -> None:
    story = Story()
    story.snapshot(value="10050")
    fail(story)
    story.tell(HaltCleared("MAX_DRAWDOWN", "", "looked at it"))
    story.snapshot(value="9000")
    record = story.held.record
    assert (record.drawdown, record.failed_in_row, record.cycles, record.fill_rate) == (0, 0, 0, None)
