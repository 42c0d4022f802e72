"""What a run's watcher is told, and what it keeps of it: for the page, the metrics and the alerts."""
