"""The managed event loop, and the calls of sync code into it."""
