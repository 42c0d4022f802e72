"""Injected faults: of single orders, events and replies, of the whole venue, and false answers."""
