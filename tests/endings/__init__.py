"""The leg-outcome matrix: whatever becomes of either leg's order, in whatever phase, with an actor killed or
not, the pair ends hedged or flat.

python -m tests.endings --cell "repair / partial / ack lost / crash"    repeat one cell, told at length
python -m tests.endings --all                                           every cell on all cores;
                                                                        docs/endings.md must be what comes of
                                                                        it
python -m tests.endings --all --write docs/endings.md                   write it anew
python -m tests.endings --resting                                       the same for an order that rests and
                                                                        its hedge, without a page
"""
