"""`guard`: a process of its own that closes what a run left open."""
