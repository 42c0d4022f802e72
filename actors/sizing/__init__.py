"""The sizing actor, the only place where quantities come from: the lattice of lot sizes, entering,
repairing, leaving.
"""
