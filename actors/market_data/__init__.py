"""The market-data actor: both products' books, from the exchange's stream to one quote for sizing, and
what taking from a book costs.
"""
