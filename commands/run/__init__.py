"""`run` and the demo: the session around the machine, its log, its guard, its control socket."""
