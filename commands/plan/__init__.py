"""`plan`: can this target be balanced, what would it cost, and what does it need? Nothing is traded."""
