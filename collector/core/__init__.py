"""What the collector decides. No I/O, no clock, no randomness."""
