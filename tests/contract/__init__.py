"""The simulated venue over loopback against two clients of others, unmodified: the exchange's own SDK
(nado-protocol 2.0.0), and ccxt (4.5.90).
"""
