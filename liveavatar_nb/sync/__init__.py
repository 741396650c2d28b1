"""The sync API: each method runs the async method of the same name on the managed loop."""
