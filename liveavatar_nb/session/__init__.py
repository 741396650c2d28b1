"""A session from its start to its end."""
