"""The simulated venue against the exchange's own SDK, unmodified: nado-protocol 2.0.0, over loopback."""
