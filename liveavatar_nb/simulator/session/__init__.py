"""A session as the service runs it."""
