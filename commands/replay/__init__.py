"""`python supervisor.py replay`: the whole machine over a recorded market, on virtual time, one process."""
