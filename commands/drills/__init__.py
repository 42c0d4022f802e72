"""Named disasters: what happens in each, how one is played with real processes, and by what it is judged."""
