"""Sessions, from start to end."""
