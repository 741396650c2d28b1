"""The managed event loop, and how sync code calls into it."""
