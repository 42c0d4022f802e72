"""What a watcher is told."""
