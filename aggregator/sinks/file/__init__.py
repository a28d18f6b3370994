"""Files of JSON lines, appended to and fsynced: exactly once across restarts."""
