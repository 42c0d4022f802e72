"""Terminals, pipes and logs that nobody reads, under a run that holds a pair (`python -m tests.terminal`)."""
