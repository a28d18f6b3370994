"""Metrics from logs: rules count lines, and the totals move in the transaction that settles them."""
