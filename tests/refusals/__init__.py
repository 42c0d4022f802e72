"""Refusals and endings as processes: what is said, and above all which exit code, with a pair open and
with none (`python -m tests.refusals`).
"""
