"""What both halves need and what knows no log, metric or vendor: errors, retry, config files, life cycle, logs."""
