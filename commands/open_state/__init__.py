"""What of ours is open: the evidence on this machine, the decision from it, and the exit code that
follows.
"""
