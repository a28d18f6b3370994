"""Real processes and sockets: the writers, the judge, and what is tried with them."""
