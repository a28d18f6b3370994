"""What the collector observes: one file each."""
