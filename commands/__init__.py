"""One file per subcommand of `python supervisor.py <command>`."""
