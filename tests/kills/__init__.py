"""Real processes, struck at chosen and at random moments: `python -m tests.kills --help`.

venue.py    a `simulate` of its own, and what it says afterwards     watch.py   the ledger from outside: when
            to strike, and what was going on then
audit.py    is that what should have come of it?                     rounds.py  start, strike, start again,
            until done
"""
