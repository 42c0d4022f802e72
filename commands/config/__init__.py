"""From flags, environment, file and defaults to one checked configuration, each value with its origin."""
