"""The front door: one file per command, each importing what it needs only when it is called."""
