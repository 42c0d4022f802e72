"""Alerts: which event is one, how often it is sent, and over which channels."""
