"""The actors: market_data, account, sizing, leg (twice) and ledger. Each file opens with a pure step and
ends with one short `run`.
"""
