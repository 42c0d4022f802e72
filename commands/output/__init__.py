"""Everything that is said: words, sentences with figures, JSON, how a run ended, and the threads that
write it.
"""
