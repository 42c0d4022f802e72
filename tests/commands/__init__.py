"""Tests of what a person types and sees."""
