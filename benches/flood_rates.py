"""`flood`: what a run makes of 1 to 5,000 book messages a second: the age of the books that sizing looks at,
and what a message costs. One flood for each rate, by `benches/flood.py`, which says more about one of them.
"""

from benches.asked import Asked
from benches.figures import Figure, Taken
from benches.flood import measured

LEVELS = 10
AGE, COST, LOST = "age of the book at sizing's look", "processor time of a second", "stream lost, times"


def measure(asked: Asked) -> Taken:
    """Every rate of `asked.rates`, `asked.seconds` each. Raises `RuntimeError` where the run does not answer
    or does not end flat.
    """
    taken = Taken()
    for rate in asked.rates:
        row = measured(rate, asked.seconds, LEVELS)
        if row["exit_code"] not in {0, 130} or row["failed"]:
            raise RuntimeError(f"at {rate} messages a second the run ended with {row['exit_code']}: {row}")
        age, size = row["age_ms"], f"{rate:,}/s"
        if age:
            taken.figures.append(
                Figure("Evenkeel", AGE, "ms", row["looks"], age["p50"], age["p99"], size=size)
            )
        taken.add("Evenkeel", COST, "s", [row["cpu_s"] / row["seconds"]], size=size)
        taken.add("Evenkeel", LOST, "", [float(row["streams_lost"])], size=size)
        if row["received"] < row["sent"] * 0.99:
            taken.notes.append(
                f"{size}: {row['received']:,} of {row['sent']:,} messages were received in time"
            )
    taken.notes.append(f"{asked.seconds:g} s of each rate; {LEVELS} levels of each side in every message")
    return taken
