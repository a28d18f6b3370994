"""Strict counterparts that tests run against: real servers on loopback, written from the destinations' published limits.

They import nothing of the product, so that a mistake there cannot repeat itself here.
"""
