"""Patterns as trees, what can be proven of them, and the two engines' spelling of them. regexes.py is the door."""
