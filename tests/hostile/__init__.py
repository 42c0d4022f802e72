"""Real processes, and everything around them against them: `python -m tests.hostile --help`.

middleman.py  between us and the simulated venue: understands HTTP and WebSocket well enough to answer wrongly
mode.py       what a mode of it is: hooks on answers, and scripts of bytes, pauses and cuts to play instead
handshakes.py, frames.py, answers.py, rules.py, lies.py   the modes, by what they spoil
vandal.py     the file system against us            terminal.py  the terminal against us
cells.py      mode x state, and which are drawn     play.py      one cell: start, strike, heal, end
judge.py      what was claimed against what the venue's own log says
"""
