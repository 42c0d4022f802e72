"""The simulated exchange's client in the same process: `venue.protocol` by function calls, without sockets,
text and signatures' checks.
"""
