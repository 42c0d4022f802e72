"""`report`: what the cycles in one or several ledgers were, and what they cost."""
