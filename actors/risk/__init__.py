"""Pure rules that refuse: what may not be entered, what a voter objects to, what ends a pair or a run. No
await, no clock, no I/O.
"""
