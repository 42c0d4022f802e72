"""`/metrics`: the figures of a run for Prometheus."""
