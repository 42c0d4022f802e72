"""Crash sweep on the real code: every actor, every schedule point, whole cycles over in-memory sockets, at a
venue that loses and reorders.

python -m tests.sweep --minutes 60                    sweep on all cores; prints runs, failures, seeds, 3/n
                                                      and the phases that were struck
python -m tests.sweep --seed 3 --blow sol_leg:17      repeat one run
"""
