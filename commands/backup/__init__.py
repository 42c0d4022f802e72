"""`backup` and `restore`: copies of a ledger, and the way back."""
