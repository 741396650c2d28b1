"""The sync API: each method wraps an async one, and runs it on the managed loop."""
