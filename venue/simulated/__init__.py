"""A Nado to practise on: exchange engine, markets that move it, and the real wire in front. Nothing outside `commands/simulate.py` and tests imports it."""
