"""A second explicit-state model: orders that rest, around the real ledger and the real barrier.

state.py         what one state is; the ledger in it is the real fold, as the bytes of its own snapshot
books.py         the real code in the loop: the fold, the ledger's vote, judge, why_cancel
moves.py         what can happen next, and the one form of states that differ in nothing anybody can see
(its parts: supervisor.py, venue.py, accidents.py)
invariants.py    R1-R8
mutants.py       the rules broken on purpose, one switch each

python -m tests.model --quotes 2 --crashes 1 --losses 1
"""
