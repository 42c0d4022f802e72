"""The page: its state, who may look, and what a browser shows of it."""
