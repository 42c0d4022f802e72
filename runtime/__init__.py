"""Trio foundations that know nothing of trading: supervision and restarts, mailboxes, clocks, heartbeats,
locks and private files.
"""
