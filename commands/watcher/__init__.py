"""`watcher`: the process beside a run that serves its page and metrics and sends its alerts."""
