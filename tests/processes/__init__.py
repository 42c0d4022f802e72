"""Whole stories with real processes, judged by the venue's own log: guards, stopped runs, long ledgers,
rules that change (`pytest -m process`).
"""
