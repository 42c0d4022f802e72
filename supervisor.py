"""Evenkeel: the tree, the wiring, the barrier and main."""
