"""What a route does to events: one family of rules a file."""
