"""What one cycle's orders came to: figures that can be worked out on paper."""

from commands.report.cycle_execution import BesideFold, CycleExecution, cycle_execution
from messages.units import Quote
from tests.commands.report.executions import (
    KNOWN,
    STEPS,
    quote_terms,
    rested_cycle,
    rested_order,
    rested_plan,
)


def whole_cycle() -> CycleExecution:
    """1 ETH is bid for at 1999.9 and fills in two pieces, each hedged in SOL; then both are taken back."""
    quote = rested_plan(1, "quote", eth="1", mids="2000 100", quote=quote_terms())
    first, second = (
        rested_plan(2, "hedge", sol="-8", mids="1999 99"),
        rested_plan(3, "hedge", sol="-12", mids="1998 98"),
    )
    leaving = rested_plan(4, "exit", eth="-1", sol="20", mids="2010 101")
    return cycle_execution(
        rested_cycle(
            [
                rested_order("eth", quote, (0, "0.4", "1999.9"), (100, "0.6", "1999.9")),
                rested_order("sol", first, (40, "-8", "99")),
                rested_order("sol", second, (170, "-12", "98")),
                rested_order("eth", leaving, (900, "-1", "2010")),
                rested_order("sol", leaving, (905, "20", "101")),
            ]
        ),
        BesideFold(STEPS, 3),
    )


def test_the_shortfall_is_against_the_first_decisions_mids_of_each_side() -> None:
    """ETH is bought 0.1 below the mid; SOL is sold 8 x 1 + 12 x 2 below it, which the hedges' own mids do not
    know; leaving costs its fees.
    """
    found = whole_cycle()
    assert found.shortfall == Quote.of("-0.1") + Quote.of("32") + 6 * Quote.of("0.1")
    assert found.wanted == Quote.of("4000") + Quote.of("4030")


def test_each_piece_waits_for_its_own_hedge() -> None:
    """By the terms: 0.4 ETH wants 8 SOL after 40 ms, all of it 20 after 70; the pair is left in 5."""
    assert whole_cycle().hedged_ms == (40, 70, 5)


def test_without_size_steps_only_flat_and_the_agreed_pair_are_hedged() -> None:
    quote, hedge = (
        rested_plan(1, "quote", eth="1", mids="2000 100", quote=quote_terms()),
        rested_plan(2, "hedge", mids="1 1"),
    )
    pieces = [rested_order("eth", quote, (0, "0.4", "2000"), (100, "0.6", "2000"))]
    pieces += [rested_order("sol", hedge, (40, "-8", "100"), (170, "-12", "100"))]
    assert cycle_execution(rested_cycle(pieces), BesideFold({}, 0)).hedged_ms == (170,)


def test_both_legs_in_one_instant_waited_for_nothing() -> None:
    enter = rested_plan(1, "enter", eth="1", sol="-20", mids="2000 100")
    both = [rested_order("eth", enter, (5, "1", "2000")), rested_order("sol", enter, (5, "-20", "100"))]
    assert cycle_execution(rested_cycle(both), KNOWN).hedged_ms == (0,)


def test_what_is_never_hedged_has_no_time() -> None:
    enter = rested_plan(1, "enter", eth="1", sol="-20", mids="2000 100")
    assert (
        cycle_execution(rested_cycle([rested_order("eth", enter, (5, "1", "2000"))]), KNOWN).hedged_ms == ()
    )


def test_a_quote_that_was_given_up_counts_by_what_its_mids_did() -> None:
    """It wanted to buy ETH and sell SOL; when it was quoted last ETH had gained 5 and SOL lost 0.1."""
    first = rested_plan(1, "quote", eth="1", mids="2000 100", quote=quote_terms())
    last = rested_plan(2, "quote", eth="1", mids="2005 99.9", quote=quote_terms())
    found = cycle_execution(
        rested_cycle([rested_order("eth", first), rested_order("eth", last)]), BesideFold(STEPS, 2)
    )
    assert (found.wanted, found.shortfall) == (Quote.of("4000"), Quote.of("7"))
    assert (found.rest_wanted, found.rest_filled, found.cancels) == (Quote.of("2000"), Quote(0), 2)
    assert found.fills == ()


def test_of_what_was_to_rest_only_what_resting_orders_filled_counts() -> None:
    """0.25 ETH by the quote, 0.75 are taken after all."""
    quote = rested_plan(1, "quote", eth="1", mids="2000 100", quote=quote_terms())
    taken = rested_plan(2, "enter", eth="0.75", sol="-15", mids="2000 100")
    found = cycle_execution(
        rested_cycle(
            [
                rested_order("eth", quote, (0, "0.25", "1999")),
                rested_order("eth", taken, (9, "0.75", "2001")),
                rested_order("sol", taken, (9, "-20", "100")),
            ]
        ),
        KNOWN,
    )
    assert (found.rest_wanted, found.rest_filled) == (Quote.of("2000"), Quote.of("500"))
    assert [fill.rested for fill in found.fills] == [True, False, False]


def test_which_side_quoted_and_leaned_is_told_apart() -> None:
    into = rested_plan(1, "quote", eth="1", mids="2000 100", quote=quote_terms())
    out = rested_plan(3, "quote", eth="-1", mids="2000 100", quote=quote_terms(opens=False))
    leaning = rested_plan(4, "quote", sol="20", mids="2000 100", quote=quote_terms(opens=False, hedges=True))
    found = cycle_execution(
        rested_cycle([rested_order("eth", into), rested_order("eth", out), rested_order("sol", leaning)]),
        KNOWN,
    )
    sides = (found.entry_quotes, found.entry_leans, found.exit_quotes, found.exit_leans)
    assert sides == (True, False, True, True)


def test_a_cycle_without_orders_wanted_nothing() -> None:
    assert cycle_execution(rested_cycle([]), KNOWN) == CycleExecution()


def test_a_quote_that_hedges_does_not_change_by_which_terms_a_part_is_hedged() -> None:
    """0.403 ETH want 8.06 SOL, to the step 8.1; reckoned back that would be 0.405 ETH."""
    quote = rested_plan(1, "quote", eth="1", mids="2000 100", quote=quote_terms())
    leaning = rested_plan(2, "quote", sol="-8.1", mids="2000 100", quote=quote_terms(hedges=True))
    pieces = [
        rested_order("eth", quote, (0, "0.403", "2000")),
        rested_order("sol", leaning, (25, "-8.1", "100")),
    ]
    assert cycle_execution(rested_cycle(pieces), KNOWN).hedged_ms == (25,)
