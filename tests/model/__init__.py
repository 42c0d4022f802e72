"""An explicit-state model of the barrier: every interleaving of legs, ledger, wire, venue, crashes and losses
around the real table.

state.py         what one state is: small tuples, hashed by value
real.py          the real code in the loop: barrier.step, objections.objection, resolve.judge, fed with real
                 messages
transitions.py   what can happen next (its parts: supervisor.py, legs.py, ledger.py, venue.py, accidents.py)
invariants.py    I1-I9 on every step, L1, L2 and no deadlock on every ending
search.py        breadth first, shortest trace, no cycles
mutants.py       the protocol broken on purpose, one switch each
quotes/          the same of orders that rest, a model of its own

python -m tests.model --crashes 2 --losses 1 --plans 2
"""
