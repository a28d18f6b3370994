"""Towline: observability for pods that have no node. This package is the ground that collector and aggregator share."""

__version__ = "0.1.0"
