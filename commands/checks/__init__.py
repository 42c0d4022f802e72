"""Is everything ready for money? One function for each check; `doctor` runs them all, a live run those
that must pass before its first order.
"""
