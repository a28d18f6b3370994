"""What travels between collector and aggregator: values and their encoding, no I/O."""
