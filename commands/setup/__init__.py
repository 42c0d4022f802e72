"""From a configuration to a machine that may trade: checks before the start, locks, ledger, worst case."""
