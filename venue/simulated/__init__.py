"""A Nado to practise on: an exchange engine, markets that move it, and the real wire in front.

Only `commands/simulate.py` and tests import it.
"""
