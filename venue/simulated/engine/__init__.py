"""The exchange itself, pure: books, accounts, matching, funding, liquidation, orders. No socket and no
clock of its own.
"""
