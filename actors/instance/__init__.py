"""What one instance keeps between starts: its epoch, its halt, and which exchange it traded at."""
