"""Where records go: one file or folder each."""
