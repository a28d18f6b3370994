"""What the aggregator decides. No I/O, no clock, no randomness."""
