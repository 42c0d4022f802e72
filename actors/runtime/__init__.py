"""What every actor stands on: supervision, mailboxes, the clock."""
